"""Reads a file for the traps of values: calls, names, comparisons and arithmetic."""

from __future__ import annotations

import ast
import re

from tools.lint.traps.reader import Reader, last_name
from tools.lint.traps.rules import ABSENT_ASYNCIO, ABSENT_BUILTINS, ABSENT_METHODS

_SECRET_WORDS = {"mac", "hmac", "tag", "pin", "verifier", "seal", "secret"}
# Where `tag` is a BER-TLV tag and not a cipher's.
_TLV_PATHS = ("firmware/card/", "hardware/")
_HASHES = {"sha256", "sha1", "md5"}
_HASH_NAMES = re.compile(r"(^|_)(hash|sha\d*|hasher|hashing)$")
_SLEEPS = {"sleep", "sleep_ms", "sleep_us"}
_TICKS = {"ticks_ms", "ticks_us", "ticks_cpu"}


class ValueReader(Reader):
    """Calls, names, comparisons, numbers; `path` decides which words are secrets."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._secret_words = _SECRET_WORDS - (
            {"tag"} if path.startswith(_TLV_PATHS) or "tlv" in path else set()
        )
        self._hashes: set[str] = set()
        self._sleeps: set[str] = set()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module == "time":
            self._sleeps.update(alias.asname or alias.name for alias in node.names if alias.name in _SLEEPS)

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
        if any(isinstance(side, ast.Call) and last_name(side.func) in _TICKS for side in sides):
            self._add(node, "LB025", "ticks with + - or <")

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id in ABSENT_BUILTINS:
            self._add(node, "LB020", node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = last_name(node.value)
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
        if isinstance(node.value, ast.Call) and last_name(node.value.func) in _HASHES:
            self._hashes.update(last_name(target) for target in node.targets)
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
        name = last_name(node.func if isinstance(node, ast.Call) else node)
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

    def _method(self, node: ast.Call, function: ast.Attribute) -> None:
        name, owner = function.attr, last_name(function.value)
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
            return last_name(node.func) in _HASHES
        name = last_name(node)
        return name in self._hashes or bool(_HASH_NAMES.search(name.lower()))


def _is_call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) == name


def _is_negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _is_public(node: ast.expr) -> bool:
    """Tell whether a side of a comparison can only be a number, a constant or a length."""
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, bytes | str)
    if isinstance(node, ast.Call):
        return last_name(node.func) in {"len", "type"}
    name = last_name(node)
    return bool(name) and name.isupper()
