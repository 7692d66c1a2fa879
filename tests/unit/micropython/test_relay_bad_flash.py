"""Records that flash does not give back any more hold up no other: what is left goes out by every way, and the relay lives."""

import asyncio

from firmware import main

main.load()

from tests.support.mp_gateway import acknowledgement_frame  # noqa: E402
from tests.unit.micropython.relay_bench import Bench  # noqa: E402
from tests.unit.micropython.test_bad_flash import address_of, rot  # noqa: E402

SALES = 20


def damaged(lost, by_sms=False):
    """A terminal that lost records of its journal, started anew; sales are records 4 to 3 + SALES."""
    bench = Bench(SALES, by_sms)
    for sequence in lost:
        rot(bench.flash, "journal", address_of(bench.flash, sequence) + 20)
    bench.power_cut()
    checked = bench._verify

    async def verify(sequence):
        # As upkeep does: the chain up to there has to be followed.
        bench.ledger.journal.chain_at(sequence)
        return await checked(sequence)

    bench._verify = verify
    return bench


def left_of(bench, lost):
    return [sequence for sequence in range(1, bench.ledger.journal.sequence + 1) if sequence not in lost]


def test_all_that_is_left_goes_out_and_the_relay_lives():
    for lost in ((9,), (1,), (9, 10, 15), (3 + SALES,), tuple(range(4, 12))):
        for is_checked in (False, True):
            bench = damaged(lost)
            while is_checked and bench.ledger.prepare():
                pass

            async def story(bench):
                await asyncio.sleep_ms(3000)
                return [sequence for sequence, _ in bench.records()], bench.ranges()

            sent, ranges = bench.run(story)
            head = bench.ledger.journal.sequence
            assert sent == [sequence for sequence in left_of(bench, lost) if sequence <= head], (
                lost,
                is_checked,
            )
            # What the chain still leads to goes with its seal; behind a gap only where a sector's header takes it up again.
            assert all(is_sealed or last > min(lost) for _, last, _, is_sealed in ranges), (lost, ranges)


def test_a_gap_that_cannot_be_filled_is_left_and_what_is_new_goes_on():
    bench = damaged((9,))

    async def story(bench):
        await asyncio.sleep_ms(3000)
        bench.send(acknowledgement_frame(bench.ledger, 1, 8, gaps=((9, 1, True),)))
        await asyncio.sleep_ms(3000)
        return [sequence for sequence, _ in bench.records()]

    sent = bench.run(story)
    assert 9 not in sent
    assert bench.ledger.marks.sealed_through == 8


def test_the_same_by_short_message():
    bench = damaged((9,), by_sms=True)
    bench.opens = False
    told = []

    async def story(bench):
        bench.relay.hurry()
        await asyncio.sleep_ms(3_600_000)
        told.extend(bench.post.frames)

    bench.run(story)
    assert len(told) >= 2


def test_the_sum_that_waits_is_over_what_is_left():
    bench = damaged((9,))
    steps = bench.ledger.pending_steps()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            assert end.value == 100 * (SALES - 1)
            break
