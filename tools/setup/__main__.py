"""`python3 -m tools.setup`: set the checkout up; a step that is up to date costs nothing.

Runs on the system's Python before there is a virtual environment, so it uses the standard library only. Only the
virtual environment is indispensable. Everything else that cannot be had is written to `build/missing.txt` with the
reason, the tests that need it skip with that reason, and `make test` prints the list at its end.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from tools.setup import checkout, debian, npm, venv
from tools.setup.checkout import StepFailedError

OPTIONAL: tuple[tuple[str, Callable[[], bool]], ...] = (
    ("debian packages", debian.provide),
    ("Node.js packages", npm.provide),
)


def main() -> int:
    """Run the steps in order and say how long each one took."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.setup", description=__doc__)
    parser.add_argument("--stamp", help="file to touch when everything indispensable is there")
    options = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what tells the user so
        print("setup: Python 3.11 or newer is needed, this is", sys.version.split()[0])
        return 1
    with checkout.only_one():
        return _set_up(options.stamp)


def _set_up(stamp: str | None) -> int:
    try:
        _timed("virtual environment", venv.provide)
        _timed("type stubs", venv.provide_stubs)
    except StepFailedError as failure:
        print(f"setup: {failure}")
        return 1
    for name, provide in OPTIONAL:
        try:
            _timed(name, provide)
        except StepFailedError as failure:
            print(f"setup: {name}: {failure}")
    missing = checkout.check_programs()
    for program, reason in sorted(missing.items()):
        print(f"setup: without {program}: {reason}")
    if stamp:
        checkout.ROOT.joinpath(stamp).parent.mkdir(parents=True, exist_ok=True)
        checkout.ROOT.joinpath(stamp).touch()
    return 0


def _timed(name: str, provide: Callable[[], bool]) -> None:
    started = time.monotonic()
    if provide():
        print(f"setup: {name}: done in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
