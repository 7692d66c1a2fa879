"""`make lint`: ruff, mypy twice, and our own checks; prints every finding and fails if there is one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.lint import imports, layout
from tools.lint.finding import micropython_files, python_files
from tools.lint.traps import check as traps
from tools.setup.checkout import BUILD, ROOT

STRICT = ("gateway", "protocol", "tools")
ON_DEVICE = ("firmware", "hardware")
BIN = ROOT / ".venv" / "bin"
UNKNOWN = re.compile(r'"(None|object)"')


def main() -> int:
    """Run every check, also after one has failed."""
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("ruff check", lambda: _run([BIN / "ruff", "check", "--quiet", ROOT])),
        ("ruff format", lambda: _run([BIN / "ruff", "format", "--check", "--quiet", ROOT])),
        ("types of gateway, protocol and tools", _types),
        ("types of firmware on the ESP32", _device_types),
        ("traps of MicroPython", lambda: _ours(traps.check)),
        ("import rules", lambda: _ours(imports.check)),
        ("layout", lambda: _ours(layout.check)),
    )
    failed = []
    for name, check in checks:
        if not check():
            failed.append(name)
            print(f"lint: {name}: FAILED", flush=True)
    print(f"lint: {len(checks) - len(failed)} of {len(checks)} checks passed")
    return 1 if failed else 0


def _types() -> bool:
    files = [path for path in python_files(*STRICT) if not _is_micropython_only(path)]
    return not files or _run([BIN / "mypy", "--strict", *files])


def _is_micropython_only(path: Path) -> bool:
    """Whether a tool runs inside MicroPython alone: its first line says so, and it is checked like firmware."""
    return path.read_text("utf-8").startswith('"""MicroPython only:')


def _device_types() -> bool:
    """Check firmware against the ESP32's own standard library: an unknown module or attribute is an error.

    Buffers count as bytes, as they do on MicroPython. Attributes that start as None and arguments that are said to be
    an `object` can be anything: annotations are few there, and `typing.Any` cannot be imported.
    """
    files = micropython_files("firmware")
    files += [path for path in python_files(*STRICT) if _is_micropython_only(path)]
    if not files:
        return True
    stubs = BUILD / "stubs"
    options = [
        "--config-file=", "--custom-typeshed-dir", stubs, "--platform", "linux", "--python-version", "3.11",
        "--no-site-packages", "--check-untyped-defs", "--no-strict-bytes", "--no-strict-optional",
        "--disable-error-code", "var-annotated", "--explicit-package-bases", "--namespace-packages",
        "--cache-dir", ROOT / ".mypy_cache" / "device",
    ]  # fmt: skip
    code, printed = _output([BIN / "mypy", *options, *files], {"MYPYPATH": f"{stubs}{os.pathsep}{ROOT}"})
    # The stubs have errors of their own, which are not ours to mend; chip models are followed but not judged.
    followed = ("build", "hardware")
    errors = [line for line in printed.splitlines() if ": error:" in line and not line.startswith(followed)]
    ours = [line for line in errors if not UNKNOWN.search(line)]
    if code not in (0, 1):  # it did not get as far as checking
        ours.append(printed)
    print("\n".join(ours), end="\n" if ours else "")
    return not ours


def _ours(check: Callable[[], Sequence[object]]) -> bool:
    findings = check()
    for finding in findings:
        print(finding)
    return not findings


def _run(command: Sequence[object]) -> bool:
    code, printed = _output(command)
    if code:
        print(printed.rstrip(), flush=True)
    return code == 0


def _output(command: Sequence[object], env: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | (env or {}),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.returncode, done.stdout.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
