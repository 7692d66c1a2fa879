"""MicroPython only: the firmware on a virtual board, driven by JSON lines on standard input; `start.py` starts it.

Each line is {"do": name, ...}; the answer is one line {"ok": ...} or {"error": type, "text": ...}. What the hand does
(keys, cards) goes to the chip models; the firmware is not told that it is virtual.
"""

import asyncio
import json
import os
import sys

from firmware import chip_provisioning, provisioning
from firmware.app import App
from firmware.crypto.atecc_signer import AteccSigner
from firmware.crypto.signer import SoftwareSigner
from firmware.drivers.atecc608 import Atecc608
from firmware.hal import pins
from firmware.ledger import document_area
from firmware.ui import strings
from hardware.emv_card.card import Card
from hardware.model_clock import HostClock
from hardware.modem import Modem
from hardware.printer_escpos import receipt_text
from protocol import certificates, records
from tools import virtual_chip, virtual_modem
from tools.virtual_board import VirtualBoard
from tools.virtual_terminal import fingers, slots


class TerminalOffError(Exception):
    """This needs a terminal that was switched on."""


class Laptop:
    """The other end of the USB cable: `heard` is what the terminal wrote."""

    def __init__(self) -> None:
        self.heard = bytearray()

    def receive(self, value: int, _now_us: int) -> None:
        """One octet from the terminal."""
        self.heard.append(value)


class Virtual:
    """The terminal on the bench: its board, its application while powered, and the cards lying about.

    `fittings`: "modem" with a "family" of `hardware.modem_dialects` and its "number"; "atecc608" with the path of the file
    that keeps the part's memory; "contact_reader" true; "slots" with the place of the file system in its
    flash from which the firmware is loaded; "cards" with the path of a file where the cards' chips keep their state, for whichever
    terminal they visit next; each if there is one. "paces": times that are others than in the field (`slots`).
    """

    def __init__(self, flash_path: str, fittings: dict) -> None:
        clock = HostClock() if slots.here is None else slots.here.clock
        modem = None
        if "modem" in fittings:
            modem = virtual_modem.build(clock, fittings["modem"]["family"], fittings["modem"]["number"])
        part = virtual_chip.build(clock, fittings["atecc608"]) if "atecc608" in fittings else None
        self.board = VirtualBoard(
            flash_path,
            None if slots.here is None else slots.here.flash,
            model_clock=clock,
            modem=modem,
            secure_element=part,
            has_contact_reader=fittings.get("contact_reader", False),
        )
        self._laptop = Laptop()
        self.board.technician_uart.connect(self._laptop)
        self._messages_seen = 0
        self._app = None
        self._task = None
        self._cards = {}
        self._cards_file = fittings.get("cards", "")
        self._cards_kept = _load(self._cards_file)
        self._receipts_seen = 0
        self._crash = 0
        self._restarts = 0
        self._stays = False
        self._is_to_start = False

    # Factory.

    async def do_make_keys(self, request: dict) -> dict:
        """Keys for a new generation, in the key chip where there is one; only the public halves come out."""
        board = self.board.board
        documents = provisioning.open_documents(board.flash)
        kid, discards_records = request["kid"], request["discards_records"]
        if self.board.secure_element is None:
            storage = certificates.STORAGE_SOFTWARE
            seal, agreement = provisioning.make_keys(documents, kid, board.entropy, discards_records)
        else:
            storage = certificates.STORAGE_ATECC608
            await chip_provisioning.lock_configuration(self._chip())
            seal, agreement = await chip_provisioning.make_keys(
                documents, kid, self._chip(), discards_records
            )
        return {"storage": storage, "seal_key": seal.hex(), "agreement_key": agreement.hex()}

    def _chip(self) -> Atecc608:
        """The driver of the key chip, as the application makes its own."""
        board = self.board.board
        return Atecc608(board.i2c, pins.SECURE_ELEMENT_ADDRESS, board.clock, board.recover_i2c)

    async def do_install(self, request: dict) -> dict:
        """Verify and store what the authority issued."""
        flash = self.board.board.flash
        documents = provisioning.open_documents(flash)
        given = {}
        for name in request["sections"]:
            given[int(name)] = bytes.fromhex(request["sections"][name])
        provisioning.install(
            flash, documents, given, bytes.fromhex(request["roster"]), self._signer(documents)
        )
        return {}

    def _signer(self, documents: object) -> object:
        """A signer for provisioning alone: it seals nothing, so it needs no burned boot counter."""
        if documents.get(document_area.KEY_CHIP):
            return AteccSigner(self._chip())
        return SoftwareSigner(
            int.from_bytes(documents.get(document_area.SEAL_PRIVATE), "big"),
            int.from_bytes(documents.get(document_area.AGREEMENT_PRIVATE), "big"),
            self.board.board.entropy,
            0,
        )

    # Power and hands.

    async def do_power_on(self, request: dict) -> dict:
        """Start the firmware. `stays`: a restart starts it anew, as on the ESP32; else it stays off, to be looked at."""
        self._stays = request.get("stays", False)
        self._start()
        return {}

    def _start(self) -> None:
        self._app = App(self.board.board, self._restarted, () if slots.here is None else slots.here.running)
        self._task = asyncio.create_task(self._app.run())

    def _restarted(self, code: int) -> None:
        self._crash = code
        self._restarts += 1
        self._is_to_start = self._stays

    def _running(self) -> App:
        """The application, once it was switched on and its books are open."""
        if self._app is None or self._app.terminal is None:
            raise TerminalOffError("not switched on, or it could not start")
        return self._app

    async def do_press(self, request: dict) -> dict:
        """Press keys one after the other, each until the firmware's keypad has taken it: one that has stopped looks for keys
        while its parts are tested.
        """
        if self._app is None:
            raise TerminalOffError("not switched on")
        await fingers.press(self.board, self._app.keypad, request["keys"])
        return {}

    async def do_place(self, request: dict) -> dict:
        """Lay a card on the reader, or push it into the slot (`inserted`); its chip keeps its state between visits."""
        name = request["name"]
        if name not in self._cards:
            self._cards[name] = Card(request["data"])
            if name in self._cards_kept:
                self._cards[name].load_state(self._cards_kept[name])
        if request.get("inserted", False):
            self.board.insert_card(self._cards[name])
        else:
            self.board.place_card(self._cards[name])
        return {}

    async def do_remove(self, _request: dict) -> dict:
        """Take all cards away."""
        self.board.remove_card()
        if self.board.contact_reader is not None:
            self.board.pull_card()
        return {}

    async def do_open_case(self, _request: dict) -> dict:
        """Open the case, which trips its switch."""
        self.board.open_case()
        return {}

    async def do_wlan(self, request: dict) -> dict:
        """The access point comes within reach or goes."""
        self.board.network.in_reach = request["in_reach"]
        return {}

    async def do_deliver_message(self, request: dict) -> dict:
        """A short message of 8-bit data for the terminal; `data` as hexadecimal, at most 140 octets."""
        modem = self._modem()
        data = bytes.fromhex(request["data"])
        modem.network.inject(modem.number, request["sender"].encode(), bytes((len(data),)) + data)
        return {}

    async def do_cable(self, request: dict) -> dict:
        """Type on a laptop at the USB cable; what the terminal wrote since the last call, both as text."""
        self.board.technician_uart.deliver(request["typed"].encode())
        self.board.technician_uart.settle()
        heard = bytes(self._laptop.heard).decode()
        self._laptop.heard = bytearray()
        return {"heard": heard}

    def _modem(self) -> Modem:
        if self.board.modem is None:
            raise TerminalOffError("no modem is fitted")
        return self.board.modem

    # Eyes.

    async def do_messages(self, _request: dict) -> dict:
        """Short messages that the terminal sent since the last call, as [number, data in hexadecimal]."""
        submitted = self._modem().network.submitted
        new = [[number.decode(), data.hex()] for number, data in submitted[self._messages_seen :]]
        self._messages_seen = len(submitted)
        return {"messages": new}

    async def do_modem(self, _request: dict) -> dict:
        """What the firmware says of its modem, and its counters that are not zero."""
        driver = self._running().links.modem
        counters = driver.counters
        counts = {name: getattr(counters, name) for name in counters.NAMES if getattr(counters, name)}
        return {"state": driver.state, "counts": counts}

    async def do_screen(self, _request: dict) -> dict:
        """The lit pixels, a row of 128 characters for each line."""
        pixel = self.board.display.pixel
        return {"rows": ["".join([str(pixel(x, y)) for x in range(128)]) for y in range(64)]}

    async def do_shown(self, _request: dict) -> dict:
        """The name of the screen that is seen, whether it waits for a key, the code that a stopped terminal shows, and the
        one with which it restarted (0: none).
        """
        app = self._app
        ready = app is not None and app.flow is not None
        return {
            "shown": app.flow.panel.shown if ready else "",
            "listening": ready and app.keypad.is_listening,
            "stopped": app.stopped_code if app is not None else 0,
            "crash": self._crash,
        }

    async def do_receipts(self, _request: dict) -> dict:
        """What was printed since the last call, as text."""
        receipts = self.board.printer.receipts()
        new = [receipt_text(receipt) for receipt in receipts[self._receipts_seen :]]
        self._receipts_seen = len(receipts)
        return {"receipts": new}

    async def do_release(self, _request: dict) -> dict:
        """What the console says of releases, where the application was loaded from, and how often it ended itself."""
        told = dict(await self._running().workshop.releases.release(None, []))
        told["file"] = sys.modules["firmware.app"].__file__
        told["restarts"] = self._restarts
        return told

    async def do_books(self, _request: dict) -> dict:
        """The chain as the terminal has it, with the state that its screen shows for each redemption."""
        app = self._running()
        ledger = app.ledger
        found = []
        for slot in ledger.records_from(1, ledger.journal.sequence):
            record = records.decode(slot.payload)
            entry = {"sequence": slot.sequence, "kind": records.name(slot.kind), "time_s": record.time_s}
            if slot.kind == records.REDEMPTION:
                entry["programme"] = record.programme
                entry["tender"] = record.tender
                entry["amount_rupiah"] = record.amount_rupiah
                entry["family"] = slot.index + 1
                entry["application"] = record.proof.application_index
                entry["atc"] = record.proof.atc
                entry["ac"] = record.proof.ac.hex()
                entry["record"] = slot.payload.hex()
            state = app.terminal.state_of(slot.sequence)
            entry["state"] = strings.STATE_WORDS[state]
            found.append(entry)
        granted = 0
        for programme in sorted(ledger.grants):
            for index in range(ledger.roster.count):
                granted += ledger.grants[programme].amount_rupiah(index)
        return {
            "records": found,
            "granted_rupiah": granted,
            "redeemed_rupiah": ledger.entitlements.redeemed_rupiah,
            "voided_rupiah": ledger.entitlements.voided_rupiah,
            "sealed_through": ledger.marks.sealed_through,
            "reclaim_through": ledger.marks.reclaim_through,
            "link": app.relay.state,
            "way": app.links.way,
            "boots": ledger.journal.boots,
            "downlink": app.downlink.counts,
            "locked": ledger.is_locked,
            "notices": app.terminal.notices(),
            "epoch": ledger.marks.epoch,
        }

    async def answer(self, line: str) -> dict:
        """Carry out one line."""
        try:
            request = json.loads(line)
            return {"ok": await getattr(self, "do_" + request["do"])(request)}
        except Exception as error:  # lumbung: recorded, the other side raises it with its name
            sys.print_exception(error, sys.stderr)  # type: ignore[arg-type]
            return {"error": type(error).__name__, "text": str(error)}

    def _keep_cards(self) -> None:
        """What their chips have written since the last look."""
        now = dict(self._cards_kept)
        for name in self._cards:
            now[name] = self._cards[name].state()
        if self._cards_file and now != self._cards_kept:
            self._cards_kept = now
            with open(self._cards_file + ".new", "w") as file:  # noqa: PTH123 - there is no pathlib here
                json.dump(self._cards_kept, file)
            os.rename(self._cards_file + ".new", self._cards_file)  # noqa: PTH104 - nor here

    async def watch(self) -> None:
        """A restart is carried out: where the firmware comes from the flash, by this process's end, since another one may be chosen
        there. A firmware that ended of itself is told on standard error: it never should.
        """
        while True:
            self._keep_cards()
            if self._is_to_start:
                if slots.here is not None:
                    sys.exit()
                self._is_to_start = False
                self._task.cancel()
                await asyncio.sleep_ms(0)
                self._start()
            if self._task is not None and self._task.done():
                try:
                    await self._task
                except Exception as error:  # lumbung: recorded, printed for the person at the bench
                    sys.print_exception(error, sys.stderr)  # type: ignore[arg-type]
                self._task = None
            await asyncio.sleep_ms(100)


def _load(path: str) -> dict:
    """The states of cards, none where there is no such file."""
    try:
        with open(path) as file:  # noqa: PTH123 - there is no pathlib here
            return dict(json.load(file))
    except OSError:
        return {}


async def main() -> None:
    """Serve lines until standard input ends."""
    slots.hurry(slots.fittings.get("paces", {}))
    virtual = Virtual(sys.argv[2], slots.fittings)
    watching = asyncio.create_task(virtual.watch())
    source = asyncio.StreamReader(sys.stdin)
    while True:
        line = await source.readline()
        if not line:
            watching.cancel()
            return
        answer = await virtual.answer(line.decode())
        sys.stdout.write(json.dumps(answer) + "\n")


asyncio.run(main())
