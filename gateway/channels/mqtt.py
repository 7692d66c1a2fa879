"""The MQTT channel: QoS 1, acknowledged only after commit, and only on the connection that delivered.

One thread owns paho's client and is the only one to touch it, so an acknowledgement can be held against the connection
generation without a race: packet ids start over with a new session, and a late PUBACK would destroy another record.
"""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.channels.channel import Receipt, Received
from gateway.channels.transport import BufferedContext, BufferedSocket
from gateway.config import Mqtt, secret

_LOG = structlog.get_logger("mqtt")
_IDLE_S = 0.5
_DOWN_IN_FLIGHT = 100
_DOWN_QUEUED_MAX = 10_000
_BACKOFF_MS_FIRST = 200
# A connection that lasted this long was a good one: after it, pauses start small again.
_SETTLED_S = 10.0
_QOS = 1
_PUBACK = b"\x40\x02"


class MqttChannel:
    """`deliver` takes frames by the handful; it may block, which leaves the socket unread (that is the back-pressure)."""

    name = "mqtt"

    def __init__(
        self,
        config: Mqtt,
        deliver: Callable[..., None],
        jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._deliver = deliver
        self._jitter = jitter
        self._monotonic = monotonic
        self._acknowledged: deque[list[Receipt]] = deque()
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._socket: BufferedSocket | None = None
        self._connected = False
        self._round_trip_mid = -1
        self._asked_s = 0.0
        self._answered_s: float | None = None
        self.generation = 0
        self.stale_receipts = 0
        self.last_error = ""
        self._client = self._make_client()
        self._down_properties = _down_properties(config)

    def _make_client(self) -> Client:
        config = self._config
        is_5 = config.protocol == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id,
            clean_session=None if is_5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        if config.username:
            client.username_pw_set(config.username, secret(config.password, config.password_file) or None)
        tls = tls_context(config) if config.tls else None
        context = BufferedContext(tls, self._opened, has_properties=is_5)
        client.tls_set_context(cast("ssl.SSLContext", context))
        client.max_inflight_messages_set(_DOWN_IN_FLIGHT)
        client.max_queued_messages_set(_DOWN_QUEUED_MAX)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        # Set, this keeps paho from writing at once in whatever thread it is called: our loop writes.
        client.on_socket_register_write = _leave_to_loop
        if is_5:
            properties = _properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = config.session_expiry_s
            properties.ReceiveMaximum = min(config.receive_maximum, 65535)
            client.connect_async(
                config.host, config.port, config.keepalive_s, clean_start=False, properties=properties
            )
        else:
            client.connect_async(config.host, config.port, config.keepalive_s)
        return client

    # What other threads call.

    def start(self) -> None:
        """Connect, and stay connected, in a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Send what is committed, disconnect and end the thread."""
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread runs."""
        return self._thread.is_alive()

    @property
    def is_ready(self) -> bool:
        """Tell whether a round trip to the broker succeeded lately; a client that says it is connected may be dead."""
        answered_s = self._answered_s
        limit_s = 3 * self._config.round_trip_s
        return self._connected and answered_s is not None and self._monotonic() - answered_s < limit_s

    def acknowledge(self, receipts: list[Receipt]) -> None:
        """These frames are committed: send their PUBACKs, in this order."""
        self._acknowledged.append(receipts)
        self._wake()

    def send(self, kid: int, octets: bytes) -> bool:
        """Publish a frame to a terminal; False where there is no connection now."""
        if not self._connected or len(self._outgoing) >= _DOWN_QUEUED_MAX:
            return False
        self._outgoing.append((f"{self._config.topic_prefix}/down/{kid:08x}", octets))
        self._wake()
        return True

    def _wake(self) -> None:
        # A full pipe holds wake-ups enough; a closed one belongs to a channel that was stopped.
        with contextlib.suppress(OSError):
            self._wake_write.send(b"w")

    # The thread.

    def _run(self) -> None:
        pause_ms = _BACKOFF_MS_FIRST
        while not self._stopping.is_set():
            self.generation += 1
            self._acknowledged.clear()
            started_s = self._monotonic()
            try:
                self._client.reconnect()
                self._serve()
            except Exception as failure:
                # Whatever it is, a new connection is the cure; the broker delivers again what was not acknowledged.
                self.last_error = f"{type(failure).__name__}: {failure}"
                _LOG.warning("connection lost", error=self.last_error, generation=self.generation)
            if self._monotonic() - started_s >= _SETTLED_S:
                pause_ms = _BACKOFF_MS_FIRST
            self._connected = False
            self._answered_s = None
            if not self._stopping.wait(pause_ms * self._jitter() / 1000):
                pause_ms = min(2 * pause_ms, self._config.reconnect_ms_max)
        self._close()

    def _serve(self) -> None:
        """Read, write and keep alive until the connection is lost or the channel is stopped."""
        sock = self._socket
        assert sock is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            selector.register(sock.fileno(), selectors.EVENT_READ | selectors.EVENT_WRITE)
            wanted = selectors.EVENT_READ | selectors.EVENT_WRITE
            while not self._stopping.is_set():
                ready = selector.select(0 if sock.has_unread else _IDLE_S)
                if any(key.fileobj is self._wake_read for key, _ in ready):
                    self._wake_read.recv(65536)
                is_readable = any(
                    key.fd == sock.fileno() and mask & selectors.EVENT_READ for key, mask in ready
                )
                if is_readable or sock.has_unread:
                    self._read(sock)
                self._hand_over(sock)
                self._check(self._client.loop_write())
                sock.flush()
                self._check(self._client.loop_misc())
                self._prove_round_trip()
                now_wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if sock.has_unsent else 0)
                if now_wanted != wanted:
                    wanted = now_wanted
                    selector.modify(sock.fileno(), wanted)
            self._hand_over(sock)
            self._client.disconnect()
            self._client.loop_write()
            sock.flush()

    def _read(self, sock: BufferedSocket) -> None:
        """Take what has come: frames are handed on in one go, everything else is for the client.

        The retain flag does not matter: what a frame is worth, its tag and seal say.
        """
        published = sock.read()
        while sock.has_packets:
            self._check(self._client.loop_read())
        if published:
            self._deliver(
                *[Received(octets, topic, self, (self.generation, mid)) for mid, topic, octets in published]
            )

    def _hand_over(self, sock: BufferedSocket) -> None:
        """Send what other threads left: acknowledgements of this generation, and downlinks.

        A PUBACK is four octets, the same in both versions, and paho keeps no state for it; its own way of sending one
        costs a quarter of receiving the frame.
        """
        while self._acknowledged:
            receipts = self._acknowledged.popleft()
            current = [mid for generation, mid in receipts if generation == self.generation]
            self.stale_receipts += len(receipts) - len(current)
            # A frame that came without a packet id (quality of service 0) wants no answer.
            sock.send(b"".join([_PUBACK + mid.to_bytes(2, "big") for mid in current if mid]))
        while self._outgoing and self._connected:
            topic, octets = self._outgoing.popleft()
            self._client.publish(topic, octets, _QOS, properties=self._down_properties)

    def _prove_round_trip(self) -> None:
        now_s = self._monotonic()
        if self._connected and now_s - self._asked_s >= self._config.round_trip_s:
            self._asked_s = now_s
            topic = f"{self._config.topic_prefix}/gateway/{self._config.client_id}"
            self._round_trip_mid = self._client.publish(topic, b"", _QOS).mid

    def _check(self, code: MQTTErrorCode) -> None:
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or self._client.socket() is None:
            raise ConnectionError(self.last_error or code.name)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._wake_read.close()
        self._wake_write.close()

    # What paho calls, always in our thread.

    def _opened(self, sock: BufferedSocket) -> None:
        self._socket = sock

    def _on_connect(
        self,
        client: Client,
        _data: Any,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self.last_error = f"refused: {reason}"
            raise ConnectionError(self.last_error)
        self.last_error = ""
        self._connected = True
        self._asked_s = self._monotonic()
        client.subscribe(f"{self._config.topic_prefix}/up/+", _QOS)
        _LOG.info("connected", generation=self.generation, host=self._config.host, port=self._config.port)

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._connected = False
        self.last_error = f"disconnected: {reason}"

    def _on_subscribe(
        self,
        _client: Client,
        _data: Any,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self.last_error = f"subscription refused: {reasons[0]}"
            raise ConnectionError(self.last_error)
        self._answered_s = self._monotonic()

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if mid == self._round_trip_mid:
            self._answered_s = self._monotonic()


def tls_context(config: Mqtt) -> ssl.SSLContext:
    """What the configuration says of TLS."""
    context = ssl.create_default_context(cafile=config.tls_ca_file or None)
    if config.tls_certificate_file:
        context.load_cert_chain(config.tls_certificate_file, config.tls_key_file or None)
    return context


def _down_properties(config: Mqtt) -> Properties | None:
    """What every downlink says about itself beside its octets."""
    if config.protocol != "5":
        return None
    properties = _properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = config.down_expiry_s
    return properties


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]


def _leave_to_loop(_client: Client, _data: Any, _socket: Any) -> None:
    """Nothing: the loop writes in its next turn."""
