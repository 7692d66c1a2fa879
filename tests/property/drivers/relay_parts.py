"""Driver: the outbox's decisions, the choice of way, the cutting of short frames, and the MQTT packets and reader, one request at a time."""

import asyncio
import json

from firmware.relay import choice, frames, mqtt_packets
from firmware.relay.link import LinkError
from firmware.relay.mqtt_client import MqttClient
from firmware.relay.mqtt_packets import MqttError
from firmware.relay.outbox import Outbox
from protocol.policy import Channels
from tests.support.mp_books import event
from tests.support.mp_broker import PlayedLink
from tests.support.mp_virtual_time import VirtualTime


def outbox(steps):
    """What each step of an outbox's life gives: for `drain` its batches, for others nothing."""
    box = Outbox()
    answers = []
    for step in steps:
        name, arguments = step[0], step[1:]
        if name == "restart":
            box.restart(arguments[0])
            answers.append(None)
        elif name == "acknowledged":
            box.acknowledged(arguments[0], [tuple(gap) for gap in arguments[1]])
            answers.append(None)
        else:
            batches = []
            while len(batches) < 1000:
                batch = box.next(*arguments)
                if batch is None:
                    break
                box.sent(batch, batch.count)
                batches.append([batch.first, batch.last, batch.literal, batch.is_older])
            answers.append(batches)
    return answers


def chosen(rules, values):
    """What is chosen under `rules` in a situation with these `values`."""
    channels = Channels()
    for name in rules:
        setattr(channels, name, rules[name])
    situation = choice.Situation()
    for name in values:
        setattr(situation, name, values[name])
    return choice.choose(channels, situation)


def cut(details, is_end, seal_now):
    """How events with details of these lengths are cut into short frames, literally: (count, whether sealed)."""
    octets = [event(i)[:10] + bytes((length,)) + bytes(length) for i, length in enumerate(details)]
    count, is_sealed = frames.cut(octets, None, 1, is_end, seal_now)
    return [count, is_sealed, sum([len(one) + 1 for one in octets[:count]])]


def packets(name, arguments):
    """A packet that the client builds, as hex."""
    octets = [bytes.fromhex(value) if isinstance(value, str) else value for value in arguments]
    return getattr(mqtt_packets, name)(*octets).hex()


def serve(octets, cut_at):
    """What a client makes of a broker's octets: messages, answers, and the kind of error that ended it."""
    time = VirtualTime(1_790_000_000)

    async def live():
        link = PlayedLink()
        client = MqttClient(link, "id", "", "", 60, time)
        await link.open()
        messages = []

        async def handle(payload):
            messages.append(payload.hex())
            return True

        reader = asyncio.create_task(ended(client.serve(handle)))
        # Long, and free: what is due at once is stamped with the host's time, which a busy host lets run ahead of this one.
        link.feed(octets[:cut_at])
        await asyncio.sleep_ms(20_000)
        link.feed(octets[cut_at:])
        await asyncio.sleep_ms(20_000)
        link.fail()
        error = await reader
        return [messages, [packet.hex() for packet in link.written], error]

    return time.run(live(), 60_000)


async def ended(work):
    """The kind of error with which the reader ends; anything but these two would end the driver's call."""
    try:
        await work
    except (LinkError, MqttError) as error:
        return type(error).__name__
    return "nothing"


def handle(request):
    name, arguments = json.loads(request)
    if name == "outbox":
        answer = outbox(arguments)
    elif name == "choose":
        answer = chosen(arguments[0], arguments[1])
    elif name == "cut":
        answer = cut(*arguments)
    elif name == "serve":
        answer = serve(bytes.fromhex(arguments[0]), arguments[1])
    else:
        answer = packets(name, arguments)
    return json.dumps(answer).encode()
