"""Driver: short frames of any records, as the relay cuts them: literally, under the context in force, or of older records."""

import asyncio
import json

from firmware.relay.frames import Frames
from firmware.relay.outbox import Batch
from protocol.context import Context
from tests.bench import reference_day
from tests.support.mp_gateway import uplink_cipher

CONTEXT = reference_day.build().context
BARE = Context(CONTEXT.roster, CONTEXT.policy, {})
FIRST = 7


class Slot:
    """A record as the journal gives it."""

    def __init__(self, payload):
        self.payload = payload
        self.seal = bytes(64)


class Books:
    """As much of a ledger as making frames takes."""

    kid = 42

    def __init__(self, payloads):
        self._slots = [Slot(payload) for payload in payloads]
        self._counter = 0
        self.quiet = asyncio.Event()
        self.quiet.set()

    def records_from(self, first, count):
        return self._slots[first - FIRST : first - FIRST + count]

    def next_counter(self):
        self._counter += 1
        return self._counter


async def good(_sequence):
    """Each seal holds."""
    return True


async def cut(payloads, how, seal_now, in_parts):
    """(frames in hex, records in them) until all have left; the last of them is the head of the chain."""
    frames = Frames(Books(payloads), uplink_cipher, lambda: 0, good)
    last = FIRST + len(payloads) - 1
    first = FIRST
    found = []
    while first <= last:
        batch = Batch(first, last, how == "literal", how == "older", True, None)
        batch.context = {"literal": None, "current": CONTEXT, "older": BARE}[how]
        made, count = await frames.short(batch, seal_now, in_parts)
        found.append([[octets.hex() for octets in made], count])
        first += count
    return found


def handle(request):
    payloads, how, seal_now, in_parts = json.loads(request)
    return json.dumps(
        asyncio.run(cut([bytes.fromhex(payload) for payload in payloads], how, seal_now, in_parts))
    ).encode()
