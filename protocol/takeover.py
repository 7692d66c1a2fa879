"""Replacing a terminal: what its gateway states of the old generation, and what the authority decides on that.

The gateway retires the old generation and states under its certified acknowledgement key what is sealed of its leases. The
authority signs the takeover for the new one. Both are documents for authority, gateway and settlement service; no
terminal needs them.
"""

import hashlib

from protocol import domains
from protocol.decision import CHAIN_OCTETS, Decision, Layout
from protocol.errors import OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer
from protocol.records import SEQUENCE_MAX
from protocol.roster import ENTRIES_MAX

VERSION = 1
DIGEST_OCTETS = 32

# Why there may be records of the old generation that the statement does not count.
DOUBT_GAP = 1
DOUBT_FORK = 2
DOUBT_UNKNOWN_CARD = 4
DOUBTS = DOUBT_GAP | DOUBT_FORK | DOUBT_UNKNOWN_CARD

RUNS_MAX = 255
LEASES_MAX = 8
RUPIAH_OCTETS = 6

REASON_TERMINAL_LOST = 1
REASON_TERMINAL_BROKEN = 2
REASON_ROLLED_BACK = 3
REASON_OTHER = 4

_TAKEOVER = Layout(
    "takeover",
    domains.TAKEOVER,
    (
        ("old", "old", 4, 0, -1),
        ("new", "new", 4, 0, -1),
        ("statement", "statement", DIGEST_OCTETS, None, -1),
        ("sealed_through", "sealed through", 3, 0, SEQUENCE_MAX),
        ("chain", "chain", CHAIN_OCTETS, None, -1),
        ("exposure_rupiah", "exposure", 5, 0, -1),
        ("issued_s", "issued", 4, 0, -1),
        ("reason", "reason", 1, REASON_TERMINAL_LOST, REASON_OTHER),
    ),
)
TAKEOVER_OCTETS = _TAKEOVER.octets


class Lease:
    """What the records of an old generation did to one grant, named by its digest and those that it binds.

    `spent`: (roster index, whether its lease was returned, redeemed_rupiah, voided_rupiah), indices rising; `is_closed`: its
    period close is among the records.
    """

    digest: bytes
    roster_digest: bytes
    policy_digest: bytes
    number: int
    programme: int
    period: int
    is_closed: bool
    spent: tuple[tuple[int, bool, int, int], ...]


class Statement:
    """Where an old generation stood when it was retired.

    `sealed_through` and `chain`: its last record that counts; `head`: the greatest one that it has told of; `doubts`: bits
    DOUBT_; `gaps`: (first, last) of what is known to be missing; `kept`: (first, last) of records behind a gap that count,
    because they went to settlement before.
    """

    kid: int
    gateway_key_id: int
    epoch: int
    made_s: int
    sealed_through: int
    chain: bytes
    head: int
    doubts: int
    gaps: tuple[tuple[int, int], ...]
    kept: tuple[tuple[int, int], ...]
    leases: tuple[Lease, ...]
    digest: bytes


class Takeover(Decision):
    """The authority gives what is left of the leases of `old` to `new`, as the statement of that digest tells it.

    `exposure_rupiah`: what it reckons may have been spent in records of `old` that the statement does not count.
    """

    old: int
    new: int
    statement: bytes
    sealed_through: int
    chain: bytes
    exposure_rupiah: int
    issued_s: int
    reason: int


def encode_statement(statement: Statement) -> bytes:
    """The statement's body."""
    out = Writer()
    out.number("version", VERSION, 1)
    out.number("kid", statement.kid, 4)
    out.number("gateway key id", statement.gateway_key_id, 4)
    out.number("epoch", statement.epoch, 2)
    out.number("made", statement.made_s, 4)
    out.number("sealed through", statement.sealed_through, 3, 0, SEQUENCE_MAX)
    out.octets("chain", statement.chain, CHAIN_OCTETS)
    out.number("head", statement.head, 3, 0, SEQUENCE_MAX)
    out.number("doubts", statement.doubts, 1, 0, DOUBTS)
    _write_runs(out, "gap", statement.gaps)
    _write_runs(out, "kept", statement.kept)
    out.number("leases", len(statement.leases), 1, 0, LEASES_MAX)
    for lease in statement.leases:
        _write_lease(out, lease)
    body = bytes(out.data)
    _check_order(statement.leases, len(body))
    return body


def _write_runs(out: Writer, field: str, runs: tuple[tuple[int, int], ...]) -> None:
    """Runs of sequences, rising."""
    out.number(field + " count", len(runs), 1, 0, RUNS_MAX)
    least = 1
    for first, last in runs:
        out.number(field + " first", first, 3, least, SEQUENCE_MAX)
        out.number(field + " last", last, 3, first, SEQUENCE_MAX)
        least = last + 1


def _write_lease(out: Writer, lease: Lease) -> None:
    """One lease with its families."""
    out.octets("grant digest", lease.digest, DIGEST_OCTETS)
    out.octets("roster digest", lease.roster_digest, DIGEST_OCTETS)
    out.octets("policy digest", lease.policy_digest, DIGEST_OCTETS)
    out.number("number", lease.number, 3, 1)
    out.number("programme", lease.programme, 1, 1)
    out.number("period", lease.period, 2, 24000, 36000)
    out.number("closed", 1 if lease.is_closed else 0, 1)
    out.number("families", len(lease.spent), 2, 0, ENTRIES_MAX)
    least = 0
    for index, is_returned, redeemed_rupiah, voided_rupiah in lease.spent:
        out.number("index", index, 2, least, ENTRIES_MAX - 1)
        out.number("returned", 1 if is_returned else 0, 1)
        out.number("redeemed", redeemed_rupiah, RUPIAH_OCTETS)
        out.number("voided", voided_rupiah, RUPIAH_OCTETS)
        least = index + 1


def decode_statement(body: bytes) -> Statement:
    """The statement in `body` (verify the gateway's signature over `statement_message` first)."""
    source = Reader(body)
    if source.number("version", 1) != VERSION:
        raise UnknownVersion("version", 0, "unknown statement version")
    out = Statement()
    out.kid = source.number("kid", 4)
    out.gateway_key_id = source.number("gateway key id", 4)
    out.epoch = source.number("epoch", 2)
    out.made_s = source.number("made", 4)
    out.sealed_through = source.number("sealed through", 3, 0, SEQUENCE_MAX)
    out.chain = source.octets("chain", CHAIN_OCTETS)
    out.head = source.number("head", 3, 0, SEQUENCE_MAX)
    out.doubts = source.number("doubts", 1, 0, DOUBTS)
    out.gaps = _read_runs(source, "gap")
    out.kept = _read_runs(source, "kept")
    count = source.number("leases", 1, 0, LEASES_MAX)
    out.leases = tuple([_read_lease(source) for _ in range(count)])
    source.end("statement")
    _check_order(out.leases, source.offset)
    out.digest = hashlib.sha256(statement_message(body)).digest()
    return out


def _read_runs(source: Reader, field: str) -> "tuple[tuple[int, int], ...]":
    """Runs of sequences, rising."""
    runs = []
    least = 1
    for _ in range(source.number(field + " count", 1)):
        first = source.number(field + " first", 3, least, SEQUENCE_MAX)
        last = source.number(field + " last", 3, first, SEQUENCE_MAX)
        runs.append((first, last))
        least = last + 1
    return tuple(runs)


def _read_lease(source: Reader) -> Lease:
    """One lease with its families."""
    out = Lease()
    out.digest = source.octets("grant digest", DIGEST_OCTETS)
    out.roster_digest = source.octets("roster digest", DIGEST_OCTETS)
    out.policy_digest = source.octets("policy digest", DIGEST_OCTETS)
    out.number = source.number("number", 3, 1)
    out.programme = source.number("programme", 1, 1)
    out.period = source.number("period", 2, 24000, 36000)
    out.is_closed = source.number("closed", 1, 0, 1) == 1
    spent = []
    least = 0
    for _ in range(source.number("families", 2, 0, ENTRIES_MAX)):
        index = source.number("index", 2, least, ENTRIES_MAX - 1)
        is_returned = source.number("returned", 1, 0, 1) == 1
        spent.append(
            (
                index,
                is_returned,
                source.number("redeemed", RUPIAH_OCTETS),
                source.number("voided", RUPIAH_OCTETS),
            )
        )
        least = index + 1
    out.spent = tuple(spent)
    return out


def _check_order(leases: tuple[Lease, ...], offset: int) -> None:
    """A programme has one lease, and they stand in the order of their programmes: there is one encoding."""
    for place in range(1, len(leases)):
        if leases[place - 1].programme >= leases[place].programme:
            raise OutOfRange("programme", offset, "does not rise")


def statement_message(body: bytes) -> bytes:
    """What the gateway's acknowledgement key signs: domain and SHA-256 of the body."""
    return domains.STATEMENT + hashlib.sha256(body).digest()


def encode_takeover(takeover: Takeover) -> bytes:
    """86 octets."""
    _check_kids(takeover)
    return _TAKEOVER.encode(takeover)


def decode_takeover(body: bytes) -> Takeover:
    """The takeover in `body` (verify the authority's signature over `takeover_message` first)."""
    out = Takeover()
    _TAKEOVER.decode(body, out)
    _check_kids(out)
    return out


def _check_kids(takeover: Takeover) -> None:
    if takeover.old == takeover.new:
        raise OutOfRange("new", 5, "is the old kid")


def takeover_message(body: bytes) -> bytes:
    """What the authority signs: domain and body."""
    return _TAKEOVER.message(body)
