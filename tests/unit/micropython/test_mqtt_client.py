"""The MQTT client over a played link, in virtual time: order, acknowledgement after handling, and every way to fail."""

import asyncio

from firmware.relay.link import LinkError
from firmware.relay.mqtt_client import CONNACK_TIMEOUT_MS, MqttClient
from firmware.relay.mqtt_packets import REMAINING_MAX, MqttError
from tests.support.mp_broker import CONNACK, Keeper, PlayedLink, message, payload_of, polite, retained
from tests.support.mp_virtual_time import VirtualTime

KEEPALIVE_S = 60


def lived(story, answer=polite, opens=True):
    """Run `story(client, link, time)` in virtual time."""
    time = VirtualTime(1_790_000_000)

    async def live():
        link = PlayedLink(answer, opens)
        client = MqttClient(link, "id", "user", "secret", KEEPALIVE_S, time)
        return await story(client, link, time)

    return time.run(live())


async def failure_of(work):
    """The error with which it ends."""
    try:
        await work
    except (LinkError, MqttError) as error:
        return error
    raise AssertionError("it did not fail")


async def nothing(payload):
    return True


def test_it_connects_and_subscribes_with_the_persistent_session():
    async def story(client, link, time):
        await client.open("down")
        assert client.connected
        return link.written

    connect, subscribe = lived(story)
    assert connect[0] == 0x10 and connect[9] & 0x02 == 0
    assert subscribe[0] == 0x82 and subscribe[4:] == b"\x00\x04down\x01"


def test_a_broker_that_refuses_is_said_in_words():
    async def story(client, link, time):
        return str(await failure_of(client.open("down")))

    assert "not authorized" in lived(story, lambda packet: b"\x20\x02\x00\x05")
    assert "before CONNACK" in lived(story, lambda packet: b"\x40\x02\x00\x05")
    assert "CONNACK: 3 octets" in lived(story, lambda packet: b"\x20\x03\x00\x00\x00")


def test_a_broker_that_never_answers_is_given_up():
    async def story(client, link, time):
        started = time.ticks_ms()
        error = await failure_of(client.open("down"))
        return str(error), time.ticks_diff(time.ticks_ms(), started)

    text, waited_ms = lived(story, lambda packet: b"")
    assert text == "no CONNACK"
    assert waited_ms == CONNACK_TIMEOUT_MS


def test_a_link_that_does_not_open_is_its_own_error():
    async def story(client, link, time):
        return type(await failure_of(client.open("down")))

    assert lived(story, opens=False) is LinkError


def test_publish_returns_when_the_broker_has_taken_it():
    async def story(client, link, time):
        await client.open("down")
        reader = asyncio.create_task(client.serve(nothing))
        await client.publish("up", b"frame", 1000)
        await client.publish("up", b"frame 2", 1000)
        reader.cancel()
        return link.written[2:]

    first, second = lived(story)
    assert (payload_of(first), payload_of(second)) == (b"frame", b"frame 2")
    assert first[6:8] != second[6:8]


def test_publish_fails_when_the_broker_does_not_take_it_in_time():
    async def story(client, link, time):
        await client.open("down")
        reader = asyncio.create_task(client.serve(nothing))
        link.answer = lambda packet: b"\x40\x02\x70\x00"
        started = time.ticks_ms()
        error = await failure_of(client.publish("up", b"frame", 5000))
        reader.cancel()
        return str(error), time.ticks_diff(time.ticks_ms(), started)

    assert lived(story) == ("no PUBACK", 5000)


def test_a_message_is_acknowledged_only_after_it_was_handled():
    async def story(client, link, time):
        await client.open("down")
        seen = []
        go_on = asyncio.Event()

        async def handle(payload):
            seen.append(payload)
            await go_on.wait()
            return True

        reader = asyncio.create_task(client.serve(handle))
        link.feed(message(b"one", 7))
        await asyncio.sleep_ms(100)
        assert seen == [b"one"]
        assert link.kinds() == [1, 8]
        go_on.set()
        await asyncio.sleep_ms(100)
        reader.cancel()
        return link.written[2:]

    assert lived(story) == [b"\x40\x02\x00\x07"]


def test_a_message_that_is_not_done_with_is_not_acknowledged_and_stops_no_other():
    async def story(client, link, time):
        await client.open("down")

        async def handle(payload):
            return payload != b"later"

        reader = asyncio.create_task(client.serve(handle))
        link.feed(message(b"later", 7) + message(b"now", 8))
        await asyncio.sleep_ms(10)
        reader.cancel()
        return link.written[2:]

    assert lived(story) == [b"\x40\x02\x00\x08"]


def test_a_message_without_quality_is_handled_and_not_acknowledged():
    async def story(client, link, time):
        await client.open("down")
        seen = []

        async def handle(payload):
            seen.append(payload)
            return True

        reader = asyncio.create_task(client.serve(handle))
        link.feed(b"\x30\x06\x00\x01tabc")
        await asyncio.sleep_ms(10)
        reader.cancel()
        return seen, link.kinds()

    assert lived(story) == ([b"abc"], [1, 8])


def test_messages_may_come_before_the_subscription_is_answered_and_in_pieces():
    async def story(client, link, time):
        link.answer = lambda packet: CONNACK if packet[0] == 0x10 else b""
        await client.open("down")
        seen = []

        async def handle(payload):
            seen.append(payload)
            return True

        reader = asyncio.create_task(client.serve(handle))
        for octet in message(b"queued", 9) + b"\x90\x03\x00\x01\x01" + message(b"next", 10):
            link.feed(bytes((octet,)))
            await asyncio.sleep_ms(1)
        reader.cancel()
        return seen

    assert lived(story) == [b"queued", b"next"]


def session_failure(octets):
    """What ends a session in which the broker sends `octets`."""

    async def story(client, link, time):
        await client.open("down")
        link.feed(octets)
        return str(await failure_of(client.serve(nothing)))

    return lived(story)


def test_what_breaks_the_protocol_ends_the_session():
    assert "quality 1 was not granted" in session_failure(b"\x90\x03\x00\x01\x80")
    assert "quality 1 was not granted" in session_failure(b"\x90\x03\x00\x01\x00")
    assert "a second one" in session_failure(CONNACK)
    assert "more than 4 octets" in session_failure(b"\x30\x80\x80\x80\x80\x01")
    over = REMAINING_MAX + 1
    length = bytes((over & 0x7F | 0x80, over >> 7 & 0x7F | 0x80, over >> 14))
    assert "over" in session_failure(b"\x30" + length)
    assert "not for a client" in session_failure(b"\x50\x02\x00\x01")


def test_an_acknowledgement_of_nothing_is_passed_over():
    async def story(client, link, time):
        await client.open("down")
        reader = asyncio.create_task(client.serve(nothing))
        link.feed(b"\x40\x02\x12\x34")
        await asyncio.sleep_ms(10)
        await client.publish("up", b"frame", 1000)
        reader.cancel()
        return True

    assert lived(story)


def test_a_broker_that_closes_ends_the_session():
    async def story(client, link, time):
        await client.open("down")
        link.fail()
        return type(await failure_of(client.serve(nothing)))

    assert lived(story) is LinkError


def test_pings_keep_the_session_while_the_broker_answers():
    async def story(client, link, time):
        await client.open("down")
        reader = asyncio.create_task(client.serve(nothing))
        keeper = asyncio.create_task(client.keep_alive())
        await asyncio.sleep_ms(10 * KEEPALIVE_S * 1000)
        alive = not keeper.done() and not reader.done()
        reader.cancel()
        keeper.cancel()
        return alive, link.kinds().count(12)

    alive, pings = lived(story)
    assert alive
    assert pings in (19, 20)


def test_a_silent_broker_ends_the_session_after_one_and_a_half_keepalives():
    async def story(client, link, time):
        await client.open("down")
        link.answer = lambda packet: b""
        reader = asyncio.create_task(client.serve(nothing))
        started = time.ticks_ms()
        error = await failure_of(client.keep_alive())
        reader.cancel()
        return str(error), time.ticks_diff(time.ticks_ms(), started)

    text, waited_ms = lived(story)
    assert text == "broker is silent"
    assert 1500 * KEEPALIVE_S < waited_ms <= 2000 * KEEPALIVE_S


def test_leaving_says_goodbye_and_closes_the_link():
    async def story(client, link, time):
        await client.open("down")
        await client.close()
        return link.written[-1], link.closed

    assert lived(story) == (b"\xe0\x00", 1)


def test_leaving_a_dead_link_is_no_error():
    async def story(client, link, time):
        await client.open("down")
        link.fail()
        await client.close()
        return link.closed

    assert lived(story) == 1


def test_packet_ids_go_round_and_never_take_one_that_is_awaited():
    async def story(client, link, time):
        client._packet_id = 0xFFFE
        client._awaited = {1: False, 0xFFFF: False}
        return [client._next_id(), client._next_id()]

    assert lived(story) == [2, 3]


OFFER = "lumbung/1/release/offer"


def fetched(keeper, story):
    """What `story(client, link)` gives while the session is read; with what was handled as a frame."""
    handled = []

    async def note(payload):
        handled.append(payload)
        return True

    async def live(client, link, time):
        await client.open("down")
        reader = asyncio.create_task(client.serve(note))
        try:
            return await story(client, link), handled
        finally:
            reader.cancel()

    return lived(live, keeper.answer)


def test_what_the_broker_keeps_is_fetched_and_nothing_stays_subscribed():
    keeper = Keeper({OFFER: bytes(5000), OFFER + "2": b"x"})

    async def story(client, link):
        first = await client.fetch(OFFER, 1000)
        second = await client.fetch(OFFER + "2", 1000)
        return [first, second, await client.fetch(OFFER, 1000)]

    assert fetched(keeper, story) == ([bytes(5000), b"x", bytes(5000)], [])
    assert keeper.left == keeper.asked == [OFFER, OFFER + "2", OFFER]


def test_what_the_broker_does_not_keep_or_give_is_none():
    keeper = Keeper({OFFER: b"x"})

    async def story(client, link):
        nothing_there = await client.fetch(OFFER + "2", 1000)
        keeper.refuses = True
        return nothing_there, await client.fetch(OFFER, 1000), client.connected

    assert fetched(keeper, story) == ((None, None, True), [])


def test_what_is_kept_is_never_taken_for_a_frame_nor_for_what_is_fetched_now():
    keeper = Keeper({OFFER: b"x"})

    async def story(client, link):
        link.feed(retained(OFFER.encode(), b"late") + retained(b"lumbung/1/release/0/0", b"other"))
        link.feed(message(b"stray", 9, b"lumbung/1/release/1"))
        await asyncio.sleep_ms(10)
        taken = await client.fetch(OFFER, 1000)
        return taken, [packet for packet in link.written if packet[0] >> 4 == 4]

    assert fetched(keeper, story) == ((b"x", [b"\x40\x02\x00\x09"]), [])


def test_a_withdrawal_that_comes_while_fetching_is_none():
    async def story(client, link):
        link.feed(retained(OFFER.encode(), b""))
        return await client.fetch(OFFER, 1000)

    assert fetched(Keeper(), story) == (None, [])
