"""Who may import whom (design, "The house"), checked on syntax trees; `if False:` imports count as well."""

from __future__ import annotations

import ast
from pathlib import Path

from tools.lint.finding import Finding, python_files
from tools.setup.checkout import ROOT

OURS = ("protocol", "firmware", "hardware", "gateway", "tools", "tests")
MAY_IMPORT = {
    "protocol": {"protocol"},
    "firmware": {"firmware", "protocol"},
    "hardware": {"hardware"},
    "gateway": {"gateway", "protocol"},
    "tools": set(OURS) - {"tests"},
    "tests": set(OURS),
}
TARGET_ONLY = {"machine", "esp", "esp32", "network"}
HAL = "firmware/hal/"


def check(root: Path = ROOT) -> list[Finding]:
    """Check all our Python files."""
    findings = []
    for path in python_files(*OURS, root=root):
        findings += check_source(path.read_text(encoding="utf-8"), str(path.relative_to(root)))
    return findings


def check_source(source: str, path: str) -> list[Finding]:
    """Check one file's text; its first folder decides what it may import."""
    try:
        tree = ast.parse(source, path)
    except SyntaxError as error:
        return [Finding(path, error.lineno or 1, "IM000", f"does not parse: {error.msg}")]
    folder = path.partition("/")[0]
    findings = []
    for line, module in _imported(tree, path):
        top = module.partition(".")[0]
        if top in OURS and top not in MAY_IMPORT[folder]:
            allowed = ", ".join(sorted(MAY_IMPORT[folder]))
            findings.append(
                Finding(path, line, "IM001", f"{folder} must not import {top} (it may: {allowed})")
            )
        if folder == "firmware" and top in TARGET_ONLY and not path.startswith(HAL):
            findings.append(Finding(path, line, "IM002", f"inside firmware only hal imports {top}"))
    return findings


def _imported(tree: ast.Module, path: str) -> list[tuple[int, str]]:
    modules = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = path.split("/")[: -node.level] if node.level else []
            modules.append((node.lineno, ".".join([*package, *filter(None, [node.module])])))
    return modules
