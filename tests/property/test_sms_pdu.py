"""Short messages of any content on both interpreters: typed errors only, nothing lost over a write and a read."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import sms_alphabet, sms_pdu, sms_time, sms_user_data
from protocol.errors import ProtocolError
from protocol.sms_address import Address
from protocol.sms_user_data import UserData
from tests.property.drivers import sms_pdu as driver
from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/sms_pdu.py"
GSM = "".join(
    [sms_alphabet.text_of_septets(bytes([code])) for code in range(128) if code != sms_alphabet.ESCAPE]
    + list("\x0c^{}\\[~]|€")
)

directions = st.sampled_from([b"d", b"s"])
digits = st.text("0123456789*#abc", max_size=20)
# Octets that begin like a message reach further in than any others.
message_like = st.builds(
    lambda first, count, toa, rest: b"\x00" + bytes([first, count, toa]) + rest,
    st.integers(0, 255),
    st.integers(0, 20),
    st.sampled_from([0x81, 0x91, 0xD0, 0xA1]),
    st.binary(max_size=180),
)
elements = st.none() | st.lists(
    st.tuples(
        st.sampled_from([0, 4, 5, 8, 0x24, 0x70]) | st.integers(0, 255), st.binary(min_size=0, max_size=6)
    ),
    max_size=4,
)


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def worker(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    """One interpreter for the whole file."""
    with MicroPythonWorker(DRIVER, request.param) as running:
        yield running


@given(kind=directions, pdu=st.binary(max_size=260) | message_like)
def test_any_octets_are_read_alike_or_refused_by_type(worker, kind, pdu):
    here = driver.handle(kind + pdu)
    there = worker.call(kind + pdu)
    assert there == here


@given(kind=directions, pdu=message_like)
def test_what_can_be_read_survives_a_write(worker, kind, pdu):
    assert worker.call(kind.upper() + pdu) == driver.handle(kind.upper() + pdu)


@given(
    number=digits.map(lambda text: "+" + text) | digits,
    content=st.binary(max_size=100),
    reference=st.integers(0, 255),
    header=elements,
)
def test_data_survives(worker, number, content, reference, header):
    message = sms_pdu.Submit(Address(number), UserData(content, sms_user_data.DCS_8BIT, header))
    message.reference = reference
    pdu = sms_pdu.encode(message)
    got = sms_pdu.decode(pdu, to_network=True)
    assert isinstance(got, sms_pdu.Submit)
    assert (got.recipient.number, got.reference) == (number, reference)
    assert (got.user_data.content, got.user_data.elements) == (content, header)
    assert worker.call(b"S" + pdu) == pdu


@given(text=st.text(GSM, max_size=160), header=elements)
def test_gsm_text_survives_behind_any_header(text, header):
    data = sms_user_data.text_7bit(text, header)
    message = sms_pdu.Deliver(Address("+62811"), sms_time.stamp(1794645040, 420), data)
    try:
        pdu = sms_pdu.encode(message)
    except ProtocolError:
        assert len(data.content) > 120
        return
    got = sms_pdu.decode(pdu)
    assert isinstance(got, sms_pdu.Deliver)
    assert got.user_data.content == data.content
    if not any(identifier in {0x24, 0x25} for identifier, _ in header or ()):
        assert got.user_data.text() == text


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=70))
def test_ucs2_text_survives(text):
    data = sms_user_data.text_ucs2(text)
    assert data.text() == text
    assert data.content == text.encode("utf-16-be")


@given(octets=st.binary(max_size=40), fill_bits=st.integers(0, 6))
def test_septets_survive_packing(octets, fill_bits):
    septets = bytes(octet & 0x7F for octet in octets)
    packed = sms_alphabet.pack(septets, fill_bits)
    assert len(packed) == (7 * len(septets) + fill_bits + 7) // 8 or not septets
    assert sms_alphabet.unpack(packed, len(septets), fill_bits) == septets


@given(time_s=st.integers(0, 3155673599), quarters=st.integers(-79, 79))
def test_moments_survive(time_s, quarters):
    try:
        stamp = sms_time.stamp(time_s, 15 * quarters)
    except ProtocolError:
        assert time_s < 72000 or time_s > 3155673599 - 72000
        return
    got = sms_time.Stamp(stamp.octets)
    assert (got.time_s, got.zone_minutes) == (time_s, 15 * quarters)
