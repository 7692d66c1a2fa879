"""What a tap leaves behind: the card session, which alone holds the PAN, and the proof that goes into the record."""

import hashlib

from firmware.card import oda, records, risk

# Large or telling objects that nobody needs once the certificates are checked.
_SPENT = (0x5A, 0x90, 0x92, 0x93, 0x9F46, 0x9F48)


class CardSession:
    """One card's application between first tap and record; `wipe` it when the transaction is over.

    `application`: the policy's entry. `pan`: 10 octets, digits padded with F. `pan_sequence`: tag 5F34, BCD as one
    number (0 where absent). `expiry`: tag 5F24, YYMMDD. `oda_level`: SDA, DDA or CDA of `firmware.card.oda`.
    `pin_binding`: SHA-256 of the ICC certificate (tag 9F46), of tag 93 for a card with static data only, else empty.
    `live`: whether the card in the field is still in the state that this session knows; whoever sees the card leave
    the field sets it to False.
    """

    def __init__(self, selected, aip: bytes, data: dict, static: bytearray) -> None:
        self.application = selected.application
        self.df_name = selected.df_name
        self.pdol = selected.pdol
        self.pdol_data = b""
        self.pdol_number = b""
        self.aip = aip
        self.data = data
        self.pan = records.padded_pan(data[0x5A])
        self.pan_sequence = data.get(0x5F34, b"\x00")[0]
        self.expiry = data[0x5F24]
        self.oda_level = oda.choose(aip)
        self.chain = oda.Chain(oda.NONE)
        self.velocity = bytes(5)
        self.live = False
        # Between an ARQC and the second GENERATE AC: the values that fill CDOL2.
        self.closing = {}
        certificate = data.get(0x93 if self.oda_level == oda.SDA else 0x9F46, b"")
        self.pin_binding = hashlib.sha256(certificate).digest() if certificate else b""
        self.static = oda.static_data(static, data, aip)
        self.identity = self._identity()

    def _identity(self) -> bytes:
        """One hash over all that must be the same when the card comes back."""
        digest = hashlib.sha256(bytes((len(self.df_name),)) + self.df_name)
        for part in (
            self.pan,
            bytes((self.pan_sequence,)),
            self.expiry,
            self.aip,
            self.pin_binding,
            self.static,
        ):
            digest.update(part)
        return digest.digest()

    def tvr(self) -> bytearray:
        """The TVR as far as the card alone decides it."""
        tvr = bytearray(self.velocity)
        if self.oda_level == oda.NONE:
            risk.note(tvr, risk.ODA_NOT_PERFORMED)
        elif self.oda_level == oda.SDA:
            risk.note(tvr, risk.SDA_SELECTED)
        return tvr

    def forget_spent(self) -> None:
        """Let go of certificates and of the PAN's copy among the data objects."""
        self.static = None
        for tag in _SPENT:
            self.data.pop(tag, None)

    def reopen(self, again: "CardSession") -> None:
        """Take over the state of the same card after it was tapped again."""
        self.data = again.data
        self.pdol_data = again.pdol_data
        self.pdol_number = again.pdol_number
        self.velocity = again.velocity
        again.wipe_pan()

    def wipe_pan(self) -> None:
        """Overwrite the PAN. Copies in answers of the card that are still garbage on the heap are out of reach."""
        for i in range(len(self.pan)):
            self.pan[i] = 0

    def wipe(self) -> None:
        """Forget everything about the card; the session cannot be used again."""
        self.wipe_pan()
        self.data = {}
        self.static = None
        self.chain = None
        self.closing = {}
        self.pdol_data = b""
        self.pin_binding = b""
        self.identity = b""
        self.live = False


class CardProof:
    """The card's answer to GENERATE AC, as the record keeps it.

    `application_index`, `pan_sequence`, `transaction_date` (YYMMDD), `cid`, `atc` (numbers), `ac` (8), `tvr` (5),
    `aip` (2), `cvm_results` (3), `iad` (0 to 32 octets). Beside the record: `unpredictable_number` (4), `oda_level`,
    `is_signed` (whether CDA covered the cryptogram), `icc_dynamic_number` (empty where unsigned).
    """

    application_index: int
    pan_sequence: int
    transaction_date: bytes
    cid: int
    atc: int
    ac: bytes
    tvr: bytes
    aip: bytes
    cvm_results: bytes
    iad: bytes
    unpredictable_number: bytes
    oda_level: int
    is_signed: bool
    icc_dynamic_number: bytes
