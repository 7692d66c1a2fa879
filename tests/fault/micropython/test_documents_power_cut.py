"""Power fails at every flash operation of a change of documents or roster: the old is in force, or the new."""

from firmware.hal.flash_area import FlashArea
from firmware.ledger import roster_writer
from firmware.ledger.document_area import Documents, DocumentsMissing
from firmware.ledger.roster_area import RosterArea, RosterMissing
from hardware.nor_flash import NorFlash, Partition, PowerCut
from protocol import roster
from tests.support.mp import seed
from tests.support.mp_books import area_of, card_key, make_flash, make_roster

TIMEOUT_S = 180
SECTORS = 2
STARTS = 6
OLD = {1: b"old" * 40, 8: bytes(range(256)) * 3, 33: b"g1"}
NEW = {1: b"new" * 60, 8: b"", 34: b"g2" * 100}


def contents(documents):
    return {name: documents.get(name) for name in documents.names()}


def after(changes):
    """What is in force when `changes` were saved over OLD."""
    merged = dict(OLD)
    merged.update(changes)
    return {name: merged[name] for name in merged if merged[name]}


def areas_of(chip):
    size = SECTORS * 4096
    return [FlashArea(Partition(chip, "area", place * size, size), "area") for place in (0, 1)]


def loaded(chip):
    documents = Documents(areas_of(chip)[0], areas_of(chip)[1])
    documents.load()
    return documents


def sweep(torn_bytes, salt=0):
    """Cut at every operation of a save; returns how many there are."""
    cuts = 0
    while True:
        chip = NorFlash(2 * SECTORS * 4096, seed=seed() + cuts + salt)
        documents = Documents(areas_of(chip)[0], areas_of(chip)[1])
        documents.save(OLD)
        documents.save({1: OLD[1]})
        chip.power_cut_after(cuts, torn_bytes)
        try:
            documents.save(NEW)
            return cuts
        except PowerCut:
            chip.power_on()
        first = contents(loaded(chip))
        assert first in (OLD, after(NEW)), (cuts, torn_bytes)
        # A header that was torn may read differently each time: what one start believed all later ones believe.
        for _ in range(STARTS):
            assert contents(loaded(chip)) == first, (cuts, torn_bytes)
        again = loaded(chip)
        again.save(NEW)
        assert contents(loaded(chip)) == after(NEW)
        cuts += 1


def test_a_change_of_documents_is_made_or_not_made():
    for torn_bytes in (0, 100, 256, 3000):
        assert sweep(torn_bytes) > 4


def changed(chip_seed, torn_bytes, back):
    """A chip on which the save of NEW was cut at its last but `back` operation."""
    operations = 0
    for attempt in (0, 1):
        chip = NorFlash(2 * SECTORS * 4096, seed=chip_seed)
        documents = Documents(areas_of(chip)[0], areas_of(chip)[1])
        documents.save(OLD)
        documents.save({1: OLD[1]})
        before = chip.operations()
        if attempt:
            chip.power_cut_after(operations - 1 - back, torn_bytes)
        try:
            documents.save(NEW)
            operations = chip.operations() - before
        except PowerCut:
            chip.power_on()
    return chip


def test_a_header_whose_last_octets_are_undecided_is_believed_always_or_never():
    believed = 0
    for torn_bytes in (22, 23):
        for salt in range(200):
            chip = changed(seed() + 977 * salt, torn_bytes, 1)
            first = contents(loaded(chip))
            believed += first == after(NEW)
            for _ in range(STARTS):
                assert contents(loaded(chip)) == first, (torn_bytes, salt)
    assert believed > 0


def test_the_first_documents_of_a_terminal_are_there_or_not():
    for torn_bytes in (0, 20, 22):
        cuts = 0
        while True:
            chip = NorFlash(2 * SECTORS * 4096, seed=seed() + cuts)
            chip.power_cut_after(cuts, torn_bytes)
            try:
                Documents(areas_of(chip)[0], areas_of(chip)[1]).save(OLD)
                break
            except PowerCut:
                chip.power_on()
            found = []
            for _ in range(STARTS):
                try:
                    found.append(contents(loaded(chip)))
                except DocumentsMissing:
                    found.append(None)
            first = found[0]
            assert first in (None, OLD), cuts
            # Before the first start believed in them they may come and go; from then on they stay.
            seen = [entry for entry in found if entry is not None]
            if seen:
                assert found[found.index(OLD) :] == [OLD] * (STARTS - found.index(OLD)), cuts
            cuts += 1
        assert cuts > 3


def test_power_that_fails_while_a_header_is_confirmed_loses_nothing():
    """A second cut, at each operation of the start after the first."""
    for torn_bytes in (22, 23):
        for salt in range(150):
            for second in (0, 1):
                chip = changed(seed() + 977 * salt, torn_bytes, 1)
                chip.power_cut_after(second, torn_bytes)
                try:
                    loaded(chip)
                except PowerCut:
                    pass
                chip.power_on()
                first = contents(loaded(chip))
                assert first in (OLD, after(NEW))
                for _ in range(STARTS):
                    assert contents(loaded(chip)) == first, (torn_bytes, salt)


def test_a_roster_is_written_whole_or_not_at_all():
    octets = make_roster(30)
    for torn_bytes in (0, 30, 50, 51, 200):
        cuts = 0
        while True:
            flash = make_flash(3, seed() + cuts)
            area = area_of(flash, "roster_b")
            flash.power_cut_after(cuts, torn_bytes)
            try:
                roster_writer.write(area, octets)
                break
            except PowerCut:
                flash.power_on()
            try:
                found = RosterArea(area)
                assert found.digest == roster.digest(octets), cuts
                for family in range(30):
                    assert found.find_card(card_key(family)) == (family, 0), cuts
            except RosterMissing:
                pass
            # Whatever the cut left, it can be written again.
            roster_writer.write(area, octets)
            assert RosterArea(area).count == 30
            cuts += 1
        assert cuts > 10
