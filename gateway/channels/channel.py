"""What a channel is to the rest of the gateway: frames in with a receipt, frames out to terminals or to numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.verdicts import Verdict

Receipt = tuple[int, int]
"""Connection generation and packet id; meaningless to everybody but the channel that gave it."""


@dataclass(slots=True)
class Received:
    """One frame as it came; `sender` is what the channel says about where from (never trusted, "" by SMS).

    `verdict` is what became of it when it was judged; it stands when the receipt comes.
    """

    octets: bytes
    sender: str
    channel: Channel | None = None
    receipt: Receipt = (0, 0)
    verdict: Verdict | None = None


class Channel(Protocol):
    """A way from terminals."""

    name: str

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """These frames are committed: the other side may forget them. Returns at once."""


class FreeChannel(Protocol):
    """A way to terminals that costs nothing per message: MQTT."""

    name: str

    @property
    def is_ready(self) -> bool:
        """Tell whether it would take a frame."""

    def send(self, kid: int, octets: bytes) -> bool:
        """Send a frame to a terminal; False where the channel is down now. Returns at once."""


class MessageChannel(Protocol):
    """A way to telephone numbers, each message of which costs money."""

    name: str

    @property
    def is_ready(self) -> bool:
        """Tell whether it would take a message."""

    def send(self, number: str, octets: bytes) -> bool:
        """Queue a message of at most 140 octets; False where none is taken now. Returns at once."""
