"""The modem model behind a pseudo-terminal, for programs that open a serial port; CPython only."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from types import TracebackType
from typing import Protocol, Self

POLL_S = 0.002
READ_OCTETS = 4096


class Clock(Protocol):
    """The models' clock."""

    def now_us(self) -> int:
        """Microseconds since an arbitrary start."""


class Device(Protocol):
    """The modem model, as far as its serial line goes."""

    def receive(self, value: int, now_us: int) -> None:
        """One octet from the host."""

    def advance(self, now_us: int) -> None:
        """Do all that is due."""

    def connect(self, uart: object) -> None:
        """Wire it to a serial port."""


class ModemPty:
    """`path` is what a program opens as its serial port. A thread lets the modem live until `close()`.

    The modem itself belongs to that thread: whoever wants to do something to it (pull the SIM, send it a message) holds
    `lock` meanwhile.
    """

    def __init__(self, clock: Clock, modem: Device) -> None:
        self._clock = clock
        self._modem = modem
        self._outgoing: list[tuple[int, bytes]] = []
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.lock = threading.Lock()
        self._is_over = threading.Event()
        modem.connect(self)
        self._thread = threading.Thread(target=self._live, name="modem", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread and hang up."""
        self._is_over.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    # The modem's side, as `hardware.buses.Uart`.

    def connect(self, device: Device) -> None:
        """Nothing to wire: the thread knows its modem."""

    def deliver(self, data: bytes, from_us: int | None = None) -> None:
        """The modem sends."""
        moment_us = self._clock.now_us() if from_us is None else from_us
        self._outgoing.append((moment_us, bytes(data)))

    def _live(self) -> None:
        while not self._is_over.is_set():
            ready, _, _ = select.select([self._master], [], [], POLL_S)
            octets = b""
            if ready:
                with contextlib.suppress(OSError):
                    octets = os.read(self._master, READ_OCTETS)
            with self.lock:
                for value in octets:
                    self._modem.receive(value, self._clock.now_us())
                self._modem.advance(self._clock.now_us())
                self._flush()

    def _flush(self) -> None:
        """Write what is due; what a program does not read gets lost, as on a line without flow control."""
        now_us = self._clock.now_us()
        while self._outgoing and self._outgoing[0][0] <= now_us:
            _, data = self._outgoing.pop(0)
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, data)
