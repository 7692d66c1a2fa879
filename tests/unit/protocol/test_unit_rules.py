"""Signed units, keys and chain: each rule of sections 3, 5.2 and 6 by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from protocol import (
    acknowledgement,
    certificates,
    chain,
    context,
    domains,
    frame,
    grant,
    link_keys,
    policy,
    records,
    roster,
    unpredictable_number,
)
from protocol.errors import NotCanonical, OutOfRange, ProtocolError, Truncated, UnknownVersion
from tools.golden_vectors import corpus, samples
from tools.golden_vectors.reference import encrypt_block

KEYS = (bytes(range(64)), bytes(range(64, 128)))
D32 = bytes(range(32))


def test_domains_differ_and_have_16_octets() -> None:
    """GEN-07: every label of the text, in its order there."""
    labels = (
        "seal",
        "chain",
        "ctx",
        "ack",
        "roster",
        "grant",
        "policy",
        "cert",
        "epoch",
        "woff",
        "state",
        "take",
        "stand",
        "rel",
        "image",
    )
    assert [domain.rstrip(b"\x00").decode() for domain in domains.ALL] == [
        f"lumbung/{label}/1" for label in labels
    ]
    assert {len(domain) for domain in domains.ALL} == {16}
    assert len(set(domains.ALL)) == len(domains.ALL) == 15


def test_signed_messages_by_hand() -> None:
    """GEN-08, CHN-03, ROS-05, POL-06, GRT-04, CRT-01, CRT-02, ACK-05: domain, then fields of fixed width."""
    body = b"body"
    kid = bytes.fromhex("00000007")
    assert chain.seal_message(7, 9, D32) == b"lumbung/seal/1\0\0" + kid + bytes.fromhex("00000009") + D32
    assert roster.signed_message(D32) == b"lumbung/roster/1" + D32
    assert policy.signed_message(body) == b"lumbung/policy/1" + hashlib.sha256(body).digest()
    assert (
        grant.signed_message(7, D32, bytes(32), body) == b"lumbung/grant/1\0" + kid + D32 + bytes(32) + body
    )
    assert certificates.terminal_message(body) == b"lumbung/cert/1\0\0" + body
    assert certificates.epoch_message(body) == b"lumbung/epoch/1\0" + body
    assert (
        acknowledgement.signed_message(7, 9, body)
        == b"lumbung/ack/1\0\0\0" + kid + bytes.fromhex("00000009") + body
    )


def test_the_chain_by_hand() -> None:
    """CHN-01, CHN-02."""
    commitment = hashlib.sha256(b"un key").digest()
    expected = hashlib.sha256(
        b"lumbung/chain/1\0" + bytes.fromhex("00000007") + KEYS[0] + KEYS[1] + commitment
    ).digest()
    assert chain.start(7, KEYS[0], KEYS[1], b"un key") == expected
    assert chain.start_from_commitment(7, KEYS[0], KEYS[1], commitment) == expected
    assert chain.extend(expected, b"record") == hashlib.sha256(expected + b"record").digest()


@pytest.mark.parametrize(
    "call",
    [
        lambda: chain.start(1 << 32, KEYS[0], KEYS[1], b""),
        lambda: chain.start(-1, KEYS[0], KEYS[1], b""),
        lambda: chain.start(7, KEYS[0][:63], KEYS[1] + b"\0", b""),
        lambda: chain.start_from_commitment(7, KEYS[0], KEYS[1], b""),
        lambda: chain.extend(D32 + b"\0", b"record"),
        lambda: chain.seal_message(7, 9, D32[:31]),
        lambda: chain.seal_message(1 << 32, 9, D32),
        lambda: chain.seal_message(7, -1, D32),
        lambda: acknowledgement.signed_message(7, 1 << 32, b""),
        lambda: grant.signed_message(7, D32 + b"\0", D32[:31], b""),
        lambda: roster.signed_message(b""),
        lambda: context.digest(D32, b"", []),
        lambda: context.digest(D32, D32, [b"\0"]),
        lambda: link_keys.salt(KEYS[0] + b"\0", KEYS[1][:63]),
        lambda: link_keys.info(b"un", 7, 1 << 32, 0),
        lambda: link_keys.info(b"un", 7, 1, 1 << 16),
    ],
)
def test_what_is_hashed_or_signed_has_its_width(call: Callable[[], bytes]) -> None:
    """CHN-04, CHN-05, GEN-04, GEN-08: nothing may slide from one field into the next."""
    with pytest.raises(OutOfRange):
        call()


def test_sequences_have_23_bits() -> None:
    """CHN-04."""
    assert records.SEQUENCE_MAX == (1 << 23) - 1


@pytest.mark.parametrize(("sequence", "attempt"), [(1 << 24, 0), (-1, 0), (1, 255), (1, -1)])
def test_unpredictable_numbers_have_limits(sequence: int, attempt: int) -> None:
    """UN-03."""
    with pytest.raises(OutOfRange):
        unpredictable_number.derive(encrypt_block, sequence, attempt)


# Roster.


def roster_octets() -> bytearray:
    """Three entries: one card, two cards, none."""
    return bytearray(roster.encode(5, samples.sample_roster()))


def test_a_roster_by_hand() -> None:
    """ROS-01, ROS-02, ROS-03."""
    octets = roster_octets()
    assert octets[:16].hex() == "4c525354" + "01" + "00" + "0003" + "00000005" + "00000000"
    assert len(octets) == 16 + 3 * 64 == roster.octets(3)
    card = samples.sample_roster()[1].cards[1]
    at = 16 + 64 + 36
    assert octets[at : at + 8] == card.card_key
    assert octets[at + 8] == card.applications
    assert octets[at + 9] == card.bound_application
    assert octets[at + 10 : at + 12] == bytes(2)
    assert octets[at + 12 : at + 28] == card.verifier
    assert roster.card_keys(bytes(octets[80:144])) == [
        one.card_key for one in samples.sample_roster()[1].cards
    ]


@pytest.mark.parametrize(
    ("at", "change", "field"),
    [(5, b"\x01", "reserved"), (6, b"\x00\x00", "count"), (6, b"\x0f\xa1", "count"), (8, bytes(4), "number"),
     (12, b"\x01", "reserved"), (16, b"\x03", "state"), (19, b"\x01", "reserved"), (20, b"\x0f\xa0", "delegate"),
     (22, b"\x01", "reserved"), (24, bytes(8), "card key"), (32, b"\x00", "applications"),
     (33, b"\x08", "bound application"), (33, b"\xfe", "bound application"), (34, b"\x01", "reserved")],
)  # fmt: skip
def test_a_roster_with_one_wrong_field(at: int, change: bytes, field: str) -> None:
    """ROS-01, ROS-03, GEN-06."""
    octets = roster_octets()
    octets[at : at + len(change)] = change
    with pytest.raises(OutOfRange) as info:
        roster.decode(bytes(octets))
    assert info.value.field == field


def test_a_second_card_needs_a_first() -> None:
    """ROS-04."""
    octets = roster_octets()
    octets[80 + 8 : 80 + 36] = bytes(28)
    with pytest.raises(NotCanonical, match="second card"):
        roster.decode(bytes(octets))


def test_an_entry_with_three_cards_or_a_zero_key_is_not_written() -> None:
    """ROS-03, GEN-04."""
    entry = samples.sample_roster()[1]
    entry.cards = (*entry.cards, entry.cards[0])
    with pytest.raises(OutOfRange, match="cards"):
        roster.encode_entry(entry)
    entry = samples.sample_roster()[0]
    entry.cards[0].card_key = bytes(8)
    with pytest.raises(OutOfRange, match="card key"):
        roster.encode_entry(entry)


# Policy.


def test_a_policy_by_hand() -> None:
    """POL-01, POL-02, POL-03."""
    octets = policy.encode(corpus.held_context().policy)
    rules = "01 00000009 0168 0168 01a4 0258 03 0007a120 000493e0 000927c0 00015180 000f4240 0019 05"
    head = bytes.fromhex(rules.replace(" ", ""))
    assert octets.startswith(head)
    programmes = b"\x02" + b"\x01\x07Sembako" + b"\x02\x03PKH"
    assert octets[len(head) :].startswith(programmes)
    first = "02 01 02 01 40 1980 0000008000 410302 dc4000a800 0010000000 dc4004f800 00000000 06 f04c4d424701"
    assert octets[len(head) + len(programmes) :].startswith(bytes.fromhex(first.replace(" ", "")))


def changed(change: Callable[[policy.Policy], None]) -> policy.Policy:
    """The golden policy with one change."""
    out = policy.decode(policy.encode(corpus.held_context().policy))
    change(out)
    return out


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("utc_offset_minutes", 841, "utc_offset_minutes"),
        ("pin_tries", 0, "pin_tries"),
        ("pin_tries", 16, "pin_tries"),
        ("rapid_run", 256, "rapid_run"),
        ("programmes", (), "programmes"),
        ("programmes", tuple((n, "x") for n in range(1, 10)), "programmes"),
        ("programmes", ((0, "x"),), "programme"),
        ("programmes", ((1, "x"), (1, "y")), "programme"),
        ("programmes", ((1, "x" * 21),), "programme name length"),
        ("programmes", ((1, "Sémbako"),), "programme name"),
        ("programmes", ((1, "a\nb"),), "programme name"),
        ("applications", (), "applications"),
        ("commodities", ((1, "x" * 17, "kg", 1),), "commodity name length"),
        ("commodities", ((1, "x", "k" * 9, 1),), "commodity unit length"),
        ("commodities", ((1, "x", "kg", 100_000_000),), "commodity price"),
        ("commodities", ((1, "x", "kg", 1), (1, "y", "kg", 1)), "commodity"),
        ("commodities", tuple((n, "x", "kg", 1) for n in range(1, 34)), "commodities"),
        ("baskets", ((0, ()),), "basket weight"),
        ("baskets", ((1, ((1, 0, 1),)),), "basket quantity"),
        ("baskets", ((1, ((1, 1, 1),) * 9),), "basket items"),
        ("baskets", ((1, ()),) * 25, "baskets"),
    ],
)
def test_a_policy_with_one_wrong_value_is_not_written(name: str, value: object, field: str) -> None:
    """POL-01, POL-02, POL-04, POL-05."""
    with pytest.raises(OutOfRange) as info:
        policy.encode(changed(lambda out: setattr(out, name, value)))
    assert info.value.field == field


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [("kind", 0, "kind"), ("kind", 3, "kind"), ("method", 4, "method"), ("pan_sequence", 0x9A, "pan_sequence"),
     ("tvr", bytes(4), "tvr"), ("aid", bytes(4), "aid length"), ("aid", bytes(17), "aid length"),
     ("cdol1", bytes(65), "cdol1 length"), ("iad", bytes(33), "iad length")],
)  # fmt: skip
def test_an_application_with_one_wrong_value_is_not_written(name: str, value: object, field: str) -> None:
    """POL-03."""
    with pytest.raises(OutOfRange) as info:
        policy.encode(changed(lambda out: setattr(out.applications[1], name, value)))
    assert info.value.field == field


def test_a_policy_says_at_its_end_when_to_use_sms() -> None:
    """POL-07, POL-08: version 2 is version 1 with channel rules behind it; without them the defaults hold."""
    plain = policy.encode(corpus.held_context().policy)
    octets = policy.encode(corpus.sample_policy_with_channels())
    rules = bytes.fromhex("00001c20002314000054600258004c4b40")
    assert octets == b"\x02" + plain[1:] + rules
    silent = policy.decode(plain).channels
    assert (
        silent.sms_after_s,
        silent.sms_fill,
        silent.sms_per_day,
        silent.sms_resend_s,
        silent.jitter_s,
    ) == (10800, 40, 24, 14400, 900)
    assert silent.provisional_cap_rupiah == 0
    for wrong in (octets[:-17] + bytes(4) + bytes(2) + octets[-11:], octets[:-1], octets + b"\x00"):
        with pytest.raises(ProtocolError):
            policy.decode(wrong)
    with pytest.raises(UnknownVersion):
        policy.decode(b"\x03" + octets[1:])


def test_a_policy_with_a_name_or_number_that_means_two_things_is_refused_on_arrival() -> None:
    """POL-04, POL-05."""
    octets = policy.encode(corpus.held_context().policy)
    for old, new in (
        (b"\x02\x03PKH", b"\x01\x03PKH"),
        (b"\x03PKH", b"\x03P\xc3H"),
        (b"\x03PKH", b"\x03P\x00H"),
    ):
        assert octets.count(old) == 1
        with pytest.raises(OutOfRange) as info:
            policy.decode(octets.replace(old, new))
        assert info.value.field.startswith("programme")


# Grant.


def exceptions(count: int, amounts: bool) -> tuple[tuple[int, int], ...]:
    """Spread evenly over 842 families: nothing, twice, three times, or an amount of its own."""
    coarse = (0, 400_000, 600_000)
    return tuple(
        (842 * i // count, 1000 * (211 + 17 * i) if amounts else coarse[i % 3]) for i in range(count)
    )


@pytest.mark.parametrize(("count", "amounts"), [(34, False), (14, True)])
def test_a_monthly_grant_is_one_sms(count: int, amounts: bool) -> None:
    """GRT-05: frame header, tag and signature included; more than that many do not fit."""
    one = grant.Grant()
    one.number, one.programme, one.period = 41, 1, 24298
    one.expiry_s, one.hold, one.default_rupiah = 0x6A3D1F80, 7001, 200_000
    fits = []
    for number in (count, count + 8):
        one.exceptions = exceptions(number, amounts)
        octets = (
            len(grant.encode(one)) + certificates.SIGNATURE_OCTETS + frame.HEADER_OCTETS + frame.TAG_OCTETS
        )
        fits.append(octets <= frame.SMS_OCTETS_MAX)
    assert fits == [True, False]


@pytest.mark.parametrize(
    "bad",
    [((5, 1000), (5, 1000)), ((6, 1000), (5, 1000)), ((4000, 1000),), ((-1, 1000),), ((1, 999),), ((1, 16_384_000),), ((1, -1000),)],
)  # fmt: skip
def test_exceptions_that_are_not_written(bad: tuple[tuple[int, int], ...]) -> None:
    """GRT-02, GRT-03."""
    one = corpus.held_context().grants[1]
    one.exceptions = bad
    with pytest.raises(OutOfRange):
        grant.encode(one)


def test_twice_the_default_beyond_the_largest_amount_is_an_amount_nobody_can_write() -> None:
    """GRT-02: 16,383 thousands is the most a family is granted, in whatever class."""
    one = corpus.held_context().grants[1]
    one.default_rupiah = 1000 * 10_000
    one.exceptions = ((1, 1000 * 20_000),)
    with pytest.raises(OutOfRange):
        grant.encode(one)


# Certificates and acknowledgement.


def test_certificates_by_hand() -> None:
    """CRT-01, CRT-02."""
    terminal, epoch = samples.sample_terminal(), samples.sample_epoch()
    octets = certificates.encode_terminal(terminal)
    assert octets[:10].hex() == "01" + "10203040" + "02" + f"{terminal.issued_s:08x}"
    assert octets[10:] == terminal.seal_key + terminal.agreement_key
    assert len(octets) == 138
    octets = certificates.encode_epoch(epoch)
    assert octets[:11].hex() == "01" + "00000003" + "0002" + f"{epoch.issued_s:08x}"
    assert octets[11:] == epoch.agreement_key + epoch.acknowledgement_key
    assert len(octets) == 139


@pytest.mark.parametrize("storage", [0, 3, 255])
def test_keys_are_kept_in_a_known_place(storage: int) -> None:
    """CRT-01."""
    certificate = samples.sample_terminal()
    octets = bytearray(certificates.encode_terminal(certificate))
    certificate.storage = octets[5] = storage
    with pytest.raises(OutOfRange, match="storage"):
        certificates.encode_terminal(certificate)
    with pytest.raises(OutOfRange, match="storage"):
        certificates.decode_terminal(bytes(octets))


def test_a_signed_body_ends_with_its_signature() -> None:
    """CRT-03."""
    assert certificates.split_signature(b"body" + bytes(64), "grant") == (b"body", bytes(64))
    for short in (b"", bytes(64)):
        with pytest.raises(Truncated, match="grant"):
            certificates.split_signature(short, "grant")


def test_reclaim_never_passes_sealed() -> None:
    """ACK-04: when written and when read."""
    one = samples.sample_acknowledgement()
    octets = bytearray(acknowledgement.encode(one))
    octets[25:28] = (one.sealed_through + 1).to_bytes(3, "big")
    with pytest.raises(OutOfRange, match="reclaim"):
        acknowledgement.decode(bytes(octets))
    one.reclaim_through = one.sealed_through + 1
    with pytest.raises(OutOfRange, match="reclaim"):
        acknowledgement.encode(one)


@pytest.mark.parametrize(("gaps", "states"), [(2, 56), (0, 88)])
def test_an_acknowledgement_is_one_sms(gaps: int, states: int) -> None:
    """ACK-06: four more states do not fit."""
    one = samples.sample_acknowledgement()
    one.gaps = one.gaps[:gaps]
    for count, fits in ((states, True), (states + 4, False)):
        one.states = (1,) * count
        octets = len(acknowledgement.encode(one)) + 64 + frame.HEADER_OCTETS + frame.TAG_OCTETS
        assert (octets <= frame.SMS_OCTETS_MAX) == fits


@pytest.mark.parametrize(
    ("name", "value"),
    [("gaps", ((0, 1, False),)), ("gaps", ((1, 0, False),)), ("gaps", ((1, 257, False),)), ("gaps", ((1, 1, False),) * 5),
     ("states", (4,)), ("states", (0,) * 256), ("chain_digest", bytes(32)), ("sealed_through", 1 << 23)],
)  # fmt: skip
def test_an_acknowledgement_with_one_wrong_value_is_not_written(name: str, value: object) -> None:
    """ACK-01, ACK-02, ACK-03."""
    one = samples.sample_acknowledgement()
    setattr(one, name, value)
    with pytest.raises(ProtocolError):
        acknowledgement.encode(one)


def test_spare_bits_of_the_states_are_zero() -> None:
    """ACK-03."""
    octets = bytearray(acknowledgement.encode(samples.sample_acknowledgement()))
    octets[-1] |= 0x04
    with pytest.raises(OutOfRange, match="spare bits"):
        acknowledgement.decode(bytes(octets))
