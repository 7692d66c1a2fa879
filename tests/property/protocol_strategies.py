"""Hypothesis strategies for every unit of the protocol, edge values included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from protocol import (
    acknowledgement,
    bridge,
    certificates,
    grant,
    notice,
    parts,
    policy,
    records,
    renewal,
    roster,
    roster_delta,
    status,
    takeover,
    write_off,
)
from protocol.records import CardProof, Record
from tests.bench import reference_day

DAY = reference_day.build()
CONTEXT = DAY.context
ROSTER_KEYS = [card[0] for cards in CONTEXT.roster.entries for card in cards]


def uint(octets: int, least: int = 0, most: int | None = None) -> st.SearchStrategy[int]:
    """A number of a field, its bounds more often than chance would."""
    top = (1 << 8 * octets) - 1 if most is None else most
    return st.one_of(st.sampled_from([least, top]), st.integers(least, top))


def octets(length: int) -> st.SearchStrategy[bytes]:
    """Exactly `length` octets."""
    return st.binary(min_size=length, max_size=length)


def number_of(code: str, least: int, most: int) -> st.SearchStrategy[Any]:
    """A value for a field of a record layout."""
    return octets(int(code[:-1])) if code.endswith("s") else uint(1, least, most)


CARD_KEYS = st.one_of(st.sampled_from(ROSTER_KEYS), octets(8))
# What real records look like, so that the codec's expectations are met and missed.
USUAL = {
    "time_s": st.one_of(
        uint(4),
        st.integers(reference_day.OPENING_S, reference_day.OPENING_S + 90000),
        st.just(reference_day.OPENING_S),
    ),
    "programme": st.one_of(st.sampled_from([1, 1, 2]), uint(1, 1)),
    "period": st.one_of(st.just(reference_day.PERIOD), uint(2, 24000, 36000)),
    "lease": st.one_of(st.sampled_from([41, 42]), uint(4)),
    "amount_rupiah": st.one_of(
        st.sampled_from([200_000, 400_000, 225_000, 1000, 1]), uint(4, 1, records.AMOUNT_RUPIAH_MAX)
    ),
    "card_key": CARD_KEYS,
    "reference_sequence": st.one_of(
        st.integers(reference_day.SEQUENCE_FIRST - 3, reference_day.SEQUENCE_FIRST + 9),
        uint(3, 1, records.SEQUENCE_MAX),
    ),
}


@st.composite
def proofs(draw: st.DrawFn, time_s: int) -> CardProof:
    """A card proof, either near what the policy says or anything."""
    proof = CardProof()
    for name, code, least, most in records.PROOF_FIELDS:
        setattr(proof, name, draw(number_of(code, least, most)))
    proof.iad = draw(st.binary(max_size=records.IAD_OCTETS_MAX))
    if draw(st.booleans()):
        known = CONTEXT.policy.applications[draw(st.integers(0, 1))]
        proof.application_index = known.application_index
        for name in draw(
            st.sets(st.sampled_from(["pan_sequence", "cid", "aip", "tvr", "cvm_results", "iad"]))
        ):
            setattr(proof, name, getattr(known, name))
        proof.un_attempt = draw(st.integers(0, 1))
    return proof


@st.composite
def items(draw: st.DrawFn) -> tuple[tuple[int, int, int], ...]:
    """A basket of the policy, posted prices, or anything."""
    if draw(st.booleans()):
        return tuple(draw(st.sampled_from([basket[1] for basket in CONTEXT.policy.baskets])))
    item = st.tuples(uint(1, 1), uint(2, 1), uint(4, 0, records.AMOUNT_RUPIAH_MAX))
    posted = st.builds(
        lambda entry, halves: (entry[0], 50 * halves, entry[3]),
        st.sampled_from(CONTEXT.policy.commodities),
        st.integers(1, 30),
    )
    return tuple(draw(st.lists(st.one_of(item, posted), max_size=records.ITEMS_MAX)))


@st.composite
def record(draw: st.DrawFn, kinds: tuple[int, ...] = tuple(range(1, 10))) -> Record:
    """A valid record of any kind."""
    kind = draw(st.sampled_from(kinds))
    out = Record()
    for name, code, least, most in records.HEAD + records.LAYOUTS[kind][1]:
        setattr(out, name, draw(USUAL.get(name, number_of(code, least, most))))
    out.kind = kind
    out.version = records.VERSION
    parts = records.LAYOUTS[kind][2]
    if "items" in parts:
        out.items = draw(items())
        if kind == records.REDEMPTION and out.tender == records.TENDER_CASH:
            out.items = ()
    if "detail" in parts:
        out.detail = draw(st.binary(max_size=records.DETAIL_OCTETS_MAX))
    if "proof" in parts:
        out.proof = draw(proofs(out.time_s))
    if "optional_proof" in parts:
        out.proof = draw(proofs(out.time_s)) if out.method else None
    return out


@st.composite
def canonical(draw: st.DrawFn) -> bytes:
    """The canonical octets of a valid record."""
    return records.encode(draw(record()))


@st.composite
def batches(draw: st.DrawFn, most: int = 12) -> list[bytes]:
    """Records of one frame: drawn ones, ones of the reference day, small changes of the one before; an adoption ends
    it.
    """
    batch: list[bytes] = []
    for _ in range(draw(st.integers(1, most))):
        if batch and batch[-1][0] == records.ADOPTION:
            break
        source = draw(st.integers(0, 2))
        if source == 0 or not batch:
            batch.append(draw(canonical()))
        elif source == 1:
            batch.append(draw(st.sampled_from(DAY.batch)))
        else:
            changed = records.decode(batch[-1])
            changed.time_s = min(0xFFFFFFFF, changed.time_s + draw(st.integers(0, 300)))
            if getattr(changed, "proof", None) is not None and draw(st.booleans()):
                changed.proof.iad = changed.proof.iad[:-1] + draw(octets(1))
                changed.proof.atc = (changed.proof.atc + 1) & 0xFFFF
            batch.append(records.encode(changed))
    return batch


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with a few octets changed, cut, repeated or added."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        how = draw(st.integers(0, 4))
        at = draw(st.integers(0, max(0, len(out) - 1)))
        if how == 0 and out:
            out[at] ^= 1 << draw(st.integers(0, 7))
        elif how == 1 and out:
            out[at] = draw(st.integers(0, 255))
        elif how == 2:
            del out[at:]
        elif how == 3:
            out[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif out:
            del out[at]
    return bytes(out)


# Signed units.

TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)


@st.composite
def entry(draw: st.DrawFn) -> roster.Entry:
    """A roster entry."""
    out = roster.Entry()
    out.state = draw(st.integers(roster.REMOVED, roster.BLOCKED))
    out.hamlet, out.slot = draw(uint(1)), draw(uint(1))
    out.delegate = draw(st.one_of(st.just(roster.NO_DELEGATE), uint(2, 0, roster.ENTRIES_MAX - 1)))
    cards = []
    for _ in range(draw(st.integers(0, roster.CARDS_PER_ENTRY))):
        card = roster.Card()
        card.card_key = draw(octets(8).filter(any))
        card.applications = draw(uint(1, 1))
        card.bound_application = draw(st.one_of(st.just(roster.UNBOUND), st.integers(0, 7)))
        card.verifier = draw(octets(16))
        cards.append(card)
    out.cards = tuple(cards)
    return out


@st.composite
def rosters(draw: st.DrawFn) -> bytes:
    """A small roster's octets."""
    return roster.encode(draw(uint(4, 1)), draw(st.lists(entry(), min_size=1, max_size=4)))


@st.composite
def policies(draw: st.DrawFn) -> bytes:
    """A policy's octets."""
    out = policy.Policy()
    for name, width in policy.RULES:
        least, most = policy.LIMITS.get(name, (0, (1 << 8 * width) - 1))
        setattr(out, name, draw(uint(width, least, most)))
    codes = draw(st.lists(uint(1, 1), unique=True, max_size=4))
    out.programmes = tuple(
        (number, draw(TEXT)) for number in draw(st.lists(uint(1, 1), unique=True, min_size=1, max_size=3))
    )
    out.commodities = tuple(
        (code, draw(TEXT), draw(TEXT), draw(uint(4, 0, records.AMOUNT_RUPIAH_MAX))) for code in codes
    )
    out.baskets = tuple((draw(uint(1, 1)), draw(items())) for _ in range(draw(st.integers(0, 3))))
    applications = []
    for _ in range(draw(st.integers(1, 2))):
        one = policy.Application()
        for name, width in policy.APPLICATION_FIELDS:
            if name in policy.OCTET_FIELDS:
                setattr(one, name, draw(octets(width)))
            else:
                least, most = policy.LIMITS.get(name, (0, (1 << 8 * width) - 1))
                setattr(one, name, draw(uint(width, least, most)))
        one.aid = draw(st.binary(min_size=5, max_size=16))
        one.cdol1 = draw(st.binary(max_size=64))
        one.iad = draw(st.binary(max_size=32))
        applications.append(one)
    out.applications = tuple(applications)
    if draw(st.booleans()):
        out.channels = policy.Channels()
        for name, width in policy.CHANNEL_RULES:
            least, most = policy.LIMITS.get(name, (0, (1 << 8 * width) - 1))
            setattr(out.channels, name, draw(uint(width, least, most)))
    return policy.encode(out)


@st.composite
def grants(draw: st.DrawFn) -> grant.Grant:
    """A grant."""
    out = grant.Grant()
    out.number, out.programme = draw(uint(3, 1)), draw(uint(1, 1))
    out.period, out.expiry_s, out.hold = draw(uint(2, 24000, 36000)), draw(uint(4)), draw(uint(4))
    units = draw(uint(2, 0, grant.AMOUNT_UNITS_MAX))
    out.default_rupiah = 1000 * units
    most = grant.AMOUNT_UNITS_MAX
    amounts = st.one_of(
        st.sampled_from([amount for amount in (0, 2 * units, 3 * units) if amount <= most]), uint(2, 0, most)
    )
    indices = draw(st.lists(uint(2, 0, roster.ENTRIES_MAX - 1), unique=True, max_size=12))
    out.exceptions = tuple((index, 1000 * draw(amounts)) for index in sorted(indices))
    return out


@st.composite
def acknowledgements(draw: st.DrawFn) -> acknowledgement.Acknowledgement:
    """An acknowledgement."""
    out = acknowledgement.Acknowledgement()
    out.epoch, out.time_s = draw(uint(2)), draw(uint(4))
    out.sealed_through = draw(uint(3, 0, records.SEQUENCE_MAX))
    out.reclaim_through = draw(st.integers(0, out.sealed_through))
    out.chain_digest = draw(octets(16))
    gap = st.tuples(uint(3, 1, records.SEQUENCE_MAX), st.integers(1, 256), st.booleans())
    out.gaps = tuple(draw(st.lists(gap, max_size=acknowledgement.GAPS_MAX)))
    out.states_first = draw(uint(3, 0, records.SEQUENCE_MAX))
    out.states = tuple(draw(st.lists(st.integers(0, 3), max_size=acknowledgement.STATES_MAX)))
    return out


@st.composite
def notices(draw: st.DrawFn) -> notice.Notice:
    """A rollback notice."""
    out = notice.Notice()
    out.sequence = draw(uint(3, 1, records.SEQUENCE_MAX))
    out.chain, out.seal = draw(octets(32)), draw(octets(64))
    return out


@st.composite
def standings(draw: st.DrawFn) -> notice.Standing:
    """A terminal that was replaced or revoked."""
    out = notice.Standing()
    out.epoch, out.why = draw(uint(2)), draw(st.integers(notice.REPLACED, notice.FORKED))
    return out


@st.composite
def bridges(draw: st.DrawFn) -> bridge.Bridge:
    """Chain values at gaps."""
    out = bridge.Bridge()
    sequences = draw(st.lists(uint(3, 1, records.SEQUENCE_MAX), unique=True, min_size=1, max_size=3))
    out.values = tuple((sequence, draw(octets(32))) for sequence in sorted(sequences))
    return out


@st.composite
def some_parts(draw: st.DrawFn) -> parts.Part:
    """One part of a unit."""
    out = parts.Part()
    out.kind, out.name, out.count = draw(uint(1, 1, 63)), draw(octets(4)), draw(st.integers(2, 64))
    out.place = draw(st.one_of(st.integers(0, out.count - 1), st.just(out.count - 1)))
    is_last = out.place == out.count - 1
    out.octets = draw(octets(draw(st.integers(1, 112)) if is_last else 112))
    return out


@st.composite
def write_offs(draw: st.DrawFn) -> write_off.WriteOff:
    """Records given up."""
    out = write_off.WriteOff()
    out.kid, out.chain = draw(uint(4)), draw(octets(32))
    ends = (draw(uint(3, 1, records.SEQUENCE_MAX)), draw(uint(3, 1, records.SEQUENCE_MAX)))
    out.first, out.last = sorted(ends)
    out.exposure_rupiah, out.issued_s, out.reason = draw(uint(4)), draw(uint(4)), draw(st.integers(1, 3))
    return out


def runs() -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    """Sequences from .. to, rising and apart."""
    ends = st.lists(uint(3, 1, records.SEQUENCE_MAX), max_size=6, unique=True).map(sorted)
    return ends.map(lambda some: tuple(zip(some[::2], some[1::2], strict=False)))


@st.composite
def leases(draw: st.DrawFn, programme: int) -> takeover.Lease:
    """What became of one grant."""
    out = takeover.Lease()
    out.digest, out.roster_digest, out.policy_digest = (draw(octets(32)) for _ in range(3))
    out.number, out.programme, out.period = draw(uint(3, 1)), programme, draw(uint(2, 24000, 36000))
    out.is_closed = draw(st.booleans())
    indices = sorted(draw(st.sets(uint(2, 0, roster.ENTRIES_MAX - 1), max_size=4)))
    out.spent = tuple((index, draw(st.booleans()), draw(uint(6)), draw(uint(6))) for index in indices)
    return out


@st.composite
def statements(draw: st.DrawFn) -> takeover.Statement:
    """Where an old generation stood."""
    out = takeover.Statement()
    out.kid, out.gateway_key_id, out.epoch, out.made_s = (draw(uint(width)) for width in (4, 4, 2, 4))
    out.sealed_through, out.chain = draw(uint(3, 0, records.SEQUENCE_MAX)), draw(octets(32))
    out.head, out.doubts = draw(uint(3, 0, records.SEQUENCE_MAX)), draw(st.integers(0, takeover.DOUBTS))
    out.gaps, out.kept = draw(runs()), draw(runs())
    programmes = sorted(draw(st.sets(uint(1, 1), max_size=3)))
    out.leases = tuple(draw(leases(programme)) for programme in programmes)
    return out


@st.composite
def takeovers(draw: st.DrawFn) -> takeover.Takeover:
    """A new generation for an old one."""
    out = takeover.Takeover()
    out.old, out.new = draw(st.lists(uint(4), min_size=2, max_size=2, unique=True))
    out.statement, out.chain = draw(octets(32)), draw(octets(32))
    out.sealed_through, out.exposure_rupiah = draw(uint(3, 0, records.SEQUENCE_MAX)), draw(uint(5))
    out.issued_s, out.reason = draw(uint(4)), draw(st.integers(1, 4))
    return out


@st.composite
def roster_deltas(draw: st.DrawFn) -> bytes:
    """What is new in a roster."""
    header, entries = roster.decode(draw(rosters()))
    out = roster_delta.RosterDelta()
    out.base, out.number = draw(octets(4)), draw(uint(4, 1))
    # Without a base every entry is named.
    most = roster.ENTRIES_MAX if any(out.base) else header.count
    out.count = draw(st.integers(header.count, most))
    at = draw(st.integers(0, out.count - header.count))
    out.entries = tuple((at + i, roster.encode_entry(entry)) for i, entry in enumerate(entries))
    return roster_delta.encode(out)


@st.composite
def renewals(draw: st.DrawFn) -> bytes:
    """A new roster with its grants."""
    out = renewal.Renewal()
    out.roster_digest, out.signature = draw(octets(32)), draw(octets(64))
    out.grants = tuple(draw(st.lists(st.binary(min_size=65, max_size=200), min_size=1, max_size=8)))
    out.delta = roster_delta.decode(draw(roster_deltas()))
    return renewal.encode(out)


@st.composite
def renewal_pieces(draw: st.DrawFn) -> bytes:
    """A piece of some unit."""
    out = renewal.Piece()
    out.name, out.unit_octets = draw(octets(8)), draw(st.integers(1, renewal.UNIT_OCTETS_MAX))
    out.offset = draw(st.integers(0, (out.unit_octets - 1) // renewal.PIECE_OCTETS)) * renewal.PIECE_OCTETS
    out.octets = draw(octets(min(renewal.PIECE_OCTETS, out.unit_octets - out.offset)))
    return renewal.encode_piece(out)


@st.composite
def statuses(draw: st.DrawFn) -> status.Status:
    """A status report."""
    out = status.Status()
    for name, width, most in status.FIELDS:
        setattr(out, name, draw(uint(width, 0, most if most >= 0 else None)))
    out.release = draw(uint(4))
    return out


@st.composite
def terminal_certificates(draw: st.DrawFn) -> certificates.TerminalCertificate:
    """A terminal's certificate."""
    out = certificates.TerminalCertificate()
    out.kid, out.storage, out.issued_s = draw(uint(4)), draw(st.integers(1, 2)), draw(uint(4))
    out.seal_key, out.agreement_key = draw(octets(64)), draw(octets(64))
    return out


@st.composite
def epoch_certificates(draw: st.DrawFn) -> certificates.EpochCertificate:
    """A gateway epoch's certificate."""
    out = certificates.EpochCertificate()
    out.gateway_key_id, out.epoch, out.issued_s = draw(uint(4)), draw(uint(2)), draw(uint(4))
    out.agreement_key, out.acknowledgement_key = draw(octets(64)), draw(octets(64))
    return out


ROSTER_DIGEST = bytes(range(32))
POLICY_DIGEST = bytes(range(1, 33))


def decode_grant(data: bytes) -> grant.Grant:
    """The grant in `data`, for a fixed kid and fixed digests."""
    return grant.decode(data, 7, ROSTER_DIGEST, POLICY_DIGEST)


@dataclass(frozen=True)
class Unit:
    """A unit of the protocol: octets that are valid, how to decode them, how to encode what was decoded."""

    octets: st.SearchStrategy[bytes]
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]


UNITS = {
    "record": Unit(canonical(), records.decode, records.encode),
    "roster": Unit(rosters(), roster.decode, lambda decoded: roster.encode(decoded[0].number, decoded[1])),
    "policy": Unit(policies(), policy.decode, policy.encode),
    "grant": Unit(grants().map(grant.encode), decode_grant, grant.encode),
    "acknowledgement": Unit(
        acknowledgements().map(acknowledgement.encode), acknowledgement.decode, acknowledgement.encode
    ),
    "status": Unit(statuses().map(status.encode), status.decode, status.encode),
    "notice": Unit(notices().map(notice.encode), notice.decode, notice.encode),
    "standing": Unit(standings().map(notice.encode_standing), notice.decode_standing, notice.encode_standing),
    "bridge": Unit(bridges().map(bridge.encode), bridge.decode, bridge.encode),
    "part": Unit(some_parts().map(parts.encode), parts.decode, parts.encode),
    "write-off": Unit(write_offs().map(write_off.encode), write_off.decode, write_off.encode),
    "statement": Unit(
        statements().map(takeover.encode_statement), takeover.decode_statement, takeover.encode_statement
    ),
    "takeover": Unit(
        takeovers().map(takeover.encode_takeover), takeover.decode_takeover, takeover.encode_takeover
    ),
    "roster delta": Unit(roster_deltas(), roster_delta.decode, roster_delta.encode),
    "renewal": Unit(renewals(), renewal.decode, renewal.encode),
    "renewal piece": Unit(renewal_pieces(), renewal.decode_piece, renewal.encode_piece),
    "terminal certificate": Unit(
        terminal_certificates().map(certificates.encode_terminal),
        certificates.decode_terminal,
        certificates.encode_terminal,
    ),
    "epoch certificate": Unit(
        epoch_certificates().map(certificates.encode_epoch),
        certificates.decode_epoch,
        certificates.encode_epoch,
    ),
}
