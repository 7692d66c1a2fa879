"""Driver: the MQTT client over a real TCP (or TLS) link, a step per request; its session lives on between requests."""

import asyncio
import json

from firmware.hal.clock import Clock
from firmware.hal.network import NetworkError
from firmware.relay.link import LinkError, TcpLink, tls_context
from firmware.relay.mqtt_client import MqttClient
from firmware.relay.mqtt_packets import MqttError

KEEPALIVE_S = 10
LOOK_MS = 5


class Network:
    """A network that is there or not."""

    def __init__(self, is_there):
        self.is_there = is_there
        self.asked = 0

    async def up(self, timeout_ms):
        self.asked += 1
        if not self.is_there:
            raise NetworkError("wlan", "out of reach")


class Bench:
    """What stays between requests."""

    def __init__(self):
        self.client = None
        self.handled = []
        self.finished = 0
        self.is_done = True
        self.work_ms = 0
        self.ended = ""
        self.task = None

    async def open(self, port, client_id, topic, options):
        """Connect; `options`: host, broker CA as hex, user, password, whether there is a network."""
        tls = tls_context(bytes.fromhex(options["ca"])) if "ca" in options else None
        network = Network(options["network"]) if "network" in options else None
        link = TcpLink(options.get("host", "127.0.0.1"), port, tls, 5000, network)
        user, password = options.get("user", ""), options.get("password", "")
        self.client = MqttClient(link, client_id, user, password, KEEPALIVE_S, Clock())
        self.ended = ""
        await self.client.open(topic)
        self.task = asyncio.create_task(self._serve())
        return "open"

    async def _serve(self):
        try:
            await self.client.serve(self._handle)
        except (LinkError, MqttError) as error:
            self.ended = type(error).__name__

    async def _handle(self, payload):
        self.handled.append(payload.hex())
        await asyncio.sleep_ms(self.work_ms)
        self.finished += 1
        return self.is_done

    async def publish(self, topic, payload, timeout_ms):
        await self.client.publish(topic, bytes.fromhex(payload), timeout_ms)
        return "taken"

    async def messages(self, count, timeout_ms):
        """Wait until so many messages were handled; returns all that were since the last call."""
        for _ in range(timeout_ms // LOOK_MS):
            if self.finished >= count or self.ended:
                break
            await asyncio.sleep_ms(LOOK_MS)
        await asyncio.sleep_ms(20)
        found, self.handled = self.handled, []
        self.finished = 0
        return found

    async def begun(self, timeout_ms):
        """Wait until a message is being handled."""
        for _ in range(timeout_ms // LOOK_MS):
            if self.handled:
                break
            await asyncio.sleep_ms(LOOK_MS)
        return self.handled

    async def handle_how(self, is_done, work_ms):
        self.is_done = is_done
        self.work_ms = work_ms
        return "so"

    async def wait_for_end(self, timeout_ms):
        for _ in range(timeout_ms // LOOK_MS):
            if self.ended:
                break
            await asyncio.sleep_ms(LOOK_MS)
        return self.ended

    async def close(self):
        """Leave politely."""
        self.task.cancel()
        await self.client.close()
        return "closed"

    async def drop(self):
        """Vanish, as a terminal whose power is cut."""
        self.task.cancel()
        await self.client._link.close()
        return "gone"


bench = Bench()


def handle(request):
    name, arguments = json.loads(request)
    try:
        answer = asyncio.get_event_loop().run_until_complete(getattr(bench, name)(*arguments))
    except (LinkError, MqttError) as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    return json.dumps(answer).encode()
