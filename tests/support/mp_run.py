"""Runs the tests of one file on MicroPython: mp_run.py FILE [FUNCTION...]; answers line by line for the harness.

With `--serve SEED` before the file it reads function names from standard input and answers each with one line:
RECORD SEPARATOR, verdict, milliseconds, hex of the text. Without it, it prints for people.
"""

import asyncio
import io
import sys
import time

ROOT = __file__.rsplit("/", 3)[0] if __file__.count("/") >= 3 else "."
sys.path[0] = ROOT  # was the folder of this file, whose neighbours must not be importable by bare name

from tests.support import mp  # noqa: E402 - only importable now

MARK = "\x1e"


def load(path):
    """Import a test file by its dotted name, which is its path below the checkout."""
    if path.startswith(ROOT + "/"):
        path = path[len(ROOT) + 1 :]
    dotted = path[: -len(".py")].replace("/", ".")
    __import__(dotted)
    return sys.modules[dotted]


def run(function):
    """Run one test and return (verdict, milliseconds, text)."""
    started = time.ticks_ms()
    verdict, text = "ok", ""
    try:
        result = function()
        if hasattr(result, "send"):
            asyncio.run(result)
    except mp.Skip as exc:
        verdict, text = "skip", str(exc)
    except Exception as exc:
        verdict, text = "fail", trace(exc)
    return verdict, time.ticks_diff(time.ticks_ms(), started), text


def trace(exc):
    """Return the traceback as MicroPython prints it."""
    out = io.StringIO()
    sys.print_exception(exc, out)
    return out.getvalue()


def answer(verdict, ms, text):
    """Write one answer line for the harness."""
    # bytes.hex is missing in no build that we use, but an empty argument would leave the field out: hence the dash.
    print(MARK + verdict, ms, text.encode().hex() or "-")


def serve(path):
    """Answer for one function name per line until standard input ends."""
    try:
        module = load(path)
    except mp.Skip as exc:
        answer("skip-all", 0, str(exc))
        return
    except BaseException as exc:
        answer("broken", 0, trace(exc))
        return
    answer("ready", 0, "")
    while True:
        name = sys.stdin.readline().strip()
        if not name:
            return
        answer(*run(getattr(module, name)))


def by_hand(path, names):
    """Print one line for each test and return the number that failed."""
    module = load(path)
    failed = 0
    for name in names or sorted(name for name in dir(module) if name.startswith("test_")):
        verdict, ms, text = run(getattr(module, name))
        print(verdict, name, ms, "ms", text)
        failed += verdict == "fail"
    return failed


def main(argv):
    """Serve the harness or run by hand."""
    if argv[0] == "--serve":
        mp.ROOT, mp.SEED = ROOT, int(argv[1])
        serve(argv[2])
        return 0
    if argv[0] == "--once":
        mp.ROOT, mp.SEED = ROOT, int(argv[1])
        module = load(argv[2])
        answer(*run(getattr(module, argv[3])))
        return 0
    mp.ROOT = ROOT
    return 1 if by_hand(argv[0], argv[1:]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
