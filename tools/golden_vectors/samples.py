"""A sample of each unit that is signed or travels whole."""

from __future__ import annotations

from protocol import (
    acknowledgement,
    bridge,
    certificates,
    frame,
    grant,
    notice,
    parts,
    renewal,
    roster,
    roster_delta,
    status,
    takeover,
    write_off,
)
from tools.golden_vectors.corpus import KEY_A, KEY_B, KID, OPENING_S, SIGNATURE, held_context
from tools.golden_vectors.world import Draw


def sample_status() -> status.Status:
    """A status report."""
    out = status.Status()
    out.time_s, out.time_trust, out.head, out.sealed_through = OPENING_S, 1, 4800, 4711
    out.echo_epoch, out.echo_counter, out.boot_counter = 2, 76, 31
    out.pending_rupiah, out.last_error = 17_800_000, 0
    return out


def sample_acknowledgement() -> acknowledgement.Acknowledgement:
    """An acknowledgement with gaps and states."""
    out = acknowledgement.Acknowledgement()
    out.epoch, out.time_s = 2, OPENING_S
    out.sealed_through, out.chain_digest, out.reclaim_through = 4711, KEY_A[:16], 4000
    out.gaps = ((4712, 9, False), (4730, 256, True))
    out.states_first, out.states = 4700, (1, 1, 2, 3, 0)
    return out


def sample_notice() -> notice.Notice:
    """A rollback notice."""
    out = notice.Notice()
    out.sequence, out.chain, out.seal = 4711, KEY_A[:32], SIGNATURE
    return out


def sample_standing() -> notice.Standing:
    """A terminal that was replaced."""
    out = notice.Standing()
    out.epoch, out.why = 3, notice.REPLACED
    return out


def sample_bridge() -> bridge.Bridge:
    """Chain values at two gaps."""
    out = bridge.Bridge()
    out.values = ((4720, KEY_A[:32]), (4985, KEY_B[:32]))
    return out


def sample_roster_delta() -> roster_delta.RosterDelta:
    """Of the sample roster: the first entry is removed, a fourth one comes, with two cards."""
    entries = sample_roster()
    base = roster.encode(5, entries)
    entries[0].state = roster.REMOVED
    more = sample_roster()[1]
    for card in more.cards:
        card.card_key = bytes(reversed(card.card_key))
    return roster_delta.between(base, roster.encode(6, [*entries, more]))


def sample_renewal() -> renewal.Renewal:
    """What `sample_roster_delta` leads to, with two grants."""
    out = renewal.Renewal()
    out.delta = sample_roster_delta()
    out.roster_digest = roster.digest(roster_delta.apply(roster.encode(5, sample_roster()), out.delta))
    held = held_context()
    out.grants = tuple(grant.encode(held.grants[number]) + SIGNATURE for number in sorted(held.grants))
    out.signature = SIGNATURE
    return out


def sample_parts() -> list[parts.Part]:
    """A grant with its signature that is too long for one SMS."""
    draw = Draw("golden parts")
    out = held_context().grants[1]
    out.exceptions = tuple((12 * i + draw.below(12), 1000 * (101 + draw.below(900))) for i in range(70))
    return parts.split(frame.DOWN_GRANT, grant.encode(out) + SIGNATURE)


def sample_write_off() -> write_off.WriteOff:
    """Nine records are given up."""
    out = write_off.WriteOff()
    out.kid, out.first, out.last, out.chain = KID, 4712, 4720, KEY_A[:32]
    out.exposure_rupiah, out.issued_s, out.reason = 1_800_000, OPENING_S, write_off.REASON_FLASH_DAMAGED
    return out


def sample_statement() -> takeover.Statement:
    """A generation with a gap, and two families that spent."""
    lease = takeover.Lease()
    lease.digest, lease.roster_digest, lease.policy_digest = KEY_A[:32], KEY_A[32:], KEY_B[:32]
    lease.number, lease.programme, lease.period, lease.is_closed = 11, 1, 24322, False
    lease.spent = ((3, False, 150_000, 30_000), (9, True, 0, 0))
    out = takeover.Statement()
    out.kid, out.gateway_key_id, out.epoch, out.made_s = KID, 0x11223344, 3, OPENING_S
    out.sealed_through, out.chain, out.head, out.doubts = 4711, KEY_B[32:], 4730, takeover.DOUBT_GAP
    out.gaps, out.kept, out.leases = ((4712, 4720),), ((4721, 4722), (4724, 4724)), (lease,)
    return out


def sample_takeover() -> takeover.Takeover:
    """What is left goes to the next kid."""
    out = takeover.Takeover()
    out.old, out.new, out.statement, out.sealed_through = KID, KID + 1, KEY_A[:32], 4711
    out.chain, out.exposure_rupiah, out.issued_s = KEY_B[32:], 1_800_000, OPENING_S
    out.reason = takeover.REASON_TERMINAL_BROKEN
    return out


def sample_terminal() -> certificates.TerminalCertificate:
    """A terminal's certificate."""
    out = certificates.TerminalCertificate()
    out.kid, out.storage, out.issued_s = KID, certificates.STORAGE_ATECC608, OPENING_S
    out.seal_key, out.agreement_key = KEY_A, KEY_B
    return out


def sample_epoch() -> certificates.EpochCertificate:
    """A gateway epoch's certificate."""
    out = certificates.EpochCertificate()
    out.gateway_key_id, out.epoch, out.issued_s = 3, 2, OPENING_S
    out.agreement_key, out.acknowledgement_key = KEY_B, KEY_A
    return out


def sample_roster() -> list[roster.Entry]:
    """Three entries: one card, two cards, removed."""
    draw = Draw("golden entries")
    out = []
    for state, cards in ((roster.ACTIVE, 1), (roster.BLOCKED, 2), (roster.REMOVED, 0)):
        entry = roster.Entry()
        entry.state, entry.hamlet, entry.slot = state, draw.below(12), draw.below(20)
        entry.delegate = 0 if cards == 1 else roster.NO_DELEGATE
        held = []
        for number in range(cards):
            card = roster.Card()
            card.card_key, card.applications = draw.octets(8), 1 + draw.below(3)
            card.bound_application = roster.UNBOUND if number == 0 else 1
            card.verifier = draw.octets(16)
            held.append(card)
        entry.cards = tuple(held)
        out.append(entry)
    return out
