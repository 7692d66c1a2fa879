"""The MicroPython side of `worker.py`: hex lines in, hex lines out, errors as `!` and the hex of `Type: text`."""

import sys

ROOT = __file__.rsplit("/", 3)[0]
sys.path[0] = ROOT

MARK = "\x1e"


def main(path):
    """Load the driver and answer until standard input ends."""
    dotted = path[len(ROOT) + 1 : -len(".py")].replace("/", ".")
    __import__(dotted)
    handle = sys.modules[dotted].handle
    print(MARK + "ready")
    while True:
        line = sys.stdin.readline().strip()
        if not line:
            return
        try:
            answer = bytes(handle(b"" if line == "-" else bytes.fromhex(line))).hex() or "-"
        except Exception as exc:
            answer = "!" + ("%s: %s" % (type(exc).__name__, exc)).encode().hex()
        print(MARK + answer)


main(sys.argv[1])
