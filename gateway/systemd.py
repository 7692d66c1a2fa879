"""Tells systemd that the service is ready and alive (sd_notify's datagram, written here in a few lines)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Silent where the service manager did not ask."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(microseconds) / 1_000_000 if microseconds.isdigit() else 0.0
        """Within this time the watchdog must be fed; 0 where there is none."""

    def send(self, state: str) -> None:
        """`READY=1`, `WATCHDOG=1`, `STOPPING=1` or `STATUS=...`."""
        if not self._address:
            return
        # A leading @ stands for an abstract socket's NUL.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto(state.encode(), address)
            except OSError:
                return  # the manager's loss; the service goes on


def from_process() -> Notifier:
    """The notifier of this process."""
    return Notifier(os.environ)
