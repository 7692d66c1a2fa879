"""The trap lint: each rule finds its trap, leaves the clean line alone, and is true on the real interpreters."""

import pytest

from tests.support import process
from tools.lint import finding
from tools.lint.traps import check
from tools.lint.traps.rules import BY_CODE, RULES

VIOLATIONS = {
    "LB001": ["x = pow(a, -1, p)", "x = pow(a, -n, p)"],
    "LB002": ["import random", "from random import randint"],
    "LB003": [
        "x = hashlib.sha256(b'').hexdigest()",
        "h = hashlib.sha256()\nx = h.copy()",
        "x = self._sha.copy()",
    ],
    "LB004": ["import hmac", "from secrets import token_bytes", "hmac.compare_digest(a, b)"],
    "LB005": [
        "import json",
        "for k, v in d.items():\n    f(k)",
        "x = [v for v in d.values()]",
        "for x in {1, 2}:\n    f(x)",
        "x = bytes(set(y))",
    ],
    "LB006": ["x = n.bit_length()", "x = n.bit_count()"],
    "LB007": [
        "x = int.from_bytes(b, 'big', True)",
        "x = int.from_bytes(b, 'big', signed=True)",
        "n.to_bytes(2, 'big', signed=True)",
    ],
    "LB008": ["x = 0.5", "x = a / b", "x /= 2", "x = float(y)", "x = time.time()", "from time import time"],
    "LB009": [
        "import typing",
        "from enum import IntEnum",
        "from __future__ import annotations",
        "import requests",
    ],
    "LB010": ["x = s.zfill(3)", "x = s.removeprefix('a')", "x = record._replace(a=1)"],
    "LB011": ["x = b.decode('utf-8', 'replace')", "x = b.decode(errors='replace')", "x = s.encode('ascii')"],
    "LB012": ["x = exc.__cause__"],
    "LB013": [
        "x = {**a}",
        "x = [*a]",
        "def f(a, /):\n    pass",
        "match x:\n    case 1:\n        pass",
        "class A(metaclass=M):\n    pass",
        "async def f():\n    yield 1",
        "x = (",
    ],
    "LB014": ["time.sleep_ms(5)", "from time import sleep_us\nsleep_us(5)"],
    "LB015": ["try:\n    f()\nexcept:\n    pass", "try:\n    f()\nexcept (OSError, Exception):\n    x = 1"],
    "LB016": [
        "if mac == expected:\n    pass",
        "if self.pin_verifier != f(x):\n    pass",
        "x = tag[:8] == b[8:]",
    ],
    "LB017": ["print(x)"],
    "LB018": ["x = struct.pack('>H', n)", "struct.pack_into('>H', b, 0, n)", "x = array('H', [n])"],
    "LB019": ["x = f.__doc__", "class A:\n    def __init_subclass__(cls):\n        pass"],
    "LB020": ["try:\n    f()\nexcept FileNotFoundError:\n    pass", "x = vars(y)"],
    "LB021": ["x = b[::-1]", "x = b[::2]"],
    "LB022": ["x = zip(a, b, strict=True)", "x = sum(a, start=1)", "x = s.split(' ', maxsplit=1)"],
    "LB023": ["x = f\"{f'{y}'}\"", "x = f'{y:_}'"],
    "LB024": ["x = bytearray(2) * 3"],
    "LB025": [
        "x = ticks_ms() - start",
        "while time.ticks_ms() < end:\n    pass",
        "x = start\nx -= time.ticks_us()",
    ],
    "LB026": ["asyncio.TaskGroup()", "from asyncio import Queue"],
}

CLEAN = [
    "x = pow(a, 65537, p)",
    "x = pow(a, p - 2, p)",
    "import os\nx = os.urandom(8)",
    "x = hashlib.sha256(b'').digest()",
    "x = items.copy()",
    "for key in ('z', 'a'):\n    f(d[key])",
    "for item in self.items:\n    f(item)",
    "x = int.from_bytes(b, 'big')",
    "x = n.to_bytes(2, 'big')",
    "x = a // b",
    "import asyncio\nawait_ms = asyncio.sleep_ms(5)",
    "try:\n    import typing\nexcept ImportError:\n    typing = None",
    "if False:\n    from typing import Any",
    "def f(x: 'Any') -> list[int]:\n    return []",
    "x: dict[str, float] = {}",
    "x = b.decode()",
    "x = codec.decode(frame, context)",
    "raise ValueError(1) from None",
    "a, *b = c",
    "f(*a, **b)",
    "try:\n    f()\nexcept Exception:\n    g()\n    raise",
    "try:\n    f()\nexcept OSError:\n    pass",
    "if len(mac) != 8:\n    pass",
    "if verifier is None:\n    pass",
    "if tag == 0x9F36:\n    pass",
    "if tag != TAG_ATC:\n    pass",
    "x = struct.unpack('>H', b)",
    "x = b[2:5]",
    "x = f'{y:04d} {z!r} {w:>{width}}'",
    "x = bytearray(6)",
    "x = time.ticks_diff(time.ticks_ms(), start)",
    "asyncio.create_task(f())",
    "async def f():\n    def g():\n        yield 1\n    return g",
]


def codes(source, path="firmware/somewhere.py"):
    return [found.code for found in check.check_source(source + "\n", path)]


def test_every_rule_has_a_violation():
    assert set(VIOLATIONS) == set(BY_CODE)


@pytest.mark.parametrize(
    ("code", "source"), [(code, source) for code, many in VIOLATIONS.items() for source in many]
)
def test_finds(code, source):
    assert code in codes(source)


@pytest.mark.parametrize("source", CLEAN)
def test_leaves_alone(source):
    assert codes(source) == []


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.mark], ids=lambda rule: rule.code)
def test_a_mark_with_a_reason_exempts_and_one_without_does_not(rule):
    line, *rest = VIOLATIONS[rule.code][0 if rule.code != "LB015" else 1].split("\n")
    if rule.code == "LB015":
        marked = (
            "try:\n    f()\nexcept (OSError, Exception):  # lumbung: catch-all - recorded by f\n    x = 1"
        )
        bare = marked.replace(" - recorded by f", "")
    else:
        marked = "\n".join([f"{line}  # lumbung: {rule.mark} - because of this", *rest])
        bare = "\n".join([f"{line}  # lumbung: {rule.mark}", *rest])
    assert codes(marked) == []
    assert set(codes(bare)) == {"LB000", rule.code}


def test_a_mark_may_stand_on_the_line_above():
    assert codes("# lumbung: order-free - only counted\nfor x in d.values():\n    f(x)") == []


def test_a_mark_that_exempts_nothing_or_is_unknown_is_a_finding():
    assert codes("x = 1  # lumbung: order-free - nothing here") == ["LB000"]
    assert codes("x = 1  # lumbung: whatever - nothing here") == ["LB000"]


def test_a_mark_does_not_exempt_another_rule():
    assert "LB008" in codes("x = [v / 2 for v in d.values()]  # lumbung: order-free - summed")


def test_a_tlv_tag_is_no_secret_in_the_card_rooms():
    assert codes("x = tag == other", "firmware/card/tlv.py") == []
    assert codes("x = tag == other", "firmware/crypto/ccm.py") == ["LB016"]


def test_a_file_says_itself_that_it_never_runs_on_micropython():
    assert finding.is_cpython_only('"""Declarations for tools (CPython only)."""\n')
    assert not finding.is_cpython_only('"""Declarations."""\n')


def test_findings_name_the_place_and_the_reason():
    (found,) = check.check_source("x = 1\ny = pow(3, -1, 7)\n", "firmware/a.py")
    assert str(found).startswith("firmware/a.py:2: LB001 ")
    assert "modular inverse" in str(found)


@pytest.mark.parametrize("variant", ["unix64", "unix32", "deb64"])
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.proof], ids=lambda rule: rule.code)
def test_the_claim_holds_on_real_micropython(rule, variant):
    reason = process.missing_reason(variant)
    if reason:
        pytest.skip(reason)
    command = process.argv(variant, None, "-c", f"{rule.proof}\nprint('HOLDS', holds)")
    with process.Child(command) as child:
        with pytest.raises(process.ChildError):
            child.read_marked(20)
        assert "HOLDS True" in child.take_log()
