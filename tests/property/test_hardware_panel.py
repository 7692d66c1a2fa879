"""Keys, display, printer and clock: what went in comes out, for any input, on both interpreters."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.worker import MicroPythonWorker

KEYS = "123X456C789M*0#E"
WIDTH, PAGES = 128, 8
EPOCH_2000, EPOCH_2100 = 946684800, 4102444800
FIELDS = ("seconds", "minutes", "hours", "day of week", "date", "month", "year")


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def models(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    with MicroPythonWorker("tests/property/drivers/hardware_models.py", request.param) as worker:
        yield lambda *arguments: json.loads(worker.call(json.dumps(arguments).encode()))


# ---------------------------------------------------------------- keys

bounce = st.lists(st.integers(1, 3), max_size=3)


@given(
    presses=st.lists(
        st.tuples(st.sampled_from(KEYS), st.integers(45, 120), st.integers(60, 150), bounce, bounce),
        max_size=6,
    )
)
def test_each_press_counts_once_however_its_contacts_bounce(models, presses):
    changes, moment_ms = [], 20
    for key, hold_ms, pause_ms, closing, opening in presses:
        for pulses, is_down in ((closing, True), (opening, False)):
            changes.append([moment_ms, key, is_down])
            for length_ms in pulses:
                changes += [
                    [moment_ms + length_ms, key, not is_down],
                    [moment_ms + length_ms + 1, key, is_down],
                ]
                moment_ms += length_ms + 1
            moment_ms += hold_ms if is_down else pause_ms
    typed, contentions = models("keypad", changes, moment_ms + 100)
    assert typed == "".join(press[0] for press in presses)
    assert contentions == 0


@given(
    changes=st.lists(st.tuples(st.integers(0, 500), st.sampled_from(KEYS), st.booleans()), max_size=25),
)
def test_any_fumbling_yields_only_keys_that_were_touched_and_shorts_nothing(models, changes):
    typed, contentions = models("keypad", sorted(changes), 700)
    assert contentions == 0
    assert set(typed) <= {key for _, key, is_down in changes if is_down}


# ---------------------------------------------------------------- display

windows = st.tuples(
    st.integers(0, 2), st.integers(0, 127), st.integers(0, 127), st.integers(0, 7), st.integers(0, 7)
)


def filled(ram: bytearray, mode: int, columns: tuple[int, int], pages: tuple[int, int], data: bytes) -> None:
    """Where the data sheet's figures 10-1 to 10-4 put the octets of one window."""
    if mode == 2:
        for index, value in enumerate(data):
            ram[pages[0] * WIDTH + (columns[0] + index) % WIDTH] = value
        return
    across = range(columns[0], columns[1] + 1)
    down = range(pages[0], pages[1] + 1)
    places = [(p, c) for p in down for c in across] if mode == 0 else [(p, c) for c in across for p in down]
    for index, value in enumerate(data):
        page, column = places[index % len(places)]
        ram[page * WIDTH + column] = value


@given(writes=st.lists(st.tuples(windows, st.binary(max_size=300)), max_size=5))
def test_picture_data_fills_its_window(models, writes):
    ram = bytearray(b"\xa5" * WIDTH * PAGES)
    transactions: list[list[Any]] = []
    for (mode, one, two, three, four), data in writes:
        columns, pages = (min(one, two), max(one, two)), (min(three, four), max(three, four))
        if mode == 2:
            command = bytes([0x20, 2, 0xB0 | pages[0], columns[0] & 0x0F, 0x10 | columns[0] >> 4])
        else:
            command = bytes([0x20, mode, 0x21, *columns, 0x22, *pages])
        transactions += [[0, command.hex()], [1, data.hex()]]
        filled(ram, mode, columns, pages, data)
    assert models("display_ram", transactions) == [ram.hex(), []]


@given(transactions=st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=40)), max_size=10))
def test_no_octets_make_the_display_model_fail(models, transactions):
    ram, _ = models("display_ram", [[is_data, octets.hex()] for is_data, octets in transactions])
    assert len(ram) == 2 * WIDTH * PAGES


rectangles = st.tuples(
    st.integers(-10, 130), st.integers(-5, 70), st.integers(0, 140), st.integers(0, 70), st.integers(0, 1)
)


@given(frames=st.lists(st.lists(rectangles, max_size=3), min_size=1, max_size=3))
def test_the_glass_shows_what_was_drawn_for_as_few_octets_as_pages_changed(models, frames):
    picture = [[0] * WIDTH for _ in range(64)]
    answers = models("display_shows", frames)
    for drawn, (same, octets) in zip(frames, answers, strict=True):
        before = [row[:] for row in picture]
        for x, y, width, height, colour in drawn:
            for row in range(max(0, y), min(64, y + height)):
                for column in range(max(0, x), min(WIDTH, x + width)):
                    picture[row][column] = colour
        changed = {row // 8 for row in range(64) if picture[row] != before[row]}
        assert same
        assert octets == WIDTH * len(changed)


# ---------------------------------------------------------------- clock


@given(epoch_s=st.integers(EPOCH_2000, EPOCH_2100 - 1), elapsed_ms=st.integers(0, 400 * 86400000))
def test_the_clock_counts_as_the_calendar_does(models, epoch_s, elapsed_ms):
    later_s = epoch_s + elapsed_ms // 1000
    if later_s >= EPOCH_2100:
        return
    registers, read_s, trusted = models("clock_runs", epoch_s, elapsed_ms)
    then = dt.datetime.fromtimestamp(later_s, dt.UTC)
    parts = (then.second, then.minute, then.hour, then.isoweekday(), then.day, then.month, then.year % 100)
    assert registers == "".join(f"{part:02d}" for part in parts), "BCD is what one reads"
    assert (read_s, trusted) == (later_s, True)


# One digit more than each register may hold, so that good and bad values both come often.
likely = st.tuples(*[st.integers(0, top) for top in (61, 61, 25, 8, 32, 13, 99)])
any_octets = st.binary(min_size=7, max_size=7)


@given(registers=st.one_of(likely.map(lambda parts: bytes(int(str(part), 16) for part in parts)), any_octets))
def test_any_registers_are_a_time_or_an_error_that_names_the_field(models, registers):
    answer = models("clock_reads", registers.hex())
    # What the chip does not implement it does not store (data sheet, figure 1).
    stored = [value & mask for value, mask in zip(registers, b"\x7f\x7f\x7f\x07\x3f\x9f\xff", strict=True)]
    try:
        second, minute, hour, _, day, month, year = [int(f"{value:02x}") for value in stored]
        then = dt.datetime(2000 + year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        assert answer in FIELDS
    else:
        assert answer == int(then.timestamp())


# ---------------------------------------------------------------- printer

lines = st.lists(
    st.tuples(
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=16),
        st.sampled_from("lcr"),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def seen(document: list[Any]) -> list[Any]:
    return [["text", "lcr".index(align), text] for text, align, _, _ in document] + [["cut"]]


@given(octets=st.binary(max_size=200))
def test_no_octets_make_the_printer_model_fail(models, octets):
    recorded = models("printer_noise", octets.hex())
    assert len(recorded) == 3


@given(document=lines)
def test_lines_come_out_as_they_were_written(models, document):
    outcome, receipts, errors, blocked_us, lost = models("printer_prints", document, None, 0)
    assert (outcome, errors, blocked_us, lost) == (None, [], 0, 0)
    assert receipts == [seen(document)]


@given(document=lines, paper_dots=st.integers(0, 400))
def test_a_short_roll_gives_the_whole_receipt_or_the_error(models, document, paper_dots):
    outcome, receipts, _, _, _ = models("printer_prints", document, paper_dots, 0)
    if outcome is None:
        assert receipts == [seen(document)]
    else:
        assert outcome == "no paper"


@given(document=lines, cancelled_ms=st.integers(1, 600))
def test_after_a_cancelled_document_the_next_is_whole(models, document, cancelled_ms):
    outcome, receipts, errors, _, _ = models("printer_prints", document, None, cancelled_ms)
    assert (outcome, errors) == (None, [])
    whole = seen(document)
    assert receipts[-1][-len(whole) :] == whole
