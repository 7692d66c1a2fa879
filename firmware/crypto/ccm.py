"""Authenticated encryption: AES-128-CCM (RFC 3610) with an 8-octet tag and a 13-octet nonce, over built-in ECB and CBC."""

import cryptolib

from firmware.crypto import constant_time

KEY_OCTETS = 16
NONCE_OCTETS = 13
TAG_OCTETS = 8
PLAINTEXT_MAX = 0xFFFF
ASSOCIATED_DATA_MAX = 0xFEFF  # from here on RFC 3610, 2.2 uses a longer length field, which no frame needs

_BLOCK = 16
_ECB = 1
_CBC = 2
_L_MINUS_1 = 1  # L = 2: the length and the block counter have two octets
_M_CODE = (TAG_OCTETS - 2) // 2


class AuthenticationError(Exception):
    """The tag does not fit: wrong key, nonce or associated data, or changed octets."""


class LengthRefused(Exception):
    """A key, nonce, plaintext or associated data of a length that this mode does not take."""


class AesCcm:
    """One AES-128 key for CCM with M = 8 and L = 2; a nonce must never be used for two different messages."""

    def __init__(self, key: bytes) -> None:
        _check_length("key", len(key), KEY_OCTETS, KEY_OCTETS)
        self._key = bytes(key)
        self._ecb = cryptolib.aes(self._key, _ECB)

    def encrypt(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """The ciphertext, as long as `plaintext` (0..65535 octets), and the 8-octet tag behind it."""
        _check_length("plaintext", len(plaintext), 0, PLAINTEXT_MAX)
        stream = self._key_stream(nonce, len(plaintext))
        tag = self._tag(nonce, plaintext, associated_data, stream)
        return _exclusive_or(plaintext, stream[_BLOCK:]) + tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """The plaintext of `data` = ciphertext and tag; raises `AuthenticationError` and gives out nothing otherwise."""
        length = len(data) - TAG_OCTETS
        if length < 0:
            raise AuthenticationError("%d octets cannot hold a tag of %d" % (len(data), TAG_OCTETS))
        _check_length("ciphertext", length, 0, PLAINTEXT_MAX)
        stream = self._key_stream(nonce, length)
        plaintext = _exclusive_or(data[:length], stream[_BLOCK:])
        if not constant_time.equal(self._tag(nonce, plaintext, associated_data, stream), data[length:]):
            raise AuthenticationError("the tag of %d octets does not fit" % length)
        return plaintext

    def _key_stream(self, nonce: bytes, length: int) -> bytearray:
        """The encrypted counter blocks 0, 1, ... for the tag and `length` octets (RFC 3610, 2.3), by one ECB call."""
        _check_length("nonce", len(nonce), NONCE_OCTETS, NONCE_OCTETS)
        count = 1 + (length + _BLOCK - 1) // _BLOCK
        blocks = bytearray(_BLOCK * count)
        head = bytes((_L_MINUS_1,)) + nonce
        for number in range(count):
            start = _BLOCK * number
            blocks[start : start + 14] = head
            blocks[start + 14] = number >> 8
            blocks[start + 15] = number & 0xFF
        self._ecb.encrypt(blocks, blocks)
        return blocks

    def _tag(self, nonce: bytes, plaintext: bytes, associated_data: bytes, stream: bytes) -> bytes:
        """The encrypted CBC-MAC (RFC 3610, 2.2 and 2.3), by one CBC call."""
        _check_length("associated data", len(associated_data), 0, ASSOCIATED_DATA_MAX)
        blocks = bytearray((_M_CODE << 3 | _L_MINUS_1,))
        blocks.extend(nonce)
        blocks.extend(len(plaintext).to_bytes(2, "big"))
        if associated_data:
            blocks[0] |= 0x40
            blocks.extend(len(associated_data).to_bytes(2, "big"))
            blocks.extend(associated_data)
            blocks.extend(bytes(-len(blocks) % _BLOCK))
        blocks.extend(plaintext)
        blocks.extend(bytes(-len(blocks) % _BLOCK))
        cryptolib.aes(self._key, _CBC, bytes(_BLOCK)).encrypt(blocks, blocks)
        last = len(blocks) - _BLOCK
        return _exclusive_or(blocks[last : last + TAG_OCTETS], stream)


def _exclusive_or(octets: bytes, stream: bytes) -> bytes:
    """`octets` combined with the start of `stream`: as two integers, which beats a loop over octets."""
    length = len(octets)
    return (int.from_bytes(octets, "big") ^ int.from_bytes(stream[:length], "big")).to_bytes(length, "big")


def _check_length(what: str, length: int, least: int, most: int) -> None:
    if length < least or length > most:
        raise LengthRefused("%s: %d octets, not %d..%d" % (what, length, least, most))
