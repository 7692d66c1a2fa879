"""A made-up district for demo, tests and benches: card CAs, an issuer for each application, families and documents.

Nothing in it is real: PANs are of a fictitious range, keys come from a seed or from fresh randomness, and what it
makes is written under build/, never into the repository.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.emv_card import personalise, profiles
from protocol import aid_pin, card_key, civil_date, grant, policy, records, roster

FAMILIES = 842
HAMLETS = ("Krajan", "Ngaglik", "Sidorejo", "Tegalsari", "Wonosari", "Karanganyar", "Gondang", "Sumberejo")
SLOTS_PER_DAY = 8
BANK_CARD_EVERY = 3
PROGRAMME_SEMBAKO = 1
PROGRAMME_PKH = 2
# What may be settled of one terminal before a gap in its records has closed: a good morning of a shop.
PROVISIONAL_CAP_RUPIAH = 5_000_000
BIN_PROGRAMME = "636999"
BIN_BANK = "601399"
CARD_EXPIRY = "301231"
EFFECTIVE = "240101"

APPLICATION_PROGRAMME = 0
APPLICATION_BANK = 1

COMMODITIES = (
    (1, "Beras", "kg", 13500),
    (2, "Telur ayam", "kg", 28000),
    (3, "Daging ayam", "kg", 36000),
    (4, "Tempe", "papan", 5000),
    (5, "Kacang hijau", "kg", 24000),
    (6, "Sayur", "ikat", 3000),
    (7, "Buah", "kg", 18000),
    (8, "Ikan", "kg", 32000),
)
# (weight, items): what families usually take; commodity, hundredths of its unit, rupiah per unit.
BASKETS = (
    (6, ((1, 1000, 13500), (2, 100, 28000), (4, 200, 5000))),
    (4, ((1, 1000, 13500), (2, 100, 28000), (6, 300, 3000), (7, 100, 18000))),
    (3, ((1, 500, 13500), (2, 150, 28000), (3, 100, 36000), (4, 200, 5000))),
    (2, ((1, 1000, 13500), (8, 100, 32000), (5, 50, 24000))),
    (1, ((1, 800, 13500), (3, 100, 36000), (6, 400, 3000))),
)


@dataclass(frozen=True)
class Family:
    """One family of the district: its card's PAN, what it keys as a PIN, and where it lives."""

    index: int
    pan: str
    pan_sequence: int
    application_index: int
    pin: str
    hamlet: int
    slot: int

    @property
    def profile(self) -> str:
        """The kind of card it holds (hardware/emv_card/profiles)."""
        return "programme" if self.application_index == APPLICATION_PROGRAMME else "nsiccs_online"


def _digits(seed: bytes, label: str, index: int, count: int) -> str:
    """Decimal digits drawn from a seed."""
    drawn = hashlib.sha256(seed + f"{label}/{index}".encode()).digest()
    return str(int.from_bytes(drawn, "big") % 10**count).zfill(count)


def _luhn(digits: str) -> str:
    """The check digit of a PAN (ISO/IEC 7812-1, Annex B): from the right, every other digit counts double."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        tens, units = divmod(int(digit) * (1 if place % 2 else 2), 10)
        total += tens + units
    return str(-total % 10)


def make_families(seed: bytes, count: int = FAMILIES) -> list[Family]:
    """Families by roster index; every third holds a bank's card."""
    families = []
    for index in range(count):
        is_bank = index % BANK_CARD_EVERY == BANK_CARD_EVERY - 1
        body = (BIN_BANK if is_bank else BIN_PROGRAMME) + f"{index:03d}" + _digits(seed, "pan", index, 6)
        families.append(
            Family(
                index=index,
                pan=body + _luhn(body),
                pan_sequence=1,
                application_index=APPLICATION_BANK if is_bank else APPLICATION_PROGRAMME,
                pin=_digits(seed, "pin", index, 6),
                hamlet=index * len(HAMLETS) // count + 1,
                slot=index % SLOTS_PER_DAY + 1,
            )
        )
    return families


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256, 32 octets."""
    return hmac.digest(key, message, "sha256")


def family_card_key(roster_key: bytes, family: Family) -> bytes:
    """The card key that the terminal derives from the card itself."""
    pan = bytes.fromhex((family.pan + "F" * 20)[:20])
    return card_key.derive(hmac_sha256, roster_key, pan, family.pan_sequence, bytes.fromhex(CARD_EXPIRY))


def make_roster(families: list[Family], roster_key: bytes, number: int = 1) -> bytes:
    """The roster's octets, verifiers unbound."""
    entries = []
    for family in families:
        card = roster.Card()
        card.card_key = family_card_key(roster_key, family)
        card.applications = 1 << family.application_index
        card.bound_application = aid_pin.UNBOUND
        card.verifier = aid_pin.unbound(hmac_sha256, roster_key, card.card_key, family.pin.encode())
        entry = roster.Entry()
        entry.state = roster.ACTIVE
        entry.hamlet = family.hamlet
        entry.slot = family.slot
        entry.delegate = roster.NO_DELEGATE
        entry.cards = (card,)
        entries.append(entry)
    return roster.encode(number, entries)


def _application(kind: int, method: int, aid: str, answers: dict[str, Any]) -> policy.Application:
    """One of the policy's applications; action codes of the public NSICCS terminal configuration for the bank's."""
    application = policy.Application()
    application.kind = kind
    application.method = method
    application.aid = bytes.fromhex(aid)
    application.cdol1 = bytes.fromhex(profiles.CDOL1)
    application.floor_limit_rupiah = records.AMOUNT_RUPIAH_MAX
    application.tac_default = bytes.fromhex("DC4000A800" if kind == policy.KIND_BANK else "DC50A00000")
    application.tac_denial = bytes.fromhex("0010000000")
    application.tac_online = bytes.fromhex("DC4004F800")
    for name, value in answers.items():
        setattr(application, name, value)
    return application


def make_policy(number: int = 1, settlement_delay_s: int = 0) -> policy.Policy:
    """The district's rules."""
    document = policy.Policy()
    document.number = number
    document.country_code = 0x0360
    document.currency_code = 0x0360
    document.utc_offset_minutes = 7 * 60
    document.retap_window_s = 600
    document.pin_tries = 3
    document.clock_lost_cap_rupiah = 2_000_000
    document.sda_cap_rupiah = 50_000
    document.dda_cap_rupiah = 100_000
    document.settlement_delay_s = settlement_delay_s
    document.goods_tap_above_rupiah = 0
    document.rapid_gap_s = 20
    document.rapid_run = 5
    document.programmes = ((PROGRAMME_SEMBAKO, "Sembako"), (PROGRAMME_PKH, "PKH"))
    document.applications = (
        _application(
            policy.KIND_PROGRAMME, records.METHOD_CARD_PIN, profiles.PROGRAMME_AID, PROGRAMME_ANSWERS
        ),
        _application(policy.KIND_BANK, records.METHOD_AID_PIN, profiles.NSICCS_DEBIT_AID, BANK_ANSWERS),
    )
    document.commodities = COMMODITIES
    document.baskets = BASKETS
    document.channels = policy.Channels()
    document.channels.provisional_cap_rupiah = PROVISIONAL_CAP_RUPIAH
    return document


# What the model cards answer; a test holds this against the cards themselves.
PROGRAMME_ANSWERS: dict[str, Any] = {
    "pan_sequence": 1,
    "cid": 0x40,
    "aip": bytes.fromhex("3900"),
    "tvr": bytes(5),
    "cvm_results": bytes.fromhex("010302"),
    "iad": bytes.fromhex("06011203900000"),
}
BANK_ANSWERS: dict[str, Any] = {
    "pan_sequence": 1,
    "cid": 0x80,
    "aip": bytes.fromhex("3100"),
    "tvr": bytes.fromhex("0000800000"),
    "cvm_results": bytes.fromhex("3F0000"),
    "iad": bytes.fromhex("06010A03A00000"),
}


def make_grant(number: int, programme: int, period: int, expiry_s: int, default_rupiah: int) -> grant.Grant:
    """A grant with a few families apart: arrears of two months, nothing, an amount of its own."""
    document = grant.Grant()
    document.number = number
    document.programme = programme
    document.period = period
    document.expiry_s = expiry_s
    document.hold = 20_260_000 + number
    document.default_rupiah = default_rupiah
    document.exceptions = ((7, 2 * default_rupiah), (23, 0), (120, 125_000), (400, 3 * default_rupiah))
    return document


def period_now(now_s: int) -> int:
    """The calendar month of a moment, in the district's time."""
    year, month, _ = civil_date.local_date(now_s, 7 * 60)
    return civil_date.period_of(year, month)


@dataclass(frozen=True)
class CardWorld:
    """Card CAs and issuers of both applications, as `hardware.emv_card.personalise` makes them."""

    programme_issuer: dict[str, Any]
    bank_issuer: dict[str, Any]

    @property
    def ca_keys(self) -> list[tuple[bytes, int, bytes, bytes, bytes, bytes]]:
        """(rid, index, expiry, exponent, modulus, checksum) as `firmware.ledger.ca_key_list.encode` takes them."""
        return [_ca_fields(issuer["ca"]) for issuer in (self.programme_issuer, self.bank_issuer)]

    def issuer_of(self, family: Family) -> dict[str, Any]:
        """The issuer of a family's card."""
        return (
            self.programme_issuer if family.application_index == APPLICATION_PROGRAMME else self.bank_issuer
        )

    def card(self, family: Family, seed: bytes) -> dict[str, Any]:
        """Personalise a family's card."""
        return personalise.make_card(
            self.issuer_of(family),
            family.pan,
            f"{family.pan_sequence:02d}",
            CARD_EXPIRY,
            family.profile,
            family.pin if family.application_index == APPLICATION_PROGRAMME else None,
            effective=EFFECTIVE,
            seed=seed,
        )


def _ca_fields(ca: dict[str, Any]) -> tuple[bytes, int, bytes, bytes, bytes, bytes]:
    """A CA's public part as octets."""
    return (
        bytes.fromhex(ca["rid"]),
        int(ca["index"]),
        b"",
        bytes.fromhex(ca["exponent"]),
        bytes.fromhex(ca["modulus"]),
        bytes.fromhex(ca["checksum"]),
    )


def make_card_world(seed: bytes) -> CardWorld:
    """1984-bit CAs, 1408-bit issuers; takes some seconds."""
    programme_ca = personalise.make_ca(rid=personalise.PROGRAMME_RID, seed=seed)
    bank_ca = personalise.make_ca(rid=personalise.NSICCS_RID, seed=seed)
    return CardWorld(
        programme_issuer=personalise.make_issuer(programme_ca, BIN_PROGRAMME, seed=seed),
        bank_issuer=personalise.make_issuer(bank_ca, BIN_BANK, seed=seed),
    )


def issuer_file(world: CardWorld, families: list[Family], roster_key: bytes) -> dict[str, Any]:
    """What the settlement service must know as the cards' issuer: master keys, and cards by card key."""
    return {
        "master_keys": {
            str(APPLICATION_PROGRAMME): world.programme_issuer["master_key"],
            str(APPLICATION_BANK): world.bank_issuer["master_key"],
        },
        "cards": {
            family_card_key(roster_key, family).hex(): {
                "pan": family.pan,
                "pan_sequence": f"{family.pan_sequence:02d}",
                "application_index": family.application_index,
            }
            for family in families
        },
    }


def save_json(path: Path, value: object) -> None:
    """Write a file that only its owner can read (it holds keys of the made-up district)."""
    path.touch(mode=0o600, exist_ok=True)
    path.chmod(0o600)
    path.write_text(json.dumps(value))
