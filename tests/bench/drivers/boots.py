"""Runs on MicroPython: a terminal of 1,000 families whose journal holds 5,000 records, started again and again.

    boots.py make ROOT IMAGE         fill the journal and write the flash image
    boots.py time ROOT IMAGE COUNT   print microseconds and flash octets read of each start
    boots.py count ROOT IMAGE COUNT  start so often (for callgrind)
    boots.py heap ROOT IMAGE         print the octets of heap that the opened books keep alive

What is timed is what a start does to the books: documents, roster, journal, derived state, adoption check. The
interpreter's start, imports and self-test are not in it. Flash is modelled, in RAM. The image is the worst moment of a
terminal that is idle now and then: the next checkpoint is just due, so most slots must be read.
"""

import gc
import sys
import time

sys.path.insert(0, sys.argv[2])

from firmware.hal import pins
from firmware.hal.flash_area import FlashArea
from firmware.ledger.checkpoint import DISTANCE_SIZES
from hardware.nor_flash import NorFlash, Partition
from tests.support import mp_books as books

FAMILIES = 1000
PROGRAMMES = (1, 2)
RECORDS = 5000
# Every third family holds a bank's card: a PIN try is burned and cleared. An acknowledgement comes for every ninth record.
BANK_EVERY = 3
ACKNOWLEDGED_EVERY = 9
STATES = 100


def areas_of(chip):
    flash = {}
    for name, offset, size in pins.PARTITIONS:
        if name.startswith(("journal", "roster", "identity")):
            flash[name] = FlashArea(Partition(chip, name, offset, size), name)
    return flash


def serve(ledger, number):
    """One family, with all marks that a redemption leaves."""
    family = number * 7 % FAMILIES
    if number % BANK_EVERY == 0:
        ledger.burn_pin_try(family, 0)
        ledger.clear_pin_tries(family, 0)
    books.redeem(ledger, family, 100, PROGRAMMES[number % 2])
    if number % ACKNOWLEDGED_EVERY == 0:
        head = ledger.journal.sequence
        first = max(1, head - STATES + 1)
        body = books.make_acknowledgement(ledger, head, 0, (), first, (1,) * (head - first + 1))
        ledger.apply_acknowledgement(body, number)


def make(path):
    chip = NorFlash(pins.FLASH_BYTES)
    flash = areas_of(chip)
    books.provision(flash, FAMILIES, PROGRAMMES)
    ledger = books.open_ledger(flash)
    number = 0
    while ledger.journal.sequence < RECORDS:
        number += 1
        serve(ledger, number)
        while ledger.prepare():
            pass
    while not ledger._checkpointer._is_due():
        number += 1
        serve(ledger, number)
    assert ledger.journal.head - ledger.journal.checkpoints[1] >= DISTANCE_SIZES
    chip.save(path)
    print(ledger.journal.sequence, ledger.journal.head)


def main(mode, path, count=0):
    if mode == "make":
        make(path)
        return
    chip = NorFlash(pins.FLASH_BYTES)
    chip.load(path)
    flash = areas_of(chip)
    for _ in range(int(count)):
        if mode == "time":
            gc.collect()
        chip.reset_counters()
        started = time.ticks_us()
        ledger = books.open_ledger(flash)
        took_us = time.ticks_diff(time.ticks_us(), started)
        assert ledger.journal.sequence >= RECORDS
        ledger = None
        if mode == "time":
            print(took_us, chip.bytes_read)
    if mode == "heap":
        gc.collect()
        before = gc.mem_alloc()
        ledger = books.open_ledger(flash)
        gc.collect()
        print(gc.mem_alloc() - before, ledger.journal.sequence)


main(sys.argv[1], *sys.argv[3:])
