"""The trap lint: finds code that CPython and ruff accept and that goes wrong, often silently, on MicroPython.

It reads syntax trees only, so it can miss a trap behind a variable; what it finds is explained in `trap_rules.py`.
A line is exempted by `# lumbung: <mark> - <reason>` on the line, or on the line above it where it stands alone; a
mark without a reason, an unknown mark and a mark that exempts nothing are findings themselves (LB000).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tools.lint.finding import Finding, python_files
from tools.lint.trap_rules import (
    ABSENT_ASYNCIO,
    ABSENT_BUILTINS,
    ABSENT_METHODS,
    BY_CODE,
    MARKS,
    OUR_PACKAGES,
    PRESENT_MODULES,
    TARGET_MODULES,
)
from tools.setup.checkout import ROOT

FOLDERS = ("firmware", "protocol", "hardware")
# A file of these folders that never runs on MicroPython says so in its docstring.
CPYTHON_ONLY = "CPython only"

_MARK = re.compile(r"#\s*lumbung:\s*([a-z-]+)\s*(.*)")
_SECRET_WORDS = {"mac", "hmac", "tag", "pin", "verifier", "seal", "secret"}
# Where `tag` is a BER-TLV tag and not a cipher's.
_TLV_PATHS = ("firmware/card/", "hardware/")
_HASHES = {"sha256", "sha1", "md5"}
_HASH_NAMES = re.compile(r"(^|_)(hash|sha\d*|hasher|hashing)$")
_SLEEPS = {"sleep", "sleep_ms", "sleep_us"}
_TICKS = {"ticks_ms", "ticks_us", "ticks_cpu"}
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def check(root: Path = ROOT) -> list[Finding]:
    """Check every file that runs on MicroPython."""
    findings = []
    for path in python_files(*FOLDERS, root=root):
        source = path.read_text(encoding="utf-8")
        if not is_cpython_only(source):
            findings += check_source(source, str(path.relative_to(root)))
    return findings


def is_cpython_only(source: str) -> bool:
    """Tell whether a file's docstring says that it never runs on MicroPython."""
    try:
        return CPYTHON_ONLY in (ast.get_docstring(ast.parse(source)) or "")
    except SyntaxError:
        return False


def check_source(source: str, path: str) -> list[Finding]:
    """Check one file's text; `path` is relative to the checkout and decides which rules are strict."""
    try:
        tree = ast.parse(source, path)
    except SyntaxError as error:
        return [Finding(path, error.lineno or 1, "LB013", f"does not parse: {error.msg}")]
    visitor = _Visitor(path)
    visitor.visit(tree)
    return _exempt(visitor.found, source, path)


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


class _Visitor(ast.NodeVisitor):
    """Walks one file and collects (first line, last line, code, detail)."""

    def __init__(self, path: str) -> None:
        self.found: list[tuple[int, int, str, str]] = []
        self._path = path
        self._secret_words = _SECRET_WORDS - (
            {"tag"} if path.startswith(_TLV_PATHS) or "tlv" in path else set()
        )
        self._hashes: set[str] = set()
        self._sleeps: set[str] = set()
        self._sheltered = 0
        self._in_fstring = False

    def _add(self, node: ast.AST, code: str, detail: str) -> None:
        # Only the first line and, for a short statement, the last one can carry a mark.
        first = getattr(node, "lineno", 1)
        self.found.append((first, getattr(node, "end_lineno", first) or first, code, detail))

    # Imports

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if not node.level:
            self._import(node, module)
        for alias in node.names:
            if module == "time" and alias.name in _SLEEPS:
                self._sleeps.add(alias.asname or alias.name)
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

    def visit_TryStar(self, node: ast.AST) -> None:
        self._add(node, "LB013", "except*")
        self.generic_visit(node)

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

    # Exceptions

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        names = [_last_name(kind) if kind else "everything" for kind in types]
        broad = [name for name in names if name in {"everything", "Exception", "BaseException"}]
        raises = any(isinstance(inner, ast.Raise) for inner in _own_nodes(node.body))
        if broad and not raises:
            # The mark stands at the `except` line, not somewhere in the handler.
            self.found.append((node.lineno, node.lineno, "LB015", f"except {broad[0]}"))
        self.generic_visit(node)

    # Syntax

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for keyword in node.keywords:
            self._add(keyword, "LB013", f"class keyword {keyword.arg}=")
        for name in ("__init_subclass__", "__set_name__"):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == name:
                    self._add(item, "LB019", name)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        if any(isinstance(inner, ast.Yield) for inner in _own_nodes(node.body)):
            self._add(node, "LB013", "async generator")
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.args.posonlyargs:
            self.found.append((node.lineno, node.lineno, "LB013", "positional-only parameters"))
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

    def _iterated(self, node: ast.expr) -> None:
        is_set = isinstance(node, ast.Set | ast.SetComp | ast.Dict | ast.DictComp)
        if is_set or (isinstance(node, ast.Call) and _last_name(node.func) in {"set", "frozenset", "dict"}):
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

    # Numbers

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, float | complex):
            self._add(node, "LB008", f"literal {node.value}")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div):
            self._add(node, "LB008", "true division")
        if isinstance(node.op, ast.Mult) and any(
            _is_call(side, "bytearray") for side in (node.left, node.right)
        ):
            self._add(node, "LB024", "bytearray * n")
        if isinstance(node.op, ast.Add | ast.Sub):
            self._ticks(node, node.left, node.right)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.op, ast.Div):
            self._add(node, "LB008", "true division")
        if isinstance(node.op, ast.Add | ast.Sub):
            self._ticks(node, node.value)
        self.generic_visit(node)

    def _ticks(self, node: ast.AST, *sides: ast.expr) -> None:
        if any(isinstance(side, ast.Call) and _last_name(side.func) in _TICKS for side in sides):
            self._add(node, "LB025", "ticks with + - or <")

    # Names, calls, comparisons

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id in ABSENT_BUILTINS:
            self._add(node, "LB020", node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = _last_name(node.value)
        if node.attr in {"__cause__", "__context__", "__traceback__"}:
            self._add(node, "LB012", node.attr)
        elif node.attr == "__doc__":
            self._add(node, "LB019", node.attr)
        elif owner == "asyncio" and node.attr in ABSENT_ASYNCIO:
            self._add(node, "LB026", node.attr)
        elif owner == "hmac" and node.attr == "compare_digest":
            self._add(node, "LB004", "hmac.compare_digest")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Call) and _last_name(node.value.func) in _HASHES:
            self._hashes.update(_last_name(target) for target in node.targets)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        if any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
            secret = next((name for name in map(self._secret, sides) if name), None)
            if secret and not any(_is_public(side) for side in sides):
                self._add(node, "LB016", secret)
        if any(isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for operator in node.ops):
            self._ticks(node, *sides)
        self.generic_visit(node)

    def _secret(self, node: ast.expr) -> str | None:
        while isinstance(node, ast.Subscript):
            node = node.value
        name = _last_name(node.func if isinstance(node, ast.Call) else node)
        return name if self._secret_words & set(name.lower().split("_")) else None

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute):
            self._method(node, node.func)
        elif isinstance(node.func, ast.Name):
            self._builtin(node, node.func.id)
        self.generic_visit(node)

    def _builtin(self, node: ast.Call, name: str) -> None:
        keywords = {keyword.arg for keyword in node.keywords}
        if name == "pow" and len(node.args) == 3 and _is_negative(node.args[1]):  # noqa: PLR2004 - pow's three
            self._add(node, "LB001", "pow(a, -n, p)")
        elif name == "float":
            self._add(node, "LB008", "float()")
        elif name == "print":
            self._add(node, "LB017", "print()")
        elif name in self._sleeps:
            self._add(node, "LB014", f"{name}()")
        elif (name == "zip" and "strict" in keywords) or (name == "sum" and "start" in keywords):
            self._add(node, "LB022", f"{name}({', '.join(sorted(filter(None, keywords)))}=)")
        elif name == "array":
            self._add(node, "LB018", "array()")
        elif name in {"list", "tuple", "bytes", "bytearray", "enumerate"} and node.args:
            self._iterated(node.args[0])

    def _method(self, node: ast.Call, function: ast.Attribute) -> None:
        name, owner = function.attr, _last_name(function.value)
        keywords = {keyword.arg for keyword in node.keywords}
        if name in ABSENT_METHODS:
            self._add(node, "LB006" if name == "bit_count" else "LB010", f".{name}()")
        elif name == "bit_length":
            self._add(node, "LB006", ".bit_length()")
        elif name == "hexdigest" or (name == "copy" and self._is_hash(function.value)):
            self._add(node, "LB003", f".{name}()")
        elif name in {"items", "keys", "values"} and not node.args:
            self._add(node, "LB005", f".{name}()")
        elif name in {"from_bytes", "to_bytes"} and (keywords or len(node.args) > 2):  # noqa: PLR2004 - length, order
            self._add(node, "LB007", f"{name} with keywords or a third argument")
        elif owner == "time" and name in _SLEEPS:
            self._add(node, "LB014", f"time.{name}()")
        elif owner == "time" and name == "time":
            self._add(node, "LB008", "time.time()")
        elif owner == "struct" and name in {"pack", "pack_into"}:
            self._add(node, "LB018", f"struct.{name}()")
        elif name in {"decode", "encode"} and isinstance(function.value, ast.expr):
            self._codec(node, name, keywords)
        elif name in {"split", "rsplit"} and keywords:
            self._add(node, "LB022", f".{name}(keyword)")

    def _codec(self, node: ast.Call, name: str, keywords: set[str | None]) -> None:
        first = node.args[0] if node.args else None
        encoding = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        # A codec of ours takes other things than the name of an encoding.
        if keywords & {"errors", "encoding"} or (encoding is not None and len(node.args) > 1):
            self._add(node, "LB011", f".{name}(errors)")
        elif (
            name == "encode" and encoding is not None and encoding.lower() in {"ascii", "us-ascii", "latin-1"}
        ):
            self._add(node, "LB011", f".encode({encoding!r})")

    def _is_hash(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            return _last_name(node.func) in _HASHES
        name = _last_name(node)
        return name in self._hashes or bool(_HASH_NAMES.search(name.lower()))


def _own_nodes(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes of a body without those of functions inside it."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, _FUNCTION):
            pending += ast.iter_child_nodes(node)


def _last_name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _is_call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and _last_name(node.func) == name


def _is_negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _is_public(node: ast.expr) -> bool:
    """Tell whether a side of a comparison can only be a number, a constant or a length."""
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, bytes | str)
    if isinstance(node, ast.Call):
        return _last_name(node.func) in {"len", "type"}
    name = _last_name(node)
    return bool(name) and name.isupper()
