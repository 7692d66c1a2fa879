"""The day's count of short messages: burned before a message leaves, and neither a restart nor a checkpoint resets it."""

from tests.support.mp_books import Keeper, make_ledger, open_ledger

DAY_S = 86400
# Midnight where the policy's clocks are (UTC+7).
MIDNIGHT_S = 1_790_000_000 // DAY_S * DAY_S + 17 * 3600


def test_a_message_is_counted_in_flash_in_one_small_slot():
    ledger, flash, _ = make_ledger()
    before = ledger.journal.slots_written
    for through in (3, 9, 9):
        ledger.burn_sms(through)
    assert ledger.journal.slots_written == before + 3
    again = open_ledger(flash)
    assert (again.sms_sent_today, again.sms_through) == (3, 9)


def test_the_next_local_day_begins_at_none():
    ledger, flash, _ = make_ledger()
    keeper = Keeper(MIDNIGHT_S - 1)
    ledger = open_ledger(flash, keeper)
    ledger.burn_sms(4)
    assert ledger.sms_sent_today == 1
    keeper.now_s = MIDNIGHT_S
    assert (ledger.sms_sent_today, ledger.sms_through) == (0, 4)
    ledger.burn_sms(5)
    assert (ledger.sms_sent_today, ledger.sms_through) == (1, 5)


def test_a_clock_that_was_years_ahead_blocks_no_later_day():
    _, flash, _ = make_ledger()
    keeper = Keeper(MIDNIGHT_S + 3000 * DAY_S)
    ledger = open_ledger(flash, keeper)
    ledger.burn_sms(4)
    keeper.now_s = MIDNIGHT_S
    assert ledger.sms_sent_today == 0


def test_the_count_goes_into_the_checkpoint():
    ledger, flash, _ = make_ledger()
    ledger.burn_sms(7)
    ledger._checkpointer._is_due = lambda: True
    before = ledger.journal.checkpoints
    while ledger.journal.checkpoints == before:
        ledger.prepare()
    again = open_ledger(flash)
    assert (again.sms_sent_today, again.sms_through) == (1, 7)
