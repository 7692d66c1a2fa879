"""Records by short messages: when, how many, sealed where, what goes again, and what a restart may not undo."""

import asyncio

from firmware.relay.sms_way import BACKOFF_FIRST_MS, ORDER_GRACE_MS
from protocol import bridge, frame, status
from protocol.context import Context
from protocol.policy import DEFAULT_CHANNELS, Channels
from tests.support.mp_books import PERIOD, make_grant, redeem
from tests.support.mp_gateway import (
    NEXT_GATEWAY,
    acknowledgement_frame,
    epoch_frame,
    grant_frame,
    signed_epoch,
    uplink_cipher,
)
from tests.unit.micropython.relay_bench import SEND_MS, Bench

TIMEOUT_S = 120
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
AFTER_MS = 1000 * DEFAULT_CHANNELS.sms_after_s
# The bench's jitter is half of the most.
JITTER_MS = 500 * DEFAULT_CHANNELS.jitter_s
# A midnight behind the bench's beginning where the policy's clocks are (UTC+7).
MIDNIGHT_S = 1_790_010_000
RESEND_MS = 1000 * DEFAULT_CHANNELS.sms_resend_s


def without_broker(sales=0):
    """A bench whose broker cannot be reached."""
    bench = Bench(sales, by_sms=True)
    bench.opens = False
    return bench


def headers(bench):
    """Those of the messages that carried records."""
    found = [frame.read_header(octets) for octets in bench.post.frames]
    return [header for header in found if header.frame_class == frame.CLASS_RECORDS]


def ranges(bench):
    """(first, last, codec, sealed) of the messages that carried records."""
    return [
        (header.first, header.first + header.count - 1, header.codec, header.sealed)
        for header in headers(bench)
    ]


def carried(bench):
    """(sequence, octets) of all records in messages, decoded as the gateway does."""
    found = []
    for octets in bench.post.frames:
        header = frame.read_header(octets)
        if header.frame_class == frame.CLASS_RECORDS:
            ledger = bench.ledger
            contexts = [
                Context(ledger.roster, ledger.policy, ledger.grants),
                Context(ledger.roster, ledger.policy, {}),
            ]
            opened = frame.open_records(octets, contexts, uplink_cipher())
            found += [(header.first + place, opened.records[place]) for place in range(header.count)]
    return found


def statuses(bench):
    """Status reports among the messages."""
    found = [octets for octets in bench.post.frames if octets[0] >> 6 == frame.CLASS_UP]
    return [status.decode(frame.open_counter(octets, uplink_cipher())[1]) for octets in found]


def held(bench):
    """What the journal has."""
    return [(slot.sequence, slot.payload) for slot in bench.ledger.records_from(1, 999)]


def in_one_seal(bench):
    """Everything once and in order, each frame where the one before ended, and a stored seal on the last."""
    assert carried(bench) == held(bench)
    found = headers(bench)
    assert [header.sealed for header in found] == [False] * (len(found) - 1) + [True]
    assert bench.post.frames[-1][-64:] == bench.ledger.records_from(bench.ledger.journal.sequence, 1)[0].seal


def test_while_mqtt_is_up_no_message_is_sent():
    bench = Bench(60, by_sms=True)

    async def story(bench):
        await asyncio.sleep_ms(AFTER_MS + 20 * MINUTE_MS)
        assert bench.relay.way == "MQTT"
        return bench.post.tries, bench.ledger.sms_sent_today

    assert bench.run(story) == (0, 0)


def test_records_that_have_waited_long_enough_go_after_a_random_wait_and_the_last_message_is_sealed():
    bench = without_broker(30)

    async def story(bench):
        await asyncio.sleep_ms(AFTER_MS - MINUTE_MS)
        assert (bench.post.tries, bench.relay.way) == (0, None)
        await asyncio.sleep_ms(2 * MINUTE_MS)
        assert (bench.post.tries, bench.relay.way) == (0, "SMS")
        await asyncio.sleep_ms(JITTER_MS)
        await asyncio.sleep_ms(5 * MINUTE_MS)
        assert AFTER_MS + JITTER_MS <= bench.post.moments[0] <= AFTER_MS + JITTER_MS + 2 * MINUTE_MS
        return len(bench.post.frames)

    count = bench.run(story)
    in_one_seal(bench)
    assert count <= 8
    assert bench.ledger.sms_sent_today == count


def test_a_full_outbox_does_not_wait_for_its_age():
    bench = without_broker(DEFAULT_CHANNELS.sms_fill)

    async def story(bench):
        await asyncio.sleep_ms(JITTER_MS + 10 * MINUTE_MS)

    bench.run(story)
    in_one_seal(bench)


def test_a_young_and_short_outbox_costs_nothing():
    bench = without_broker(DEFAULT_CHANNELS.sms_fill - 4)

    async def story(bench):
        await asyncio.sleep_ms(AFTER_MS // 2)
        return bench.post.tries

    assert bench.run(story) == 0


def test_the_operators_order_sends_at_once_and_ends_with_a_report():
    bench = without_broker(6)

    async def story(bench):
        await asyncio.sleep_ms(MINUTE_MS)
        bench.relay.hurry()
        await asyncio.sleep_ms(ORDER_GRACE_MS + 10 * SEND_MS)
        least_ms = MINUTE_MS + ORDER_GRACE_MS + SEND_MS
        assert least_ms <= bench.post.moments[0] <= least_ms + 6000
        seen = len(bench.post.frames)
        for _ in range(5):
            bench.relay.hurry()
            await asyncio.sleep_ms(2 * SEND_MS)
        assert len(bench.post.frames) == seen, "an impatient key costs nothing"
        return statuses(bench)

    [report] = bench.run(story)
    assert (report.head, report.sealed_through, report.pending_rupiah) == (9, 0, 600)
    bench.post.frames.pop()
    in_one_seal(bench)


def test_an_order_costs_no_message_where_mqtt_comes_up_at_once():
    bench = without_broker(6)

    async def story(bench):
        await asyncio.sleep_ms(10 * MINUTE_MS)
        bench.opens = True
        bench.relay.hurry()
        await asyncio.sleep_ms(MINUTE_MS)
        return bench.relay.way, bench.post.tries

    assert bench.run(story) == ("MQTT", 0)


def test_an_order_that_comes_later_asks_again():
    bench = without_broker(6)

    async def story(bench):
        seen = await all_out(bench)
        last = ranges(bench)[-1]
        await asyncio.sleep_ms(20 * MINUTE_MS)
        bench.relay.hurry()
        await asyncio.sleep_ms(ORDER_GRACE_MS + 5 * SEND_MS)
        assert ranges(bench)[seen - 1 :] == [last]
        return len(statuses(bench))

    assert bench.run(story) == 2


def test_a_full_journal_keeps_no_message_back():
    bench = without_broker(30)

    async def story(bench):
        with_channels(bench, sms_per_day=3)
        bench.ledger.journal.is_exhausted = True
        bench.relay.hurry()
        await asyncio.sleep_ms(HOUR_MS)
        assert (len(bench.post.frames), bench.relay.sms_left_today) == (3, 0), "the cap holds all the same"
        return headers(bench)[-1].sealed

    assert bench.run(story)


def test_an_order_waits_for_the_network():
    bench = without_broker(2)

    async def story(bench):
        bench.post.can_send = False
        bench.relay.hurry()
        await asyncio.sleep_ms(HOUR_MS)
        assert (bench.post.tries, bench.ledger.sms_sent_today) == (0, 0)
        bench.post.can_send = True
        await asyncio.sleep_ms(MINUTE_MS)

    bench.run(story)
    assert carried(bench) == held(bench)


def with_channels(bench, **rules):
    """The policy says otherwise."""
    channels = Channels()
    for name in rules:
        setattr(channels, name, rules[name])
    bench.ledger.policy.channels = channels


def test_the_days_cap_holds_over_restarts_and_the_last_message_under_it_is_sealed():
    bench = without_broker(60)
    bench.keeper.now_s = MIDNIGHT_S + 600

    async def day(bench):
        with_channels(bench, sms_per_day=3, jitter_s=60, sms_after_s=60)
        await asyncio.sleep_ms(HOUR_MS)
        assert bench.relay.sms_left_today == 0
        bench.relay.hurry()
        await asyncio.sleep_ms(HOUR_MS)

    bench.run(day)
    assert len(bench.post.frames) == 3
    assert [header.sealed for header in headers(bench)] == [False, False, True], (
        "what went out is proved today"
    )
    seal = bench.post.frames[-1][-64:]
    last = ranges(bench)[-1][1]
    assert seal == bench.ledger.records_from(last, 1)[0].seal
    bench.power_cut()
    bench.run(day)
    assert bench.post.frames == []
    # The next day goes on where the first one ended.
    bench.keeper.now_s += 86400
    bench.power_cut()
    bench.run(day)
    assert ranges(bench)[0][0] == last + 1
    assert len(bench.post.frames) == 3


def test_a_policy_without_messages_sends_none():
    bench = without_broker(60)

    async def story(bench):
        with_channels(bench, sms_per_day=0)
        bench.relay.hurry()
        await asyncio.sleep_ms(AFTER_MS + 20 * MINUTE_MS)
        return bench.post.tries

    assert bench.run(story) == 0


async def all_out(bench):
    """Everything by order."""
    bench.relay.hurry()
    await asyncio.sleep_ms(40 * SEND_MS)
    assert bench.relay.sms.is_awaiting
    assert bench.relay.way == "SMS"
    return len(bench.post.frames)


def test_a_named_gap_is_filled_at_once():
    bench = without_broker(30)

    async def story(bench):
        seen = await all_out(bench)
        await bench.relay.received(
            acknowledgement_frame(bench.ledger, 1, 4, gaps=((5, 6, False), (20, 1, True)))
        )
        await asyncio.sleep_ms(5 * SEND_MS)
        return ranges(bench)[seen - 1 :]

    assert bench.run(story) == [(5, 10, 1, False), (20, 20, 0, False)]


def bridges(bench):
    """Chain values at gaps among the messages."""
    found = [octets for octets in bench.post.frames if octets[:1] == b"\x42"]
    return [bridge.decode(frame.open_counter(octets, uplink_cipher())[1]).values for octets in found]


def test_behind_a_gap_of_more_than_one_message_the_chain_value_goes_first():
    bench = without_broker(40)

    async def story(bench):
        seen = await all_out(bench)
        await bench.relay.received(
            acknowledgement_frame(bench.ledger, 1, 3, gaps=((4, 10, False), (20, 8, False)))
        )
        await asyncio.sleep_ms(10 * SEND_MS)
        assert bench.post.frames[seen][:1] == b"\x42"
        return ranges(bench)[seen - 1 :]

    filled = bench.run(story)
    covered = [sequence for first, last, _, _ in filled for sequence in range(first, last + 1)]
    assert covered == list(range(4, 14)) + list(range(20, 28))
    chain_at = bench.ledger.journal.chain_at
    assert bridges(bench) == [((13, chain_at(13)), (27, chain_at(27)))]


def test_a_gap_that_is_named_long_after_it_was_filled_is_bridged_and_filled_again():
    bench = without_broker(20)
    gaps = ((4, 5, False),)

    async def story(bench):
        seen = await all_out(bench)
        await bench.relay.received(acknowledgement_frame(bench.ledger, 1, 3, gaps=gaps))
        await asyncio.sleep_ms(3 * SEND_MS)
        # This one was under way already when the gap was filled.
        await bench.relay.received(acknowledgement_frame(bench.ledger, 2, 3, gaps=gaps))
        await asyncio.sleep_ms(3 * SEND_MS)
        assert (ranges(bench)[seen - 1 :], bridges(bench)) == ([(4, 8, 1, False)], [])
        late_s = bench.ledger.now_s() + 600
        await bench.relay.received(acknowledgement_frame(bench.ledger, 3, 3, gaps=gaps, time_s=late_s))
        await asyncio.sleep_ms(5 * SEND_MS)
        assert bridges(bench) == [((8, bench.ledger.journal.chain_at(8)),)]
        return ranges(bench)[seen - 1 :]

    assert bench.run(story) == [(4, 8, 1, False)] * 2


def test_without_an_answer_only_the_last_message_goes_again_and_ever_more_rarely():
    bench = without_broker(30)

    async def story(bench):
        with_channels(bench, sms_resend_s=RESEND_MS // 16000)
        seen = await all_out(bench)
        last = ranges(bench)[-1]
        await asyncio.sleep_ms(RESEND_MS)
        again = ranges(bench)[seen - 1 :]
        assert again == [last] * 4
        # From the second time on the gateway is told how things stand here.
        assert len(statuses(bench)) == 1 + 3
        bench.relay.hurry()
        return bench.post.moments[seen:]

    moments = bench.run(story)
    assert moments[0] >= RESEND_MS // 16
    assert moments[1] - moments[0] >= RESEND_MS // 8


def test_an_answer_ends_the_resending():
    bench = without_broker(10)

    async def story(bench):
        seen = await all_out(bench)
        await bench.relay.received(acknowledgement_frame(bench.ledger, 1, 13))
        assert bench.relay.way is None
        assert bench.relay.acknowledged_s == bench.ledger.marks.time_s > 0
        await asyncio.sleep_ms(2 * RESEND_MS)
        return len(bench.post.frames) - seen

    assert bench.run(story) == 0


def test_a_restart_sends_nothing_again_but_asks_in_time():
    bench = without_broker(10)
    bench.run(all_out)
    bench.power_cut()

    async def later(bench):
        await asyncio.sleep_ms(RESEND_MS - MINUTE_MS)
        assert bench.post.frames == []
        await asyncio.sleep_ms(HOUR_MS)
        return ranges(bench)

    assert bench.run(later) == [(13, 13, 1, True)]


def test_what_does_not_go_is_tried_again_after_a_pause_and_nothing_is_lost():
    bench = without_broker(10)

    async def story(bench):
        bench.post.fails = True
        bench.relay.hurry()
        await asyncio.sleep_ms(BACKOFF_FIRST_MS * 4)
        assert 2 <= bench.post.tries <= 4
        assert (bench.relay.sms.failures, bench.ledger.sms_sent_today) == (bench.post.tries, bench.post.tries)
        bench.post.fails = False
        await asyncio.sleep_ms(HOUR_MS)
        assert bench.watches[1].silence_ms < 10_000

    bench.run(story)
    assert carried(bench) == held(bench)


def test_a_pause_is_over_for_good_however_long_ago_it_was():
    """Ticks come round after twelve days, and half of them lie in the future."""
    bench = without_broker(4)

    async def story(bench):
        bench.post.fails = True
        bench.relay.hurry()
        await asyncio.sleep_ms(ORDER_GRACE_MS + 2 * SEND_MS + BACKOFF_FIRST_MS)
        bench.post.can_send = False
        bench.post.fails = False
        await asyncio.sleep_ms(4 * MINUTE_MS)
        real = bench.time.ticks_ms
        bench.time.ticks_ms = lambda: bench.time.ticks_add(real(), 400_000_000)
        await asyncio.sleep_ms(MINUTE_MS)
        nearer = bench.time.ticks_ms
        bench.time.ticks_ms = lambda: bench.time.ticks_add(nearer(), 400_000_000)
        bench.post.can_send = True
        await asyncio.sleep_ms(MINUTE_MS)

    bench.run(story)
    # What was under way when the days passed is overdue, and goes again.
    assert sorted(set(carried(bench))) == held(bench)


def test_a_terminal_without_credit_does_not_storm():
    bench = without_broker(50)

    async def story(bench):
        with_channels(bench, sms_per_day=200)
        bench.post.fails = True
        await asyncio.sleep_ms(6 * HOUR_MS)
        return bench.post.tries

    assert bench.run(story) <= 6 + 6


def test_when_mqtt_comes_up_it_takes_over_and_sends_what_no_acknowledgement_covers():
    bench = without_broker(40)

    async def story(bench):
        bench.relay.hurry()
        await asyncio.sleep_ms(ORDER_GRACE_MS + 3 * SEND_MS)
        bench.opens = True
        await asyncio.sleep_ms(5 * MINUTE_MS)
        assert bench.relay.way == "MQTT"
        by_sms = carried(bench)
        assert 0 < len(by_sms) < len(held(bench))
        assert bench.records()[: len(held(bench))] == held(bench), "over both ways: normal and harmless"
        for entry in by_sms:
            assert entry in held(bench)
        tries = bench.post.tries
        await asyncio.sleep_ms(AFTER_MS)
        return bench.post.tries - tries

    assert bench.run(story) == 0


def test_new_records_behind_a_run_wait_for_their_own_age():
    bench = without_broker(5)

    async def story(bench):
        seen = await all_out(bench)
        await bench.relay.received(acknowledgement_frame(bench.ledger, 1, 8))
        redeem(bench.ledger, 1, 100)
        bench.relay.wake()
        await asyncio.sleep_ms(AFTER_MS - MINUTE_MS)
        assert len(bench.post.frames) == seen
        await asyncio.sleep_ms(JITTER_MS + 5 * MINUTE_MS)
        return ranges(bench)[seen - 1 :]

    assert bench.run(story) == [(9, 9, 1, True)]


def test_new_gateway_keys_bring_everything_again_that_settlement_does_not_have():
    bench = without_broker(5)

    async def story(bench):
        seen = await all_out(bench)
        await bench.relay.received(acknowledgement_frame(bench.ledger, 1, 8, 4))
        await bench.relay.received(epoch_frame(signed_epoch(2, NEXT_GATEWAY)))
        bench.relay.hurry()
        await asyncio.sleep_ms(MINUTE_MS)
        return ranges(bench)[seen - 1 :]

    assert bench.run(story) == [(5, 7, 1, False), (8, 8, 1, True)]


def test_what_a_new_grant_found_waiting_costs_no_message_a_record():
    """CTX-04: nothing of the grant that was in force before is needed for it."""
    bench = without_broker(30)

    async def story(bench):
        ledger = bench.ledger
        await bench.relay.received(grant_frame(ledger, make_grant(2, 1, PERIOD + 1)))
        assert ledger.grants[1].number == 2
        redeem(ledger, 3, 100)
        bench.relay.hurry()
        await asyncio.sleep_ms(HOUR_MS)
        assert carried(bench) == held(bench)
        return ranges(bench)

    found = bench.run(story)
    # The first three adoptions, 30 sales, a grant, and what was sold under it.
    assert found[-1] == (35, 35, 1, True)
    assert [entry[2] for entry in found if entry[0] > 4 and entry[1] < 34] == [1] * 5
    assert len(found) <= 9
