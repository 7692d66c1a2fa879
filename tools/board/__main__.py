"""`python -m tools.board`: checks the board of both fittings, then writes netlists, bills, pictures, power, the guide's drawings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools import pinmap
from tools.board import bom, checks, drawings, layout, parts, pictures, power, schematic

DEFAULT_DIRECTORY = pinmap.ROOT / "build" / "hardware"


def main(arguments: list[str] | None = None) -> int:
    """Check and write; exit code 1 and no file if the board cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m tools.board", description=__doc__)
    parser.add_argument("--to", type=Path, default=DEFAULT_DIRECTORY, help="directory for what is made")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if something is wrong or out of date"
    )
    options = parser.parse_args(arguments)
    catalogue, board, told = parts.load(), pinmap.load(), power.load()
    sheets = [schematic.draw(fitting, catalogue, board) for fitting in schematic.FITTINGS]
    complaints = [f"power: {problem}" for problem in power.budget(told).problems]
    complaints += pinmap.faults(board)
    for sheet in sheets:
        complaints += [f"{sheet.fitting}: {fault}" for fault in checks.faults(sheet, catalogue, board)]
    whole = sheets[-1]  # the fitting that has every part
    laid_out = layout.lay_out(whole, catalogue, layout.load())
    complaints += [f"layout: {fault}" for fault in layout.faults(laid_out, whole)]
    guide = drawings.drawn(laid_out, whole, catalogue) if not complaints else {}
    if options.check and guide:
        complaints += drawings.stale(guide)
    for complaint in complaints:
        sys.stderr.write(f"{complaint}\n")
    if complaints:
        return 1
    if not options.check:
        _write(options.to, sheets, catalogue, told)
        drawings.write(
            guide, drawings.COMMITTED if options.to == DEFAULT_DIRECTORY else options.to / "drawings"
        )
    _tell(sheets, catalogue, power.budget(told))
    return 0


def _write(
    directory: Path, sheets: list[schematic.Netlist], catalogue: parts.Catalogue, told: dict[str, object]
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for sheet in sheets:
        (directory / f"{sheet.fitting}.net").write_text(sheet.kicad, encoding="utf-8")
        (directory / f"{sheet.fitting}-bom.csv").write_text(bom.as_csv(sheet, catalogue), encoding="utf-8")
        for picture in pictures.SHEETS:
            name = picture.title.rpartition(": ")[2].replace(" ", "-")
            pictures.draw_wiring(sheet, catalogue, picture, directory / f"{sheet.fitting}-{name}.png")
    pictures.draw_power(told, directory / "power.png")
    sys.stdout.write(f"netlists, bills of materials and pictures are in {directory}\n")


def _tell(sheets: list[schematic.Netlist], catalogue: parts.Catalogue, answer: power.Budget) -> None:
    for sheet in sheets:
        cost = sum(line.cost_rupiah for line in bom.lines(sheet, catalogue))
        sys.stdout.write(
            f"{sheet.fitting}: {len(sheet.placed)} parts, {len(sheet.nets)} nets, no rule broken; about {cost} rupiah "
            f"(estimate of {catalogue.prices_of})\n"
        )
    hold = answer.hold_up
    sys.stdout.write(
        f"bursts: {answer.burst.peak_ma:.0f} mA from 5 V, which sags {answer.burst.sag_volts:.2f} V; "
        f"{answer.burst.peak_ma_3v3:.0f} mA from 3.3 V; {answer.burst.peak_ma_input:.0f} mA from the battery at its end\n"
        f"power: {answer.watt_hours:.1f} Wh for a day of {answer.day_hours} h, {answer.battery_hours:.0f} h on the battery\n"
        f"supply gone: 3.3 V stays for {hold.regulated_ms:.0f} ms, then {hold.after_reset_ms:.1f} ms in reset above "
        f"{hold.flash_volts_min} V; a page program takes {hold.needed_ms:g} ms at most. A sector erase takes "
        f"{hold.erase_ms_typical} ms, at most {hold.erase_ms_max} ms: it may be cut, which the journal bears\n"
    )


if __name__ == "__main__":
    sys.exit(main())
