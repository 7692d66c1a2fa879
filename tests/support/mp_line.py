"""The terminal's end of a technician's cable whose other end is the test itself; runs on MicroPython."""


class Line:
    """`incoming` is what the test types, `outgoing` what came out; while `is_held` nothing leaves."""

    def __init__(self):
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.is_held = False

    def any(self):
        return len(self.incoming)

    def read(self, size):
        octets = bytes(self.incoming[:size])
        self.incoming = self.incoming[size:]
        return octets

    def write(self, octets):
        self.outgoing += octets

    def txdone(self):
        return not self.is_held

    def lines(self):
        """All lines that came out."""
        return bytes(self.outgoing).decode().split("\r\n")[:-1]

    def answers(self):
        """Lines that came out since the last call."""
        lines = self.lines()
        self.outgoing = bytearray()
        return lines
