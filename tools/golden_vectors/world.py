"""The made-up programme that golden vectors and the reference day share; runs on both interpreters.

Draws from hashes, a roster in memory, commodities and baskets, and the policy.
"""

import hashlib

from protocol import context, policy, records

# (code, name, unit, posted price in rupiah per unit)
COMMODITIES = (
    (1, "Beras", "kg", 12500),
    (2, "Telur", "kg", 28000),
    (3, "Daging ayam", "kg", 36000),
    (4, "Tempe", "kg", 14000),
    (5, "Tahu", "kg", 12000),
    (6, "Kacang hijau", "kg", 24000),
    (7, "Sayur", "ikat", 4000),
    (8, "Apel", "kg", 32000),
)
_STANDARD = ((1, 1000, 12500), (2, 100, 28000), (4, 100, 14000), (8, 100, 33000))
_SECOND = ((1, 800, 12500), (2, 200, 28000), (6, 100, 24000), (7, 500, 4000))
_THIRD = ((1, 1000, 12500), (3, 100, 36000), (5, 100, 12000), (4, 100, 14000), (7, 325, 4000))
BASKETS = (
    (24, _STANDARD),
    (3, _SECOND),
    (3, _THIRD),
    (3, tuple([(code, 2 * quantity, price) for code, quantity, price in _STANDARD])),
)


class Draw:
    """Numbers from SHA-256 over label and counter: the same on every interpreter and in every version."""

    def __init__(self, label: str, family: str = "lumbung golden vectors") -> None:
        self._label = (family + label).encode()
        self._count = 0

    def octets(self, length: int) -> bytes:
        """Up to 32 octets."""
        self._count += 1
        return hashlib.sha256(self._label + self._count.to_bytes(4, "big")).digest()[:length]

    def below(self, bound: int) -> int:
        """A number in 0..bound-1, even to within 2^-32 or better."""
        return int.from_bytes(self.octets(8), "big") % bound

    def percent(self, chance: int) -> bool:
        """True in `chance` of 100 cases."""
        return self.below(100) < chance

    def shuffled(self, values: list[int]) -> list[int]:
        """The values in drawn order (Fisher and Yates)."""
        out = list(values)
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out


class RosterInMemory(context.RosterView):
    """A roster of (card_key, applications) pairs per entry."""

    def __init__(self, entries: list[list[tuple[bytes, int]]]) -> None:
        # (card key, applications) of each card of each entry.
        self.entries = entries
        self.count = len(entries)
        self.digest = hashlib.sha256(b"".join([card[0] for cards in entries for card in cards])).digest()
        self._index = {card[0]: i for i, cards in enumerate(entries) for card in cards}

    def find(self, card_key: bytes) -> int:
        """See `RosterView`."""
        return self._index.get(card_key, -1)

    def card_key(self, index: int, place: int) -> bytes:
        """See `RosterView`."""
        cards = self.entries[index]
        return cards[place][0] if place < len(cards) else b""

    def applications(self, index: int, place: int) -> int:
        """See `RosterView`."""
        cards = self.entries[index]
        return cards[place][1] if place < len(cards) else 0


def sample_policy() -> policy.Policy:
    """A policy, decoded from its own octets so that it has its digest."""
    out = policy.Policy()
    rules = (9, 360, 360, 420, 600, 3, 500_000, 300_000, 600_000, 86400, 1_000_000, 25, 5)
    for i in range(len(policy.RULES)):
        setattr(out, policy.RULES[i][0], rules[i])
    out.programmes = ((1, "Sembako"), (2, "PKH"))
    out.applications = (_application(0), _application(1))
    out.commodities = COMMODITIES
    out.baskets = BASKETS
    return policy.decode(policy.encode(out))


def _application(index: int) -> policy.Application:
    """0: the programme's own (card PIN, TC); 1: the bank's (aid PIN, ARQC)."""
    out = policy.Application()
    out.kind = (policy.KIND_PROGRAMME, policy.KIND_BANK)[index]
    out.method = (records.METHOD_CARD_PIN, records.METHOD_AID_PIN)[index]
    out.pan_sequence = (1, 0)[index]
    out.cid = (0x40, 0x80)[index]
    out.aip = (b"\x19\x80", b"\x75\x00")[index]
    out.tvr = (b"\x00\x00\x00\x80\x00", b"\x00\x80\x00\x80\x00")[index]
    out.cvm_results = (b"\x41\x03\x02", b"\x3f\x00\x00")[index]
    out.tac_default = b"\xdc\x40\x00\xa8\x00"
    out.tac_denial = b"\x00\x10\x00\x00\x00"
    out.tac_online = b"\xdc\x40\x04\xf8\x00"
    out.floor_limit_rupiah = 0
    out.aid = (b"\xf0LMBG\x01", b"\xa0\x00\x00\x06\x02\x10\x10")[index]
    out.cdol1 = bytes.fromhex("9f02069f03069f1a0295055f2a029a039c019f3704")
    out.iad = (bytes.fromhex("0a10a04003020000000000000000000000ff"), bytes.fromhex("06010a03a0a800"))[index]
    return out
