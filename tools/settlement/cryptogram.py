"""The issuer's side of a card proof: what the card was given, rebuilt from record and policy; its MAC, by pyemv."""

from dataclasses import dataclass
from typing import Any

from pyemv import ac, kd

from firmware.card import dol
from firmware.card.errors import CardError
from protocol.policy import KIND_PROGRAMME, Application, Policy
from protocol.records import TENDER_CASH, CardProof

# Amounts under a cryptogram have the two decimals that ISO 4217 gives the rupiah.
MINOR_UNITS = 100
CVN_10 = 10
CVN_18 = 18

# Cryptogram types in tag 9F27, and in the CVR as what the first GENERATE AC answered. The CID is not under the MAC,
# the CVR is: so both have to say the same.
CID_TYPE = 0xC0
AAC = 0x00
TC = 0x40
ARQC = 0x80
_CVR_FIRST = {AAC: 0x00, TC: 0x10, ARQC: 0x20}
_CVR_FIRST_MASK = 0x30
_CVR_AT = 4
_VERSION_AT = 2
_CVR_END = 7

# What the issuer's MAC covers before AIP, ATC and the IAD, for both versions.
_MACED = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37)


@dataclass(frozen=True)
class Transaction:
    """What the terminal told the card, beside what stands in the proof: `unpredictable_number` has 4 octets."""

    amount_rupiah: int
    tender: int
    unpredictable_number: bytes


@dataclass(frozen=True)
class IssuedCard:
    """A card as its issuer knows it; `master_key` is the issuer's for that application."""

    pan: str
    pan_sequence: str
    application_index: int
    master_key: bytes


class IssuerFileError(Exception):
    """The issuer file does not hold what it should."""


class Issuer:
    """The cards of an issuer file (see `tools.district.issuer_file`)."""

    def __init__(self, issued: dict[str, Any]) -> None:
        try:
            keys = {int(index): bytes.fromhex(key) for index, key in issued["master_keys"].items()}
            self._cards = {
                bytes.fromhex(key): IssuedCard(
                    card["pan"],
                    card["pan_sequence"],
                    card["application_index"],
                    keys[card["application_index"]],
                )
                for key, card in issued["cards"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IssuerFileError(f"issuer file: {type(error).__name__}") from error

    def refuses(
        self, policy: Policy, card_key: bytes, proof: CardProof, transaction: Transaction, declined: bool
    ) -> str | None:
        """Why the proof does not hold, or None when the card's cryptogram is right.

        `declined`: an AAC is wanted (the second tap of a void); else what the application's kind gives: TC or ARQC.
        """
        card = self._cards.get(card_key)
        if card is None:
            return "unknown card"
        if proof.application_index >= len(policy.applications):
            return "unknown application"
        if card.application_index != proof.application_index:
            return "not an application of this card"
        application = policy.applications[proof.application_index]
        if len(proof.iad) < _CVR_END or proof.iad[_VERSION_AT] not in (CVN_10, CVN_18):
            return "cryptogram of an unknown version"
        wanted = AAC if declined else TC if application.kind == KIND_PROGRAMME else ARQC
        if proof.cid & CID_TYPE != wanted or proof.iad[_CVR_AT] & _CVR_FIRST_MASK != _CVR_FIRST[wanted]:
            return "cryptogram of another type"
        values = terminal_data(application, proof, transaction)
        if not _asks_for(application.cdol1, values):
            return "CDOL1 without what the cryptogram covers"
        return None if _expected(card, proof, values) == proof.ac else "cryptogram does not verify"


def terminal_data(application: Application, proof: CardProof, transaction: Transaction) -> dict[int, bytes]:
    """The terminal's data objects under the cryptogram, by tag, from record and policy alone."""
    return {
        0x9F02: bytes.fromhex(f"{transaction.amount_rupiah * MINOR_UNITS:012d}"),
        0x9F03: bytes(6),
        0x9F1A: application.country_code.to_bytes(2, "big"),
        0x95: proof.tvr,
        0x5F2A: application.currency_code.to_bytes(2, "big"),
        0x9A: proof.transaction_date,
        0x9C: b"\x01" if transaction.tender == TENDER_CASH else b"\x00",
        0x9F37: transaction.unpredictable_number,
    }


def _asks_for(cdol1: bytes, values: dict[int, bytes]) -> bool:
    """Whether the card's list asks for each of `values` in full length."""
    try:
        asked = dict(dol.entries(cdol1))
    except CardError:
        return False
    return all(asked.get(tag) == len(value) for tag, value in values.items())


def _expected(card: IssuedCard, proof: CardProof, values: dict[int, bytes]) -> bytes:
    """The cryptogram that the card should have made."""
    atc = proof.atc.to_bytes(2, "big")
    data = b"".join(values[tag] for tag in _MACED) + proof.aip + atc
    icc_key = kd.derive_icc_mk_a(card.master_key, card.pan, card.pan_sequence)
    if proof.iad[_VERSION_AT] == CVN_10:
        return ac.generate_ac(icc_key, data + proof.iad[3:_CVR_END], ac.PaddingType.VISA)
    return ac.generate_ac(kd.derive_common_sk(icc_key, atc + bytes(6)), data + proof.iad, ac.PaddingType.EMV)
