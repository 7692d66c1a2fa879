"""The reference board can be built: rules hold for both fittings, every sabotage is noticed, the power suffices."""

import copy
import csv
import io
from dataclasses import replace

import pytest

from tools import pinmap
from tools.board import bom, checks, parts, pictures, power, schematic
from tools.board.__main__ import main


@pytest.fixture(scope="module")
def catalogue():
    return parts.load()


@pytest.fixture(scope="module")
def sheets(catalogue):
    return {fitting: schematic.draw(fitting, catalogue) for fitting in schematic.FITTINGS}


def faults(sheet, catalogue, board=None):
    return checks.faults(sheet, catalogue, board or pinmap.load())


@pytest.mark.parametrize("fitting", schematic.FITTINGS)
def test_both_fittings_break_no_rule(sheets, catalogue, fitting):
    assert faults(sheets[fitting], catalogue) == []


def test_the_fittings_differ_by_the_secure_element_alone(sheets):
    kinds = {name: sorted(placed.kind for placed in sheet.placed.values()) for name, sheet in sheets.items()}
    assert sorted([*kinds["software"], "capacitor", "secure_element"]) == kinds["atecc608"]


def test_every_pin_of_the_pin_map_is_on_its_net(sheets):
    """One pin map for firmware, documents and schematic."""
    numbers = {pin.name: pin.number for pin in parts.load().parts["module"].pins}
    for pin in pinmap.load()["pin"]:
        assert ("U1", numbers[f"IO{pin['gpio']}"]) in sheets["software"].nets[pin["net"]]


def cut(sheet, ref, number):
    """The same board with one pin not soldered."""
    nets = {net: tuple(end for end in ends if end != (ref, number)) for net, ends in sheet.nets.items()}
    assert nets != sheet.nets
    return replace(sheet, nets=nets)


def moved(sheet, ref, number, net):
    """The same board with one pin on another net."""
    changed = cut(sheet, ref, number)
    return replace(changed, nets={**changed.nets, net: (*changed.nets[net], (ref, number))})


def test_no_pin_of_a_chip_can_be_forgotten(sheets, catalogue):
    """Every pin that is wired, of every part with signals, is missed where it is not; only a capacitor may be lacking."""
    sheet = sheets["atecc608"]
    optional = {"capacitor", "hold_up", "resistor", "transistor", "led", "case_switch", "keypad"}
    unnoticed = []
    for ends in sheet.nets.values():
        for ref, number in ends:
            part = catalogue.parts[sheet.placed[ref].kind]
            pin = next(pin for pin in part.pins if pin.number == number)
            # Free ports of expander and bridge: what hangs on them is held by a resistor and would only be dead.
            if part.name in optional or (pin.kind == "io" and pin.name.startswith("GP")):
                continue
            if not faults(cut(sheet, ref, number), catalogue):
                unnoticed.append((ref, part.name, pin.name))
    assert unnoticed == []


def resistor_at(sheet, net, value):
    return next(
        ref
        for ref, _ in sheet.nets[net]
        if sheet.placed[ref].kind == "resistor" and sheet.placed[ref].value == value
    )


@pytest.mark.parametrize(
    ("net", "value", "expected"),
    [
        ("I2C_SDA", "4.7 kOhm", "I2C_SDA needs one pull-up"),
        ("PN532_IRQ", "10 kOhm", None),
        ("STRAP_IO12", "10 kOhm", "strap IO12"),
        ("EXPANDER_INTERRUPT", "10 kOhm", "EXPANDER_INTERRUPT: nothing drives or pulls"),
        ("PRINTER_RX", "10 kOhm", None),
        ("PRINTER_RX", "6.8 kOhm", "(resistor): pin 1 is open"),
    ],
)
def test_a_missing_resistor_is_named(sheets, catalogue, net, value, expected):
    """The reader's interrupt is driven both ways, so its pull-up only holds it during the reader's reset."""
    sheet = sheets["software"]
    ref = resistor_at(sheet, net, value)
    found = faults(cut(sheet, ref, "1"), catalogue)
    assert found
    if expected:
        assert any(expected in fault for fault in found), found


def test_five_volts_on_a_pin_that_bears_three_are_named(sheets, catalogue):
    found = faults(moved(sheets["software"], "A6", "TXD", "PRINTER_RX"), catalogue)
    assert any("PRINTER_RX: U1 IO36 bears 3.6 V and may get 5.5 V" in fault for fault in found), found


def test_a_divider_that_gives_too_much_or_too_little_is_named(sheets, catalogue):
    sheet = sheets["software"]
    ref = resistor_at(sheet, "PRINTER_BUSY", "6.8 kOhm")
    for value, expected in (("4.7 kOhm", "may get 3.7 V"), ("22 kOhm", "to read high and may get 1.38 V")):
        placed = {**sheet.placed, ref: replace(sheet.placed[ref], value=value)}
        found = faults(replace(sheet, placed=placed), catalogue)
        assert any("PRINTER_BUSY" in fault and expected in fault for fault in found), found


def test_a_chip_on_the_wrong_rail_is_named(sheets, catalogue):
    found = faults(moved(sheets["software"], "U3", "9", "+5V"), catalogue)
    assert any("U3 (expander): VDD bears 3.6 V and is on +5V" in fault for fault in found), found


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        ("PN532_RESET", "PN532_RESET is not pulled down: the reader would go on"),
        ("DISPLAY_RESET", "DISPLAY_RESET is not pulled down: the display would go on"),
        ("CONTACT_SLEEP", "CONTACT_SLEEP is not pulled down: the contact reader would go on"),
    ],
)
def test_what_would_go_on_drawing_while_the_module_is_in_reset_is_named(sheets, catalogue, net, expected):
    """Its 3.3 V may then come from capacitors alone, and a program that has begun must end."""
    sheet = sheets["software"]
    found = faults(moved(sheet, resistor_at(sheet, net, "10 kOhm"), "2", "+3V3"), catalogue)
    assert any(expected in fault for fault in found), found


@pytest.mark.parametrize(("ref", "number"), [("A4", "RESET"), ("U3", "18")])
def test_a_bridge_or_expander_that_outlives_the_modules_reset_is_named(sheets, catalogue, ref, number):
    found = faults(moved(sheets["software"], ref, number, "+3V3"), catalogue)
    assert any(f"{ref} (" in fault and "RESET is not on EN" in fault for fault in found), found


def test_a_service_port_that_would_feed_a_terminal_without_power_is_named(sheets, catalogue):
    found = faults(moved(sheets["software"], "A1", "TXD", "TECH_RX"), catalogue)
    assert any("it would feed a terminal without power" in fault for fault in found), found


def test_levels_are_followed_through_a_resistor(sheets, catalogue):
    loud = replace(catalogue.parts["usb_bridge"], pins=tuple(
        replace(pin, level="5V-TTL") if pin.name == "TXD" else pin for pin in catalogue.parts["usb_bridge"].pins
    ))  # fmt: skip
    changed = replace(catalogue, parts={**catalogue.parts, "usb_bridge": loud})
    found = faults(sheets["software"], changed)
    assert any("TECH_RX: U1 IO3 bears 3.6 V and may get 5.5 V" in fault for fault in found), found


def test_modules_that_bring_too_many_pull_ups_are_named(sheets, catalogue):
    strong = replace(catalogue.parts["supply_monitor"], i2c_pull_ohm=1500)
    crowded = replace(catalogue, parts={**catalogue.parts, "supply_monitor": strong})
    found = faults(sheets["software"], crowded)
    assert any("I2C_SDA: all pull-ups together draw 3.5 mA" in fault for fault in found), found


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        ("VBAT", "VIN- is on VBAT, not on a protected supply"),
        ("FUSED", "VIN- is on FUSED, not on a protected supply"),
        ("PN532_IRQ", "VIN- is on PN532_IRQ, not on a protected supply"),
    ],
)
def test_a_supply_monitor_that_a_wrong_battery_would_kill_is_named(sheets, catalogue, net, expected):
    found = faults(moved(sheets["software"], "A12", "VIN-", net), catalogue)
    assert any(expected in fault for fault in found), found


def test_a_supply_above_what_its_monitor_bears_is_named(sheets, catalogue):
    sheet = replace(sheets["software"], volts={**sheets["software"].volts, "+12V": 24.0})
    assert any("VIN- bears 26.0 V" in fault for fault in faults(sheet, catalogue))


def test_outputs_against_each_other_are_an_electrical_error(catalogue):
    """Found by the rule check of SKiDL, so a board with it has to be drawn."""
    board = copy.deepcopy(pinmap.load())
    pin = next(pin for pin in catalogue.parts["contact_reader"].pins if pin.name == "RXD")
    wrong = replace(catalogue.parts["contact_reader"], pins=tuple(
        replace(other, kind="out") if other == pin else other for other in catalogue.parts["contact_reader"].pins
    ))  # fmt: skip
    crossed = replace(catalogue, parts={**catalogue.parts, "contact_reader": wrong})
    sheet = schematic.draw("software", crossed, board)
    assert any("CONTACT_TX" in error for error in sheet.errors), sheet.errors


def test_a_pin_map_that_the_schematic_does_not_serve_is_named(sheets, catalogue):
    board = copy.deepcopy(pinmap.load())
    next(pin for pin in board["pin"] if pin["net"] == "PN532_RESET")["gpio"] = 2
    assert any(
        "GPIO2 is not on net PN532_RESET" in fault for fault in faults(sheets["software"], catalogue, board)
    )


def test_an_unknown_fitting_is_refused():
    with pytest.raises(ValueError, match="no fitting is named gold"):
        schematic.draw("gold")


@pytest.mark.parametrize(
    ("pin", "expected"),
    [
        ("A sideways 3V3", "no type"),
        ("A in", "have a level"),
        ("A passive 3V3", "have a level"),
        ("A in 9V", "does not exist"),
    ],
)
def test_a_wrong_pin_in_the_catalogue_is_named(tmp_path, pin, expected):
    path = tmp_path / "parts.toml"
    path.write_text(
        'prices_of = "2026-01-01"\n[level.3V3]\nhigh_out = 2.6\nhigh_in = 2.4\nmost_in = 3.6\n[[part]]\nname = "x"\n'
        f'ref = "U1"\npart = "p"\nwhat = "w"\nsource = "s"\nprice_rupiah = 1\npins = ["{pin}"]\n',
        encoding="utf-8",
    )
    with pytest.raises(parts.PartError, match=expected):
        parts.load(path)


def test_the_bill_holds_every_part_once_and_its_sum(sheets, catalogue):
    rows = list(csv.DictReader(io.StringIO(bom.as_csv(sheets["atecc608"], catalogue))))
    refs = [ref for row in rows for ref in row["refs"].split()]
    assert sorted(refs) == sorted(sheets["atecc608"].placed)
    assert sum(int(row["estimate_rupiah"]) for row in rows[:-1]) == int(rows[-1]["estimate_rupiah"])
    assert "none is a quotation" in rows[-1]["for"]


def test_the_netlist_is_one_that_kicad_reads(sheets):
    """Same parts and nets in KiCad's format."""
    text = sheets["software"].kicad
    assert text.count("(ref ") >= len(sheets["software"].placed) - 3, (
        "all but board, case and antenna have pins"
    )
    assert all(f'(name "{net}")' in text for net in sheets["software"].nets)


def test_the_supply_suffices_for_a_day_a_page_program_and_a_burst():
    answer = power.budget(power.load())
    assert answer.problems == []
    assert answer.battery_hours >= answer.day_hours
    assert answer.hold_up.regulated_ms >= answer.hold_up.needed_ms


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("hold_up", "capacitor_uf", 100, "page program"),
        ("hold_up", "rail_capacitor_uf", 47, "page program"),
        ("hold_up", "brown_out_volts", 2.6, "page program"),
        ("battery", "amp_hours", 1.2, "the battery lasts"),
        ("burst", "buck_ma_max", 2000, "sags"),
        ("burst", "module_ma_3v3", 1900, "the 3.3 V converter would have to give"),
        ("burst", "fuse_ma", 2000, "the fuse would carry"),
        ("hold_up", "held_in_reset_ma", 150, "page program"),
        ("hold_up", "battery_volts_empty", 5.5, "page program"),
        ("hold_up", "battery_ohm", 2.1, "page program"),
    ],
)
def test_a_supply_that_does_not_suffice_is_named(section, key, value, expected):
    told = power.load()
    told[section][key] = value
    assert any(expected in problem for problem in power.budget(told).problems)


def test_the_readme_tells_the_figures_of_the_budget():
    answer = power.budget(power.load())
    readme = " ".join((pinmap.ROOT / "hardware" / "README.md").read_text(encoding="utf-8").split())
    for words in (
        f"takes {answer.watt_hours:.0f} Wh",
        f"battery lasts some {answer.battery_hours:.0f} hours",
        f"3.3 V stays for {answer.hold_up.regulated_ms:.0f} ms with everything on",
        f"takes {answer.hold_up.needed_ms:.0f} ms at most",
        f"above {answer.hold_up.reset_volts_least:.2f} V",
        f"the flash's {answer.hold_up.flash_volts_min} V for {answer.hold_up.after_reset_ms:.0f} ms more",
        f"{answer.burst.peak_ma / 1000:.0f} A from 5 V",
        f"{answer.burst.peak_ma_input / 1000:.1f} A from the battery",
    ):
        assert words in readme, words


def test_the_energy_of_a_load_is_its_current_its_time_and_its_rail():
    told = power.load()
    told["load"] = [
        {
            "name": "x",
            "rail": "5V",
            "base_ma": 0,
            "use_ma": 1000,
            "seconds": 6,
            "per": "redemption",
            "source": "s",
        }
    ]
    share = next(share for share in power.budget(told).shares if share.name == "x")
    assert share.watt_hours == pytest.approx(0.5 * 5 / 0.85)


def test_the_command_writes_everything_and_says_so(tmp_path, capsys):
    assert main(["--to", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "no rule broken" in told
    assert "estimate" in told
    for fitting in schematic.FITTINGS:
        assert (tmp_path / f"{fitting}.net").stat().st_size > 10_000
        assert (tmp_path / f"{fitting}-bom.csv").exists()
        for picture in pictures.SHEETS:
            name = picture.title.rpartition(": ")[2].replace(" ", "-")
            assert (tmp_path / f"{fitting}-{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "power.png").exists()
