"""The gateway's own parts on a real SQLite database, moved by the world instead of by threads, and killed at will.

Store, writer, ingest, acknowledger, downlinks, forwarder and settlement client are the real ones. What stands in their
place here is what would bring chance in: threads, sockets and the host's clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from functools import partial
from pathlib import Path
from typing import Any

from gateway import config, signatures
from gateway.acknowledger import Acknowledger
from gateway.batch_changes import Contact
from gateway.carrier import Carrier
from gateway.channels.channel import Receipt, Received
from gateway.down_counter import DownCounter
from gateway.downlinks import Downlinks, StoredDayCounts
from gateway.errors import GatewayError, StoreError
from gateway.forwarder import Forwarder
from gateway.publish import Order, Publication, Publisher, carry_out
from gateway.settlement import SettlementClient
from gateway.store.interface import Changes
from gateway.store.sqlite import SqliteReader, SqliteStore
from gateway.writer import Writer
from tests.sim.fleet.bank import Bank
from tests.sim.fleet.broker import Broker
from tests.sim.fleet.clockwork import Clockwork
from tests.sim.fleet.district import NOW_S, District
from tests.sim.fleet.sms import Network

TICK_MS = 1000
AWAY_MS = 15_000
IDLE_MS = 60_000
REQUESTS_A_TURN = 20
INGEST = config.Ingest(verify_threads=1, open_processes=0)
SMS = config.Sms(settle_s=30, interval_s=120, sent_per_day_max=100, grant_interval_s=3600)

# Where a kill may come: each is passed many times a day.
BEFORE_COMMIT = "before a commit"
AFTER_COMMIT = "after a commit, before the receipts"
AFTER_RECEIPT = "after the receipts"
BEFORE_DOWNLINK = "before something goes down"
AFTER_SETTLEMENT = "after the bank has booked"
KILL_POINTS = (BEFORE_COMMIT, AFTER_COMMIT, AFTER_RECEIPT, BEFORE_DOWNLINK, AFTER_SETTLEMENT)


class Killed(BaseException):
    """SIGKILL: nothing in the gateway may catch it."""


class Doom:
    """When the process is killed: at the `passes`th time that it comes by `point`."""

    def __init__(self) -> None:
        self.point = ""
        self.passes = 0

    def pass_by(self, point: str) -> None:
        """The gateway is there; raises `Killed`."""
        if point == self.point:
            self.passes -= 1
            if self.passes <= 0:
                self.point = ""
                raise Killed


class Disk:
    """The store with a disk that may be full, and a process that may be killed around a commit."""

    def __init__(self, store: SqliteStore, doom: Doom, is_full: Callable[[], bool]) -> None:
        self._store = store
        self._doom = doom
        self._is_full = is_full

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def apply(self, changes: Changes) -> None:
        """One commit."""
        self._doom.pass_by(BEFORE_COMMIT)
        if self._is_full():
            raise StoreError(statement="apply", reason="database or disk is full")
        self._store.apply(changes)
        self._doom.pass_by(AFTER_COMMIT)


class SteppedWriter(Writer):
    """The writer without its thread: `turn` does what a round of it does; waits are told to `wait`."""

    def __init__(self, *arguments: Any, wait: Callable[[float], bool], **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._stopping.wait = wait  # type: ignore[method-assign, assignment]
        self._is_working = False

    def turn(self) -> None:
        """Everything that is queued."""
        self._is_working = True
        try:
            while self.queued:
                load = self._take(0)
                if load.frames:
                    self._until_stored(partial(self._work_off, load))
                for submission in load.submissions:
                    self._until_stored(partial(self._write, submission))
        finally:
            self._is_working = False

    def deliver(self, *received: Received) -> None:
        """Who carries frames by hand waits for their verdicts."""
        super().deliver(*received)
        if any(isinstance(item.channel, Carrier) for item in received):
            self.turn()

    def submit(self, *arguments: Any, **more: Any) -> Future[None]:
        """Others wait for what they submit, so it is written before they do."""
        future = super().submit(*arguments, **more)
        if not self._is_working:
            self.turn()
        return future


class MqttEnd:
    """Where `MqttChannel` is in the daemon: the gateway's session at the broker."""

    name = "mqtt"

    def __init__(self, gateway: Gateway, broker: Broker) -> None:
        self._gateway = gateway
        self._broker = broker

    @property
    def is_ready(self) -> bool:
        """Tell whether it is connected."""
        return self._broker.is_gateway_connected

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """PUBACK, on the connection that delivered and no other."""
        for generation, packet_id in receipts:
            if generation == self._broker.generation and self._broker.is_gateway_connected:
                self._broker.gateway_acknowledges(packet_id)
            else:
                self._gateway.clock.count("receipts of an earlier connection")
        self._broker.feed_gateway()
        self._gateway.doom.pass_by(AFTER_RECEIPT)

    def send(self, kid: int, octets: bytes) -> bool:
        """Publish to a terminal."""
        self._gateway.doom.pass_by(BEFORE_DOWNLINK)
        if not self.is_ready:
            return False
        self._gateway.clock.note("down", f"{kid:08x}", len(octets))
        self._gateway.frames_down.append(octets)
        self._broker.publish(f"lumbung/1/down/{kid:08x}", octets)
        return True


class SmsEnd:
    """Where a modem of the pool is in the daemon."""

    name = "sms"
    is_ready = True

    def __init__(self, gateway: Gateway, network: Network) -> None:
        self._gateway = gateway
        self._network = network

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """Delete from the modem's store."""
        for _, number in receipts:
            self._network.gateway_deletes(number)
        self._gateway.doom.pass_by(AFTER_RECEIPT)

    def send(self, number: str, octets: bytes) -> bool:
        """Send to a telephone."""
        self._gateway.doom.pass_by(BEFORE_DOWNLINK)
        self._gateway.clock.note("sms down", number, len(octets))
        self._network.send(number, octets)
        return True


class Gateway:
    """The process: `start`, `kill`, and turns between them. `ahead_s`: how wrong its host's clock is."""

    def __init__(self, folder: Path, clock: Clockwork, district: District, bank: Bank) -> None:
        self.folder = folder
        self.clock = clock
        self._dice = clock.dice("gateway")
        self._district = district
        self._bank = bank
        self.broker = Broker(clock, self._from_broker)
        self.network = Network(clock, self._from_network)
        self.doom = Doom()
        self.is_running = False
        self.ahead_s = 0
        self.disk_full_tries = 0
        self.frames_up: deque[bytes] = deque()
        self.frames_down: deque[bytes] = deque()
        self._lag_ms = 0
        self._busy_until_ms = 0
        self._tick_ms: int | None = None
        self._life = 0
        store = SqliteStore.create(folder)
        store.close()

    # Life and death.

    def start(self) -> None:
        """The process begins with what its database says."""
        self._life += 1
        self.is_running = True
        self.store = SqliteStore.create(self.folder)
        self._readers = [SqliteReader.open(self.folder) for _ in range(4)]
        monotonic = self._monotonic
        self.writer = SteppedWriter(
            Disk(self.store, self.doom, self._is_disk_full),
            self._district.ring,
            INGEST,
            self._on_batch,
            self.clock_ms,
            monotonic,
            wait=self._wait,
        )
        self.mqtt = MqttEnd(self, self.broker)
        self.sms = SmsEnd(self, self.network)
        self.downlinks = Downlinks(
            self._readers[0].terminal,
            self.mqtt,
            [self.sms],
            SMS,
            self._dice.random,
            monotonic,
            lambda: self.clock_ms() / 1000,
            StoredDayCounts(self._readers[0].value, self.writer.submit),
        )
        counter = DownCounter(self._readers[2], self.writer)
        self._carrier = Carrier(
            self._readers[1], self._district.ring, self.writer, counter, lambda: self.clock_ms() // 1000, 0.0
        )
        self.acknowledger = Acknowledger(
            self._readers[1],
            self._district.ring,
            counter,
            config.Acknowledge(),
            self.downlinks,
            clock_s=lambda: self.clock_ms() // 1000,
            monotonic=monotonic,
            keep=self.writer.submit,
        )
        settlement = config.Settlement(url="http://bank.example")
        self.forwarder = Forwarder(
            self._readers[3],
            self.writer,
            self._district.ring,
            _Client(settlement, self._bank, self.doom),
            settlement,
            self.acknowledger.settled,
            self.clock_ms,
            self._dice.random,
        )
        self._connect(self._life)
        self.network.gateway_starts()
        self.wake()

    def _connect(self, life: int) -> None:
        """To the broker, again and again until it is there."""
        if self.is_running and life == self._life and not self.broker.is_gateway_connected:
            if self.broker.connect_gateway():
                self.wake()
            else:
                self.clock.after(2_000, lambda: self._connect(life))

    def kill(self) -> None:
        """The process is gone; what was committed is not."""
        if not self.is_running:
            return
        self.is_running = False
        self.broker.is_gateway_connected = False
        self.network.is_gateway_listening = False
        self.clock.count("gateway killed")
        self.clock.note("gateway killed")
        self.disk_full_tries = 0
        self.writer._verifier.close()
        for reader in self._readers:
            reader.close()
        self.store.close()

    def die(self) -> None:
        """Killed; the service manager starts it again in a while."""
        self.kill()
        self.clock.after(self._dice.randint(3_000, 60_000), self.revive)

    def revive(self) -> None:
        """Start if it does not run."""
        if not self.is_running:
            self.start()

    def broker_is_back(self) -> None:
        """Its connection was lost with the broker's restart."""
        self._connect(self._life)

    def _on_batch(self, contacts: dict[int, Contact]) -> None:
        self.acknowledger.contacts(contacts)

    # Clocks and disk.

    def clock_ms(self) -> int:
        """What the host says about the time."""
        return (NOW_S + self.ahead_s) * 1000 + self.clock.now_ms + self._lag_ms

    def _monotonic(self) -> float:
        return (self.clock.now_ms + self._lag_ms) / 1000

    def _is_disk_full(self) -> bool:
        if self.disk_full_tries:
            self.disk_full_tries -= 1
            self.clock.count("commits refused by a full disk")
            return True
        return False

    def _wait(self, seconds: float) -> bool:
        """The writer waits for its disk: everything that it does comes later."""
        self._lag_ms += int(1000 * seconds)
        return False

    # Turns.

    def _from_broker(self, topic: str, payload: bytes, packet_id: int) -> None:
        generation = self.broker.generation
        self.frames_up.append(payload)
        self.writer.deliver(Received(payload, topic, self.mqtt, (generation, packet_id)))
        self.wake()

    def _from_network(self, octets: bytes, number: int) -> None:
        self.frames_up.append(octets)
        self.writer.deliver(Received(octets, "", self.sms, (self._life, number)))
        self.wake()

    def wake(self, wait_ms: int = 0) -> None:
        """There is something to do, now or in a while."""
        due_ms = max(self.clock.now_ms + wait_ms, self._busy_until_ms)
        if self._tick_ms is None or due_ms < self._tick_ms:
            self._tick_ms = due_ms
            life = self._life
            self.clock.at(due_ms, lambda: self._tick(due_ms, life))

    def _tick(self, due_ms: int, life: int) -> None:
        if due_ms == self._tick_ms:
            self._tick_ms = None
        if self.is_running and life == self._life:
            self.turn()
        elif self.is_running:
            self.wake()

    def turn(self) -> None:
        """A round of all its parts."""
        self._lag_ms = 0
        try:
            self.writer.turn()
            self._try(self.acknowledger.turn)
            for _ in range(REQUESTS_A_TURN):
                if not self._try(self.forwarder.turn):
                    break
            self._try(self.acknowledger.turn)
            self._look_ahead()
        except Killed:
            self.die()
        self._busy_until_ms = self.clock.now_ms + self._lag_ms
        self._lag_ms = 0

    def _try(self, turn: Callable[[], Any]) -> bool:
        try:
            return bool(turn())
        except (GatewayError, CancelledError, TimeoutError) as failure:
            self.clock.count(f"gateway: {type(failure).__name__}")
            self.wake(TICK_MS)
            return False

    def _look_ahead(self) -> None:
        """When it would do something by itself."""
        now_ms = self.clock_ms()
        open_requests = [row for row in self.store.open_requests() if not row.failed]
        if open_requests:
            self.wake(max(TICK_MS, min(IDLE_MS, open_requests[0].next_attempt_ms - now_ms)))
        elif self.store.outbox_count():
            self.wake(TICK_MS if self.store.outbox_due(now_ms, 1) else IDLE_MS)
        if self.acknowledger._due:
            wait_ms = int(1000 * (self.acknowledger._due[0][0] - self._monotonic()))
            # Who is still in line after his time has no way open to him now.
            self.wake(max(TICK_MS, wait_ms) if wait_ms > 0 else AWAY_MS)

    # Orders.

    def publish(self, order: Order, octets: bytes, kid: int = 0) -> dict[str, Any] | None:
        """What an order of the operator came to, as the daemon obeys it; None where it was killed over it."""
        authority = signatures.load_public(self._district.authority.public)
        publisher = Publisher(self._readers[1], authority, self._district.ring, self.clock_ms())
        try:
            told = carry_out(publisher.check(order, octets, kid), self._write)
        except Killed:
            self.die()
            return None
        self.wake()
        return told

    def _write(self, publication: Publication) -> None:
        self.writer.submit(publication.changes, publication.forget).result(0)
        self.acknowledger.published(publication.addressed)
        if publication.redirected:
            self.downlinks.redirected(publication.redirected)

    def carry(self, octets: bytes, kid: int) -> bytes:
        """Import a carry file and export the answer to a terminal; b"" where that does not go through."""
        try:
            if octets:
                self._carrier.obey(Order.IMPORT, octets, 0)
            answer = bytes.fromhex(self._carrier.obey(Order.EXPORT, b"", kid)["octets"])
        except Killed:
            self.die()
            return b""
        except GatewayError as failure:
            self.clock.count(f"gateway: {type(failure).__name__}")
            return b""
        self.wake()
        return answer


class _Client(SettlementClient):
    """The real client, in a process that may be killed before it writes an answer down."""

    def __init__(self, settings: config.Settlement, bank: Bank, doom: Doom) -> None:
        super().__init__(settings, bank)
        self._doom = doom

    def settle(self, *arguments: Any) -> Any:
        answers = super().settle(*arguments)
        self._doom.pass_by(AFTER_SETTLEMENT)
        return answers
