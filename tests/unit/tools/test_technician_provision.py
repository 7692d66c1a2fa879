"""`lumbung provision` against the real firmware at its cable: from a blank terminal to one that serves, and all that goes wrong."""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import serial
import zxingcpp
from click.testing import CliRunner
from PIL import Image

from firmware import settings
from firmware.ledger import ca_key_list, document_area
from hardware.emv_card import personalise
from protocol import certificates, policy, roster
from tests.sim.shop import NEEDS_MICROPYTHON
from tests.support.terminal_cable import TerminalCable
from tools import district
from tools.authority import programme
from tools.authority.issue import Authority
from tools.authority.signing import SigningKey
from tools.carry import Console, ConsoleError
from tools.technician import kids, laptop, papers, provisioning, registering
from tools.technician.__main__ import main
from tools.technician.errors import CableError
from tools.virtual_terminal.control import VirtualTerminal

pytestmark = [pytest.mark.timeout(120), NEEDS_MICROPYTHON]

KID = 0x0000A001
NAME = f"{KID:08x}"
ROSTER_KEY = b"K" * 32
FAMILIES = 8


@pytest.fixture(scope="module")
def authority():
    return SigningKey.generate()


@pytest.fixture(scope="module")
def ca_keys():
    public = personalise.make_ca(rid=personalise.PROGRAMME_RID, seed=b"provision")["public"]
    octets = [bytes.fromhex(public[name]) for name in ("rid", "exponent", "modulus", "checksum")]
    return ca_key_list.encode([(octets[0], int(public["index"]), b"", *octets[1:])])


class Papers:
    """A folder as the authority fills it."""

    def __init__(self, path, key, ca_keys):
        self.path = path
        self.key_path = path / "authority.pem"
        self.authority = Authority(key)
        key.save(self.key_path)
        self.policy = district.make_policy()
        self.roster = district.make_roster(district.make_families(b"provision", FAMILIES), ROSTER_KEY)
        gateway = SigningKey.generate().public, SigningKey.generate().public
        for name, octets in (
            ("authority.pub", key.public),
            ("policy.bin", self.authority.policy(self.policy)),
            ("roster.bin", self.authority.roster(self.roster)),
            ("roster.key", ROSTER_KEY),
            ("ca-keys.bin", ca_keys),
            ("operators.bin", programme.operators(ROSTER_KEY, ["1234"])),
            ("epoch.cert", self.authority.epoch(b"\0\0\0\1" + gateway[0] + gateway[1], 1, int(time.time()))),
            ("settings.txt", b"printer_qr=0\napn=other\n"),
        ):
            (path / name).write_bytes(octets)

    def grant(self, kid=KID):
        """A grant's file."""
        now = int(time.time())
        document = district.make_grant(
            1, district.PROGRAMME_SEMBAKO, district.period_now(now), now + 86400, 200_000
        )
        document.exceptions = ()
        digests = roster.digest(self.roster), policy.digest(policy.encode(self.policy))
        path = self.path / f"grant-{kid:08x}-{district.PROGRAMME_SEMBAKO}.bin"
        path.write_bytes(self.authority.grant(kid, *digests, document))
        return path


def a_request():
    """Of some terminal with that kid."""
    keys = SigningKey.generate().public + SigningKey.generate().public
    return papers.Request(KID.to_bytes(4, "big") + bytes((certificates.STORAGE_SOFTWARE,)) + keys)


@pytest.fixture
def folder(tmp_path, authority, ca_keys):
    path = tmp_path / "papers"
    path.mkdir()
    return Papers(path, authority, ca_keys)


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
        "--apn", "kartu", "--wifi-ssid", "Warung", "--wifi-password", "rahasia", "--broker", "broker.example:8883",
        "--set", "broker_tls=1", "--print-label",
    )  # fmt: skip
    assert (told["stage"], told["kid"], told["storage"], told["warnings"]) == ("done", NAME, "software", [])
    assert "rahasia" not in json.dumps(told)
    identity = bench.identity()
    assert (identity.state, identity.kid, identity.serves) == ("ready", KID, True)
    flash = (tmp_path / "flash.bin").read_bytes()
    held = settings.parse(
        b"apn=kartu\nmodem=1\nprinter_qr=0\nbroker_host=broker.example\nbroker_port=8883\nbroker_tls=1\n"
        b"username=0000a001\nwifi_ssid=Warung\nwifi_password=rahasia\n"
    )
    for line in (b"apn=kartu\n", b"username=0000a001\n", b"wifi_ssid=Warung\n", b"printer_qr=0\n"):
        assert line in flash
    assert held["apn"] == "kartu"
    assert b"apn=other" not in flash
    label = Image.open(told["label"])
    assert [code.text for code in zxingcpp.read_barcodes(label)] == [NAME.upper()]

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = Papers(elsewhere, SigningKey.generate(), b"")
    before = sorted(elsewhere.iterdir())
    refused = bench.lumbung(elsewhere, "--authority-key", other.key_path, code=13)
    assert f"{NAME} and in use" in refused["error"]
    assert sorted(elsewhere.iterdir()) == before, "another programme's terminal is not certified for this one"

    again = bench.lumbung(folder.path, "--authority-key", folder.key_path)
    assert again["kid"] == NAME
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


@pytest.fixture
def gateway(folder, tmp_path):
    """A gateway that has the folder's papers; its configuration."""
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'[files]\ndata_directory = "{tmp_path}/gateway"\nauthority_public_key = "{folder.path}/authority.pub"\n'
    )
    registering._gateway(config, "init")
    request = (tmp_path / "gateway" / "gateway.req").read_bytes()
    (folder.path / "epoch.cert").write_bytes(folder.authority.epoch(request, 1, int(time.time())))
    for kind, name in (("epoch", "epoch.cert"), ("policy", "policy.bin"), ("roster", "roster.bin")):
        registering._gateway(config, "publish", kind, str(folder.path / name))
    return config


def test_a_gateway_within_reach_registers_it_and_no_kid_twice(bench, folder, gateway, tmp_path):
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


def test_a_kid_that_the_gateway_knows_with_other_keys_is_refused(folder, gateway):
    for _ in range(2):
        _, certificate = folder.authority.terminal_request(a_request().octets, int(time.time()))
        path = folder.path / f"terminal-{NAME}.cert"
        path.write_bytes(certificate)
        if not registering.registered(gateway):
            registering.register(gateway, path, [])
    with pytest.raises(papers.RegisteredElsewhereError, match="for other keys"):
        registering.register(gateway, path, [])
    with pytest.raises(registering.GatewayRefusedError):
        registering.register(gateway.with_name("nothing.toml"), path, [])


def test_a_device_that_is_not_ours_is_told(folder):
    class Repl:
        """A MicroPython prompt: it echoes, and complains."""

        def write(self, octets):
            self.lines = [octets.strip() + b"\r\n", b"NameError: name isn't defined\r\n"]

        def readline(self):
            return self.lines.pop(0) if self.lines else b""

    with pytest.raises(provisioning.WrongDeviceError, match="no Lumbung terminal"):
        provisioning.Terminal(Console(Repl())).identity()


def test_a_command_that_works_for_long_is_waited_for():
    class Slow:
        """Three timeouts, then the answer."""

        def __init__(self):
            self.lines = [b"", b"", b"", b"OK done=1\n"]

        def write(self, octets):
            return len(octets)

        def readline(self):
            return self.lines.pop(0)

    assert Console(Slow()).fetch("install", patience=3)[1] == {"done": "1"}
    with pytest.raises(ConsoleError, match="no answer"):
        Console(Slow()).fetch("install", patience=2)


def test_a_cable_that_is_gone_while_the_terminal_starts_is_told(monkeypatch):
    class Nothing:
        """No cable."""

        def write(self, octets):
            return len(octets)

        def readline(self):
            return b""

    monkeypatch.setattr(provisioning, "START_TIMEOUT_S", 0)
    with pytest.raises(CableError, match="does not answer"):
        provisioning.require_serving(provisioning.Terminal(Console(Nothing())), KID)


class ClockOnly:
    """A terminal whose clock takes what it is told, and is `late_s` behind when it is read again."""

    def __init__(self, late_s=0, trusted="1"):
        self.late_s, self.trusted, self.asked = late_s, trusted, []

    def ask(self, command):
        """Set, and read again."""
        self.asked.append(command)
        return b"", {"seconds": str(int(command.split()[1]) - self.late_s), "trusted": self.trusted}


def test_a_laptop_that_lost_its_time_sets_no_clock():
    warnings, now = [], int(time.time())
    terminal = ClockOnly()
    with pytest.raises(provisioning.ClockError, match="laptop's clock"):
        provisioning.set_clock(terminal, now + 2 * 86400, warnings.append)
    assert (terminal.asked, warnings) == ([], [])
    provisioning.set_clock(terminal, now + 600, warnings.append)
    assert "before the certificates' time" in warnings[0]
    assert now <= provisioning.set_clock(terminal, now - 600, warnings.append) <= now + 60
    assert len(warnings) == 1


def test_a_clock_that_does_not_keep_what_it_was_set_to_is_told():
    for broken in (ClockOnly(late_s=3600), ClockOnly(late_s=-60), ClockOnly(trusted="0")):
        with pytest.raises(provisioning.ClockError, match="after it was set"):
            provisioning.set_clock(broken, 0, print)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("policy.bin", lambda octets: octets[:-1] + bytes((octets[-1] ^ 1,))),
        ("roster.bin", lambda octets: octets[:40]),
        ("epoch.cert", lambda octets: b""),
        ("roster.key", lambda octets: octets[1:]),
        ("authority.pub", lambda octets: bytes(64)),
        ("settings.txt", lambda octets: b"broker=x\n"),
    ],
)
def test_a_spoiled_paper_is_named_before_the_terminal_sees_any(folder, name, spoil):
    request = a_request()
    _, certificate = folder.authority.terminal_request(request.octets, int(time.time()))
    held = papers.Folder(folder.path)
    assert document_area.GRANT_FIRST not in held.papers(request, certificate, {}).sections
    path = folder.path / name
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(papers.PapersError, match=name.partition(".")[0] if name == "settings.txt" else name):
        held.papers(request, certificate, {})
    path.unlink()
    if name != "settings.txt":
        with pytest.raises(laptop.LaptopError, match=name):
            held.papers(request, certificate, {})


def test_a_grant_for_another_terminal_or_under_another_name_is_refused(folder):
    request = a_request()
    _, certificate = folder.authority.terminal_request(request.octets, int(time.time()))
    held = papers.Folder(folder.path)
    other = folder.grant(kid=KID + 1)
    mine = folder.grant()
    assert held.papers(request, certificate, {}).programmes == (district.PROGRAMME_SEMBAKO,)
    wrong = mine.with_name(f"grant-{NAME}-2.bin")
    mine.rename(wrong)
    with pytest.raises(papers.PapersError, match="for programme 1"):
        held.papers(request, certificate, {})
    other.rename(wrong)
    with pytest.raises(papers.PapersError, match="does not verify"):
        held.papers(request, certificate, {})


def test_no_kid_of_a_block_is_given_twice(tmp_path):
    path = tmp_path / "kids.txt"
    path.write_text("block 0000a000 0000a002\n")
    assert kids.KidBlock(path).take("2026-11-22") == 0xA000
    assert kids.KidBlock(path).take("2026-11-23", 0xA002) == 0xA002
    assert path.read_text() == "block 0000a000 0000a002\n0000a000 2026-11-22\n0000a002 2026-11-23\n"
    with pytest.raises(kids.KidError, match="given to another terminal on 2026-11-22"):
        kids.KidBlock(path).take("2026-11-24", 0xA000)
    with pytest.raises(kids.KidError, match="not in this laptop's block"):
        kids.KidBlock(path).take("2026-11-24", 0xB000)
    assert kids.KidBlock(path).take("2026-11-24") == 0xA001
    with pytest.raises(kids.KidError, match="all kids are taken"):
        kids.KidBlock(path).take("2026-11-24")
    for text in ("", "0000a000 2026-11-22\n", "block 0000a000 0000a002\n0000a000\n"):
        path.write_text(text)
        with pytest.raises(kids.KidError, match="line"):
            kids.KidBlock(path)
    with pytest.raises(laptop.LaptopError):
        kids.KidBlock(Path(tmp_path / "nothing.txt"))
