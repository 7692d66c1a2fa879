"""The terminal put together: opens the books, then runs the essential tasks under supervision until power goes."""

import asyncio

import cryptolib

from firmware import settings
from firmware.authorize import Authorizer
from firmware.card.certificates import IssuerCache
from firmware.card.errors import AuthenticationError
from firmware.card.kernel import CardKernel
from firmware.card.oda import Trust
from firmware.crypto import self_test
from firmware.crypto.signer import SoftwareSigner
from firmware.drivers.ds3231 import Ds3231, RtcError
from firmware.drivers.escpos_printer import Printer
from firmware.drivers.mcp23017_keypad import Expander, Keypad, Signals
from firmware.drivers.pn532 import Pn532Reader
from firmware.drivers.pn532_transport import SpiTransport
from firmware.drivers.ssd1309 import Ssd1309
from firmware.hal import pins
from firmware.hal.flash_area import FlashError
from firmware.hal.i2c_device import BusError, I2cDevice
from firmware.ledger import ca_key_list, document_area, slots
from firmware.ledger.document_area import Documents, DocumentsMissing
from firmware.ledger.ledger import Ledger, LedgerError
from firmware.relay.downlink import Downlink
from firmware.relay.link import TcpLink
from firmware.relay.relay import Relay, Settings
from firmware.supervisor import Supervisor
from firmware.terminal import Terminal
from firmware.time_keeper import TimeKeeper
from firmware.ui import screens
from firmware.ui.flow import Flow
from firmware.upkeep import LinkKeys, Upkeep
from protocol.errors import ProtocolError

WATCHDOG_MS = 30000
AES_ECB = 1

# Why a terminal cannot start, in the order of their codes: 301 self-test, 302 never provisioned or both document areas
# damaged, 303 books do not fit each other, 304 a document that does not decode, 305 settings, 306 flash, 307 card CAs.
START_FAILURE_FIRST = 301
START_FAILURES = (
    self_test.SelfTestFailed,
    DocumentsMissing,
    LedgerError,
    ProtocolError,
    settings.SettingsError,
    FlashError,
    AuthenticationError,
)

# Essential tasks: name, number in crash codes, longest silence.
TASK_RELAY = ("relay", 1, 60000)
TASK_UPKEEP = ("upkeep", 2, 20000)
TASK_KEYPAD = ("keypad", 3, 10000)
TASK_SIGNALS = ("signals", 4, 10000)
TASK_FLOW = ("flow", 5, 0)


class App:
    """One powered terminal. `board`: hal.board.Board; `restart(code)` ends it after a crash was recorded."""

    def __init__(self, board, restart) -> None:
        self._board = board
        self._restart = restart
        clock = board.clock
        self.display = Ssd1309(
            board.spi, board.display_select, board.display_data, board.display_reset, clock
        )
        expander = Expander(self._device(pins.EXPANDER_ADDRESS, "MCP23017"))
        self._expander = expander
        self.keypad = Keypad(expander, board.expander_interrupt, clock)
        self.signals = Signals(expander, clock)
        self.printer = Printer(board.printer_uart, board.printer_busy, clock)
        self.time_keeper = TimeKeeper(
            clock, Ds3231(self._device(pins.CLOCK_ADDRESS, "DS3231")), (RtcError, BusError)
        )
        transport = SpiTransport(board.spi, board.pn532_select, board.pn532_irq, clock)
        self.reader = Pn532Reader(transport, board.pn532_reset, clock)
        self.flow = None
        self.terminal = None

    def _device(self, address: int, chip: str) -> I2cDevice:
        return I2cDevice(self._board.i2c, address, chip, self._board.recover_i2c)

    def open_books(self) -> None:
        """Everything that does not need time: documents, journal, signer. Raises what is wrong with them."""
        board = self._board
        self.time_keeper.start()
        documents = Documents(board.flash["identity_a"], board.flash["identity_b"])
        documents.load()
        self.documents = documents
        self.settings = settings.parse(documents.get(document_area.SETTINGS))
        kid = int.from_bytes(documents.get(document_area.KID), "big")
        chain_start = documents.get(document_area.CHAIN_START)
        self.ledger = Ledger(board.flash, documents, kid, chain_start, self.time_keeper)
        self.ledger.open()
        self.signer = SoftwareSigner(
            int.from_bytes(documents.get(document_area.SEAL_PRIVATE), "big"),
            int.from_bytes(documents.get(document_area.AGREEMENT_PRIVATE), "big"),
            board.entropy,
            self.ledger.journal.boots,
        )
        self.ledger.seal_of = self._seal
        self.ledger.adopt_missing()

    def _seal(self, sequence: int, chain: bytes) -> bytes:
        return self.signer.seal(self.ledger.kid, sequence, chain)

    def assemble(self) -> None:
        """Wire up card, relay and screens on the open books."""
        ledger = self.ledger
        self.keys = LinkKeys(self.signer, self.documents, ledger.kid)
        trust = Trust(ca_key_list.decode(self.documents.get(document_area.CA_KEYS)), IssuerCache())
        kernel = CardKernel(ledger.policy.applications, trust, self._board.entropy)
        roster_key = self.documents.get(document_area.ROSTER_KEY)
        self.authorizer = Authorizer(ledger, kernel, self.reader, roster_key, self._encrypt_un)
        self.upkeep = Upkeep(ledger, self.signer, self.keys, self._is_busy, self._announce)
        self.downlink = Downlink(ledger, self.keys.downlink)
        self.relay = Relay(
            ledger,
            self.downlink,
            self._make_link,
            self.keys.uplink,
            self._verified_through,
            Settings("lumbung-%08x" % ledger.kid, self.settings["username"], self.settings["password"]),
            self._board.clock,
            self._jitter,
        )
        self.terminal = Terminal(
            ledger, self.authorizer, self.reader, self.relay, self._board.clock, self._committed
        )
        self.flow = Flow(self.terminal, self.display, self.keypad, self.printer, self.signals)

    def _encrypt_un(self, block: bytes) -> bytes:
        return cryptolib.aes(self.keys.un_key(), AES_ECB).encrypt(block)

    def _is_busy(self) -> bool:
        return self.terminal.busy

    def _announce(self) -> None:
        self.relay.wake()

    def _committed(self) -> None:
        """A record was committed; its seal is checked by upkeep, which then wakes the relay."""

    def _verified_through(self) -> int:
        return int(self.upkeep.verified_through)

    def _make_link(self) -> TcpLink:
        return TcpLink(self.settings["broker_host"], int(self.settings["broker_port"]), self._tls())

    def _tls(self):
        """The TLS context where the settings ask for it, trusting the provisioned broker CA alone."""
        if self.settings["broker_tls"] != "1":
            return None
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.documents.get(document_area.BROKER_CA))
        return context

    def _jitter(self, most_ms: int) -> int:
        """A random part of a pause, so that a region coming back does not come at once."""
        return int.from_bytes(self._board.entropy(2), "big") * most_ms >> 16

    async def run(self) -> None:
        """Start, then supervise; ends only through `restart`."""
        await self.display.start()
        self._expander.start()
        await self._show(screens.starting)
        try:
            self_test.run()
            self.open_books()
            self.assemble()
        except START_FAILURES as failure:
            await self.stop(start_failure_code(failure))
            return
        self.supervisor = Supervisor(
            self._board.clock, self._board.start_watchdog(WATCHDOG_MS), self._record_crash, self._restart
        )
        for task, work in (
            (TASK_KEYPAD, self.keypad.run),
            (TASK_SIGNALS, self.signals.run),
            (TASK_UPKEEP, self.upkeep.run),
            (TASK_RELAY, self._run_relay),
            (TASK_FLOW, self._run_flow),
        ):
            self.supervisor.add(task[0], task[1], task[2], work)
        await self.supervisor.run()

    async def stop(self, code: int) -> None:
        """A code for the technician, and what became of the last sale if the books can tell; then `restart`."""
        receipt = self.terminal.last_receipt() if self.terminal is not None else None
        await self._show(
            screens.stopped, code, (receipt.sequence, receipt.state) if receipt is not None else ()
        )
        self._restart(code)

    async def _show(self, draw, *values) -> None:
        draw(self.display.framebuffer, *values)
        await self.display.show()

    async def _run_relay(self, check_in) -> None:
        """The relay needs the link keys, which upkeep derives first; without a broker there is nothing to do."""
        while not self.keys.ready.is_set() or not self.settings["broker_host"]:
            check_in()
            await asyncio.sleep_ms(50)
        await self.relay.run(check_in)

    async def _run_flow(self, check_in) -> None:
        """The conversation waits for people, who owe no answer in time; its own waits are all bounded."""
        check_in()
        await self.reader.start()
        while not self.keys.ready.is_set():
            await asyncio.sleep_ms(20)
        await self.flow.run()

    def _record_crash(self, octets: bytes) -> None:
        self.ledger.journal.append_local(slots.LOCAL_CRASH, octets)


def start_failure_code(failure: Exception) -> int:
    """The number on the screen when the terminal cannot start: 301 and up, by kind of failure."""
    for place in range(len(START_FAILURES)):
        if isinstance(failure, START_FAILURES[place]):
            return START_FAILURE_FIRST + place
    return START_FAILURE_FIRST
