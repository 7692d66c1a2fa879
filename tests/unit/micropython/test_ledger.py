"""The books: what a method says is durable when it returns, and a restart changes nothing."""

from firmware.hal.flash_area import FlashError
from firmware.ledger import slots
from firmware.ledger.document_area import (
    CHAIN_START,
    EPOCH_CERTIFICATE,
    GRANT_FIRST,
    Documents,
)
from firmware.ledger.journal import JournalDamaged, JournalFull
from firmware.ledger.ledger import COUNTER_BLOCK, Ledger, LedgerError, SealFault
from protocol import context, grant, records
from protocol.errors import ProtocolError
from tests.support.mp import raises
from tests.support.mp_books import (
    KID,
    NOW_S,
    PERIOD,
    SIGNATURE,
    START,
    Keeper,
    flash_of,
    make_acknowledgement,
    make_chip,
    make_epoch,
    make_grant,
    make_ledger,
    note_event,
    open_ledger,
    provision,
    redeem,
    seal_of,
    void,
)

FULL = 200_000


def state_of(ledger):
    """All that follows from the journal, as octets."""
    return ledger._state.snapshot()


def decoded(ledger, octets):
    return grant.decode(octets, KID, ledger.roster.digest, ledger.policy.digest)


def kinds(ledger):
    return [slot.kind for slot in ledger.records_from(1, ledger.journal.sequence)]


def test_a_new_terminal_adopts_what_it_was_given_and_only_once():
    ledger, flash, _ = make_ledger(programmes=(1, 2))
    assert kinds(ledger) == [records.ADOPTION] * 4
    subjects = [records.decode(slot.payload).subject for slot in ledger.records_from(1, 9)]
    assert subjects == [
        records.SUBJECT_POLICY,
        records.SUBJECT_ROSTER,
        records.SUBJECT_GRANT,
        records.SUBJECT_GRANT,
    ]
    again = open_ledger(flash)
    assert again.journal.sequence == 4
    assert again.context.digest == ledger.context.digest


def test_a_redemption_lowers_what_is_left_and_survives_a_restart():
    ledger, flash, _ = make_ledger()
    sequence = redeem(ledger, 3, 150_000)
    assert ledger.remaining_rupiah(1, 3) == FULL - 150_000
    void(ledger, 3, 150_000, sequence)
    redeem(ledger, 3, 20_000)
    again = open_ledger(flash)
    assert again.remaining_rupiah(1, 3) == FULL - 20_000
    assert again.remaining_rupiah(1, 4) == FULL
    assert again.remaining_rupiah(2, 3) == 0
    assert state_of(again) == state_of(ledger)


def test_pin_tries_survive_any_number_of_restarts_unchanged():
    ledger, flash, _ = make_ledger()
    ledger.burn_pin_try(3, 0)
    ledger.burn_pin_try(3, 0)
    for _ in range(5):
        ledger = open_ledger(flash)
        assert ledger.entitlements.tries(3, 0) == 2
    ledger.clear_pin_tries(3, 0)
    assert open_ledger(flash).entitlements.tries(3, 0) == 0


def test_clearing_no_tries_costs_no_flash():
    ledger, _, chip = make_ledger()
    chip.reset_counters()
    ledger.clear_pin_tries(3, 0)
    assert chip.operations() == 0


def test_attempts_survive_a_restart_and_end_with_their_record():
    ledger, flash, _ = make_ledger()
    assert ledger.burn_un_attempt() == (4, 0)
    assert ledger.burn_un_attempt() == (4, 1)
    again = open_ledger(flash)
    assert again.burn_un_attempt() == (4, 2)
    again.abandon()
    redeem(again, 1, 1_000)
    assert again.burn_un_attempt() == (5, 0)


def test_the_256th_attempt_commits_an_event_and_takes_the_next_sequence():
    ledger, flash, _ = make_ledger()
    for attempt in range(255):
        assert ledger.burn_un_attempt() == (4, attempt)
    assert ledger.burn_un_attempt() == (5, 0)
    event = records.decode(ledger.records_from(4, 1)[0].payload)
    assert (event.kind, event.code) == (records.EVENT, records.EVENT_UN_ATTEMPTS_SPENT)
    assert open_ledger(flash).burn_un_attempt() == (5, 1)


def test_nothing_enters_the_chain_between_a_burned_number_and_its_record():
    ledger, flash, _ = make_ledger()
    sequence, _ = ledger.burn_un_attempt()
    assert not ledger.quiet.is_set()
    assert note_event(ledger, b"waits") == 0
    assert note_event(ledger, b"too") == 0
    raises(LedgerError, ledger.adopt_grant, make_grant(2) + SIGNATURE, decoded(ledger, make_grant(2)))
    assert redeem(ledger, 1, 1_000) == sequence
    assert ledger.quiet.is_set()
    assert kinds(ledger)[-3:] == [records.REDEMPTION, records.EVENT, records.EVENT]
    details = [records.decode(slot.payload).detail for slot in ledger.records_from(sequence + 1, 2)]
    assert details == [b"waits", b"too"]
    assert open_ledger(flash).journal.sequence == sequence + 2


def test_what_waited_is_committed_when_the_sale_is_abandoned():
    ledger, _, _ = make_ledger()
    ledger.burn_un_attempt()
    note_event(ledger)
    ledger.abandon()
    assert kinds(ledger)[-1] == records.EVENT
    ledger.abandon()
    assert ledger.journal.sequence == 4


def test_an_event_that_waited_is_not_older_than_the_record_before_it():
    keeper = Keeper()
    chip = make_chip()
    flash = flash_of(chip)
    provision(flash)
    ledger = open_ledger(flash, keeper)
    ledger.burn_un_attempt()
    note_event(ledger)
    keeper.now_s += 100
    redeem(ledger, 1, 1_000)
    times = [records.decode(slot.payload).time_s for slot in ledger.records_from(4, 2)]
    assert times == [NOW_S + 100, NOW_S + 100]


def test_counters_never_repeat_over_restarts():
    ledger, flash, _ = make_ledger()
    seen = [ledger.next_counter() for _ in range(COUNTER_BLOCK + 3)]
    for _ in range(3):
        ledger = open_ledger(flash)
        seen += [ledger.next_counter(), ledger.next_counter()]
    assert seen[0] > 0
    assert seen == sorted(set(seen))


def test_a_block_of_counters_that_was_not_burned_is_not_used():
    ledger, _, _ = make_ledger()
    ledger.journal.is_exhausted = True
    raises(JournalFull, ledger.next_counter)
    raises(JournalFull, ledger.next_counter)
    ledger.journal.is_exhausted = False
    first = ledger.next_counter()
    assert ledger.entitlements.counter_next == first + COUNTER_BLOCK


def test_an_acknowledgement_is_kept_and_moves_the_marks():
    ledger, flash, _ = make_ledger()
    for family in range(5):
        redeem(ledger, family, 1_000)
    ledger.apply_acknowledgement(make_acknowledgement(ledger, 6, 5, states_first=4, states=(1, 2, 3)), 9)
    for books in (ledger, open_ledger(flash)):
        marks = books.marks
        assert (marks.sealed_through, marks.reclaim_through, marks.epoch, marks.counter) == (6, 5, 1, 9)
        assert [marks.settlement(sequence) for sequence in (4, 5, 6)] == [1, 2, 3]


def test_an_acknowledgement_that_does_not_fit_into_flash_is_used_all_the_same():
    ledger, _, _ = make_ledger()
    redeem(ledger, 1, 1_000)
    ledger.journal.is_exhausted = True
    ledger.apply_acknowledgement(make_acknowledgement(ledger, 4), 1)
    assert ledger.marks.sealed_through == 4
    assert ledger.unkept_marks == 1


def test_only_an_acknowledgement_of_this_run_is_fresh_time():
    keeper = Keeper()
    flash = flash_of(make_chip())
    provision(flash)
    ledger = open_ledger(flash, keeper)
    redeem(ledger, 1, 1_000)
    ledger.apply_acknowledgement(make_acknowledgement(ledger, 4), 1)
    assert keeper.heard == [(NOW_S + 60, True)]
    again = open_ledger(flash, keeper)
    again.apply_acknowledgement(make_acknowledgement(again, 4), 2)
    assert keeper.heard[-1] == (NOW_S + 60, False)


def test_time_is_never_below_the_last_record_or_acknowledgement():
    keeper = Keeper()
    flash = flash_of(make_chip())
    provision(flash)
    ledger = open_ledger(flash, keeper)
    redeem(ledger, 1, 1_000)
    keeper.now_s = NOW_S - 5_000
    assert ledger.now_s() == NOW_S
    again = open_ledger(flash, Keeper(0, records.TRUST_UNSET))
    assert again.now_s() == NOW_S
    again.apply_acknowledgement(make_acknowledgement(again, 4), 1)
    assert again.now_s() == NOW_S + 60
    assert records.decode(again.records_from(note_event(again), 1)[0].payload).time_s == NOW_S + 60


def test_a_new_terminal_without_a_clock_knows_when_its_keys_were_certified():
    flash = flash_of(make_chip())
    provision(flash)
    assert open_ledger(flash, Keeper(0, records.TRUST_UNSET)).now_s() == NOW_S


def test_a_grant_of_the_next_period_starts_anew_and_is_adopted_once():
    ledger, flash, _ = make_ledger()
    redeem(ledger, 3, 150_000)
    octets = make_grant(2, period=PERIOD + 1, rupiah=300_000)
    before = ledger.context.digest
    ledger.adopt_grant(octets + SIGNATURE, decoded(ledger, octets))
    assert ledger.remaining_rupiah(1, 3) == 300_000
    assert ledger.entitlements.last_adoption == ledger.journal.sequence
    assert ledger.context.digest != before
    again = open_ledger(flash)
    assert again.remaining_rupiah(1, 3) == 300_000
    assert again.journal.sequence == ledger.journal.sequence
    assert again.context.digest == ledger.context.digest


def test_a_grant_of_the_same_period_keeps_what_is_spent():
    ledger, flash, _ = make_ledger()
    redeem(ledger, 3, 150_000)
    octets = make_grant(2, rupiah=400_000)
    ledger.adopt_grant(octets + SIGNATURE, decoded(ledger, octets))
    for books in (ledger, open_ledger(flash)):
        assert books.remaining_rupiah(1, 3) == 250_000


def test_a_full_journal_takes_no_grant_and_the_old_one_stays():
    ledger, flash, chip = make_ledger(journal_sectors=6)
    fill(ledger)
    octets = make_grant(2, rupiah=400_000)
    chip.reset_counters()
    raises(JournalFull, ledger.adopt_grant, octets + SIGNATURE, decoded(ledger, octets))
    assert chip.operations() == 0
    assert ledger.grants[1].number == 1
    assert open_ledger(flash).grants[1].number == 1


def fill(ledger):
    """Events until the journal takes no more."""
    try:
        while True:
            note_event(ledger)
    except JournalFull:
        pass


def test_a_full_journal_still_starts_with_documents_that_it_cannot_adopt():
    ledger, flash, _ = make_ledger(journal_sectors=6)
    fill(ledger)
    documents = Documents(flash["identity_a"], flash["identity_b"])
    documents.load()
    documents.save({GRANT_FIRST + 1: make_grant(2) + SIGNATURE})
    again = open_ledger(flash)
    assert again.context is None
    assert again.grants[1].number == 2
    assert again.journal.sequence == ledger.journal.sequence
    assert len(again.records_from(1, 9999)) == again.journal.sequence


def test_what_could_not_be_adopted_is_adopted_when_there_is_room():
    ledger, flash, _ = make_ledger(journal_sectors=10)
    fill(ledger)
    ledger.documents.save({GRANT_FIRST + 1: make_grant(2) + SIGNATURE})
    again = open_ledger(flash)
    assert again.context is None
    head = again.journal.sequence
    again.apply_acknowledgement(make_acknowledgement(again, head, head), 1)
    for _ in range(40):
        again.prepare()
    assert again.context is not None
    assert again.journal.sequence == head + 1
    assert again.entitlements.is_adopted(records.SUBJECT_GRANT, 1, again.grants[1].digest)


def test_documents_saved_before_a_cut_are_adopted_at_the_next_start():
    ledger, flash, _ = make_ledger()
    ledger.documents.save({GRANT_FIRST + 1: make_grant(2, period=PERIOD + 1) + SIGNATURE})
    again = open_ledger(flash)
    assert again.journal.sequence == ledger.journal.sequence + 1
    assert again.context is not None
    assert again.entitlements.last_adoption == again.journal.sequence


def test_a_new_epoch_lets_everything_be_sent_again_from_what_settlement_has():
    ledger, flash, _ = make_ledger()
    for family in range(4):
        redeem(ledger, family, 1_000)
    ledger.apply_acknowledgement(make_acknowledgement(ledger, 6, 2), 5)
    ledger.adopt_epoch(make_epoch(2) + SIGNATURE, 2)
    for books in (ledger, open_ledger(flash)):
        assert books.marks.sealed_through == 2
        assert books.marks.is_newer(2, 0)
        assert not books.marks.is_newer(1, 5)
    again = open_ledger(flash)
    again.apply_acknowledgement(make_acknowledgement(again, 5, 2, epoch=2), 0)
    assert open_ledger(flash).marks.sealed_through == 5


def test_a_crash_is_remembered():
    ledger, flash, _ = make_ledger()
    assert ledger.last_crash == b""
    ledger.record_crash(b"\x00\x65why")
    assert open_ledger(flash).last_crash == b"\x00\x65why"


def test_broken_seals_stop_commits_and_nothing_else():
    ledger, _, _ = make_ledger()
    ledger.seal_fault = True
    raises(SealFault, note_event, ledger)
    raises(SealFault, ledger.adopt_grant, make_grant(2) + SIGNATURE, decoded(ledger, make_grant(2)))
    assert ledger.grants[1].number == 1
    ledger.burn_pin_try(1, 0)
    assert len(ledger.records_from(1, 9)) == 3


def test_flash_that_fails_is_an_error_and_the_state_is_what_is_in_flash():
    ledger, flash, chip = make_ledger()
    redeem(ledger, 1, 1_000)
    before = state_of(ledger)
    area = flash["journal"]
    program = area.program

    def failing(address, data):
        raise FlashError("journal", address, "program failed")

    area.program = failing
    raises(JournalDamaged, note_event, ledger)
    raises(JournalDamaged, ledger.burn_pin_try, 1, 0)
    assert state_of(ledger) == before
    area.program = program
    raises(JournalDamaged, note_event, ledger)
    again = open_ledger(flash_of(chip))
    assert again.remaining_rupiah(1, 1) == FULL - 1_000
    note_event(again)


def test_pending_rupiah_follows_the_gateways_mark():
    ledger, flash, _ = make_ledger()
    assert pending(ledger) == 0
    for family in range(6):
        redeem(ledger, family, 1_000 * (family + 1))
    assert pending(ledger) == 21_000
    ledger.apply_acknowledgement(make_acknowledgement(ledger, 5), 1)
    assert pending(ledger) == 18_000
    redeem(ledger, 6, 500)
    assert pending(ledger) == 18_500
    assert pending(open_ledger(flash)) == 18_500
    ledger.apply_acknowledgement(make_acknowledgement(ledger, 10), 2)
    assert pending(ledger) == 0
    ledger.adopt_epoch(make_epoch(2) + SIGNATURE, 2)
    assert pending(ledger) == 21_500


def pending(ledger):
    steps = ledger.pending_steps()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_checkpoints_are_written_while_idle_and_starts_read_from_them():
    ledger, flash, chip = make_ledger(journal_sectors=24)
    number = 0
    while ledger.journal.head < 18:
        redeem(ledger, number % 8, 100)
        number += 1
        while ledger.prepare():
            pass
    assert ledger.journal.checkpoints[0] > 0
    chip.reset_counters()
    again = open_ledger(flash)
    assert chip.bytes_read < 12 * 4096
    assert state_of(again) == state_of(ledger)


def test_the_ring_goes_round_while_records_are_settled():
    ledger, flash, _ = make_ledger(journal_sectors=16)
    number = 0
    while ledger.journal.head < 60:
        redeem(ledger, number % 8, 100)
        number += 1
        while ledger.prepare():
            pass
        if number % 10 == 0:
            head = ledger.journal.sequence
            ledger.apply_acknowledgement(make_acknowledgement(ledger, head, head), number)
    assert not ledger.journal.is_full()
    assert ledger.entitlements.redeemed_count == number
    for books in (ledger, open_ledger(flash)):
        assert books.entitlements.redeemed_rupiah == 100 * number
        first = books.journal.first_sequence
        assert first > 1
        held = books.records_from(1, 9999)
        assert [slot.sequence for slot in held] == list(range(first, books.journal.sequence + 1))
    total = sum([FULL - ledger.remaining_rupiah(1, family) for family in range(8)])
    assert total == 100 * number


def test_an_append_is_one_page_program_whatever_kind_it_is():
    ledger, _, chip = make_ledger()
    ledger.prepare()
    for work in (
        lambda: ledger.burn_pin_try(1, 0),
        lambda: ledger.clear_pin_tries(1, 0),
        ledger.burn_un_attempt,
        lambda: redeem_burned(ledger),
        lambda: note_event(ledger),
    ):
        chip.reset_counters()
        work()
        assert (chip.page_programs, chip.sector_erases) == (1, 0)


def redeem_burned(ledger):
    """Commit for the attempt that is burned."""
    ledger.burn_un_attempt, kept = (lambda: (0, 0)), ledger.burn_un_attempt
    try:
        redeem(ledger, 1, 1_000)
    finally:
        ledger.burn_un_attempt = kept


def test_an_epoch_certificate_that_does_not_decode_does_not_open():
    flash = flash_of(make_chip())
    provision(flash)
    documents = Documents(flash["identity_a"], flash["identity_b"])
    documents.load()
    documents.save({EPOCH_CERTIFICATE: b""})
    raises(ProtocolError, open_ledger, flash)


def test_a_journal_of_other_keys_takes_no_record():
    _, flash, _ = make_ledger()
    documents = Documents(flash["identity_a"], flash["identity_b"])
    documents.load()
    ledger = Ledger(flash, documents, KID, bytes(32), Keeper())
    ledger.open()
    ledger.seal_of = seal_of
    raises(JournalDamaged, note_event, ledger)
    assert documents.get(CHAIN_START) == START
    assert isinstance(ledger.context, context.Context)
    assert slots.NO_INDEX == 0xFFFF
