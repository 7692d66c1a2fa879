"""Driver: one terminal's books on modelled flash, an action per request; power may be cut at any flash operation."""

import json

from firmware.hal.flash_area import FlashError
from firmware.ledger.journal import Journal, JournalFull
from firmware.ledger.state import State
from hardware import nor_faults
from hardware.nor_flash import MemoryStore, NorFlash, PowerCut
from protocol import grant
from tests.support.mp_books import (
    KID,
    SECTOR_BYTES,
    SIGNATURE,
    START,
    flash_of,
    make_acknowledgement,
    make_chip,
    make_grant,
    note_event,
    open_ledger,
    provision,
    redeem,
    void,
)

FAMILIES = 4
PROGRAMMES = (1, 2)


class Bench:
    """The terminal between two requests."""

    def __init__(self):
        self.chip = None
        self.ledger = None
        self.acknowledgements = 0

    def start(self, journal_sectors, chip_seed):
        self.chip = make_chip(journal_sectors, chip_seed)
        provision(flash_of(self.chip), FAMILIES, PROGRAMMES)
        self.ledger = open_ledger(flash_of(self.chip))
        self.acknowledgements = 0
        return "ok"

    def boot(self):
        self.chip.arm(None)
        self.chip.power_on()
        self.ledger = open_ledger(flash_of(self.chip))
        return "ok"

    def redeem(self, family, rupiah, programme):
        return redeem(self.ledger, family, rupiah, programme)

    def void(self, family, rupiah, sequence, programme):
        return void(self.ledger, family, rupiah, sequence, programme)

    def attempt(self):
        sequence, attempt = self.ledger.burn_un_attempt()
        self.ledger.abandon()
        return [sequence, attempt]

    def pin_try(self, family, place):
        self.ledger.burn_pin_try(family, place)
        return "ok"

    def pin_clear(self, family, place):
        self.ledger.clear_pin_tries(family, place)
        return "ok"

    def event(self):
        return note_event(self.ledger)

    def counter(self):
        return self.ledger.next_counter()

    def acknowledge(self, sealed, reclaim, first, states):
        self.acknowledgements += 1
        body = make_acknowledgement(self.ledger, sealed, reclaim, (), first, tuple(states))
        self.ledger.apply_acknowledgement(body, self.acknowledgements)
        return "ok"

    def grant(self, number, programme, period, rupiah):
        octets = make_grant(number, programme, period, rupiah)
        ledger = self.ledger
        decoded = grant.decode(octets, KID, ledger.roster.digest, ledger.policy.digest)
        ledger.adopt_grant(octets + SIGNATURE, decoded)
        return "ok"

    def idle(self, steps):
        for _ in range(steps):
            if not self.ledger.prepare():
                break
        return "ok"

    def checkpoint(self, pieces):
        """Write so many pieces of a checkpoint, due or not."""
        writer = self.ledger._checkpointer
        due = writer._is_due
        writer._is_due = lambda: self.ledger.journal.free_sectors() > 1
        for _ in range(pieces):
            writer.step()
        writer._is_due = due
        return "ok"

    def cut(self, operations, torn_bytes, tear, dice):
        self.chip.arm(nor_faults.FaultPlan(dice, [nor_faults.cut(operations, torn_bytes, tear)]))
        return "ok"

    def view(self):
        ledger = self.ledger
        marks = ledger.marks
        head = ledger.journal.sequence
        first = ledger.journal.first_sequence
        held = [slot.sequence for slot in ledger.records_from(first, head)]
        books = ledger.entitlements
        cards = range(2 * FAMILIES)
        return {
            "head": head,
            "first": first,
            "whole": held == list(range(first, head + 1)) and ledger.journal.damage is None,
            "left": [
                [ledger.remaining_rupiah(number, family) for family in range(FAMILIES)]
                for number in PROGRAMMES
            ],
            "tries": [books.tries(card // 2, card % 2) for card in cards],
            "redeemed": books.redeemed_rupiah,
            "voided": books.voided_rupiah,
            "sealed": marks.sealed_through,
            "reclaim": marks.reclaim_through,
            "states": [marks.settlement(sequence) for sequence in range(first, head + 1)],
            "grants": [ledger.grants[number].number for number in PROGRAMMES],
            "coded": ledger.context is not None,
            "full": ledger.journal.is_full(),
        }

    def replay(self):
        """Whether the state, and the state after a start from the checkpoint, are what all records give."""
        if self.ledger.journal.oldest > 1:
            return None
        here = self.ledger._state.snapshot()
        whole = self._replayed(WithoutCheckpoints)
        return [here == whole, self._replayed(Journal) == whole]

    def _replayed(self, journal_class):
        """The state that a start gives, on a copy of the chip."""
        store = MemoryStore()
        sector = bytearray(SECTOR_BYTES)
        for number in range(self.chip.size // SECTOR_BYTES):
            self.chip.read_into(number * SECTOR_BYTES, sector)
            store.write(number * SECTOR_BYTES, sector)
        copy = NorFlash(self.chip.size, store)
        state = State(FAMILIES, self.ledger._periods, self.ledger.policy.rapid_run)
        journal_class(flash_of(copy)["journal"], KID, START).open(state)
        return state.snapshot()


class WithoutCheckpoints(Journal):
    """A journal that reads all of its records."""

    def _checkpoint_sectors(self, buffer):
        return iter(())


bench = Bench()


def handle(request):
    action, arguments = json.loads(request)
    try:
        outcome = getattr(bench, action)(*arguments)
    except PowerCut:
        outcome = "cut"
        bench.boot()
    except JournalFull:
        bench.ledger.abandon()
        outcome = "full"
    except FlashError as error:
        outcome = str(error)
    if action == "replay":
        return json.dumps(outcome).encode()
    return json.dumps({"outcome": outcome, "view": bench.view()}).encode()
