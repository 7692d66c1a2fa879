"""A running gateway without any network takes in what people bring, and says what goes back, also when it is killed."""

from __future__ import annotations

import json
import socket

import pytest

from protocol import acknowledgement, carry, frame
from tests.support.frames import Terminal
from tests.support.gateway_rig import GatewayProcess, eventually

KID = 42


@pytest.fixture
def gateway(tmp_path):
    """A gateway whose broker is away."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        made = GatewayProcess(tmp_path, closed.getsockname()[1], "ingest.open_processes=0")
        made.start(connects=False)
        yield made
        made.stop()


def file(gateway, name, frames):
    """A carry file."""
    path = gateway.folder / name
    path.write_bytes(b"".join(map(carry.pack, frames)))
    return path


def brought(gateway, path):
    """(new, duplicate, refused) of a file."""
    (told,) = json.loads(gateway.run("import", str(path), "--json"))["files"]
    return told["new"], told["duplicate"], told["refused"]


def answer(gateway, terminal):
    """The one acknowledgement that is carried to a terminal."""
    path = gateway.folder / "down"
    gateway.run("export", f"{KID:08x}", "--to", str(path))
    ((_, raw, _),) = carry.read(path.read_bytes())
    header, body = frame.open_counter(raw, terminal.down(1))
    told = acknowledgement.decode(body[:-64])
    told.counter = header.counter
    return told


def test_records_and_answers_are_carried_past_a_dead_network_and_a_killed_gateway(gateway):
    terminal = gateway.terminal(KID)
    frames = [terminal.frame(1, 3)]
    for number in range(4, 304):
        terminal.redeem()
        frames.append(terminal.frame(number, number))
    path = file(gateway, "usb", frames)
    assert brought(gateway, path) == (301, 0, 0), "more than one order holds"
    first = answer(gateway, terminal)
    assert first.sealed_through == 303
    gateway.kill()
    gateway.start(connects=False)
    assert brought(gateway, path) == (0, 301, 0)
    second = answer(gateway, terminal)
    assert (second.sealed_through, second.chain_digest) == (303, terminal.chains[303][:16])
    assert second.counter > first.counter, "the later answer is the one that counts"


def sealed_through(gateway, kid):
    """How far a terminal's records are proved."""
    reader = gateway.reader()
    row = reader.terminal(kid)
    reader.close()
    return row.sealed_through


def test_frames_that_came_before_their_terminal_was_registered_are_judged_when_it_is(gateway):
    """Also where it is registered while no gateway runs."""
    early = []
    for kid in (KID, KID + 1):
        terminal = Terminal(kid, gateway.authority, gateway.request)
        for _ in range(5):
            terminal.event()
        (gateway.folder / f"{kid}.cert").write_bytes(terminal.certificate)
        early.append(terminal.frame(1, 5))
    assert "unknown terminal" in gateway.run("import", str(file(gateway, "early", early)), status=4)
    gateway.run("register", str(gateway.folder / f"{KID}.cert"))
    eventually(lambda: sealed_through(gateway, KID) == 5, "the frame is judged again")
    gateway.stop()
    gateway.run("register", str(gateway.folder / f"{KID + 1}.cert"))
    gateway.start(connects=False)
    eventually(lambda: sealed_through(gateway, KID + 1) == 5, "the frame is judged again")
