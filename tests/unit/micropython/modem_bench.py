"""A modem on the bench: the model, the network and internet behind it, the driver in front of it, one time for all."""

import asyncio

from firmware.drivers.modem import modem as driver
from hardware import modem_dialects, modem_internet, modem_network
from hardware.modem import Modem as ModemModel
from hardware.modem_uart import ModemUart
from protocol import sms_pdu
from protocol.sms_address import Address
from protocol.sms_user_data import UserData
from tests.support.mp_time import ModelTime

NUMBER = b"+628111"
FAMILIES = ("SIM7600", "A7670", "EC25", "SIM800")


class Bench:
    """`got`: contents of the messages that were handed over; `refuse_next`: hand-overs that fail first."""

    def __init__(
        self,
        family="SIM7600",
        faults=None,
        seed=1,
        network=None,
        internet=None,
        lines=True,
        start_ms=0,
        number=NUMBER,
        time=None,
    ):
        self.time = time or ModelTime(start_ms)
        self.network = network or modem_network.GsmNetwork(self.time.models, seed)
        self.internet = internet or modem_internet.PipeInternet()
        dialect = modem_dialects.BY_NAME[family]
        self.model = ModemModel(self.time.models, dialect, self.network, number, self.internet, faults)
        self.uart = ModemUart(self.time.models, 115200, txbuf=512, rxbuf=4096)
        self.model.connect(self.uart)
        self.got = []
        self.reports = []
        self.heard = []
        self.refuse_next = 0
        self.checks = 0
        self.last_check_ms = 0
        self.silence_ms = 0
        self._task = None
        self.modem = driver.Modem(
            self.uart,
            self.time,
            received=self.received,
            reported=self.reports.append,
            heard_time=self.heard.append,
            power_key=self.model.press_power_key if lines else None,
            reset=self.model.drive_reset if lines else None,
        )

    async def received(self, incoming):
        """Durable after a moment."""
        await self.time.sleep_ms(15)
        if self.refuse_next:
            self.refuse_next -= 1
            raise OSError("disk full")
        message = incoming.deliver
        self.got.append(message.user_data.content if message else incoming.pdu)

    def check_in(self):
        """How long the task was silent at most."""
        now_ms = self.time.models.now_us() // 1000
        self.silence_ms = max(self.silence_ms, now_ms - self.last_check_ms)
        self.last_check_ms = now_ms
        self.checks += 1

    def start(self):
        """Let the driver's task run."""
        self.last_check_ms = self.now_ms()
        self._task = asyncio.create_task(self.modem.run(self.check_in))

    def stop(self):
        """End it."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def until(self, is_true, limit_ms=120000):
        """Wait for something; fails when it does not come."""
        started = self.now_ms()
        while not is_true():
            if self.now_ms() - started > limit_ms:
                raise AssertionError(
                    "not within %d ms: %s, %r" % (limit_ms, self.modem.state, self.modem.last_error)
                )
            await self.time.sleep_ms(50)

    async def ready(self):
        """Start and wait until it can send."""
        self.start()
        await self.until(lambda: self.modem.state == driver.READY)

    async def send(self, content, number="+62822"):
        """Send a message and return its reference."""
        return await self.modem.sender.send(submit(content, number))

    def now_ms(self):
        return self.time.models.now_us() // 1000

    def counts(self):
        """Counters that are not zero."""
        counters = self.modem.counters
        return {name: getattr(counters, name) for name in counters.NAMES if getattr(counters, name)}

    def run(self, scenario, limit_ms=3600000):
        """Run `scenario(bench)` to its end; the line must have been fed without blocking and nothing lost."""

        async def whole():
            try:
                return await scenario(self)
            finally:
                self.stop()

        result = self.time.run(whole(), limit_ms)
        assert self.uart.blocked_us == 0
        assert self.uart.lost_octets == 0
        assert self.silence_ms < 1000, self.silence_ms
        return result


def submit(content, number="+62822"):
    """The PDU of a message of data."""
    return sms_pdu.encode(sms_pdu.Submit(Address(number), UserData(content)))


def counted(content):
    """User data as the network takes it: its length in front."""
    return bytes((len(content),)) + content
