"""How the readers of the trap lint walk a file's syntax tree, and what they ask of a node."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Reader(ast.NodeVisitor):
    """Walks what runs of one file, so no annotations and nothing for type checkers.

    `found` gathers (first line, last line, code of the rule, detail).
    """

    def __init__(self) -> None:
        self.found: list[tuple[int, int, str, str]] = []

    def _add(self, node: ast.AST, code: str, detail: str) -> None:
        # Only the first line and, for a short statement, the last one can carry a mark.
        first = getattr(node, "lineno", 1)
        self.found.append((first, getattr(node, "end_lineno", first) or first, code, detail))

    def visit_If(self, node: ast.If) -> None:
        # Nothing in here runs; it is for type checkers.
        is_typing = isinstance(node.test, ast.Constant) and node.test.value is False
        if not is_typing and isinstance(node.test, ast.Name):
            is_typing = node.test.id == "TYPE_CHECKING"
        if is_typing:
            for statement in node.orelse:
                self.visit(statement)
            return
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        # Annotations are not evaluated: only what runs is visited.
        for part in (
            *node.decorator_list,
            *node.args.defaults,
            *filter(None, node.args.kw_defaults),
            *node.body,
        ):
            self.visit(part)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value:
            self.visit(node.value)


def own_nodes(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes of a body without those of functions inside it."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, _FUNCTION):
            pending += ast.iter_child_nodes(node)


def last_name(node: ast.AST | None) -> str:
    """`c` of the name `c` or of `a.b.c`, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
