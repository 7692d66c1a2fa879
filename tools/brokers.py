"""MQTT brokers that tests, the demo and the benchmark start for themselves, on a free loopback port each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from tools.setup import checkout

HOST = "127.0.0.1"
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
PORT_TRIES = 5


class BrokerNotStartedError(Exception):
    """The broker did not come up; the text holds its log."""


class Broker(Protocol):
    """What the demo needs of a broker: it can be stopped and started again on the same port."""

    name: str
    host: str

    @property
    def port(self) -> int:
        """The port, the same over restarts."""

    def start(self) -> None:
        """Start and return when clients can connect."""

    def stop(self) -> None:
        """Stop and return when the port is closed."""


class MosquittoBroker:
    """A real Mosquitto in a process of its own.

    `config_lines` are added to its configuration file, which says only where to listen, that anonymous clients may
    connect and, when run by root, that it stays root (its folder belongs to root). For sessions that outlive a restart
    pass `PERSISTENT` among the lines. `kill()` ends it without a chance to save anything.
    """

    name = "mosquitto"
    host = HOST
    PERSISTENT = ("persistence true", "autosave_on_changes true", "autosave_interval 1")

    def __init__(
        self, config_lines: Iterable[str] = (), *, folder: Path | None = None, port: int | None = None
    ) -> None:
        self._config_lines = tuple(config_lines)
        self._owned_folder = None if folder else tempfile.TemporaryDirectory(prefix="lumbung-mosquitto-")
        self.folder = folder or Path(self._owned_folder.name if self._owned_folder else "")
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._is_up = False
        self.log: list[str] = []

    @property
    def port(self) -> int:
        """The port, fixed from the first start on."""
        if self._port is None:
            raise BrokerNotStartedError("mosquitto has no port before its first start")
        return self._port

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it says that it is running."""
        if self._process:
            return
        tries = 1 if self._port else PORT_TRIES
        for attempt in range(1, tries + 1):
            port = self._port or free_port()
            try:
                self._start_on(port)
            except BrokerNotStartedError as failure:
                # Somebody took the port between our look and Mosquitto's bind.
                if attempt == tries or "Address already in use" not in str(failure):
                    raise
            else:
                self._port = port
                return

    def stop(self) -> None:
        """End it in an orderly way; it saves its state if it is persistent."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(lambda process: process.kill())

    def _start_on(self, port: int) -> None:
        lines = [f"listener {port} {HOST}", "allow_anonymous true", "log_dest stderr", "log_type all"]
        if os.geteuid() == 0:
            lines.append("user root")
        lines.append(f"persistence_location {self.folder}/")
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join([*lines, *self._config_lines]) + "\n")
        command = [str(checkout.BIN / "mosquitto"), "-c", str(config)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        is_decided, self._is_up = threading.Event(), False
        self._reader = threading.Thread(target=self._read_log, args=(self._process, is_decided), daemon=True)
        self._reader.start()
        is_decided.wait(START_TIMEOUT_S)
        if not self._is_up:
            self.kill()
            raise BrokerNotStartedError("mosquitto did not start:\n" + "\n".join(self.log[-10:]))

    def _read_log(self, process: subprocess.Popen[bytes], is_decided: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr as stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                self.log.append(line)
                if line.endswith("running"):
                    self._is_up = True
                    is_decided.set()
        # The end of its log is its end: whoever waits must not wait on.
        is_decided.set()

    def _end(self, ask: Callable[[subprocess.Popen[bytes]], None]) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            ask(process)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader:
            self._reader.join(STOP_TIMEOUT_S)
        self._process = self._reader = None


class AmqttBroker:
    """An embedded broker for the demo on machines where Mosquitto cannot be had.

    No claim about delivery rests on it: it marks queued messages as retained, does not send unacknowledged messages
    again and forgets everything at a restart. Clients must log in with a user name (any), because it queues nothing
    for anonymous ones. MQTT 3.1.1 only.
    """

    name = "amqtt (embedded stand-in)"
    host = HOST

    def __init__(self, port: int | None = None) -> None:
        self._port = port or free_port()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def port(self) -> int:
        """The port, chosen when the object is made."""
        return self._port

    def start(self) -> None:
        """Start it in a thread of its own and wait until it listens."""
        if self._thread:
            return
        is_up = threading.Event()
        failures: list[Exception] = []
        self._thread = threading.Thread(target=self._run, args=(is_up, failures), name="amqtt", daemon=True)
        self._thread.start()
        if not is_up.wait(START_TIMEOUT_S) or failures:
            self._thread = None
            raise BrokerNotStartedError(f"amqtt did not start: {failures or 'no answer'}")

    def stop(self) -> None:
        """Stop it and wait for its thread."""
        if not self._thread or not self._loop or not self._stopping:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_TIMEOUT_S)
        self._thread = self._loop = self._stopping = None

    def _run(self, is_up: threading.Event, failures: list[Exception]) -> None:
        try:
            asyncio.run(self._serve(is_up))
        except Exception as failure:
            failures.append(failure)
            is_up.set()

    async def _serve(self, is_up: threading.Event) -> None:
        from amqtt.broker import Broker as EmbeddedBroker  # noqa: PLC0415 - heavy, and only the fallback needs it

        broker = EmbeddedBroker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{self.port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": False}},
            }
        )
        await broker.start()
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        is_up.set()
        await self._stopping.wait()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(broker.shutdown(), STOP_TIMEOUT_S)


def best_broker(port: int) -> Broker:
    """Return a Mosquitto where there is one, else the embedded stand-in; not started, on `port` when it is."""
    if "mosquitto" in checkout.missing():
        return AmqttBroker(port=port)
    return MosquittoBroker(MosquittoBroker.PERSISTENT, port=port)


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
