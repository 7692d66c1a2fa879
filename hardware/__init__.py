"""The physical terminal as data, and byte-level models of its chips."""
