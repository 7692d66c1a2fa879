"""Messages that get lost, doubled, late and overtaken, both ways: in the end all is sealed, and never beyond the cap."""

import asyncio

from protocol import frame
from protocol.policy import Channels
from tests.support.mp import seed
from tests.support.mp_books import redeem
from tests.support.mp_gateway import acknowledgement_frame
from tests.unit.micropython.relay_bench import Bench

TIMEOUT_S = 120
HOUR_MS = 3_600_000
DAYS = 5  # ticks of the small build reach no further than six


class Dice:
    """Numbers by a seed (xorshift)."""

    def __init__(self, value):
        self._state = value % 0xFFFFFFFF + 1

    def below(self, size):
        state = self._state
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        self._state = state
        return (state >> 3) % size


class Gateway:
    """What a gateway has of one terminal's chain: records that came, and seals among them."""

    def __init__(self, bench, dice):
        self._bench = bench
        self._dice = dice
        self._held = set()
        self._seals = set()
        self._counter = 0
        self.sealed = 0
        self.heard = 0

    def take(self, octets):
        """A frame."""
        header = frame.read_header(octets)
        self.heard += 1
        if header.frame_class != frame.CLASS_RECORDS:
            return
        last = header.first + header.count - 1
        self._held.update(range(header.first, last + 1))
        if header.sealed:
            self._seals.add(last)
        reach = self.sealed
        while reach + 1 in self._held:
            reach += 1
            if reach in self._seals:
                self.sealed = reach

    def gaps(self):
        """What is missing before something that came."""
        found = []
        missing = [n for n in range(self.sealed + 1, max(self._held, default=0)) if n not in self._held]
        for number in missing:
            if found and found[-1][0] + found[-1][1] == number:
                found[-1] = (found[-1][0], found[-1][1] + 1, False)
            else:
                found.append((number, 1, False))
        return tuple(found[:2])

    def answer(self):
        """An acknowledgement of how things stand."""
        self._counter += 1
        time_s = self._bench.ledger.now_s()
        return acknowledgement_frame(
            self._bench.ledger, self._counter, self.sealed, gaps=self.gaps(), time_s=time_s
        )


class Air:
    """Loses a quarter of everything, doubles a tenth; the rest takes minutes or hours."""

    def __init__(self, dice):
        self._dice = dice

    async def carry(self, octets, deliver):
        if self._dice.below(4) == 0:
            return
        for _ in range(1 + (self._dice.below(10) == 0)):
            await asyncio.sleep_ms(1000 + self._dice.below(HOUR_MS * (1 + 4 * (self._dice.below(5) == 0))))
            await deliver(octets)


def live(number):
    dice = Dice(number)
    bench = Bench(40, by_sms=True, by_mqtt=False)
    flying = []

    async def story(bench):
        channels = Channels()
        channels.sms_resend_s = 3600
        bench.ledger.policy.channels = channels
        gateway = Gateway(bench, dice)
        air = Air(dice)

        async def up(octets):
            gateway.take(octets)
            flying.append(asyncio.create_task(air.carry(gateway.answer(), bench.relay.received)))

        seen = 0
        for hour in range(DAYS * 24):
            if hour in (20, 30, 50):
                for family in range(8):
                    redeem(bench.ledger, family, 100)
                bench.relay.wake()
            await asyncio.sleep_ms(HOUR_MS)
            for octets in bench.post.frames[seen:]:
                flying.append(asyncio.create_task(air.carry(octets, up)))
            seen = len(bench.post.frames)
            if hour > 50 and bench.ledger.marks.sealed_through == bench.ledger.journal.sequence:
                return hour, seen, gateway.heard
        raise AssertionError(
            "seed %d: sealed %d of %d here, %d there, %d messages, gaps %s"
            % (
                number,
                bench.ledger.marks.sealed_through,
                bench.ledger.journal.sequence,
                gateway.sealed,
                seen,
                gateway.gaps(),
            )
        )

    return bench.run(story, (24 * DAYS + 10) * HOUR_MS)


def test_whatever_gets_lost_all_is_sealed_in_the_end_and_at_a_bounded_cost():
    hours, messages, heard = live(seed())
    assert messages <= 100, (hours, messages, heard)
