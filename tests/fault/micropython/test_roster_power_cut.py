"""Power fails at every flash operation while a new roster comes and is put in force: the old one or the new one, never a mix, and
who begins again gets to the end.
"""

from firmware import main

main.load()

from firmware.ledger.roster_area import RosterArea, RosterMissing  # noqa: E402
from hardware.nor_faults import TEARS, FaultPlan, cut  # noqa: E402
from hardware.nor_flash import PowerCut  # noqa: E402
from protocol import records, roster  # noqa: E402
from tests.support.mp import seed  # noqa: E402
from tests.support.mp_books import (  # noqa: E402
    flash_of,
    make_chip,
    make_roster,
    open_ledger,
    provision,
    redeem,
)
from tests.support.mp_gateway import certify  # noqa: E402
from tests.support.mp_rosters import Taker, frames_of, later, remember_verifications, unit_of  # noqa: E402

TIMEOUT_S = 120
HEAP = "24m"
FAMILIES = 6
PROGRAMMES = (1, 2)
BASE = make_roster(FAMILIES)
NEW = later(FAMILIES + 3, 2, removed=(0,))
DIGESTS = {1: roster.digest(BASE), 2: roster.digest(NEW)}
SPENT = [1_000 * (family + 1) for family in range(FAMILIES)]


def terminal(chip_seed):
    """A certified terminal that has sold."""
    chip = make_chip(8, chip_seed)
    flash = flash_of(chip)
    provision(flash, FAMILIES, PROGRAMMES)
    ledger = open_ledger(flash)
    certify(ledger)
    for family in range(FAMILIES):
        redeem(ledger, family, SPENT[family])
    return chip


def check(flash, when):
    """Whatever the cut left: the books are whole, and what is in force fits together."""
    ledger = open_ledger(flash)
    assert ledger.journal.damage is None, (when, str(ledger.journal.damage))
    assert ledger.context is not None, when
    number = ledger.roster.number
    assert ledger.roster.digest == DIGESTS[number], when
    assert [ledger.grants[programme].number for programme in PROGRAMMES] == [number, number], when
    for index in range(ledger.roster.count):
        assert ledger.roster.holds(index, ledger.roster.entry_octets(index)), when
    assert [ledger.entitlements.spent_rupiah(1, family) for family in range(FAMILIES)] == SPENT, when
    for name in ("roster_a", "roster_b"):
        try:
            assert RosterArea(flash[name]).digest in (DIGESTS[1], DIGESTS[2]), when
        except RosterMissing:
            pass  # half a roster is none
    return ledger


def live(chip):
    """One life: the roster comes, unless it is in force, and the restart that follows."""
    flash = flash_of(chip)
    ledger = open_ledger(flash)
    if ledger.roster.number == 1:
        taker = Taker(flash, ledger)
        taker.take(frames_of(unit_of(ledger, BASE, NEW, programmes=PROGRAMMES)))
        taker.renewal.switch()
        open_ledger(flash)


def sweep(torn_bytes, tear):
    """Cut at operation 0, 1, 2, ... until all of it goes through; returns how many cuts were tried."""
    cuts = 0
    while True:
        chip = terminal(seed() + cuts)
        when = "cut(%d, %d, %r) seed %d" % (cuts, torn_bytes, tear, seed() + cuts)
        chip.arm(FaultPlan(seed() + cuts, [cut(cuts, torn_bytes, tear)]))
        was_cut = False
        try:
            live(chip)
        except PowerCut:
            was_cut = True
            chip.power_on()
        chip.arm(FaultPlan(seed() + cuts, []))
        for _ in range(2):
            check(flash_of(chip), when)
        live(chip)
        ledger = check(flash_of(chip), when)
        assert ledger.roster.number == 2, when
        adopted = [records.decode(slot.payload) for slot in ledger.records_from(1, 99)]
        numbers = [
            record.number
            for record in adopted
            if record.kind == records.ADOPTION and record.subject == records.SUBJECT_ROSTER
        ]
        assert numbers == [1, 2], when
        redeem(ledger, FAMILIES + 2, 5_000, 2)
        redeem(ledger, 0, 5_000, 2)
        if not was_cut:
            return cuts
        cuts += 1


def test_the_new_roster_is_whole_or_not_there():
    """RNW-06."""
    remember_verifications()
    assert sweep(0, TEARS[0]) > 15


def test_the_new_roster_is_whole_or_not_there_when_the_cut_page_is_half_written():
    """RNW-06."""
    remember_verifications()
    assert sweep(90, TEARS[2]) > 15


def test_the_new_roster_is_whole_or_not_there_when_all_looks_written():
    """RNW-06."""
    remember_verifications()
    assert sweep(4000, TEARS[4]) > 15
