"""An ATECC608 under the books: it seals, counts the commits, and may fail without taking the terminal along.

While the chip does not do what it must, nothing is committed: sales are refused with SEAL_FAULT, everything else goes on,
and `upkeep` asks the chip again until it answers.
"""

from firmware.crypto.atecc_signer import AteccSigner, OtherKey, SignatureRefused
from firmware.crypto.head_counters import CounterStuck, HeadCounters, JournalRolledBack
from firmware.drivers.atecc608_core import AteccError
from firmware.hal.flash_area import FlashError
from firmware.ledger import document_area
from firmware.ledger.document_area import DocumentsMissing, DocumentsTooLarge
from firmware.ledger.ledger import SealFault, TerminalLocked
from protocol import certificates

# Section KEY_CHIP: storage (1, as in the terminal certificate), both counters when the keys were made (4 each).
SECTION_OCTETS = 9

# What may go wrong with the chip, its counters, or with keeping where they began.
CHIP_FAILURES = (AteccError, SignatureRefused, OtherKey, CounterStuck, FlashError, DocumentsTooLarge)


def encode_section(bases: tuple) -> bytes:
    """The section that says that the keys are in the chip."""
    octets = bytes((certificates.STORAGE_ATECC608,))
    return octets + b"".join([int(base).to_bytes(4, "big") for base in bases])


def decode_section(octets: bytes) -> tuple:
    """Both counters when the keys were made; raises `DocumentsMissing` where this is no such section."""
    if len(octets) != SECTION_OCTETS or octets[0] != certificates.STORAGE_ATECC608:
        raise DocumentsMissing
    return int.from_bytes(octets[1:5], "big"), int.from_bytes(octets[5:9], "big")


class KeyChip:
    """`chip`: an Atecc608 of `firmware.drivers`. `signer` is the key maker; `last_error` None while all is well."""

    def __init__(self, chip, documents, ledger) -> None:
        self._documents = documents
        self._ledger = ledger
        bases = decode_section(documents.get(document_area.KEY_CHIP))
        body, _ = certificates.split_signature(
            documents.get(document_area.TERMINAL_CERTIFICATE), "terminal certificate"
        )
        certificate = certificates.decode_terminal(body)
        self.signer = AteccSigner(chip, (certificate.seal_key, certificate.agreement_key))
        self._counters = HeadCounters(chip, bases, self._save_bases)
        self._is_started = False
        self.last_error = None

    def _save_bases(self, bases: tuple) -> None:
        self._documents.save({document_area.KEY_CHIP: encode_section(bases)})

    def seal(self, sequence: int, chain: bytes) -> bytes:
        """The seal of a record that is about to be committed, once every record before it is counted.

        Raises `SealFault`, or `TerminalLocked` where the journal was put back.
        """
        if not self._is_caught_up(sequence - 1):
            raise TerminalLocked if self._ledger.is_behind else SealFault
        try:
            return self.signer.seal(self._ledger.kid, sequence, chain)
        except CHIP_FAILURES as error:
            self.last_error = error
            raise SealFault

    def count(self, sequence: int) -> None:
        """A record was committed: count it before it is shown. Where that fails it is made up for before the next one."""
        self._is_caught_up(sequence)

    def look(self) -> bool:
        """After boot, and again while there is a failure: whether the chip is the right one and has counted all."""
        return self._is_caught_up(self._ledger.journal.sequence)

    def failed(self, error: Exception) -> None:
        """Somebody else heard of a failure first."""
        self.last_error = error

    def _is_caught_up(self, sequence: int) -> bool:
        try:
            if not self._is_started:
                self.signer.start()
                self._is_started = True
            self._counters.bind(sequence)
        except JournalRolledBack:
            self._ledger.is_behind = True
            return False
        except CHIP_FAILURES as error:
            self.last_error = error
            return False
        self.last_error = None
        return True
