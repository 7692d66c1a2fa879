"""Runs on MicroPython: a terminal of 1,000 families fills its journal with 5,000 records, then starts again and again.

    boots.py time       prints microseconds and flash octets read of each start
    boots.py heap       prints the octets of heap that the opened books keep alive

What is timed is what a start does to the books: documents, roster, journal, derived state, adoption check. The
interpreter's start, imports and self-test are not in it. Flash is modelled, in RAM.
"""

import gc
import sys
import time

sys.path.insert(0, sys.argv[2])

from firmware.hal import pins
from firmware.hal.flash_area import FlashArea
from hardware.nor_flash import NorFlash, Partition
from tests.support import mp_books as books

FAMILIES = 1000
RECORDS = 5000
STARTS = 15


def fill():
    """(flash areas, chip) of a terminal with that many records, left as an idle evening leaves it."""
    chip = NorFlash(pins.FLASH_BYTES)
    flash = {}
    for name, offset, size in pins.PARTITIONS:
        if name.startswith(("journal", "roster", "identity")):
            flash[name] = FlashArea(Partition(chip, name, offset, size), name)
    books.provision(flash, FAMILIES)
    ledger = books.open_ledger(flash)
    number = 0
    while ledger.journal.sequence < RECORDS:
        books.redeem(ledger, number % FAMILIES, 1000)
        number += 1
        if number % 50 == 0:
            while ledger.prepare():
                pass
    while ledger.prepare():
        pass
    return flash, chip


def main():
    flash, chip = fill()
    if sys.argv[1] == "time":
        for _ in range(STARTS):
            gc.collect()
            chip.reset_counters()
            started = time.ticks_us()
            ledger = books.open_ledger(flash)
            took_us = time.ticks_diff(time.ticks_us(), started)
            assert ledger.journal.sequence >= RECORDS
            print(took_us, chip.bytes_read)
            ledger = None
        return
    gc.collect()
    before = gc.mem_alloc()
    ledger = books.open_ledger(flash)
    gc.collect()
    print(gc.mem_alloc() - before, ledger.journal.sequence)


main()
