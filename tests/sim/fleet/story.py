"""What happens in a run, drawn by its seed: shop hours, sales, signal, power cuts, and the faults of everything else."""

from __future__ import annotations

import random
from dataclasses import dataclass

from firmware.ledger.document_area import GRANT_FIRST
from gateway.publish import Order
from hardware.nor_faults import TEARS
from tests.sim.fleet import invariants, takeovers
from tests.sim.fleet.bank import DOWN, FINE
from tests.sim.fleet.district import GRANTED_RUPIAH, SEMBAKO
from tests.sim.fleet.gateway import KILL_POINTS
from tests.sim.fleet.seat import Seat
from tests.sim.fleet.world import DAY_MS, HOUR_MS, MINUTE_MS, World

YEAR_S = 365 * 86400
# What is counted and is no fault.
WORK = (
    "sales",
    "voids",
    "receipts of goods",
    "refused with",
    "messages up",
    "messages down",
    "commits refused",
    "armed:",
    "files carried",
    "answers carried in",
    "QR codes carried",
    "drained by",
    "rosters changed",
    "frames coded without grants",
    "late sales",
    "rosters put in force",
)
# How wrong a terminal's clock may be; None: its battery is dead. One that is years ahead ends all sales once a record says so.
CLOCKS_AHEAD_S = (None, None, None, -2 * YEAR_S, -2 * YEAR_S, -YEAR_S // 2, -86_400, 3600, 2 * YEAR_S)
# How often a new roster does not wait for the gateway's answers.
VISITS = 0.5
# How a terminal is reached in one opening of its shop, and how often.
ONLINE, FLAKY, HILL, BLANK = "online", "flaky", "sms", "nothing"
WAYS = (ONLINE, ONLINE, FLAKY, FLAKY, HILL, HILL, BLANK, BLANK)


@dataclass(frozen=True)
class Measure:
    """How much of everything: `terminals`, `days`, openings of a shop and sales in each; `replaced`: terminals that die and come
    back when others have their leases.
    """

    terminals: int = 3
    days: int = 3
    openings: int = 2
    sales: int = 4
    replaced: int = 0


class Story:
    """All that is going to happen, as events of the world; nothing is drawn later but by the parts themselves."""

    def __init__(self, world: World, measure: Measure) -> None:
        self._world = world
        self._measure = measure
        self._clock = world.clock
        self._end_ms = measure.days * DAY_MS

    def plan(self) -> None:
        """Put everything into the world's future."""
        for seat in self._world.seats:
            self._plan_seat(seat, self._clock.dice(f"seat {seat.kid}"))
        dice = self._clock.dice("faults")
        self._plan_broker(dice)
        self._plan_gateway(dice)
        self._plan_bank(dice)
        self._plan_forgers(dice)
        self._plan_roster(dice)
        dice = self._clock.dice("replaced")
        for seat in dice.sample(self._world.seats, self._measure.replaced):
            self._plan_replacement(seat, dice)

    def _times(self, dice: random.Random, per_day: float) -> list[int]:
        """Moments within the shops' hours, where there is something to break."""
        count = max(1, round(per_day * self._measure.days))
        return sorted(self._moment(dice) for _ in range(count))

    def _moment(self, dice: random.Random) -> int:
        return dice.randrange(self._measure.days) * DAY_MS + dice.randint(8 * HOUR_MS, 17 * HOUR_MS)

    # Shops.

    def _plan_seat(self, seat: Seat, dice: random.Random) -> None:
        """Every day that is still to come."""
        for day in range(-(-self._clock.now_ms // DAY_MS), self._measure.days):
            begin_ms = day * DAY_MS + 8 * HOUR_MS
            for _ in range(self._measure.openings):
                begin_ms += dice.randint(0, 90 * MINUTE_MS)
                begin_ms = self._plan_opening(seat, dice, begin_ms)

    def _plan_replacement(self, seat: Seat, dice: random.Random) -> None:
        """A terminal sells where nobody hears of it, and dies. Another one opens at its place. Hours later it comes back, and
        its operator goes on with it until it hears of that.
        """
        world, clock = self._world, self._clock
        dies_ms = self._moment(dice)
        exposure_rupiah = dice.choice((0, 20_000, 100_000))

        def goes_on(new: Seat) -> None:
            self._plan_opening(new, clock.dice(f"seat {new.kid} at once"), clock.now_ms + HOUR_MS)
            self._plan_seat(new, clock.dice(f"seat {new.kid}"))

        self._plan_opening(seat, dice, dies_ms - 25 * MINUTE_MS, BLANK)
        clock.at(dies_ms, lambda: takeovers.replace(world, seat, exposure_rupiah, goes_on))
        returns_ms = dies_ms + dice.randint(2 * HOUR_MS, 5 * HOUR_MS)
        clock.at(returns_ms - 1000, lambda: takeovers.find(world, seat))
        self._plan_opening(seat, dice, returns_ms, dice.choice((BLANK, FLAKY)))
        self._plan_opening(seat, dice, returns_ms + HOUR_MS, dice.choice((ONLINE, HILL)))

    def _plan_opening(self, seat: Seat, dice: random.Random, begin_ms: int, way: str = "") -> int:
        """One opening of a shop; returns its end."""
        way = way or dice.choice(WAYS)
        length_ms = dice.randint(8, 20) * MINUTE_MS if way != HILL else dice.randint(30, 60) * MINUTE_MS
        end_ms = begin_ms + length_ms
        world, clock = self._world, self._clock
        clock.at(begin_ms, lambda: self._open(seat, way))
        clock.at(end_ms, lambda: self._close(seat))
        if way == FLAKY:
            at_ms = begin_ms
            while (at_ms := at_ms + dice.randint(15_000, 240_000)) < end_ms:
                is_there = dice.random() < 0.5
                clock.at(at_ms, lambda is_there=is_there: world.set_net(seat, is_there))
        for _ in range(dice.randint(1, 2 * self._measure.sales - 1)):
            self._plan_sale(seat, dice, dice.randint(begin_ms + 1000, end_ms - 20_000))
        for order in ("void", "receive"):
            if dice.random() < 0.4:
                at_ms = dice.randint(begin_ms + 1000, end_ms - 20_000)
                clock.at(at_ms, lambda order=order: self._follow(seat, order, dice))
        if dice.random() < (0.6 if way == BLANK else 0.1):
            order = dice.choice(("carry_out", "print_codes"))
            clock.at(end_ms - 15_000, lambda: self._tell(seat, order))
        if dice.random() < 0.35:
            cut = ("cut", dice.randrange(40), dice.randrange(257), dice.choice(TEARS))
            clock.at(dice.randint(begin_ms, end_ms), lambda: self._tell(seat, *cut))
        if dice.random() < 0.25:
            clock.at(dice.randint(begin_ms, end_ms), lambda: self._unplug(seat))
        if dice.random() < 0.15:
            self._plan_wrong_clock(seat, dice, begin_ms - 1000)
        return end_ms

    def _open(self, seat: Seat, way: str) -> None:
        self._clock.note("shop", f"{seat.kid:08x}", way)
        self._world.set_net(seat, way in (ONLINE, FLAKY))
        self._world.set_signal(seat, way == HILL)
        self._world.switch_on(seat)

    def _close(self, seat: Seat) -> None:
        self._world.switch_off(seat)
        self._world.set_net(seat, False)
        self._world.set_signal(seat, False)

    def _tell(self, seat: Seat, *order: object) -> None:
        if seat.is_on:
            seat.order(*order)

    def _unplug(self, seat: Seat) -> None:
        """Off, and on again after a moment."""
        if seat.is_on:
            self._clock.count("power cuts while running")
            self._world.switch_off(seat)
            self._world.switch_on(seat)

    def _plan_sale(self, seat: Seat, dice: random.Random, at_ms: int) -> None:
        name = dice.choice(seat.place.families)
        if dice.random() < 0.05:
            # Somebody else's family: its lease is at another terminal.
            name = dice.choice([other for place in self._world.district.places for other in place.families])
        amount_rupiah = dice.randint(1, 40) * 1000
        pin = "000000" if dice.random() < 0.06 else None
        if dice.random() < 0.02:
            amount_rupiah = GRANTED_RUPIAH + 1000
        self._clock.at(at_ms, lambda: self._tell(seat, "sell", name, amount_rupiah, pin))

    def _follow(self, seat: Seat, order: str, dice: random.Random) -> None:
        """A void, or goods received, of one of the last sales that a family was told of."""
        if seat.sold:
            sequence, name, _ = dice.choice(seat.sold[-4:])
            self._tell(seat, order, name, sequence)

    def _plan_wrong_clock(self, seat: Seat, dice: random.Random, at_ms: int) -> None:
        """The clock's battery is dead, or somebody set the clock years off; a technician mends it days later."""
        ahead_s = dice.choice(CLOCKS_AHEAD_S)

        def happen() -> None:
            if not seat.is_on:
                self._clock.count("terminal clocks wrong")
                self._world.visit(seat, "clock", ahead_s)

        self._clock.at(at_ms, happen)
        self._clock.at(at_ms + dice.randint(HOUR_MS, DAY_MS), lambda: self._world.visit(seat, "clock", 0))

    # Everything else.

    def _plan_broker(self, dice: random.Random) -> None:
        self._world.gateway.broker.repeat_chance = 0.10
        self._world.gateway.broker.late_chance = 0.08
        for at_ms in self._times(dice, 6):
            down_ms, keeps = dice.randint(1_000, 300_000), dice.random() < 0.6
            self._clock.at(
                at_ms, lambda down_ms=down_ms, keeps=keeps: self._world.stop_broker(down_ms, keeps)
            )

    def _plan_gateway(self, dice: random.Random) -> None:
        gateway = self._world.gateway
        for at_ms in self._times(dice, 2):
            self._clock.at(at_ms, gateway.die)
        for at_ms in self._times(dice, 8):
            point, passes = dice.choice(KILL_POINTS), dice.randint(1, 3)
            self._clock.at(at_ms, lambda point=point, passes=passes: self._doom(point, passes))
        for at_ms in self._times(dice, 2):
            tries = dice.randint(1, 200)
            self._clock.at(at_ms, lambda tries=tries: self._fill_disk(tries))
        # Ahead is signed into acknowledgements, and terminals believe it: their leases have expired from then on.
        wrong_s = dice.choice((-20 * YEAR_S, -3 * YEAR_S, -YEAR_S, -86_400, -3600, 3 * YEAR_S))
        at_ms = self._moment(dice)
        self._clock.at(at_ms, lambda: self._set_gateway_clock(wrong_s))
        self._clock.at(at_ms + dice.randint(5 * MINUTE_MS, 3 * HOUR_MS), lambda: self._set_gateway_clock(0))

    def _doom(self, point: str, passes: int) -> None:
        self._world.gateway.doom.point, self._world.gateway.doom.passes = point, passes
        self._clock.count(f"armed: kill {point}")

    def _fill_disk(self, tries: int) -> None:
        self._clock.count("disk full")
        self._world.gateway.disk_full_tries = tries

    def _set_gateway_clock(self, ahead_s: int) -> None:
        self._clock.note("gateway clock", ahead_s)
        self._clock.count("gateway clock set")
        self._world.gateway.ahead_s = ahead_s

    def _plan_bank(self, dice: random.Random) -> None:
        bank = self._world.bank
        bank.fault_chance = 0.25

        def mood(word: str) -> None:
            self._clock.note("bank", word)
            bank.mood = word
            if word == DOWN:
                self._clock.count("settlement: down for minutes or hours")

        for at_ms in self._times(dice, 1):
            self._clock.at(at_ms, lambda: mood(DOWN))
            self._clock.at(at_ms + dice.randint(MINUTE_MS, 5 * HOUR_MS), lambda: mood(FINE))

    def _plan_roster(self, dice: random.Random) -> None:
        """A new roster: at the gateway on one day, at each terminal whenever the gateway's answers bring it, or its technician,
        who does not come to all of them, with frames of the old one still under way; then a newer grant under it that only
        the gateway has.
        """
        at_ms = dice.randint(DAY_MS // 3, max(DAY_MS // 3 + 1, self._end_ms - 20 * HOUR_MS))
        self._clock.at(at_ms, lambda: self._issue_roster(dice))

    def _issue_roster(self, dice: random.Random) -> None:
        world = self._world
        octets = world.district.new_roster()
        world.publish(Order.ROSTER, octets)
        self._clock.count("rosters changed")
        for seat in (seat for seat in world.seats if not seat.is_replaced):
            grant = world.district.grant(seat.place, octets)
            world.publish(Order.GRANT, grant, seat.kid)
            later = world.district.grant(seat.place, octets)
            visit_ms = dice.randint(MINUTE_MS, 20 * HOUR_MS)
            brought = {
                "number": len(world.district.rosters),
                "roster": octets.hex(),
                "grants": {str(GRANT_FIRST + SEMBAKO): grant.hex()},
            }
            if dice.random() < VISITS:
                self._clock.after(
                    visit_ms, lambda seat=seat, brought=brought: world.bring_roster(seat, brought)
                )
            self._clock.after(
                visit_ms + dice.randint(0, 6 * HOUR_MS),
                lambda seat=seat, later=later: world.publish(Order.GRANT, later, seat.kid),
            )

    def _plan_forgers(self, dice: random.Random) -> None:
        """Strangers: to the gateway by either way, and to terminals through the broker."""
        for at_ms in self._times(dice, 20):
            self._clock.at(at_ms, lambda: self._forge_up(dice))
        for at_ms in self._times(dice, 10):
            self._clock.at(at_ms, lambda: self._forge_down(dice))

    def _forge_up(self, dice: random.Random) -> None:
        gateway = self._world.gateway
        octets = forged(dice, list(self._world.frames_up), self._world.district.places[0].kid)
        self._clock.count("frames forged")
        if dice.random() < 0.5:
            gateway.network.reaches_gateway(octets[:140])
        else:
            gateway.broker.publish(f"lumbung/1/up/{dice.choice(self._world.seats).kid:08x}", octets)

    def _forge_down(self, dice: random.Random) -> None:
        seat = dice.choice(self._world.seats)
        self._clock.count("downlinks forged")
        octets = forged(dice, list(self._world.frames_down), seat.kid)
        self._world.gateway.broker.publish(f"lumbung/1/down/{seat.kid:08x}", octets)


def forged(dice: random.Random, overheard: list[bytes], kid: int) -> bytes:
    """What somebody without keys can make: noise, or an old frame as it was, cut, changed, or under another name."""
    kind = dice.randrange(6)
    if kind == 0 or not overheard:
        return dice.randbytes(dice.randint(1, 200))
    octets = bytearray(dice.choice(overheard))
    if kind == 1:
        return bytes(octets[: dice.randrange(len(octets)) + 1])
    if kind == 2:
        octets[dice.randrange(len(octets))] ^= 1 << dice.randrange(8)
    elif kind == 3:
        octets[1:5] = dice.randrange(1 << 32).to_bytes(4, "big")
    elif kind == 4:
        octets[1:5] = kid.to_bytes(4, "big")
    return bytes(octets)


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    seed: int
    records: int
    counts: dict[str, int]
    digest: str

    @property
    def faults(self) -> int:
        """How many things went wrong."""
        return sum(count for what, count in self.counts.items() if not what.startswith(WORK))


def tell(world: World, measure: Measure) -> Outcome:
    """A whole run: days, drain, and everything checked."""
    world.begin()
    Story(world, measure).plan()
    world.run_until(measure.days * DAY_MS)
    world.drain()
    records = invariants.check(world)
    world.clock.note("end", records)
    return Outcome(world.clock.seed, records, dict(sorted(world.clock.counts.items())), world.clock.digest)
