"""A driver for the worker's own test: answers with the bytes reversed, fails and crashes on request."""

import sys


def handle(request):
    """Return the request reversed."""
    if request == b"fail":
        raise ValueError("no: such thing")
    if request == b"crash":
        sys.exit(7)
    if request == b"hang":
        while True:
            pass
    if request == b"talk":
        print("a line of its own")
    return bytes(reversed(request))
