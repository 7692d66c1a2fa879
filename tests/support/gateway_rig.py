"""A gateway's inner parts around one authority, for tests: keys, documents, views, a channel that notes receipts."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from gateway import cli, documents, ingest, loader, opening, signatures, verifier
from gateway.channels.channel import Receipt, Received
from gateway.config import Ingest
from gateway.contexts import Library
from gateway.documents import Document
from gateway.keys import GatewayKey, KeyRing
from gateway.store.interface import Changes, Store, TerminalRow
from gateway.store.memory import MemoryStore
from gateway.store.sqlite import SqliteReader
from gateway.terminals import TerminalView
from gateway.verdicts import ChainRecord, Judgement
from protocol import acknowledgement, frame
from tests.support.frames import Authority, Terminal, key_of
from tools.setup.checkout import ROOT

KEY_ID = 0x11223344
NOW_MS = 1_795_000_000_000


@dataclass
class NotingChannel:
    """Keeps the receipts that it gets back, in order."""

    name: str = "noting"
    receipts: list[Receipt] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """Note them."""
        with self.changed:
            self.receipts += receipts
            self.changed.notify_all()

    def send(self, kid: int, octets: bytes) -> bool:
        """Swallow a downlink."""
        return True

    def wait_for(self, count: int, timeout_s: float = 20.0) -> bool:
        """Wait until so many receipts have come."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.receipts) >= count, timeout_s)


class Rig:
    """One authority, one gateway key, a policy and a roster; terminals are made registered, with a grant."""

    def __init__(
        self,
        store: Store | None = None,
        *,
        settlement_delay_s: int = 0,
        families: int = 40,
        provisional_cap_rupiah: int = 0,
    ) -> None:
        self.authority = Authority()
        self.key = GatewayKey(KEY_ID, key_of("gateway", "agreement"), key_of("gateway", "acknowledgement"))
        self.ring = KeyRing({KEY_ID: self.key})
        self.verifying = signatures.load_public(self.authority.public)
        self.store: Store = MemoryStore() if store is None else store
        self.policy = self.authority.policy(
            settlement_delay_s=settlement_delay_s, provisional_cap_rupiah=provisional_cap_rupiah
        )
        self.roster = self.authority.roster(count=families)
        self.policy_document = documents.read_policy(self.verifying, self.policy)
        self.roster_document = documents.read_roster(self.verifying, self.roster)
        self.store.apply(Changes(documents=[self.policy_document, self.roster_document]))

    def certify_epoch(self, number: int = 1) -> bytes:
        """Publish an epoch certificate for the rig's key."""
        signed = self.authority.epoch(self.key.request, number)
        document, _ = documents.read_epoch(self.verifying, signed)
        self.store.apply(Changes(documents=[document]))
        return signed

    def terminal(self, kid: int = 42, *, adopted: bool = True, registered: bool = True) -> Terminal:
        """A terminal; with `adopted` its journal starts with policy, roster and grant (records 1 to 3)."""
        made = Terminal(kid, self.authority, self.key.request)
        if registered:
            self.register(made)
        if adopted:
            granted = made.adopt_all(self.policy, self.roster, self.authority)
            if registered:
                self.store.apply(Changes(documents=[self.grant_document(granted, kid)]))
        return made

    def register(self, made: Terminal) -> None:
        """Put its certificate into the store."""
        self.store.apply(Changes(terminals=[TerminalRow(made.kid, made.certificate, KEY_ID, NOW_MS)]))

    def grant_document(self, granted: bytes, kid: int) -> Document:
        """A signed grant as the gateway keeps it."""
        under = [(self.roster_document.digest, self.policy_document.digest)]
        return documents.read_grant(self.verifying, granted, kid, under)

    def view(self, kid: int = 42, waiting_max: int = 64) -> TerminalView:
        """What the gateway knows about a terminal, read from the store."""
        library = Library(self.store.document, 16)
        found = loader.load(self.store, library, self.ring, kid, waiting_max)
        assert found is not None
        return found


class Bench:
    """Ingest on its own: judges frames one by one for one terminal, keeps what is sealed, counts verifications."""

    def __init__(self, rig: Rig, kid: int = 42, waiting_max: int = 64) -> None:
        self.view = rig.view(kid, waiting_max)
        self.sealed: dict[int, ChainRecord] = {}
        self.seals: dict[int, bytes] = {}
        self.verified = 0
        self.next_id = 1

    def look(self, first: int, last: int) -> list[ChainRecord]:
        """What is sealed in a range."""
        return [self.sealed[sequence] for sequence in range(first, last + 1) if sequence in self.sealed]

    def verify(self, view: TerminalView, sequence: int, value: bytes, seal: bytes) -> bool:
        """Verify and count."""
        self.verified += 1
        return verifier.is_sealed(view, sequence, value, seal)

    def judge(self, raw: bytes) -> Judgement:
        """One frame, committed at once."""
        opened = opening.open_frame(raw, frame.read_header(raw), self.view)
        judgement = ingest.judge(opened, self.next_id, self.view, self.look, self.verify)
        self.next_id += 1
        for run in judgement.runs:
            for record in run.records:
                assert record.sequence not in self.sealed, "a record is sealed once"
                self.sealed[record.sequence] = record
            self.seals[run.last] = run.seal
        self.view.recent.clear()
        return judgement

    def outcome(self, raw: bytes) -> str:
        """The word for what became of a frame."""
        return self.judge(raw).verdict.outcome.value


def received(raw: bytes, channel: NotingChannel, number: int, kid: int | None = None) -> Received:
    """A frame as the channel would deliver it."""
    name = int.from_bytes(raw[1:5], "big") if kid is None else kid
    return Received(raw, f"lumbung/1/up/{name:08x}", channel, (1, number))


def small(**values: int) -> Ingest:
    """Bounds for tests."""
    return replace(Ingest(verify_threads=1), **values)


def eventually(is_reached: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    """Wait until something outside of this process has become true."""
    deadline_s = time.monotonic() + timeout_s
    pause = threading.Event()
    while not is_reached():
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {what}"
        pause.wait(0.01)


class GatewayProcess:
    """A gateway as it is run in the field: its own process, its own data directory, ended by signal."""

    def __init__(self, folder: Path, mqtt_port: int, *settings: str) -> None:
        self.folder = folder
        self.mqtt_port = mqtt_port
        self.data = folder / "data"
        self.authority = Authority()
        (folder / "authority.pub").write_bytes(self.authority.public)
        flags = [
            f"files.data_directory={self.data}",
            f"files.authority_public_key={folder / 'authority.pub'}",
            f"mqtt.port={mqtt_port}",
            "mqtt.reconnect_ms_max=300",
            *settings,
        ]
        self._flags = [word for flag in flags for word in ("--set", flag)]
        self._command = [sys.executable, "-m", "gateway", *self._flags]
        self._process: subprocess.Popen[bytes] | None = None
        self.run("init")
        self.request = (self.data / "gateway.req").read_bytes()
        self.publish("epoch", self.authority.epoch(self.request, issued_s=1_700_000_000))
        self.policy, self.roster = self.authority.policy(), self.authority.roster()
        self.publish("policy", self.policy)
        self.publish("roster", self.roster)

    def run(self, *arguments: str, status: int = 0) -> str:
        """One command to its end, and what it printed; in this process, which is quicker than an interpreter each time."""
        done = CliRunner().invoke(cli.main, [*self._flags, *arguments])
        assert done.exit_code == status, (done.output, done.exception)
        return done.stdout

    def publish(self, kind: str, octets: bytes, *arguments: str) -> None:
        """Publish a signed document."""
        path = self.folder / f"{kind}.signed"
        path.write_bytes(octets)
        self.run("publish", kind, str(path), *arguments)

    def terminal(self, kid: int) -> Terminal:
        """A registered terminal that has adopted policy, roster and grant."""
        made = Terminal(kid, self.authority, self.request)
        path = self.folder / "terminal.cert"
        path.write_bytes(made.certificate)
        self.run("register", str(path))
        self.publish("grant", made.adopt_all(self.policy, self.roster, self.authority), "--kid", f"{kid:08x}")
        return made

    def start(self, *, connects: bool = True) -> None:
        """Run it; returns when it is connected, or, where there is no broker, when it runs."""
        self._process = subprocess.Popen([*self._command, "run"], cwd=ROOT, stdout=subprocess.DEVNULL)
        pid = self._process.pid
        if connects:
            eventually(lambda: self.is_ready(pid), "the gateway is connected")
        else:
            eventually(lambda: self._health().get("pid") == pid, "the gateway runs")

    def is_ready(self, pid: int | None = None) -> bool:
        """Tell whether the process said lately that the broker answers it."""
        told = self._health()
        return bool(told) and bool(told["broker"]["ready"]) and pid in (None, told["pid"])

    def _health(self) -> dict[str, Any]:
        """What a process last said about itself; empty where none did."""
        try:
            told: dict[str, Any] = json.loads((self.data / "health.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return told

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> int:
        """End it by SIGTERM; returns its exit status."""
        if self._process is None:
            return 0
        self._process.terminate()
        status = self._process.wait(60)
        self._process = None
        return status

    def reader(self) -> SqliteReader:
        """Its database, to look into."""
        return SqliteReader.open(self.data)

    def listen(self, terminal: Terminal) -> Downlinks:
        """What goes down to a terminal from now on."""
        return Downlinks(self.mqtt_port, terminal, self.request)


class Downlinks:
    """A terminal's ear at the broker: frames that come down, opened as the terminal opens them."""

    def __init__(self, port: int, terminal: Terminal, gateway_request: bytes) -> None:
        self._terminal = terminal
        self._key = signatures.load_public(gateway_request[68:])
        self.frames: list[bytes] = []
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"ear-{terminal.kid:08x}")
        subscribed = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe(f"lumbung/1/down/{terminal.kid:08x}", 1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.frames.append(bytes(message.payload))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert subscribed.wait(20)

    def close(self) -> None:
        """Stop listening."""
        self._client.disconnect()
        self._client.loop_stop()

    def acknowledgements(self, epoch: int = 1) -> list[acknowledgement.Acknowledgement]:
        """All acknowledgements so far, their signatures verified."""
        return opened(self.frames, self._terminal, self._key, epoch)


def opened(
    frames: list[bytes], terminal: Terminal, key: ec.EllipticCurvePublicKey, epoch: int = 1
) -> list[acknowledgement.Acknowledgement]:
    """The acknowledgements among frames as a terminal reads them; `key` is the gateway's for signing them."""
    found = []
    for octets in list(frames):
        if octets[0] != frame.CLASS_DOWN << 6 | frame.DOWN_ACKNOWLEDGEMENT:
            continue
        header, signed = frame.open_counter(octets, terminal.down(epoch))
        body, signature = signed[:-64], signed[-64:]
        message = acknowledgement.signed_message(header.kid, header.counter, body)
        assert signatures.verify(key, signature, message)
        told = acknowledgement.decode(body)
        told.counter = header.counter
        found.append(told)
    return found
