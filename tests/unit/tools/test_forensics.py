"""The forensic tool: what it says of a dump, what it saves, and that the gateway takes what it saves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from firmware.ledger import slots
from firmware.ledger.state import State, store_sms
from protocol import frame, notice
from tests.support import frames
from tests.support.gateway_rig import Bench, Rig
from tests.support.journal_images import SECTOR, JournalImages, chip, documents_area, with_crc
from tools.forensics import documents, dump, export, marks, proof, report, sectors
from tools.forensics.__main__ import main
from tools.golden_vectors import samples

KID = 42
NO_INDEX = 0xFFFF


@pytest.fixture(scope="module")
def rig() -> Rig:
    return Rig()


@pytest.fixture(scope="module")
def terminal(rig: Rig) -> frames.Terminal:
    """A terminal with three adoptions and fifty redemptions."""
    made = rig.terminal(KID)
    for _ in range(50):
        made.redeem()
    return made


@pytest.fixture(scope="module")
def journal(terminal: frames.Terminal) -> Iterator[bytes]:
    """The terminal's journal, written by the real firmware; its last slots are marks."""
    written = [("record", octets.hex(), NO_INDEX, 1) for octets in terminal.octets[1:]]
    crash = ("mark", marks.CRASH, b"\x00\x65\x00\x00\x0e\x10ended".hex(), NO_INDEX, 1)
    with JournalImages("unix64", KID, terminal.chains[0]) as firmware:
        _, image = firmware.live([*written[:20], ("off",), *written[20:], crash], seals=terminal.seals[1:])
    return image


@pytest.fixture(scope="module")
def sections(rig: Rig, terminal: frames.Terminal) -> dict[int, bytes]:
    """The documents of that terminal."""
    private = frames.key_of("agreement", 0, KID).private_numbers().private_value.to_bytes(32, "big")
    return {
        documents.KID: KID.to_bytes(4, "big"),
        2: frames.key_of("seal", 0, KID).private_numbers().private_value.to_bytes(32, "big"),
        documents.AGREEMENT_PRIVATE: private,
        documents.TERMINAL_CERTIFICATE: terminal.certificate,
        documents.AUTHORITY_KEY: rig.authority.public,
        documents.CHAIN_START: terminal.chains[0],
        documents.FIRST_EPOCH_CERTIFICATE: rig.authority.epoch(rig.key.request),
    }


@pytest.fixture
def flash(journal: bytes, sections: dict[int, bytes]) -> bytes:
    """A dump of the whole chip."""
    return chip(journal=journal, identity_b=documents_area(sections))


def struck_out(image: bytes, sequence: int) -> bytes:
    """The image with one record's slots gone, as by worn cells."""
    octets = bytearray(image)
    for sector in sectors.read(image[: len(image) // SECTOR * SECTOR]):
        for slot in sector.slots:
            if slot.slot_class is sectors.SlotClass.RECORD and slot.sequence == sequence:
                octets[slot.address + 9] ^= 0x10
    return bytes(octets)


# -- what it says


def test_every_record_is_proved_with_the_dump_alone(flash, terminal):
    reading = report.read(dump.of(flash))
    [only] = reading.generations
    assert only.is_proved
    assert report.verdict(reading) == report.ALL_PROVED
    assert [held.slot.payload for held in only.records] == terminal.octets[1:]
    assert [held.chain for held in only.records] == terminal.chains[1:]
    assert (only.sequence, only.chain) == (53, terminal.chains[53])


def test_the_journal_alone_is_linked_and_with_the_certificate_proved(journal, terminal):
    assert report.verdict(report.read(dump.of(journal))) == report.NO_KEY
    certificate = proof.read_certificate(terminal.certificate)
    assert report.verdict(report.read(dump.of(journal), certificate)) == report.ALL_PROVED


def test_seals_of_another_key_do_not_prove(journal, rig, terminal):
    stranger = rig.authority.certify(KID, rig.authority.public, terminal.agreement_public)
    reading = report.read(dump.of(journal), proof.read_certificate(stranger))
    assert report.verdict(reading) == report.SOMETHING_WRONG
    assert len(reading.generations[0].troubles) == 53


def test_a_missing_record_is_named_with_the_addresses_around_it(journal, terminal):
    reading = report.read(dump.of(struck_out(journal, 30)), proof.read_certificate(terminal.certificate))
    [only] = reading.generations
    around = {held.sequence: held.slot.address for held in only.records}
    assert [(gap.first, gap.last, gap.after, gap.before) for gap in only.gaps] == [
        (30, 30, around[29], around[31])
    ]
    assert report.verdict(reading) == report.SOMETHING_WRONG
    standings = {held.sequence: held.standing.value for held in only.records}
    assert standings[29] == "proved"
    assert standings[31] == "loose"
    assert standings[53] == "proved", "the next sector's header takes the chain up again"
    [torn] = [one for one in report.of(reading)["remains"] if one["reason"] == "CRC does not hold"]
    assert (torn["sequence"], torn["kind"]) == (30, 1)


def test_a_record_that_a_start_copied_is_saved_by_its_copy(journal, terminal):
    octets = bytearray(journal)
    slots = [slot for sector in sectors.read(journal) for slot in sector.slots if slot.sequence == 20]
    assert len(slots) == 2
    octets[slots[0].address + 12] ^= 1
    reading = report.read(dump.of(bytes(octets)), proof.read_certificate(terminal.certificate))
    assert not reading.generations[0].gaps
    assert report.verdict(reading) == report.ALL_PROVED


def test_a_record_behind_octets_that_look_erased_is_found_all_the_same(terminal):
    """A slot in the middle of a page, which the firmware's walk does not reach, is proved by chain and seal."""
    header = b"LJRN\x01\0\0\0\0\0\0\x01" + bytes(4) + terminal.chains[0] + KID.to_bytes(4, "big") + bytes(8)
    image = bytearray(b"\xff" * 2 * SECTOR)
    image[:64] = with_crc(header)
    for sequence, at in ((1, 256), (2, 512 + 96), (3, 768)):
        octets = terminal.octets[sequence]
        head = bytes((0x5C, octets[0], len(octets))) + sequence.to_bytes(3, "big") + b"\xff\xff"
        slot = with_crc(head + octets + terminal.seals[sequence])
        image[at : at + len(slot)] = slot
    reading = report.read(dump.of(bytes(image)), proof.read_certificate(terminal.certificate))
    held = {one.sequence: one for one in reading.generations[0].records}
    assert [one.standing.value for one in held.values()] == ["proved"] * 3
    assert not held[2].is_in_ring
    assert not reading.generations[0].gaps


def test_an_older_generation_is_told_apart(rig, journal, terminal):
    """A repaired terminal has begun a new ring over the old one; what was not overwritten is still there."""
    other = rig.terminal(43)
    written = [("record", octets.hex(), NO_INDEX, 1) for octets in other.octets[1:]]
    with JournalImages("unix64", 43, other.chains[0]) as firmware:
        _, fresh = firmware.live(written, seals=other.seals[1:])
    both = fresh[:SECTOR] + journal[SECTOR:]
    reading = report.read(dump.of(both), proof.read_certificate(other.certificate))
    assert [one.kid for one in reading.generations] == [43, KID]
    assert reading.generations[0].is_proved
    rest = reading.generations[1]
    assert rest.records[-1].slot.payload == terminal.octets[53]
    assert rest.gaps[0].first == 1


def test_marks_and_crashes_are_told(flash):
    told = report.of(report.read(dump.of(flash)))["generations"][0]
    assert told["boots"] == 2
    [crash] = [mark for mark in told["marks"] if mark["mark"] == "crash"]
    assert (crash["code"], crash["uptime_s"], crash["detail"]) == (101, 3600, "ended")


def test_a_checkpoint_says_what_the_firmware_knows():
    day = [
        ("mark", marks.PIN_TRIES, "0102", 3, 1),
        ("mark", marks.COUNTER_BLOCK, "00000201", NO_INDEX, 1),
        ("heard", 0, 9),
        ("checkpoint",),
    ]
    with JournalImages("unix64", KID, bytes(32), ((1, 24310),)) as firmware:
        _, image = firmware.live(day)
        told, _ = firmware.view(image)
    [held] = report.of(report.read(dump.of(image)))["generations"][0]["checkpoints"]
    state, known = held["state"], told["state"]
    assert state["entitlements"]["counter_next"] == known["counter_next"] == 0x201
    assert state["entitlements"]["cards_with_tries"] == [{"family": 3, "card": 1, "tries": 2}]
    assert known["tries"] == [[3, 1, 2]]
    assert state["marks"]["counter"] == 9
    assert [one["programme"] for one in state["entitlements"]["programmes"]] == [1]
    assert state["entitlements"]["families"] == 6


def test_a_chain_that_does_not_begin_with_the_terminals_keys_is_told(journal, sections):
    changed = sections | {documents.CHAIN_START: bytes(32)}
    reading = report.read(dump.of(chip(journal=journal, identity_a=documents_area(changed))))
    assert "keys" in reading.generations[0].troubles[0].text
    assert report.verdict(reading) == report.SOMETHING_WRONG


def test_the_newer_documents_count(journal, sections):
    old = documents_area(sections | {documents.KID: bytes(4)}, generation=4)
    new = documents_area(sections, generation=5)
    reading = report.read(dump.of(chip(journal=journal, identity_a=new, identity_b=old)))
    assert (reading.current.area, reading.current.kid) == ("identity_a", KID)
    damaged = new[:2100] + b"\x00" + new[2101:]
    reading = report.read(dump.of(chip(journal=journal, identity_a=damaged, identity_b=old)))
    assert reading.current.area == "identity_b"


def test_what_is_no_dump_is_refused():
    for octets in (b"", bytes(100), bytes(16 * 1024 * 1024)):
        with pytest.raises(dump.DumpError):
            dump.of(octets)
    assert report.verdict(report.read(dump.of(b"\xff" * SECTOR * 4))) == report.NO_JOURNAL


# -- what it saves


def test_the_gateway_seals_the_frames_of_a_dead_terminal(rig, flash, terminal, tmp_path):
    written = export.write(report.read(dump.of(flash)), tmp_path / "out")
    bench = Bench(rig, KID)
    assert [bench.outcome(path.read_bytes()) for path in written] == ["sealed"]
    assert bench.view.sealed_through == 53
    assert bench.view.chain == terminal.chains[53]
    assert written[0].stat().st_mode & 0o077 == 0
    assert bench.outcome(written[0].read_bytes()) == "duplicate"


def test_what_is_behind_a_gap_waits_at_the_gateway_for_the_gap(rig, journal, sections, terminal):
    damaged = chip(journal=struck_out(journal, 30), identity_a=documents_area(sections))
    reading = report.read(dump.of(damaged))
    keys = export.cipher(reading.documents[0])
    made = list(export.frames(reading.generations[0], keys))
    assert sum(count for _, count, _ in made) == 52
    bench = Bench(rig, KID)
    assert [bench.outcome(octets) for _, _, octets in made] == ["sealed"] + ["candidate"] * (len(made) - 1)
    assert bench.view.sealed_through == 29
    bench.judge(terminal.frame(30, 30, literal=True))
    assert bench.view.sealed_through == 53, "nothing was lost but the record that is gone"


def test_more_records_than_a_frame_holds_go_in_several(rig, tmp_path):
    made = rig.terminal(44)
    for _ in range(300):
        made.event()
    written = [("record", octets.hex(), NO_INDEX, 1) for octets in made.octets[1:]]
    with JournalImages("unix64", 44, made.chains[0]) as firmware:
        _, image = firmware.live(written, sectors=24, seals=made.seals[1:])
    reading = report.read(dump.of(image), proof.read_certificate(made.certificate))
    frames_made = list(export.frames(reading.generations[0], made.up))
    assert [count for _, count, _ in frames_made] == [256, 47]
    bench = Bench(rig, 44)
    assert [bench.outcome(octets) for _, _, octets in frames_made] == ["sealed", "sealed"]


def read_bundle(octets: bytes) -> tuple[int, bytes, list[tuple[int, bytes, list[tuple[bytes, bytes]]]]]:
    """A rescue bundle, read from its description alone."""
    assert hashlib.sha256(octets[:-32]).digest() == octets[-32:]
    assert octets[:6] == b"LRSC\x01\x00"
    count, kid = int.from_bytes(octets[6:8], "big"), int.from_bytes(octets[8:12], "big")
    length = int.from_bytes(octets[12:14], "big")
    certificate, at = octets[14 : 14 + length], 14 + length
    runs = []
    for _ in range(count):
        first, held = (
            int.from_bytes(octets[at : at + 4], "big"),
            int.from_bytes(octets[at + 4 : at + 8], "big"),
        )
        before, at = octets[at + 8 : at + 40], at + 40
        found = []
        for _ in range(held):
            end = at + 1 + octets[at]
            found.append((octets[at + 1 : end], octets[end : end + 64]))
            at = end + 64
        runs.append((first, before, found))
    assert at == len(octets) - 32
    return kid, certificate, runs


def test_with_a_dead_key_chip_there_is_a_bundle_that_proves_itself(journal, sections, terminal, tmp_path):
    without = {
        name: octets for name, octets in sections.items() if name not in (2, documents.AGREEMENT_PRIVATE)
    }
    reading = report.read(dump.of(chip(journal=journal, identity_a=documents_area(without))))
    [path] = export.write(reading, tmp_path)
    assert path.name == "0000002a.rescue"
    kid, certificate, [(first, before, found)] = read_bundle(path.read_bytes())
    assert (kid, certificate, first, before) == (KID, terminal.certificate, 1, terminal.chains[0])
    assert found == list(zip(terminal.octets[1:], terminal.seals[1:], strict=True))


def test_a_bundle_says_where_the_chain_is_broken(journal, terminal):
    reading = report.read(dump.of(struck_out(journal, 30)), proof.read_certificate(terminal.certificate))
    _, _, runs = read_bundle(export.bundle(reading.generations[0], None))
    assert [(first, len(found)) for first, _, found in runs][:2] == [(1, 29), (31, runs[1][2].__len__())]
    assert runs[1][1] == bytes(32), "not known"
    assert runs[2][1] == terminal.chains[runs[2][0] - 1]
    assert sum(len(found) for _, _, found in runs) == 52


# -- the command


def run(tmp_path, octets, *options):
    path = tmp_path / "flash.bin"
    path.write_bytes(octets)
    return CliRunner().invoke(main, [str(path), *options])


def test_the_command_prints_json_and_exits_with_its_verdict(flash, journal, terminal, tmp_path):
    done = run(tmp_path, flash, "--json")
    assert done.exit_code == report.ALL_PROVED
    told = json.loads(done.stdout)
    assert set(told) == {
        "shape", "verdict", "areas", "documents", "rosters", "certificate", "generations", "remains", "sectors",
    }  # fmt: skip
    assert told["generations"][0]["records"][3]["fields"]["amount_rupiah"] == frames.GRANT_RUPIAH
    assert run(tmp_path, journal, "--json").exit_code == report.NO_KEY
    certificate = tmp_path / "certificate.bin"
    certificate.write_bytes(terminal.certificate)
    assert run(tmp_path, journal, "--certificate", str(certificate)).exit_code == report.ALL_PROVED
    given = ("--certificate", str(certificate), "--chain-start")
    assert run(tmp_path, journal, *given, terminal.chains[0].hex()).exit_code == report.ALL_PROVED
    assert run(tmp_path, journal, *given, terminal.chains[1].hex()).exit_code == report.SOMETHING_WRONG
    assert run(tmp_path, struck_out(journal, 9)).exit_code == report.SOMETHING_WRONG
    assert run(tmp_path, b"\xff" * SECTOR).exit_code == report.NO_JOURNAL


def test_the_command_refuses_what_is_no_dump_or_no_certificate(journal, tmp_path):
    assert run(tmp_path, b"abc").exit_code == 2
    wrong = tmp_path / "wrong.bin"
    wrong.write_bytes(b"abc")
    assert run(tmp_path, journal, "--certificate", str(wrong)).exit_code == 2
    assert run(tmp_path, journal, "--chain-start", "xyz").exit_code == 2


def test_the_command_exports(flash, tmp_path, rig):
    done = run(tmp_path, flash, "--export", str(tmp_path / "out"))
    assert done.exit_code == report.ALL_PROVED
    [path] = (tmp_path / "out").iterdir()
    assert frame.read_header(path.read_bytes()).count == 53


def test_tables_name_what_is_missing(journal, tmp_path):
    said = run(tmp_path, struck_out(journal, 30)).stdout
    assert "missing: records 30 to 30" in " ".join(said.split())


def test_an_enrolment_is_told_without_its_verifier(tmp_path):
    from protocol import records

    verifier = bytes(range(200, 216))
    enrol = records.encode(
        records.Record(
            kind=records.ENROL, version=1, time_s=1_800_000_000, time_trust=2, card_key=b"12345678",
            application_index=1, verifier=verifier,
        )
    )  # fmt: skip
    with JournalImages("unix64", KID, bytes(32)) as firmware:
        _, image = firmware.live([("record", enrol.hex(), 1, 1)])
    for options in (["--json"], []):
        said = run(tmp_path, image, *options).stdout
        assert verifier.hex() not in said
    assert "withheld" in run(tmp_path, image, "--json").stdout


def test_a_lock_is_told_from_its_mark_and_from_a_checkpoint_of_either_format() -> None:
    told = notice.encode(samples.sample_notice())
    octets = slots.encode_slot(slots.LOCAL_LOCK, 0, slots.NO_INDEX, told, b"")
    mark = sectors.Slot(0, sectors.SlotClass.LOCAL, slots.LOCAL_LOCK, 0, slots.NO_INDEX, told, b"", octets)
    name, values = marks.describe(mark)
    assert (name, values["sequence"]) == ("lock", samples.sample_notice().sequence)
    state = State(8, dict)
    unlocked = state.snapshot()
    assert marks.open_state(unlocked)["lock"] is None
    sms_octets = 4 + 7 + 4 + 4  # and the figures of no period, and no retired sectors
    second = b"\x02" + unlocked[1:-sms_octets]
    assert marks.open_state(second)["sms"] is None, "the second format had neither"
    assert marks.open_state(b"\x01" + second[1:-4])["lock"] is None, "the first format had no lock"
    state.lock = told
    assert marks.open_state(state.snapshot())["lock"] == values
    assert marks.open_state(b"\x01" + unlocked[1:])["unreadable"]


def test_a_count_of_short_messages_is_told_from_its_mark_and_from_a_checkpoint() -> None:
    payload = store_sms((20_600, 7, 300))
    octets = slots.encode_slot(slots.LOCAL_SMS, 0, slots.NO_INDEX, payload, b"")
    mark = sectors.Slot(0, sectors.SlotClass.LOCAL, slots.LOCAL_SMS, 0, slots.NO_INDEX, payload, b"", octets)
    told = {"day": 20_600, "messages": 7, "through": 300}
    assert marks.describe(mark) == ("short messages", told)
    state = State(8, dict)
    state.apply(slots.LOCAL_SMS, 0, slots.NO_INDEX, payload)
    assert marks.open_state(state.snapshot())["sms"] == told
