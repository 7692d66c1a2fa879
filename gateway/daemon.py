"""The daemon: puts channels, writer, acknowledger and forwarder together, watches them, and stops them in order."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Protocol

import structlog

from gateway import carrier, garbage, keys, publish, spool
from gateway.acknowledger import Acknowledger
from gateway.batch_changes import Contact
from gateway.carrier import Carrier
from gateway.channels import sms
from gateway.channels.channel import Received
from gateway.channels.mqtt import MqttChannel
from gateway.config import HEALTH_FILE, Config
from gateway.down_counter import DownCounter
from gateway.downlinks import Downlinks, StoredDayCounts
from gateway.errors import GatewayError
from gateway.forwarder import Forwarder
from gateway.openers import Openers
from gateway.publish import Publication, Publisher
from gateway.settlement import SettlementClient
from gateway.spool import Spooled
from gateway.store.interface import Changes, Reader
from gateway.store.lock import has_wal_reset_bug
from gateway.store.sqlite import SqliteReader, SqliteStore
from gateway.systemd import Notifier, from_process
from gateway.verdicts import Outcome
from gateway.writer import RESTORED, Writer

_LOG = structlog.get_logger("daemon")
_TURN_S = 0.2
_PATIENCE_S = 30.0
"""How long a command that works on the database is waited for at the start, or a gateway that is just ending."""
_HEALTH_S = 1.0
_STALLED_S = 20.0
_COMMIT_TIMEOUT_S = 30.0
_REJUDGED_MAX = 10_000


class Part(Protocol):
    """A thread of the daemon."""

    @property
    def is_alive(self) -> bool:
        """Tell whether it runs."""

    def start(self) -> None:
        """Begin."""


class Daemon:
    """Built in `__init__`, which refuses what cannot work; run by `run` until `stop` is called or a part dies."""

    def __init__(self, config: Config, notifier: Notifier | None = None) -> None:
        self._config = config
        self._notifier = notifier or from_process()
        self._ring = keys.load(config.keys)
        self._authority = publish.authority_key(Path(config.files.authority_public_key))
        self._store = SqliteStore.create(config.data, _PATIENCE_S)
        self._readers: list[SqliteReader] = []
        self._reader = self._new_reader()
        openers = Openers(_open_processes(config.ingest.open_processes), config.data, config.keys)
        self.writer = Writer(self._store, self._ring, config.ingest, self._on_batch, openers=openers)
        self.channel = MqttChannel(config.mqtt, self.writer.deliver)
        self.sms = sms.make(config, self.writer.deliver)
        reader = self._new_reader()
        day_counts = StoredDayCounts(reader.value, self.writer.submit)
        self.downlinks = Downlinks(
            reader.terminal, self.channel, self.sms.channels, config.sms, day_counts=day_counts
        )
        counter = DownCounter(self._new_reader(), self.writer)
        self._carrier = Carrier(self._reader, self._ring, self.writer, counter)
        self.acknowledger = Acknowledger(
            self._new_reader(),
            self._ring,
            counter,
            config.acknowledge,
            self.downlinks,
            lambda: self.writer.queued >= config.ingest.batch_frames_max,
            keep=self.writer.submit,
        )
        self.forwarder: Forwarder | None = None
        if config.settlement.url:
            client = SettlementClient(config.settlement)
            self.forwarder = Forwarder(
                self._new_reader(),
                self.writer,
                self._ring,
                client,
                config.settlement,
                self.acknowledger.settled,
            )
        self._stopping = threading.Event()

    def _new_reader(self) -> SqliteReader:
        reader = SqliteReader.open(self._config.data)
        self._readers.append(reader)
        return reader

    def _on_batch(self, contacts: dict[int, Contact]) -> None:
        self.acknowledger.contacts(contacts)

    def stop(self) -> None:
        """End `run`; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> int:
        """Work until stopped; returns the exit status."""
        parts: list[Part] = [self.writer, self.acknowledger, self.channel, *self.sms.channels]
        if self.forwarder:
            parts.append(self.forwarder)
        for part in parts:
            part.start()
        for kid in self._registered_since():
            self._rejudge(kid)
        self._notifier.send("READY=1")
        _LOG.info(
            "started",
            data=str(self._config.data),
            sqlite=sqlite3.sqlite_version,
            one_writer_only="vital" if has_wal_reset_bug(sqlite3.sqlite_version_info) else "kept",
        )
        died = ""
        health_due_s = 0.0
        while not self._stopping.wait(_TURN_S):
            died = next((type(part).__name__ for part in parts if not part.is_alive), "")
            if died:
                _LOG.critical("a part has died", part=died)
                break
            self._work_spool()
            if time.monotonic() - self.writer.progress_s < _STALLED_S:
                self._notifier.send("WATCHDOG=1")
            if time.monotonic() >= health_due_s:
                health_due_s = time.monotonic() + _HEALTH_S
                self._write_health(is_running=True)
        self._close()
        return 1 if died else 0

    def _close(self) -> None:
        """Stop in the order in which nothing committed goes unacknowledged: writer first, then the channels."""
        self._notifier.send("STOPPING=1")
        if self.forwarder:
            self.forwarder.stop()
        self.writer.stop()
        self.acknowledger.stop()
        for channel in (self.channel, *self.sms.channels):
            channel.stop()
        self._write_health(is_running=False)
        for reader in self._readers:
            reader.close()
        self._store.close()
        _LOG.info("stopped")

    # Orders from the command line.

    def _work_spool(self) -> None:
        for spooled in spool.waiting(self._config.data):
            try:
                told = self._obey(spooled)
            except GatewayError as error:
                _LOG.warning("order refused", order=spooled.order.value, error=str(error))
                told = {"error": str(error), "exit_status": error.exit_status}
            except Exception as error:
                # Else one order would end every gateway that finds it in its spool.
                _LOG.exception("order failed", order=spooled.order.value)
                name = type(error).__name__
                told = {"error": f"{name}: see the gateway's log", "exit_status": GatewayError.exit_status}
            try:
                spool.answer(spooled, told)
            except OSError as failure:
                # Disk full is a state, not an end: the order stays, and to do it again does no harm.
                _LOG.error("order not answered", order=spooled.order.value, error=str(failure))

    def _obey(self, spooled: Spooled) -> dict[str, object]:
        if spooled.order in carrier.ORDERS:
            told = self._carrier.obey(spooled.order, spooled.octets, spooled.kid)
            _LOG.info("order obeyed", order=spooled.order.value, kid=f"{spooled.kid:08x}")
            return told
        publisher = Publisher(self._reader, self._authority, self._ring, time.time_ns() // 1_000_000)
        publication = publisher.check(spooled.order, spooled.octets, spooled.kid)
        told = publish.carry_out(publication, self._write)
        said = {name: value for name, value in told.items() if name != "octets"}
        _LOG.info("order obeyed", order=spooled.order.value, **said)
        return told

    def _write(self, publication: Publication) -> None:
        self.writer.submit(publication.changes, publication.forget).result(_COMMIT_TIMEOUT_S)
        self.acknowledger.published(publication.addressed)
        if publication.redirected:
            self.downlinks.redirected(publication.redirected)
        if publication.registered:
            self._rejudge(publication.registered)

    def _rejudge(self, kid: int) -> None:
        again = rejudge(self._reader, self.writer, kid)
        _LOG.info("frames judged again", kid=f"{kid:08x}", frames=again)

    def _registered_since(self) -> list[int]:
        """Terminals that were registered while no gateway ran, and whose frames had come before."""
        strangers = (self._reader.evidence_one(evidence_id) for evidence_id in self._reader.stranger_ids())
        kids = {row.kid for row in strangers if row is not None}
        return sorted(kid for kid in kids if self._reader.terminal(kid) is not None)

    # Health.

    def _write_health(self, *, is_running: bool) -> None:
        path = self._config.data / HEALTH_FILE
        beside = path.with_suffix(".part")
        try:
            beside.write_text(json.dumps(self.health(is_running=is_running)), "utf-8")
            beside.replace(path)
        except OSError as failure:
            _LOG.error("health not written", error=str(failure))

    def health(self, *, is_running: bool) -> dict[str, object]:
        """What `status` says about the running process."""
        forwarder = self.forwarder
        return {
            "running": is_running,
            "pid": os.getpid(),
            "time_ms": time.time_ns() // 1_000_000,
            "broker": {
                "ready": is_running and self.channel.is_ready,
                "generation": self.channel.generation,
                "stale_receipts": self.channel.stale_receipts,
                "error": self.channel.last_error,
            },
            "sms": self.sms.health() | {"answers": dict(sorted(dict(self.downlinks.counts).items()))},
            "writer": {
                "queued": self.writer.queued,
                "batches": self.writer.batches,
                "error": self.writer.last_error,
            },
            "acknowledgements": {
                "sent": self.acknowledger.sent,
                "rollback_notices": self.acknowledger.notices,
                "withdrawal_notices": self.acknowledger.withdrawals,
                "error": self.acknowledger.last_error,
                "stopped_because_restored": bool(self._reader.value(RESTORED)),
            },
            "settlement": {
                "configured": forwarder is not None,
                "last_success_ms": forwarder.last_success_ms if forwarder else 0,
                "error": forwarder.last_error if forwarder else "",
            },
        }


def _open_processes(configured: int) -> int:
    """How many helper processes there are to be."""
    processors = len(os.sched_getaffinity(0))
    return configured if configured >= 0 else processors if processors > 1 else 0


def rejudge(reader: Reader, writer: Writer, kid: int) -> int:
    """Judge the frames again that came before the terminal's certificate did; returns how many."""
    rows = [
        row for row in reader.evidence(kid, _REJUDGED_MAX) if row.outcome == Outcome.UNKNOWN_TERMINAL.value
    ]
    for row in reversed(rows):
        writer.deliver(Received(row.octets, ""))
    # Behind the frames in the queue: if the process ends in between, they are only judged twice.
    writer.submit(Changes(evidence_dropped=[row.evidence_id for row in rows]))
    return len(rows)


def run(config: Config) -> int:
    """Run a daemon until SIGTERM or SIGINT; returns the exit status."""
    daemon = Daemon(config)
    garbage.look_seldom()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    return daemon.run()
