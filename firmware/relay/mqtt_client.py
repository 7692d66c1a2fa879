"""A QoS 1 MQTT client over an injected link: a message from the broker is acknowledged only after it was handled."""

import asyncio

from firmware.relay import mqtt_packets
from firmware.relay.link import LinkError
from firmware.relay.mqtt_packets import MqttError
from protocol import offer

CONNACK_TIMEOUT_MS = 15000
# What is published here is kept by the broker for `fetch`, and never is a frame.
KEPT_TOPICS = ((offer.PREFIX + "/release/").encode(), (offer.PREFIX + "/renewal/").encode())


class MqttClient:
    """One session with a broker, for one connection. `clock` has `ticks_ms`, `ticks_diff`.

    PUBACK from the broker means only that it took the message; what frees records is the gateway's acknowledgement.
    """

    def __init__(self, link, client_id: str, username: str, password: str, keepalive_s: int, clock) -> None:
        self._link = link
        self._connect = mqtt_packets.connect(
            client_id.encode(), username.encode(), password.encode(), keepalive_s
        )
        self._keepalive_ms = keepalive_s * 1000
        self._clock = clock
        self._packet_id = 0
        # packet id -> whether the broker has acknowledged it
        self._awaited = {}
        self._answered = asyncio.Event()
        self._heard_ms = 0
        self._wrote = asyncio.Lock()
        # What `fetch` waits for: its topic, the packet that asked for it, the payload.
        self._kept_topic = b""
        self._kept_id = 0
        self._kept = None
        self._kept_came = asyncio.Event()
        self._fetching = asyncio.Lock()
        self.connected = False

    async def open(self, topic: str) -> None:
        """Connect with the persistent session and subscribe to `topic`; raises `LinkError` or `MqttError`."""
        await self._link.open()
        await self._send(self._connect)
        try:
            packet = await asyncio.wait_for_ms(self._receive(), CONNACK_TIMEOUT_MS)
        except asyncio.TimeoutError:
            raise LinkError("no CONNACK")
        if packet.kind != mqtt_packets.CONNACK:
            raise MqttError("packet %d: before CONNACK" % packet.kind)
        if packet.code:
            raise MqttError("CONNACK: %s" % mqtt_packets.refusal(packet.code))
        self._heard_ms = self._clock.ticks_ms()
        # The session's own queue may come before SUBACK, so subscribing does not wait: the reader sees the answer.
        await self._send(mqtt_packets.subscribe(topic.encode(), self._next_id()))
        self.connected = True

    async def serve(self, handle) -> None:
        """Read until the link fails. `await handle(payload)` returns whether the message is done with: only then the
        broker is told; it sends the others again in the next session.
        """
        while True:
            packet = await self._receive()
            self._heard_ms = self._clock.ticks_ms()
            if packet.kind == mqtt_packets.PUBLISH:
                if packet.topic.startswith(KEPT_TOPICS[0]) or packet.topic.startswith(KEPT_TOPICS[1]):
                    is_done = self._take_kept(packet)
                else:
                    is_done = await handle(packet.payload)
                if is_done and packet.packet_id:
                    await self._send(mqtt_packets.puback(packet.packet_id))
            elif packet.kind == mqtt_packets.PUBACK:
                if packet.packet_id in self._awaited:
                    self._awaited[packet.packet_id] = True
                    self._answered.set()
            elif packet.kind == mqtt_packets.SUBACK:
                if packet.packet_id == self._kept_id:
                    if packet.code > 1:
                        self._kept_came.set()  # it is not for us to have
                elif packet.code != 1:
                    raise MqttError("SUBACK: quality 1 was not granted")
            elif packet.kind == mqtt_packets.CONNACK:
                raise MqttError("CONNACK: a second one")

    def _take_kept(self, packet: mqtt_packets.Packet) -> bool:
        """What comes too late, or because somebody changed it, belongs to nobody."""
        if packet.topic == self._kept_topic:
            self._kept = packet.payload
            self._kept_came.set()
        return True

    async def fetch(self, topic: str, timeout_ms: int):
        """The message that the broker keeps (retains) on one of KEPT_TOPICS; None where there is none in time, or it is not
        for us. One after the other, beside `serve`; raises `LinkError`.
        """
        async with self._fetching:
            return await self._fetch(topic.encode(), timeout_ms)

    async def _fetch(self, name: bytes, timeout_ms: int):
        self._kept = None
        self._kept_came.clear()
        self._kept_id = self._next_id()
        self._kept_topic = name
        try:
            await self._send(mqtt_packets.subscribe(name, self._kept_id, 0))
            await asyncio.wait_for_ms(self._kept_came.wait(), timeout_ms)
        except asyncio.TimeoutError:
            pass
        finally:
            self._kept_topic = b""
        # The session is a lasting one: what stays subscribed would be sent in every session to come.
        await self._send(mqtt_packets.unsubscribe(name, self._next_id()))
        return self._kept or None

    async def publish(self, topic: str, payload: bytes, timeout_ms: int) -> None:
        """Publish with QoS 1 and wait for the broker's PUBACK; raises `LinkError` when it does not come in time."""
        packet_id = self._next_id()
        self._awaited[packet_id] = False
        try:
            await self._send(mqtt_packets.publish(topic.encode(), payload, packet_id))
            await asyncio.wait_for_ms(self._puback(packet_id), timeout_ms)
        except asyncio.TimeoutError:
            raise LinkError("no PUBACK")
        finally:
            self._awaited.pop(packet_id, None)

    async def _puback(self, packet_id: int) -> None:
        while not self._awaited[packet_id]:
            self._answered.clear()
            await self._answered.wait()

    async def keep_alive(self) -> None:
        """Send PINGREQ in time, and fail the session when the broker has been silent for too long."""
        while True:
            await asyncio.sleep_ms(self._keepalive_ms // 2)
            silent_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._heard_ms)
            if silent_ms > self._keepalive_ms + self._keepalive_ms // 2:
                raise LinkError("broker is silent")
            await self._send(mqtt_packets.PINGREQ)

    async def close(self) -> None:
        """Leave the broker to keep the session."""
        if self.connected:
            self.connected = False
            try:
                await self._send(mqtt_packets.DISCONNECT)
            except LinkError:
                pass
        await self._link.close()

    def _next_id(self) -> int:
        """The next packet id that no answer is awaited for."""
        while True:
            self._packet_id = self._packet_id % 0xFFFF + 1
            if self._packet_id not in self._awaited and self._packet_id != self._kept_id:
                return self._packet_id

    async def _send(self, octets: bytes) -> None:
        """One packet at a time: two tasks write."""
        async with self._wrote:
            await self._link.write(octets)

    async def _receive(self) -> mqtt_packets.Packet:
        """The next packet (section 2.2.3 for its length)."""
        read = self._link.read
        first = (await read(1))[0]
        length = 0
        for shift in (0, 7, 14, 21):
            octet = (await read(1))[0]
            length |= (octet & 0x7F) << shift
            if octet < 0x80:
                break
        else:
            raise MqttError("remaining length: more than 4 octets")
        if length > mqtt_packets.REMAINING_MAX:
            raise MqttError("remaining length: over %d" % mqtt_packets.REMAINING_MAX)
        return mqtt_packets.parse(first, await read(length) if length else b"")
