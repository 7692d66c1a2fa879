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

import json  # noqa: E402 - the heap is measured before anything else is loaded
import time  # noqa: E402

from firmware.app import App  # noqa: E402
from firmware.authorize import Order  # noqa: E402
from firmware.card import oda  # noqa: E402
from firmware.crypto.constant_time import equal  # noqa: E402
from firmware.crypto.hmac_sha256 import hmac_sha256  # noqa: E402
from firmware.crypto.p256_comb import finish  # noqa: E402
from firmware.crypto.signing import entry_steps  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from hardware.emv_card.card import Card  # noqa: E402
from protocol import aid_pin, chain, records, unpredictable_number  # noqa: E402
from tests.bench.drivers.tap_props import Checker, Draws, Player, Recorder, open_flash, run  # noqa: E402
from tests.support.mp_time import ModelTime  # noqa: E402
from tools.virtual_board import VirtualBoard  # noqa: E402

NOON_S = 1795928400  # 2026-11-29 12:00 at UTC+7
AMOUNT_RUPIAH = 10000
ORDER = (1, records.TENDER_GOODS, AMOUNT_RUPIAH, ((1, 50, 13500), (4, 100, 3250)))


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
