"""A link is where MQTT's octets go: a TCP stream (TLS as an option) here, a modem's AT socket in the same shape.

A link has `async open()`, `async read(length) -> exactly that many octets`, `async write(octets)` and `async close()`;
each raises `LinkError`.
"""

import asyncio

from firmware.hal.network import NetworkError

# How long the network below may take to come up.
NETWORK_TIMEOUT_MS = 20000


class LinkError(Exception):
    """The link is down, was closed by the peer, or did not answer in time."""


class TcpLink:
    """A TCP connection to `host:port`; `tls` is an `ssl.SSLContext` or None.

    `network`: what must be up first (`async up(timeout_ms)`, see hal/network), or None.
    """

    def __init__(self, host: str, port: int, tls=None, timeout_ms: int = 10000, network=None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._timeout_ms = timeout_ms
        self._network = network
        self._reader = None
        self._writer = None

    async def open(self) -> None:
        """Connect (and shake hands where TLS is on)."""
        if self._network is not None:
            try:
                await self._network.up(NETWORK_TIMEOUT_MS)
            except NetworkError as error:
                raise LinkError("network: %s" % error)
        await self._within(self._connect())

    async def _connect(self) -> None:
        if self._tls is None:
            opened = await asyncio.open_connection(self._host, self._port)
        else:
            opened = await asyncio.open_connection(
                self._host, self._port, ssl=self._tls, server_hostname=self._host
            )
        self._reader, self._writer = opened

    async def read(self, length: int) -> bytes:
        """Exactly `length` octets, however long they take (the keepalive above bounds the silence)."""
        if self._reader is None:
            raise LinkError("not open")
        try:
            return await self._reader.readexactly(length)
        except (OSError, EOFError) as error:
            raise LinkError("read: %s" % error)

    async def write(self, octets: bytes) -> None:
        """All octets, within the timeout."""
        if self._writer is None:
            raise LinkError("not open")
        await self._within(self._send(octets))

    async def _send(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    async def close(self) -> None:
        """Close without complaint; closing a dead link is no error."""
        writer = self._writer
        self._writer = None
        self._reader = None
        if writer is not None:
            try:
                writer.close()
                await asyncio.wait_for_ms(writer.wait_closed(), self._timeout_ms)
            except (OSError, asyncio.TimeoutError):
                pass

    async def _within(self, doing) -> None:
        """Run a coroutine under the link's timeout."""
        try:
            await asyncio.wait_for_ms(doing, self._timeout_ms)
        except asyncio.TimeoutError:
            raise LinkError("timeout")
        except (OSError, ValueError) as error:
            # What the TLS layer makes of a peer that it cannot agree with is either of the two.
            raise LinkError("%s" % error)


def tls_context(broker_ca: bytes):
    """A TLS context that believes only servers certified by `broker_ca` (DER).

    Raises `LinkError` if that is no certificate, or where the runtime was built without TLS.
    """
    try:
        import ssl
    except ImportError:
        raise LinkError("TLS: not in this runtime")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED  # type: ignore[attr-defined]
    try:
        context.load_verify_locations(cadata=broker_ca)
    except (OSError, ValueError) as error:
        raise LinkError("broker CA: %s" % error)
    return context
