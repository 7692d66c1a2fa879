"""Drives the SMS centre of `smsc.mjs`: orders in, and waiting for what has happened."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from tools.setup import checkout

PASSWORD = "secret"
LIMIT_S = 30.0


class Smsc:
    """A running centre on `port`; `happened` is everything it has told, oldest first."""

    def __init__(self, port: int = 0, *pem: Path) -> None:
        self.happened: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self._orders = 0
        self._process = subprocess.Popen(
            [checkout.BIN / "smsc", str(port), *pem], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._thread = threading.Thread(target=self._listen, name="smsc", daemon=True)
        self._thread.start()
        self.port: int = self.wait_for("listening")["port"]

    @classmethod
    def start(cls, port: int = 0, *pem: Path) -> Self:
        """One that runs, over TLS with the files of a certificate and its key; left out where this machine has none."""
        reason = checkout.missing().get("smsc")
        if reason:
            pytest.skip(f"no smsc: {reason}")
        return cls(port, *pem)

    def stop(self) -> None:
        """End it, and all its connections."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._thread.join(20)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def order(self, do: str, **fields: object) -> None:
        """Have something done; returns when it is."""
        assert self._process.stdin is not None
        self._orders += 1
        self._process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self._process.stdin.flush()
        self.wait_for("obeyed", self._orders)

    def deliver(self, name: str, octets: bytes, sender: str = "628999", **fields: object) -> None:
        """A message for the gateway; it is delivered until it is answered."""
        self.order("deliver", id=name, hex=octets.hex(), **({"from": sender} | fields))

    def all(self, event: str) -> list[dict[str, Any]]:
        """All that has happened of a kind."""
        with self.changed:
            return [told for told in self.happened if told["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until something has happened so many times; the last of these."""
        assert self.until(lambda: len(self.all(event)) >= count), f"{event} did not happen {count} times"
        return self.all(event)[count - 1]

    def until(self, is_reached: Callable[[], object]) -> bool:
        """Wait until what has happened makes something true."""
        with self.changed:
            return bool(self.changed.wait_for(is_reached, LIMIT_S))

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self.changed:
                self.happened.append(json.loads(line))
                self.changed.notify_all()
