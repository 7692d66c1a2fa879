"""Why a sale, or what follows one, is refused before the card is asked: the terminal's own state, the grant, what the
family has left, caps, what later records say.

Nothing here spends anything, so a refusal costs neither a PIN try nor a number. All of it raises `Refusal`.
"""

from firmware import refusals
from firmware.card import oda
from firmware.refusals import Refusal
from protocol import acknowledgement, records

# Near the end of a kid's 23-bit sequence a new generation is asked for (design 4.5); the rest is for void, return,
# close and event.
SEQUENCE_LIMIT = records.SEQUENCE_MAX - 4096


def require_terminal(ledger, order) -> None:
    """The terminal's own reasons, and those of the programme's grant and of the clock."""
    _require_sound(ledger)
    if ledger.journal.is_full():
        raise Refusal(refusals.JOURNAL_FULL)
    if ledger.journal.sequence >= SEQUENCE_LIMIT:
        raise Refusal(refusals.SEQUENCE_SPENT)
    grant = require_open(ledger, order.programme)
    if ledger.now_s() >= grant.expiry_s:
        raise Refusal(refusals.LEASE_EXPIRED)
    if ledger.time_trust == records.TRUST_UNSET:
        _require_clock_cap(ledger, order.amount_rupiah)


def _require_sound(ledger) -> None:
    """A terminal that may add to its chain."""
    if ledger.withdrawn:
        raise Refusal(refusals.TERMINAL_WITHDRAWN, ledger.withdrawn)
    if ledger.is_locked:
        raise Refusal(refusals.TERMINAL_LOCKED)
    if ledger.seal_fault:
        raise Refusal(refusals.SEAL_FAULT)
    if ledger.journal.damage is not None:
        raise Refusal(refusals.FLASH_FAULT)


def require_reserve(ledger) -> None:
    """A terminal that may add what follows a sale: room and numbers are kept for it beyond those of sales. Raises
    `JournalFull`, too.
    """
    _require_sound(ledger)
    ledger.journal.require_room()
    if ledger.journal.sequence >= records.SEQUENCE_MAX:
        raise Refusal(refusals.SEQUENCE_SPENT)


def require_open(ledger, programme: int):
    """The programme's grant in force, whose period is not closed here."""
    grant = ledger.grants.get(programme)
    if grant is None:
        raise Refusal(refusals.NO_GRANT)
    if (programme, grant.period) in ledger.entitlements.closed:
        raise Refusal(refusals.PERIOD_CLOSED)
    return grant


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


def require_void(ledger, sequence: int, record, fate) -> None:
    """That a redemption may be taken back: in its own period, before goods or lease have changed hands (design 5), and
    not where settlement has found against it, since what it restores would be given back twice.
    """
    require_reserve(ledger)
    if fate.voided_by:
        raise Refusal(refusals.ALREADY_VOIDED, fate.voided_by)
    if fate.received_by:
        raise Refusal(refusals.GOODS_WERE_RECEIVED, fate.received_by)
    if fate.returned_by:
        raise Refusal(refusals.LEASE_RETURNED, fate.returned_by)
    if require_open(ledger, record.programme).period != record.period:
        raise Refusal(refusals.PERIOD_CLOSED)
    if ledger.marks.settlement(sequence) in (acknowledgement.REFUSED, acknowledgement.DISPUTED):
        raise Refusal(refusals.SETTLED_OTHERWISE)


def require_goods_received(ledger, record, fate) -> None:
    """That a family may confirm its goods: once, and only of a sale in goods that stands."""
    require_reserve(ledger)
    if fate.voided_by:
        raise Refusal(refusals.ALREADY_VOIDED, fate.voided_by)
    if fate.received_by:
        raise Refusal(refusals.GOODS_WERE_RECEIVED, fate.received_by)
    if record.tender != records.TENDER_GOODS:
        raise Refusal(refusals.NO_SUCH_RECORD)


def wants_goods_tap(ledger, record) -> bool:
    """Whether policy wants the card for the goods received of a redemption; its amount of 0 asks for none at all."""
    above_rupiah = ledger.policy.goods_tap_above_rupiah
    return record.tender == records.TENDER_GOODS and 0 < above_rupiah < record.amount_rupiah


def require_return(ledger, programme: int, index: int) -> int:
    """What the family may hand back of the grant in force, in rupiah."""
    require_reserve(ledger)
    grant = require_open(ledger, programme)
    if ledger.now_s() >= grant.expiry_s:
        raise Refusal(refusals.LEASE_EXPIRED)
    remaining_rupiah = ledger.remaining_rupiah(programme, index)
    if remaining_rupiah <= 0:
        raise Refusal(refusals.NO_ENTITLEMENT)
    return int(remaining_rupiah)


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
