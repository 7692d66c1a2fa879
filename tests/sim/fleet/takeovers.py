"""A terminal that dies with what nobody else has, the one that goes on with its leases, and people who look at late sales."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gateway import disputes
from gateway.disputes import PAY, REFUSE, Wish
from gateway.publish import INCOMPLETE, Order
from tests.sim.fleet.seat import Seat

if TYPE_CHECKING:
    from tests.sim.fleet.world import World


def replace(world: World, seat: Seat, exposure_rupiah: int, goes_on: Callable[[Seat], None]) -> None:
    """A terminal is gone; another one gets what the gateway states and the authority signs, and `goes_on` is told of it."""
    world.switch_off(seat)
    seat.is_lost = seat.is_replaced = True
    seat.exposure_rupiah = exposure_rupiah
    world.clock.note("lost", f"{seat.kid:08x}")
    world.clock.count("terminals replaced")

    def retired(told: dict[str, Any]) -> None:
        district = world.district
        statement = bytes.fromhex(told["octets"])
        place, decided = district.take_over(seat.place, statement, exposure_rupiah)
        new = Seat(place)
        world.clock.note("replaced", f"{seat.kid:08x}", f"{new.kid:08x}", *sorted(place.leased.items()))
        world.add(new)
        world.publish(Order.TAKEOVER, decided)
        if place.roster != district.rosters[-1]:
            world.publish(Order.GRANT, district.grant(place, district.rosters[-1]), new.kid)
        goes_on(new)

    world.publish(Order.RETIRE, INCOMPLETE, seat.kid, retired)


def find(world: World, seat: Seat) -> None:
    """A terminal that was lost is there again."""
    seat.is_lost = False
    world.clock.note("found", f"{seat.kid:08x}")


def decide(world: World) -> None:
    """Somebody looks at late sales: of each three one is to be paid, one is refused, one is left."""
    for seat in world.seats:
        for place, row in enumerate(world.reader.disputed(seat.kid)):
            world.clock.count("late sales disputed")
            verdict = (PAY, REFUSE, "")[place % 3]
            if verdict:
                wish = Wish(row.sequence, row.sequence, verdict, "Sri", "visited the family")
                world.publish(Order.DECIDE, disputes.encode(wish), seat.kid)
                world.clock.count(f"late sales decided on: {verdict}")
