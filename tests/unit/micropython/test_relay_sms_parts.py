"""What fits no message goes in parts: any record, and any last record with its seal, gets out by short messages."""

import asyncio

from protocol import frame, parts, records
from protocol.context import Context
from protocol.policy import Channels
from tests.support.mp_books import card_key, make_proof, redeem
from tests.support.mp_gateway import acknowledgement_frame, uplink_cipher
from tests.unit.micropython.relay_bench import SEND_MS, Bench

TIMEOUT_S = 120
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def without_broker(sales):
    """A bench whose broker cannot be reached."""
    bench = Bench(sales, by_sms=True)
    bench.opens = False
    return bench


def held(bench):
    """(sequence, octets) of what the journal holds."""
    ledger = bench.ledger
    slots = ledger.records_from(1, ledger.journal.sequence)
    return [(place + 1, slots[place].payload) for place in range(len(slots))]


def redeem_much(ledger):
    """A redemption as long as they come, all of it unexpected."""
    proof = make_proof()
    proof.iad = bytes(range(32))
    proof.tvr = b"\x11\x22\x33\x44\x55"
    return ledger.commit(
        ledger.record(
            records.REDEMPTION,
            programme=1,
            period=ledger.grants[1].period,
            tender=records.TENDER_GOODS,
            amount_rupiah=5000,
            card_key=card_key(2),
            lease=1,
            method=records.METHOD_AID_PIN,
            flags=0,
            reason=0,
            proof=proof,
            items=tuple([(1 + i, 101 + i, 12345 + i) for i in range(8)]),
        ),
        2,
    )


def put_together(bench):
    """Frames of records in the order in which they left, those that went in parts whole."""
    assembly = parts.Assembly()
    found = []
    for octets in bench.post.frames:
        header = frame.read_header(octets)
        if header.frame_class == frame.CLASS_RECORDS:
            found.append(octets)
        elif header.codec == frame.UP_PART:
            _, body = frame.open_counter(octets, uplink_cipher())
            whole = assembly.take(parts.decode_up(body))
            if whole is not None:
                found.append(whole[1])
    return found


def out_in_parts(bench):
    """What `ranges` gives, of whole frames, after everything left; all of them open."""
    opened = set()
    found = []
    ledger = bench.ledger
    for octets in put_together(bench):
        header = frame.read_header(octets)
        made = frame.open_records(
            octets, [Context(ledger.roster, ledger.policy, ledger.grants)], uplink_cipher()
        )
        opened.update([(header.first + place, made.records[place]) for place in range(header.count)])
        found.append((header.first, header.first + header.count - 1, header.codec, header.sealed))
    assert opened == set(held(bench))
    return found


def test_a_record_that_fits_no_message_goes_in_parts():
    """PRT-04."""
    bench = without_broker(1)
    bench.ledger.context = None  # nothing is adopted: all travels literally
    redeem_much(bench.ledger)
    redeem(bench.ledger, 1, 100)

    async def story(bench):
        bench.relay.hurry()
        await asyncio.sleep_ms(HOUR_MS)
        return out_in_parts(bench)

    # The last one's seal fits no message either, beside a literal record.
    assert bench.run(story) == [(1, 2, 0, False), (3, 4, 0, False), (5, 5, 0, False), (6, 6, 0, True)]
    assert bench.ledger.sms_sent_today == 7


def test_a_last_record_that_its_seal_does_not_fit_beside_goes_sealed_in_parts():
    """PRT-04: or nobody could prove it before the next sale."""
    bench = without_broker(0)
    redeem_much(bench.ledger)

    async def story(bench):
        bench.relay.hurry()
        await asyncio.sleep_ms(HOUR_MS)
        return out_in_parts(bench)[-1]

    assert bench.run(story) == (4, 4, 1, True)


def test_parts_go_on_where_the_days_messages_or_the_network_ended():
    bench = without_broker(0)
    rules = bench.ledger.policy.channels = Channels()
    rules.sms_per_day = 3
    redeem_much(bench.ledger)

    async def story(bench):
        bench.relay.hurry()
        await asyncio.sleep_ms(MINUTE_MS)
        assert bench.ledger.sms_sent_today == 3
        bench.post.fails = True
        rules.sms_per_day = 4
        bench.relay.hurry()
        await asyncio.sleep_ms(MINUTE_MS)
        assert bench.ledger.sms_sent_today == 4
        bench.post.fails = False
        rules.sms_per_day = 5
        bench.relay.hurry()
        await asyncio.sleep_ms(MINUTE_MS)
        assert bench.ledger.sms_sent_today == 5
        return out_in_parts(bench)

    assert bench.run(story) == [(1, 2, 0, False), (3, 3, 0, False), (4, 4, 1, True)]


def test_an_answer_ends_parts_that_are_on_their_way():
    bench = without_broker(1)
    bench.ledger.context = None
    redeem_much(bench.ledger)

    async def story(bench):
        bench.relay.hurry()
        while len(bench.post.frames) < 3:
            await asyncio.sleep_ms(SEND_MS)
        await bench.relay.received(acknowledgement_frame(bench.ledger, 1, 5))
        await asyncio.sleep_ms(HOUR_MS)
        return bench.post.frames

    found = [frame.read_header(octets) for octets in bench.run(story)]
    assert [header.frame_class for header in found[:2]] == [frame.CLASS_RECORDS] * 2
    assert [header.codec for header in found[2:]] == [frame.UP_PART, frame.UP_PART, frame.UP_STATUS], (
        "the second one was on its way"
    )


def test_where_no_counters_can_be_burned_for_parts_the_other_records_leave():
    """Flash that takes nothing any more still gives what it has."""
    bench = without_broker(0)
    redeem_much(bench.ledger)
    for family in (1, 2, 3):
        redeem(bench.ledger, family, 100)

    async def story(bench):
        bench.ledger.context = None  # nothing can be adopted: all travels literally
        bench.ledger.journal.is_exhausted = True
        bench.relay.hurry()
        await asyncio.sleep_ms(HOUR_MS)
        headers = [frame.read_header(octets) for octets in bench.post.frames]
        return [
            (header.first, header.first + header.count - 1, header.sealed)
            for header in headers
            if header.frame_class == frame.CLASS_RECORDS
        ]

    # The fourth fits no message at all, the last one's seal none beside it.
    assert bench.run(story) == [(1, 2, False), (3, 3, False), (5, 5, False), (6, 6, False), (7, 7, False)]
