"""The terminal put together: opens the books, then runs the essential tasks under supervision until power goes."""

import asyncio

import cryptolib

from firmware import over_air, settings
from firmware.authorize import Authorizer
from firmware.bench import fitted
from firmware.card.certificates import IssuerCache
from firmware.card.errors import CardError
from firmware.card.kernel import CardKernel
from firmware.card.oda import Trust
from firmware.carry.codes import Codes
from firmware.carry.usb import CarryCommands
from firmware.case_watch import CaseWatch
from firmware.console.books import BookCommands
from firmware.console.status import StatusCommands
from firmware.crypto import self_test
from firmware.crypto.signer import SoftwareSigner
from firmware.event_log import EventLog
from firmware.key_chip import KeyChip
from firmware.ledger import ca_key_list, document_area
from firmware.ledger.document_area import Documents, DocumentsMissing
from firmware.ledger.ledger import Ledger
from firmware.links import FrameNotTaken, Links
from firmware.parts import Parts
from firmware.relay.downlink import Downlink
from firmware.relay.mqtt_way import Settings
from firmware.relay.relay import Relay
from firmware.stopping import STANDS_BY, Stopping
from firmware.supervisor import Supervisor
from firmware.terminal import Terminal
from firmware.ui import screens
from firmware.ui.flow import Flow
from firmware.upkeep import LinkKeys, Upkeep
from firmware.watch import Watch
from firmware.workshop import Workshop

WATCHDOG_MS = 30000
AES_ECB = 1

# Essential tasks: name, number in crash codes, longest silence. Number 0 is any task without a name.
TASK_RELAY = ("relay", 1, 60000)
TASK_UPKEEP = ("upkeep", 2, 20000)
TASK_KEYPAD = ("keypad", 3, 10000)
TASK_SIGNALS = ("signals", 4, 10000)
# It looks for keys all the time, but while it prints: thirty slips of carried records, each within 20 s.
TASK_FLOW = ("flow", 5, 700_000)
# A modem that is dead is its own task's business, for as long as that one checks in (drivers/modem/ladder).
TASK_MODEM = ("modem", 6, 60000)
TASK_SMS = ("sms", 7, 60000)
TASK_CONSOLE = ("console", 8, 60000)
TASK_CASE = ("case", 9, 10000)


class App:
    """One powered terminal. `board`: hal.board.Board; `restart(code)` ends it after its code was shown; `running`: (root of
    the flash file system, slot) that this application was started from, () where there is none.
    """

    def __init__(self, board, restart, running: tuple = ()) -> None:
        self._board = board
        self.parts = Parts(board)
        self.display = self.parts.display
        self.keypad = self.parts.keypad
        self.signals = self.parts.signals
        self.printer = self.parts.printer
        self.time_keeper = self.parts.time_keeper
        self.reader = self.parts.reader
        self.log = EventLog(board.clock)
        self.workshop = Workshop(board, self.parts, running, restart)
        self.workshop.offer(StatusCommands(self, running, self.log).commands)
        self.self_test = fitted.commands(board, self.parts, running, self._show_code)
        self.workshop.offer(self.self_test.commands)
        self.stopping = Stopping(board, self.display, self.workshop, self.self_test, self.log, restart)
        self.chip = None
        self.flow = None
        self.terminal = None
        self.relay = None
        self._un_cipher = None
        self._proving = None
        self._noting = None

    @property
    def console(self):
        """The technician's."""
        return self.workshop.console

    @property
    def stopped_code(self) -> int:
        """The code on the screen of a terminal that has stopped itself, 0 while it runs."""
        return int(self.stopping.code)

    def open_books(self) -> None:
        """Everything that does not need time: documents, journal, signer. Raises what is wrong with them."""
        board = self._board
        self.time_keeper.start()
        documents = Documents(board.flash["identity_a"], board.flash["identity_b"])
        documents.load()
        if not documents.get(document_area.CHAIN_START):
            raise DocumentsMissing  # keys were made, but the authority's documents never came
        self.documents = documents
        # No sale depends on them: a terminal starts with what can be used, and a notice says so.
        self.settings, _ = settings.read(documents.get(document_area.SETTINGS))
        board.network.configure(self.settings["wifi_ssid"], self.settings["wifi_password"])
        kid = int.from_bytes(documents.get(document_area.KID), "big")
        chain_start = documents.get(document_area.CHAIN_START)
        self.ledger = Ledger(board.flash, documents, kid, chain_start, self.time_keeper)
        self.ledger.open()
        self._open_keys()
        self.ledger.adopt_missing()

    def _open_keys(self) -> None:
        """The key maker that provisioning chose: a chip, or software with keys in flash."""
        board, ledger, documents = self._board, self.ledger, self.documents
        if documents.get(document_area.KEY_CHIP):
            self.chip = KeyChip(self.parts.key_chip, documents, ledger)
            self.signer = self.chip.signer
            ledger.seal_of = self.chip.seal
            ledger.count_commit = self.chip.count
            self.chip.look()
            return
        self.signer = SoftwareSigner(
            int.from_bytes(documents.get(document_area.SEAL_PRIVATE), "big"),
            int.from_bytes(documents.get(document_area.AGREEMENT_PRIVATE), "big"),
            board.entropy,
            ledger.journal.boots,
        )
        ledger.seal_of = self._seal

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
        self.upkeep = Upkeep(ledger, self.signer, self.keys, self._is_busy, self._announce, self.chip)
        self.downlink = Downlink(ledger, self.keys.downlink)
        self.links = Links(
            self._board,
            self.parts.expander,
            self.settings,
            self.documents,
            self._take_frame,
            lambda: self.relay.sessions,
        )
        self.relay = Relay(
            ledger,
            self.downlink,
            self.links.make_link,
            self.keys.uplink,
            self._verified_through,
            Settings("lumbung-%08x" % ledger.kid, self.settings["username"], self.settings["password"]),
            self._board.clock,
            self._jitter,
            self.upkeep.verify,
            self.links.sms,
        )
        self.printer.draws_qr = self.settings["printer_qr"] == "1"
        carry = CarryCommands(ledger, self.relay, self.keys.ready.is_set)
        commands = dict(carry.commands)
        commands.update(BookCommands(ledger, self._board.flash, self.workshop.begin_anew).commands)
        self.workshop.open(commands, self._is_busy, lambda: self.stopping.crashed(STANDS_BY))
        self.terminal = Terminal(
            ledger, self.authorizer, self.reader, self.relay, self._board.clock, self.signer
        )
        self.terminal.codes = Codes(ledger, self.relay.frames, self.keys.ready.is_set)
        self.flow = Flow(self.terminal, self.display, self.keypad, self.printer, self.signals)
        self.self_test.open(fitted.in_service(self._board, self.parts, self))
        self.case = CaseWatch(self.parts.expander.case_was_open, self.terminal.case_opened, self._board.clock)
        over_air.join(self, self._board, self._jitter, self.workshop.begin_anew)

    def _encrypt_un(self, block: bytes) -> bytes:
        # Ten blocks in every tap: one cipher for them all spares the heap 3 KB between PIN and commit.
        if self._un_cipher is None:
            self._un_cipher = cryptolib.aes(self.keys.un_key(), AES_ECB)
        return self._un_cipher.encrypt(block)

    def _is_busy(self) -> bool:
        return self.terminal.busy

    def _announce(self) -> None:
        self.relay.wake()

    def _verified_through(self) -> int:
        return int(self.upkeep.verified_through)

    async def _take_frame(self, octets: bytes) -> None:
        """A frame that came as a short message."""
        if not await self.relay.received(octets):
            raise FrameNotTaken

    def _jitter(self, most_ms: int) -> int:
        """A random part of a pause, so that a region coming back does not come at once."""
        return int.from_bytes(self._board.entropy(2), "big") * most_ms >> 16

    async def run(self) -> None:
        """Start, then supervise; ends only through `restart`."""
        try:
            await self.display.start()
            screens.starting(self.display.framebuffer)
            await self.display.show()
            self.parts.expander.start()
            self_test.run()
            self.open_books()
            self.assemble()
        except Exception as failure:  # lumbung: catch-all - it becomes the code on the screen
            await self.stopping.cannot_start(failure)
            return
        loop = asyncio.get_event_loop()
        loop.set_exception_handler(self._unnamed_task_ended)
        try:
            await self._supervise()
        finally:
            loop.set_exception_handler(None)

    async def _supervise(self) -> None:
        """Run the essential tasks until one of them crashes; then show its code and restart."""
        stopping = self.stopping
        watchdog = self._board.start_watchdog(WATCHDOG_MS)
        stopping.begin(self.ledger, self.terminal, watchdog)
        self.supervisor = Supervisor(self._board.clock, watchdog, stopping.keep, stopping.crashed)
        tasks = [
            (TASK_KEYPAD, self.keypad.run),
            (TASK_SIGNALS, self.signals.run),
            (TASK_UPKEEP, self.upkeep.run),
            (TASK_RELAY, self._run_relay),
            (TASK_FLOW, self._run_flow),
            (TASK_CONSOLE, self.console.run),
            (TASK_CASE, self.case.run),
        ]
        if self.links.modem is not None:
            tasks.append((TASK_MODEM, self.links.modem.run))
        if self.links.sms is not None:
            tasks.append((TASK_SMS, self._run_sms))
        for task, work in tasks:
            self.supervisor.add(task[0], task[1], task[2], work)
        if self.workshop.releases is not None:
            self._proving = asyncio.create_task(self.workshop.releases.prove(self._board.clock))
        self._noting = asyncio.create_task(Watch(self, self.log).run(self._board.clock))
        watching = asyncio.create_task(self.supervisor.run())
        try:
            await stopping.has_crashed.wait()
        finally:
            watching.cancel()
            self.supervisor.stop()
        await stopping.after_crash()

    async def _run_relay(self, check_in) -> None:
        """The relay needs the link keys, which upkeep derives first; without a broker there is nothing to do."""
        while not self.keys.ready.is_set() or not self.settings["broker_host"] or not self.links.ways:
            check_in()
            await asyncio.sleep_ms(50)
        self.links.check_in = check_in
        await self.relay.run(check_in)

    async def _run_sms(self, check_in) -> None:
        """Short messages need the link keys too, but no broker."""
        while not self.keys.ready.is_set():
            check_in()
            await asyncio.sleep_ms(50)
        await self.relay.run_sms(check_in)

    def _unnamed_task_ended(self, _loop, context: dict) -> None:
        self.supervisor.make_room()
        self.stopping.unnamed_task_ended(context["exception"])

    async def _show_code(self) -> None:
        """Again, after a self-test of a stopped terminal."""
        await self.stopping.show()

    def _chip_fails(self) -> bool:
        return self.chip is not None and self.chip.last_error is not None

    async def _run_flow(self, check_in) -> None:
        """The conversation waits for people, who owe no answer in time; while it looks for their keys it is alive. It opens
        when a sale can be sealed at once, or when a key chip that fails will refuse it.
        """
        check_in()
        self.keypad.attended = check_in
        try:
            await self.reader.start()
        except CardError:
            # Without a reader there is no sale, but all else goes on; each sale tries it again.
            self.terminal.reader_failed = True
        while not self.keys.ready.is_set() and not self._chip_fails():
            check_in()
            await asyncio.sleep_ms(20)
        await self.terminal.make_ready()
        await self.flow.run()
