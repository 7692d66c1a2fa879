"""Whatever octets a card sends, the card room reads them as the standard says or raises one of its own errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/card_fuzz.py"
DEPTH_MAX = 6
MALFORMED = 110


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def card_room(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    with MicroPythonWorker(DRIVER, request.param) as worker:
        yield worker


def tag_octets(constructed: bool) -> st.SearchStrategy[bytes]:
    """Tags of one to three octets, as Annex B1 codes them; no padding octet begins one."""
    first = st.integers(0, 7).map(lambda top: top << 5 | (0x20 if constructed else 0)).map(lambda x: x & 0xE0)
    last = st.integers(0x00, 0x7F)
    middle = st.integers(0x80, 0xFF)
    kind = first.map(lambda x: x & ~0x20 | (0x20 if constructed else 0))
    short = st.tuples(kind, st.integers(1, 0x1E)).map(lambda t: bytes((t[0] | t[1],)))
    two = st.tuples(kind, last).map(lambda t: bytes((t[0] | 0x1F, t[1])))
    three = st.tuples(kind, middle, last).map(lambda t: bytes((t[0] | 0x1F, t[1], t[2])))
    return short | two | three


values = st.binary(max_size=40)
primitive = st.tuples(tag_octets(constructed=False), values)
nested = st.recursive(
    primitive,
    lambda inner: st.tuples(tag_octets(constructed=True), st.lists(inner, max_size=4)),
    max_leaves=12,
)
# How an object's length is written, and how many 00 stand before it.
forms = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=8)


def depth_of(tree: object) -> int:
    _, value = tree  # type: ignore[misc]
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 1


class Writer:
    """Writes trees in any allowed form and keeps where each object ended up."""

    def __init__(self, ways: list[tuple[int, int]]) -> None:
        self.ways = ways
        self.count = 0
        self.expected: list[tuple[int, int, int, int]] = []

    def write(self, tree: object, at: int, depth: int) -> bytes:
        """Write one tree whose first octet will stand at `at`."""
        tag, value = tree  # type: ignore[misc]
        extra, padding = self.ways[self.count % len(self.ways)]
        self.count += 1
        index = len(self.expected)
        self.expected.append((0, 0, 0, 0))
        # The content is written twice: once to know its length, once at its real offset.
        draft = self._content(value, 0, depth, dry=True)
        head = b"\x00" * padding + tag + self._length(len(draft), extra)
        content = self._content(value, at + len(head), depth, dry=False)
        start = at + len(head)
        self.expected[index] = (depth, int.from_bytes(tag, "big"), start, start + len(content))
        return head + content

    def _content(self, value: object, at: int, depth: int, *, dry: bool) -> bytes:
        if isinstance(value, bytes):
            return value
        kept = (self.count, len(self.expected))
        out = b""
        for inner in value:  # type: ignore[attr-defined]
            out += self.write(inner, at + len(out), depth + 1)
        if dry:
            self.count = kept[0]
            del self.expected[kept[1] :]
        return out

    @staticmethod
    def _length(length: int, extra: int) -> bytes:
        if extra == 0 and length < 0x80:
            return bytes((length,))
        octets = max(extra, 1 if length < 0x100 else 2)
        return bytes((0x80 | octets,)) + length.to_bytes(octets, "big")


@given(trees=st.lists(nested, max_size=4), ways=forms, fill=st.integers(0, 3))
def test_what_is_well_coded_is_read_back_with_its_places(card_room, trees, ways, fill):
    writer = Writer(ways)
    data = b""
    for tree in trees:
        data += writer.write(tree, len(data), 0)
    data += b"\xff" * fill
    answer = card_room.call(b"w" + data)
    if any(depth_of(tree) > DEPTH_MAX + 1 for tree in trees):
        assert answer[:1] == b"!"
        return
    assert answer[:1] == b"+", answer
    flat = answer[1:]
    got = [
        (
            flat[i],
            int.from_bytes(flat[i + 1 : i + 4], "big"),
            int.from_bytes(flat[i + 4 : i + 6], "big"),
            int.from_bytes(flat[i + 6 : i + 8], "big"),
        )
        for i in range(0, len(flat), 8)
    ]
    assert got == writer.expected


@given(trees=st.lists(nested, min_size=1, max_size=3), ways=forms, cut=st.integers(1, 2000))
def test_what_is_cut_short_is_malformed(card_room, trees, ways, cut):
    writer = Writer(ways)
    data = b""
    ends = {0}
    for tree in trees:
        data += writer.write(tree, len(data), 0)
        ends.add(len(data))
    length = len(data) - cut % (len(data) + 1)
    answer = card_room.call(b"w" + data[:length])
    # Whole objects, then nothing but 00 between objects and FF behind the last.
    complete = any(not data[end:length].lstrip(b"\x00").lstrip(b"\xff") for end in ends if end <= length)
    if answer[:1] == b"+":
        assert complete
    elif any(depth_of(tree) > DEPTH_MAX + 1 for tree in trees):
        assert answer[:1] == b"!"
    else:
        assert int.from_bytes(answer[1:3], "big") == MALFORMED


@given(what=st.sampled_from("wdsfoamp"), data=st.binary(max_size=300))
def test_random_octets_crash_nothing(card_room, what, data):
    if what == "d":
        data = bytes((min(len(data), 40),)) + data
    answer = card_room.call(what.encode() + data)
    assert answer[:1] in b"+!"


# Starts of real answers, so that the search gets past the first octet.
SEEDS = (
    "6F2F840E325041592E5359532E4444463031A51DBF0C1A61184F07A0000006021010870101500A44454249542047504E",
    "6F1A8407A0000006021010A50F50054445424954870101",
    "770E820239009408180102012002040000",
    "77299F2701809F360200019F4B18" + "00" * 24 + "9F10020A0B",
    "801280095F0F9D3798E93F129A060A0A03A490",
    "000000000000000042035E031F03",
)


@given(
    what=st.sampled_from("wsfoam"),
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 80),
)
def test_mutated_answers_crash_nothing(card_room, what, seed, changes, cut):
    data = bytearray.fromhex(seed)
    for at, octet in changes:
        data[at % len(data)] = octet
    answer = card_room.call(what.encode() + bytes(data[: len(data) - cut % len(data)]))
    assert answer[:1] in b"+!"


NUMERIC = {0x9F02, 0x9F1A, 0x9A, 0x9C}
COMPRESSED = {0x5A}
TAGS = (0x9F02, 0x9F1A, 0x95, 0x9A, 0x9C, 0x9F37, 0x5A, 0x9F4E)


@given(
    entries=st.lists(st.tuples(st.sampled_from(TAGS), st.integers(0, 20)), max_size=12),
    data=st.dictionaries(st.sampled_from(TAGS), st.binary(max_size=12)),
)
def test_dols_are_filled_as_book_3_says(card_room, entries, data):
    def octets(tag: int) -> bytes:
        return tag.to_bytes(2 if tag > 0xFF else 1, "big")

    dol = b"".join(octets(tag) + bytes((length,)) for tag, length in entries)
    tlv = b"".join(octets(tag) + bytes((len(value),)) + value for tag, value in data.items())
    expected = b""
    for tag, length in entries:
        value = data.get(tag)
        if value is None:
            expected += bytes(length)
        elif tag in NUMERIC:
            expected += (bytes(length) + value)[len(value) :] if length else b""
        else:
            expected += (value + (b"\xff" if tag in COMPRESSED else b"\x00") * length)[:length]
    answer = card_room.call(b"d" + bytes((len(dol),)) + dol + tlv)
    assert answer == (
        b"+" + expected if len(expected) <= 252 else b"!" + (114).to_bytes(2, "big") + b"CardProtocolError"
    )
