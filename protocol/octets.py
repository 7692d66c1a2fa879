"""Reading and writing fields octet by octet, big-endian, with the field named in every error."""

from protocol.errors import OutOfRange, TrailingData, Truncated


def number(field: str, value: int, length: int) -> bytes:
    """An unsigned big-endian integer of `length` octets outside of any unit (`int.to_bytes` drops high bits silently on
    MicroPython).
    """
    if value < 0 or value >> 8 * length:
        raise OutOfRange(field, -1, "not in %d octets" % length)
    return value.to_bytes(length, "big")


def fixed(field: str, value: bytes, length: int) -> bytes:
    """Exactly `length` octets outside of any unit: what is hashed or signed has no variable widths."""
    if len(value) != length:
        raise OutOfRange(field, -1, "has %d octets, not %d" % (len(value), length))
    return value


class Reader:
    """Takes fields from the front of `data`; every shortage is a `Truncated` that names field and offset."""

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self.data = data
        self.offset = offset

    def octets(self, field: str, length: int) -> bytes:
        """The next `length` octets."""
        end = self.offset + length
        if end > len(self.data):
            raise Truncated(
                field, self.offset, "needs %d octets, %d left" % (length, len(self.data) - self.offset)
            )
        taken = bytes(self.data[self.offset : end])
        self.offset = end
        return taken

    def number(self, field: str, length: int, least: int = 0, most: int = -1) -> int:
        """The next unsigned big-endian integer of `length` octets, within [least, most] (most -1: no bound)."""
        start = self.offset
        value = int.from_bytes(self.octets(field, length), "big")
        if value < least or (most >= 0 and value > most):
            raise OutOfRange(field, start, "not in %d..%d" % (least, most))
        return value

    def counted(self, field: str, most: int = 255) -> bytes:
        """Octets behind one length octet, at most `most`."""
        return self.octets(field, self.number(field + " length", 1, 0, most))

    def end(self, unit: str) -> None:
        """Refuse anything that is left."""
        if self.offset != len(self.data):
            raise TrailingData(unit, self.offset, "%d octets left over" % (len(self.data) - self.offset))


class Writer:
    """Appends fields; a value that does not fit its field is an `OutOfRange` that names the field."""

    def __init__(self) -> None:
        self.data = bytearray()

    def octets(self, field: str, value: bytes, length: int) -> None:
        """Exactly `length` octets."""
        if len(value) != length:
            raise OutOfRange(field, len(self.data), "has %d octets, not %d" % (len(value), length))
        self.data.extend(value)

    def number(self, field: str, value: int, length: int, least: int = 0, most: int = -1) -> None:
        """An unsigned big-endian integer of `length` octets, within [least, most] (most -1: what the width holds)."""
        bound = most if most >= 0 else (1 << (8 * length)) - 1
        if value < least or value > bound:
            raise OutOfRange(field, len(self.data), "not in %d..%d" % (least, bound))
        self.data.extend(value.to_bytes(length, "big"))

    def counted(self, field: str, value: bytes, most: int = 255) -> None:
        """Octets behind one length octet, at most `most`."""
        self.number(field + " length", len(value), 1, 0, most)
        self.data.extend(value)
