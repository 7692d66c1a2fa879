"""Host frames as the PN532 reads and writes them (user manual UM0701-02, 6.2.1); independent of the driver's."""

ACK = b"\x00\x00\xff\x00\xff\x00"
NACK = b"\x00\x00\xff\xff\x00\x00"
ERROR = b"\x00\x00\xff\x01\xff\x7f\x81\x00"
HOST_TO_CHIP = 0xD4
CHIP_TO_HOST = 0xD5
DATA_MAX = 264  # octets behind the frame identifier, command code included

# What `FrameDecoder.next` tells.
GOT_ACK = "ack"
GOT_NACK = "nack"
GOT_COMMAND = "command"
GOT_DAMAGED = "damaged"


def build(data: bytes) -> bytes:
    """A frame from the chip around its response code and parameters: normal up to 255 octets, else extended."""
    body = bytes([CHIP_TO_HOST]) + data
    size = len(body)
    if size <= 0xFF:
        head = bytes([size, -size & 0xFF])
    else:
        high, low = size >> 8, size & 0xFF
        head = bytes([0xFF, 0xFF, high, low, -(high + low) & 0xFF])
    return b"\x00\x00\xff" + head + body + bytes([-sum(body) & 0xFF, 0x00])


class FrameDecoder:
    """Octets in, frames out."""

    def __init__(self):
        self._buffer = b""

    def reset(self) -> None:
        """Forget what is incomplete."""
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        """Take octets from the host."""
        self._buffer += data

    def next(self):
        """(kind, command code and parameters) of the next frame, or None when octets are missing."""
        while True:
            start = self._buffer.find(b"\x00\xff")
            if start < 0:
                self._buffer = self._buffer[-1:]
                return None
            body = self._buffer[start + 2 :]
            self._buffer = self._buffer[start:]
            if len(body) < 2:
                return None
            if body[:2] in (b"\x00\xff", b"\xff\x00"):
                self._buffer = body[2:]
                return (GOT_ACK if body[0] == 0 else GOT_NACK), b""
            head, size = 2, body[0]
            damaged = size + body[1] & 0xFF
            if body[:2] == b"\xff\xff":
                if len(body) < 5:
                    return None
                head, size = 5, body[2] << 8 | body[3]
                damaged = body[2] + body[3] + body[4] & 0xFF
            if damaged or not 2 <= size <= DATA_MAX + 1:
                self._buffer = body
                return GOT_DAMAGED, b""
            if len(body) < head + size + 1:
                return None
            content = body[head : head + size]
            self._buffer = body[head + size + 1 :]
            if sum(content) + body[head + size] & 0xFF or content[0] != HOST_TO_CHIP:
                return GOT_DAMAGED, b""
            return GOT_COMMAND, content[1:]
