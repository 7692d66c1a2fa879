"""A new release reaches a terminal over a real broker while it sells: links dropped, power cut, and in the end it runs and stays.

The terminal is the firmware as `lumbung build` compiles it, loaded by the loader from the file system in its own flash, in
MicroPython; the release comes as `python -m gateway release offer` puts it on Mosquitto, under the access rules that the
gateway's README gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware.hal import pins
from tests.sim.shop import (
    NEEDS_MICROPYTHON,
    NEEDS_MOSQUITTO,
    all_paid,
    cash,
    open_for_business,
    opened,
    serve,
    wait_until,
)
from tools.brokers import MosquittoBroker, free_port
from tools.stack import Stack
from tools.technician import build, filesystem
from tools.virtual_terminal.control import VirtualTerminal

KID = 0x61
OLD, NEW = 4, 5
PROVED_MS = 4_000
PACES = {
    "firmware.relay.kept_fetch": {
        "FIRST_LOOK_MS": 500, "RESUME_MS": 100, "LOOK_MS": 2_000, "RETRY_FIRST_MS": 1_000, "PIECE_PAUSE_MS": 40,
        "WAIT_MS": 100,
    },
    "firmware.relay.release_fetch": {"STILL_MS": 1_500},
    "firmware.console.releases": {"PROVED_AFTER_MS": PROVED_MS},
    "firmware.relay.mqtt_way": {"BACKOFF_FIRST_MS": 100},
}  # fmt: skip
VFS = next((offset, size) for name, offset, size in pins.PARTITIONS if name == "vfs")
# As the gateway's README says.
ACL = """
user gateway
topic readwrite lumbung/1/#
pattern write lumbung/1/up/%u
pattern read lumbung/1/down/%u
pattern read lumbung/1/renewal/%u/#
pattern read lumbung/1/release/#
"""

pytestmark = [pytest.mark.timeout(300), NEEDS_MOSQUITTO, NEEDS_MICROPYTHON]


def new_flash(path: Path, head: bytes, files: dict[str, bytes]) -> None:
    """A terminal's flash as it leaves the bench: the loader, and a release in slot a."""
    content = {f"{build.SLOT}/{name}": octets for name, octets in files.items()}
    content[f"{build.SLOT}/{build.HEAD}"] = head
    content[build.LOADER] = (Path(build.ROOT) / "firmware" / "loader.py").read_bytes()
    with path.open("wb") as file:
        file.write(b"\xff" * pins.FLASH_BYTES)
        file.seek(VFS[0])
        file.write(filesystem.make(content, VFS[1]))


def told(terminal: VirtualTerminal) -> dict[str, Any]:
    """What the terminal says of releases."""
    return terminal.ask("release")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A district whose broker has rules."""
    (tmp_path / "acl").write_text(ACL)
    lines = (*MosquittoBroker.PERSISTENT, f"acl_file {tmp_path / 'acl'}")
    made = Stack(tmp_path, gateway_settings=("mqtt.username=gateway",))
    made.broker = MosquittoBroker(lines, folder=tmp_path, port=free_port())
    try:
        yield made
    finally:
        made.stop()


def test_a_release_arrives_piece_by_piece_while_the_terminal_sells(
    stack: Stack,
) -> None:
    """REL-05, REL-06, REL-07, REL-08."""
    # What is native code is for this machine instead of the ESP32.
    files = build.compile_application("x64").files
    key = stack.authority_key
    open_for_business(stack)
    head, _ = build.sign_bundle(files, OLD, 0, key)
    new_flash(stack.folder / f"flash-{KID:08x}.bin", head, files)
    place = {"flash_bytes": pins.FLASH_BYTES, "offset": VFS[0], "size": VFS[1]}
    counter = opened(stack.add_terminal(KID, {"slots": place, "paces": PACES}))
    terminal = counter.terminal
    assert told(terminal)["release"] == OLD
    assert told(terminal)["file"] == "/flash/a/firmware/app.mpy"

    bundle = stack.folder / "release.lum"
    bundle.write_bytes(b"".join(build.sign_bundle(files, NEW, OLD, key)))
    offered = json.loads(
        stack.gateway_command("release", "offer", str(bundle), "--kid", f"{KID:08x}", "--json")
    )
    assert offered["release"] == NEW

    def taken(permille: int) -> bool:
        now = told(terminal)
        return now["taking"] == NEW and 1000 * now["taken"] >= permille * now["of"]

    # The link goes, a family comes; then the power goes in the middle of a piece; then the link once more.
    wait_until(lambda: taken(150), "the first part of the release")
    stack.broker.stop()
    serve(stack, counter, cash(0, "50*"))
    stack.broker.start()
    wait_until(lambda: taken(400), "more of it")
    before = told(terminal)["taken"]
    terminal = stack.power_cut(KID)
    counter = opened(terminal)
    wait_until(lambda: told(terminal)["taking"] == NEW, "the terminal to go on after the power cut")
    assert told(terminal)["taken"] > before // 2, "not from the beginning"
    serve(stack, counter, cash(1, "50*"))
    wait_until(lambda: taken(700), "most of it")
    stack.broker.stop()
    stack.broker.start()
    serve(stack, counter, cash(2, "50*"))
    wait_until(lambda: told(terminal)["restarts"] > 0, "the restart into the new release")
    assert told(terminal)["failures"] == 0

    # What restarted itself is a process here, as the terminal's own power cut.
    terminal = stack.power_cut(KID)
    counter = opened(terminal)
    assert told(terminal)["file"] == "/flash/b/firmware/app.mpy"
    assert told(terminal)["release"] == NEW
    serve(stack, counter, cash(3, "50*"))
    wait_until(lambda: told(terminal)["trial"] == -1, "the new release to prove itself")
    wait_until(lambda: all_paid(terminal, 4), "all sales paid")
    assert told(terminal)["offered"] == 0
    (known,) = stack.gateway_status()["terminals"]
    assert known["report"]["release"] == NEW
    assert stack.settlement_get("/v1/totals")["settled_rupiah"] == 200_000
