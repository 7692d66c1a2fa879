"""Published documents: what the authority signed is taken, anything else is a typed refusal."""

import pytest

from gateway import documents, signatures
from gateway.errors import DocumentError, SignatureError
from gateway.rosters import RosterIndex
from protocol import roster
from tests.support.frames import Authority, Terminal, card_key, key_of, sample_policy, sample_roster
from tests.support.gateway_rig import Rig

RIG = Rig()
KEY = RIG.verifying


def flipped(octets, at):
    changed = bytearray(octets)
    changed[at] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "read", [documents.read_policy, documents.read_roster, documents.read_epoch, documents.read_terminal]
)
def test_too_short_for_a_signature(read):
    with pytest.raises(DocumentError, match="offset"):
        read(KEY, bytes(64))


def test_any_flipped_octet_breaks_the_signature():
    signed = RIG.authority.policy()
    documents.read_policy(KEY, signed)
    for at in range(0, len(signed), 7):
        with pytest.raises(SignatureError):
            documents.read_policy(KEY, flipped(signed, at))


def test_another_authority_is_refused():
    stranger = Authority("stranger")
    with pytest.raises(SignatureError):
        documents.read_roster(KEY, stranger.roster())
    with pytest.raises(SignatureError):
        documents.read_terminal(KEY, Terminal(1, stranger, RIG.key.request).certificate)


def test_a_signed_document_that_does_not_decode_names_field_and_offset():
    body = sample_policy()[:20]
    signed = body + RIG.authority.sign(documents.policy.signed_message(body))
    with pytest.raises(DocumentError, match="offset"):
        documents.read_policy(KEY, signed)


def test_one_type_cannot_pass_for_another():
    with pytest.raises(SignatureError):
        documents.read_roster(KEY, RIG.authority.policy())
    with pytest.raises(SignatureError):
        documents.read_epoch(KEY, Terminal(1, RIG.authority, RIG.key.request).certificate)


def test_a_terminal_key_off_the_curve_is_refused():
    good = signatures.public_octets(key_of("x"))
    for keys in ((b"\x01" * 64, good), (good, bytes(64))):
        with pytest.raises(DocumentError, match="not on the curve"):
            documents.read_terminal(KEY, RIG.authority.certify(9, *keys))


def test_a_grant_is_found_under_its_roster_and_policy_only():
    digests = (RIG.roster_document.digest, RIG.policy_document.digest)
    signed = RIG.authority.grant(42, *digests)
    found = documents.read_grant(KEY, signed, 42, [(bytes(32), bytes(32)), digests])
    assert (found.roster_digest, found.policy_digest, found.kid, found.programme) == (*digests, 42, 1)
    assert documents.decode_grant(found).digest == found.digest
    for kid, under in ((43, [digests]), (42, [(digests[1], digests[0])]), (42, [])):
        with pytest.raises(SignatureError):
            documents.read_grant(KEY, signed, kid, under)


def test_a_roster_with_the_same_card_twice_is_refused():
    octets = bytearray(sample_roster(count=3))
    first = roster.HEADER_OCTETS + roster.CARD_AT[0]
    octets[first + roster.ENTRY_OCTETS : first + roster.ENTRY_OCTETS + 8] = octets[first : first + 8]
    signed = bytes(octets) + RIG.authority.sign(roster.signed_message(roster.digest(bytes(octets))))
    with pytest.raises(DocumentError, match="stands twice"):
        documents.read_roster(KEY, signed)


def test_a_roster_index_answers_like_its_entries():
    octets = sample_roster("index", 50)
    entries = [roster.decode_entry(octets[at : at + 64]) for at in range(16, len(octets), 64)]
    index = RosterIndex(octets)
    assert index.count == 50
    assert index.digest == roster.digest(octets)
    for place, entry in enumerate(entries):
        assert index.find(entry.cards[0].card_key) == place
        assert index.card_key(place, 0) == entry.cards[0].card_key == card_key("index", place)
        assert index.card_key(place, 1) == b""
        assert index.applications(place, 0) == entry.cards[0].applications
        assert index.applications(place, 1) == 0
    assert index.find(b"stranger") == -1
    assert index.find(b"") == -1


def test_a_roster_index_knows_second_cards():
    entry = roster.decode_entry(sample_roster(count=1)[16:])
    second = roster.Card()
    second.card_key, second.applications, second.bound_application, second.verifier = (
        b"secondcd",
        2,
        255,
        bytes(16),
    )
    entry.cards = (entry.cards[0], second)
    index = RosterIndex(roster.encode(1, [entry]))
    assert index.find(b"secondcd") == 0
    assert (index.card_key(0, 1), index.applications(0, 1)) == (b"secondcd", 2)


def test_a_roster_of_the_wrong_length_is_refused():
    with pytest.raises(DocumentError, match="expected"):
        RosterIndex(sample_roster(count=3) + b"\x00")
