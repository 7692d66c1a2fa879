"""The order in which the terminal loads its modules keeps chains of imports short, as the stack of the ESP32 needs."""

import ast
from functools import cache
from pathlib import Path

from firmware.main import LOAD_ORDER

ROOT = Path(__file__).resolve().parents[2]
CHAIN_MAX = 4


def path_of(module: str) -> Path:
    return ROOT / (module.replace(".", "/") + ".py")


@cache
def imports_of(module: str) -> tuple[str, ...]:
    """Modules of ours that a module imports when it is loaded."""
    found = []
    for node in ast.parse(path_of(module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in inner if path_of(name).is_file()]
            if path_of(node.module).is_file():
                found.append(node.module)
    return tuple(found)


def longest_chain(order: tuple[str, ...]) -> tuple[str, ...]:
    """The deepest nesting of imports when modules are loaded in this order."""
    loaded: set[str] = set()
    longest: tuple[str, ...] = ()

    def load(module: str, chain: tuple[str, ...]) -> None:
        nonlocal longest
        if module in loaded:
            return
        loaded.add(module)
        chain = (*chain, module)
        longest = max(longest, chain, key=len)
        for name in imports_of(module):
            load(name, chain)

    for module in order:
        load(module, ())
    return longest


def test_no_chain_of_imports_is_longer_than_four():
    chain = longest_chain((*LOAD_ORDER, "firmware.app"))
    assert len(chain) <= CHAIN_MAX, " -> ".join(chain)


def test_without_the_order_chains_would_be_more_than_twice_as_long():
    assert len(longest_chain(("firmware.app",))) > 2 * CHAIN_MAX
