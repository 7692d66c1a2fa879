"""Formats agree with Python's own for all numbers, and no document ever outgrows its paper."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.worker import MicroPythonWorker

letters = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60)
plain = st.text(st.sampled_from("abcdefgh .,-XYZ0123"), max_size=120)
rupiah = st.integers(0, 99_999_999)
seconds = st.integers(0, 0xFFFFFFFF)
offsets = st.sampled_from([420, 480, 540, 0])


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def words(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    """The formats on one interpreter."""
    with MicroPythonWorker("tests/property/drivers/ui_words.py", request.param) as worker:
        yield worker


def ask(words: MicroPythonWorker, *request: Any) -> Any:
    """One answer."""
    return json.loads(words.call(json.dumps(request, ensure_ascii=False).encode()))


@given(amount=st.integers(-(10**13), 10**13))
def test_rupiah(words: MicroPythonWorker, amount: int) -> None:
    """Grouped by three with dots."""
    assert ask(words, "rupiah", amount) == "Rp " + f"{amount:,}".replace(",", ".")


@given(hundredths=st.integers(0, 0xFFFF), price=rupiah)
def test_quantities(words: MicroPythonWorker, hundredths: int, price: int) -> None:
    """What is shown can be keyed again and means the same; a line's price is rounded to the nearest rupiah."""
    shown = ask(words, "quantity", hundredths)
    assert ask(words, "parse_quantity", shown.replace(".", "")) == hundredths
    assert abs(100 * ask(words, "line_rupiah", hundredths, price) - hundredths * price) <= 50


@given(time_s=seconds, offset=offsets)
def test_dates(words: MicroPythonWorker, time_s: int, offset: int) -> None:
    """The same calendar as Python's."""
    zone = dt.timezone(dt.timedelta(minutes=offset))
    there = dt.datetime.fromtimestamp(time_s, zone)
    assert ask(words, "date", time_s, offset) == there.strftime("%d/%m/%Y")
    assert ask(words, "clock", time_s, offset) == there.strftime("%H:%M")


@given(string=plain, columns=st.integers(2, 40))
def test_lines(words: MicroPythonWorker, string: str, columns: int) -> None:
    """No line is too long, none is empty, and no letter is lost."""
    lines = ask(words, "wrap", string, columns)
    assert all(0 < len(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == string.replace(" ", "")
    assert len(ask(words, "shorten", string, columns)) <= columns


@given(string=letters)
def test_plain(words: MicroPythonWorker, string: str) -> None:
    """As many letters as before, all of them printable."""
    answer = ask(words, "plain", string)
    assert len(answer) == len(string)
    assert all(" " <= letter <= "~" for letter in answer)


@given(
    fields=st.fixed_dictionaries(
        {
            "sequence": st.integers(1, (1 << 23) - 1),
            "amount_rupiah": rupiah,
            "remaining_rupiah": rupiah,
            "state": st.integers(0, 4),
            "time_s": seconds,
            "tender": st.integers(0, 1),
            "roster_number": st.integers(0, 65535),
        }
    ),
    programme=letters.map(lambda name: name[:20]),
    goods=st.lists(st.tuples(letters, letters, st.integers(1, 0xFFFF), rupiah), max_size=8),
    offset=offsets,
)
def test_receipts(
    words: MicroPythonWorker, fields: dict[str, int], programme: str, goods: list[Any], offset: int
) -> None:
    """Every line fits, and amount, remainder and number stand there uncut."""
    document = ask(words, "redemption", fields, programme, goods, offset)
    lines = [part[1] for part in document if part[0] == "text"]
    for part in document:
        if part[0] == "text":
            assert len(part[1]) <= (16 if part[4] else 32)
            assert all(" " <= letter <= "~" for letter in part[1])
    grouped = f"{fields['amount_rupiah']:,}".replace(",", ".")
    assert f"Rp {grouped}" in lines
    assert any(line.endswith(f"-{fields['sequence']:06d}") for line in lines)
    remaining = f"{fields['remaining_rupiah']:,}".replace(",", ".")
    assert any(line.startswith("Sisa hak") and line.endswith(f" Rp {remaining}") for line in lines)
