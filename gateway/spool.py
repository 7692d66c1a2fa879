"""How commands reach a running gateway: one file per order in a spool directory, one file back with what came of it.

Only the gateway writes to its database, so a command never does while one runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import DaemonSilentError
from gateway.publish import Order

FOLDER = "spool"
_ORDER_SUFFIX = ".order"
_ANSWER_SUFFIX = ".answer"
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Spooled:
    """An order that waits: `path` is its file."""

    path: Path
    order: Order
    octets: bytes
    kid: int


def put(data: Path, order: Order, octets: bytes, kid: int, now_ns: int) -> Path:
    """Leave an order for the running gateway; whole or not at all."""
    folder = data / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{now_ns:020d}-{os.getpid()}{_ORDER_SUFFIX}"
    text = json.dumps({"order": order.value, "kid": kid, "octets": octets.hex()})
    beside = path.with_suffix(".part")
    beside.write_text(text, "utf-8")
    beside.rename(path)
    return path


def wait(
    path: Path,
    timeout_s: float,
    instead: Callable[[], dict[str, Any] | None],
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    """What came of an order; raises `DaemonSilentError`, and the order stays.

    `instead` is asked whenever there is no answer yet: what it gives, where no gateway runs, is what came of the order.
    """
    for turn in range(int(timeout_s / _POLL_S) + 1):
        if turn:
            sleep(_POLL_S)
        told = answered(path) or instead()
        if told is not None:
            return told
    raise DaemonSilentError(order=path.name, seconds=timeout_s)


def answered(path: Path) -> dict[str, Any] | None:
    """What the gateway said about an order, once; None while it has said nothing."""
    answer = path.with_suffix(_ANSWER_SUFFIX)
    try:
        told: dict[str, Any] = json.loads(answer.read_text("utf-8"))
    except FileNotFoundError:
        return None
    # A gateway that was killed behind its answer left the order there.
    withdraw(path)
    answer.unlink()
    return told


def withdraw(path: Path) -> None:
    """Take back an order that no gateway works, or that is done."""
    path.unlink(missing_ok=True)


def waiting(data: Path) -> list[Spooled]:
    """Orders in the order in which they were given."""
    found = []
    for path in sorted((data / FOLDER).glob(f"*{_ORDER_SUFFIX}")):
        if path.with_suffix(_ANSWER_SUFFIX).exists():
            withdraw(path)
            continue
        try:
            content = json.loads(path.read_text("utf-8"))
            order, octets, kid = (
                Order(content["order"]),
                bytes.fromhex(content["octets"]),
                int(content["kid"]),
            )
        except (ValueError, KeyError, TypeError, OSError):
            # Neither what is in it nor whose it is may stop the orders behind it.
            with suppress(OSError):
                path.rename(path.with_suffix(".unreadable"))
            continue
        found.append(Spooled(path, order, octets, kid))
    return found


def answer(spooled: Spooled, told: dict[str, object]) -> None:
    """Say what came of an order, and take it out of the spool."""
    path = spooled.path.with_suffix(_ANSWER_SUFFIX)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(told), "utf-8")
    beside.rename(path)
    withdraw(spooled.path)
