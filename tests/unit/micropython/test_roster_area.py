"""The roster in flash: every card is found, nothing else is, and a half-written roster is none."""

from firmware.ledger import roster_writer
from firmware.ledger.roster_area import RosterArea, RosterDamaged, RosterMissing
from protocol import roster
from protocol.errors import OutOfRange
from tests.support.mp import raises
from tests.support.mp_books import area_of, card_key, make_flash, make_roster

FAMILIES = 60


def written(families=FAMILIES):
    area = area_of(make_flash(4), "roster_a")
    octets = make_roster(families)
    roster_writer.write(area, octets)
    return area, octets


def test_every_card_is_found_at_its_place():
    area, octets = written()
    found = RosterArea(area)
    assert (found.count, found.number, found.digest) == (FAMILIES, 1, roster.digest(octets))
    assert found.cards == FAMILIES + FAMILIES // 2
    for family in range(FAMILIES):
        for place in range(1 + family % 2):
            key = card_key(family, place)
            assert found.find_card(key) == (family, place)
            assert found.find(key) == family
            assert found.card_key(family, place) == key
            assert found.applications(family, place) == 1
        entry = found.entry(family)
        assert (entry.hamlet, entry.slot, len(entry.cards)) == (family % 5, family % 7, 1 + family % 2)


def test_a_card_that_is_not_there_is_not_found():
    area, _ = written()
    found = RosterArea(area)
    for family in range(FAMILIES, 2 * FAMILIES):
        assert found.find_card(card_key(family)) == (-1, 0)
    assert found.find(bytes(8)) == -1
    assert found.find(b"\xff" * 8) == -1
    assert found.card_key(0, 1) == b""
    assert found.applications(0, 1) == 0


def test_a_roster_of_one_family():
    area, _ = written(1)
    assert RosterArea(area).find_card(card_key(0)) == (0, 0)


def test_an_empty_or_foreign_area_holds_none():
    raises(RosterMissing, RosterArea, area_of(make_flash(2)))
    flash = make_flash(2)
    flash.page_program(0, b"LRAR\x02" + bytes(47))
    raises(RosterMissing, RosterArea, area_of(flash))


def test_a_roster_that_does_not_fit_is_refused_before_anything_is_erased():
    flash = make_flash(1)
    area = area_of(flash)
    error = raises(OutOfRange, roster_writer.write, area, make_roster(FAMILIES))
    assert error.field == "count"
    assert flash.operations() == 0


def test_a_roster_whose_length_is_not_what_its_header_says_is_refused():
    flash = make_flash(4)
    octets = make_roster(FAMILIES)
    assert raises(OutOfRange, roster_writer.write, area_of(flash), octets[:-64]).field == "count"
    assert flash.operations() == 0


def test_a_card_that_stands_twice_is_refused():
    entry = roster.Entry()
    entry.state = roster.ACTIVE
    entry.hamlet = entry.slot = 0
    entry.delegate = roster.NO_DELEGATE
    card = roster.Card()
    card.card_key = card_key(1)
    card.applications = 1
    card.bound_application = 255
    card.verifier = bytes(16)
    entry.cards = (card,)
    flash = make_flash(4)
    error = raises(OutOfRange, roster_writer.write, area_of(flash), roster.encode(1, [entry, entry]))
    assert error.field == "card key"
    raises(RosterMissing, RosterArea, area_of(flash))


def test_flash_that_does_not_take_it_leaves_no_roster():
    flash = make_flash(4)

    class Worn:
        """An area in which one bit does not clear any more."""

        name = "roster_a"
        size = flash.size

        def __init__(self):
            self._area = area_of(flash)

        def __getattr__(self, name):
            return getattr(self._area, name)

        def program(self, address, data):
            changed = bytearray(data)
            if address >= 4096 + 256:
                changed[0] |= 0x01
                changed[1] |= 0x01
            self._area.program(address, changed)

    raises(RosterDamaged, roster_writer.write, Worn(), make_roster(FAMILIES))
    raises(RosterMissing, RosterArea, area_of(flash))


def test_little_of_it_is_ever_in_memory():
    import gc

    area, _ = written()
    gc.collect()
    before = gc.mem_alloc()
    found = RosterArea(area)
    gc.collect()
    assert gc.mem_alloc() - before < 1024
    assert found.count == FAMILIES
