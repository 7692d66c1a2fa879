"""MicroPython and CPython give the same octets and the same refusals, whatever they are given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec, records
from tests.property import protocol_strategies as drawn
from tests.property.drivers import protocol_units as here
from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/protocol_units.py"
VARIANTS = ("unix64", "unix32")
UNITS = tuple(drawn.UNITS)
PREDICTED, LITERAL, WRITE = len(UNITS), len(UNITS) + 1, len(UNITS) + 2
FIRSTS = st.sampled_from([1, drawn.DAY.first, records.SEQUENCE_MAX - 20])


@pytest.fixture(scope="module", params=VARIANTS)
def there(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    """The driver on one build of MicroPython."""
    with MicroPythonWorker(DRIVER, request.param, heap="8m") as worker:
        yield worker


@pytest.mark.parametrize("name", UNITS)
@given(data=st.data())
def test_units_come_back_or_are_refused_alike(
    name: str, there: MicroPythonWorker, data: st.DataObject
) -> None:
    """GEN-02, GEN-03: valid ones and changed ones, class, field and offset included."""
    octets = data.draw(drawn.UNITS[name].octets)
    if data.draw(st.booleans()):
        octets = data.draw(drawn.mutated(octets))
    request = bytes([UNITS.index(name)]) + octets
    answer = there.call(request)
    assert answer == here.handle(request)


@given(batch=drawn.batches(8), first=FIRSTS)
def test_codecs_make_the_same_octets(there: MicroPythonWorker, batch: list[bytes], first: int) -> None:
    """COD-09: from literal to predicted there, and back here."""
    head = first.to_bytes(3, "big") + bytes([len(batch) - 1])
    answer = there.call(bytes([LITERAL]) + head + codec.encode(codec.LITERAL, batch, None))
    assert answer[:1] == b"\x00", answer
    assert codec.decode(codec.PREDICTED, answer[1:], len(batch), here.context(), first) == batch
    assert there.call(bytes([PREDICTED]) + head + answer[1:])[1:] == codec.encode(codec.LITERAL, batch, None)


@given(data=st.data(), batch=drawn.batches(4), first=FIRSTS)
def test_changed_frames_are_refused_alike(
    there: MicroPythonWorker, data: st.DataObject, batch: list[bytes], first: int
) -> None:
    """COD-06, COD-07: no MicroPython error of another kind, and no other verdict."""
    octets = data.draw(drawn.mutated(codec.encode(codec.PREDICTED, batch, here.context(), first)))
    request = bytes([PREDICTED]) + first.to_bytes(3, "big") + bytes([len(batch) - 1]) + octets
    assert there.call(request) == here.handle(request)


@given(record=drawn.record(), data=st.data())
def test_numbers_out_of_range_are_refused_alike_when_written(
    there: MicroPythonWorker, record: records.Record, data: st.DataObject
) -> None:
    """GEN-04: MicroPython's own packing would drop high bits and signs silently."""
    fields = records.HEAD + records.LAYOUTS[record.kind][1]
    numbers = [i for i in range(2, len(fields)) if not fields[i][1].endswith("s")]
    place = data.draw(st.sampled_from(numbers))
    least, most = fields[place][2:]
    value = data.draw(
        st.one_of(
            st.sampled_from(
                [least - 1, most + 1, most + 1 + (1 << 32), -(1 << 31), (1 << 63) + least, -(1 << 62)]
            ),
            st.integers(-(1 << 63), (1 << 63) - 1).filter(lambda value: not least <= value <= most),
        )
    )
    request = bytes([WRITE, place, value < 0]) + abs(value).to_bytes(8, "big") + records.encode(record)
    answer = there.call(request)
    assert answer.startswith(b"\x01OutOfRange|"), (fields[place][0], value, answer)
    assert answer == here.handle(request)
