"""The key maker with an ATECC608: both private keys are made in the chip and never leave it.

The interface is that of `signer` (see there), and two more, because the chip counts what no flash image can turn back:

    bind(sequence)    after each commit, and once after boot: the chip counts the commits; finds a rolled-back journal
    counter()         how many commits the chip has counted for this generation, or a few more

Everything that needs the chip keeps the processor while it computes: the journal's commit cannot wait for another task.
With the clock divider that `atecc608_setup` sets, a seal takes 150 ms at most (digest 20, signature 115, bus 15; chips
are reported to sign in 60 to 70), and under 0.9 s where the bus fails three times and the seal with it.
"""

from firmware.crypto.entropy import WatchedEntropy
from firmware.crypto.p256 import decode_public_key, verify_steps
from firmware.crypto.p256_comb import finish
from firmware.crypto.p256_curve import N
from firmware.crypto.signer import agreement_infos, labelled_keys, seal_digest

# An increment that loses its power may count more than one (data sheet, Counter). The chip keeps its count in runs of 16
# bits, so one such accident is taken for at most so many; the sheet does not say. Over the life of a generation a journal
# that is put back is found after at most so many records.
EXCESS_MAX = 16
_STALLS_MAX = 3


class SignatureRefused(Exception):
    """What the chip gave is no signature; names the number that is out of range."""


class JournalRolledBack(Exception):
    """The chip has counted more commits than the journal holds; `records` tells how many more."""

    def __init__(self, records: int) -> None:
        super().__init__("journal is %d records behind the chip's counter" % records)
        self.records = records


class CounterStuck(Exception):
    """The chip's counter does not move."""


class AteccSigner:
    """`chip`: an Atecc608 of `firmware.drivers`, set up. `counter_base`: its head counter when the keys were made.

    Methods that ask the chip raise its `AteccError`, and then nothing has changed.
    """

    def __init__(
        self, chip, counter_base: int, seal_slot: int = 0, agree_slot: int = 1, counter_index: int = 0
    ) -> None:
        self._chip = chip
        self._counter_base = counter_base
        self._seal_slot = seal_slot
        self._agree_slot = agree_slot
        self._counter_index = counter_index
        self._seal_public = None
        self._agree_public = None
        self._excess = None
        self._entropy = WatchedEntropy(lambda count: chip.random()[:count])
        self._entropy.draw()  # a generator that is stuck, or not yet locked, shows at the second draw

    @property
    def entropy_ok(self) -> bool:
        """Whether samples of the chip's generator, which makes the nonces, may be believed."""
        return self._entropy.ok

    @property
    def is_ready(self) -> bool:
        """Always: there is nothing to work out ahead of a seal."""
        return True

    def public_keys(self) -> tuple:
        """(seal key, agreement key), 64 octets each; asked of the chip when first needed."""
        if self._agree_public is None:
            self._agree_public = self._public_key(self._agree_slot)
        return self._seal_key(), self._agree_public

    def seal(self, kid: int, sequence: int, chain: bytes) -> bytes:
        """ECDSA over SHA-256(domain of seals || kid || sequence || chain), 32 + 32 bits and 32 octets.

        The chip gives s of either half; the lower one of s and n - s is taken. Raises `SealRefused`, `SignatureRefused`.
        """
        signature = self._chip.sign(self._seal_slot, seal_digest(kid, sequence, chain))
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
        return (yield from verify_steps(self._seal_key(), digest, seal, True))

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
        shared = self._chip.shared_x(self._agree_slot, bytes(public))
        yield
        return labelled_keys(shared, salt, infos, lengths)

    def refill(self, step_budget: int) -> bool:
        """Nothing to work ahead: the chip makes its nonces itself."""
        return False

    def drop(self) -> None:
        """Nothing to forget: no key and no nonce is outside the chip."""

    # ---------------------------------------------------------------- the counter

    def counter(self) -> int:
        """Commits that the chip has counted since this generation's keys were made."""
        return int(self._chip.counter(self._counter_index)) - self._counter_base

    def bind(self, sequence: int) -> None:
        """Let the chip count up to the journal's head `sequence`: after a commit, before it is shown. 25 ms for each.

        After boot, where power may have failed between commit and counting, this catches up. Raises
        `JournalRolledBack` where the chip is ahead by more than an accident explains, and `CounterStuck`.
        """
        finish(self.bind_steps(sequence))

    def bind_steps(self, sequence: int):
        """Generate `bind`, yielding after each count."""
        value = self.counter()
        if self._excess is None:
            # What the chip is ahead by at boot stays: counting goes on from there, so it adds up over all boots.
            excess = max(0, value - sequence)
            if excess > EXCESS_MAX:
                raise JournalRolledBack(excess)
            self._excess = excess
        stalls = 0
        while value < sequence + self._excess:
            yield
            before = value
            value = int(self._chip.increment(self._counter_index)) - self._counter_base
            stalls = 0 if value > before else stalls + 1
            if stalls == _STALLS_MAX:
                raise CounterStuck("chip's counter stays at %d" % (value + self._counter_base))

    # ---------------------------------------------------------------- keys

    def _seal_key(self) -> bytes:
        if self._seal_public is None:
            self._seal_public = self._public_key(self._seal_slot)
        return self._seal_public

    def _public_key(self, slot: int) -> bytes:
        """A public key of the chip, if it is one."""
        public = self._chip.public_key(slot)
        decode_public_key(public)
        return public
