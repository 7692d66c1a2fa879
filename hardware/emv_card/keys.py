"""Makes RSA keys for test cards, repeatably from a seed or fresh; the same on CPython and MicroPython.

Good enough to play an issuer with; no bank's key was ever made like this.
"""

import hashlib
import os

EXPONENT = 3  # what most EMV keys have, and the cheapest for the terminal (Book 2, 5.1)
_MILLER_RABIN_ROUNDS = 20
_STEP = 1024  # odd numbers tried from one starting point


class Stream:
    """SHA-256 of a seed and a counter as a stream of octets."""

    def __init__(self, seed: bytes):
        self._seed = seed
        self._count = 0

    def octets(self, size: int) -> bytes:
        """The next `size` octets."""
        out = b""
        while len(out) < size:
            self._count += 1
            out += hashlib.sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        return out[:size]


def sub_stream(seed, *parts: str) -> Stream:
    """The stream of one purpose: repeatable when there is a seed, fresh when it is None."""
    if seed is None:
        return Stream(os.urandom(32))
    return Stream(hashlib.sha256(seed + "/".join(parts).encode()).digest())


def inverse(value: int, modulus: int) -> int:
    """The inverse of `value` modulo `modulus`, which MicroPython's `pow` does not give."""
    a, b, x, y = value % modulus, modulus, 1, 0
    while a:
        quotient = b // a
        a, b = b - quotient * a, a
        x, y = y - quotient * x, x
    return y % modulus


def _small_primes():
    found = []
    for number in range(3, 1000, 2):
        if all(number % prime for prime in found):
            found.append(number)
    return found


def _sieved(start: int, primes):
    """The odd offsets from `start` that no small prime divides and that suit the exponent."""
    divisible = bytearray(_STEP)
    for prime in primes:
        # The first odd offset 2 * n that makes start + 2 * n divisible.
        remainder = start % prime
        n = (prime - remainder) * ((prime + 1) // 2) % prime if remainder else 0
        while n < _STEP:
            divisible[n] = 1
            n += prime
    return [2 * n for n in range(_STEP) if not divisible[n] and (start + 2 * n) % EXPONENT != 1]


def _is_prime(candidate: int, stream: Stream) -> bool:
    """Miller-Rabin with witnesses from the stream."""
    odd = candidate - 1
    twos = 0
    while not odd & 1:
        odd >>= 1
        twos += 1
    for _ in range(_MILLER_RABIN_ROUNDS):
        power = pow(2 + int.from_bytes(stream.octets(8), "big"), odd, candidate)
        if power == 1:
            continue
        for _ in range(twos):
            if power == candidate - 1:
                break
            power = power * power % candidate
        else:
            return False
    return True


def _prime(bits: int, stream: Stream) -> int:
    """A prime of exactly `bits` bits, the two highest set, one less than which is coprime to the exponent."""
    primes = _small_primes()
    while True:
        start = int.from_bytes(stream.octets(bits // 8), "big") | 3 << (bits - 2) | 1
        for offset in _sieved(start, primes):
            if not (start + offset) >> bits and _is_prime(start + offset, stream):
                return start + offset


def make_key(bits: int, stream: Stream) -> dict:
    """An RSA key in Chinese remainder form, all numbers as hex strings of full length; `bits` a multiple of 16."""
    p, q = _prime(bits // 2, stream), _prime(bits // 2, stream)
    key = {"n": (p * q).to_bytes(bits // 8, "big").hex(), "e": "%02x" % EXPONENT}
    dp, dq = inverse(EXPONENT, p - 1), inverse(EXPONENT, q - 1)
    for name, value in (("p", p), ("q", q), ("dp", dp), ("dq", dq), ("qinv", inverse(q, p))):
        key[name] = value.to_bytes(bits // 16, "big").hex()
    return key
