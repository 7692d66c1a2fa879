"""Driver: a terminal's console in virtual time; octets typed in, octets that came back. Its books hold some sales.

`handle(b"?")` gives what the gateway would send, an acknowledgement of everything, as a carry file; `handle(b"")` how far
records are sealed; else the octets are typed, and the answer is what came back.
"""

import asyncio

from firmware import main

main.load()

from firmware.carry.usb import CarryCommands  # noqa: E402
from firmware.console.console import Console  # noqa: E402
from firmware.console.lines import Lines  # noqa: E402
from protocol import carry  # noqa: E402
from tests.support.mp_gateway import acknowledgement_frame  # noqa: E402
from tests.support.mp_line import Line  # noqa: E402
from tests.unit.micropython.relay_bench import Bench  # noqa: E402

SALES = 50
bench = Bench(SALES)
bench.opens = False


def handle(request):
    if request == b"?":
        return carry.pack(acknowledgement_frame(bench.ledger, 1, bench.ledger.journal.sequence))
    if not request:
        return b"%d" % bench.ledger.marks.sealed_through
    return bench.run(lambda bench: typed(bench, request))


async def typed(bench, octets):
    """Each request is a whole conversation: lines typed one after the other, as soon as an answer came."""
    cable = Line()
    work = CarryCommands(bench.ledger, bench.relay, lambda: True)
    task = asyncio.create_task(Console(Lines(cable, bench.time), work.commands).run(lambda: None))
    try:
        for line in octets.split(b"\n"):
            cable.incoming += line + b"\n"
            await asyncio.sleep_ms(500)
        await asyncio.sleep_ms(20_000)
        return bytes(cable.outgoing)
    finally:
        task.cancel()
