"""Power fails at every flash operation of what the books do in a month: each step was taken or was not."""

from hardware.nor_flash import PowerCut
from protocol import grant, records
from tests.support.mp import seed
from tests.support.mp_books import (
    KID,
    PERIOD,
    SIGNATURE,
    flash_of,
    make_acknowledgement,
    make_chip,
    make_epoch,
    make_grant,
    note_event,
    open_ledger,
    provision,
    redeem,
    void,
)

TIMEOUT_S = 400
FAMILIES = 6
JOURNAL_SECTORS = 6


def adopt(number, programme=1, period=PERIOD, rupiah=200_000):
    def step(ledger):
        octets = make_grant(number, programme, period, rupiah)
        decoded = grant.decode(octets, KID, ledger.roster.digest, ledger.policy.digest)
        ledger.adopt_grant(octets + SIGNATURE, decoded)

    return step


def acknowledge(counter, sealed, reclaim=0, epoch=1):
    def step(ledger):
        states = (1,) * reclaim
        ledger.apply_acknowledgement(
            make_acknowledgement(ledger, sealed, reclaim, (), 1 if reclaim else 0, states, epoch), counter
        )

    return step


def idle(ledger):
    while ledger.prepare():
        pass


def enrol(ledger):
    record = ledger.record(records.ENROL, card_key=bytes(8), application_index=0, verifier=bytes(16))
    ledger.commit(record, 2)


# What a terminal does, one step after the other; records 1 to 3 are the first adoptions.
STEPS = (
    note_event,
    lambda ledger: ledger.burn_pin_try(1, 0),
    lambda ledger: redeem(ledger, 1, 150_000),
    lambda ledger: ledger.clear_pin_tries(1, 0),
    idle,
    lambda ledger: redeem(ledger, 2, 20_000),
    enrol,
    acknowledge(1, 6, 4),
    lambda ledger: void(ledger, 2, 20_000, 6),
    lambda ledger: ledger.burn_pin_try(3, 1),
    adopt(2, period=PERIOD + 1, rupiah=300_000),
    lambda ledger: redeem(ledger, 1, 50_000),
    adopt(1, programme=2, rupiah=90_000),
    lambda ledger: ledger.burn_pin_try(3, 1),
    lambda ledger: redeem(ledger, 3, 90_000, 2),
    idle,
    acknowledge(2, 11, 9),
    lambda ledger: ledger.adopt_epoch(make_epoch(2) + SIGNATURE, 2),
    acknowledge(0, 10, 9, epoch=2),
    lambda ledger: redeem(ledger, 4, 1_000),
    lambda ledger: ledger.record_crash(b"\x00\x65\x00\x00\x00\x09x"),
)


def view(ledger):
    """All that people and the gateway can see of the books."""
    marks = ledger.marks
    head = ledger.journal.sequence
    chain = [(slot.kind, slot.index) for slot in ledger.records_from(1, head)]
    money = [
        [ledger.remaining_rupiah(programme, family) for family in range(FAMILIES)] for programme in (1, 2)
    ]
    tries = [ledger.entitlements.tries(card // 2, card % 2) for card in range(2 * FAMILIES)]
    enrolled = [ledger.entitlements.enrolment(family, 0) for family in range(FAMILIES)]
    numbers = [(programme, ledger.grants[programme].number) for programme in sorted(ledger.grants)]
    states = [marks.settlement(sequence) for sequence in range(1, head + 1)]
    return (
        chain,
        money,
        tries,
        enrolled,
        numbers,
        (marks.epoch, marks.counter, marks.sealed_through, marks.reclaim_through),
        states,
        ledger.entitlements.redeemed_rupiah - ledger.entitlements.voided_rupiah,
        ledger.last_crash,
    )


def new_terminal(chip_seed):
    chip = make_chip(JOURNAL_SECTORS, chip_seed)
    provision(flash_of(chip), FAMILIES)
    open_ledger(flash_of(chip))
    return chip


def views():
    """The view before the first step and after each."""
    ledger = open_ledger(flash_of(new_terminal(1)))
    found = [view(ledger)]
    for step in STEPS:
        step(ledger)
        found.append(view(ledger))
    return found


def take(ledger, first):
    """Take the steps from `first` on; returns how many were taken when power failed, or all."""
    taken = first
    try:
        for step in STEPS[first:]:
            step(ledger)
            taken += 1
    except PowerCut:
        pass
    return taken


def check_sound(ledger, when):
    """Nothing is missing, and the codec's context is what was adopted last."""
    assert ledger.journal.damage is None, when
    assert not ledger.journal.is_exhausted, when
    assert ledger.context is not None, when
    head = ledger.journal.sequence
    assert [slot.sequence for slot in ledger.records_from(1, head)] == list(range(1, head + 1)), when
    for programme in ledger.grants:
        digest = ledger.grants[programme].digest
        assert ledger.entitlements.is_adopted(records.SUBJECT_GRANT, programme, digest), when
    for family in range(FAMILIES):
        assert ledger.remaining_rupiah(1, family) >= 0, when


def sweep(torn_bytes):
    expected = views()
    cuts = 0
    while True:
        chip = new_terminal(seed() + cuts)
        ledger = open_ledger(flash_of(chip))
        chip.power_cut_after(cuts, torn_bytes)
        taken = take(ledger, 0)
        if taken == len(STEPS):
            return cuts
        chip.power_on()
        when = (cuts, torn_bytes, taken)
        again = open_ledger(flash_of(chip))
        seen = view(again)
        assert seen in (expected[taken], expected[taken + 1]), when
        check_sound(again, when)
        for _ in range(3):
            assert view(open_ledger(flash_of(chip))) == seen, when
        # What was not done is done now; the rest follows as if nothing had happened.
        again = open_ledger(flash_of(chip))
        first = taken if seen == expected[taken] else taken + 1
        assert take(again, first) == len(STEPS), when
        assert view(again) == expected[-1], when
        assert view(open_ledger(flash_of(chip))) == expected[-1], when
        cuts += 1


def test_each_step_is_taken_or_not_when_nothing_of_the_cut_page_was_written():
    assert sweep(0) > 40


def test_each_step_is_taken_or_not_when_the_cut_page_is_half_written():
    assert sweep(13) > 40
    assert sweep(100) > 40


def test_each_step_is_taken_or_not_when_the_cut_page_was_written():
    assert sweep(256) > 40


def test_each_step_is_taken_or_not_when_an_erase_is_cut_off_late():
    assert sweep(4000) > 40


def test_a_cut_between_a_burned_number_and_its_record_leaves_the_number_burned():
    chip = new_terminal(seed())
    ledger = open_ledger(flash_of(chip))
    assert ledger.burn_un_attempt()[1] == 0
    for attempt in range(1, 5):
        ledger = open_ledger(flash_of(chip))
        assert ledger.burn_un_attempt()[1] == attempt
    assert ledger.entitlements.un_attempts == 5
