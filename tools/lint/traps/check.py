"""The trap lint: finds code that CPython and ruff accept and that goes wrong, often silently, on MicroPython.

It reads syntax trees only, so it can miss a trap behind a variable; what it finds is explained in `rules.py`.
A line is exempted by `# lumbung: <mark> - <reason>` on the line, or on the line above it where it stands alone; a
mark without a reason, an unknown mark and a mark that exempts nothing are findings themselves (LB000).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

from tools.lint.finding import Finding, micropython_files
from tools.lint.traps.imports import ImportReader
from tools.lint.traps.rules import BY_CODE, MARKS
from tools.lint.traps.syntax import SyntaxReader
from tools.lint.traps.values import ValueReader
from tools.setup.checkout import ROOT

FOLDERS = ("firmware", "protocol", "hardware")
_MARK = re.compile(r"#\s*lumbung:\s*([a-z-]+)\s*(.*)")


def check(root: Path = ROOT) -> list[Finding]:
    """Check every file that runs on MicroPython."""
    findings = []
    for path in micropython_files(*FOLDERS, root=root):
        findings += check_source(path.read_text(encoding="utf-8"), str(path.relative_to(root)))
    return findings


def check_source(source: str, path: str) -> list[Finding]:
    """Check one file's text; `path` is relative to the checkout and decides which rules are strict."""
    try:
        tree = ast.parse(source, path)
    except SyntaxError as error:
        return [Finding(path, error.lineno or 1, "LB013", f"does not parse: {error.msg}")]
    found = []
    for reader in (ImportReader(), SyntaxReader(), ValueReader(path)):
        reader.visit(tree)
        found += reader.found
    return _exempt(found, source, path)


def _exempt(found: list[tuple[int, int, str, str]], source: str, path: str) -> list[Finding]:
    """Drop findings on marked lines, and report marks that are wrong or exempt nothing."""
    marks, findings = _read_marks(source, path)
    used: set[int] = set()
    for first, last, code, detail in found:
        rule = BY_CODE[code]
        lines = [
            number for number in range(first, last + 1) if (marks.get(number) or ("", 0))[0] == rule.mark
        ]
        if rule.mark and lines:
            used.update(marks[number][1] for number in lines)
            continue
        hint = f" [# lumbung: {rule.mark} - reason]" if rule.mark else ""
        findings.append(Finding(path, first, code, f"{rule.name}: {detail}: {rule.reason}{hint}"))
    for mark, line in sorted(set(marks.values())):
        if line not in used:
            findings.append(Finding(path, line, "LB000", f"the mark `{mark}` exempts nothing on its line"))
    return sorted(set(findings))


def _read_marks(source: str, path: str) -> tuple[dict[int, tuple[str, int]], list[Finding]]:
    """Return mark and comment line for every line that a mark covers."""
    marks: dict[int, tuple[str, int]] = {}
    findings = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        match = _MARK.search(token.string) if token.type == tokenize.COMMENT else None
        if not match:
            continue
        line, stands_alone = token.start[0], not token.line[: token.start[1]].strip()
        mark, reason = match[1], match[2].strip(" -:")
        if mark not in MARKS:
            findings.append(
                Finding(path, line, "LB000", f"no mark `{mark}`; known: {', '.join(sorted(MARKS))}")
            )
        elif not reason:
            findings.append(Finding(path, line, "LB000", f"the mark `{mark}` needs a reason after it"))
        else:
            marks[line + stands_alone] = (mark, line)
    return marks, findings
