"""Cells that a power cut left half way: what they show may change, what the journal counts may not."""

from hardware import nor_faults
from tests.support.mp_cuts import RECORDS, sweep

# Thousands of starts; the plain cuts run on both interpreters (test_journal_power_cut).
VARIANTS = ("unix64",)
TIMEOUT_S = 300


def test_a_record_whose_last_octets_are_undecided_counts_always_or_never():
    """The tear is within the last octets of a record (91), so it may be whole at one start and torn at the next."""
    for torn_bytes in (84, 87, 88, 89, 90):
        for salt in (0, 1000):
            assert sweep(torn_bytes, salt) > 2 * RECORDS


def test_a_sector_whose_header_is_undecided_takes_no_record():
    for torn_bytes in (57, 59, 61, 62, 63):
        assert sweep(torn_bytes) > 2 * RECORDS


def test_a_mark_whose_last_octets_are_undecided_costs_no_other():
    for torn_bytes in (8, 11, 13):
        assert sweep(torn_bytes) > 2 * RECORDS


def test_nothing_is_lost_to_cells_that_hold_only_for_a_while():
    for salt in (0, 1000, 2000):
        assert sweep(0, salt, nor_faults.WEAK) > 2 * RECORDS


def test_nothing_is_lost_to_cells_that_read_differently_each_time():
    for salt in (0, 1000):
        assert sweep(0, salt, nor_faults.UNSTABLE) > 2 * RECORDS
        assert sweep(60, salt, nor_faults.UNSTABLE) > 2 * RECORDS


def test_nothing_is_lost_to_pages_that_are_neither_old_nor_new():
    for salt in (0, 1000):
        assert sweep(0, salt, nor_faults.RANDOM) > 2 * RECORDS
