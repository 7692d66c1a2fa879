"""Gives a fresh clone everything it needs: Python packages, MicroPython builds, Mosquitto, valgrind."""
