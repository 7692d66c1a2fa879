"""Provisioning's steps without a terminal: papers checked on the laptop, kids, the clock, a cable that says nothing."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware.ledger import document_area
from tests.support.programme_papers import KID, NAME, Papers, a_request, gateway_with
from tools import district
from tools.carry import Console, ConsoleError
from tools.technician import kids, laptop, papers, provisioning, registering
from tools.technician.__main__ import main
from tools.technician.errors import CableError


@pytest.fixture
def folder(tmp_path):
    return Papers(tmp_path / "papers")


def test_a_kid_that_the_gateway_knows_with_other_keys_is_refused(folder, tmp_path):
    gateway = gateway_with(folder, tmp_path)
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


def test_settings_that_cannot_be_are_told_before_the_terminal_is_asked(folder):
    def told(*words):
        line = ["provision", str(folder.path), "--port", "nowhere://", "--kid", "0000a001", "--json", *words]
        done = CliRunner().invoke(main, line)
        return done.exit_code, json.loads(done.stdout)["error"]

    assert told("--set", "nonsense") == (2, "Invalid value for --set: it is not NAME=VALUE")
    code, error = told("--set", "foo=secret")
    assert (code, error) == (papers.PapersError.code, "the setting 'foo' cannot be used (unknown name)")
    code, error = told("--broker", "broker.example:99999")
    assert (code, error) == (
        papers.PapersError.code,
        "the setting 'broker_port' cannot be used (broker_port is not in 1..65535)",
    )
    code, error = told("--wifi-ssid", "Warung\nbroker_tls=0")
    assert (code, error) == (
        papers.PapersError.code,
        "the setting 'wifi_ssid' cannot be used (it has a line break)",
    )
    (folder.path / "settings.txt").write_text("apn=here\n\nfoo=secret\n")
    code, error = told("--apn", "there")
    assert code == papers.PapersError.code
    assert error.endswith("settings.txt, line 3 cannot be used (unknown name)")


def test_what_is_no_file_is_never_replaced_by_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(laptop.LaptopError, match="is no file"):
        laptop.keep(pipe, b"octets")
    assert pipe.is_fifo()


def test_a_disk_that_fills_leaves_the_old_file_and_no_half_of_a_new_one(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "report"
    laptop.keep(path, b"old", 0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(laptop.os, "fsync", full)
    with pytest.raises(laptop.LaptopError, match="No space left"):
        laptop.keep(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("report", b"old")]


def test_a_gateway_that_cannot_be_asked_first_has_cost_nothing(tmp_path):
    with pytest.raises(registering.GatewayRefusedError) as refused:
        registering.registered(tmp_path / "nothing.toml")
    assert "nothing was done to the terminal" in refused.value.advice
