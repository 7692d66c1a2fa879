"""Two ways for a gateway under test to reach the SMS world: modem models on pseudo-terminals, and an SMS centre."""

from __future__ import annotations

from collections.abc import Sequence

from hardware import modem_dialects, modem_network
from hardware.model_clock import HostClock
from hardware.modem import Modem
from hardware.modem_faults import FaultPlan
from hardware.modem_pty import ModemPty
from tests.support.smsc import PASSWORD, Smsc

FACTOR = 40
"""How much faster than the host's the models' time runs, so that a modem starts in a blink."""
FAMILIES = ("SIM800", "EC25", "SIM7600", "A7670")


class FastClock:
    """The host's time, run faster."""

    def __init__(self) -> None:
        self._host = HostClock()

    def now_us(self) -> int:
        """Microseconds."""
        return self._host.now_us() * FACTOR


class ModemAir:
    """Modems with these numbers in one network; whoever else is in it is only a number."""

    def __init__(self, numbers: Sequence[bytes] = (b"+628111",), plan: FaultPlan | None = None) -> None:
        self.clock = FastClock()
        self.network = modem_network.GsmNetwork(self.clock)
        self.numbers = numbers
        self.models = []
        self.ptys = []
        for number, family in zip(numbers, FAMILIES, strict=False):
            model = Modem(self.clock, modem_dialects.BY_NAME[family], self.network, number, None, plan)
            model.start(self.clock.now_us())
            self.models.append(model)
            self.ptys.append(ModemPty(self.clock, model))

    @property
    def settings(self) -> list[str]:
        """What the gateway's configuration needs."""
        ports = " ".join(pty.path for pty in self.ptys)
        return [f"modems.ports={ports}", "modems.look_ms=200", "modems.sends_per_minute=600"]

    def send(self, octets: bytes, sender: str, place: int = 0, coding: int = 4) -> None:
        """A message on its way to a modem."""
        with self.ptys[place].lock:
            self.network.inject(self.numbers[place], sender.encode(), bytes([len(octets)]) + octets, coding)

    def answers(self, number: str) -> list[bytes]:
        """What was sent to a number."""
        return [octets for to, octets in list(self.network.submitted) if to == number.encode()]

    def everybody(self) -> set[str]:
        """All numbers that were sent something."""
        return {to.decode() for to, _ in list(self.network.submitted)}

    def stored(self, place: int) -> int:
        """Messages that lie in a modem."""
        with self.ptys[place].lock:
            messages = self.models[place].messages
            return sum(len(messages.stored(name)) for name, _ in self.models[place].dialect.stores)

    def is_empty(self) -> bool:
        """Nothing is under way to a modem or lies in one."""
        return not self.network.waiting() and not any(self.stored(place) for place in range(len(self.ptys)))

    def close(self) -> None:
        """Hang up."""
        for pty in self.ptys:
            pty.close()


class CentreAir:
    """An SMS centre; it keeps what was not answered."""

    def __init__(self) -> None:
        self.smsc = Smsc.start()
        self._sent = 0

    @property
    def settings(self) -> list[str]:
        """What the gateway's configuration needs."""
        return [
            "smpp.host=127.0.0.1", f"smpp.port={self.smsc.port}", "smpp.system_id=lumbung", f"smpp.password={PASSWORD}",
            "smpp.reconnect_ms_max=300",
        ]  # fmt: skip

    def send(self, octets: bytes, sender: str, coding: int = 4) -> None:
        """A message on its way to the gateway."""
        self._sent += 1
        self.smsc.deliver(f"{self._sent}", octets, sender.removeprefix("+"), coding=coding)

    def answers(self, number: str) -> list[bytes]:
        """What was sent to a number."""
        to = number.removeprefix("+")
        return [bytes.fromhex(told["hex"]) for told in self.smsc.all("submitted") if told["to"] == to]

    def everybody(self) -> set[str]:
        """All numbers that were sent something."""
        return {f"+{told['to']}" for told in self.smsc.all("submitted")}

    def is_empty(self) -> bool:
        """Everything was answered."""
        return len({told["id"] for told in self.smsc.all("answered")}) == self._sent

    def close(self) -> None:
        """End it."""
        self.smsc.stop()
