"""A link is where MQTT's octets go: a TCP stream (TLS as an option) here, a modem's AT socket in the same shape.

A link has `async open()`, `async read(length) -> exactly that many octets`, `async write(octets)` and `async close()`;
each raises `LinkError`.
"""

import asyncio


class LinkError(Exception):
    """The link is down, was closed by the peer, or did not answer in time."""


class TcpLink:
    """A TCP connection to `host:port`; `tls` is an `ssl.SSLContext` or None."""

    def __init__(self, host: str, port: int, tls=None, timeout_ms: int = 10000) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._timeout_ms = timeout_ms
        self._reader = None
        self._writer = None

    async def open(self) -> None:
        """Connect (and shake hands where TLS is on)."""
        await self._within(self._connect())

    async def _connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port, self._tls)

    async def read(self, length: int) -> bytes:
        """Exactly `length` octets, however long they take (the keepalive above bounds the silence)."""
        try:
            return await self._reader.readexactly(length)
        except (OSError, EOFError) as error:
            raise LinkError("read: %s" % error)

    async def write(self, octets: bytes) -> None:
        """All octets, within the timeout."""
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
        except OSError as error:
            raise LinkError("%s" % error)
