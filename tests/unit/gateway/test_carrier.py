"""Frames that people carry, handed to the writer: each with its verdict, or an error that says why not."""

from __future__ import annotations

import pytest

from gateway.carrier import Carrier
from gateway.down_counter import DownCounter
from gateway.errors import StoreError
from gateway.publish import Order
from gateway.store.memory import MemoryStore
from gateway.writer import Writer
from protocol import carry
from tests.support.frames import START_S
from tests.support.gateway_rig import NOW_MS, Rig, small


class Scene:
    """A carrier at a writer that is not started yet."""

    def __init__(self, store, **settings):
        self.rig = Rig(store)
        self.rig.certify_epoch()
        self.writer = Writer(store, self.rig.ring, small(), lambda _: None, clock_ms=lambda: NOW_MS)
        counter = DownCounter(store, self.writer)
        self.carrier = Carrier(
            store, self.rig.ring, self.writer, counter, clock_s=lambda: START_S, **settings
        )


@pytest.fixture
def scene():
    """On a store that works."""
    made = Scene(MemoryStore())
    made.writer.start()
    yield made
    made.writer.stop()


def test_verdicts_come_in_the_order_of_the_frames(scene):
    terminal = scene.rig.terminal()
    for _ in range(3):
        terminal.redeem()
    frames = [terminal.frame(4, 6)[:-1], terminal.frame(1, 3), b"\xff" * 20, terminal.frame(4, 6)]
    told = scene.carrier.obey(Order.IMPORT, b"".join(map(carry.pack, frames)), 0)["verdicts"]
    assert [each["outcome"] for each in told] == ["invalid", "sealed", "unknown_terminal", "sealed"]
    assert told[0]["fault"]["error"] == "AuthenticationFailed"
    assert scene.carrier.obey(Order.IMPORT, carry.pack(frames[3]), 0)["verdicts"][0]["outcome"] == "duplicate"


def test_nothing_is_an_order_too(scene):
    assert scene.carrier.obey(Order.IMPORT, b"", 0) == {"verdicts": []}


def test_what_goes_back_is_a_carry_file(scene):
    terminal = scene.rig.terminal()
    scene.carrier.take([terminal.frame(1, 3)])
    told = scene.carrier.obey(Order.EXPORT, b"", 42)
    ((_, raw, error),) = carry.read(bytes.fromhex(told["octets"]))
    assert (told["kid"], error) == ("0000002a", None)
    assert raw[1:5] == bytes.fromhex("0000002a")


def test_what_is_not_stored_in_time_is_an_error_and_a_duplicate_or_new_the_next_time():
    scene = Scene(MemoryStore(), timeout_s=0.0)
    terminal = scene.rig.terminal()
    with pytest.raises(StoreError, match="import again"):
        scene.carrier.take([terminal.frame(1, 3)])
    scene.writer.start()
    patient = Carrier(scene.rig.store, scene.rig.ring, scene.writer, None, lambda: START_S)
    (verdict,) = patient.take([terminal.frame(1, 3)])
    assert verdict.outcome.value == "duplicate"
    scene.writer.stop()


def test_while_the_store_refuses_to_write_nothing_is_handed_on():
    scene = Scene(MemoryStore())
    scene.writer.last_error = "database or disk is full"
    with pytest.raises(StoreError, match="disk is full"):
        scene.carrier.take([bytes(20)])
    assert scene.writer.queued == 0
