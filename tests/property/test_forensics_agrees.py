"""Whatever a terminal's flash has been through, firmware and forensics read the same out of it, octet by octet."""

from __future__ import annotations

import binascii
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import nor_faults
from protocol import records
from tests.property import protocol_strategies as strategies
from tests.support.journal_images import JournalImages
from tools.forensics import dump, export, generation, marks, report, sectors

KID = 0x0A0B0C0D
START = bytes(range(32))
PERIOD = 24310
SECTOR = 4096


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def firmware(request: pytest.FixtureRequest) -> Iterator[JournalImages]:
    with JournalImages(request.param, KID, START, ((1, PERIOD),)) as started:
        yield started


# -- lives


def is_plain(octets: bytes) -> bool:
    """Records that a terminal makes by itself only under conditions that drawn ones do not meet are left out."""
    return not (octets[0] == records.EVENT and octets[7] == records.EVENT_ACKNOWLEDGEMENT_AHEAD)


def redemption(index: int, amount_rupiah: int) -> bytes:
    """A small sale of a family on the roster."""
    made = records.Record(
        kind=records.REDEMPTION, version=1, time_s=1_800_000_000 + index, time_trust=2, programme=1, period=PERIOD,
        tender=1, amount_rupiah=amount_rupiah, card_key=bytes([index]) * 8, lease=7, method=2, flags=0, reason=0,
        items=(),
        proof=records.CardProof(
            application_index=0, pan_sequence=1, transaction_date=b"\x26\x11\x21", cid=0x40, atc=index,
            ac=bytes(8), tvr=bytes(5), aip=b"\x5c\x00", cvm_results=b"\x3f\x00\x00", un_attempt=0, iad=bytes(10),
        ),
    )  # fmt: skip
    return records.encode(made)


NO_INDEX = 0xFFFF
TIMES = st.integers(1, 40)
drawn_records = st.tuples(
    st.just("record"), strategies.canonical().filter(is_plain).map(bytes.hex), st.just(NO_INDEX), TIMES
)
sales = st.builds(
    lambda index, amount, times: ("record", redemption(index, amount).hex(), index, times),
    st.integers(0, 5),
    st.integers(1, 1000),
    TIMES,
)
small_marks = st.one_of(
    st.tuples(st.just(marks.PIN_TRIES), st.sampled_from(["0001", "0103", "0000"]), st.integers(0, 5)),
    st.tuples(st.just(marks.UN_ATTEMPT), st.sampled_from(["00000100", "00000502"]), st.just(NO_INDEX)),
    st.tuples(st.just(marks.COUNTER_BLOCK), st.sampled_from(["00000101", "00000201"]), st.just(NO_INDEX)),
    st.tuples(st.just(marks.CRASH), st.sampled_from(["006500000e10656e646564"]), st.just(NO_INDEX)),
)
burned = st.builds(lambda mark, times: ("mark", *mark, times), small_marks, st.integers(1, 6))
heard = st.tuples(st.just("heard"), st.integers(0, 30), st.integers(0, 1000))
idle = st.one_of(st.tuples(st.just("idle"), st.integers(1, 12)), st.just(("checkpoint",)))
day = st.tuples(sales, heard, idle)
single = st.one_of(drawn_records, sales, burned, heard, idle, st.just(("off",)))
operations = st.lists(st.one_of(single.map(lambda one: (one,)), day), min_size=1, max_size=30).map(
    lambda parts: [operation for part in parts for operation in part]
)
cuts = st.builds(
    nor_faults.cut,
    st.integers(0, 400),
    st.one_of(st.integers(0, 256), st.integers(0, SECTOR)),
    st.sampled_from(nor_faults.TEARS),
)
plans = st.one_of(
    st.none(),
    st.builds(
        nor_faults.FaultPlan,
        st.integers(0, 2**31),
        st.lists(cuts, min_size=1, max_size=6),
    ),
)
# Sectors whose header does not take: a bit of it is stuck, where each header has another.
bad_places = st.lists(st.integers(1, 7), max_size=2, unique=True)


def with_bad_sectors(plan: nor_faults.FaultPlan | None, places: list[int]) -> nor_faults.FaultPlan:
    """A plan on a chip whose sectors at these places take no header."""
    stuck = [nor_faults.stuck(place * SECTOR + 62, 0xFF, 1) for place in places]
    return nor_faults.FaultPlan(plan.seed if plan else 1, [*(plan.faults if plan else []), *stuck])


# A day that fills about a sector, so that some days bring checkpoints, reclaiming and the ring's second round.
DAY = [
    *[("record", redemption(index, 500).hex(), index, 4) for index in range(3)],
    ("mark", marks.PIN_TRIES, "0001", 2, 1),
    ("heard", 2, 1),
    ("checkpoint",),
    ("idle", 2),
    ("off",),
]
days_before = st.integers(0, 14)


# -- agreement


def assert_same_slots(image: bytes, told: dict[str, Any]) -> None:
    """Every header and every whole slot, at the same address with the same octets."""
    ours = []
    for sector in sectors.read(image):
        header = sector.header
        known = None
        if header:
            known = [header.number, header.sequence, header.chain.hex(), header.kid]
            known += [header.checkpoint, header.passed]
        whole = [[slot.address, slot.octets.hex()] for slot in sector.slots if not slot.is_hidden]
        ours.append([known, whole])
    assert ours == told["scan"]


def our_generation(image: bytes) -> generation.Generation:
    found = [one for one in generation.read(sectors.read(image), KID, None, START) if one.kid == KID]
    return found[0] if found else generation.Generation(KID, 1, 0, chain=START)


def assert_same_books(image: bytes, told: dict[str, Any], *, is_after: bool) -> None:
    """The chain, its records, the boot counter and the ring."""
    ours = our_generation(image)
    assert not ours.troubles
    assert not ours.gaps
    assert (ours.sequence, (ours.chain or START).hex()) == (told["sequence"], told["chain"])
    mine = [
        [held.sequence, held.slot.kind, held.slot.index, held.slot.payload.hex(), held.slot.seal.hex()]
        for held in ours.records
        if held.sequence >= told["first"]
    ]
    assert mine == told["records"]
    assert all(held.chain is not None for held in ours.records)
    if is_after:
        assert (ours.head, ours.oldest) == (told["head"], told["oldest"])
    else:
        assert marks.boots(ours.slots) + 1 == told["boots"]


def assert_nothing_crashes(image: bytes) -> report.Reading:
    """Every part of the tool copes with the image."""
    reading = report.read(dump.of(image))
    json.dumps(report.of(reading))
    for one in reading.generations:
        export.bundle(one, None)
    return reading


@given(days=days_before, done=operations, plan=plans, size=st.integers(5, 9))
def test_firmware_and_forensics_read_the_same(firmware, days, done, plan, size):
    assert_they_read_the_same(firmware, firmware.live(done, plan, size, days, DAY), plan)


@given(days=days_before, done=operations, plan=plans, size=st.integers(9, 16), bad=bad_places)
def test_they_read_the_same_around_bad_sectors(firmware, days, done, plan, size, bad):
    """Stuck before anything was written: bits that stick later take away what was read back already."""
    plan = with_bad_sectors(plan, bad)
    assert_they_read_the_same(firmware, firmware.live(DAY * days + done, plan, size), plan)


def assert_they_read_the_same(firmware, life, plan):
    lived, image = life
    told, after = firmware.view(image)
    assert_same_slots(image, told)
    assert_nothing_crashes(image)
    if "refused" in told or told["damage"]:
        ours = our_generation(image)
        assert ours.troubles or ours.gaps, (plan, told.get("refused", told["damage"]))
        return
    assert_same_books(image, told, is_after=False)
    assert_same_books(after, told, is_after=True)
    kept = {held.sequence: held.slot.payload.hex() for held in our_generation(image).records}
    for sequence, octets in lived["committed"]:
        assert sequence < told["first"] or kept.get(sequence) == octets, (plan, sequence)


@given(
    days=days_before,
    done=operations,
    plan=plans,
    flips=st.lists(st.tuples(st.integers(0, 6 * SECTOR - 1), st.integers(1, 255)), min_size=1, max_size=30),
)
def test_what_the_firmware_still_finds_in_a_damaged_image_forensics_finds_too(
    firmware, days, done, plan, flips
):
    _, image = firmware.live(done, plan, 6, days, DAY)
    damaged = bytearray(image)
    for place, mask in flips:
        damaged[place] ^= mask
    told, after = firmware.view(bytes(damaged))
    assert_same_slots(bytes(damaged), told)
    reading = assert_nothing_crashes(bytes(damaged))
    assert_nothing_crashes(after)
    if "refused" in told:
        return
    ours = {held.sequence: held for one in reading.generations if one.kid == KID for held in one.records}
    for found in told["records"]:
        if len(found) > 1:
            sequence, kind, index, payload, seal = found
            slot = ours[sequence].slot
            assert (slot.kind, slot.index, slot.payload.hex(), slot.seal.hex()) == (
                kind,
                index,
                payload,
                seal,
            )


def with_crc(octets: bytes) -> bytes:
    return octets + binascii.crc32(octets).to_bytes(4, "little")


def forged_header(version: int, number: int, sequence: int, kid: int, pointer: int, passed: int) -> bytes:
    fields = (number.to_bytes(4, "big"), sequence.to_bytes(4, "big"), START, kid.to_bytes(4, "big"))
    last = pointer.to_bytes(4, "big") + passed.to_bytes(2, "big") + bytes(2)
    return with_crc(b"LJRN" + bytes((version, 0, 0, 0)) + b"".join(fields) + last)


def forged_slot(slot_class: int, kind: int, sequence: int, index: int, payload: bytes) -> bytes:
    head = bytes((slot_class, kind, len(payload))) + sequence.to_bytes(3, "big") + index.to_bytes(2, "big")
    return with_crc(head + payload + (b"\x11" * 64 if slot_class == 0x5C else b""))


KINDS = st.one_of(st.integers(0, 12), st.integers(0x80, 0x90), st.integers(0, 255))
headers = st.builds(
    forged_header,
    st.integers(1, 3),
    strategies.uint(4),
    strategies.uint(4),
    st.sampled_from([KID, 7]),
    strategies.uint(4),
    strategies.uint(2),
)
forged = st.builds(
    forged_slot,
    st.sampled_from([0x5C, 0x5A]),
    KINDS,
    strategies.uint(3),
    strategies.uint(2),
    st.binary(max_size=60),
)
pieces = st.builds(
    lambda number, octets: forged_slot(
        0x5A, marks.CHECKPOINT, 0, NO_INDEX, number.to_bytes(2, "big") + octets
    ),
    st.integers(0, 2),
    st.binary(max_size=60),
)
ends = st.builds(
    lambda count: forged_slot(0x5A, marks.CHECKPOINT_END, 0, NO_INDEX, count.to_bytes(2, "big") + bytes(4)),
    st.integers(0, 3),
)


@given(
    seed=st.integers(0, 1000),
    is_noisy=st.booleans(),
    heads=st.dictionaries(st.integers(0, 2), headers),
    written=st.lists(st.one_of(forged, pieces, ends), max_size=40),
    start=st.integers(64 // 32, 300),
)
def test_no_octets_at_all_crash_it(seed, is_noisy, heads, written, start):
    image = bytearray(random.Random(seed).randbytes(3 * SECTOR) if is_noisy else b"\xff" * 3 * SECTOR)
    at = start * 32
    for octets in written:
        if at % 256 + len(octets) > 256:
            at += 256 - at % 256
        image[at : at + len(octets)] = octets
        at += -(-len(octets) // 32) * 32
    for place, octets in heads.items():
        image[place * SECTOR : place * SECTOR + 64] = octets
    assert_nothing_crashes(bytes(image[: 3 * SECTOR]))
