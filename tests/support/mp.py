"""What a test that runs on MicroPython may use: skip, raises, seed, share, vectors. Works on CPython as well.

Test files live in directories named `micropython`; each `test_*` function runs once per interpreter. At module level
such a file may say `VARIANTS = ("unix64", "unix32", "wasm")` (the first two by default), `HEAP = "2m"` and
`TIMEOUT_S = 120`.
"""

import json
import os

# Set by the runner; the defaults serve a test file that is run by hand.
ROOT = __file__.rsplit("/", 3)[0] if __file__.count("/") >= 3 else "."
SEED = 1


class Skip(Exception):
    """Raised by `skip`; the runner reports the test as skipped."""


def skip(why):
    """Leave the test out, saying why."""
    raise Skip(why)


def raises(exc_type, fn, *args, **kwargs):
    """Call `fn` and return the exception of type `exc_type` that it must raise."""
    try:
        got = fn(*args, **kwargs)
    except exc_type as exc:
        return exc
    raise AssertionError("no %s raised, got %r" % (exc_type.__name__, got))


def seed():
    """Return this run's seed (an int below 2**30); the report of a failure names it."""
    return SEED


def share(cases):
    """Return this interpreter's part of a long sweep of which each case need run on one interpreter only.

    The parts are mixed, so that what alternates in a sweep does not fall to one of them alone. Where no other interpreter
    runs the file, and by hand, it is all of them.
    """
    turn, turns = [int(number) for number in (os.getenv("LUMBUNG_TURN") or "0/1").split("/")]
    return [case for number, case in enumerate(cases) if bin(number).count("1") % turns == turn]


def vectors(name):
    """Load a JSON file of `../shared/vectors`; skips where the folder is not beside the checkout."""
    path = ROOT + "/../shared/vectors/" + name
    try:
        os.stat(path)
    except OSError:
        skip("no test vectors: ../shared/vectors/" + name + " is not there")
    with open(path) as file:
        return json.load(file)
