"""How sealed records leave the terminal and how acknowledgements and grants come in, over any link."""
