"""`lumbung provision` against the real firmware at its cable: from a blank terminal to one that serves, and all that goes wrong."""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import dataclass

import pytest
import serial
import zxingcpp
from click.testing import CliRunner
from PIL import Image

from firmware import settings
from tests.sim.shop import NEEDS_MICROPYTHON
from tests.support.programme_papers import KID, NAME, Papers, a_request, gateway_with
from tests.support.terminal_cable import TerminalCable
from tools.carry import Console
from tools.technician import laptop, provisioning, registering
from tools.technician.__main__ import main
from tools.technician.errors import CableError
from tools.virtual_terminal.control import VirtualTerminal

pytestmark = [pytest.mark.timeout(120), NEEDS_MICROPYTHON]


@pytest.fixture
def folder(tmp_path):
    return Papers(tmp_path / "papers")


@dataclass
class Bench:
    """A terminal on the bench with its cable."""

    terminal: VirtualTerminal
    url: str

    def lumbung(self, *arguments, code=0, keys=None):
        """What `lumbung provision --json` says; it must end with `code`."""
        result = CliRunner().invoke(
            main, ["provision", "--json", "--port", self.url, *map(str, arguments)], input=keys
        )
        assert result.exit_code == code, (result.output, result.stderr, result.exception)
        return json.loads(result.stdout.splitlines()[-1])

    def identity(self):
        """What the terminal says of itself."""
        with serial.serial_for_url(self.url, timeout=15) as line:
            return provisioning.Terminal(Console(line)).identity()


@pytest.fixture
def bench(tmp_path):
    yield from on_the_bench(tmp_path, {})


@pytest.fixture
def chip_bench(tmp_path):
    yield from on_the_bench(tmp_path, {"atecc608": str(tmp_path / "atecc608.json")})


def on_the_bench(tmp_path, fittings):
    with VirtualTerminal(tmp_path / "flash.bin", tmp_path / "terminal.log", fittings=fittings) as terminal:
        terminal.ask("power_on", stays=True)
        with TerminalCable(terminal) as cable:
            yield Bench(terminal, cable.url)


def test_one_command_makes_a_blank_terminal_serve(bench, folder, tmp_path):
    folder.grant()
    told = bench.lumbung(
        folder.path, "--kid", NAME, "--authority-key", folder.key_path,
        "--apn", "kartu", "--wifi-ssid", "Warung", "--wifi-password", "rahasia-kami", "--broker", "broker.example:8883",
        "--set", "broker_tls=1", "--print-label",
    )  # fmt: skip
    assert (told["stage"], told["kid"], told["storage"], told["warnings"]) == ("done", NAME, "software", [])
    assert "rahasia-kami" not in json.dumps(told)
    identity = bench.identity()
    assert (identity.state, identity.kid, identity.serves) == ("ready", KID, True)
    flash = (tmp_path / "flash.bin").read_bytes()
    held = settings.parse(
        b"apn=kartu\nmodem=1\nprinter_qr=0\nbroker_host=broker.example\nbroker_port=8883\nbroker_tls=1\n"
        b"username=0000a001\nwifi_ssid=Warung\nwifi_password=rahasia-kami\n"
    )
    for line in (b"apn=kartu\n", b"username=0000a001\n", b"wifi_ssid=Warung\n", b"printer_qr=0\n"):
        assert line in flash
    assert held["apn"] == "kartu"
    assert b"apn=other" not in flash
    label = Image.open(told["label"])
    assert [code.text for code in zxingcpp.read_barcodes(label)] == [NAME.upper()]

    other = Papers(tmp_path / "elsewhere")
    before = sorted(other.path.iterdir())
    refused = bench.lumbung(other.path, "--authority-key", other.key_path, code=13)
    assert f"{NAME} and in use" in refused["error"]
    assert sorted(other.path.iterdir()) == before, (
        "another programme's terminal is not certified for this one"
    )

    again = bench.lumbung(folder.path, "--authority-key", folder.key_path, "--apn", "other")
    assert again["kid"] == NAME
    assert "keeps the settings that it has" in again["warnings"][0]
    assert again["stage"] == "done"
    assert bench.identity().request == identity.request, "repeating changes nothing"


def test_certified_by_file_the_same_command_goes_on(bench, folder, tmp_path):
    carried = tmp_path / "usb-stick.req"
    told = bench.lumbung(folder.path, "--kid", NAME, "--request", carried)
    assert told["stage"] == "request"
    assert told["kid"] == NAME
    assert bench.lumbung(folder.path)["stage"] == "request"
    first = carried.read_bytes()
    kid, certificate = folder.authority.terminal_request(first, int(time.time()))
    assert kid == KID
    answer = tmp_path / "usb-stick.cert"
    answer.write_bytes(certificate)
    (folder.path / "operators.bin").unlink()
    (folder.path / "settings.txt").unlink()
    told = bench.lumbung(folder.path, "--certificate", answer)
    assert told["stage"] == "done"
    assert "no grant" in told["warnings"][0]
    assert "nobody can log in" in told["warnings"][1]
    assert bench.identity().request.octets == first, "its keys were made once"


def test_a_key_chip_is_found_shown_and_locked_only_when_somebody_says_yes(chip_bench, folder, tmp_path):
    memory = tmp_path / "atecc608.json"
    told = chip_bench.lumbung(folder.path, "--kid", NAME, "--lock", "no", code=14)
    assert "nothing was locked" in told["error"]
    told = chip_bench.lumbung(folder.path, "--kid", NAME, code=14, keys="")
    assert "--lock yes" in told["advice"]
    before = dict(json.loads(memory.read_text()))["config"] if memory.exists() else ""
    assert not before or bytes.fromhex(before)[87] == 0x55
    result = CliRunner().invoke(
        main,
        [
            "provision",
            "--port",
            chip_bench.url,
            "--kid",
            NAME,
            "--authority-key",
            str(folder.key_path),
            str(folder.path),
        ],
        input="yes\n",
    )
    assert result.exit_code == 0, result.output
    for line in ("FOR EVER", "slot 0: secret, signs digests", "-> 8120"):
        assert line in result.stderr
    assert "keys: ATECC608" in result.stdout
    assert bytes.fromhex(dict(json.loads(memory.read_text()))["config"])[87] == 0
    assert chip_bench.identity().serves


def test_where_the_keys_are_made_is_the_technician_s_choice(bench, folder):
    told = bench.lumbung(folder.path, "--kid", NAME, "--atecc", code=5)
    assert "no ATECC608" in told["error"]
    assert bench.identity().state == "blank"
    assert bench.lumbung(folder.path, "--kid", NAME, "--software")["storage"] == "software"


def test_a_cable_that_drops_costs_nothing_but_the_time(bench, folder, monkeypatch):
    folder.grant()
    options = (folder.path, "--kid", NAME, "--authority-key", folder.key_path)
    line_of = Console._line
    for lines in (0, 2, 9, 40):
        left = [lines]

        def dropping(self, *patience, left=left):
            if left[0] == 0:
                self._port.readline = lambda: b""
            left[0] -= 1
            return line_of(self, *patience)

        monkeypatch.setattr(Console, "_line", dropping)
        told = bench.lumbung(*options, code=6)
        assert "run the same command again" in told["advice"], lines
        monkeypatch.undo()
    assert bench.lumbung(*options)["stage"] == "done"
    assert bench.identity().serves


def test_a_number_that_was_taken_when_the_cable_dropped_is_named_and_given_to_no_other(
    bench, folder, monkeypatch, tmp_path
):
    kids = tmp_path / "kids.txt"
    kids.write_text(f"block {KID:08x} {KID + 9:08x}\n")
    ask = provisioning.Terminal.ask

    def pulled(self, command, *rest):
        if command.startswith("keys "):
            raise CableError("the terminal does not answer", "look at the cable")
        return ask(self, command, *rest)

    monkeypatch.setattr(provisioning.Terminal, "ask", pulled)
    told = bench.lumbung(folder.path, "--kids", kids, code=6)
    assert f"kid {KID:08x} is taken" in told["advice"]
    monkeypatch.undo()
    assert bench.lumbung(folder.path, "--kids", kids)["kid"] == f"{KID + 1:08x}"


def test_a_full_disk_is_a_sentence_and_the_same_command_goes_on(bench, folder, monkeypatch):
    options = (folder.path, "--kid", NAME, "--authority-key", folder.key_path)
    syncs = os.fsync
    for full in (1, 2, 3):
        left = [full]

        def full_disk(number, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            syncs(number)

        monkeypatch.setattr(laptop.os, "fsync", full_disk)
        told = bench.lumbung(*options, code=10)
        assert "No space left" in told["error"]
        assert "goes on where it stopped" in told["advice"]
    monkeypatch.setattr(laptop.os, "fsync", syncs)
    request = bench.identity().request
    assert bench.lumbung(*options)["stage"] == "done"
    assert bench.identity().request == request


def test_a_terminal_in_use_keeps_its_generation_unless_it_is_named(bench, folder):
    options = (folder.path, "--authority-key", folder.key_path)
    bench.lumbung(*options, "--kid", NAME)
    told = bench.lumbung(*options, "--kid", "0000a002", code=7)
    assert f"--discard-records {NAME}" in told["advice"]
    bench.lumbung(*options, "--kid", "0000a002", "--discard-records", "0000a003", code=7)
    assert bench.identity().kid == KID
    told = bench.lumbung(*options, "--kid", NAME, "--discard-records", NAME, code=13)
    assert "never used twice" in told["advice"]
    bench.lumbung(*options, "--discard-records", NAME, code=11)
    assert bench.identity().serves, "nothing that is refused takes it out of service"
    with serial.serial_for_url(bench.url, timeout=15) as line:
        terminal = provisioning.Terminal(Console(line))
        terminal.ask("stand-by")
        assert terminal.wait(lambda now: not now.serves) is not None
    assert bench.lumbung(*options)["stage"] == "done"
    assert bench.identity().serves, "nor does one that was taken out stay there"
    last = (*options, "--kid", "0000a002", "--discard-records", NAME)
    request = folder.path / "out.req"
    assert bench.lumbung(*last, "--request", request)["kid"] == "0000a002"
    assert bench.lumbung(*last)["stage"] == "done"
    assert bench.identity().request.octets == request.read_bytes(), "asked twice, its keys were made once"


def test_a_half_provisioned_terminal_goes_on_with_its_own_kid(bench, folder):
    bench.lumbung(folder.path, "--kid", NAME, "--request", folder.path / "out.req")
    told = bench.lumbung(folder.path, "--kid", "0000a002", code=11)
    assert f"has begun as {NAME}" in told["error"]
    before = bench.identity().request
    told = bench.lumbung(folder.path, "--kid", "0000a002", "--anew")
    assert told["kid"] == "0000a002"
    assert bench.identity().request != before


def test_a_kid_that_was_given_to_another_terminal_is_refused(bench, folder, tmp_path):
    _, certificate = folder.authority.terminal_request(a_request().octets, int(time.time()))
    path = folder.path / f"terminal-{NAME}.cert"
    path.write_bytes(certificate)
    told = bench.lumbung(folder.path, "--kid", NAME, code=13)
    assert "never used twice" in told["advice"]
    assert bench.identity().state == "blank", "not even keys were made"
    path.unlink()
    bench.lumbung(folder.path, "--kid", NAME)
    elsewhere = tmp_path / "elsewhere.cert"
    elsewhere.write_bytes(certificate)
    told = bench.lumbung(folder.path, "--certificate", elsewhere, code=13)
    assert "other keys" in told["error"]
    assert not path.exists()
    assert bench.identity().state == "keys"


def test_a_gateway_within_reach_registers_it_and_no_kid_twice(bench, folder, tmp_path):
    gateway = gateway_with(folder, tmp_path)
    folder.grant()
    options = (folder.path, "--authority-key", folder.key_path, "--gateway-config", gateway)
    told = bench.lumbung(*options, "--kid", NAME)
    assert told["registered"]
    assert registering.registered(gateway) == {KID}
    certificate = folder.path / f"terminal-{NAME}.cert"
    registering.register(gateway, certificate, [])
    certificate.unlink()
    taken = tmp_path / "kids.txt"
    taken.write_text(f"block {NAME} 0000a002\n")
    told = bench.lumbung(*options, "--kids", taken, "--discard-records", NAME, code=13)
    assert "registered at the gateway already" in told["error"]
    assert bench.identity().kid == KID
