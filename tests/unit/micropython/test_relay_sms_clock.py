"""Short messages of a terminal whose clock stands behind its own records: it lost years, or was years ahead once.

Its time of day then stands still at that of the newest record.
"""

import asyncio

from firmware.relay.sms_way import ORDER_GRACE_MS, REPORT_AGAIN_S
from protocol import frame, records, status
from protocol.policy import DEFAULT_CHANNELS, Channels
from tests.support.mp_gateway import acknowledgement_frame, uplink_cipher
from tests.unit.micropython.relay_bench import SEND_MS, Bench

TIMEOUT_S = 120
MINUTE_MS = 60_000
DAY_S = 86400
YEARS_S = 700 * DAY_S
# A midnight where the policy's clocks are (UTC+7).
MIDNIGHT_S = 1_790_010_000
AFTER_MS = 1000 * DEFAULT_CHANNELS.sms_after_s
JITTER_MS = 500 * DEFAULT_CHANNELS.jitter_s


def behind_its_records(sales):
    """A bench without a broker; the clock lost years after the sales."""
    bench = Bench(sales, by_sms=True, by_mqtt=False)
    bench.keeper.now_s -= YEARS_S
    return bench


def unset(sales):
    """The same with a clock whose battery is dead."""
    bench = behind_its_records(sales)
    bench.keeper.trust = records.TRUST_UNSET
    bench.keeper.epoch_seconds = lambda: 0
    return bench


def counted(bench):
    """(records, reports) in the messages."""
    kinds = [octets[0] >> 6 for octets in bench.post.frames]
    carried = [octets for octets in bench.post.frames if octets[0] >> 6 == frame.CLASS_RECORDS]
    return sum([frame.read_header(octets).count for octets in carried]), kinds.count(frame.CLASS_UP)


def test_records_that_have_waited_long_enough_go():
    for make in (behind_its_records, unset):
        bench = make(6)

        async def story(bench):
            await asyncio.sleep_ms(AFTER_MS - MINUTE_MS)
            assert bench.post.tries == 0
            await asyncio.sleep_ms(JITTER_MS + 10 * MINUTE_MS)

        bench.run(story)
        assert counted(bench) == (bench.ledger.journal.sequence, 0)


def test_each_order_that_comes_later_asks_again():
    for make in (behind_its_records, unset):
        bench = make(6)

        async def story(bench):
            for number in range(1, 4):
                bench.relay.hurry()
                await asyncio.sleep_ms(ORDER_GRACE_MS + 10 * SEND_MS)
                assert counted(bench)[1] == number
                again = len(bench.post.frames)
                bench.relay.hurry()
                await asyncio.sleep_ms(ORDER_GRACE_MS + 10 * SEND_MS)
                assert len(bench.post.frames) == again, "not at every impatient key"
                await asyncio.sleep_ms(1000 * REPORT_AGAIN_S)

        bench.run(story)
        reports = [octets for octets in bench.post.frames if octets[0] >> 6 == frame.CLASS_UP]
        told = status.decode(frame.open_counter(reports[-1], uplink_cipher())[1])
        assert told.head == bench.ledger.journal.sequence


def with_cap(bench, sms_per_day):
    """The policy's cap."""
    channels = Channels()
    channels.sms_per_day = sms_per_day
    bench.ledger.policy.channels = channels


def test_without_a_clock_each_start_has_a_message_until_the_cap_is_spent_twice():
    """No day would end there: only an answer brings the time, and somebody has to ask for it."""
    bench = unset(30)

    async def opening(bench):
        with_cap(bench, 2)
        bench.relay.hurry()
        await asyncio.sleep_ms(10 * MINUTE_MS)
        assert bench.relay.sms_left_today == 0
        return [frame.read_header(octets).sealed for octets in bench.post.frames]

    for sealed in ([False, True], [True], [True], [], []):
        assert bench.run(opening) == sealed
        bench.power_cut()
    octets = acknowledgement_frame(bench.ledger, 1, 5, time_s=bench.ledger.now_s() + DAY_S)

    async def answered(bench):
        await bench.relay.received(octets)
        return await opening(bench)

    assert len(bench.run(answered)) == 2


def test_without_a_clock_a_day_of_running_has_a_message():
    bench = unset(30)

    async def story(bench):
        with_cap(bench, 1)
        bench.relay.hurry()
        await asyncio.sleep_ms(10 * MINUTE_MS)
        bench.relay.hurry()
        await asyncio.sleep_ms(1000 * DAY_S - 20 * MINUTE_MS)
        before = len(bench.post.frames)
        await asyncio.sleep_ms(20 * MINUTE_MS)
        return before, len(bench.post.frames)

    assert bench.run(story) == (1, 2)


def test_a_policy_without_messages_sends_none_without_a_clock_either():
    bench = unset(8)

    async def story(bench):
        with_cap(bench, 0)
        bench.relay.hurry()
        await asyncio.sleep_ms(10 * MINUTE_MS)
        return bench.post.tries

    assert bench.run(story) == 0


def test_the_next_day_has_its_own_messages():
    bench = behind_its_records(12)
    bench.keeper.now_s = MIDNIGHT_S + 600 - YEARS_S

    async def morning(bench):
        with_cap(bench, 1)
        bench.relay.hurry()
        await asyncio.sleep_ms(10 * MINUTE_MS)
        return len(bench.post.frames), bench.relay.sms_left_today

    for _ in range(2):
        assert bench.run(morning) == (1, 0)
        bench.power_cut()
        assert bench.run(morning) == (0, 0)
        bench.keeper.now_s += DAY_S
        bench.power_cut()
    assert bench.ledger.now_s() - bench.keeper.now_s > YEARS_S - 10 * DAY_S
