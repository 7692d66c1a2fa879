"""Documents are replaced as a whole: the new ones are in force, or the old ones are."""

from firmware.hal.flash_area import FlashArea
from firmware.ledger.document_area import (
    GRANT_FIRST,
    Documents,
    DocumentsDamaged,
    DocumentsMissing,
    DocumentsTooLarge,
)
from hardware.nor_flash import NorFlash, Partition
from tests.support.mp import raises

SECTORS = 4


def make_areas():
    chip = NorFlash(2 * SECTORS * 4096)
    size = SECTORS * 4096
    return chip, [
        FlashArea(Partition(chip, name, place * size, size), name) for place, name in ((0, "a"), (1, "b"))
    ]


def loaded(areas):
    documents = Documents(areas[0], areas[1])
    documents.load()
    return documents


def test_a_new_terminal_has_none():
    _, areas = make_areas()
    raises(DocumentsMissing, loaded, areas)


def test_sections_come_back_after_a_restart():
    _, areas = make_areas()
    Documents(areas[0], areas[1]).save(
        {1: b"kid", 8: bytes(3000), GRANT_FIRST + 2: b"two", GRANT_FIRST + 1: b"one"}
    )
    documents = loaded(areas)
    assert documents.get(1) == b"kid"
    assert documents.get(8) == bytes(3000)
    assert documents.get(9) == b""
    assert documents.names() == [1, 8, GRANT_FIRST + 1, GRANT_FIRST + 2]
    assert documents.grants() == [b"one", b"two"]


def test_a_change_keeps_the_other_sections_and_an_empty_value_removes_one():
    _, areas = make_areas()
    documents = Documents(areas[0], areas[1])
    documents.save({1: b"a", 2: b"b", 3: b"c"})
    for round_number in range(5):
        documents.save({2: b"b%d" % round_number})
        assert [loaded(areas).get(name) for name in (1, 2, 3)] == [b"a", b"b%d" % round_number, b"c"]
    documents.save({1: b""})
    assert loaded(areas).names() == [2, 3]


def test_the_areas_take_turns():
    chip, areas = make_areas()
    documents = Documents(areas[0], areas[1])
    for _ in range(4):
        documents.save({1: b"x"})
    assert chip.wear[0] == chip.wear[SECTORS] == 2


def test_damaged_newer_documents_give_way_to_the_older_ones():
    chip, areas = make_areas()
    documents = Documents(areas[0], areas[1])
    documents.save({1: b"old"})
    documents.save({1: b"new"})
    assert loaded(areas).get(1) == b"new"
    chip.page_program(SECTORS * 4096 + 2048 + 3, b"\x00")
    assert loaded(areas).get(1) == b"old"


def test_one_good_header_is_enough_and_gets_company():
    chip, areas = make_areas()
    Documents(areas[0], areas[1]).save({1: b"x"})
    chip.page_program(0, bytes(24))
    chip.reset_counters()
    assert loaded(areas).get(1) == b"x"
    assert chip.page_programs == 2
    chip.page_program(256, bytes(24))
    chip.reset_counters()
    assert loaded(areas).get(1) == b"x"
    assert chip.operations() == 0


def test_what_does_not_fit_is_refused_with_the_old_ones_in_force():
    chip, areas = make_areas()
    documents = Documents(areas[0], areas[1])
    documents.save({1: b"x"})
    chip.reset_counters()
    raises(DocumentsTooLarge, documents.save, {2: bytes(SECTORS * 4096)})
    raises(DocumentsTooLarge, documents.save, {2: bytes(70000)})
    assert chip.operations() == 0
    assert documents.get(1) == b"x"


def test_flash_that_does_not_take_them_leaves_the_old_ones_in_force():
    _, areas = make_areas()
    documents = Documents(areas[0], areas[1])
    documents.save({1: b"old"})

    class Worn:
        """An area whose bits do not clear any more."""

        name = "worn"
        size = areas[1].size

        def __getattr__(self, name):
            return getattr(areas[1], name)

        def program(self, address, data):
            areas[1].program(address, b"\xff" * len(data))

    documents._areas = (areas[0], Worn())
    raises(DocumentsDamaged, documents.save, {1: b"new"})
    assert documents.get(1) == b"old"
    assert loaded(areas).get(1) == b"old"
