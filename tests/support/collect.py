"""Lets pytest collect test files that run on MicroPython: one item per function and interpreter.

A file `test_*.py` in a directory named `micropython` is never imported here: its functions and its settings
(`VARIANTS`, `HEAP`, `TIMEOUT_S`) are read from its syntax tree. One MicroPython process serves all items of a file and
variant; an item that crashes it or falls silent fails, and the next one gets a fresh process.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import process
from tests.support.process import ROOT, Child, ChildError

RUNNER = ROOT / "tests" / "support" / "mp_run.py"
VARIANTS_DEFAULT = ("unix64", "unix32")
TIMEOUT_S_DEFAULT = 60
LOAD_TIMEOUT_S = 60


class MicroPythonFailedError(Exception):
    """A test that failed on MicroPython; its text is what the interpreter said."""


@dataclass(frozen=True)
class Settings:
    """What a test file says about how to run it."""

    functions: tuple[tuple[str, int, str], ...]
    variants: tuple[str, ...] = VARIANTS_DEFAULT
    heap: str | None = None
    timeout_s: float = TIMEOUT_S_DEFAULT


def is_micropython_test(path: Path) -> bool:
    """Tell whether a file's tests run on MicroPython."""
    return path.parent.name == "micropython" and path.name.startswith("test_") and path.suffix == ".py"


def read_settings(path: Path) -> Settings:
    """Read a file's tests and settings without running it."""
    functions = []
    values: dict[str, Any] = {}
    for node in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            functions.append((node.name, node.lineno, ast.get_docstring(node) or ""))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in {"VARIANTS", "HEAP", "TIMEOUT_S"}:
                values[name.lower()] = ast.literal_eval(node.value)
    for variant in values.get("variants", ()):
        if variant not in process.PROGRAM_OF:
            raise pytest.UsageError(
                f"{path}: unknown variant {variant!r}, known: {', '.join(process.PROGRAM_OF)}"
            )
    return Settings(functions=tuple(functions), **values)


class MicroPythonFile(pytest.File):
    """A test file that runs on MicroPython, with one live process per variant."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = read_settings(self.path)
        self._children: dict[str, Child] = {}
        self._broken: dict[str, tuple[str, str]] = {}

    def collect(self) -> Iterator[pytest.Item]:
        """Yield one item per variant and function, variants outermost so that one process serves each."""
        for variant in self.settings.variants:
            for name, line, doc in self.settings.functions:
                yield MicroPythonItem.from_parent(
                    self, name=f"{name}[{variant}]", called=name, variant=variant, line=line, doc=doc
                )

    def teardown(self) -> None:
        """End what still runs."""
        for child in self._children.values():
            child.close()
        self._children.clear()

    def answer(self, variant: str, function: str) -> tuple[str, str, str]:
        """Run one function; return (verdict, text, what it printed)."""
        if variant in self._broken:
            return (*self._broken[variant], "")
        if variant == "wasm":
            return self._answer_once(variant, function)
        child = self._children.get(variant) or self._start(variant)
        if variant in self._broken:
            return (*self._broken[variant], child.take_log())
        try:
            child.write_line(function)
            verdict, text = _parsed(child.read_marked(self.settings.timeout_s))
        except ChildError as failure:
            child.kill()
            del self._children[variant]
            return "fail", str(failure), ""
        return verdict, text, child.take_log()

    def _start(self, variant: str) -> Child:
        seed = str(self.config.stash[SEED])
        command = process.argv(variant, self.settings.heap, RUNNER, "--serve", seed, self.path)
        child = Child(command, {"LUMBUNG_TURN": self._turn(variant)})
        self._children[variant] = child
        try:
            verdict, text = _parsed(child.read_marked(LOAD_TIMEOUT_S))
        except ChildError as failure:
            child.kill()
            verdict, text = "broken", str(failure)
        if verdict == "broken":
            self._broken[variant] = ("fail", f"the file does not load on {variant}:\n{text}")
        elif verdict == "skip-all":
            self._broken[variant] = ("skip", text)
        return child

    def _turn(self, variant: str) -> str:
        """Which of the interpreters that run this file this one is, for the sweeps that they share (`mp.share`)."""
        running = [one for one in self.settings.variants if process.missing_reason(one) is None]
        return f"{running.index(variant)}/{len(running)}"

    def _answer_once(self, variant: str, function: str) -> tuple[str, str, str]:
        """Serve the wasm build, whose standard input is not read line by line: one process per test."""
        seed = str(self.config.stash[SEED])
        with Child(process.argv(variant, None, RUNNER, "--once", seed, self.path, function)) as child:
            try:
                verdict, text = _parsed(child.read_marked(self.settings.timeout_s))
            except ChildError as failure:
                child.kill()
                return "fail", str(failure), ""
            return verdict, text, child.take_log()


SEED = pytest.StashKey[int]()


def _parsed(answer: str) -> tuple[str, str]:
    verdict, _, text = answer.split(" ")
    return verdict, "" if text == "-" else bytes.fromhex(text).decode(errors="replace")


class MicroPythonItem(pytest.Item):
    """One test function on one interpreter."""

    def __init__(self, *, called: str, variant: str, line: int, doc: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.called = called  # not `function`: pytest takes that for one of CPython
        self.variant = variant
        self.line = line
        self.doc = doc
        file = self.parent
        assert isinstance(file, MicroPythonFile)
        self._file = file
        self.add_marker(pytest.mark.timeout(LOAD_TIMEOUT_S + file.settings.timeout_s + 10))

    def runtest(self) -> None:
        """Run the function on its interpreter and judge the answer."""
        reason = process.missing_reason(self.variant)
        if reason:
            pytest.skip(reason)
        verdict, text, printed = self._file.answer(self.variant, self.called)
        if printed:
            self.add_report_section("call", f"printed on {self.variant}", printed)
        if verdict == "skip":
            pytest.skip(text)
        if verdict != "ok":
            raise MicroPythonFailedError(text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show MicroPython's traceback with the source lines, and how to run the test again."""
        if not isinstance(excinfo.value, MicroPythonFailedError):
            return super().repr_failure(excinfo, style)
        relative = self.path.relative_to(ROOT)
        command = " ".join(process.argv(self.variant, self._file.settings.heap)).replace(f"{ROOT}/", "")
        seed = self.config.stash[SEED]
        return (
            f"on {self.variant}:\n{_with_source(str(excinfo.value))}\n"
            f"again: LUMBUNG_SEED={seed} .venv/bin/pytest '{relative}::{self.name}'\n"
            f"bare:  {command} tests/support/mp_run.py {relative} {self.called}"
        )

    def reportinfo(self) -> tuple[Path, int, str]:
        """Say where the test stands."""
        return self.path, self.line - 1, self.name


def _with_source(trace: str) -> str:
    """Add the source line below each frame of a MicroPython traceback."""
    lines = []
    for line in trace.splitlines():
        lines.append(line)
        frame = re.match(r'\s+File "([^"]+)", line (\d+)', line)
        if frame and (ROOT / frame[1]).is_file():
            source = (ROOT / frame[1]).read_text(encoding="utf-8").splitlines()
            number = int(frame[2])
            if 0 < number <= len(source):
                lines.append(f"    {source[number - 1].strip()}")
    return "\n".join(lines)
