"""Lets the modem driver live through a random plan of faults for tests/property/test_modem_faults.py.

A request: family, seed (2 octets), then rates per thousand: lost to host, lost to modem, trouble, chatter, kept deletions,
network losses, network doubles (one octet each); then pairs (seconds to wait, what happens), see `EVENTS`.
"""

import asyncio

from firmware.drivers.modem import modem as driver
from firmware.drivers.modem.errors import ModemError
from hardware import modem_network
from hardware.modem_faults import FaultPlan
from tests.support.mp_time import ModelTime
from tests.unit.micropython.modem_bench import FAMILIES, NUMBER, Bench, counted

RATES = 7
HEAD = 3 + RATES
SETTLE_MS = 3600000
# Places with one digit only: a digit lost on the way to the modem must not make another place of it.
AT_ONCE_MAX = 6

INJECT, SEND, HANG, RESTART, OUT_OF_REACH, TALK = range(6)


class Life:
    """One modem's life under a plan; what it must never do raises AssertionError."""

    def __init__(self, request):
        rates = request[3:HEAD]
        time = ModelTime()
        network = modem_network.GsmNetwork(
            time.models, request[2] + 1, lose=4 * rates[5], double=4 * rates[6], least_ms=500, most_ms=20000
        )
        plan = FaultPlan(
            request[1] << 8 | request[2],
            lose_to_host=rates[0],
            lose_to_modem=rates[1],
            trouble=rates[2],
            chatter=4 * rates[3],
            keep=4 * rates[4],
        )
        self.bench = Bench(FAMILIES[request[0] % len(FAMILIES)], plan, network=network, time=time)
        self.events = request[HEAD:]
        self.injected = []
        self.sending = 0
        self.tasks = []
        self.failures = []
        store = self.bench.model.messages
        store.deleted = Deleted(self.bench)

    async def run(self, bench):
        bench.start()
        for at in range(0, len(self.events) - 1, 2):
            await bench.time.sleep_ms(1000 * self.events[at])
            await self.happen(self.events[at + 1] % 6)
        bench.model.faults.rest()
        bench.model.radio.in_reach = True
        await bench.until(self.is_settled, SETTLE_MS)
        # After much trouble the driver takes pauses of minutes.
        tries = 0
        while not await self.sent(b"last"):
            tries += 1
            assert tries < 10
        if self.failures:
            raise self.failures[0]

    def is_settled(self):
        """Everything that came in was handed over and deleted, and the modem works."""
        bench = self.bench
        for content in self.injected:
            if content not in bench.got:
                return False
        left = sum([len(bench.model.messages.stored(name)) for name, _ in bench.model.dialect.stores])
        return not left and not self.sending and bench.modem.state == driver.READY

    async def happen(self, event):
        bench = self.bench
        if event == INJECT:
            if len(self.injected) - len(bench.model.messages.deleted.contents) < AT_ONCE_MAX:
                content = b"down %d" % len(self.injected)
                self.injected.append(content)
                bench.network.inject(NUMBER, b"+62822", counted(content))
        elif event == SEND:
            if self.sending < 3:
                self.spawn(self.sent(b"up %d" % bench.now_ms()))
        elif event == HANG:
            bench.model._hangs = bench.model.is_on
        elif event == RESTART:
            if bench.model.is_on:
                bench.model.start(bench.time.models.now_us())
        elif event == OUT_OF_REACH:
            bench.model.radio.in_reach = not bench.model.radio.in_reach
        else:
            self.spawn(self.talk())

    def spawn(self, work):
        self.tasks.append(asyncio.create_task(self.counted(work)))

    async def counted(self, work):
        self.sending += 1
        try:
            await work
        except AssertionError as failure:
            self.failures.append(failure)
        self.sending -= 1

    async def sent(self, content):
        """Whether it went; then the network has it."""
        try:
            await self.bench.send(content)
        except ModemError:
            return False
        assert (b"+62822", content) in self.bench.network.submitted
        return True

    async def talk(self):
        """What comes through a connection is right, as far as it comes."""
        sockets = self.bench.modem.sockets
        if sockets.state:
            return
        octets = bytes(range(256)) * 4
        try:
            await sockets.open("broker", 1883)
            self.bench.internet.pipes[-1].push(octets)
            got = b""
            while len(got) < len(octets):
                got += await sockets.receive(400)
                assert octets.startswith(got)
            await sockets.send(octets)
            assert bytes(self.bench.internet.pipes[-1].sent) == octets
        except ModemError:
            return
        await sockets.close()


class Deleted:
    """The list of deletions, which only grows by what was handed over before."""

    def __init__(self, bench):
        self._bench = bench
        self.contents = []

    def append(self, pdu):
        content = pdu[-pdu[-1 - self._length(pdu)] :]
        assert content in self._bench.got, "deleted before it was handed over"
        self.contents.append(content)

    @staticmethod
    def _length(pdu):
        """The content begins with `down`; its length stands before it."""
        return len(pdu) - pdu.find(b"down")


def handle(request):
    """Live; what came of it as text."""
    life = Life(request)
    life.bench.run(life.run, 2 * SETTLE_MS + 1000 * 256 * len(request))
    counts = life.bench.counts()
    return b"%d in, %d faults, %s" % (
        len(life.injected),
        life.bench.model.faults.happened,
        " ".join(["%s %d" % (name, counts[name]) for name in sorted(counts)]).encode(),
    )
