"""Reads a file for the traps of imports: modules that are not in the stock runtime, or must not be used."""

from __future__ import annotations

import ast

from tools.lint.traps.reader import Reader
from tools.lint.traps.rules import ABSENT_ASYNCIO, OUR_PACKAGES, PRESENT_MODULES, TARGET_MODULES


class ImportReader(Reader):
    """Imports; an absent module may be asked for inside `try` with `except ImportError`."""

    def __init__(self) -> None:
        super().__init__()
        self._sheltered = 0

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if not node.level:
            self._import(node, module)
        for alias in node.names:
            if module == "time" and alias.name == "time":
                self._add(node, "LB008", "from time import time")
            if module == "asyncio" and alias.name in ABSENT_ASYNCIO:
                self._add(node, "LB026", alias.name)

    def _import(self, node: ast.stmt, module: str) -> None:
        top = module.partition(".")[0]
        if top == "random":
            self._add(node, "LB002", "import random")
        elif top in {"hmac", "secrets"}:
            self._add(node, "LB004", f"import {module}")
        elif top == "json":
            self._add(node, "LB005", "import json")
        elif top in OUR_PACKAGES or module in PRESENT_MODULES or top in TARGET_MODULES:
            return
        elif not self._sheltered:
            self._add(node, "LB009", f"import {module}")

    def visit_Try(self, node: ast.Try) -> None:
        catches_import = any(
            isinstance(handler.type, ast.Name) and handler.type.id == "ImportError"
            for handler in node.handlers
        )
        self._sheltered += catches_import
        for statement in node.body:
            self.visit(statement)
        self._sheltered -= catches_import
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)
