"""One finding of a check, and how the checks walk the checkout."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.setup.checkout import ROOT

SKIPPED = {".git", ".venv", "build", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis"}
# A file that never runs on MicroPython, in a folder whose files do, says so in its docstring.
CPYTHON_ONLY = "CPython only"


@dataclass(frozen=True, order=True)
class Finding:
    """What is wrong, and where."""

    path: str
    line: int
    code: str
    text: str

    def __str__(self) -> str:
        """Return the form that editors jump to."""
        return f"{self.path}:{self.line}: {self.code} {self.text}"


def repository_files(root: Path = ROOT) -> list[Path]:
    """Return every file that is or could be committed, sorted."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return sorted(_walk(root))
    names = [name for name in done.stdout.decode().split("\0") if name]
    return sorted(path for path in (root / name for name in names) if path.is_file())


def python_files(*folders: str, root: Path = ROOT) -> list[Path]:
    """Return the Python files below some top-level folders; a folder that does not exist has none."""
    return [
        path
        for path in repository_files(root)
        if path.suffix == ".py" and path.relative_to(root).parts[0] in folders
    ]


def micropython_files(*folders: str, root: Path = ROOT) -> list[Path]:
    """Return those of the folders' Python files that run on MicroPython: all that do not say otherwise."""
    return [
        path for path in python_files(*folders, root=root) if not is_cpython_only(path.read_text("utf-8"))
    ]


def is_cpython_only(source: str) -> bool:
    """Tell whether a file's docstring says that it never runs on MicroPython."""
    try:
        return CPYTHON_ONLY in (ast.get_docstring(ast.parse(source)) or "")
    except SyntaxError:
        return False


def _walk(folder: Path) -> Iterator[Path]:
    # A source archive has no git; it holds only what was committed, but may have been built in.
    for entry in folder.iterdir():
        if entry.name in SKIPPED:
            continue
        if entry.is_dir():
            yield from _walk(entry)
        else:
            yield entry
