"""Driver: HMAC, HKDF, HMAC-DRBG, CCM and P-256 of the firmware, one operation per request.

A request is the operation's name and its arguments, each behind its length in two octets.
"""

import hashlib

from firmware.crypto import hkdf, p256, rfc6979, signing
from firmware.crypto.ccm import AesCcm
from firmware.crypto.hmac_drbg import HmacDrbg
from firmware.crypto.hmac_sha256 import hmac_sha256
from firmware.crypto.nonce_pool import NoncePool, seed_nonces
from firmware.crypto.p256_comb import finish
from tests.property.drivers.chunks import chunks


def number(octets):
    return int.from_bytes(octets, "big")


def truth(value):
    return b"\x01" if value else b"\x00"


def drbg(script, entropy, nonce, personalization):
    """Script: per request a letter (g: generate, r: reseed), a length in 2 octets, that many octets of input."""
    state = HmacDrbg(entropy, nonce, personalization)
    output = b""
    while script:
        length = number(script[1:3])
        given = script[3 : 3 + length]
        if script[:1] == b"r":
            state.reseed(given[: length // 2], given[length // 2 :])
        else:
            output += state.generate(length, given)
        script = script[3 + length :]
    return output


def sign(private, message):
    digest = hashlib.sha256(message).digest()
    k = next(rfc6979.nonces(number(private), digest))
    return signing.finish_signature(finish(signing.entry_steps(number(private), k)), digest)


def sign_from_pool(private, entropy, boot_counter, message):
    pool = NoncePool(number(private), seed_nonces(number(private), entropy, number(boot_counter)), 1)
    while pool.step(7):
        pass
    return signing.finish_signature(pool.take(), hashlib.sha256(message).digest())


OPERATIONS = {
    b"hmac": hmac_sha256,
    b"hkdf": lambda secret, salt, info, length: hkdf.hkdf_sha256(secret, salt, info, number(length)),
    b"drbg": drbg,
    b"ccm encrypt": lambda key, nonce, plaintext, aad: AesCcm(key).encrypt(nonce, plaintext, aad),
    b"ccm decrypt": lambda key, nonce, data, aad: AesCcm(key).decrypt(nonce, data, aad),
    b"public key": lambda private: p256.public_key(number(private)),
    b"is public key": lambda public: truth(p256.decode_public_key(public)),
    b"sign": sign,
    b"sign from pool": sign_from_pool,
    b"verify": lambda public, message, signature: truth(
        p256.verify(public, hashlib.sha256(message).digest(), signature)
    ),
    b"shared x": lambda private, public: p256.shared_x(number(private), public),
}


def handle(request):
    """Split the request and answer with what the operation returns."""
    fields = chunks(request)
    return OPERATIONS[fields[0]](*fields[1:])
