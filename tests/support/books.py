"""A small journal on modelled flash, with made-up seals, for tests of the books on MicroPython."""

import hashlib

from firmware.hal.flash_area import FlashArea
from firmware.ledger.journal import Journal
from hardware.nor_flash import NorFlash, Partition
from protocol import records

KID = 0x1234
START = bytes(range(32))


def seal_of(sequence: int, chain: bytes) -> bytes:
    """64 octets that depend on what a seal signs."""
    half = hashlib.sha256(b"seal" + sequence.to_bytes(4, "big") + chain).digest()
    return half + half


def make_flash(sectors: int = 8, seed: int = 1) -> NorFlash:
    """A chip of a few sectors."""
    return NorFlash(sectors * 4096, seed=seed)


def area_of(flash: NorFlash, name: str = "journal") -> FlashArea:
    """The whole chip as one area."""
    return FlashArea(Partition(flash, name, 0, flash.size), name)


def open_journal(flash: NorFlash, replay=None) -> Journal:
    """A journal on the chip as it is after power came on."""
    journal = Journal(area_of(flash), KID, START)
    journal.open(replay or (lambda slot: None))
    return journal


def event(number: int) -> bytes:
    """A canonical record that can be told from others."""
    record = records.Record(
        kind=records.EVENT,
        version=1,
        time_s=1_800_000_000 + number,
        time_trust=records.TRUST_KEPT,
        code=1,
        operator=0,
        detail=number.to_bytes(4, "big"),
    )
    return records.encode(record)


def append_events(journal: Journal, first: int, count: int) -> list:
    """Commit events; returns (sequence, octets) of those that were committed."""
    done = []
    for number in range(first, first + count):
        octets = event(number)
        sequence, _, _ = journal.append_chain(records.EVENT, octets, 0xFFFF, seal_of)
        done.append((sequence, octets))
    return done
