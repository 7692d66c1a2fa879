"""The reference board can be built, is what the design asks for, and what is made from it is up to date."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tools import pinmap

Board = dict[str, Any]


@pytest.fixture
def board() -> Board:
    return copy.deepcopy(pinmap.load())


def pin(board: Board, net: str) -> dict[str, Any]:
    return next(item for item in board["pin"] if item["net"] == net)


def chip(board: Board, name: str) -> dict[str, Any]:
    return next(item for item in board["chip"] if item["name"] == name)


def partition(board: Board, name: str) -> dict[str, Any]:
    return next(item for item in board["partition"] if item["name"] == name)


def test_the_reference_board_breaks_no_rule(board):
    assert pinmap.faults(board) == []


def test_what_is_made_from_the_board_is_up_to_date():
    assert pinmap.main(["--check"]) == 0


def test_check_complains_and_writes_nothing_when_something_is_out_of_date(tmp_path, monkeypatch, capsys):
    stale = tmp_path / "pins.py"
    stale.write_text("GPIO = 1\n")
    monkeypatch.setattr(pinmap, "PINS", stale)
    monkeypatch.setattr(pinmap, "ROOT", tmp_path)
    assert pinmap.main(["--check"]) == 1
    assert "pins.py is out of date" in capsys.readouterr().err
    assert stale.read_text() == "GPIO = 1\n"
    assert pinmap.main([]) == 0
    assert stale.read_text() == pinmap.render_pins(pinmap.load())


def test_a_readme_without_its_markers_is_refused():
    with pytest.raises(ValueError, match="pins"):
        pinmap.fill_tables("nothing here", {"pins": "| a |"})


# ---------------------------------------------------------------- every rule bites


def use_twice(board: Board) -> None:
    pin(board, "PRINTER_TX")["gpio"] = pin(board, "MODEM_TX")["gpio"]


def drive_an_input(board: Board) -> None:
    pin(board, "PRINTER_TX")["gpio"] = 37


def take_psram(board: Board) -> None:
    pin(board, "MODEM_TX")["gpio"] = 17


def take_flash(board: Board) -> None:
    pin(board, "PRINTER_BUSY")["gpio"] = 9


def strap_without_reason(board: Board) -> None:
    pin(board, "DISPLAY_SELECT")["gpio"] = 12


def name_a_net_twice(board: Board) -> None:
    pin(board, "PRINTER_TX")["net"] = "MODEM_TX"


def forget_idle(board: Board) -> None:
    del pin(board, "PN532_RESET")["idle"]


def share_an_address(board: Board) -> None:
    chip(board, "clock")["address"] = chip(board, "expander")["address"]


def reserve_an_address(board: Board) -> None:
    chip(board, "clock")["address"] = 0x03


def overclock(board: Board) -> None:
    board["bus"]["i2c"]["speed"] = 400_000


def share_a_uart(board: Board) -> None:
    board["bus"]["modem"]["number"] = 1


def fit_another_crystal(board: Board) -> None:
    chip(board, "contact_bridge")["crystal_hz"] = 1_000_000


def lose_a_bus(board: Board) -> None:
    chip(board, "printer")["bus"] = "usb"


def lose_an_address(board: Board) -> None:
    del chip(board, "clock")["address"]


def lose_a_wire(board: Board) -> None:
    board["pin"].remove(pin(board, "PN532_IRQ"))


def misalign_app(board: Board) -> None:
    partition(board, "factory")["offset"] += 0x1000


def misalign_data(board: Board) -> None:
    partition(board, "vfs")["offset"] += 0x80


def overlap(board: Board) -> None:
    partition(board, "journal")["size"] += 0x1000


def outgrow_flash(board: Board) -> None:
    partition(board, "vfs")["size"] += 0x1000


def cover_the_table(board: Board) -> None:
    partition(board, "nvs")["offset"] = 0x8000


def name_a_partition_twice(board: Board) -> None:
    partition(board, "roster_b")["name"] = "roster_a"


def use_a_bit_twice(board: Board) -> None:
    board["expander"]["outputs"]["buzzer"] = 4


def read_an_output_only_bit(board: Board) -> None:
    board["expander"]["inputs"]["case_open"] = 15
    board["expander"]["unused"]["bits"] = [12, 13]


def lose_a_key(board: Board) -> None:
    board["expander"]["keys"][3] = "*0#"


def repeat_a_key(board: Board) -> None:
    board["expander"]["keys"][3] = "*0##"


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (use_twice, "GPIO33 is used twice"),
        (drive_an_input, "can only be an input"),
        (drive_an_input, "not brought out"),
        (take_psram, "GPIO17 (MODEM_TX) belongs to the module's psram"),
        (take_flash, "belongs to the module's flash"),
        (strap_without_reason, "GPIO12 (DISPLAY_SELECT) is a strapping pin"),
        (name_a_net_twice, "net MODEM_TX has two pins"),
        (forget_idle, "does not say at which level it starts"),
        (share_an_address, "two chips at I2C address 0x20"),
        (reserve_an_address, "0x03 is reserved"),
        (overclock, "bus i2c runs at 400000, secure_element allows 100000"),
        (share_a_uart, "UART1 serves two buses"),
        (fit_another_crystal, "contact_bridge: its crystal gives 31250 baud for 38400"),
        (lose_a_bus, "bus usb, which does not exist"),
        (lose_an_address, "has an address exactly when"),
        (lose_a_wire, "card_reader: net PN532_IRQ has no pin"),
        (misalign_app, "factory is not aligned to 65536"),
        (misalign_data, "vfs is not aligned to 4096"),
        (overlap, "roster_a overlaps journal"),
        (outgrow_flash, "vfs ends beyond the flash"),
        (cover_the_table, "nvs overlaps partition table"),
        (name_a_partition_twice, "two partitions are named roster_a"),
        (use_a_bit_twice, "expander bit 4 is used twice"),
        (use_a_bit_twice, "expander bit 7 is not accounted for"),
        (read_an_output_only_bit, "expander bit 15 can only be an output"),
        (lose_a_key, "does not fit the matrix"),
        (repeat_a_key, "key # stands twice"),
    ],
)
def test_each_rule_bites(board, damage: Callable[[Board], None], complaint: str):
    damage(board)
    assert any(complaint in fault for fault in pinmap.faults(board)), pinmap.faults(board)


def test_a_strapping_pin_that_says_why_it_is_safe_is_allowed(board):
    strapped = pin(board, "DISPLAY_SELECT")
    strapped["gpio"], strapped["strapping"] = 15, "idles high, as it must at reset"
    assert pinmap.faults(board) == []


# ---------------------------------------------------------------- what the design asks for (section 8)


def test_buses_are_those_of_the_design(board):
    assert {
        name: (bus["kind"], bus["number"]) for name, bus in board["bus"].items() if bus["kind"] == "uart"
    } == {
        "technician": ("uart", 0),
        "printer": ("uart", 1),
        "modem": ("uart", 2),
    }
    assert {item["name"]: item["bus"] for item in board["chip"]} == {
        "display": "spi",
        "card_reader": "spi",
        "expander": "i2c",
        "contact_bridge": "i2c",
        "secure_element": "i2c",
        "clock": "i2c",
        "supply_monitor": "i2c",
        "printer": "printer",
        "modem": "modem",
    }
    assert board["bus"]["i2c"]["speed"] <= 100_000, "the secure element does not wake above"
    assert board["bus"]["modem"]["rxbuf"] >= 2048, "a sector erase must not lose what the modem says"


def test_the_flash_map_is_that_of_the_design(board):
    kib = {item["name"]: item["size"] // 1024 for item in board["partition"]}
    assert board["module"]["flash_bytes"] == 8 * 1024 * 1024
    assert kib["journal"] == 2048
    assert kib["roster_a"] == kib["roster_b"] == 256
    assert kib["identity_a"] == kib["identity_b"] == 16
    assert {"nvs", "phy_init", "factory", "vfs"} <= set(kib)
    assert sum(kib.values()) == 8192 - 36, "all of the flash behind bootloader and table is given away"


def test_the_readme_shows_every_net_chip_and_partition(board):
    readme = pinmap.README.read_text(encoding="utf-8")
    for item in board["pin"]:
        assert f"| {item['gpio']} | {item['net']} |" in readme
    for item in board["chip"]:
        assert item["part"] in readme
    for item in board["partition"]:
        assert f"| {item['name']} | 0x{item['offset']:06x} |" in readme
