"""What is known of enrolments is what a list of a number for each family would know, in a part of its memory."""

import struct

from firmware.ledger import slots
from firmware.ledger.enrolments import PAGE, Enrolments
from tests.support import mp

FAMILIES = 3 * PAGE + 7


def stories(seed):
    """Families and sequences in order, as records would bring them."""
    value = seed
    for sequence in range(1, 400):
        value = (value * 75 + 74) % 65537
        yield value % FAMILIES, sequence, value % 7 == 0


def test_it_is_a_number_for_each_card_whatever_is_enrolled_and_reclaimed():
    books = Enrolments(FAMILIES)
    first, second = {}, {}
    for index, sequence, is_second in stories(mp.seed() % 65537):
        books.note(index | (slots.SECOND_CARD if is_second else 0), sequence)
        (second if is_second else first)[index] = sequence
        if sequence % 50 == 0:
            books.forget_before(sequence - 120)
            again = Enrolments(FAMILIES)
            assert again.unpack(b"front" + books.pack() + b"rest", 5) == (FAMILIES, 5 + len(books.pack()))
            again.forget_before(sequence - 120)
            for held in (books, again):
                for family in range(FAMILIES):
                    for place, known in ((0, first), (1, second)):
                        number = known.get(family, 0)
                        assert held.of(family, place) == (number if number >= sequence - 120 else 0)


def test_it_stands_in_a_checkpoint_as_it_always_has():
    books = Enrolments(FAMILIES)
    books.note(PAGE, 0x01020304)
    books.note(FAMILIES - 1, 5)
    books.note(9 | slots.SECOND_CARD, 6)
    books.note(slots.NO_INDEX, 7)
    numbers = [0] * FAMILIES
    numbers[PAGE], numbers[FAMILIES - 1] = 0x01020304, 5
    packed = struct.pack(">H", FAMILIES) + struct.pack("<%dI" % FAMILIES, *numbers)
    assert books.pack() == packed + struct.pack(">HHI", 1, 9, 6)


def test_it_serves_a_longer_roster_and_a_shorter_one():
    books = Enrolments(FAMILIES)
    for index in (0, PAGE - 1, PAGE, FAMILIES - 1):
        books.note(index, index + 1)
    for families in (FAMILIES + 100, PAGE + 1, PAGE, 5, 0):
        other = Enrolments(families)
        assert other.unpack(books.pack(), 0) == (FAMILIES, len(books.pack()))
        known = [index for index in range(families) if other.of(index, 0)]
        assert known == [index for index in (0, PAGE - 1, PAGE, FAMILIES - 1) if index < families]


def test_pages_that_nothing_stands_in_take_no_memory():
    books = Enrolments(1000)
    books.note(5 * PAGE, 3)
    assert list(books._pages) == [5]
    again = Enrolments(1000)
    again.unpack(books.pack(), 0)
    assert list(again._pages) == [5]
    books.forget_before(4)
    assert not books._pages
