"""MicroPython only: the modem of a virtual terminal in the host's time: quick, and its connections are the host's TCP."""

from hardware import modem_dialects
from hardware.model_clock import HostClock, ManualClock
from hardware.modem import Modem
from hardware.modem_internet import TcpInternet
from hardware.modem_network import GsmNetwork

# Start, registration and sending take seconds in life. Nobody learns anything from waiting for them.
HURRY = 20


def hurried(dialect: modem_dialects.Dialect) -> modem_dialects.Dialect:
    """The same family with its own long times shortened; how long the host must hold its lines stays."""
    values = dict(dialect.__dict__)
    values["boot"] = tuple([(after_ms // HURRY, line) for after_ms, line in dialect.boot])
    for name in ("sim_ready_ms", "register_ms", "send_ms", "connect_ms"):
        values[name] = values[name] // HURRY
    return modem_dialects.Dialect(**values)


def build(clock: "HostClock | ManualClock", family: str, number: str) -> Modem:
    """A modem of a family of `modem_dialects` with a SIM of that number, running; its `network` is its own."""
    network = GsmNetwork(clock, least_ms=50, most_ms=200)
    dialect = hurried(modem_dialects.BY_NAME[family])
    modem = Modem(clock, dialect, network, number.encode(), TcpInternet())
    modem.start(clock.now_us())
    return modem
