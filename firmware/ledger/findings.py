"""What of the flash does not give back what it held, by number and address: for the notices and for technicians.

The checks go on a piece at a time while idle, journal first; they change nothing.
"""

from firmware.ledger.journal_check import JournalCheck
from firmware.ledger.ring import SECTOR_BYTES
from firmware.ledger.roster_area import RosterArea, RosterCheck

# What a finding is of; `first` and `last` number it.
RETIRED = 1  # a journal sector that takes no erase or no header: place; the ring goes round without it
HEADER = 2  # a journal sector whose header does not hold: its number
RECORDS = 3  # records that are missing: first to last
ENTRY = 4  # a roster entry that does not hold: its index; that family is refused
ROSTER = 5  # the roster as a whole does not fit its digest, or no area holds it
DOCUMENTS = 6  # documents that do not hold; older ones stand in, and nothing is committed
GRANT = 7  # a grant that does not decode: its programme, which is refused
JOURNAL = 8  # the journal takes no record any more


class Finding:
    """`what` (one of the above), `first`, `last`; `area` and `address` (in that area) say where to look."""

    def __init__(self, what: int, first: int, last: int, area: str, address: int) -> None:
        self.what = what
        self.first = first
        self.last = last
        self.area = area
        self.address = address


class Findings:
    """Over the opened `journal` and `holdings` (see `Holdings`)."""

    def __init__(self, journal, holdings) -> None:
        self._journal = journal
        self._holdings = holdings
        self.journal = JournalCheck(journal)
        roster = holdings.roster
        self._roster = RosterCheck(roster) if isinstance(roster, RosterArea) else None

    def step(self) -> bool:
        """While idle: look at a little more; True if there was more."""
        return self.journal.step() or (self._roster is not None and self._roster.step())

    @property
    def is_done(self) -> bool:
        """Whether all that was there at the start has been looked at."""
        return self.journal.is_done and (self._roster is None or self._roster.is_done)

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found so far but retired sectors, which cost room alone."""
        return (
            self._journal.damage is None
            and not self.journal.missing
            and not self.journal.headers
            and self._roster is not None
            and not self._roster.damaged
            and not self._holdings.unread
        )

    def all(self) -> list:
        """Every `Finding` so far."""
        journal, holdings, name = self._journal, self._holdings, "journal"
        found = [Finding(RETIRED, place, place, name, place * SECTOR_BYTES) for place in journal.retired]
        found.extend([Finding(HEADER, number, number, name, at) for number, at in self.journal.headers])
        found.extend([Finding(RECORDS, first, last, name, at) for first, last, at in self.journal.missing])
        if self._roster is not None:
            area = holdings.roster.area.name
            for index, address in self._roster.damaged:
                found.append(
                    Finding(ENTRY if index >= 0 else ROSTER, max(0, index), max(0, index), area, address)
                )
        else:
            found.append(Finding(ROSTER, 0, 0, "roster_a", 0))
        found.extend(
            [Finding(GRANT, programme, programme, "identity", 0) for programme, _ in holdings.unread]
        )
        fault = journal.damage
        if fault is not None:
            what = JOURNAL if fault.area == name else DOCUMENTS
            if fault.area[:6] != "roster":
                found.append(Finding(what, 0, 0, fault.area, fault.address))
        return found
