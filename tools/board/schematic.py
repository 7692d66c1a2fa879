"""The schematic: joins the pins of the parts, with SKiDL; the pin map of reference.toml says what the module's pins do.

SKiDL keeps parts and nets, checks electrical rules and writes KiCad's netlist, so that none of that is ours.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import pinmap
from tools.board import parts
from tools.board.parts import Catalogue

FITTINGS = ("software", "atecc608")
"""Where the keys are: in the module's flash, or in the secure element. Otherwise the boards are the same."""

_VOLTS = {"VBAT": 12.0, "+12V": 12.0, "HOLD_UP": 12.0, "+5V": 5.0, "+3V3": 3.3}


@dataclass(frozen=True, slots=True)
class Placed:
    """A part on the board: `kind` is its name in the catalogue, `value` what a resistor or capacitor is of."""

    ref: str
    kind: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Netlist:
    """What the checks, the bill of materials and the picture read: `nets` is net -> (ref, pin number) of its pins."""

    fitting: str
    placed: dict[str, Placed]
    nets: dict[str, tuple[tuple[str, str], ...]]
    volts: dict[str, float]
    errors: tuple[str, ...]
    kicad: str


def draw(fitting: str, catalogue: Catalogue | None = None, board: dict[str, Any] | None = None) -> Netlist:
    """Join everything and check the electrical rules; `errors` holds what SKiDL finds."""
    if fitting not in FITTINGS:
        message = f"no fitting is named {fitting}: {', '.join(FITTINGS)}"
        raise ValueError(message)
    with _quiet_skidl() as skidl:
        sheet = _Sheet(skidl, catalogue or parts.load(), fitting)
        _draw_supply(sheet)
        _draw_module(sheet, board or pinmap.load())
        _draw_service_port(sheet)
        _draw_panel(sheet, board or pinmap.load())
        _draw_readers(sheet)
        _draw_printer_and_modem(sheet, board or pinmap.load())
        _draw_rest_in_reset(sheet)
        _draw_secure_element(sheet)
        return sheet.netlist()


@contextmanager
def _quiet_skidl() -> Iterator[Any]:
    """Import SKiDL, which looks for KiCad's libraries and writes logs where it stands, in a directory of its own."""
    before = Path.cwd()
    for version in ("", "6", "7", "8", "9", "10"):
        os.environ.setdefault(f"KICAD{version}_SYMBOL_DIR", tempfile.gettempdir())
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        logging.disable(logging.WARNING)
        try:
            import skidl  # noqa: PLC0415 - its import already writes files

            logging.setLoggerClass(logging.Logger)  # it leaves its own class in force for everybody
            skidl.set_default_tool(skidl.SKIDL)
            for log in (skidl.logger.rt_logger, skidl.logger.erc_logger):
                log.stop_file_output()
                log.handlers.clear()
            yield skidl
        finally:
            logging.disable(logging.NOTSET)
            os.chdir(before)


class _Sheet:
    """Parts and nets while they are joined."""

    def __init__(self, skidl: Any, catalogue: Catalogue, fitting: str) -> None:
        self._skidl = skidl
        self._catalogue = catalogue
        self.fitting = fitting
        self._circuit = skidl.Circuit()
        self._parts: dict[str, Any] = {}
        self._placed: dict[str, Placed] = {}
        self._nets: dict[str, Any] = {}
        self._counts: dict[str, int] = {}

    def place(self, kind: str, value: str = "") -> str:
        """Put one part on the board; its reference. A part of the other fitting is not placed: the empty string."""
        part = self._catalogue.parts[kind]
        if part.fitting not in ("", self.fitting):
            return ""
        ref = part.ref
        if not ref[-1].isdigit():
            self._counts[ref] = self._counts.get(ref, 0) + 1
            ref += str(self._counts[ref])
        kinds = _kinds(self._skidl)
        pins = [self._skidl.Pin(num=pin.number, name=pin.name, func=kinds[pin.kind]) for pin in part.pins]
        if pins:
            made = self._skidl.Part(
                name=kind, tool=self._skidl.SKIDL, dest=self._skidl.TEMPLATE, pins=pins, ref_prefix=ref[0],
                footprint=f"lumbung:{kind}", description=part.part,
            )  # fmt: skip
            self._parts[ref] = made(ref=ref, value=value or part.part, circuit=self._circuit)
            for pin in part.pins:
                if pin.kind == "nc":
                    self._circuit.NC += self._parts[ref][pin.number]
        self._placed[ref] = Placed(ref, kind, value)
        return ref

    def join(self, net: str, *ends: str) -> None:
        """Join pins, each "REF.name"; nothing where a part is not fitted."""
        if net not in self._nets:
            self._nets[net] = self._skidl.Net(net, circuit=self._circuit)
            if net in _VOLTS or net == "GND":
                self._nets[net].drive = self._skidl.POWER
        for end in ends:
            ref, _, name = end.partition(".")
            if ref:
                part = self._parts[ref]
                pin = next(pin for pin in part.pins if name in (pin.num, pin.name))
                self._nets[net] += pin

    def between(self, kind: str, value: str, net: str, other: str) -> str:
        """Put a part with two pins between two nets."""
        ref = self.place(kind, value)
        first, second = (pin.number for pin in self._catalogue.parts[kind].pins)
        self.join(net, f"{ref}.{first}")
        self.join(other, f"{ref}.{second}")
        return ref

    def netlist(self) -> Netlist:
        """Check the electrical rules and hand the result out as plain data."""
        self._skidl.logger.erc_logger.error.reset()
        said: list[str] = []
        handler = _Collect(said)
        self._skidl.logger.erc_logger.addHandler(handler)
        logging.disable(logging.INFO)
        try:
            self._circuit.ERC()
        finally:
            self._skidl.logger.erc_logger.removeHandler(handler)
            logging.disable(logging.WARNING)
        nets = {
            name: tuple(sorted((pin.part.ref, pin.num) for pin in net.pins))
            for name, net in self._nets.items()
        }
        kicad = self._circuit.generate_netlist(tool=self._skidl.KICAD8, file_=os.devnull)
        return Netlist(self.fitting, dict(self._placed), nets, _VOLTS, tuple(said), kicad)


class _Collect(logging.Handler):
    """Keeps what the rule check says."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())


def _kinds(skidl: Any) -> dict[str, Any]:
    types = skidl.pin.pin_types
    return {
        "in": types.INPUT, "out": types.OUTPUT, "io": types.BIDIR, "od": types.OPENCOLL, "passive": types.PASSIVE,
        "supply-in": types.PWRIN, "supply-out": types.PWROUT, "nc": types.NOCONNECT,
    }  # fmt: skip


# ---------------------------------------------------------------- the blocks


def _draw_supply(sheet: _Sheet) -> None:
    """Battery to rails. Bursts are drawn before the hold-up diode, so that they cannot empty the hold-up capacitor."""
    sheet.place("antennas")
    sheet.place("carrier")
    sheet.place("case")
    sheet.join("VBAT", f"{sheet.place('battery')}.+", f"{sheet.place('charger')}.+")
    sheet.join("GND", "BT1.-", "A9.-")
    sheet.between("fuse", "3 A", "VBAT", "FUSED")
    sheet.between("polarity_diode", "", "FUSED", "+12V")
    sheet.place("buck_5v")
    sheet.join("+12V", "A10.IN+")
    sheet.join("+5V", "A10.OUT+")
    sheet.join("GND", "A10.IN-", "A10.OUT-")
    sheet.between("polarity_diode", "", "+12V", "HOLD_UP")
    sheet.between("hold_up", "2200 uF 25 V", "HOLD_UP", "GND")
    sheet.place("buck_3v3")
    sheet.join("HOLD_UP", "A11.VIN", "A11.EN")
    sheet.join("+3V3", "A11.VO")
    sheet.join("GND", "A11.GND")
    sheet.between("capacitor", "470 uF 6.3 V", "+3V3", "GND")
    sheet.between(
        "capacitor", "1000 uF 10 V", "+5V", "GND"
    )  # beside the printer: its head draws 2 A in steps


def _draw_module(sheet: _Sheet, board: dict[str, Any]) -> None:
    """The module: supply, reset, straps, and each of its pins by the pin map."""
    sheet.place("module")
    sheet.join("+3V3", "U1.3V3")
    sheet.join("GND", "U1.GND", "U1.GND2", "U1.GND3", "U1.GND4")
    for pin in board["pin"]:
        sheet.join(pin["net"], f"U1.IO{pin['gpio']}")
    sheet.place("supervisor")
    sheet.join("+3V3", "U2.VCC")
    sheet.join("GND", "U2.GND")
    sheet.join("EN", "U1.EN", "U2.RESET")
    sheet.between("resistor", "10 kOhm", "EN", "+3V3")
    sheet.between("capacitor", "1 uF", "EN", "GND")
    # Straps (ESP32 datasheet, strapping pins): IO0 and IO5 and IO15 high, IO2 and IO12 low, whatever is plugged in.
    for gpio, rail in ((0, "+3V3"), (5, "+3V3"), (15, "+3V3"), (2, "GND"), (12, "GND")):
        sheet.join(f"STRAP_IO{gpio}", f"U1.IO{gpio}")
        sheet.between("resistor", "10 kOhm", f"STRAP_IO{gpio}", rail)
    for _ in range(2):
        sheet.between("capacitor", "100 nF", "+3V3", "GND")


def _draw_service_port(sheet: _Sheet) -> None:
    """USB to serial; DTR and RTS reset the module into its loader, each only while the other is quiet."""
    sheet.place("usb_bridge")
    sheet.join("GND", "A1.GND")
    sheet.join("TECH_TX", "A1.RXD")
    sheet.join("SERVICE_TXD", "A1.TXD")
    for mine, other, pulled in (("DTR", "RTS", "EN"), ("RTS", "DTR", "STRAP_IO0")):
        ref = sheet.place("transistor")
        sheet.join(f"SERVICE_{mine}", f"A1.{mine}")
        sheet.between("resistor", "10 kOhm", f"SERVICE_{mine}", f"BASE_{mine}")
        sheet.join(f"BASE_{mine}", f"{ref}.B")
        sheet.join(f"SERVICE_{other}", f"{ref}.E")
        sheet.join(pulled, f"{ref}.C")


def _draw_panel(sheet: _Sheet, board: dict[str, Any]) -> None:
    """Display, and the expander with keypad, lights, buzzer, case switch and the modem's two keys."""
    sheet.place("display")
    sheet.join("+3V3", "A2.VCC")
    sheet.join("GND", "A2.GND")
    for net, pin in (
        ("SPI_SCK", "SCL"), ("SPI_MOSI", "SDA"), ("DISPLAY_RESET", "RES"), ("DISPLAY_DATA", "DC"),
        ("DISPLAY_SELECT", "CS"),
    ):  # fmt: skip
        sheet.join(net, f"A2.{pin}")
    for net in ("DISPLAY_SELECT", "PN532_SELECT"):  # both chips stay unselected while the module resets
        sheet.between("resistor", "10 kOhm", net, "+3V3")
    sheet.place("expander")
    sheet.join("+3V3", "U3.VDD")
    sheet.join("GND", "U3.VSS", "U3.A0", "U3.A1", "U3.A2")
    sheet.join("I2C_SCL", "U3.SCL")
    sheet.join("I2C_SDA", "U3.SDA")
    sheet.join("EXPANDER_INTERRUPT", "U3.INTB")
    sheet.between("resistor", "10 kOhm", "EXPANDER_INTERRUPT", "+3V3")
    sheet.between("capacitor", "100 nF", "+3V3", "GND")
    for net in ("I2C_SCL", "I2C_SDA"):
        sheet.between("resistor", "4.7 kOhm", net, "+3V3")
    expander = board["expander"]
    sheet.place("keypad")
    for letter, bits in (("R", expander["rows"]), ("C", expander["columns"])):
        for index, bit in enumerate(bits):
            sheet.join(f"KEY_{letter}{index}", f"U3.{_port(bit)}", f"SW1.{letter}{index}")
    outputs = expander["outputs"]
    for light in ("green_led", "red_led"):
        sheet.join(light.upper(), f"U3.{_port(outputs[light])}")
        sheet.between("resistor", "390 Ohm", light.upper(), f"{light.upper()}_A")
        sheet.between("led", light[:-4], f"{light.upper()}_A", "GND")
    sheet.join("BUZZER", f"U3.{_port(outputs['buzzer'])}")
    sheet.place("buzzer")
    sheet.join("+5V", "BZ1.+")
    _draw_pull_down(sheet, "BUZZER", "BZ1.-")
    sheet.place("case_switch")
    sheet.join("CASE_OPEN", f"U3.{_port(expander['inputs']['case_open'])}", "SW2.1")
    sheet.join("GND", "SW2.2")
    for bit in expander["unused"]["bits"]:
        sheet.join(f"SPARE_{_port(bit)}", f"U3.{_port(bit)}")
        sheet.between("resistor", "100 kOhm", f"SPARE_{_port(bit)}", "GND")


def _port(bit: int) -> str:
    return f"GP{'AB'[bit // 8]}{bit % 8}"


def _draw_pull_down(sheet: _Sheet, net: str, end: str) -> None:
    """A transistor that draws `end` to ground while `net` is high, and stays off while the expander resets."""
    ref = sheet.place("transistor")
    sheet.between("resistor", "2.2 kOhm", net, f"{net}_BASE")
    sheet.between("resistor", "10 kOhm", f"{net}_BASE", "GND")
    sheet.join(f"{net}_BASE", f"{ref}.B")
    sheet.join(f"{net}_LOW", f"{ref}.C", end)
    sheet.join("GND", f"{ref}.E")


def _draw_readers(sheet: _Sheet) -> None:
    """Contactless reader on SPI, contact reader behind its bridge, clock and supply monitor on I2C."""
    sheet.place("card_reader")
    sheet.join("+3V3", "A3.3.3V")
    sheet.join("GND", "A3.GND")
    for net, pin in (
        ("SPI_SCK", "SCK"), ("SPI_MISO", "MISO"), ("SPI_MOSI", "MOSI"), ("PN532_SELECT", "SSEL"), ("PN532_IRQ", "IRQ"),
        ("PN532_RESET", "RSTPDN"),
    ):  # fmt: skip
        sheet.join(net, f"A3.{pin}")
    sheet.between("resistor", "10 kOhm", "PN532_IRQ", "+3V3")
    sheet.between("resistor", "10 kOhm", "PN532_RESET", "GND")
    sheet.between(
        "capacitor", "100 uF 10 V", "+3V3", "GND"
    )  # beside the reader: its field draws 100 mA in steps
    sheet.place("contact_bridge")
    sheet.place("contact_reader")
    sheet.place("clock")
    sheet.join("+3V3", "A4.VCC", "A4.A0", "A4.A1", "A4.I2C/SPI", "A5.VCC", "A7.VCC")
    sheet.join("GND", "A4.GND", "A5.GND", "A7.GND", "A4.CTS")
    sheet.join("I2C_SCL", "A4.SCL", "A7.SCL")
    sheet.join("I2C_SDA", "A4.SDA", "A7.SDA")
    sheet.join("CONTACT_TX", "A4.TX", "A5.RXD")
    sheet.join("CONTACT_RX", "A5.TXD", "A4.RX")
    sheet.join("CONTACT_SLEEP", "A4.GPIO0", "A5.SDWN")
    sheet.between("resistor", "10 kOhm", "CONTACT_SLEEP", "GND")
    sheet.join("CONTACT_IRQ", "A4.IRQ")  # polled: no pin of the module is left
    sheet.between("resistor", "10 kOhm", "CONTACT_IRQ", "+3V3")
    # The monitor measures behind the polarity diode, which keeps a wrongly connected battery from it, and before the
    # hold-up diode, so that it sees the battery fall. No current of the terminal flows through its shunt: a module that
    # is pulled or breaks must not switch the terminal off.
    sheet.place("supply_monitor")
    sheet.join("+3V3", "A12.VCC")
    sheet.join("GND", "A12.GND")
    sheet.join("I2C_SCL", "A12.SCL")
    sheet.join("I2C_SDA", "A12.SDA")
    sheet.join("+12V", "A12.VIN+", "A12.VIN-")


def _draw_printer_and_modem(sheet: _Sheet, board: dict[str, Any]) -> None:
    """Both draw in bursts from 5 V; the printer speaks 5 V, so its outputs are divided to 3.3 V."""
    sheet.place("printer")
    sheet.join("+5V", "A6.VH")
    sheet.join("GND", "A6.GND")
    sheet.join("PRINTER_TX", "A6.RXD")
    for net, pin in (("PRINTER_RX", "TXD"), ("PRINTER_BUSY", "DTR")):
        sheet.join(f"{net}_5V", f"A6.{pin}")
        sheet.between("resistor", "6.8 kOhm", f"{net}_5V", net)
        sheet.between("resistor", "10 kOhm", net, "GND")
    sheet.place("modem")
    sheet.join("+5V", "A8.VCC")
    sheet.join("GND", "A8.GND")
    sheet.join("MODEM_TX", "A8.RXD")
    sheet.join("MODEM_RX", "A8.TXD")
    outputs = board["expander"]["outputs"]
    for name, pin in (("modem_power_key", "PWRKEY"), ("modem_reset", "RESET")):
        sheet.join(name.upper(), f"U3.{_port(outputs[name])}")
        _draw_pull_down(sheet, name.upper(), f"A8.{pin}")
    sheet.between("capacitor", "1000 uF 10 V", "+5V", "GND")  # beside the modem: 2 A for 0.6 ms on 2G


def _draw_rest_in_reset(sheet: _Sheet) -> None:
    """While the supervisor holds the module in reset, nothing else may empty the 3.3 V that the flash ends a program with: both
    readers and the display are held in theirs (pull-downs; the module drives them high), bridge and expander share the module's.
    """
    sheet.between("resistor", "10 kOhm", "DISPLAY_RESET", "GND")
    sheet.join("EN", "A4.RESET", "U3.RESET")
    # A laptop on the cable of a terminal without power must not feed its 3.3 V through the module's input.
    sheet.between("resistor", "1 kOhm", "SERVICE_TXD", "TECH_RX")


def _draw_secure_element(sheet: _Sheet) -> None:
    """In one fitting only, and last: so all other parts have the same references in both."""
    element = sheet.place("secure_element")
    if element:
        sheet.join("+3V3", f"{element}.VCC")
        sheet.join("GND", f"{element}.GND")
        sheet.join("I2C_SCL", f"{element}.SCL")
        sheet.join("I2C_SDA", f"{element}.SDA")
        sheet.between("capacitor", "100 nF", "+3V3", "GND")
