"""What the broker keeps (retained messages) below a topic, over a connection of its own: looked at, and changed for good.

A command uses it, not the daemon: it waits for the broker at every step and says where that failed.
"""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.channels.mqtt import tls_context
from gateway.config import Mqtt, secret
from gateway.errors import BrokerError

TIMEOUT_S = 30.0
_QOS = 1


class Shelf:
    """`folder`: the topic below which everything is kept, without its last `/`. Raises `BrokerError`."""

    def __init__(self, config: Mqtt, folder: str, timeout_s: float = TIMEOUT_S) -> None:
        self._config = config
        self._folder = folder
        self._timeout_s = timeout_s
        self._answered = threading.Event()
        self._taken: queue.Queue[int] = queue.Queue()
        self._refusal = ""
        self._marker = ""
        self._found: dict[str, bytes] = {}
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{config.client_id}-{uuid.uuid4().hex[:8]}",
            protocol=MQTTProtocolVersion.MQTTv5 if config.protocol == "5" else MQTTProtocolVersion.MQTTv311,
        )
        if config.username:
            password = secret(config.password, config.password_file) or None
            self._client.username_pw_set(config.username, password)
        if config.tls:
            self._client.tls_set_context(tls_context(config))
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect

    def __enter__(self) -> Self:
        try:
            self._client.connect(self._config.host, self._config.port, self._config.keepalive_s)
        except OSError as failure:
            raise BrokerError(host=self._config.host, reason=str(failure)) from failure
        self._client.loop_start()
        try:
            self._wait("connect")
        except BrokerError:
            self._client.loop_stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def look(self) -> dict[str, bytes]:
        """Topic and octets of everything that is kept there.

        A message of our own comes back behind what the broker keeps: brokers send that when they take the subscription.
        """
        self._found = {}
        self._marker = f"{self._folder}/look/{uuid.uuid4().hex}"
        self._answered.clear()
        self._client.subscribe(f"{self._folder}/#", 0)
        self._wait("subscribe")
        self._answered.clear()
        self._client.publish(self._marker, b"", _QOS)
        self._wait("look")
        self._client.unsubscribe(f"{self._folder}/#")
        return dict(self._found)

    def keep(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish one after the other, to be kept; no octets: to be forgotten. Returns when the broker has taken all."""
        for topic, octets in messages:
            number = self._client.publish(topic, octets, _QOS, retain=True).mid
            try:
                # Those of our own questions come, too.
                while self._taken.get(timeout=self._timeout_s) != number and not self._refusal:
                    pass
            except queue.Empty:
                raise BrokerError(topic=topic, reason="not taken in time") from None
            if self._refusal:
                raise BrokerError(topic=topic, reason=self._refusal)

    def _wait(self, doing: str) -> None:
        if not self._answered.wait(self._timeout_s):
            raise BrokerError(doing=doing, reason="no answer in time")
        if self._refusal:
            raise BrokerError(doing=doing, reason=self._refusal)

    # What paho calls, in its thread.

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        self._refusal = str(reason) if reason.is_failure else ""
        self._answered.set()

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _more: Properties | None
    ) -> None:
        failed = [str(reason) for reason in reasons if reason.is_failure]
        self._refusal = failed[0] if failed else ""
        self._answered.set()

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _more: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refuse(str(reason))
        self._taken.put(mid)

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _more: Properties | None,
    ) -> None:
        self._refuse(f"it ended the session: {reason}")

    def _refuse(self, reason: str) -> None:
        """Whatever is waited for does not come."""
        self._refusal = reason
        self._answered.set()
        self._taken.put(0)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.topic == self._marker:
            self._answered.set()
        elif message.retain and message.payload:
            self._found[message.topic] = bytes(message.payload)
