"""Statement and takeover octet by octet, and what they refuse."""

import hashlib

import pytest

from protocol import takeover
from protocol.errors import OutOfRange, ProtocolError, TrailingData, UnknownVersion

CHAIN, GRANT, ROSTER, POLICY = (bytes([fill]) * 32 for fill in (1, 2, 3, 4))


def lease(programme: int = 1) -> takeover.Lease:
    """Family 3 spent and voided, family 9 returned its lease."""
    made = takeover.Lease()
    made.digest, made.roster_digest, made.policy_digest = GRANT, ROSTER, POLICY
    made.number, made.programme, made.period, made.is_closed = 11, programme, 24322, True
    made.spent = ((3, False, 150_000, 30_000), (9, True, 0, 0))
    return made


def statement() -> takeover.Statement:
    """A generation with a gap behind record 300."""
    made = takeover.Statement()
    made.kid, made.gateway_key_id, made.epoch, made.made_s = 0x2A, 0x11223344, 3, 1_795_000_000
    made.sealed_through, made.chain, made.head, made.doubts = 300, CHAIN, 320, takeover.DOUBT_GAP
    made.gaps, made.kept, made.leases = ((301, 305),), ((306, 310), (312, 312)), (lease(),)
    return made


def decision() -> takeover.Takeover:
    """Kid 2B has the leases of 2A now."""
    made = takeover.Takeover()
    made.old, made.new, made.statement, made.sealed_through, made.chain = 0x2A, 0x2B, GRANT, 300, CHAIN
    made.exposure_rupiah, made.issued_s, made.reason = (
        1_800_000,
        1_795_000_000,
        takeover.REASON_TERMINAL_BROKEN,
    )
    return made


def test_a_statement_by_hand() -> None:
    """TKO-01, TKO-02, TKO-03: every field at its place."""
    octets = takeover.encode_statement(statement())
    assert octets == bytes.fromhex(
        "01 0000002a 11223344 0003 6afd86c0 00012c" + CHAIN.hex() + "000140 01"
        "01 00012d 000131 02 000132 000136 000138 000138"
        "01" + GRANT.hex() + ROSTER.hex() + POLICY.hex() + "00000b 01 5f02 01 0002"
        "0003 00 0000000249f0 000000007530"
        "0009 01 000000000000 000000000000"
    )  # fmt: skip
    message = b"lumbung/state/1\0" + hashlib.sha256(octets).digest()
    assert takeover.statement_message(octets) == message
    assert takeover.decode_statement(octets).digest == hashlib.sha256(message).digest()


def test_a_takeover_by_hand() -> None:
    """TKO-06: every field at its place."""
    octets = takeover.encode_takeover(decision())
    assert octets == bytes.fromhex(
        "01 0000002a 0000002b" + GRANT.hex() + "00012c" + CHAIN.hex() + "00001b7740 6afd86c0 02"
    )
    assert len(octets) == takeover.TAKEOVER_OCTETS == 86
    message = b"lumbung/take/1\0\0" + octets
    assert takeover.takeover_message(octets) == message
    assert takeover.decode_takeover(octets).digest == hashlib.sha256(message).digest()


def changed(unit: object, **fields: object) -> object:
    """The unit with fields set otherwise."""
    for name, value in fields.items():
        setattr(unit, name, value)
    return unit


def test_what_a_statement_may_not_say() -> None:
    """TKO-01, TKO-03, GEN-04: runs and programmes rise, families too."""
    for fields in (
        {"gaps": ((5, 4),)}, {"gaps": ((5, 9), (9, 12))}, {"kept": ((0, 1),)}, {"doubts": 8}, {"chain": b""},
        {"leases": (lease(2), lease(1))}, {"leases": (lease(1), lease(1))}, {"sealed_through": 1 << 23},
        {"leases": (changed(lease(), spent=((3, False, 1, 0), (3, False, 1, 0))),)},
        {"leases": (changed(lease(), spent=((4000, False, 1, 0),)),)},
    ):  # fmt: skip
        with pytest.raises(OutOfRange):
            takeover.encode_statement(changed(statement(), **fields))


def test_a_takeover_is_from_one_kid_to_another() -> None:
    """TKO-06."""
    with pytest.raises(OutOfRange, match="new"):
        takeover.encode_takeover(changed(decision(), new=0x2A))
    octets = bytearray(takeover.encode_takeover(decision()))
    octets[5:9] = octets[1:5]
    with pytest.raises(OutOfRange, match="new"):
        takeover.decode_takeover(bytes(octets))
    with pytest.raises(OutOfRange):
        takeover.takeover_message(bytes(85))


@pytest.mark.parametrize("decode", [takeover.decode_statement, takeover.decode_takeover])
def test_other_lengths_and_versions_are_refused(decode) -> None:
    """GEN-02, VER-01."""
    made = takeover.encode_statement(statement())
    octets = made if decode is takeover.decode_statement else takeover.encode_takeover(decision())
    for length in range(len(octets)):
        with pytest.raises(ProtocolError):
            decode(octets[:length])
    with pytest.raises(TrailingData):
        decode(octets + b"\0")
    with pytest.raises(UnknownVersion):
        decode(b"\2" + octets[1:])
