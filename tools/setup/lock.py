"""Renews the hashed lock files from the `.in` files: `make lock`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tools.setup import checkout
from tools.setup.checkout import ROOT

LOCKS = {
    "requirements.in": "What the gateway and the tools need at run time, with hashes.",
    "requirements-dev.in": "What tests, lint and builds need on top of requirements.txt, with hashes.",
    "tools/setup/requirements-node.in": "Node.js for machines that have none, with hashes.",
    "tools/setup/requirements-stubs.in": "Type stubs of MicroPython on the ESP32, with hashes.",
}
OPTIONS = (
    "--python-version=3.11",
    "--universal",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--no-config",
    "--upgrade",
)


def main() -> int:
    """Compile every lock file, so that a file holds hashes and no address."""
    uv = str(ROOT / ".venv" / "bin" / "uv")
    for source, purpose in LOCKS.items():
        path = ROOT / source
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "lock.txt"
            checkout.run(
                uv, "pip", "compile", "--quiet", *OPTIONS, "-o", str(made), path.name,
                cwd=path.parent, env={"UV_FIND_LINKS": "", "UV_CACHE_DIR": f"{folder}/cache"},
            )  # fmt: skip
            path.with_suffix(".txt").write_text(
                f"# {purpose}\n# Made from {path.name} by `make lock`.\n{made.read_text()}"
            )
        print(f"lock: {path.with_suffix('.txt').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
