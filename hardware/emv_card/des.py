"""DES, two-key triple DES and the retail MAC, for which MicroPython has no library (FIPS 46-3, ISO 9797-1)."""

# Selection functions S1 to S8 (FIPS 46-3, appendix 1): four rows of 16 entries each, one hex digit an entry.
_S = (
    "e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d",
    "f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9",
    "a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c",
    "7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e",
    "2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453",
    "c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d",
    "4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c",
    "d2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b",
)
# Bit positions count from 1 at the most significant end, as the standard does.
# fmt: off
_P = (
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
    2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
)
_PC1 = (
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
    63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
)
_PC2 = (
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
)
# fmt: on
_ROTATIONS = b"\x01\x01\x02\x02\x02\x02\x02\x02\x01\x02\x02\x02\x02\x02\x02\x01"


def _pick(bits: int, width: int, positions) -> int:
    """Select bits by their positions (1 is the most significant of `width`)."""
    picked = 0
    for position in positions:
        picked = picked << 1 | bits >> (width - position) & 1
    return picked


def _make_sp_tables():
    """Each selection function joined with the permutation P, indexed by the six bits that enter it."""
    tables = []
    for number in range(8):
        row_of_digits = _S[number]
        table = []
        for six in range(64):
            row = six >> 4 & 2 | six & 1
            column = six >> 1 & 15
            value = int(row_of_digits[row * 16 + column], 16)
            table.append(_pick(value << (28 - 4 * number), 32, _P))
        tables.append(table)
    return tables


_SP = _make_sp_tables()


def _swap(a: int, b: int, shift: int, mask: int):
    """Exchange the bits of `a` above `shift` with the bits of `b` that `mask` names."""
    t = (a >> shift ^ b) & mask
    return a ^ t << shift, b ^ t


def key_schedule(key: bytes):
    """Return the 16 round keys of an 8-octet key, each as eight six-bit values; parity bits are ignored."""
    cd = _pick(int.from_bytes(key, "big"), 64, _PC1)
    c = cd >> 28
    d = cd & 0xFFFFFFF
    rounds = []
    for rotation in _ROTATIONS:
        c = (c << rotation | c >> (28 - rotation)) & 0xFFFFFFF
        d = (d << rotation | d >> (28 - rotation)) & 0xFFFFFFF
        chosen = _pick(c << 28 | d, 56, _PC2)
        rounds.append([chosen >> (42 - 6 * index) & 63 for index in range(8)])
    return rounds


def _crypt(block: bytes, rounds) -> bytes:
    """One pass of DES over an 8-octet block with round keys in the order of use."""
    left = int.from_bytes(block[:4], "big")
    right = int.from_bytes(block[4:], "big")
    # The initial permutation as five exchanges of bit groups between the halves.
    left, right = _swap(left, right, 4, 0x0F0F0F0F)
    left, right = _swap(left, right, 16, 0x0000FFFF)
    right, left = _swap(right, left, 2, 0x33333333)
    right, left = _swap(right, left, 8, 0x00FF00FF)
    left, right = _swap(left, right, 1, 0x55555555)
    s1, s2, s3, s4, s5, s6, s7, s8 = _SP
    for k1, k2, k3, k4, k5, k6, k7, k8 in rounds:
        # Expansion E: each group of four bits with its two neighbours, round the ends.
        wide = (right & 1) << 33 | right << 1 | right >> 31
        mixed = (
            s1[(wide >> 28 & 63) ^ k1]
            ^ s2[(wide >> 24 & 63) ^ k2]
            ^ s3[(wide >> 20 & 63) ^ k3]
            ^ s4[(wide >> 16 & 63) ^ k4]
            ^ s5[(wide >> 12 & 63) ^ k5]
            ^ s6[(wide >> 8 & 63) ^ k6]
            ^ s7[(wide >> 4 & 63) ^ k7]
            ^ s8[(wide & 63) ^ k8]
        )
        left, right = right, left ^ mixed
    left, right = right, left
    left, right = _swap(left, right, 1, 0x55555555)
    right, left = _swap(right, left, 8, 0x00FF00FF)
    right, left = _swap(right, left, 2, 0x33333333)
    left, right = _swap(left, right, 16, 0x0000FFFF)
    left, right = _swap(left, right, 4, 0x0F0F0F0F)
    return left.to_bytes(4, "big") + right.to_bytes(4, "big")


class TripleDes:
    """Two-key triple DES (EMV Book 2, B1.1) and the retail MAC over it."""

    def __init__(self, key: bytes):
        if len(key) != 16:
            raise ValueError("triple DES key of %d octets, want 16" % len(key))
        self._left = key_schedule(key[:8])
        self._right_backwards = key_schedule(key[8:])
        self._right_backwards.reverse()

    def encrypt(self, block: bytes) -> bytes:
        """Encrypt one block of 8 octets."""
        return _crypt(_crypt(_crypt(block, self._left), self._right_backwards), self._left)

    def retail_mac(self, padded: bytes) -> bytes:
        """ISO/IEC 9797-1 MAC algorithm 3 over data already padded to whole blocks; 8 octets."""
        if not padded or len(padded) % 8:
            raise ValueError("MAC over %d octets, want whole blocks of 8" % len(padded))
        chained = bytes(8)
        for start in range(0, len(padded), 8):
            chained = bytes([chained[i] ^ padded[start + i] for i in range(8)])
            chained = _crypt(chained, self._left)
        return _crypt(_crypt(chained, self._right_backwards), self._left)


def pad_method_1(data: bytes) -> bytes:
    """ISO/IEC 9797-1 padding method 1: zeros to the next whole block, none when it is one."""
    return data + bytes(-len(data) % 8)


def pad_method_2(data: bytes) -> bytes:
    """ISO/IEC 9797-1 padding method 2: one octet 80, then zeros to a whole block."""
    return pad_method_1(data + b"\x80")
