"""What the chip in the card computes: keys, Application Cryptogram, RSA and dynamic signatures (EMV Book 2)."""

import hashlib

from hardware.emv_card.des import TripleDes, pad_method_1, pad_method_2

CVN_10 = (
    10  # the ICC master key itself makes the MAC; zero padding; octets 3 to 6 of the IAD (the CVR) are MACed
)
CVN_18 = 18  # a session key per ATC; padding method 2; the whole IAD is MACed

# What the issuer puts under the cryptogram before AIP, ATC and IAD, in this order, for both versions.
MACED_TAGS = ("9F02", "9F03", "9F1A", "95", "5F2A", "9A", "9C", "9F37")


def with_odd_parity(key: bytes) -> bytes:
    """Set the lowest bit of each octet so that the octet has an odd number of ones (a valid DES key)."""
    out = bytearray(key)
    for index, octet in enumerate(key):
        ones = 0
        for bit in range(1, 8):
            ones += octet >> bit & 1
        out[index] = octet & 0xFE | 1 - ones & 1
    return bytes(out)


def icc_master_key(issuer_master_key: bytes, pan: str, psn: str) -> bytes:
    """ICC master key, option A (Book 2, A1.4.1): from the rightmost 16 digits of PAN and two-digit sequence number."""
    digits = ("0" * 16 + pan + psn)[-16:]
    plain = bytes.fromhex(digits)
    cipher = TripleDes(issuer_master_key)
    return with_odd_parity(cipher.encrypt(plain) + cipher.encrypt(bytes([octet ^ 0xFF for octet in plain])))


def session_key(master_key: bytes, atc: int) -> bytes:
    """Common session key for one ATC (Book 2, A1.3.1)."""
    cipher = TripleDes(master_key)
    head = atc.to_bytes(2, "big")
    left = cipher.encrypt(head + b"\xf0" + bytes(5))
    return with_odd_parity(left + cipher.encrypt(head + b"\x0f" + bytes(5)))


def application_cryptogram(master_key: bytes, values: dict, aip: bytes, atc: int, iad: bytes) -> bytes:
    """The 8-octet AC over the terminal's values (by tag), AIP, ATC and IAD; the IAD's third octet says how."""
    data = b"".join([values[tag] for tag in MACED_TAGS]) + aip + atc.to_bytes(2, "big")
    if iad[2] == CVN_10:
        return TripleDes(master_key).retail_mac(pad_method_1(data + iad[3:7]))
    if iad[2] == CVN_18:
        return TripleDes(session_key(master_key, atc)).retail_mac(pad_method_2(data + iad))
    raise ValueError("cryptogram version %d is not modelled" % iad[2])


def chip_mac(master_key: bytes, data: bytes) -> bytes:
    """A MAC for the chip's own purposes; ATC 0 is never used for a cryptogram, so its session key is free."""
    return TripleDes(session_key(master_key, 0)).retail_mac(pad_method_2(data))


def sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).digest()


class RsaKey:
    """An RSA private key in Chinese remainder form; all numbers as big-endian octets."""

    def __init__(self, key: dict):
        self._p = int.from_bytes(key["p"], "big")
        self._q = int.from_bytes(key["q"], "big")
        self._dp = int.from_bytes(key["dp"], "big")
        self._dq = int.from_bytes(key["dq"], "big")
        self._qinv = int.from_bytes(key["qinv"], "big")
        self.size = len(key["n"])  # of the modulus, in octets

    def sign(self, message: bytes) -> bytes:
        """The private operation on a message as long as the modulus."""
        number = int.from_bytes(message, "big")
        by_p = pow(number % self._p, self._dp, self._p)
        by_q = pow(number % self._q, self._dq, self._q)
        quotient = (by_p - by_q) * self._qinv % self._p
        return (by_q + quotient * self._q).to_bytes(self.size, "big")


def signed_dynamic_data(key: RsaKey, icc_dynamic_data: bytes, hashed_with: bytes) -> bytes:
    """Signed Dynamic Application Data, format 5 (Book 2, tables 15 and 18).

    `hashed_with` is what the terminal contributes to the hash: the DDOL data for DDA, the Unpredictable Number for CDA.
    """
    head = b"\x05\x01" + bytes([len(icc_dynamic_data)]) + icc_dynamic_data
    body = head + b"\xbb" * (key.size - 22 - len(head))
    return key.sign(b"\x6a" + body + sha1(body + hashed_with) + b"\xbc")
