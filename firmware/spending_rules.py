"""Why a sale is refused before the card is asked: the terminal's own state, the grant, what the family has left, caps.

Nothing here spends anything, so a refusal costs neither a PIN try nor a number. All of it raises `Refusal`.
"""

from firmware import refusals
from firmware.card import oda
from firmware.refusals import Refusal
from protocol import records

# Near the end of a kid's 23-bit sequence a new generation is asked for (design 4.5); the rest is for void, return,
# close and event.
SEQUENCE_LIMIT = records.SEQUENCE_MAX - 4096


def require_terminal(ledger, order) -> None:
    """The terminal's own reasons, and those of the programme's grant and of the clock."""
    if ledger.is_locked:
        raise Refusal(refusals.TERMINAL_LOCKED)
    if ledger.seal_fault:
        raise Refusal(refusals.SEAL_FAULT)
    if ledger.journal.damage is not None:
        raise Refusal(refusals.FLASH_FAULT)
    if ledger.journal.is_full():
        raise Refusal(refusals.JOURNAL_FULL)
    if ledger.journal.sequence >= SEQUENCE_LIMIT:
        raise Refusal(refusals.SEQUENCE_SPENT)
    grant = ledger.grants.get(order.programme)
    if grant is None:
        raise Refusal(refusals.NO_GRANT)
    if (order.programme, grant.period) in ledger.entitlements.closed:
        raise Refusal(refusals.PERIOD_CLOSED)
    if ledger.now_s() >= grant.expiry_s:
        raise Refusal(refusals.LEASE_EXPIRED)
    if ledger.time_trust == records.TRUST_UNSET:
        _require_clock_cap(ledger, order.amount_rupiah)


def _require_clock_cap(ledger, amount_rupiah: int) -> None:
    """What policy lets all families together draw until a trusted time arrives (design 5)."""
    cap_rupiah = ledger.policy.clock_lost_cap_rupiah
    if cap_rupiah == 0:
        raise Refusal(refusals.CLOCK_NOT_TRUSTED)
    if ledger.entitlements.untrusted_rupiah + amount_rupiah > cap_rupiah:
        raise Refusal(refusals.CLOCK_CAP_REACHED, cap_rupiah)


def require_family(ledger, order, tap) -> None:
    """What the family has left, what policy lets this kind of card draw, and that it is no sale made by accident."""
    if not 1 <= order.amount_rupiah <= records.AMOUNT_RUPIAH_MAX:
        raise Refusal(refusals.AMOUNT_NOT_ALLOWED)
    remaining_rupiah = ledger.remaining_rupiah(order.programme, tap.index)
    if remaining_rupiah <= 0:
        raise Refusal(refusals.NO_ENTITLEMENT)
    if order.amount_rupiah > remaining_rupiah:
        raise Refusal(refusals.AMOUNT_ABOVE_REMAINING, remaining_rupiah)
    left_rupiah = _left_under_cap(ledger, tap)
    if left_rupiah >= 0 and order.amount_rupiah > left_rupiah:
        raise Refusal(refusals.AMOUNT_ABOVE_CAP, left_rupiah)
    for _, _, amount_rupiah, _, sequence in served_before(ledger, order.programme, tap.index):
        if amount_rupiah == order.amount_rupiah:
            if sequence != order.again_after:
                raise Refusal(refusals.ALREADY_SERVED, sequence)
            break  # its record was shown, and another one is wanted


def _left_under_cap(ledger, tap) -> int:
    """What a card whose cryptogram is not bound by a signature may still draw; -1 where there is no cap.

    The cap is on all that the family drew in the periods in force, since a copied card would come back (threat model,
    protocol/README.md: the loss is bounded per card).
    """
    policy = ledger.policy
    caps = {oda.CDA: -1, oda.DDA: policy.dda_cap_rupiah, oda.SDA: policy.sda_cap_rupiah}
    cap_rupiah = caps.get(tap.session.oda_level, 0)
    if cap_rupiah < 0:
        return -1
    drawn_rupiah = sum([ledger.entitlements.spent_rupiah(number, tap.index) for number in ledger.grants])
    return max(0, cap_rupiah - drawn_rupiah)


def served_before(ledger, programme: int, index: int) -> list:
    """What the family drew in the programme inside policy's re-tap window, newest first, as `entitlements.recent`."""
    since_s = ledger.now_s() - ledger.policy.retap_window_s
    return [
        served
        for served in reversed(ledger.entitlements.recent)
        if served[0] == index and served[1] == programme and served[3] >= since_s
    ]


def is_rapid(ledger, index: int) -> bool:
    """Whether this card ends a run of different cards that is faster than families are (policy's gap and length). A clock
    that stands still tells nothing.
    """
    policy = ledger.policy
    if ledger.time_trust == records.TRUST_UNSET:
        return False
    later_s = ledger.now_s()
    run = [index]
    for served, _, _, time_s, _ in reversed(ledger.entitlements.recent):
        if later_s - time_s >= policy.rapid_gap_s:
            break
        later_s = time_s
        if served not in run:
            run.append(served)
    return 0 < policy.rapid_run <= len(run)
