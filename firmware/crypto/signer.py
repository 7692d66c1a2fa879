"""The one gate to the terminal's private keys: what a key maker offers, and the maker in software.

A key maker (this one; an ATECC608 offers the same) has exactly:

    public_keys() -> (seal key, agreement key)       64 octets each
    seal(kid, sequence, chain) -> seal               64 octets r || s, s <= n/2
    verify_own(kid, sequence, chain, seal) -> bool   before the frame with this seal is first sent
    agree(public, info_for, salt, lengths) -> keys   keys derived from the secret shared with a gateway
    verify_own_steps(...), agree_steps(...)          these two as generators that yield, for idle time
    refill(step_budget) -> bool                      work ahead in idle time; False when there is nothing to do
    is_ready                                         whether the next seal takes no more than it must at the tap
    drop()                                           forget what was worked out ahead
    entropy_ok                                       False: the source of randomness is in doubt, report it

Nothing signs a digest that the caller computed: what is signed starts with the domain of seals, which is fixed here.
Nothing returns the shared secret itself. Whoever holds the opened terminal holds a software key.
"""

import hashlib

from firmware.crypto.entropy import WatchedEntropy
from firmware.crypto.hkdf import hkdf_expand, hkdf_extract
from firmware.crypto.hmac_drbg import ReseedRequired
from firmware.crypto.nonce_pool import NoncePool, seed_nonces
from firmware.crypto.p256 import check_private_key, public_key_steps, shared_x_steps, verify_steps
from firmware.crypto.p256_comb import finish
from firmware.crypto.rfc6979 import nonces
from firmware.crypto.signing import entry_steps, finish_signature
from protocol.chain import seal_message

CHAIN_OCTETS = 32


class SealRefused(Exception):
    """A kid, sequence or chain value that no seal can be over; names the field."""


class AgreementRefused(Exception):
    """Labels that would give one key twice."""


class SoftwareSigner:
    """Both private keys (integers in 1..n-1) in RAM; the caller has burned `boot_counter` in flash for this object.

    `entropy(count) -> bytes` is the board's source of randomness (see `WatchedEntropy`), `extra_entropy` whatever else
    is at hand (an ATECC's random number). Raises `InvalidPrivateKey`.
    """

    def __init__(
        self, seal_private: int, agree_private: int, entropy, boot_counter: int, extra_entropy: bytes = b""
    ) -> None:
        check_private_key(seal_private)
        check_private_key(agree_private)
        self._seal_private = seal_private
        self._agree_private = agree_private
        self._entropy = WatchedEntropy(entropy)
        self._drbg = seed_nonces(seal_private, self._entropy.draw() + extra_entropy, boot_counter)
        self._pool = NoncePool(seal_private, self._drbg)
        self._seal_public = None
        self._agree_public = None

    @property
    def entropy_ok(self) -> bool:
        """Whether the source of randomness may be believed; while not, nonces come from key and message alone."""
        return self._entropy.ok

    @property
    def is_ready(self) -> bool:
        """Whether a nonce was worked out ahead, so that a seal takes one multiplication."""
        return len(self._pool) > 0

    def public_keys(self) -> tuple:
        """(seal key, agreement key), 64 octets each; each worked out when it is first needed."""
        if self._agree_public is None:
            self._agree_public = finish(public_key_steps(self._agree_private))
        return finish(self._seal_public_steps()), self._agree_public

    def seal(self, kid: int, sequence: int, chain: bytes) -> bytes:
        """ECDSA over SHA-256(domain of seals || kid || sequence || chain), 32 + 32 bits and 32 octets.

        One multiplication with an entry of the pool. Where that is empty, as it is while entropy is in doubt, RFC 6979
        on the message, which takes a multiplication of points. Raises `SealRefused`.
        """
        digest = seal_digest(kid, sequence, chain)
        entry = self._pool.take()
        seal = finish_signature(entry, digest) if entry else None
        return seal or self._sign_deterministically(digest)

    def verify_own(self, kid: int, sequence: int, chain: bytes, seal: bytes) -> bool:
        """Whether `seal` is this terminal's, low-s, over these values."""
        return finish(self.verify_own_steps(kid, sequence, chain, seal))

    def verify_own_steps(self, kid: int, sequence: int, chain: bytes, seal: bytes):
        """Generate `verify_own`, yielding after each step (see `p256`)."""
        digest = seal_digest(kid, sequence, chain)
        public = yield from self._seal_public_steps()
        return (yield from verify_steps(public, digest, seal, True))

    def agree(self, public: bytes, info_for, salt: bytes, lengths) -> dict:
        """Keys by label from the secret shared with `public` (64 octets), which an authority's certificate must hold.

        For each (label, octets) in `lengths`: HKDF-SHA-256 of the secret with `salt` and info `info_for(label)`. Raises
        `InvalidPublicKey`, `LengthRefused`, and `AgreementRefused` where two labels or two infos are the same.
        """
        return finish(self.agree_steps(public, info_for, salt, lengths))

    def agree_steps(self, public: bytes, info_for, salt: bytes, lengths):
        """Generate `agree`, yielding after each step (see `p256`)."""
        infos = agreement_infos(info_for, lengths)
        shared = yield from shared_x_steps(self._agree_private, public)
        return labelled_keys(shared, salt, infos, lengths)

    def refill(self, step_budget: int) -> bool:
        """Spend up to `step_budget` steps (see `p256`) on the pool; whether work is left."""
        if not self._entropy.ok:
            return False
        try:
            return self._pool.step(step_budget)
        except ReseedRequired:
            self._drbg.reseed(self._entropy.draw())
        if not self._entropy.ok:
            self.drop()
        return self._entropy.ok

    def drop(self) -> None:
        """Forget the nonces worked out ahead (tamper, watchdog)."""
        self._pool.drop()

    def _sign_deterministically(self, digest: bytes) -> bytes:
        candidates = nonces(self._seal_private, digest)
        while True:
            entry = finish(entry_steps(self._seal_private, next(candidates)))
            signature = finish_signature(entry, digest) if entry else None
            if signature:
                return signature

    def _seal_public_steps(self):
        if self._seal_public is None:
            self._seal_public = yield from public_key_steps(self._seal_private)
        return self._seal_public


def agreement_infos(info_for, lengths) -> list:
    """HKDF's info for each (label, octets); raises `AgreementRefused` where two labels or two infos are the same."""
    labels = [label for label, _ in lengths]
    infos = [info_for(label) for label in labels]
    if len(set(infos)) != len(infos) or len(set(labels)) != len(labels):
        raise AgreementRefused("two of %d labels give one key" % len(labels))
    return infos


def labelled_keys(shared: bytes, salt: bytes, infos: list, lengths) -> dict:
    """Keys by label from a shared secret: HKDF-SHA-256 with one info each."""
    pseudo_random_key = hkdf_extract(salt, shared)
    keys = {}
    for position in range(len(infos)):
        label, octets = lengths[position]
        keys[label] = hkdf_expand(pseudo_random_key, infos[position], octets)
    return keys


def seal_digest(kid: int, sequence: int, chain: bytes) -> bytes:
    """SHA-256 of what a seal signs; refuses what the fixed widths would cut off."""
    if kid < 0 or kid >> 32:
        raise SealRefused("kid: not in 32 bits")
    if sequence < 0 or sequence >> 32:
        raise SealRefused("sequence: not in 32 bits")
    if len(chain) != CHAIN_OCTETS:
        raise SealRefused("chain: %d octets, not %d" % (len(chain), CHAIN_OCTETS))
    return hashlib.sha256(seal_message(kid, sequence, chain)).digest()
