"""Runs on MicroPython: the terminal's own App taps card after card, against cards that are recorded and played back.

    taps.py FOLDER VARIANT MODE COUNT

FOLDER holds `x64` and `x86` (all modules, compiled), `modules.txt` (those of the firmware, in order of import), `image.bin` (a provisioned terminal's whole flash), of each variant the
families and their cards and, made by mode `record`, `VARIANT.json`: every answer of every card, in order, and what was
derived on the way. Modes:

    adopt      boots once and commits the adoptions into the image (VARIANT and COUNT do not matter)
    record     taps with card models; writes VARIANT.json, with one nonce entry for each tap
    check      the same taps from the recording; every command must be the recorded one, octet by octet
    none       the loop alone: a nonce put into the pool for each tap
    warm       that, and Authorizer.identify, the issuer's certificate in the cache
    cold       the same, the cache emptied before each tap
    tap        warm, then Authorizer.redeem
    crypto     warm, then only the cryptography that redeem does, with the same inputs
    flash      prints what each tap did to the flash
    time       prints microseconds of identify and redeem for each tap
    heap       prints the heap as App.run leaves it, and what each tap allocates

What a tap costs is the difference of two modes' slopes (instructions of 2n taps less those of n, divided by n). The
heap is collected once before the first tap, as the firmware does while people walk up, and not again.
"""

import gc
import sys

# Everything is compiled before, as it is on a terminal.
ROOT = sys.argv[1] + ("/x64" if sys.maxsize >> 32 else "/x86")
sys.path[0] = ROOT

gc.collect()
HEAP_BEFORE = gc.mem_alloc()

with open(sys.argv[1] + "/modules.txt") as listed:
    for module in listed:
        __import__(module.strip())
import asyncio  # noqa: E402 - code, like its parts, which it loads when they are first named

for module in ("Event", "Lock", "wait_for_ms", "open_connection"):
    getattr(asyncio, module)
listed = module = None
gc.collect()
HEAP_CODE = gc.mem_alloc() - HEAP_BEFORE

import hashlib  # noqa: E402 - the heap is measured before anything else is loaded
import json  # noqa: E402
import time  # noqa: E402

from firmware.app import App  # noqa: E402
from firmware.authorize import Order  # noqa: E402
from firmware.card import oda  # noqa: E402
from firmware.crypto.constant_time import equal  # noqa: E402
from firmware.crypto.hmac_sha256 import hmac_sha256  # noqa: E402
from firmware.crypto.p256_comb import finish  # noqa: E402
from firmware.crypto.signing import entry_steps  # noqa: E402
from firmware.hal import pins  # noqa: E402
from firmware.hal.board import Board  # noqa: E402
from firmware.hal.flash_area import FlashArea  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from hardware.emv_card.card import Card  # noqa: E402
from protocol import aid_pin, chain, records, unpredictable_number  # noqa: E402
from tests.support.mp_time import ModelTime  # noqa: E402
from tools.virtual_board import VirtualBoard  # noqa: E402

SECTOR = 4096
BLANK = b"\xff" * SECTOR
# Sectors of the journal that exist from the start, so that writing into them allocates nothing.
JOURNAL_SECTORS = 12
NOON_S = 1795928400  # 2026-11-29 12:00 at UTC+7
AMOUNT_RUPIAH = 10000
ORDER = (1, records.TENDER_GOODS, AMOUNT_RUPIAH, ((1, 50, 13500), (4, 100, 3250)))


class Window:
    """A partition in the shape of `esp32.Partition` whose sectors lie in RAM: each access is one copy, as in C."""

    def __init__(self, image, offset, size, kept):
        self._size = size
        self._sectors = {}
        self.forget()
        octets = bytearray(SECTOR)
        image.seek(offset)
        for sector in range(size // SECTOR):
            image.readinto(octets)
            if sector < kept or octets != BLANK:
                self._sectors[sector] = bytearray(octets)

    def forget(self):
        """Count from zero."""
        self.reads = self.programs = self.erases = 0

    def readblocks(self, block, buffer, offset=0):
        self.reads += 1
        block += offset // SECTOR
        offset %= SECTOR
        sector = self._sectors.get(block)
        if sector is None:
            buffer[:] = b"\xff" * len(buffer)
        elif offset + len(buffer) <= SECTOR:
            buffer[:] = memoryview(sector)[offset : offset + len(buffer)]
        else:
            first = SECTOR - offset
            view = memoryview(buffer)
            view[:first] = memoryview(sector)[offset:]
            self.readblocks(block + 1, view[first:])

    def writeblocks(self, block, data, offset):
        self.programs += 1
        if block not in self._sectors:
            self._sectors[block] = bytearray(b"\xff" * SECTOR)
        self._sectors[block][offset : offset + len(data)] = data

    def ioctl(self, request, argument):
        if request == 4:
            return self._size // SECTOR
        if request == 5:
            return SECTOR
        if request == 6:
            self.erases += 1
            self._sectors[argument] = bytearray(b"\xff" * SECTOR)
        return 0


class Draws:
    """Entropy that repeats from run to run and looks random to whoever watches it."""

    def __init__(self):
        self._number = 0

    def __call__(self, count):
        out = b""
        while len(out) < count:
            self._number += 1
            out += hashlib.sha256(b"draw" + self._number.to_bytes(4, "big")).digest()
        return out[:count]


class Recorder:
    """A card model on a reader that hands over whole APDUs; keeps what was said."""

    def __init__(self, card):
        self._card = card
        self.said = []
        card.activate()

    async def transceive(self, command):
        response = bytes(self._card.exchange(bytes(command)))
        self.said.append((bytes(command).hex(), response.hex()))
        return response


class Player:
    """Plays recorded answers one after the other."""

    def __init__(self, answers):
        self._answers = answers
        self._at = 0

    async def transceive(self, command):
        self._at += 1
        return self._answers[self._at - 1]


class Checker:
    """Plays recorded answers and refuses any other command than the recorded one."""

    def __init__(self, said):
        self._said = said
        self._at = 0

    async def transceive(self, command):
        expected, answer = self._said[self._at]
        self._at += 1
        if bytes(command).hex() != expected:
            raise AssertionError(
                "command %d is %s, recorded was %s" % (self._at, bytes(command).hex(), expected)
            )
        return bytes.fromhex(answer)


def run(coroutine):
    """The result of a coroutine that waits for nothing: no scheduler's cost is counted."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


def open_flash(folder):
    """The areas of a provisioned terminal, and the windows behind them."""
    areas, windows = {}, {}
    with open(folder + "/image.bin", "rb") as image:
        for name, offset, size in pins.PARTITIONS:
            if name in Board.FLASH_AREAS:
                windows[name] = Window(image, offset, size, JOURNAL_SECTORS if name == "journal" else 0)
                areas[name] = FlashArea(windows[name], name)
    return areas, windows


class Bench:
    """One terminal, booted from the image, and the cards of one variant."""

    def __init__(self, folder, variant, keys=None):
        with open(folder + "/" + variant + ".families.json") as file:
            self.cards = json.load(file)
        self._path = folder + "/" + variant + ".json"
        moment = ModelTime(epoch_s=NOON_S)
        areas, self.windows = open_flash(folder)
        board = VirtualBoard(
            clock=moment, model_clock=moment.models, rtc_epoch_s=NOON_S, entropy=Draws()
        ).board
        board.flash = areas
        self.app = App(board, None)
        self.app.open_books()
        self.app.assemble()
        self.authorizer = self.app.authorizer
        if keys is None:
            for _ in self.app.keys.derive_steps():
                pass
        else:
            self.app.keys._lasting = keys
        self.order = Order(*ORDER)

    def pin(self, place):
        return self.cards["pins"][place].encode()

    def again(self, tap):
        """The family has taken the card away for the PIN and lays it on again."""
        if self.cards["lifted"]:
            tap.session.live = False

    # Recording.

    def record(self, count):
        with open(self._path.replace(".json", ".cards.json")) as file:
            chips = json.load(file)
        recorded = []
        kept = []
        cda = oda.cda

        def listen(key, sdad, number, cid, hashed):
            kept.append((sdad.hex(), number.hex(), cid, b"".join([bytes(part) for part in hashed]).hex()))
            return cda(key, sdad, number, cid, hashed)

        oda.cda = listen
        journal = self.app.ledger.journal
        for place in range(count):
            reader = Recorder(Card(chips[place]))
            self.authorizer._reader = reader
            tap = run(self.authorizer.identify())
            identified = reader.said
            self.again(tap)
            if self.cards["lifted"]:
                reader = Recorder(reader._card)
                self.authorizer._reader = reader
            else:
                reader.said = []
            before = (journal.sequence, journal.chain)
            sequence = run(self.authorizer.redeem(tap, self.order, self.pin(place)))
            chains = []
            value = before[1]
            for slot in self.app.ledger.records_from(before[0] + 1, journal.sequence - before[0]):
                chains.append((value.hex(), slot.payload.hex()))
                value = chain.extend(value, slot.payload)
            recorded.append(
                {
                    "identify": identified,
                    "redeem": reader.said,
                    "cda": kept.pop(),
                    "sequence": sequence,
                    "chains": chains,
                }
            )
        oda.cda = cda
        keys = [(name.decode(), value.hex()) for name, value in self.app.keys._lasting.items()]
        private = int.from_bytes(self.app.documents.get(document_area.SEAL_PRIVATE), "big")
        nonces = []
        draw = Draws()
        while len(nonces) < count:
            r, inverse, product = finish(entry_steps(private, int.from_bytes(draw(31), "big") + 1))
            nonces.append((r.hex(), inverse.to_bytes(32, "big").hex(), product.to_bytes(32, "big").hex()))
        with open(self._path, "w") as file:
            json.dump({"taps": recorded, "keys": keys, "nonces": nonces}, file)
        print("recorded", count)


class Playback(Bench):
    """A bench with its recording."""

    def __init__(self, folder, variant):
        with open(folder + "/" + variant + ".json") as file:
            recording = json.load(file)
        keys = {}
        for name, value in recording["keys"]:
            keys[name.encode()] = bytes.fromhex(value)
        super().__init__(folder, variant, keys)
        self.taps = recording["taps"]
        self.nonces = [
            (bytes.fromhex(r), int(inverse, 16), int(product, 16))
            for r, inverse, product in recording["nonces"]
        ]
        self._nonce = 0
        self.answers = [
            [bytes.fromhex(answer) for _, answer in tap["identify"] + tap["redeem"]] for tap in self.taps
        ]
        self.pins = [pin.encode() for pin in self.cards["pins"]]

    def ready(self):
        """What was done before the family came: the pool holds a nonce."""
        if self._nonce == 0:
            gc.collect()
        self.app.signer._pool._put(self.nonces[self._nonce])
        self._nonce += 1

    def identify(self, place):
        self.authorizer._reader = Player(self.answers[place])
        return run(self.authorizer.identify())

    def redeem(self, place, tap):
        return run(self.authorizer.redeem(tap, self.order, self.pins[place]))

    # Modes.

    def check(self, count):
        for place in range(count):
            self.ready()
            said = self.taps[place]
            self.authorizer._reader = Checker(said["identify"] + said["redeem"])
            tap = run(self.authorizer.identify())
            self.again(tap)
            if self.redeem(place, tap) != said["sequence"]:
                raise AssertionError("another sequence")
        print("checked", count)

    def none(self, count):
        for _ in range(count):
            self.ready()

    def warm(self, count):
        for place in range(count):
            self.ready()
            self.identify(place)

    def cold(self, count):
        cache = self.authorizer._kernel._trust.issuer_cache
        for place in range(count):
            self.ready()
            cache._entries.clear()
            self.identify(place)

    def tap(self, count):
        for place in range(count):
            self.ready()
            tap = self.identify(place)
            self.again(tap)
            self.redeem(place, tap)

    def crypto(self, count):
        """What cannot be left out: PIN verifier, UN, the card's signature, chain and seal of each record."""
        inputs = []
        for tap in self.taps:  # all of them, whatever the count, so that it cancels out
            sdad, number, cid, hashed = tap["cda"]
            chains = [(bytes.fromhex(before), bytes.fromhex(record)) for before, record in tap["chains"]]
            inputs.append((bytes.fromhex(sdad), bytes.fromhex(number), cid, bytes.fromhex(hashed), chains))
        for place in range(count):
            self.ready()
            self._only_crypto(place, self.identify(place), inputs[place])

    def _only_crypto(self, place, tap, given):
        sdad, number, cid, hashed, chains = given
        session = tap.session
        if self.cards["aid_pin"]:
            index = session.application.application_index
            offered = aid_pin.bound(hmac_sha256, session.pin_binding, tap.card_key, index, self.pins[place])
            if not equal(offered, tap.verifier):
                raise AssertionError("another PIN")
        sequence = self.taps[place]["sequence"]
        if unpredictable_number.derive(self.app._encrypt_un, sequence, 0) != number:
            raise AssertionError("another UN")
        oda.cda(session.chain.icc_key, sdad, number, cid, (hashed,))
        for before, record in chains:
            self.app.signer.seal(self.app.ledger.kid, sequence, chain.extend(before, record))
            sequence += 1

    def time(self, count):
        for place in range(count):
            self.ready()
            gc.collect()
            gc.disable()
            start = time.ticks_us()
            tap = self.identify(place)
            identified = time.ticks_us()
            self.again(tap)
            begun = time.ticks_us()
            self.redeem(place, tap)
            done = time.ticks_us()
            gc.enable()
            print("time", time.ticks_diff(identified, start), time.ticks_diff(done, begun))

    def flash(self, count):
        journal, roster = self.windows["journal"], self.windows["roster_a"]
        books = self.app.ledger.journal
        for place in range(count):
            self.ready()
            roster.forget()
            tap = self.identify(place)
            self.again(tap)
            journal.forget()
            slots = books.slots_written
            self.redeem(place, tap)
            slots = books.slots_written - slots
            print("flash", roster.reads, journal.reads, journal.programs, journal.erases, slots)


def heap(folder, variant, count):
    """The heap of a terminal that App.run has started, with real tasks; then taps that collect only where the firmware
    does: before the card, and before the PIN (ui/service)."""
    with open(folder + "/" + variant + ".json") as file:
        recording = json.load(file)
    answers = [
        [bytes.fromhex(answer) for _, answer in tap["identify"] + tap["redeem"]] for tap in recording["taps"]
    ]
    with open(folder + "/" + variant + ".families.json") as file:
        cards = json.load(file)
    pins_of = [pin.encode() for pin in cards["pins"]]
    lifted = cards["lifted"]
    cards = recording = None
    areas, _ = open_flash(folder)
    board = VirtualBoard(rtc_epoch_s=NOON_S, entropy=Draws()).board
    board.flash = areas
    order = Order(*ORDER)
    asyncio.run(_heap(board, answers[:count], pins_of, lifted, order))


async def _heap(board, answers, pins_of, lifted, order):
    gc.collect()
    before = gc.mem_alloc()
    app = App(board, None)
    task = asyncio.create_task(app.run())
    while app.flow is None or not app.keys.ready.is_set() or len(app.signer._pool) < 16:
        if task.done():
            await task
        await asyncio.sleep_ms(20)
    gc.collect()
    live = gc.mem_alloc() - before
    print("heap", HEAP_CODE, live)
    for place in range(len(answers)):
        gc.collect()
        gc.disable()
        app.authorizer._reader = Player(answers[place])
        at_start = gc.mem_alloc()
        tap = run(app.authorizer.identify())
        identified = gc.mem_alloc()
        if lifted:
            tap.session.live = False
        gc.collect()
        begun = gc.mem_alloc()
        run(app.authorizer.redeem(tap, order, pins_of[place]))
        done = gc.mem_alloc()
        gc.enable()
        tap = None
        print("tap", identified - before, identified - at_start, done - begun, done - before)
        while len(app.signer._pool) < 16:
            await asyncio.sleep_ms(20)
    task.cancel()


def adopt(folder):
    """The first boot, at the moment of the taps."""
    moment = ModelTime(epoch_s=NOON_S)
    board = VirtualBoard(
        flash_image=folder + "/image.bin", clock=moment, model_clock=moment.models, rtc_epoch_s=NOON_S
    ).board
    App(board, None).open_books()


def main(folder, variant, mode, count):
    if mode == "adopt":
        adopt(folder)
    elif mode == "record":
        Bench(folder, variant).record(count)
    elif mode == "heap":
        heap(folder, variant, count)
    else:
        getattr(Playback(folder, variant), mode)(count)


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
