"""Flashing with the real esptool against a modelled ESP32: new chips, terminals with records, bad cables, wrong chips.

The chip is a model of its ROM loader and stub (hardware/rom_loader.py), the runtime on it a synthetic image; the client, its
packets and its timeouts are esptool's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random

import pytest
from click.testing import CliRunner

from hardware.nor_flash import NorFlash
from hardware.rom_loader import MAGIC_ESP32_S2, Plan, RomLoader
from tests.support.esp_device import EspDevice
from tools import pinmap
from tools.authority.signing import SigningKey
from tools.technician import build, cable, erasing, flashing, image, runtime
from tools.technician.__main__ import main
from tools.technician.errors import BundleError, CableError, HoldsRecordsError, WrongDeviceError
from tools.virtual_terminal import esp_image

BOARD = pinmap.load()
FLASH_BYTES = BOARD["module"]["flash_bytes"]
PARTS = {part["name"]: part for part in BOARD["partition"]}


@pytest.fixture(scope="module")
def key():
    return SigningKey.generate()


@pytest.fixture(scope="module")
def folder(key, tmp_path_factory):
    path = tmp_path_factory.mktemp("image")
    application = build.Application(
        {"firmware/main.mpy": b"M" * 3000, "firmware/app.mpy": bytes(range(256)) * 20}, 9
    )
    built = build.build(runtime.cut(esp_image.merged(), BOARD), application, BOARD, 1, 0, key)
    build.write(built, BOARD, key, path)
    return path


@pytest.fixture
def built(folder, key):
    return image.load(folder, key.public)


def new_chip(**changes):
    return RomLoader(NorFlash(FLASH_BYTES), **changes)


def write_into(chip, offset, octets):
    """Put octets into the flash as a terminal's life did."""
    for place in range(0, len(octets), 256):
        chip.flash.page_program(offset + place, octets[place : place + 256])


def flash(device, built, is_stub_used=True):
    with cable.connected(device.url, 115_200, is_stub_used) as chip:
        return flashing.flash(chip, built, BOARD)


def assert_whole(chip, built):
    for piece in built.pieces:
        assert chip.read(piece.offset, len(piece.octets)) == piece.octets, piece.name


@pytest.mark.parametrize("is_stub_used", [True, False])
def test_a_new_chip_gets_every_piece(built, is_stub_used):
    chip = new_chip()
    with EspDevice(chip, is_raw=True) as device:
        outcome = flash(device, built, is_stub_used)
    assert outcome.is_new
    assert chip.is_stub == is_stub_used
    assert_whole(chip, built)
    for name in ("journal", "identity_a", "roster_b"):
        assert chip.read(PARTS[name]["offset"], PARTS[name]["size"]).strip(b"\xff") == b""


def test_nothing_is_written_twice(built):
    chip = new_chip()
    with EspDevice(chip, is_raw=True) as device:
        assert flash(device, built).written > 0
        assert flash(device, built).written == 0


def test_a_terminal_keeps_its_records_keys_and_roster(built):
    chip = new_chip()
    rest = random.Random(4).randbytes(3000)
    with EspDevice(chip, is_raw=True) as device:
        flash(device, built)
        for name in ("nvs", "journal", "roster_a", "identity_b"):
            write_into(chip, PARTS[name]["offset"], rest)
        chip.flash.sector_erase(built.pieces[-1].offset // 4096)  # its file system was damaged
        outcome = flash(device, built)
    assert not outcome.is_new
    assert 0 < outcome.written <= 65536
    assert_whole(chip, built)
    for name in ("nvs", "journal", "roster_a", "identity_b"):
        assert chip.read(PARTS[name]["offset"], len(rest)) == rest, name


def test_a_cable_pulled_at_every_block_ends_well(built):
    """Each time the command is run again; whatever stood in the journal stays, and the image is whole in the end."""
    chip = new_chip()
    rest = b"records" * 100
    with EspDevice(chip, is_raw=True) as device:
        flash(device, built)
        write_into(chip, PARTS["journal"]["offset"], rest)
    tried = 0
    while True:
        for piece in built.pieces:  # as after another release: all of it has to be written
            for sector in range(0, min(len(piece.octets), 0x10000), 4096):
                chip.flash.sector_erase((piece.offset + sector) // 4096)
        table = next(piece for piece in built.pieces if piece.name == "partition-table")
        write_into(chip, table.offset, table.octets)
        with EspDevice(chip, (Plan(pull_at_write=tried),), is_raw=True) as device:
            stopped = ""
            try:
                flash(device, built)
            except CableError as error:
                stopped = error.advice
            if not stopped:
                break
            assert "goes on where it stopped" in stopped
            flash(device, built)
        assert_whole(chip, built)
        assert chip.read(PARTS["journal"]["offset"], len(rest)) == rest
        tried += 1
    assert tried >= 4, "as many blocks as the image needs"


def test_a_cable_pulled_from_a_new_chip_leaves_a_new_chip(built):
    chip = new_chip()
    with EspDevice(chip, (Plan(pull_at_write=2),), is_raw=True) as device:
        with pytest.raises(CableError):
            flash(device, built)
        assert flash(device, built).is_new
    assert_whole(chip, built)


@pytest.mark.parametrize("fault", [{"spoil": (9000, 20_000)}, {"lose": (9000,)}])
def test_octets_that_are_spoiled_or_lost_never_end_up_on_flash(built, fault):
    """Esptool sends a block again, or gives up; the next run ends well either way."""
    chip = new_chip()
    with EspDevice(chip, (Plan(**fault),), is_raw=True) as device:
        try:
            flash(device, built, is_stub_used=False)
        except CableError:
            flash(device, built)
    assert_whole(chip, built)


def test_the_reset_lines_lead_into_the_loader_and_out_of_it_whatever_became_of_the_command():
    """Over RFC 2217, which carries DTR and RTS."""
    chip = new_chip()
    assert not chip.is_listening
    with (
        EspDevice(chip) as device,
        contextlib.suppress(HoldsRecordsError),
        cable.borrowed(device.url, 115_200, is_stub_used=False) as held,
    ):
        assert chip.is_listening
        assert held.mac == "24:0a:c4:00:00:01"
        raise HoldsRecordsError("refused")
    assert not chip.is_listening


def test_another_chip_is_refused(built):
    chip = new_chip(magic=MAGIC_ESP32_S2)
    with (
        EspDevice(chip, is_raw=True) as device,
        pytest.raises(WrongDeviceError, match="ESP32-S2, not an ESP32"),
    ):
        flash(device, built)
    assert chip.writes == 0


def test_an_unknown_chip_is_refused(built):
    chip = new_chip(magic=0x12345678)
    with (
        EspDevice(chip, is_raw=True) as device,
        pytest.raises(WrongDeviceError, match="none that esptool knows"),
    ):
        flash(device, built)


def test_a_smaller_flash_is_refused(built):
    chip = RomLoader(NorFlash(FLASH_BYTES // 2))
    with (
        EspDevice(chip, is_raw=True) as device,
        pytest.raises(WrongDeviceError, match="has 4 MB, the terminal's 8 MB"),
    ):
        flash(device, built)
    assert chip.writes == 0


def test_a_flash_that_says_more_than_it_has_is_noticed(built):
    """Before the first write where something is on it, else by what was just written."""
    chip = RomLoader(NorFlash(FLASH_BYTES // 2), flash_bytes_told=FLASH_BYTES)
    with EspDevice(chip, is_raw=True) as device:
        with pytest.raises(WrongDeviceError, match="repeats after 4 MB"):
            flash(device, built)
        writes = chip.writes
        assert writes > 0
        with pytest.raises(WrongDeviceError, match="repeats after 4 MB"):
            flash(device, built)
        assert chip.writes == 0, "counted from the new connection"


def test_a_device_of_somebody_else_is_left_alone(built):
    chip = new_chip()
    write_into(chip, 0x8000, b"\xaa\x50\x01\x02 another table".ljust(64, b"\0"))
    write_into(chip, PARTS["journal"]["offset"] + 0x5000, b"somebody's files")
    with EspDevice(chip, is_raw=True) as device, pytest.raises(HoldsRecordsError, match="no table of ours"):
        flash(device, built)
    assert chip.writes == 0


def test_nobody_at_the_port_is_a_sentence():
    with pytest.raises(CableError, match="no chip answers at"), cable.connected("socket://127.0.0.1:1"):
        pass


def test_a_changed_or_unsigned_build_is_not_flashed(folder, key, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(BundleError, match="not signed by this release key"):
        image.load(tmp_path, SigningKey.generate().public)
    octets = bytearray((tmp_path / "runtime.bin").read_bytes())
    octets[500] ^= 1
    (tmp_path / "runtime.bin").write_bytes(octets)
    with pytest.raises(BundleError, match=r"runtime\.bin is not what was built"):
        image.load(tmp_path, key.public)
    told = json.loads((tmp_path / "manifest.json").read_bytes())
    told["pieces"][0]["sha256"] = hashlib.sha256(octets).hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(BundleError, match="not signed"):
        image.load(tmp_path, key.public)
    with pytest.raises(BundleError, match="no build is here"):
        image.load(tmp_path / "nowhere", key.public)
    with pytest.raises(BundleError, match="no P-256 public key"):
        image.load(folder, b"short")


def test_erasing_takes_the_name_and_saves_everything_first(built, tmp_path):
    chip = new_chip()
    write_into(chip, 0x300000, b"something")
    with EspDevice(chip, is_raw=True) as device, cable.connected(device.url, 115_200) as held:
        saved = erasing.save(held, tmp_path / "out")
        with pytest.raises(HoldsRecordsError, match="nothing was erased"):
            erasing.erase(held, saved, "another")
        assert chip.read(0x300000, 9) == b"something"
        erasing.erase(held, saved, saved.name)
    assert chip.read(0, FLASH_BYTES).strip(b"\xff") == b""
    dumped = (tmp_path / "out" / "240ac4000001.dump").read_bytes()
    assert dumped[0x300000:0x300009] == b"something"
    assert (tmp_path / "out" / "240ac4000001.dump").stat().st_mode & 0o077 == 0


def test_the_command_says_what_it_did_and_what_comes_next(folder, key, tmp_path):
    (tmp_path / "authority.pub").write_bytes(key.public)
    chip = new_chip()
    with EspDevice(chip, is_raw=True) as device:
        arguments = [
            "flash",
            "--port",
            device.url,
            "--baud",
            "115200",
            "--release-key",
            str(tmp_path / "authority.pub"),
            str(folder),
        ]
        first = CliRunner().invoke(main, arguments)
        again = CliRunner().invoke(main, [*arguments, "--json"])
    assert first.exit_code == 0, first.output
    assert "a new terminal" in first.output
    assert "next: provision it" in first.output
    told = json.loads(again.stdout)
    assert (told["is_new"], told["written_octets"]) == (False, 0)


def test_the_command_ends_with_a_code_and_advice(folder, key, tmp_path):
    (tmp_path / "authority.pub").write_bytes(key.public)
    with EspDevice(new_chip(magic=MAGIC_ESP32_S2), is_raw=True) as device:
        done = CliRunner().invoke(
            main,
            ["flash", "--port", device.url, "--release-key", str(tmp_path / "authority.pub"), str(folder)],
        )
    assert done.exit_code == WrongDeviceError.code
    assert "what to do: unplug it" in done.output
