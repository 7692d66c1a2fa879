"""The issuer's side of a card proof: rebuilds the CDOL1 data from the record and checks the cryptogram with pyemv."""

from dataclasses import dataclass
from typing import Any

from pyemv import ac, kd

from firmware.card import dol
from protocol.policy import KIND_BANK, Application, Policy
from protocol.records import TENDER_CASH, CardProof

# Amounts under a cryptogram have the two decimals that ISO 4217 gives the rupiah.
MINOR_UNITS = 100
CVN_10 = 10
CVN_18 = 18

_TERMINAL_TYPES = {KIND_BANK: b"\x22"}
_PROGRAMME_TERMINAL_TYPE = b"\x23"
# What the issuer's MAC covers before AIP, ATC and the IAD, for both versions.
_MACED = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37)


@dataclass(frozen=True)
class IssuedCard:
    """A card as its issuer knows it; `master_key` is the issuer's for that application."""

    pan: str
    pan_sequence: str
    application_index: int
    master_key: bytes


class Issuer:
    """The cards of an issuer file (see `tools.district.issuer_file`) under a policy."""

    def __init__(self, issued: dict[str, Any], policy: Policy) -> None:
        self._policy = policy
        self._keys = {int(index): bytes.fromhex(key) for index, key in issued["master_keys"].items()}
        self._cards = {
            bytes.fromhex(key): IssuedCard(
                card["pan"],
                card["pan_sequence"],
                card["application_index"],
                self._keys[card["application_index"]],
            )
            for key, card in issued["cards"].items()
        }

    def refuses(
        self, card_key: bytes, proof: CardProof, amount_rupiah: int, tender: int, unpredictable_number: bytes
    ) -> str | None:
        """Why the proof does not hold, or None when the card's cryptogram is right."""
        card = self._cards.get(card_key)
        if card is None:
            return "unknown card"
        if proof.application_index >= len(self._policy.applications):
            return "unknown application"
        if card.application_index != proof.application_index:
            return "not an application of this card"
        application = self._policy.applications[proof.application_index]
        values = terminal_data(application, proof, amount_rupiah, tender, unpredictable_number)
        expected = self._expected(card, application, proof, values)
        if expected is None:
            return "cryptogram of an unknown kind"
        return None if expected == proof.ac else "cryptogram does not verify"

    def _expected(
        self, card: IssuedCard, application: Application, proof: CardProof, values: dict[int, bytes]
    ) -> bytes | None:
        """The cryptogram that the card should have made, or None where CDOL1 or the version are not known."""
        given = _by_tag(application.cdol1, dol.build(application.cdol1, values))
        if any(tag not in given for tag in _MACED):
            return None
        data = b"".join(given[tag] for tag in _MACED) + proof.aip + proof.atc.to_bytes(2, "big")
        icc_key = kd.derive_icc_mk_a(card.master_key, card.pan, card.pan_sequence)
        version = proof.iad[2] if len(proof.iad) > 2 else 0
        if version == CVN_10:
            return ac.generate_ac(icc_key, data + proof.iad[3:7], ac.PaddingType.VISA)
        if version == CVN_18:
            session_key = kd.derive_common_sk(icc_key, proof.atc.to_bytes(2, "big"))
            return ac.generate_ac(session_key, data + proof.iad, ac.PaddingType.EMV)
        return None


def terminal_data(
    application: Application, proof: CardProof, amount_rupiah: int, tender: int, unpredictable_number: bytes
) -> dict[int, bytes]:
    """The terminal's data objects by tag, rebuilt from the record and the policy alone."""
    return {
        0x9F02: _bcd(amount_rupiah * MINOR_UNITS),
        0x9F03: bytes(6),
        0x9F1A: application.country_code.to_bytes(2, "big"),
        0x95: proof.tvr,
        0x5F2A: application.currency_code.to_bytes(2, "big"),
        0x9A: proof.transaction_date,
        0x9C: b"\x01" if tender == TENDER_CASH else b"\x00",
        0x9F37: unpredictable_number,
        0x9F35: _TERMINAL_TYPES.get(application.kind, _PROGRAMME_TERMINAL_TYPE),
        0x9F45: bytes(2),
        0x9F34: proof.cvm_results,
    }


def _by_tag(cdol1: bytes, data: bytes) -> dict[int, bytes]:
    """The values in CDOL1 data as the card received them."""
    found = {}
    offset = 0
    for tag, length in dol.entries(cdol1):
        found[tag] = data[offset : offset + length]
        offset += length
    return found


def _bcd(number: int) -> bytes:
    """Format n, 12 digits."""
    return bytes.fromhex(f"{number:012d}")
