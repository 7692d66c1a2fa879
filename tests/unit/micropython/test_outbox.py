"""What the outbox decides: everything is sent, nothing before its seal was checked, nothing across an adoption."""

from firmware.relay.outbox import BATCH_MAX, Outbox


def drain(outbox, head, verified=None, adoption=0, first=1, older=None):
    """The batches until the outbox rests, as (first, last, literal); `older` takes the first of those of older records."""
    found = []
    while True:
        batch = outbox.next(first, head, head if verified is None else verified, adoption)
        if batch is None:
            return found
        assert batch.count == batch.last - batch.first + 1
        if batch.is_older and older is not None:
            older.append(batch.first)
        outbox.sent(batch, batch.count)
        found.append((batch.first, batch.last, batch.literal))


def test_everything_is_sent_in_order_and_once():
    outbox = Outbox()
    assert drain(outbox, 5) == [(1, 5, False)]
    assert drain(outbox, 5) == []
    assert drain(outbox, 7) == [(6, 7, False)]


def test_batches_are_no_larger_than_allowed():
    assert drain(Outbox(), 2 * BATCH_MAX + 1) == [
        (1, BATCH_MAX, False),
        (BATCH_MAX + 1, 2 * BATCH_MAX, False),
        (2 * BATCH_MAX + 1, 2 * BATCH_MAX + 1, False),
    ]


def test_nothing_goes_beyond_the_seals_that_were_checked():
    outbox = Outbox()
    assert drain(outbox, 9, 4) == [(1, 4, False)]
    assert drain(outbox, 9, 4) == []
    assert drain(outbox, 9, 0) == []
    assert drain(outbox, 9, 9) == [(5, 9, False)]


def test_records_up_to_the_last_adoption_are_older_ones_and_end_their_frame():
    older = []
    assert drain(Outbox(), 9, adoption=4, older=older) == [(1, 4, False), (5, 9, False)]
    assert drain(Outbox(), 4, adoption=4, older=older) == [(1, 4, False)]
    assert older == [1, 1]


def test_a_new_session_sends_again_what_is_not_sealed():
    outbox = Outbox()
    drain(outbox, 9)
    outbox.restart(6)
    assert drain(outbox, 9) == [(7, 9, False)]
    outbox.restart(9)
    assert drain(outbox, 9) == []


def test_what_was_acknowledged_meanwhile_is_not_sent():
    outbox = Outbox()
    outbox.acknowledged(6, [])
    assert drain(outbox, 9) == [(7, 9, False)]


def test_gaps_go_first_and_as_the_gateway_asked():
    outbox = Outbox()
    drain(outbox, 60)
    outbox.acknowledged(10, [(11, 3, False), (20, 2, True)])
    assert drain(outbox, 60) == [(11, 13, False), (20, 21, True)]


def test_a_gap_is_filled_once_until_the_next_restart():
    """The gateway names it in every acknowledgement until it has it: answering each would feed itself."""
    outbox = Outbox()
    drain(outbox, 60)
    for _ in range(3):
        outbox.acknowledged(10, [(11, 3, False)])
    assert drain(outbox, 60) == [(11, 13, False)]
    outbox.acknowledged(10, [(11, 3, False)])
    assert drain(outbox, 60) == []
    outbox.acknowledged(10, [(11, 3, True)])
    assert drain(outbox, 60) == [(11, 13, True)]
    outbox.restart(10)
    outbox.acknowledged(10, [(11, 3, True)])
    assert drain(outbox, 60)[0] == (11, 13, True)


def test_gaps_are_cut_at_the_adoption_and_at_the_largest_batch():
    outbox = Outbox()
    drain(outbox, 300, adoption=20)
    outbox.acknowledged(10, [(15, 80, False)])
    assert drain(outbox, 300, adoption=20) == [
        (15, 20, False),
        (21, 20 + BATCH_MAX, False),
        (21 + BATCH_MAX, 20 + 2 * BATCH_MAX, False),
        (21 + 2 * BATCH_MAX, 94, False),
    ]


def test_gaps_behind_the_mark_or_beyond_the_seals_are_passed_over():
    outbox = Outbox()
    drain(outbox, 30)
    outbox.acknowledged(20, [(5, 10, False), (40, 3, False)])
    assert drain(outbox, 30) == []
    outbox.acknowledged(20, [(28, 10, False)])
    assert drain(outbox, 30) == [(28, 30, False)]


def test_what_was_reclaimed_is_not_looked_for():
    outbox = Outbox()
    outbox.restart(0)
    assert drain(outbox, 30, first=11) == [(11, 30, False)]
    outbox.acknowledged(0, [(5, 10, False), (1, 4, False)])
    assert drain(outbox, 30, first=11) == [(11, 14, False)]
