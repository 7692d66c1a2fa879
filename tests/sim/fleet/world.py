"""Terminals, networks, gateway and bank in one time: whoever is furthest behind moves next, and never past an event."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from gateway.publish import Order
from gateway.store.sqlite import SqliteReader
from protocol import carry, records
from tests.sim.fleet import invariants, takeovers
from tests.sim.fleet.bank import FINE, Bank
from tests.sim.fleet.clockwork import Clockwork
from tests.sim.fleet.district import NOW_S, SEMBAKO, District
from tests.sim.fleet.gateway import Gateway
from tests.sim.fleet.seat import Seat

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# So far a terminal may run ahead of the others: what would have come meanwhile comes at its end. By SMS nothing is that quick.
STEP_MS = 1_500
STEP_UNCONNECTED_MS = 10_000
DRAIN_MS = 24 * HOUR_MS
CARRY_LOSS = 0.1
CARRY_MS = (10 * MINUTE_MS, 36 * HOUR_MS)
HURRY_MS = 30 * MINUTE_MS
LATE_MESSAGES_MS = 3 * DAY_MS
FRAMES_KEPT = 40


class World:
    """`net`: which terminals reach the broker now; `frames_up`, `frames_down`: what a forger may have overheard."""

    def __init__(self, folder: Path, seed: int, terminals: int) -> None:
        self.clock = Clockwork(seed)
        self.district = District(folder, terminals, seed)
        self.bank = Bank(self.clock, self.district)
        data = folder / "gateway"
        data.mkdir()
        self.gateway = Gateway(data, self.clock, self.district, self.bank)
        self.reader = SqliteReader.open(data)
        self.seats = [Seat(place) for place in self.district.places]
        self.net: dict[int, bool] = {seat.kid: False for seat in self.seats}
        self.frames_up: deque[bytes] = deque(maxlen=FRAMES_KEPT)
        self.frames_down: deque[bytes] = deque(maxlen=FRAMES_KEPT)
        self.gateway.frames_up, self.gateway.frames_down = self.frames_up, self.frames_down
        self._dice = self.clock.dice("world")
        self._retired: set[int] = set()
        self._orders: list[tuple[Order, bytes, int, Callable[[dict[str, Any]], None]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        for seat in self.seats:
            seat.close()
        self.gateway.kill()
        self.reader.close()
        self.bank.books.close()

    # The first morning.

    def begin(self) -> None:
        """The authority's papers are published, terminals provisioned and registered."""
        district = self.district
        self.gateway.start()
        for order, octets in (
            (Order.EPOCH, district.epoch),
            (Order.POLICY, district.policy),
            (Order.ROSTER, district.rosters[0]),
        ):
            self.publish(order, octets)
        for seat in self.seats:
            self.furnish(seat)

    def add(self, seat: Seat) -> None:
        """One terminal more."""
        self.seats.append(seat)
        self.net[seat.kid] = False
        self.furnish(seat)

    def furnish(self, seat: Seat) -> None:
        """Keys and papers for a terminal; the gateway is told of it."""
        seat.provision(self.district)
        self.gateway.network.subscribe(seat)
        self.publish(Order.REGISTER, seat.place.certificate)
        self.publish(Order.TELEPHONE, seat.number.encode(), seat.kid)
        self.publish(Order.GRANT, seat.place.grants[SEMBAKO], seat.kid)

    # Time.

    def run_until(self, end_ms: int) -> None:
        """Let everything happen up to that moment."""
        clock = self.clock
        while True:
            event_ms = clock.next_ms
            horizon_ms = end_ms if event_ms is None else min(event_ms, end_ms)
            behind = [seat for seat in self.seats if seat.is_on and seat.now_ms < horizon_ms]
            if behind:
                seat = min(behind, key=lambda seat: (seat.now_ms, seat.kid))
                step_ms = STEP_MS if self.gateway.broker.has(seat) else STEP_UNCONNECTED_MS
                said = seat.step(min(horizon_ms, seat.now_ms + step_ms))
                clock.now_ms = max(clock.now_ms, min(seat.now_ms, horizon_ms))
                self._hear(seat, said)
            elif event_ms is not None and event_ms <= end_ms:
                clock.take()
            else:
                clock.now_ms = max(clock.now_ms, end_ms)
                return

    def _hear(self, seat: Seat, said: list[list[Any]]) -> None:
        for what, *values in said:
            getattr(self, f"_on_{what}")(seat, *values)
        invariants.check_marks(self, seat)

    # What terminals say.

    def _on_open(self, seat: Seat, number: int) -> None:
        self.gateway.broker.opens(seat, number, self.net[seat.kid])

    def _on_data(self, seat: Seat, number: int, octets: str) -> None:
        self.gateway.broker.says(seat, number, bytes.fromhex(octets))

    def _on_close(self, seat: Seat, number: int) -> None:
        self.gateway.broker.closes(seat, number)

    def _on_sms(self, seat: Seat, pdu: str) -> None:
        self.clock.note("sms up", f"{seat.kid:08x}", len(pdu) // 2)
        self.gateway.network.sent(bytes.fromhex(pdu))

    def _on_deleted(self, seat: Seat, number: int) -> None:
        self.gateway.network.terminal_deletes(seat, number)

    def _on_file(self, seat: Seat, octets: str) -> None:
        self.clock.count("files carried")
        self._on_the_road(seat, bytes.fromhex(octets))

    def _on_codes(self, seat: Seat, texts: list[str]) -> None:
        """Strips of paper with QR codes: each is photographed, or is not."""
        if not texts:
            return
        self.clock.count("QR codes carried", len(texts))
        frames = [carry.from_qr_text(text) for text in texts if self._dice.random() > CARRY_LOSS]
        self._on_the_road(seat, b"".join(carry.pack(frame) for frame in frames))

    def _on_the_road(self, seat: Seat, octets: bytes) -> None:
        """Somebody carries it to the gateway: in hours or days, once or twice, or forgets it."""
        self.clock.note("carried", f"{seat.kid:08x}", len(octets))
        if self._dice.random() < CARRY_LOSS:
            octets = octets[: self._dice.randrange(len(octets) + 1)]
            self.clock.count("carry files lost or cut")
        for _ in range(self._dice.choice((1, 1, 2))):
            self.clock.after(self._dice.randint(*CARRY_MS), lambda: self._import(seat, octets))

    def _import(self, seat: Seat, octets: bytes) -> None:
        answer = self.gateway.carry(octets, seat.kid) if self.gateway.is_running else b""
        if not answer:
            self.clock.after(HOUR_MS, lambda: self._import(seat, octets))
            return
        self.clock.note("answer", f"{seat.kid:08x}", len(answer))
        seat.letters.append(answer)
        self.clock.after(self._dice.randint(*CARRY_MS), lambda: self._bring(seat))

    def _bring(self, seat: Seat) -> None:
        """The answer comes back when there is power. Where power fails meanwhile, nobody brings it again."""
        if not seat.is_on:
            seat.awaits_letter = True
            return
        for letter in seat.letters:
            seat.order("carry_in", letter.hex())
        seat.letters.clear()

    def _on_carried_in(self, seat: Seat, outcomes: list[list[Any]]) -> None:
        self.clock.note("carried in", f"{seat.kid:08x}", outcomes)
        self.clock.count("answers carried in")

    def _on_sold(self, seat: Seat, sequence: int, name: str, amount_rupiah: int) -> None:
        assert not seat.was_locked, f"{seat.kid:08x} sold after it was told its standing"
        self.clock.note("sold", f"{seat.kid:08x}", sequence, name, amount_rupiah)
        self.clock.count("sales")
        seat.sold.append((sequence, name, amount_rupiah))

    def _on_voided(self, seat: Seat, sequence: int, name: str, sale: int) -> None:
        self.clock.note("voided", f"{seat.kid:08x}", sequence, name, sale)
        self.clock.count("voids")
        seat.followed.append((sequence, records.VOID, sale))

    def _on_received(self, seat: Seat, sequence: int, name: str, sale: int) -> None:
        self.clock.note("received", f"{seat.kid:08x}", sequence, name, sale)
        self.clock.count("receipts of goods")
        seat.followed.append((sequence, records.GOODS_RECEIVED, sale))

    def _on_refused(self, seat: Seat, number: int, name: str) -> None:
        self.clock.note("refused", f"{seat.kid:08x}", number, name)
        self.clock.count(f"refused with {number}")

    def _on_busy(self, seat: Seat, name: str) -> None:
        self.clock.note("busy", f"{seat.kid:08x}", name)

    def _on_cut(self, seat: Seat) -> None:
        """Power failed in a flash operation; it comes again soon."""
        self.clock.note("cut", f"{seat.kid:08x}")
        self.clock.count("power cuts in a flash operation")
        self.gateway.broker.lose(seat)
        life = seat.lives
        self.clock.after(self._dice.randint(2_000, 60_000), lambda: self.switch_on(seat, life))

    def _on_crash(self, seat: Seat, error: str) -> None:
        raise AssertionError(f"a task of terminal {seat.kid:08x} died: {error}\n{seat.take_log()}")

    def _on_restart(self, seat: Seat, code: int) -> None:
        """By itself a terminal starts anew for a new roster only."""
        assert code == 0, f"terminal {seat.kid:08x} stopped itself with code {code}\n{seat.take_log()}"
        self.clock.note("starts anew", f"{seat.kid:08x}")
        self.clock.count("rosters put in force by the terminal itself")
        self.switch_off(seat)
        self.switch_on(seat)

    def _on_bare(self, seat: Seat, count: int) -> None:
        self.clock.note("bare", f"{seat.kid:08x}", count)
        self.clock.count("frames coded without grants")

    # What people and the weather do.

    def switch_on(self, seat: Seat, life: int | None = None) -> None:
        """Power for a terminal; with `life` only if it had no other since."""
        if seat.is_on or seat.is_lost or (life is not None and (seat.lives != life or seat.is_closed)):
            return
        seat.is_closed = False
        self.clock.note("on", f"{seat.kid:08x}")
        seat.order("signal", seat.has_signal)
        if not seat.is_draining:
            seat.order("log_in")
        self._hear(seat, seat.switch_on(max(self.clock.now_ms, seat.now_ms)))
        if seat.is_on:
            self.gateway.network.deliver(seat)
            if seat.awaits_letter:
                seat.awaits_letter = False
                self._bring(seat)

    def switch_off(self, seat: Seat) -> None:
        """Somebody pulls the plug: the shop closes."""
        seat.is_closed = True
        if seat.is_on:
            self.clock.note("off", f"{seat.kid:08x}")
            self.gateway.broker.lose(seat)
            seat.switch_off()

    def set_net(self, seat: Seat, is_there: bool) -> None:
        """The way to the broker comes or goes."""
        self.net[seat.kid] = is_there
        if not is_there:
            self.gateway.broker.lose(seat)

    def set_signal(self, seat: Seat, is_there: bool) -> None:
        """The telephone network comes or goes."""
        seat.has_signal = is_there
        if seat.is_on:
            seat.order("signal", is_there)
            self.gateway.network.deliver(seat)

    def visit(self, seat: Seat, *order: Any) -> None:
        """A technician does something to a terminal without power; to one that is gone, nothing."""
        if seat.is_lost:
            return
        was_on = seat.is_on
        self.switch_off(seat)
        seat.switch_off(list(order))
        self.clock.note("technician", f"{seat.kid:08x}", order[0])
        if was_on:
            self.switch_on(seat)

    def bring_roster(self, seat: Seat, brought: dict[str, Any]) -> None:
        """A technician renews a terminal's roster and grants."""
        now_ms = max(self.clock.now_ms, seat.now_ms)
        self.visit(seat, "roster", brought, now_ms, NOW_S + now_ms // 1000)

    def publish(
        self,
        order: Order,
        octets: bytes,
        kid: int = 0,
        then: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        """An order for the gateway, after all orders before it; while it is down, later. `then` gets what it came to."""
        self._orders.append((order, octets, kid, then))
        if len(self._orders) == 1:
            self._obey()

    def _obey(self) -> None:
        """Give the waiting orders in their turn: a grant whose roster is not there yet would be refused."""
        while self._orders:
            order, octets, kid, then = self._orders[0]
            told: dict[str, Any] | None = {}
            if order is not Order.GRANT or kid not in self._retired:
                told = self.gateway.publish(order, octets, kid) if self.gateway.is_running else None
            if told is None:
                self.clock.after(MINUTE_MS, self._obey)
                return
            if order is Order.RETIRE:
                self._retired.add(kid)
            self._orders.pop(0)
            then(told)

    def stop_broker(self, down_ms: int, keeps_sessions: bool) -> None:
        """The broker restarts."""
        broker = self.gateway.broker
        if not broker.is_up:
            return
        self.clock.note("broker stops", keeps_sessions)
        self.clock.count("broker restarted" if keeps_sessions else "broker restarted without its sessions")
        broker.stop(keeps_sessions)
        self.clock.after(down_ms, self._start_broker)

    def _start_broker(self) -> None:
        self.gateway.broker.start()
        self.gateway.broker_is_back()

    # The last evening.

    def drain(self) -> None:
        """Every fault ends; then all records must reach the bank, and every terminal must hear of it."""
        clock, gateway = self.clock, self.gateway
        clock.note("drain")
        self.bank.mood, self.bank.fault_chance = FINE, 0.0
        gateway.broker.repeat_chance = gateway.broker.late_chance = 0.0
        gateway.network.is_faulty = False
        gateway.doom.point = ""
        gateway.disk_full_tries = 0
        gateway.ahead_s = 0
        gateway.revive()
        for seat in self.seats:
            seat.is_lost = False
            # Some never see anything but short messages; their operator asks to send now and then.
            has_net = self._dice.random() < 0.6
            clock.note("drains", f"{seat.kid:08x}", "by MQTT" if has_net else "by SMS")
            clock.count("drained by MQTT" if has_net else "drained by SMS")
            self.visit(seat, "mend")
            seat.is_draining = True
            self.set_net(seat, has_net)
            self.set_signal(seat, True)
            self.switch_on(seat)
            if not has_net:
                self._hurry(seat)
        self._until(self._is_drained, "every terminal drained")
        takeovers.decide(self)
        self._until(self._is_drained, "every terminal told of what was decided")
        for seat in self.seats:
            seat.books = seat.ask_books()
            self.switch_off(seat)
        # What is still under way by SMS comes when all is over: it must change nothing.
        self.run_until(clock.now_ms + LATE_MESSAGES_MS)

    def _hurry(self, seat: Seat) -> None:
        """Also after a technician has been there and switched it off and on."""
        if seat.books is None:
            if seat.is_on:
                seat.order("hurry")
            self.clock.after(HURRY_MS, lambda: self._hurry(seat))

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        end_ms = self.clock.now_ms + DRAIN_MS
        while not holds():
            if self.clock.now_ms >= end_ms:
                raise AssertionError(f"not within {DRAIN_MS // HOUR_MS} hours: {what}\n{self.state()}")
            self.run_until(self.clock.now_ms + MINUTE_MS)

    def _is_drained(self) -> bool:
        for seat in self.seats:
            row = self.reader.terminal(seat.kid)
            if row is None or not seat.marks[2] == seat.marks[0] == row.booked_through == row.sealed_through:
                return False
        if any(not decided.answered_ms for decided in self.reader.decisions()):
            return False
        return all(self._knows_all(seat, seat.ask_books()) for seat in self.seats)

    def _knows_all(self, seat: Seat, books: dict[str, Any]) -> bool:
        """How its sales ended; that it was replaced, or the newest roster: nobody has to come for any of it."""
        if not invariants.is_told(self, seat, books):
            return False
        return bool(books["locked"] if seat.is_replaced else books["roster"] == len(self.district.rosters))

    def state(self) -> str:
        """Where everybody stands, for a report of a failure."""
        lines = [f"settled through by the bank, outbox {self.reader.outbox_count()}"]
        for seat in self.seats:
            row = self.reader.terminal(seat.kid)
            lines.append(
                f"{seat.kid:08x} sealed {seat.marks[0]} reclaim {seat.marks[1]} head {seat.marks[2]} on {seat.is_on}"
                f" gateway {row and (row.sealed_through, row.booked_through, row.gaps, row.settlement_error)}"
            )
            if seat.is_on:
                books = seat.ask_books()
                lines.append(str({name: books[name] for name in books if name != "records"}))
            lines.append(seat.take_log())
        lines.append(str(dict(self.reader.counters())))
        return "\n".join(lines)
