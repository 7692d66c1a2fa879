"""Measures how many redemptions a second the gateway verifies and makes durable, from a real Mosquitto's backlog."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

from gateway import documents, keys, signatures
from gateway.channels.channel import Received
from gateway.config import Ingest
from gateway.store.interface import Changes, TerminalRow
from gateway.store.sqlite import SqliteStore
from gateway.writer import Writer
from tests.bench.callgrind import require
from tests.support.frames import Authority, Terminal
from tests.support.mqtt_raw import publish_all
from tools.brokers import MosquittoBroker
from tools.setup import checkout

# More terminals than frames in a batch: no terminal twice in one commit, as when a whole nation catches up.
TERMINALS = 600
FAMILIES = 842
ROUNDS = 3
# (records per frame, helper processes as configured by default or none)
RUNS = ((1, True), (1, False), (9, True))
# Redemptions per terminal, by records per frame.
REDEMPTIONS = {1: 40, 9: 90}
# The broker's own log would cost more than its work.
BROKER = ("max_queued_messages 0", "log_type none", "log_type information")
DRAIN_TIMEOUT_S = 120
SETTLED_MS = 1_700_000_000_000

Messages = list[tuple[str, bytes]]


def run() -> list[dict[str, Any]]:
    """Throughput at one and at nine records per sealed frame, and what each frame costs the processor."""
    require("mosquitto")
    figures = []
    with tempfile.TemporaryDirectory(dir=checkout.BUILD, prefix="bench-gateway-") as folder:
        for records_per_frame, has_helpers in RUNS:
            base = Path(folder) / f"base-{records_per_frame}"
            if not base.exists():
                messages = _prepare(base, records_per_frame, REDEMPTIONS[records_per_frame])
            rounds = [_drain(base, Path(folder) / "round", messages, has_helpers) for _ in range(ROUNDS)]
            redemptions = TERMINALS * REDEMPTIONS[records_per_frame]
            figures += _figures(records_per_frame, has_helpers, redemptions, len(messages), rounds)
    return figures


def _figures(
    records_per_frame: int,
    has_helpers: bool,
    redemptions: int,
    frames: int,
    rounds: list[tuple[float, float]],
) -> list[dict[str, Any]]:
    plural = "s" if records_per_frame > 1 else ""
    name = f"{records_per_frame} record{plural} per sealed frame"
    if not has_helpers:
        # Stated beside the budget, which is for the gateway as it is by default.
        name = f"one process, frames of {records_per_frame}"
    rates = [redemptions / seconds for seconds, _ in rounds]
    how = (
        f"{redemptions} redemptions of {TERMINALS} terminals in {frames} frames queued by a real Mosquitto on this machine"
        f" while the gateway's session is offline; then `gateway run` (MQTT 5, SQLite synchronous=FULL,"
        f" acknowledgements on, ingest.open_processes {'as by default' if has_helpers else '0'}): from connected to the"
        f" last commit, behind which its PUBACKs go out; median of {ROUNDS} (least {min(rates):,.0f}, most {max(rates):,.0f})"
    )
    processor = statistics.median(1e6 * cpu_s / frames for _, cpu_s in rounds)
    return [
        {
            "name": f"verified and durable, {name}",
            "value": round(statistics.median(rates)),
            "unit": "redemptions/s",
            "how": how,
        },
        {
            "name": f"processor time per frame, {name}",
            "value": round(processor, 1),
            "unit": "µs",
            "how": "user and system time of the gateway's processes between the same two moments; median",
        },
    ]


def _prepare(base: Path, records_per_frame: int, redemptions: int) -> Messages:
    """A data directory with registered terminals whose adoptions are sealed, and their frames to come, interleaved."""
    authority = Authority()
    key = keys.create(base / "keys")
    (base / "authority.pub").write_bytes(authority.public)
    verifying = signatures.load_public(authority.public)
    policy, roster = authority.policy(), authority.roster(count=FAMILIES)
    published = [documents.read_policy(verifying, policy), documents.read_roster(verifying, roster)]
    published.append(
        documents.read_epoch(verifying, authority.epoch(key.request, issued_s=SETTLED_MS // 1000))[0]
    )
    under = [(published[1].digest, published[0].digest)]
    changes = Changes(documents=published)
    adoptions, columns = [], []
    for kid in range(1, TERMINALS + 1):
        terminal = Terminal(kid, authority, key.request)
        granted = terminal.adopt_all(policy, roster, authority)
        changes.terminals.append(TerminalRow(kid, terminal.certificate, key.key_id, SETTLED_MS))
        changes.documents.append(documents.read_grant(verifying, granted, kid, under))
        adoptions.append(Received(terminal.frame(1, 3), ""))
        columns.append(_frames(terminal, records_per_frame, redemptions))
    store = SqliteStore.create(base)
    store.apply(changes)
    writer = Writer(store, keys.load(base / "keys"), Ingest(), lambda _: None)
    writer.start()
    writer.deliver(*adoptions)
    writer.submit(Changes()).result(60)
    writer.stop()
    assert store.totals(None).records == 3 * TERMINALS
    store.close()
    return [message for row in zip(*columns, strict=True) for message in row]


def _frames(terminal: Terminal, records_per_frame: int, redemptions: int) -> Messages:
    found = []
    for _ in range(redemptions // records_per_frame):
        for _ in range(records_per_frame):
            terminal.redeem()
        raw = terminal.frame(terminal.head - records_per_frame + 1, terminal.head)
        found.append((f"lumbung/1/up/{terminal.kid:08x}", raw))
    return found


def _drain(base: Path, data: Path, messages: Messages, has_helpers: bool) -> tuple[float, float]:
    """(seconds, processor seconds) that one gateway process takes for the whole backlog."""
    shutil.copytree(base, data)
    broker = MosquittoBroker(BROKER)
    broker.start()
    try:
        with _Process(data, broker.port, has_helpers) as first:
            first.wait_connected()
        publish_all(broker.host, broker.port, messages)
        with _Process(data, broker.port, has_helpers) as gateway:
            started_s, cpu_started_s = gateway.wait_connected()
            ended_s, cpu_ended_s = gateway.wait_frames(len(messages))
    finally:
        broker.stop()
    store = SqliteStore.create(data)
    counters = store.counters()
    records = store.totals(None).records
    store.close()
    shutil.rmtree(data)
    assert counters["frames_sealed"] == len(messages) + TERMINALS, counters
    assert counters["records"] == records, counters
    return ended_s - started_s, cpu_ended_s - cpu_started_s


class _Process:
    """`gateway run` as its operator would start it, watched through its log."""

    def __init__(self, data: Path, port: int, has_helpers: bool) -> None:
        settings = {
            "ingest.open_processes": -1 if has_helpers else 0,
            "files.data_directory": data,
            "files.authority_public_key": data / "authority.pub",
            "mqtt.port": port,
        }
        flags = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *flags, "run"], cwd=checkout.ROOT, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._log = self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=DRAIN_TIMEOUT_S)
        assert self._process.returncode == 0, self._process.returncode

    def wait_connected(self) -> tuple[float, float]:
        """(time, processor time) at which the broker accepted the session."""
        return self._wait(lambda line: line["event"] == "connected")

    def wait_frames(self, count: int) -> tuple[float, float]:
        """(time, processor time) at which so many frames were committed."""
        committed = 0

        def is_done(line: dict[str, Any]) -> bool:
            nonlocal committed
            if line["event"] == "batch":
                committed += line["frames"]
            return committed >= count

        return self._wait(is_done)

    def _wait(self, is_reached: Any) -> tuple[float, float]:
        for raw in self._log:
            line = json.loads(raw)
            if is_reached(line):
                return dt.datetime.fromisoformat(line["timestamp"]).timestamp(), self._processor_s()
        raise AssertionError("the gateway ended early")

    def _processor_s(self) -> float:
        """Processor time of the process and of its helpers."""
        pid = self._process.pid
        helpers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ticks = 0
        for each in [pid, *helpers]:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")
