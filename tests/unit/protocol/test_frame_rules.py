"""Frames, codec numbers and versions: each rule of sections 4, 5 and 7 by hand."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import pytest

from protocol import (
    acknowledgement,
    certificates,
    codec,
    frame,
    grant,
    notice,
    policy,
    records,
    renewal,
    roster,
    roster_delta,
    status,
    write_off,
)
from protocol.errors import NotCanonical, OutOfRange, ProtocolError, Truncated, UnknownVersion
from tests.bench import reference_day
from tests.support.link_cipher import CpythonCipher
from tools.golden_vectors import corpus, samples

CIPHER = CpythonCipher()
DAY = reference_day.build()
BATCH = DAY.batch[1:5]


def test_a_records_frame_octet_by_octet() -> None:
    """FRM-01, FRM-02, FRM-04, FRM-05, FRM-06."""
    seal = bytes(range(64))
    octets = frame.encode_records(0xA1B2C3D4, 0x012345, BATCH, seal, codec.LITERAL, None, CIPHER)
    assert octets[:9].hex() == "00a1b2c3d481234503"
    plaintext = b"".join(bytes([len(one)]) + one for one in BATCH)
    message = octets[:9] + bytes(32) + plaintext
    assert octets[9:13] == hmac.digest(bytes(32), message, hashlib.sha256)[:4]
    assert octets[13:-64] == CIPHER.encrypt(octets[:13], plaintext, octets[:13])
    assert octets[-64:] == seal
    unsealed = frame.encode_records(0xA1B2C3D4, 0x012345, BATCH, b"", codec.PREDICTED, DAY.context, CIPHER)
    assert unsealed[:9].hex() == "01a1b2c3d401234503"
    plaintext = codec.encode(codec.PREDICTED, BATCH, DAY.context, 0x012345)
    message = unsealed[:9] + DAY.context.digest + plaintext
    assert unsealed[9:13] == hmac.digest(bytes(32), message, hashlib.sha256)[:4]


def test_kinds_of_body() -> None:
    """FRM-13: the first octet of each."""
    body = status.encode(samples.sample_status())
    kinds = {
        0x41: frame.encode_counter(frame.CLASS_UP, frame.UP_STATUS, 1, 1, body, CIPHER),
        0x42: frame.encode_counter(frame.CLASS_UP, frame.UP_BRIDGE, 1, 1, body, CIPHER),
        0x81: frame.encode_counter(frame.CLASS_DOWN, frame.DOWN_ACKNOWLEDGEMENT, 1, 1, body, CIPHER),
        0x82: frame.encode_counter(frame.CLASS_DOWN, frame.DOWN_GRANT, 1, 1, body, CIPHER),
        0x83: frame.encode_counter(frame.CLASS_DOWN, frame.DOWN_NOTICE, 1, 1, body, CIPHER),
        0x84: frame.encode_counter(frame.CLASS_DOWN, frame.DOWN_PART, 1, 1, body, CIPHER),
        0x85: frame.encode_counter(frame.CLASS_DOWN, frame.DOWN_ROSTER_DELTA, 1, 1, body, CIPHER),
        0xC1: frame.encode_clear(frame.CLEAR_EPOCH_CERTIFICATE, 1, 1, body),
    }
    assert all(octets[0] == first for first, octets in kinds.items())


def test_a_notice_is_one_sms() -> None:
    """NOT-02: with room to spare, and no second signature."""
    body = notice.encode(samples.sample_notice())
    octets = frame.encode_counter(frame.CLASS_DOWN, frame.DOWN_NOTICE, 1, 1, body, CIPHER)
    assert len(octets) == 120 <= frame.SMS_OCTETS_MAX
    assert frame.open_counter(octets, CIPHER)[1] == body


def test_the_kid_of_an_unknown_frame_is_still_known() -> None:
    """FRM-12, COD-03, VER-01: a codec of a later version."""
    octets = frame.encode_records(0xA1B2C3D4, 1, BATCH, b"", codec.LITERAL, None, CIPHER)
    for number in range(2, 64):
        later = bytes([number]) + octets[1:]
        with pytest.raises(UnknownVersion) as info:
            frame.open_records(later, [DAY.context], CIPHER)
        assert (info.value.field, info.value.offset) == ("codec", 0)
        assert frame.kid_of(later) == 0xA1B2C3D4
    with pytest.raises(Truncated):
        frame.kid_of(octets[:12])


@pytest.mark.parametrize("number", [2, 63])
def test_unknown_codecs_are_refused_both_ways(number: int) -> None:
    """COD-03."""
    with pytest.raises(UnknownVersion):
        codec.encode(number, BATCH, DAY.context)
    with pytest.raises(UnknownVersion):
        codec.decode(number, b"\x01", 1, DAY.context)
    with pytest.raises(UnknownVersion):
        codec.fit(number, BATCH, DAY.context, 100)


def test_a_frame_holds_1_to_256_records() -> None:
    """COD-04."""
    many = (BATCH * 65)[:257]
    for number in (codec.LITERAL, codec.PREDICTED):
        for batch in ([], many):
            with pytest.raises(OutOfRange, match="count"):
                codec.encode(number, batch, DAY.context)
        octets = frame.encode_records(1, 1, many[:256], b"", number, DAY.context, CIPHER)
        assert octets[8] == 255
        assert frame.open_records(octets, [DAY.context], CIPHER).records == many[:256]
        assert codec.fit(number, many, DAY.context, 1 << 20)[0] == 256


def adoption() -> bytes:
    """An adoption record."""
    out = records.Record(kind=records.ADOPTION, version=1, time_s=reference_day.OPENING_S, time_trust=1)
    out.subject, out.number, out.digest = records.SUBJECT_GRANT, 9, bytes(32)
    return records.encode(out)


def test_an_adoption_ends_a_frame_of_codec_1() -> None:
    """COD-08: it may stand last, nowhere else; codec 0 needs no context."""
    inside = [BATCH[0], adoption(), BATCH[1]]
    with pytest.raises(OutOfRange, match="adoption"):
        codec.encode(codec.PREDICTED, inside, DAY.context, 1)
    last = inside[:2]
    octets = codec.encode(codec.PREDICTED, last, DAY.context, 1)
    assert codec.decode(codec.PREDICTED, octets, 2, DAY.context, 1) == last
    assert codec.fit(codec.PREDICTED, inside, DAY.context, 1000, 1) == (2, octets)
    literal = codec.encode(codec.LITERAL, inside, None)
    assert codec.decode(codec.LITERAL, literal, 3, None) == inside


def test_a_frame_with_an_adoption_inside_is_refused_on_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    """COD-08: made by an encoder that does not know the rule."""
    inside = [BATCH[0], adoption(), BATCH[1]]
    with monkeypatch.context() as patched:
        patched.setattr(codec, "_check_adoptions", lambda kinds: None)
        octets = codec.encode(codec.PREDICTED, inside, DAY.context, 1)
    with pytest.raises(OutOfRange, match="adoption"):
        codec.decode(codec.PREDICTED, octets, 3, DAY.context, 1)


def test_a_leading_zero_and_what_is_left_over_are_refused() -> None:
    """COD-13."""
    octets = codec.encode(codec.PREDICTED, BATCH, DAY.context, 1)
    with pytest.raises(NotCanonical, match="leading zero"):
        codec.decode(codec.PREDICTED, b"\x00" + octets, len(BATCH), DAY.context, 1)
    with pytest.raises(NotCanonical, match="more information"):
        codec.decode(codec.PREDICTED, octets, len(BATCH) - 1, DAY.context, 1)
    literal = codec.encode(codec.LITERAL, BATCH, None)
    with pytest.raises(NotCanonical, match="left over"):
        codec.decode(codec.LITERAL, literal, len(BATCH) - 1, None)
    with pytest.raises(Truncated):
        codec.decode(codec.LITERAL, literal, len(BATCH) + 1, None)


def test_ranges_stay_within_23_bits() -> None:
    """FRM-02, CHN-04: on sending and on arrival."""
    for first in (0, records.SEQUENCE_MAX - len(BATCH) + 2, 1 << 23):
        with pytest.raises(OutOfRange, match="first sequence"):
            frame.encode_records(1, first, BATCH, b"", codec.LITERAL, None, CIPHER)
    for octets, field in (
        (bytes(5) + bytes(8), "first sequence"),
        (bytes(5) + b"\x7f\xff\xff\x01" + bytes(4), "count"),
    ):
        with pytest.raises(OutOfRange) as info:
            frame.read_header(octets)
        assert info.value.field == field


def test_lengths_of_frames() -> None:
    """FRM-11."""
    sealed = b"\x00" + bytes(4) + b"\x80\x00\x01\x00" + bytes(4)
    for octets in (b"", bytes(12), sealed, sealed + bytes(71)):
        with pytest.raises(Truncated):
            frame.open_records(octets, [], CIPHER)
    with pytest.raises(OutOfRange) as info:
        frame.read_header(bytes(frame.MQTT_OCTETS_MAX + 1))
    assert (info.value.field, info.value.offset) == ("frame", frame.MQTT_OCTETS_MAX)


def test_numbers_that_do_not_fit_a_header_are_refused() -> None:
    """GEN-04, CHN-04: kid, counter, kind, class, seal."""
    for kid, counter in ((1 << 32, 1), (-1, 1), (1, 1 << 32), (1, -1)):
        with pytest.raises(OutOfRange):
            frame.encode_counter(frame.CLASS_UP, 1, kid, counter, b"", CIPHER)
        with pytest.raises(OutOfRange):
            frame.encode_clear(1, kid, counter, b"")
    with pytest.raises(OutOfRange):
        frame.encode_records(1 << 32, 1, BATCH, b"", codec.LITERAL, None, CIPHER)
    with pytest.raises(OutOfRange):
        frame.encode_records(1, 1, BATCH, bytes(63), codec.LITERAL, None, CIPHER)
    for kind in (-1, 64):
        with pytest.raises(OutOfRange):
            frame.encode_counter(frame.CLASS_UP, kind, 1, 1, b"", CIPHER)
    for frame_class in (frame.CLASS_RECORDS, frame.CLASS_CLEAR):
        with pytest.raises(UnknownVersion):
            frame.encode_counter(frame_class, 1, 1, 1, b"", CIPHER)


def test_a_frame_opens_only_as_its_class() -> None:
    """FRM-01."""
    openers = {
        frame.CLASS_RECORDS: lambda octets: frame.open_records(octets, [], CIPHER),
        frame.CLASS_UP: lambda octets: frame.open_counter(octets, CIPHER),
        frame.CLASS_DOWN: lambda octets: frame.open_counter(octets, CIPHER),
        frame.CLASS_CLEAR: frame.open_clear,
    }
    made = {
        frame.CLASS_RECORDS: frame.encode_records(1, 1, BATCH, b"", codec.LITERAL, None, CIPHER),
        frame.CLASS_UP: frame.encode_counter(frame.CLASS_UP, 1, 1, 1, b"", CIPHER),
        frame.CLASS_DOWN: frame.encode_counter(frame.CLASS_DOWN, 1, 1, 1, b"", CIPHER),
        frame.CLASS_CLEAR: frame.encode_clear(1, 1, 1, b""),
    }
    for one, octets in made.items():
        for other, opener in openers.items():
            if opener is openers[one] or (one in (1, 2) and other in (1, 2)):
                opener(octets)
            else:
                with pytest.raises(UnknownVersion, match="class"):
                    opener(octets)


def test_unknown_versions_name_their_octet() -> None:
    """VER-01: every unit that has a version octet."""
    held = corpus.held_context()
    for decode, octets, at in (
        (records.decode, BATCH[0], 1),
        (roster.decode, roster.encode(1, samples.sample_roster()), 4),
        (policy.decode, policy.encode(held.policy), 0),
        (lambda data: grant.decode(data, 1, bytes(32), bytes(32)), grant.encode(held.grants[1]), 0),
        (certificates.decode_terminal, certificates.encode_terminal(samples.sample_terminal()), 0),
        (certificates.decode_epoch, certificates.encode_epoch(samples.sample_epoch()), 0),
        (roster_delta.decode, roster_delta.encode(samples.sample_roster_delta()), 0),
        (renewal.decode, renewal.encode(samples.sample_renewal()), 0),
        (write_off.decode, write_off.encode(samples.sample_write_off()), 0),
    ):
        with pytest.raises(UnknownVersion) as info:
            decode(octets[:at] + b"\x63" + octets[at + 1 :])
        assert info.value.offset == at
    with pytest.raises(UnknownVersion, match="not a roster"):
        roster.decode(b"LRSX" + bytes(12))


def test_refusals_never_quote_what_they_refuse() -> None:
    """GEN-03, GEN-05: a marker in every octet does not appear, in hex or as it is."""
    marker = b"\xde\xad"
    for decode in (records.decode, roster.decode, policy.decode, acknowledgement.decode, status.decode,
                   certificates.decode_terminal, certificates.decode_epoch, frame.read_header,
                   lambda data: codec.decode(codec.PREDICTED, data, 2, DAY.context, 1)):  # fmt: skip
        for length in range(2, 120, 7):
            for head in (b"", b"\x01\x01", b"\x09\x01", b"LRST\x01\x00", b"\x01"):
                assert "dead" not in refusal_text(decode, head + (marker * length)[:length])
                assert "xde" not in refusal_text(decode, head + (marker * length)[:length])
                assert str(0xDEAD) not in refusal_text(decode, head + (marker * length)[:length])


def refusal_text(decode: Callable[[bytes], object], octets: bytes) -> str:
    """What a refusal says; empty where there is none."""
    try:
        decode(octets)
    except ProtocolError as error:
        return str(error)
    return ""
