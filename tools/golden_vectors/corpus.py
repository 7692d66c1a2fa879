"""What the golden vectors encode: records and contexts drawn from hashes, and a sample of each signed unit."""

from __future__ import annotations

from protocol import (
    civil_date,
    context,
    grant,
    policy,
    records,
)
from protocol.records import CardProof, Record
from tools.golden_vectors.world import Draw, RosterInMemory, sample_policy

ROSTER_ENTRIES = 90
KID = 0x10203040
# 25 November 2026, 01:00 UTC.
OPENING_S = civil_date.to_days(2026, 11, 25) * civil_date.SECONDS_PER_DAY + 3600
PERIOD = civil_date.period_of(2026, 11)
FIRST = 8_388_000
# Octets where a key or a signature stands; layouts do not look inside them.
KEY_A = bytes(range(64))
KEY_B = bytes(range(100, 164))
SIGNATURE = bytes(range(128, 192))


def held_context() -> context.Context:
    """A small context: 90 families, of which every ninth has two cards, two programmes, the reference day's policy."""
    draw = Draw("golden roster")
    entries = [
        [(draw.octets(8), 1 + draw.below(3)) for _ in range(2 if i % 9 == 0 else 1)]
        for i in range(ROSTER_ENTRIES)
    ]
    held_roster = RosterInMemory(entries)
    held_policy = sample_policy()
    grants = {}
    for programme, default, exceptions in (
        (1, 200_000, ((3, 400_000), (17, 0), (40, 600_000), (88, 123_000))),
        (2, 0, ((5, 500_000), (6, 750_000))),
    ):
        out = grant.Grant()
        out.number = 7 + programme
        out.programme = programme
        out.period = PERIOD
        out.expiry_s = OPENING_S + 50 * 86400
        out.hold = 900 + programme
        out.default_rupiah = default
        out.exceptions = exceptions
        grants[programme] = grant.decode(grant.encode(out), KID, held_roster.digest, held_policy.digest)
    return context.Context(held_roster, held_policy, grants)


def sample_policy_with_channels() -> policy.Policy:
    """The same policy, in the version that says when to use SMS."""
    out = policy.decode(policy.encode(sample_policy()))
    out.channels = policy.Channels()
    values = (7200, 35, 20, 21600, 600, 5_000_000)
    for i in range(len(policy.CHANNEL_RULES)):
        setattr(out.channels, policy.CHANNEL_RULES[i][0], values[i])
    return policy.decode(policy.encode(out))


def _number(draw: Draw, least: int, most: int) -> int:
    """A number of a field: at a bound in one of four cases, else of any magnitude."""
    roll = draw.below(4)
    if roll == 0:
        return (least, most)[draw.below(2)]
    return min(most, least + draw.below(1 << draw.below(most.bit_length() + 1)))


def _value(draw: Draw, code: str, least: int, most: int) -> int | bytes:
    """A value for a field of a layout."""
    return draw.octets(int(code[:-1])) if code.endswith("s") else _number(draw, least, most)


def _proof(draw: Draw, held: context.Context) -> CardProof:
    """A card proof, ordinary but for some fields."""
    proof = CardProof()
    for name, code, least, most in records.PROOF_FIELDS:
        setattr(proof, name, _value(draw, code, least, most))
    known = held.policy.applications[draw.below(2)]
    proof.application_index = known.application_index
    for name in ("pan_sequence", "cid", "aip", "tvr", "cvm_results"):
        if draw.below(4):
            setattr(proof, name, getattr(known, name))
    proof.iad = draw.octets(draw.below(33)) if draw.below(5) == 0 else known.iad[:-1] + draw.octets(1)
    proof.un_attempt = draw.below(2)
    return proof


def any_record(draw: Draw, held: context.Context, kind: int, time_s: int, sequence: int) -> Record:
    """A record of `kind`, mostly near what the context makes expected."""
    out = Record()
    for name, code, least, most in records.HEAD + records.LAYOUTS[kind][1]:
        setattr(out, name, _value(draw, code, least, most))
    out.kind = kind
    out.version = records.VERSION
    out.time_s = time_s if draw.below(8) else _number(draw, 0, 0xFFFFFFFF)
    entry = held.roster.entries[draw.below(ROSTER_ENTRIES)]  # type: ignore[attr-defined]
    usual = {
        "time_trust": records.TRUST_KEPT,
        "programme": 1 + draw.below(2),
        "period": PERIOD,
        "lease": 8 + draw.below(2),
        "amount_rupiah": 200_000,
        "card_key": entry[draw.below(len(entry))][0],
        "reference_sequence": max(1, sequence - 1 - draw.below(3)),
    }
    for name, value in usual.items():
        if hasattr(out, name) and draw.below(4):
            setattr(out, name, value)
    parts = records.LAYOUTS[kind][2]
    if "items" in parts:
        out.items = _items(draw, held)
        if kind == records.REDEMPTION and out.tender == records.TENDER_CASH:
            out.items = ()
    if "detail" in parts:
        out.detail = draw.octets(draw.below(33))
    if "proof" in parts:
        out.proof = _proof(draw, held)
    if "optional_proof" in parts:
        out.proof = _proof(draw, held) if out.method else None
    return out


def _items(draw: Draw, held: context.Context) -> tuple[tuple[int, int, int], ...]:
    """A basket of the policy, or up to eight items."""
    if draw.below(2):
        baskets = held.policy.baskets
        return tuple(baskets[draw.below(len(baskets))][1])
    items = []
    for _ in range(draw.below(9)):
        known = held.policy.commodities[draw.below(8)]
        if draw.below(3):
            items.append((known[0], 50 * (1 + draw.below(30)), known[3]))
        else:
            items.append(
                (_number(draw, 1, 255), _number(draw, 1, 0xFFFF), _number(draw, 0, records.AMOUNT_RUPIAH_MAX))
            )
    return tuple(items)


def batches(held: context.Context) -> list[tuple[int, list[bytes]]]:
    """(first sequence, canonical records): one batch per kind, thirty mixed ones, one of every length to ten."""
    out = []
    for number in range(9 + 30 + 10):
        draw = Draw(f"golden batch {number}")
        first = FIRST + draw.below(500) if number % 2 else 1 + draw.below(5)
        length = 3 + draw.below(6) if number < 39 else number - 38  # noqa: PLR2004 - the docstring's counts
        time_s = OPENING_S + draw.below(86400 * 20)
        batch: list[bytes] = []
        while len(batch) < length:
            kind = number + 1 if number < 9 else 1 + draw.below(9) if draw.below(2) else 1  # noqa: PLR2004
            time_s += draw.below(200)
            batch.append(records.encode(any_record(draw, held, kind, time_s, first + len(batch))))
            if kind == records.ADOPTION:
                break
        out.append((first, batch))
    return out
