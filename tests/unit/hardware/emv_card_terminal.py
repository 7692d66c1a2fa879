"""A terminal in a few lines, independent of the firmware's: enough to drive the card model and check its proofs."""

import functools
import hashlib
from dataclasses import dataclass, field

from hardware.emv_card import personalise, profiles
from hardware.emv_card.card import Card

SEED = b"emv card tests"
PAN = "6013010000000017"
PSN = "01"
EXPIRY = "281231"
PIN = "482913"

TERMINAL_DATA = {
    "9F02": "000020000000",
    "9F03": "000000000000",
    "9F1A": "0360",
    "95": "0000008000",
    "5F2A": "0360",
    "9A": "251121",
    "9C": "00",
    "9F37": "52BF4585",
    "9F35": "22",
    "9F45": "0000",
    "9F34": "1F0302",
    "8A": "5A31",
}


def tlv(data: bytes) -> list[tuple[str, bytes]]:
    """Split BER-TLV into (tag, value) pairs, one level."""
    out = []
    while data:
        size = 2 if data[0] & 0x1F == 0x1F else 1
        tag, data = data[:size].hex().upper(), data[size:]
        octets = data[0] & 0x7F if data[0] & 0x80 else 0
        length = int.from_bytes(data[1 : 1 + octets], "big") if octets else data[0]
        data = data[1 + octets :]
        assert len(data) >= length
        out.append((tag, data[:length]))
        data = data[length:]
    return out


def recover(signed: bytes, modulus: bytes, exponent: bytes) -> bytes:
    """The plain RSA public operation (Book 2, B2.1)."""
    assert len(signed) == len(modulus)
    number = pow(
        int.from_bytes(signed, "big"), int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")
    )
    return number.to_bytes(len(modulus), "big")


def dol_data(items: tuple[tuple[str, int], ...], changes: dict[str, str]) -> bytes:
    """The terminal's values for a data object list."""
    values = {tag: bytes.fromhex(changes.get(tag, TERMINAL_DATA[tag])) for tag, _ in items}
    assert all(len(values[tag]) == size for tag, size in items)
    return b"".join(values[tag] for tag, _ in items)


@dataclass
class Session:
    """One application of one card, selected, initiated and read."""

    card: Card
    aid: str
    pdol_data: bytes = b""
    data: dict[str, bytes] = field(default_factory=dict)
    static_data: bytes = b""

    def send(self, hex_head: str, data: bytes | None = None) -> bytes:
        """One APDU by CLA INS P1 P2, with Lc where there is data, and Le."""
        body = b"" if data is None else bytes([len(data)]) + data
        return self.card.exchange(bytes.fromhex(hex_head) + body + b"\x00")

    def ok(self, hex_head: str, data: bytes | None = None) -> bytes:
        """The body of a response that must be 9000."""
        response = self.send(hex_head, data)
        assert response[-2:] == b"\x90\x00", response.hex()
        return response[:-2]

    def start(self) -> "Session":
        """SELECT, GPO, READ RECORD of all that the AFL names."""
        self.card.activate()
        fci = dict(tlv(dict(tlv(self.ok("00A40400", bytes.fromhex(self.aid))))["6F"]))
        assert fci["84"] == bytes.fromhex(self.aid)
        inner = dict(tlv(fci["A5"]))
        self.pdol_data = bytes.fromhex("036022") if "9F38" in inner else b""
        gpo = self.ok("80A80000", bytes([0x83, len(self.pdol_data)]) + self.pdol_data)
        self.data.update(tlv(dict(tlv(gpo))["77"]))
        afl = self.data["94"]
        for at in range(0, len(afl), 4):
            sfi, first, last, signed = afl[at] >> 3, *afl[at + 1 : at + 4]
            for number in range(first, last + 1):
                record = dict(tlv(self.ok(f"00B2{number:02X}{sfi << 3 | 4:02X}")))["70"]
                if number < first + signed:
                    self.static_data += record
                self.data.update(tlv(record))
        self.static_data += self.data["82"]  # tag 9F4A names the AIP
        return self

    def generate_ac(
        self, p1: str, *, second: bool = False, **changes: str
    ) -> tuple[dict[str, bytes], bytes, bytes]:
        """(response by tag, the CDOL data sent, the response without SDAD as it enters the CDA hash)."""
        items = profiles.CDOL2_ITEMS if second else profiles.CDOL1_ITEMS
        sent = dol_data(items, {tag.removeprefix("t"): value for tag, value in changes.items()})
        pairs = tlv(dict(tlv(self.ok(f"80AE{p1}00", sent)))["77"])
        hashed = b"".join(
            bytes.fromhex(tag) + bytes([len(value)]) + value for tag, value in pairs if tag != "9F4B"
        )
        return dict(pairs), sent, hashed

    def issuer_key(self, ca: dict) -> tuple[bytes, bytes]:
        """Recover the issuer's public key (Book 2, 6.3)."""
        public = ca["public"]
        plain = recover(self.data["90"], bytes.fromhex(public["modulus"]), bytes.fromhex(public["exponent"]))
        return self._certified(plain, 15, "02", self.data.get("92", b""), self.data["9F32"])

    def icc_key(self, ca: dict) -> tuple[bytes, bytes]:
        """Recover the card's public key, which also proves the static data (Book 2, 6.4)."""
        plain = recover(self.data["9F46"], *self.issuer_key(ca))
        assert plain[2:12].hex().upper().rstrip("F") == self.data["5A"].hex().upper().rstrip("F")
        remainder = self.data.get("9F48", b"")
        return self._certified(plain, 21, "04", remainder, self.data["9F47"], self.static_data)

    @staticmethod
    def _certified(
        plain: bytes, head: int, format_hex: str, remainder: bytes, exponent: bytes, also_hashed: bytes = b""
    ) -> tuple[bytes, bytes]:
        assert (plain[0], plain[1:2].hex(), plain[-1]) == (0x6A, format_hex, 0xBC)
        digest = hashlib.sha1(plain[1:-21] + remainder + exponent + also_hashed).digest()
        assert digest == plain[-21:-1]
        length = plain[head - 2]
        return (plain[head:-21] + remainder)[:length] if remainder else plain[head : head + length], exponent


@functools.cache
def make_issuer(rid: str) -> tuple[dict, dict]:
    """The test CA of one RID and its issuer, with keys of the real lengths."""
    ca = personalise.make_ca(rid=rid, seed=SEED)
    return ca, personalise.make_issuer(ca, seed=SEED)


def make_session(profile: str, *, pin: str | None = None, **card_options) -> tuple[Session, dict, dict]:
    """A started session with a fresh card of a profile: (session, CA, issuer)."""
    aid = profiles.PROFILES[profile]["aid"]
    ca, issuer = make_issuer(aid[:10])
    if pin is None and profiles.PROFILES[profile]["verifies_pin"]:
        pin = PIN
    card = personalise.make_card(issuer, PAN, PSN, EXPIRY, profile, pin, seed=SEED, **card_options)
    return Session(Card(card), aid).start(), ca, issuer
