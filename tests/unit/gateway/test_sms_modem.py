"""The gateway's modem pool on pseudo-terminals with the modem model: nothing is deleted before the commit, nobody starves."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import threading
import time
import tty
from collections.abc import Callable, Iterator

import pytest

from gateway.channels.channel import Receipt, Received
from gateway.channels.sms_bounds import SenderBounds
from gateway.channels.sms_message import LineSettings
from gateway.channels.sms_modem import SmsModemChannel
from hardware.modem_faults import FaultPlan
from tests.support.sms_air import ModemAir

LIMIT_S = 30.0
NUMBERS = (b"+628111", b"+628222")
TERMINAL = b"+628999"
NUMBER = TERMINAL.decode()


class Bench:
    """Two modems in one network, the pool in front of them, and a writer that commits when it is told to."""

    def __init__(self, plan: FaultPlan | None = None, sends_per_minute: int = 600) -> None:
        self.air = ModemAir(NUMBERS, plan)
        self.network, self.models, self.ptys = self.air.network, self.air.models, self.air.ptys
        self.received: list[Received] = []
        self.news = threading.Condition()
        self.powered: list[str] = []
        usual = LineSettings(look_s=0.2, pause_s=0.1, boot_s=1.5, list_s=1.5, reply_s=1.0)
        settings = dataclasses.replace(usual, sends_per_minute=sends_per_minute)
        self.channel = SmsModemChannel(
            [pty.path for pty in self.ptys], settings, SenderBounds(50), self.deliver, self.cycle_power
        )
        self.channel.start()

    def deliver(self, *frames: Received) -> None:
        """Keep what came."""
        with self.news:
            self.received += frames
            self.news.notify_all()

    def cycle_power(self, path: str) -> None:
        """Off and on again."""
        self.powered.append(path)
        for pty, model in zip(self.ptys, self.models, strict=True):
            if pty.path == path:
                with pty.lock:
                    model.start(self.air.clock.now_us())

    def inject(self, place: int, octets: bytes, sender: bytes = TERMINAL, dcs: int = 4) -> None:
        """A message on its way to a modem of the pool."""
        with self.ptys[place].lock:
            self.network.inject(NUMBERS[place], sender, bytes([len(octets)]) + octets, dcs)

    def stored(self, place: int) -> int:
        """Messages that lie in a modem."""
        return self.air.stored(place)

    def receipts(self) -> list[Receipt]:
        """Receipts of all that came."""
        with self.news:
            return [frame.receipt for frame in self.received]

    def contents(self) -> list[bytes]:
        """What came."""
        with self.news:
            return [frame.octets for frame in self.received]

    def close(self) -> None:
        """Everything ends."""
        self.channel.stop()
        self.air.close()


def until(is_true: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Wait for something that other threads do."""
    deadline = time.monotonic() + limit_s
    never = threading.Event()
    while not is_true():
        assert time.monotonic() < deadline, "it did not come"
        never.wait(0.01)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A pool without faults, ready to send."""
    made = Bench()
    try:
        until(lambda: all(line.is_ready for line in made.channel.lines))
        yield made
    finally:
        made.close()


def test_a_message_is_deleted_when_its_frame_is_committed(bench):
    bench.inject(0, b"frame \x00\x1a")
    until(bench.receipts)
    assert bench.received[0].octets == b"frame \x00\x1a"
    assert bench.received[0].sender == "", "numbers do not leave the channel"
    until(lambda: bench.channel.lines[0].storage[0] == 1)
    assert bench.stored(0) == 1
    bench.channel.acknowledge(bench.receipts())
    until(lambda: bench.stored(0) == 0)
    assert len(bench.received) == 1


def test_receipts_of_a_former_life_delete_nothing(bench):
    bench.inject(1, b"frame")
    until(bench.receipts)
    stale = bench.receipts()
    with bench.ptys[1].lock:
        bench.models[1].start(bench.air.clock.now_us())
    until(lambda: len(bench.receipts()) == 2)
    assert bench.contents() == [b"frame", b"frame"]
    bench.channel.acknowledge(stale)
    until(lambda: bench.channel.lines[1].storage[0] == 1)
    assert bench.stored(1) == 1
    bench.channel.acknowledge(bench.receipts())
    until(lambda: bench.stored(1) == 0)
    assert bench.channel.lines[1].counts["restarts"] >= 1


def test_what_lies_in_the_modem_at_the_start_is_drained():
    made = Bench()
    try:
        for pty, model in zip(made.ptys, made.models, strict=True):
            with pty.lock:
                model.messages.fill(15)
        until(lambda: made.stored(0) == 0 and made.stored(1) == 0)
        assert made.received == []
        assert sum(line.counts["foreign"] for line in made.channel.lines) == 30
    finally:
        made.close()


def test_strangers_messages_are_counted_and_cleared_away(bench):
    bench.inject(0, b"\x31\xd9\x8c", dcs=0)
    with bench.ptys[0].lock:
        bench.network.inject_raw(NUMBERS[0], b"\x03\xff\xff")
    bench.inject(0, b"frame")
    until(bench.receipts)
    bench.channel.acknowledge(bench.receipts())
    until(lambda: bench.stored(0) == 0)
    counts = bench.channel.lines[0].counts
    until(lambda: counts["foreign"] == 1 and counts["undecodable"] == 1 and counts["frames"] == 1)
    assert bench.contents() == [b"frame"]


def test_a_store_that_fills_up_is_told(bench):
    for number in range(18):
        bench.inject(0, b"frame %d" % number)
    until(lambda: bench.channel.health()[0]["nearly_full"])
    until(lambda: len(bench.receipts()) == 18)
    bench.channel.acknowledge(bench.receipts())
    until(lambda: bench.stored(0) == 0)
    until(lambda: not bench.channel.health()[0]["nearly_full"])


def test_frames_go_out_over_all_modems(bench):
    frames = {bytes([number]) * 140 for number in range(12)}
    for frame in sorted(frames):
        assert bench.channel.send(NUMBER, frame)
    until(lambda: len(bench.network.submitted) == 12)
    assert {(number, content) for number, content in bench.network.submitted} == {
        (TERMINAL, frame) for frame in frames
    }
    until(lambda: sum(line.counts["sent"] for line in bench.channel.lines) == 12)
    assert all(line.counts["sent"] >= 4 for line in bench.channel.lines)


def test_what_does_not_fit_one_message_is_refused(bench):
    assert not bench.channel.send(NUMBER, bytes(141))
    assert bench.network.submitted == []


def test_full_queues_take_nothing_and_say_so(bench):
    with bench.ptys[0].lock, bench.ptys[1].lock:  # both modems stand still
        taken = 0
        while bench.channel.send(NUMBER, b"%d" % taken):
            taken += 1
        assert 100 <= taken <= 102
        assert not bench.channel.is_ready
    until(lambda: bench.channel.is_ready)


def test_sends_keep_their_pace():
    made = Bench(sends_per_minute=120)
    try:
        until(lambda: all(line.is_ready for line in made.channel.lines))
        started = time.monotonic()
        for number in range(6):
            assert made.channel.send(NUMBER, b"frame %d" % number)
        until(lambda: sum(line.counts["sent"] for line in made.channel.lines) == 6)
        assert time.monotonic() - started > 0.9  # three each, half a second apart
    finally:
        made.close()


def test_what_one_modem_cannot_send_another_one_does(bench):
    submit = bench.network.submit

    def refuse_one(modem, tpdu, now_us):
        return -500 if modem is bench.models[0] else submit(modem, tpdu, now_us)

    bench.network.submit = refuse_one
    for number in range(4):
        assert bench.channel.send(NUMBER, b"frame %d" % number)
    until(lambda: len({content for _, content in bench.network.submitted}) == 4)
    assert bench.channel.lines[0].counts["not_sent"] >= 1


def test_a_hanging_modem_gets_new_power_and_the_others_go_on():
    made = Bench()
    try:
        until(lambda: all(line.is_ready for line in made.channel.lines))
        with made.ptys[0].lock:
            made.models[0]._hangs = True
        made.inject(1, b"frame")
        until(lambda: made.contents() == [b"frame"])
        assert made.channel.is_ready
        until(lambda: made.ptys[0].path in made.powered, 120)
        until(lambda: made.channel.lines[0].is_ready, 60)
        counts = made.channel.lines[0].counts
        assert counts["reopened"] >= 1
        assert counts["power_cycles"] >= 1
        assert made.ptys[1].path not in made.powered
    finally:
        made.close()


def test_a_port_that_is_not_there_ends_in_quarantine():
    line = LineSettings(pause_s=0.01, quarantine_s=60)
    channel = SmsModemChannel(["/dev/no-such-modem"], line, SenderBounds(1), lambda *_: None)
    channel.start()
    try:
        until(lambda: channel.health()[0]["state"] == "quarantined")
        assert not channel.is_ready
        assert not channel.send(NUMBER, b"frame")
        assert channel.is_alive
    finally:
        channel.stop()


def test_nothing_is_lost_with_a_line_that_loses_octets():
    plan = FaultPlan(7, lose_to_host=20, chatter=50, keep=100)
    made = Bench(plan)
    try:
        until(lambda: made.channel.is_ready, 60)
        for number in range(12):
            made.inject(number % 2, b"frame %d" % number)
        wanted = {b"frame %d" % number for number in range(12)}
        until(lambda: made.channel.acknowledge(made.receipts()) or wanted <= set(made.contents()), 60)
        plan.rest()
        until(lambda: made.channel.acknowledge(made.receipts()) or made.stored(0) + made.stored(1) == 0, 60)
        assert plan.happened
    finally:
        made.close()


def test_a_port_that_babbles_is_left_alone_and_harms_no_other(run_seed):
    """Octets of something that is no modem: the thread lives, memory stays bounded, the other modem works."""
    print(f"LUMBUNG_SEED={run_seed}")
    rng = random.Random(run_seed)
    air = ModemAir()
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    is_over = threading.Event()

    def babble() -> None:
        while not is_over.wait(0.002):
            said = rng.choice(
                (rng.randbytes(300), b'+CMTI: "SM",1\r\n', b"\r\n> ", b"OK\r\n", bytes(5000), b"RDY\r\n")
            )
            with contextlib.suppress(BlockingIOError):
                os.write(master, said)
            with contextlib.suppress(BlockingIOError):
                os.read(master, 4096)

    received: list[Received] = []
    settings = LineSettings(look_s=0.1, pause_s=0.01, boot_s=1.0, list_s=0.2, reply_s=0.1, quarantine_s=0.1)
    channel = SmsModemChannel(
        [os.ttyname(slave), air.ptys[0].path],
        settings,
        SenderBounds(50),
        lambda *frames: received.extend(frames),
    )
    thread = threading.Thread(target=babble, name="babble", daemon=True)
    thread.start()
    channel.start()
    try:
        air.send(b"frame", NUMBER)
        until(lambda: received)
        bad = channel.lines[0]
        until(lambda: bad.counts["failures"] + bad.counts["restarts"] >= 3)
        assert channel.is_alive
        assert not bad.counts["frames"]
        until(lambda: channel.acknowledge([frame.receipt for frame in received]) or air.is_empty())
        assert {frame.octets for frame in received} == {b"frame"}
    finally:
        channel.stop()
        is_over.set()
        thread.join()
        air.close()
        os.close(master)
        os.close(slave)


def test_numbers_have_an_hourly_bound():
    now_s = [0.0]
    bounds = SenderBounds(3, lambda: now_s[0])
    assert [bounds.allow("a") for _ in range(5)] == [True, True, True, False, False]
    assert bounds.allow("b")
    now_s[0] = 3600.0
    assert bounds.allow("a")
    for number in range(20_000):
        bounds.allow(str(number))
    assert len(bounds._heard) == 10_000


def test_a_number_that_sends_too_much_is_cut_off(bench):
    for number in range(55):
        bench.inject(1, b"%d" % number, b"+62800")
    until(lambda: bench.channel.lines[1].counts["bounded"] == 5, 60)
    assert len(bench.received) == 50
    bench.channel.acknowledge(bench.receipts())
    until(lambda: bench.stored(1) == 0)
