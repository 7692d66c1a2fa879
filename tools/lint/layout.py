"""The checkout's shape: top-level folders, a purpose in every file's first line, no text that must not be here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tools.lint.finding import Finding, repository_files
from tools.setup.checkout import ROOT

FOLDERS = {"firmware", "gateway", "protocol", "hardware", "tools", "tests"}
HIDDEN_FOLDERS = {".ci"}
FILES = {
    ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements-dev.in",
    "requirements-dev.txt", "requirements.in", "requirements.txt",
}  # fmt: skip

# Bracketed letters keep these patterns from finding themselves.
FORBIDDEN = (
    ("LA004", "address of a package registry", re.compile(
        r"pyp[i]\.org|pythonhoste[d]\.org|npmj[s]\.(?:org|com)|de[b]\.debian\.org|deb[i]an-security/|nodesourc[e]\.com"
    )),
    ("LA005", "path of one machine", re.compile(r"(?<![\w.$/}-])/(?:wor[k]|roo[t]|hom[e]/\w+|User[s]/\w+)/")),
    ("LA006", "private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KE[Y]-----")),
)  # fmt: skip
TEXT = {
    "", ".c", ".cfg", ".css", ".html", ".in", ".ini", ".js", ".json", ".md", ".mjs", ".py", ".sh", ".sql", ".svg",
    ".toml", ".txt", ".yaml", ".yml", ".csv",
}  # fmt: skip


def check(root: Path = ROOT) -> list[Finding]:
    """Check every file that is or could be committed."""
    findings = []
    for path in repository_files(root):
        relative = path.relative_to(root)
        findings += check_place(relative)
        if path.suffix in TEXT:
            findings += check_text(path.read_text(encoding="utf-8", errors="replace"), str(relative))
    return findings


def check_place(relative: Path) -> list[Finding]:
    """Check that a file stands in a room of the house."""
    top = relative.parts[0]
    if len(relative.parts) == 1:
        allowed = top in FILES
        what = "file at the top"
    else:
        allowed = top in FOLDERS | HIDDEN_FOLDERS
        what = "top-level folder"
    return [] if allowed else [Finding(str(relative), 1, "LA001", f"no such {what} in the design: {top}")]


def check_text(text: str, path: str) -> list[Finding]:
    """Check one file's text."""
    findings = []
    if path.endswith(".py"):
        findings += _check_purpose(text, path)
    for code, what, pattern in FORBIDDEN:
        for number, line in enumerate(text.splitlines(), 1):
            match = pattern.search(line)
            if match:
                findings.append(Finding(path, number, code, f"{what}: {match[0]}"))
    return findings


def _check_purpose(text: str, path: str) -> list[Finding]:
    try:
        doc = ast.get_docstring(ast.parse(text, path))
    except SyntaxError as error:
        return [Finding(path, error.lineno or 1, "LA002", f"does not parse: {error.msg}")]
    if not doc:
        return [
            Finding(path, 1, "LA003", "the first line does not say what the file is for (module docstring)")
        ]
    first = doc.splitlines()[0]
    if len(first.split()) < 3:  # noqa: PLR2004 - fewer words say nothing
        return [Finding(path, 1, "LA003", f"the first line does not say what the file is for: {first!r}")]
    return []
