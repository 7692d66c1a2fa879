"""Reads a raw flash dump of a terminal with code of its own, says what is whole, and exports what can be saved."""
