"""One terminal with nothing but SMS: its records reach a gateway's modem, are settled, and the answers come back by SMS."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sim.shop import (
    NEEDS_MICROPYTHON,
    NEEDS_MOSQUITTO,
    cash,
    opened,
    send_now,
    serve,
    states,
)
from tests.support.sms_air import ModemAir
from tools.stack import Stack
from tools.virtual_terminal.control import VirtualTerminal

KID = 0x53
NUMBER = "+6281100000053"
GATEWAY_NUMBER = "+628111"
TIMEOUT_S = 120.0

pytestmark = [
    pytest.mark.timeout(300),
    NEEDS_MOSQUITTO,
    NEEDS_MICROPYTHON,
]


class Scene:
    """A stack whose gateway has a modem, a terminal that has one too, and the air between the two."""

    def __init__(self, folder: Path, air: ModemAir) -> None:
        self.stack = Stack(folder)
        self.air = air
        self._answered = 0
        self.held: list[bytes] = []
        self.carried = 0
        self.is_held = False
        self.stack.issue_documents()
        fittings = {"modem": {"family": "A7670", "number": NUMBER}}
        settings = {"modem": "1", "gateway_number": GATEWAY_NUMBER, "wifi_ssid": "warung"}
        self.terminal: VirtualTerminal = self.stack.add_terminal(KID, fittings, settings)
        self.stack.gateway_command("telephone", f"{KID:08x}", NUMBER)
        self.terminal.ask("wlan", in_reach=False)
        self.counter = opened(self.terminal)

    def air_moves(self) -> None:
        """What either side has sent arrives at the other; `is_held` keeps what goes up."""
        for number, data in self.terminal.ask("messages")["messages"]:
            assert number == GATEWAY_NUMBER
            self.held.append(bytes.fromhex(data))
        if not self.is_held:
            for octets in self.held:
                self.air.send(octets, NUMBER)
            self.carried += len(self.held)
            self.held = []
        answers = self.air.answers(NUMBER)
        for octets in answers[self._answered :]:
            self.terminal.ask("deliver_message", sender=GATEWAY_NUMBER, data=octets.hex())
        self._answered = len(answers)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Let the air move until it holds."""
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            told = (self.terminal.ask("modem"), self.terminal.ask("books"), self.stack.folder)
            assert time.monotonic() < deadline, (what, told)
            self.air_moves()
            time.sleep(0.1)

    def sell(self, family: int, keys: str) -> None:
        """A family takes cash."""
        serve(self.stack, self.counter, cash(family, keys))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A terminal that is open for business, registered with its number; no service runs."""
    air = ModemAir((GATEWAY_NUMBER.encode(),))
    usual = ["sms.settle_s=0", "sms.interval_s=0", "sms.mqtt_fresh_s=5", *air.settings]
    for setting in usual:
        name, _, value = setting.partition("=")
        monkeypatch.setenv("LUMBUNG_GATEWAY_" + name.replace(".", "_").upper(), value)
    made = None
    try:
        made = Scene(tmp_path, air)
        yield made
    finally:
        if made is not None:
            made.stack.stop()
        air.close()


def test_a_redemption_is_settled_by_sms_alone_and_twice_delivered_is_once_booked(scene: Scene) -> None:
    stack, terminal = scene.stack, scene.terminal
    scene.until(lambda: terminal.ask("modem")["state"] == "ready", "the modem is up")
    scene.sell(0, "50*")
    assert states(scene.terminal) == ["TERCATAT"]
    send_now(scene.terminal)
    scene.until(lambda: scene.carried > 0, "a message is under way")
    stack.start_gateway()
    scene.until(lambda: states(scene.terminal) == ["TERKIRIM"], "sealed at the gateway")
    stack.start_settlement()
    scene.until(lambda: states(scene.terminal) == ["DIBAYAR"], "paid")
    assert stack.settlement_get("/v1/totals")["settled_rupiah"] == 50_000
    assert terminal.ask("books")["link"] != "up"

    # The next one goes by SMS, but MQTT comes up first and brings it there too.
    scene.is_held = True
    scene.sell(2, "70*")
    send_now(scene.terminal)
    scene.until(lambda: len(scene.held) > 0, "its message is under way")
    stack.broker.start()
    stack.wait_for_gateway()
    terminal.ask("wlan", in_reach=True)
    scene.until(lambda: states(scene.terminal) == ["DIBAYAR"] * 2, "paid by way of MQTT")
    before = stack.gateway_status()["counters"]
    scene.is_held = False
    scene.air_moves()

    def is_seen() -> bool:
        now = stack.gateway_status()["counters"]
        return bool(now.get("frames_duplicate", 0) > before.get("frames_duplicate", 0))

    scene.until(is_seen, "the message that came late")
    totals = stack.settlement_get("/v1/totals")
    assert totals["settled_rupiah"] == 120_000
    assert totals["refused_rupiah"] == totals["disputed_rupiah"] == 0
    assert stack.gateway_status()["conflicts"] == []
    assert states(scene.terminal) == ["DIBAYAR"] * 2
