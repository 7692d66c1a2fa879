"""Checks the reference board and makes the HAL's pin map and the README's tables from it.

`python -m tools.pinmap` writes `firmware/hal/pins.py` and the tables of `hardware/README.md`; with `--check` it writes
nothing and exits 1 if one of them is not what `hardware/board/reference.toml` says, or if the board breaks a rule.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BOARD = ROOT / "hardware" / "board" / "reference.toml"
PINS = ROOT / "firmware" / "hal" / "pins.py"
README = ROOT / "hardware" / "README.md"

APP_ALIGNMENT = 0x10000  # the ESP32's flash cache maps application code in pages of 64 KiB
I2C_ADDRESSES = range(0x08, 0x78)  # the rest is reserved (UM10204, 3.1.12)
SERIAL_ERROR_MAX = 0.02  # of a serial line's speed, both ends together bear some 4 %
TABLE_BYTES = 0x1000  # the partition table keeps a sector for itself

Board = dict[str, Any]


def load(path: Path = BOARD) -> Board:
    """Read a board description."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


# ---------------------------------------------------------------- rules


def faults(board: Board) -> list[str]:
    """Return every rule that the board breaks, one sentence each; empty for a board that can be built."""
    return [
        *_pin_faults(board),
        *_bus_faults(board),
        *_expander_faults(board["expander"]),
        *_flash_faults(board),
    ]


def _repeated(values: Iterator[Any]) -> list[Any]:
    return sorted(value for value, count in Counter(values).items() if count > 1)


def _pin_faults(board: Board) -> Iterator[str]:
    limits = board["module"]["limits"]
    controls = {net for chip in board["chip"] for net in chip["nets"]}
    reserved = {gpio: owner for owner, pins in board["module"]["reserved_gpio"].items() for gpio in pins}
    for gpio in _repeated(pin["gpio"] for pin in board["pin"]):
        yield f"GPIO{gpio} is used twice"
    for net in _repeated(pin["net"] for pin in board["pin"]):
        yield f"net {net} has two pins"
    for pin in board["pin"]:
        name = f"GPIO{pin['gpio']} ({pin['net']})"
        if pin["gpio"] in reserved:
            yield f"{name} belongs to the module's {reserved[pin['gpio']]}"
        if pin["gpio"] in limits["not_bonded_gpio"]:
            yield f"{name} is not brought out"
        if pin["direction"] != "in" and pin["gpio"] in limits["input_only_gpio"]:
            yield f"{name} can only be an input"
        if pin["gpio"] in limits["strapping_gpio"] and "strapping" not in pin:
            yield f"{name} is a strapping pin and does not say why it is safe"
        if pin["direction"] == "out" and pin["net"] in controls and "idle" not in pin:
            yield f"{name} does not say at which level it starts"


def _bus_faults(board: Board) -> Iterator[str]:
    uarts = (bus["number"] for bus in board["bus"].values() if bus["kind"] == "uart")
    for number in _repeated(uarts):
        yield f"UART{number} serves two buses"
    addressed = [chip["address"] for chip in board["chip"] if "address" in chip]
    for address in _repeated(iter(addressed)):
        yield f"two chips at I2C address 0x{address:02x}"
    nets = {pin["net"] for pin in board["pin"]}
    for chip in board["chip"]:
        bus = board["bus"].get(chip["bus"])
        if bus is None:
            yield f"{chip['name']} is on bus {chip['bus']}, which does not exist"
            continue
        if bus["speed"] > chip["speed_max"]:
            yield f"bus {chip['bus']} runs at {bus['speed']}, {chip['name']} allows {chip['speed_max']}"
        if (bus["kind"] == "i2c") != ("address" in chip):
            yield f"{chip['name']}: a chip has an address exactly when it is on I2C"
        if chip.get("address", I2C_ADDRESSES[0]) not in I2C_ADDRESSES:
            yield f"{chip['name']}: I2C address 0x{chip['address']:02x} is reserved"
        if "serial_baud" in chip:
            divisor = max(1, round(chip["crystal_hz"] / (16 * chip["serial_baud"])))
            baud = chip["crystal_hz"] / (16 * divisor)
            if abs(baud - chip["serial_baud"]) > SERIAL_ERROR_MAX * chip["serial_baud"]:
                yield f"{chip['name']}: its crystal gives {baud:.0f} baud for {chip['serial_baud']}"
        for net in set(chip["nets"]) - nets:
            yield f"{chip['name']}: net {net} has no pin"


def _expander_faults(expander: dict[str, Any]) -> Iterator[str]:
    inputs = [*expander["rows"], *expander["inputs"].values()]
    outputs = [*expander["columns"], *expander["outputs"].values()]
    used = [*inputs, *outputs, *expander["unused"]["bits"]]
    for bit in _repeated(iter(used)):
        yield f"expander bit {bit} is used twice"
    for bit in set(range(16)).symmetric_difference(used):
        yield f"expander bit {bit} is not accounted for"
    for bit in set(inputs) & set(expander["output_only_bits"]):
        yield f"expander bit {bit} can only be an output"
    if [len(row) for row in expander["keys"]] != [len(expander["columns"])] * len(expander["rows"]):
        yield "the key table does not fit the matrix"
    for key in _repeated(iter("".join(expander["keys"]))):
        yield f"key {key} stands twice"


def _flash_faults(board: Board) -> Iterator[str]:
    sector = board["flash"]["sector_bytes"]
    taken_to = board["flash"]["partition_table_offset"] + TABLE_BYTES
    previous = "partition table"
    for name in _repeated(part["name"] for part in board["partition"]):
        yield f"two partitions are named {name}"
    for part in sorted(board["partition"], key=lambda part: part["offset"]):
        alignment = APP_ALIGNMENT if part["kind"] == "app" else sector
        if part["offset"] % alignment or part["size"] % sector or part["size"] == 0:
            yield f"{part['name']} is not aligned to {alignment} octets"
        if part["offset"] < taken_to:
            yield f"{part['name']} overlaps {previous}"
        taken_to, previous = part["offset"] + part["size"], part["name"]
    if taken_to > board["module"]["flash_bytes"]:
        yield f"{previous} ends beyond the flash"


# ---------------------------------------------------------------- firmware/hal/pins.py


def render_pins(board: Board) -> str:
    """Return the text of the HAL's pin map."""
    lines = [
        '"""Pin map and flash map of the reference board, made from hardware/board/reference.toml by tools/pinmap.py."""',
        "",
        f'BOARD_NAME = "{board["board"]["name"]}"',
        f"BOARD_REVISION = {board['board']['revision']}",
        f"FLASH_BYTES = 0x{board['module']['flash_bytes']:X}",
    ]
    lines += ["", "# Buses: controller number, speed in Hz or baud, UART buffers in octets."]
    for name, bus in board["bus"].items():
        lines.append(f"{name.upper()}_NUMBER = {bus['number']}")
        lines.append(f"{name.upper()}_{'BAUD' if bus['kind'] == 'uart' else 'HZ'} = {bus['speed']}")
        lines += [f"{name.upper()}_{key.upper()} = {bus[key]}" for key in ("rxbuf", "txbuf") if key in bus]
    lines += ["", "# GPIO numbers, and the level at which an output starts."]
    for pin in sorted(board["pin"], key=lambda pin: pin["gpio"]):
        lines.append(f"{pin['net']}_GPIO = {pin['gpio']}")
        if "idle" in pin:
            lines.append(f"{pin['net']}_IDLE = {pin['idle']}")
    lines += ["", "# Each chip's own limit in Hz, and its 7-bit I2C address."]
    for chip in board["chip"]:
        if "address" in chip:
            lines.append(f"{chip['name'].upper()}_ADDRESS = 0x{chip['address']:02X}")
            lines += [
                f"{chip['name'].upper()}_{key.upper()} = {chip[key]}"
                for key in ("crystal_hz", "serial_baud")
                if key in chip
            ]
        elif board["bus"][chip["bus"]]["kind"] == "spi":
            lines.append(f"{chip['name'].upper()}_HZ_MAX = {chip['speed_max']}")
    lines += ["", "# Bits of the expander: 0 to 7 are GPA, 8 to 15 are GPB."]
    expander = board["expander"]
    lines.append(f"KEYPAD_COLUMN_BITS = {_tuple(expander['columns'])}")
    lines.append(f"KEYPAD_ROW_BITS = {_tuple(expander['rows'])}")
    lines.append("KEYPAD_KEYS = (" + ", ".join(f'"{row}"' for row in expander["keys"]) + ")")
    lines += [
        f"{name.upper()}_BIT = {bit}" for name, bit in {**expander["outputs"], **expander["inputs"]}.items()
    ]
    lines += ["", "# Flash map: name, offset, size.", "PARTITIONS = ("]
    lines += [
        f'    ("{part["name"]}", 0x{part["offset"]:X}, 0x{part["size"]:X}),' for part in board["partition"]
    ]
    return "\n".join([*lines, ")", ""])


def _tuple(values: list[int]) -> str:
    return "(" + ", ".join(str(value) for value in values) + ")"


# ---------------------------------------------------------------- tables of hardware/README.md


def render_tables(board: Board) -> dict[str, str]:
    """Return the README's tables by the name of their marker."""
    expander = board["expander"]
    port = [f"GP{'AB'[bit // 8]}{bit % 8}" for bit in range(16)]
    uses = [(bit, f"key matrix, column {index}") for index, bit in enumerate(expander["columns"])]
    uses += [
        (bit, f"key matrix, row {index}: {' '.join(expander['keys'][index])}")
        for index, bit in enumerate(expander["rows"])
    ]
    uses += [(bit, f"{name.replace('_', ' ')}, output") for name, bit in expander["outputs"].items()]
    uses += [(bit, f"{name.replace('_', ' ')}, input, pulled up") for name, bit in expander["inputs"].items()]
    uses += [(bit, "free") for bit in expander["unused"]["bits"]]
    return {
        "pins": _table(
            "GPIO | net | direction | to",
            [
                (pin["gpio"], pin["net"], pin["direction"], pin["to"])
                for pin in sorted(board["pin"], key=lambda pin: pin["gpio"])
            ],
        ),
        "buses": _table(
            "bus | controller | speed | why",
            [
                (name, f"{bus['kind'].upper()} {bus['number']}", _speed(bus), bus["why"])
                for name, bus in board["bus"].items()
            ],
        ),
        "chips": _table(
            "chip | part | bus | address | driver",
            [
                (
                    chip["name"],
                    chip["part"],
                    chip["bus"],
                    f"0x{chip['address']:02x}" if "address" in chip else "",
                    "yes" if chip["served"] else "not yet",
                )
                for chip in board["chip"]
            ],
        ),
        "expander": _table("pin | use", [(port[bit], use) for bit, use in sorted(uses)]),
        "flash": _table(
            "partition | offset | size | type | holds",
            [
                (
                    part["name"],
                    f"0x{part['offset']:06x}",
                    f"{part['size'] // 1024} KB",
                    f"{part['kind']}, {part['subtype']}",
                    part["holds"],
                )
                for part in board["partition"]
            ],
        ),
    }


def _speed(bus: dict[str, Any]) -> str:
    return f"{bus['speed']} baud" if bus["kind"] == "uart" else f"{bus['speed'] // 1000} kHz"


def _table(heading: str, rows: list[tuple[Any, ...]]) -> str:
    lines = [f"| {heading} |", "|" + "---|" * (heading.count("|") + 1)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def fill_tables(text: str, tables: dict[str, str]) -> str:
    """Return `text` with what stands between `<!-- board:NAME -->` and `<!-- /board:NAME -->` replaced."""
    for name, table in tables.items():
        begin, end = f"<!-- board:{name} -->\n", f"\n<!-- /board:{name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            message = f"hardware/README.md: the markers of table {name} are missing"
            raise ValueError(message)
        head, _, rest = text.partition(begin)
        text = head + begin + table + end + rest.partition(end)[2]
    return text


# ---------------------------------------------------------------- command


def outputs(board: Board) -> dict[Path, str]:
    """Return every file that is made from the board, with the text it must have."""
    readme = fill_tables(README.read_text(encoding="utf-8"), render_tables(board))
    return {PINS: render_pins(board), README: readme}


def main(arguments: list[str] | None = None) -> int:
    """Write or check; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.pinmap", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if something is out of date"
    )
    options = parser.parse_args(arguments)
    board = load()
    complaints = faults(board)
    for path, text in outputs(board).items() if not complaints else ():
        current = path.read_text(encoding="utf-8") if path.exists() else ""
        if current == text:
            continue
        if options.check:
            complaints.append(f"{path.relative_to(ROOT)} is out of date: run python -m tools.pinmap")
        else:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    for complaint in complaints:
        sys.stderr.write(f"{complaint}\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
