"""Cards with contacts, around a card that knows APDUs only: answer to reset, and T=0 or T=1 of ISO/IEC 7816-3.

In T=0 the card itself knows which instructions take data; an answer to such a one waits for GET RESPONSE (61xx), and one that
was asked for with another length is refused with the right one (6Cxx). In T=1 an APDU travels whole, in blocks that are the
coupler's own business and not modelled. Section numbers are those of ISO/IEC 7816-3:2006.
"""

_GET_RESPONSE = 0xC0
_TAKES_DATA = (0xA4, 0x20, 0xA8, 0x88, 0xAE)  # SELECT, VERIFY, GPO, INTERNAL AUTHENTICATE, GENERATE AC
_HISTORICAL = b"LUMBUNG"
NULL = 0x60


class T0Card:
    """The contact end of `card`, which has `activate()`, `deactivate()`, `exchange(apdu)` and `busy_ms`.

    `protocol` is 0. `trick`: `mute` (no answer to reset), `backwards` (TS that does not exist), `babble` (a procedure byte that is none).
    """

    protocol = 0

    def __init__(self, card, trick: str = ""):
        self.card = card
        self.trick = trick
        self._waiting = b""

    def reset(self) -> bytes:
        """Power and clock are on: the answer to reset (8), empty from a mute card. T=0, default rate, TB1 and TC1 zero as
        EMV asks (Book 1, 8.3).
        """
        self._waiting = b""
        if self.trick == "mute":
            return b""
        self.card.activate()
        initial = 0x42 if self.trick == "backwards" else 0x3B
        return bytes((initial, 0x60 | len(_HISTORICAL), 0x00, 0x00)) + _HISTORICAL

    def power_off(self) -> None:
        """The contacts are dead."""
        self._waiting = b""
        self.card.deactivate()

    def takes_data(self, header: bytes) -> bool:
        """Whether the card answers this header by asking for P3 octets (10.3.3: procedure byte INS)."""
        return header[1] in _TAKES_DATA and header[4] > 0

    def command(self, header: bytes, data: bytes):
        """What the card sends after the header and, where it takes any, `data`: (procedure bytes and data, status word); None
        when it stays mute.
        """
        if self.trick == "babble":
            return b"\x13", b""
        if header[1] == _GET_RESPONSE:
            return self._hand_out(header)
        self._waiting = b""
        if self.takes_data(header):
            response = self.card.exchange(header + data + b"\x00")
            if response is None:
                return None
            if len(response) > 2:
                self._waiting = response
                return b"", bytes((0x61, (len(response) - 2) & 0xFF))
            return b"", response
        response = self.card.exchange(header[:4] + (header[4:5] if header[1] not in _TAKES_DATA else b""))
        if response is None:
            return None
        return self._sized(header, response)

    def _hand_out(self, header: bytes):
        if not self._waiting:
            return b"", b"\x69\x85"
        sent = self._sized(header, self._waiting)
        if sent[0]:
            self._waiting = b""
        return sent

    def _sized(self, header: bytes, response: bytes):
        """The response if its length is what was asked for, else the right length."""
        length = len(response) - 2
        if not length:
            return b"", response
        asked = header[4] or 256
        if asked != length:
            return b"", bytes((0x6C, length & 0xFF))
        return bytes((header[1],)) + response[:-2], response[-2:]


class T1Card:
    """The contact end of a card that speaks T=1; `protocol` is 1."""

    protocol = 1

    def __init__(self, card):
        self.card = card

    def reset(self) -> bytes:
        """The answer to reset: T=1, information fields of 254 octets, waiting times of EMV (Book 1, 8.3); check octet last."""
        self.card.activate()
        head = bytes((0xE0 | len(_HISTORICAL), 0x00, 0x00, 0x81, 0x31, 0xFE, 0x45)) + _HISTORICAL
        check = 0
        for octet in head:
            check ^= octet
        return b"\x3b" + head + bytes((check,))

    def power_off(self) -> None:
        """The contacts are dead."""
        self.card.deactivate()

    def transmit(self, apdu: bytes):
        """The response to an APDU; None when the card stays mute."""
        return self.card.exchange(apdu)
