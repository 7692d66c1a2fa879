"""The relay in virtual time over a played broker: pauses, resending, gaps, status, and that nothing ever stops it."""

import asyncio

from firmware.relay.link import LinkError
from firmware.relay.mqtt_way import (
    BACKOFF_MOST_MS,
    CONNECTING,
    DOWN,
    GOOD_SESSION_MS,
    RESEND_FIRST_MS,
    RESEND_MOST_MS,
    UP,
    down_topic,
    up_topic,
)
from firmware.relay.outbox import BATCH_MAX
from protocol import frame
from tests.support.mp_books import make_grant, note_event, redeem
from tests.support.mp_broker import CONNACK, polite
from tests.support.mp_gateway import (
    NEXT_GATEWAY,
    acknowledgement_frame,
    epoch_frame,
    grant_frame,
    signed_epoch,
)
from tests.unit.micropython.relay_bench import Bench

TIMEOUT_S = 120


def test_topics_name_the_kid():
    assert (up_topic(0x2A), down_topic(0x2A)) == ("lumbung/1/up/0000002a", "lumbung/1/down/0000002a")


def test_a_session_begins_with_status_and_sends_all_that_is_not_sealed():
    bench = Bench(5)

    async def story(bench):
        await asyncio.sleep_ms(500)
        assert bench.relay.state == UP
        report = bench.statuses()[0]
        assert (report.head, report.sealed_through, report.pending_rupiah) == (8, 0, 500)
        assert (report.echo_epoch, report.echo_counter, report.boot_counter) == (0, 0, 1)
        assert frame.read_header(bench.published()[0]).counter == 1
        return bench.ranges(), bench.records()

    ranges, sent = bench.run(story)
    # What was made under an older context travels literally and ends its frame.
    assert ranges == [(1, 3, 0, True), (4, 8, 1, True)]
    assert sent == [(slot.sequence, slot.payload) for slot in bench.ledger.records_from(1, 99)]


def test_the_seal_of_every_frame_is_the_stored_one_and_was_checked():
    bench = Bench(3)

    async def story(bench):
        await asyncio.sleep_ms(500)
        return [octets[-64:] for octets in bench.published()[1:]]

    seals = bench.run(story)
    stored = [slot.seal for slot in bench.ledger.records_from(1, 99)]
    assert seals == [stored[2], stored[5]]
    assert bench.checked == [3, 6]


def test_a_seal_that_does_not_verify_is_never_sent():
    bench = Bench(BATCH_MAX + 5)
    bench.bad_seals = {3, 3 + BATCH_MAX}

    async def story(bench):
        await asyncio.sleep_ms(1000)
        return bench.ranges()

    head = BATCH_MAX + 8
    expected = [(1, 3, 0, False), (4, 3 + BATCH_MAX, 1, False), (4 + BATCH_MAX, head, 1, True)]
    assert bench.run(story) == expected


def test_nothing_is_sent_beyond_the_seals_that_were_looked_at():
    bench = Bench(5)
    bench.verified_through = 0

    async def story(bench):
        await asyncio.sleep_ms(2000)
        assert bench.ranges() == []
        bench.verified_through = 6
        bench.relay.wake()
        await asyncio.sleep_ms(100)
        return bench.ranges()

    assert bench.run(story) == [(1, 3, 0, True), (4, 6, 1, True)]


def test_a_record_made_while_connected_goes_at_once():
    bench = Bench()

    async def story(bench):
        await asyncio.sleep_ms(500)
        redeem(bench.ledger, 1, 100)
        bench.relay.wake()
        await asyncio.sleep_ms(50)
        return bench.ranges()[-1]

    assert bench.run(story) == (4, 4, 1, True)


def test_an_acknowledgement_is_durable_before_the_broker_may_forget_it():
    bench = Bench(5)

    async def story(bench):
        await asyncio.sleep_ms(500)
        before = bench.ledger.journal.slots_written
        bench.send(acknowledgement_frame(bench.ledger, 1, 8, 2))
        await asyncio.sleep_ms(1000)
        assert bench.ledger.journal.slots_written == before + 1
        assert bench.ledger.marks.sealed_through == 8
        return bench.acknowledged()

    assert bench.run(story) == 1


def test_a_message_that_means_nothing_is_done_with():
    bench = Bench()

    async def story(bench):
        await asyncio.sleep_ms(500)
        bench.send(b"noise")
        await asyncio.sleep_ms(100)
        return bench.acknowledged(), bench.downlink.counts.get("Truncated"), bench.relay.state

    assert bench.run(story) == (1, 1, UP)


def test_a_grant_that_does_not_fit_into_flash_now_stays_with_the_broker():
    bench = Bench()

    async def story(bench):
        await asyncio.sleep_ms(500)
        octets = grant_frame(bench.ledger, make_grant(2))
        bench.ledger.journal.is_exhausted = True
        bench.send(octets)
        await asyncio.sleep_ms(1000)
        assert bench.acknowledged() == 0
        assert bench.relay.state == UP
        bench.ledger.journal.is_exhausted = False
        bench.send(octets)
        await asyncio.sleep_ms(1000)
        return bench.acknowledged(), bench.ledger.grants[1].number

    assert bench.run(story) == (1, 2)


def test_gaps_are_resent_as_the_gateway_asks():
    bench = Bench(12)

    async def story(bench):
        await asyncio.sleep_ms(500)
        before = len(bench.ranges())
        bench.send(acknowledgement_frame(bench.ledger, 1, 5, gaps=((6, 2, False), (9, 3, True))))
        await asyncio.sleep_ms(1000)
        return bench.ranges()[before:]

    assert bench.run(story) == [(6, 7, 1, True), (9, 11, 0, True)]


def test_without_an_acknowledgement_everything_goes_again_after_pauses_that_double():
    bench = Bench(2)

    async def story(bench):
        await asyncio.sleep_ms(500)
        moments = []
        started = bench.time.ticks_ms()
        while len(moments) < 7:
            seen = len(bench.ranges())
            while len(bench.ranges()) == seen:
                await asyncio.sleep_ms(200)
            moments.append(bench.time.ticks_diff(bench.time.ticks_ms(), started))
            await asyncio.sleep_ms(1000)
        return moments

    moments = bench.run(story)
    pause_ms = RESEND_FIRST_MS
    last = 0
    for moment in moments:
        assert pause_ms <= moment - last <= pause_ms + 4000, moments
        last = moment
        pause_ms = min(2 * pause_ms, RESEND_MOST_MS)


def test_an_acknowledgement_makes_the_pauses_short_again():
    bench = Bench(2)

    async def story(bench):
        await asyncio.sleep_ms(10 * RESEND_FIRST_MS)
        bench.send(acknowledgement_frame(bench.ledger, 1, 4))
        await asyncio.sleep_ms(500)
        seen = len(bench.ranges())
        await asyncio.sleep_ms(RESEND_FIRST_MS + 3000)
        return bench.ranges()[seen:]

    assert bench.run(story) == [(5, 5, 1, True)]


def test_all_sealed_is_quiet():
    bench = Bench(2)

    async def story(bench):
        await asyncio.sleep_ms(500)
        bench.send(acknowledgement_frame(bench.ledger, 1, 5))
        await asyncio.sleep_ms(500)
        seen = len(bench.ranges())
        await asyncio.sleep_ms(3 * 3_600_000)
        return len(bench.ranges()) - seen, len(bench.statuses()), len(bench.links)

    assert bench.run(story) == (0, 4, 1)


def test_the_next_session_sends_only_what_is_not_sealed():
    bench = Bench(5)

    async def story(bench):
        await asyncio.sleep_ms(500)
        bench.send(acknowledgement_frame(bench.ledger, 1, 6))
        await asyncio.sleep_ms(500)
        bench.links[-1].fail()
        await asyncio.sleep_ms(5000)
        assert len(bench.links) == 2
        return bench.ranges(), bench.statuses()[0].echo_counter

    assert bench.run(story) == ([(7, 8, 1, True)], 1)


def test_new_gateway_keys_bring_everything_again_that_settlement_does_not_have():
    bench = Bench(5)

    async def story(bench):
        await asyncio.sleep_ms(500)
        bench.send(acknowledgement_frame(bench.ledger, 1, 8, 4))
        await asyncio.sleep_ms(500)
        seen = len(bench.ranges())
        bench.send(epoch_frame(signed_epoch(2, NEXT_GATEWAY)))
        await asyncio.sleep_ms(1000)
        return bench.ranges()[seen:]

    assert bench.run(story) == [(5, 8, 1, True)]


def test_pauses_between_tries_grow_to_a_minute_with_a_random_part():
    bench = Bench()
    bench.opens = False

    async def story(bench):
        await asyncio.sleep_ms(20 * 60_000)
        return [link.made_ms for link in bench.links]

    moments = bench.run(story)
    pauses = [bench.time.ticks_diff(moments[i + 1], moments[i]) for i in range(len(moments) - 1)]
    expected = 1000
    for pause in pauses:
        assert expected * 3 // 2 <= pause <= expected * 3 // 2 + 1500, pauses
        expected = min(2 * expected, BACKOFF_MOST_MS)
    assert bench.relay.failures == len(moments)
    assert bench.relay.state == DOWN


def test_a_broker_that_takes_us_and_throws_us_out_is_not_stormed():
    bench = Bench()

    def rude(packet):
        return CONNACK if packet[0] >> 4 == 1 else b"\x90\x03\x00\x01\x80"

    bench.answer = rude

    async def story(bench):
        await asyncio.sleep_ms(10 * 60_000)
        return len(bench.links)

    assert bench.run(story) < 20


def test_after_a_good_session_the_next_try_comes_soon():
    bench = Bench()

    async def story(bench):
        for _ in range(3):
            await asyncio.sleep_ms(GOOD_SESSION_MS + 1000)
            assert bench.relay.state == UP
            bench.links[-1].fail()
            await asyncio.sleep_ms(4000)
        return bench.relay.sessions

    assert bench.run(story) == 4


def test_the_operator_who_wants_to_send_now_does_not_wait():
    bench = Bench(1)
    bench.opens = False

    async def story(bench):
        await asyncio.sleep_ms(10 * 60_000)
        bench.opens = True
        bench.relay.hurry()
        await asyncio.sleep_ms(300)
        return bench.relay.state, bench.ranges()

    assert bench.run(story) == (UP, [(1, 3, 0, True), (4, 4, 1, True)])


def test_nothing_that_breaks_in_a_session_ends_the_relay():
    class Odd(Exception):
        pass

    bench = Bench(1)
    errors = [Odd(), LinkError("x"), ValueError(), OSError(5)]

    async def story(bench):
        make_link = bench._make_link

        def breaking():
            if errors:
                raise errors.pop(0)
            return make_link()

        bench.relay.mqtt.make_link = breaking
        await asyncio.sleep_ms(5 * 60_000)
        return bench.relay.state, bench.relay.failures, type(bench.relay.last_error)

    assert bench.run(story) == (UP, 4, OSError)


def test_a_journal_that_takes_no_mark_sends_its_records_all_the_same():
    bench = Bench(3)
    bench.ledger.journal.is_exhausted = True

    async def story(bench):
        await asyncio.sleep_ms(500)
        return bench.statuses(), bench.ranges()

    assert bench.run(story) == ([], [(1, 3, 0, True), (4, 6, 1, True)])


def test_while_something_is_not_adopted_all_travels_literally():
    bench = Bench(3)
    bench.ledger.context = None

    async def story(bench):
        await asyncio.sleep_ms(500)
        return bench.ranges()

    assert bench.run(story) == [(1, 6, 0, True)]


def test_no_frame_is_coded_between_a_burned_number_and_its_record():
    bench = Bench(1)

    async def story(bench):
        await asyncio.sleep_ms(500)
        seen = len(bench.ranges())
        note_event(bench.ledger)
        bench.ledger.burn_un_attempt()
        bench.relay.wake()
        await asyncio.sleep_ms(500)
        assert len(bench.ranges()) == seen
        bench.ledger.abandon()
        await asyncio.sleep_ms(500)
        return bench.ranges()[seen:]

    assert bench.run(story) == [(5, 5, 1, True)]


def test_the_relay_checks_in_whatever_the_broker_does():
    for opens, answer in ((True, polite), (False, polite), (True, lambda packet: b"")):
        bench = Bench(2)
        bench.opens = opens
        bench.answer = answer

        async def story(bench):
            await asyncio.sleep_ms(10 * 60_000)

        bench.run(story)
        assert bench.watches[0].silence_ms < 30_000


def test_the_state_says_connecting_while_it_connects():
    bench = Bench()
    bench.answer = lambda packet: b""

    async def story(bench):
        await asyncio.sleep_ms(100)
        return bench.relay.state

    assert bench.run(story) == CONNECTING


def test_a_message_that_comes_twice_changes_nothing_the_second_time():
    bench = Bench(3)

    async def story(bench):
        await asyncio.sleep_ms(500)
        octets = acknowledgement_frame(bench.ledger, 1, 6)
        bench.send(octets)
        bench.send(octets)
        await asyncio.sleep_ms(1000)
        return bench.acknowledged(), bench.downlink.counts["stale"], bench.ledger.marks.sealed_through

    assert bench.run(story) == (2, 1, 6)
