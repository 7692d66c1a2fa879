"""A whole gateway process reached by SMS, through modems and through an SMS centre: from record to settled and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import signatures
from protocol import acknowledgement
from tests.support.frames import GRANT_RUPIAH, Terminal
from tests.support.gateway_rig import GatewayProcess, eventually, opened
from tests.support.mqtt_raw import publish_all
from tests.support.settlement_stub import StubService, serving
from tests.support.sms_air import CentreAir, ModemAir

KID = 42
NUMBER = "+6281234567890"
STRANGER = "+628666000111"
USUAL = [
    "sms.settle_s=0",
    "sms.interval_s=0",
    "sms.mqtt_fresh_s=0",
    "settlement.poll_ms=20",
    "acknowledge.interval_ms=50",
]


class Scene:
    """A gateway between the SMS world, a broker and a settlement service."""

    def __init__(self, folder: Path, air: ModemAir | CentreAir, broker: Any, service: StubService) -> None:
        self.air = air
        self.broker = broker
        self.service = service
        self.gateway = GatewayProcess(
            folder, broker.port, f"settlement.url={service.url}", *USUAL, *air.settings
        )
        self.terminal = self.gateway.terminal(KID)
        self._key = signatures.load_public(self.gateway.request[68:])

    def start(self) -> None:
        """Run it; returns when its SMS link is up."""
        self.gateway.start()
        eventually(self.is_linked, "the SMS link is up")

    def is_linked(self) -> bool:
        """Tell whether the running process says that its link is up."""
        told = self.health()["sms"]
        return bool(told["smpp"] and told["smpp"]["bound"]) or any(
            modem["state"] == "ready" for modem in told["modems"]
        )

    def health(self) -> dict[str, Any]:
        """What the process last said about itself."""
        told: dict[str, Any] = json.loads((self.gateway.data / "health.json").read_text())
        return told

    def counts(self) -> dict[str, int]:
        """What its link has counted."""
        links = self.health()["sms"]
        counts: dict[str, int] = (links["smpp"] or links["modems"][0])["counts"]
        return counts

    def send(self, *frames: bytes, sender: str = NUMBER) -> None:
        """Frames as messages."""
        for octets in frames:
            assert len(octets) <= 140
            self.air.send(octets, sender)

    def told(self) -> list[acknowledgement.Acknowledgement]:
        """Acknowledgements that the terminal was sent by SMS; each is one message."""
        answers = self.air.answers(NUMBER)
        assert all(len(octets) <= 140 for octets in answers)
        return opened(answers, self.terminal, self._key)

    def states(self) -> dict[int, int]:
        """The last state told of each record."""
        states: dict[int, int] = {}
        for each in self.told():
            states |= {each.states_first + place: state for place, state in enumerate(each.states)}
        return states

    def sealed(self) -> int:
        """How far the terminal is sealed."""
        reader = self.gateway.reader()
        row = reader.terminal(KID)
        reader.close()
        assert row is not None
        return row.sealed_through

    def counters(self) -> dict[str, int]:
        """Its counts since its database was made."""
        reader = self.gateway.reader()
        counters = reader.counters()
        reader.close()
        return counters

    def close(self) -> None:
        """Everything ends."""
        self.gateway.stop()
        self.air.close()


@pytest.fixture(params=["modems", "centre"])
def scene(request: Any, mosquitto: Callable[..., Any], tmp_path: Path) -> Iterator[Scene]:
    """A registered terminal with a number; the gateway does not run yet."""
    air: ModemAir | CentreAir = ModemAir() if request.param == "modems" else CentreAir()
    with serving(StubService()) as service:
        made = Scene(tmp_path, air, mosquitto(), service)
        made.gateway.run("telephone", f"{KID:08x}", NUMBER)
        try:
            yield made
        finally:
            made.close()


def singles(terminal: Terminal, first: int = 1) -> list[bytes]:
    """One message per record, each with its seal."""
    return [terminal.frame(number, number) for number in range(first, terminal.head + 1)]


def test_from_record_to_settled_and_back_by_sms(scene):
    """One terminal by SMS, some of it over MQTT too, and strangers in between."""
    scene.terminal.redeem()
    stranger = Terminal(77, scene.gateway.authority, scene.gateway.request)
    stranger.adopt_all(scene.gateway.policy, scene.gateway.roster, scene.gateway.authority)
    scene.start()
    first, *others = singles(scene.terminal)
    scene.send(*reversed(others), first)
    scene.send(
        *singles(stranger), bytes(140), b"'; DROP TABLE terminals; --\x1b[2J\r\n$(reboot)", sender=STRANGER
    )
    scene.air.send(b"\x31\xd9\x8c", STRANGER, coding=0)
    settled = acknowledgement.SETTLED
    eventually(lambda: scene.states() == dict.fromkeys(range(1, 5), settled), "the terminal knows all states")
    last = scene.told()[-1]
    assert (last.sealed_through, last.reclaim_through) == (4, 4)
    assert last.chain_digest == scene.terminal.chains[4][:16]
    scene.send(*others)
    again = [(f"lumbung/1/up/{KID:08x}", raw) for raw in singles(scene.terminal)]
    publish_all(scene.broker.host, scene.broker.port, again)
    eventually(lambda: scene.counters().get("frames_duplicate", 0) >= 7, "both ways at once do no harm")
    eventually(scene.air.is_empty, "nothing lies anywhere any more")
    told = json.loads(scene.gateway.run("status", "--json"))
    assert told["totals"]["records"] == told["counters"]["records"] == 4
    assert told["totals"]["settled_rupiah"] == GRANT_RUPIAH
    assert told["counters"]["frames_unknown_terminal"] >= 3
    assert not {"frames_conflict", "topic_mismatch"} & set(told["counters"])
    (row,) = told["terminals"]
    assert row["reached_by_sms"] is True
    assert NUMBER[1:] not in json.dumps(told)
    assert STRANGER[1:] not in json.dumps(told)
    eventually(lambda: scene.counts().get("frames", 0) >= 12, "its health tells of the frames")
    assert scene.counts()["foreign"] == 1
    assert scene.gateway.stop() == 0
    assert scene.air.everybody() == {NUMBER}, "strangers are never answered"


def test_a_killed_gateway_loses_no_message(scene):
    """SIGKILL between read, commit and delete; what was not deleted comes again, and counts once."""
    for _ in range(9):
        scene.terminal.redeem()
    frames = singles(scene.terminal)
    scene.start()
    for round_number in range(3):
        scene.send(*frames[4 * round_number : 4 * round_number + 4])
        eventually(lambda n=round_number: scene.sealed() > 4 * n, "something was committed")
        scene.gateway.kill()
        scene.gateway.start()
    eventually(lambda: scene.sealed() == 12, "all of it is sealed")
    eventually(scene.air.is_empty, "all of it was deleted")
    assert scene.service.wait_for(lambda: len(scene.service.booked) == 12)
    reader = scene.gateway.reader()
    assert reader.totals(KID).records == 12
    reader.close()
