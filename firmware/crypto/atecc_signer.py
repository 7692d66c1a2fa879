"""The key maker with an ATECC608: both private keys are made in the chip and never leave it.

The interface is that of `signer` (see there), and `start`, which asks the chip whether it is the right one.

Everything that needs the chip keeps the processor while it computes: the journal's commit cannot wait for another task.
With the clock divider that `atecc608_setup` sets, a seal takes 150 ms at most (digest 20, signature 115, bus 15; chips
are reported to sign in 60 to 70), and under 0.9 s where the bus fails three times and the seal with it.
"""

from firmware.crypto.entropy import WatchedEntropy
from firmware.crypto.p256 import decode_public_key, verify_steps
from firmware.crypto.p256_comb import finish
from firmware.crypto.p256_curve import N
from firmware.crypto.signer import agreement_infos, labelled_keys, seal_digest

SEAL_SLOT = 0
AGREEMENT_SLOT = 1


class SignatureRefused(Exception):
    """What the chip gave is no signature; names the number that is out of range."""


class OtherKey(Exception):
    """The chip's seal key is not the certified one: another chip, or keys that were made anew."""


class AteccSigner:
    """`chip`: an Atecc608 of `firmware.drivers`, set up. `public_keys`: (seal key, agreement key) as they were certified, so
    that seals are checked even while the chip is silent; None before there is a certificate.

    Methods that ask the chip raise its `AteccError`, and then nothing has changed.
    """

    def __init__(self, chip, public_keys: "tuple | None" = None) -> None:
        self._chip = chip
        self._public_keys = public_keys
        self._entropy = None

    def start(self) -> None:
        """Learn the chip's pace, compare its seal key with the certified one (`OtherKey`), and look at its generator.

        To be called before the first seal, and again until it does not raise.
        """
        self._chip.identify()
        certified = self.public_keys()
        if self._chip.public_key(SEAL_SLOT) != certified[0]:
            raise OtherKey("the chip's seal key is not the certified one")
        entropy = WatchedEntropy(lambda count: self._chip.random()[:count])
        entropy.draw()  # a generator that is stuck, or not yet locked, shows at the second draw
        self._entropy = entropy

    @property
    def entropy_ok(self) -> bool:
        """Whether samples of the chip's generator, which makes the nonces, may be believed."""
        return self._entropy is None or self._entropy.ok

    @property
    def is_ready(self) -> bool:
        """Always: there is nothing to work out ahead of a seal."""
        return True

    def public_keys(self) -> tuple:
        """(seal key, agreement key), 64 octets each; asked of the chip when first needed, where none were handed in."""
        if self._public_keys is None:
            self._public_keys = (self._public_key(SEAL_SLOT), self._public_key(AGREEMENT_SLOT))
        return self._public_keys

    def seal(self, kid: int, sequence: int, chain: bytes) -> bytes:
        """ECDSA over SHA-256(domain of seals || kid || sequence || chain), 32 + 32 bits and 32 octets.

        The chip gives s of either half; the lower one of s and n - s is taken. Raises `SealRefused`, `SignatureRefused`.
        """
        signature = self._chip.sign(SEAL_SLOT, seal_digest(kid, sequence, chain))
        r = int.from_bytes(signature[:32], "big")
        s = int.from_bytes(signature[32:], "big")
        if r == 0 or r >= N:
            raise SignatureRefused("chip's signature: r is not in 1..n-1")
        if s == 0 or s >= N:
            raise SignatureRefused("chip's signature: s is not in 1..n-1")
        if s > N >> 1:
            signature = signature[:32] + (N - s).to_bytes(32, "big")
        return signature

    def verify_own(self, kid: int, sequence: int, chain: bytes, seal: bytes) -> bool:
        """Whether `seal` is this terminal's, low-s, over these values; computed here, to check the chip's work."""
        return finish(self.verify_own_steps(kid, sequence, chain, seal))

    def verify_own_steps(self, kid: int, sequence: int, chain: bytes, seal: bytes):
        """Generate `verify_own`, yielding after each step (see `p256`)."""
        digest = seal_digest(kid, sequence, chain)
        return (yield from verify_steps(self.public_keys()[0], digest, seal, True))

    def agree(self, public: bytes, info_for, salt: bytes, lengths) -> dict:
        """Keys by label from the secret shared with `public` (64 octets), which an authority's certificate must hold.

        As `SoftwareSigner.agree`, with the same errors. The secret crosses the bus in the clear.
        """
        return finish(self.agree_steps(public, info_for, salt, lengths))

    def agree_steps(self, public: bytes, info_for, salt: bytes, lengths):
        """Generate `agree`; the chip's 75 ms are one step, because other traffic must not come between."""
        infos = agreement_infos(info_for, lengths)
        decode_public_key(public)
        yield
        shared = self._chip.shared_x(AGREEMENT_SLOT, bytes(public))
        yield
        return labelled_keys(shared, salt, infos, lengths)

    def refill(self, step_budget: int) -> bool:
        """Nothing to work ahead: the chip makes its nonces itself."""
        return False

    def drop(self) -> None:
        """Nothing to forget: no key and no nonce is outside the chip."""

    def _public_key(self, slot: int) -> bytes:
        """A public key of the chip, if it is one."""
        public = self._chip.public_key(slot)
        decode_public_key(public)
        return public
