"""Reads a file for the traps of syntax: what MicroPython cannot parse, or runs otherwise than CPython."""

from __future__ import annotations

import ast

from tools.lint.traps.reader import Reader, last_name, own_nodes


class SyntaxReader(Reader):
    """Classes, functions, handlers, displays, loops, slices and f-strings."""

    def __init__(self) -> None:
        super().__init__()
        self._in_fstring = False

    def visit_TryStar(self, node: ast.AST) -> None:
        self._add(node, "LB013", "except*")
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        names = [last_name(kind) if kind else "everything" for kind in types]
        broad = [name for name in names if name in {"everything", "Exception", "BaseException"}]
        raises = any(isinstance(inner, ast.Raise) for inner in own_nodes(node.body))
        if broad and not raises:
            # The mark stands at the `except` line, not somewhere in the handler.
            self.found.append((node.lineno, node.lineno, "LB015", f"except {broad[0]}"))
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for keyword in node.keywords:
            self._add(keyword, "LB013", f"class keyword {keyword.arg}=")
        for name in ("__init_subclass__", "__set_name__"):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == name:
                    self._add(item, "LB019", name)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._parameters(node)
        super().visit_FunctionDef(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        if any(isinstance(inner, ast.Yield) for inner in own_nodes(node.body)):
            self._add(node, "LB013", "async generator")
        self._parameters(node)
        super().visit_AsyncFunctionDef(node)

    def _parameters(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.args.posonlyargs:
            self.found.append((node.lineno, node.lineno, "LB013", "positional-only parameters"))

    def visit_Match(self, node: ast.Match) -> None:
        self._add(node, "LB013", "match")
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        if None in node.keys:
            self._add(node, "LB013", "{**a}")
        self.generic_visit(node)

    def visit_List(self, node: ast.List) -> None:
        self._display(node)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        self._display(node)

    def visit_Set(self, node: ast.Set) -> None:
        self._display(node)

    def _display(self, node: ast.List | ast.Tuple | ast.Set) -> None:
        loads = not isinstance(getattr(node, "ctx", ast.Load()), ast.Store)
        if loads and any(isinstance(item, ast.Starred) for item in node.elts):
            self._add(node, "LB013", "[*a]")
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        if node.is_async:
            self._add(node.iter, "LB013", "async comprehension")
        self._iterated(node.iter)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._iterated(node.iter)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in {"list", "tuple", "bytes", "bytearray", "enumerate"} and node.args:
            self._iterated(node.args[0])
        self.generic_visit(node)

    def _iterated(self, node: ast.expr) -> None:
        is_set = isinstance(node, ast.Set | ast.SetComp | ast.Dict | ast.DictComp)
        if is_set or (isinstance(node, ast.Call) and last_name(node.func) in {"set", "frozenset", "dict"}):
            self._add(node, "LB005", "iteration over a set or dict")

    def visit_Slice(self, node: ast.Slice) -> None:
        if node.step is not None and not (
            isinstance(node.step, ast.Constant) and node.step.value in (1, None)
        ):
            self._add(node.step, "LB021", "step")
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        if self._in_fstring:
            self._add(node, "LB023", "f-string inside an f-string")
        for value in node.values:
            if not isinstance(value, ast.FormattedValue):
                continue
            outer, self._in_fstring = self._in_fstring, True
            self.visit(value.value)
            self._in_fstring = outer
            if value.format_spec:
                self._format_spec(value.format_spec)

    def _format_spec(self, spec: ast.expr) -> None:
        assert isinstance(spec, ast.JoinedStr)
        for part in spec.values:
            if isinstance(part, ast.Constant) and "_" in str(part.value):
                self._add(spec, "LB023", "format `_`")
            elif isinstance(part, ast.FormattedValue):
                self.visit(part.value)
