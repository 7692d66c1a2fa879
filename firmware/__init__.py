"""What runs on the terminal, under MicroPython."""
