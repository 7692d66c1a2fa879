"""A terminal without a board: the real firmware on the unix port of MicroPython, with byte-level models of its chips."""
