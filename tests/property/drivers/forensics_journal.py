"""Driver: lives of the real journal on modelled flash, and the firmware's own reading of any image of one.

Requests and answers are 4 octets of length, that much JSON, then an image of the journal.
"""

import hashlib
import json

from firmware.hal.flash_area import FlashArea, FlashError
from firmware.ledger import slots, state
from firmware.ledger.checkpoint import Checkpointer
from firmware.ledger.journal import Journal, JournalFull
from firmware.ledger.state import State, store_places
from hardware.nor_faults import FaultPlan
from hardware.nor_flash import NorFlash, Partition, PowerCut
from protocol import acknowledgement

FAMILIES = 6
SECTOR = 4096


def made_up_seal(sequence: int, chain: bytes) -> bytes:
    """64 octets for histories in which nobody verifies seals."""
    return hashlib.sha256(sequence.to_bytes(4, "big") + chain).digest() * 2


class Life:
    """A terminal's books on one chip, through as many power cycles as the faults ask for."""

    def __init__(self, sectors, kid, start, periods, plan):
        self.flash = NorFlash(sectors * SECTOR)
        self.start = start
        self.kid = kid
        self.periods = dict(periods)
        self.committed = []
        self.failures = []
        self.journal = None
        self.plan = plan
        self.seals = []

    def grow(self, days, operations):
        """A past without faults: the same operations each day; the plan is armed behind it."""
        for _ in range(days):
            for operation in operations:
                self.do(operation)
        if self.plan is not None:
            self.flash.arm(FaultPlan(self.plan[0], self.plan[1]))

    def do(self, operation):
        """One operation; power cuts and refusals are part of life."""
        try:
            if self.journal is None:
                self._boot()
            getattr(self, "do_" + operation[0])(*operation[1:])
        except PowerCut:
            self.flash.power_on()
            self.journal = None
        except (JournalFull, FlashError) as error:
            self.failures.append(type(error).__name__)
            if not isinstance(error, JournalFull):
                self.journal = None

    def _boot(self):
        area = FlashArea(Partition(self.flash, "journal", 0, self.flash.size), "journal")
        self.state = State(FAMILIES, lambda: self.periods)
        journal = Journal(area, self.kid, self.start)
        journal.open(self.state)
        self.checkpointer = Checkpointer(journal, self.state.snapshot)
        self.journal = journal

    def seal_of(self, sequence, chain):
        """The seal that the request has for a record, else a made-up one."""
        return bytes.fromhex(self.seals[sequence - 1]) if self.seals else made_up_seal(sequence, chain)

    def do_record(self, octets, index, times):
        """Commit records."""
        octets = bytes.fromhex(octets)
        for _ in range(times):
            kind = octets[0]
            sequence, _, _ = self.journal.append_chain(kind, octets, index, self.seal_of)
            self.state.apply(kind, sequence, index, octets)
            self.committed.append([sequence, octets.hex()])

    def do_mark(self, kind, payload, index, times):
        """Burn marks."""
        payload = bytes.fromhex(payload)
        for _ in range(times):
            self.journal.append_local(kind, payload, index)
            self.state.apply(kind, 0, index, payload)
        self.journal.set_reclaim(self.state.reclaim_through)

    def do_heard(self, lag, counter):
        """An acknowledgement of all but the last `lag` records, sealed and settled."""
        told = acknowledgement.Acknowledgement()
        told.epoch, told.time_s, told.chain_digest = 1, 1800000000, bytes(16)
        told.sealed_through = told.reclaim_through = max(0, self.journal.sequence - lag)
        told.gaps, told.states_first, told.states = (), max(1, told.sealed_through - 2), (1, 2, 0)
        body = counter.to_bytes(4, "big") + acknowledgement.encode(told)
        self.do_mark(slots.LOCAL_ACKNOWLEDGEMENT, body.hex(), slots.NO_INDEX, 1)

    def do_idle(self, steps):
        """What the terminal does between customers."""
        for _ in range(steps):
            if self.journal.retired != self.state.retired:
                self.do_mark(slots.LOCAL_RETIRED, store_places(self.journal.retired).hex(), slots.NO_INDEX, 1)
            self.checkpointer.step()
            self.journal.erase_ahead()

    def do_checkpoint(self):
        """A whole checkpoint now: chips of a few sectors are full before one is due."""
        before = self.journal.checkpoints
        self.checkpointer._is_due = lambda: True
        while self.journal.checkpoints == before:
            self.checkpointer.step()

    def do_off(self):
        """The switch."""
        self.journal = None


def live(request, image):
    """A life, on a chip with that image if one is given; returns what was committed and refused, what fired, and the
    image as it reads at the end."""
    life = Life(
        request["sectors"],
        request["kid"],
        bytes.fromhex(request["start"]),
        request["periods"],
        request["plan"],
    )
    life.seals = request["seals"]
    fill(life.flash, image)
    life.grow(request["days"], request["day"])
    for operation in request["operations"]:
        life.do(operation)
    image = bytearray(life.flash.size)
    life.flash.read_into(0, image)
    answer = {
        "committed": life.committed,
        "failures": life.failures,
        "fired": len(life.flash.fired),
        "operations": life.flash.operations(),
        "wear": life.flash.wear_spread(0, request["sectors"]),
    }
    return answer, image


def fill(flash, image):
    """Put an image onto a new chip."""
    for place in range(0, len(image), 256):
        if image[place : place + 256] != b"\xff" * 256:
            flash.page_program(place, image[place : place + 256])


def scan(image):
    """Every sector as the firmware's own code reads it, before anything is written."""
    found = []
    for base in range(0, len(image), SECTOR):
        octets = image[base : base + SECTOR]
        header = slots.decode_sector_header(octets[: slots.SECTOR_HEADER_OCTETS])
        whole = [
            [base + at, octets[at : slots.end_of(octets, at)].hex()] for at in slots.whole_slots(octets, 64)
        ]
        if header is None:
            found.append([None, whole])
        else:
            told = [header.number, header.sequence, header.chain.hex(), header.kid, header.checkpoint]
            told.append(header.passed)
            found.append([told, whole])
    return found


def view(request, image):
    """The firmware's scan of an image, then what a start on it gives, and the image behind that start."""
    answer = {"scan": scan(bytes(image))}
    life = Life(
        len(image) // SECTOR, request["kid"], bytes.fromhex(request["start"]), request["periods"], None
    )
    fill(life.flash, image)
    try:
        life._boot()
    except FlashError as error:
        answer["refused"] = str(error)
        return answer, image
    journal = life.journal
    answer["damage"] = str(journal.damage) if journal.damage else ""
    answer["sequence"] = journal.sequence
    answer["chain"] = journal.chain.hex()
    answer["boots"] = journal.boots
    answer["head"] = journal.head
    answer["oldest"] = journal.oldest
    answer["first"] = journal.first_sequence
    answer["checkpoints"] = list(journal.checkpoints)
    answer["retired"] = journal.retired
    answer["records"] = []
    for sequence in range(journal.first_sequence, journal.sequence + 1):
        try:
            slot = journal.read(sequence, 1)[0]
            answer["records"].append([sequence, slot.kind, slot.index, slot.payload.hex(), slot.seal.hex()])
        except FlashError:
            answer["records"].append([sequence])
    answer["state"] = state_of(life.state)
    after = bytearray(len(image))
    life.flash.read_into(0, after)
    return answer, after


def state_of(known):
    """What follows from the journal, by the firmware's own books."""
    books = known.entitlements
    tries = []
    for index in range(FAMILIES):
        tries += [[index, place, books.tries(index, place)] for place in (0, 1) if books.tries(index, place)]
    return {
        "crash": known.crash.hex(),
        "sealed_through": known.marks.sealed_through,
        "reclaim_through": known.marks.reclaim_through,
        "redeemed_count": books.redeemed_count,
        "redeemed_rupiah": books.redeemed_rupiah,
        "voided_rupiah": books.voided_rupiah,
        "counter_next": books.counter_next,
        "tries": tries,
        "spent": [books.spent_rupiah(1, index) for index in range(FAMILIES)],
    }


def handle(request):
    """One request."""
    length = int.from_bytes(request[:4], "big")
    asked = json.loads(request[4 : 4 + length])
    image = request[4 + length :]
    if asked["what"] == "formats":
        answer = {"journal": slots.FORMAT, "checkpoint": state.FORMAT}
    else:
        answer, image = live(asked, image) if asked["what"] == "live" else view(asked, image)
    told = json.dumps(answer).encode()
    return len(told).to_bytes(4, "big") + told + bytes(image)
