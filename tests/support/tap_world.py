"""Makes what tests of whole taps need: one terminal's documents and keys, and a family with a card for every case.

MicroPython would take minutes over the keys, so they are made here, on CPython, once: `python -m tests.support.tap_world`
writes build/tests/tap (nothing there is real, all of it repeats from a seed). `tests/support/mp_terminal.py` reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from firmware.ledger import ca_key_list, document_area
from hardware.emv_card import personalise
from protocol import aid_pin, card_key, certificates, grant, policy, roster
from tests.support import mp_world
from tools import district
from tools.authority.issue import Authority
from tools.authority.signing import CURVE_ORDER, SigningKey

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / mp_world.FOLDER
SEED = b"tests/support/tap_world"
# Everything is as it was on 2026-11-29 12:00 at UTC+7.
NOW_S = 1795928400
KID = 0x2A
OPERATOR_CODE = "1234"
GRANT_S = 30 * 86400
SEMBAKO_RUPIAH = 200_000
PKH_RUPIAH = 750_000
LARGE_RUPIAH = 16_383_000
# Short keys, so that a card model on MicroPython signs in milliseconds; real lengths are tested in card/ and crypto/.
CA_BITS, ISSUER_BITS, ICC_BITS = 896, 768, 768

BANK = 1 << district.APPLICATION_BANK
PROGRAMME = 1 << district.APPLICATION_PROGRAMME

# name -> (card profile, what differs from the usual family)
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "programme": ("programme", {}),
    "programme_dynamic": ("programme_dynamic_iad", {}),
    "programme_dda": ("programme_dda", {}),
    "programme_sda": ("programme_sda", {}),
    "bank": ("nsiccs_online", {}),
    "bank_limits": ("nsiccs_limits", {}),
    "bank_dda": ("nsiccs_dda", {}),
    "bank_sda": ("nsiccs_sda", {}),
    "bank_pin": ("nsiccs_offline_pin", {}),
    "bound": ("nsiccs_online", {"bound": district.APPLICATION_BANK}),
    "misbound": ("nsiccs_online", {"bound": district.APPLICATION_PROGRAMME}),
    "no_verifier": ("nsiccs_online", {"verifier": bytes(16)}),
    "blocked": ("programme", {"state": roster.BLOCKED}),
    "removed": ("nsiccs_online", {"state": roster.REMOVED}),
    "unlisted": ("nsiccs_online", {"applications": PROGRAMME}),
    "nothing": ("programme", {"granted": 0}),
    "large": ("programme", {"granted": LARGE_RUPIAH}),
    "expired": ("programme", {"expiry": "260131"}),
    "early": ("programme", {"effective": "290101"}),
    "both": ("programme", {"second_application": "nsiccs_online"}),
    "old_and_new": ("nsiccs_online", {"second_card": "nsiccs_online"}),
    "one": ("programme", {}),
    "two": ("programme", {}),
    "three": ("programme", {}),
    "four": ("nsiccs_online", {}),
    "five": ("nsiccs_online", {}),
}
# Cards of no family: not on the roster, and of an issuer whose CA the terminal does not know or knows otherwise.
STRANGERS = ("stranger", "unknown_ca", "wrong_ca")


def pin_of(name: str) -> str:
    """Six digits for a family."""
    return str(int.from_bytes(hashlib.sha256(SEED + name.encode()).digest()[:8], "big") % 10**6).zfill(6)


def pan_of(name: str, is_bank: bool, place: int = 0) -> str:
    """A PAN of the made-up range."""
    number = int.from_bytes(hashlib.sha256(SEED + f"{name}/{place}".encode()).digest()[:8], "big")
    return (district.BIN_BANK if is_bank else district.BIN_PROGRAMME) + str(number % 10**10).zfill(10)


class World:
    """Keys, cards and documents, all from `SEED`."""

    def __init__(self) -> None:
        self.roster_key = hashlib.sha256(SEED + b"roster").digest()
        self.cards: dict[str, dict[str, Any]] = {}
        self.issuers = {
            rid: personalise.make_issuer(
                personalise.make_ca(CA_BITS, rid=rid, seed=SEED),
                district.BIN_BANK if rid == personalise.NSICCS_RID else district.BIN_PROGRAMME,
                bits=ISSUER_BITS,
                seed=SEED,
            )
            for rid in (personalise.NSICCS_RID, personalise.PROGRAMME_RID)
        }
        self.entries = [self._entry(name, *FAMILIES[name]) for name in FAMILIES]
        self._add_strangers()

    def _card(self, profile: str, pan: str, pin: str, **more: Any) -> dict[str, Any]:
        """Personalise one card."""
        is_bank = profile.startswith("nsiccs")
        issuer = more.pop(
            "issuer", self.issuers[personalise.NSICCS_RID if is_bank else personalise.PROGRAMME_RID]
        )
        takes_pin = not is_bank or profile == "nsiccs_offline_pin"
        return personalise.make_card(
            issuer,
            pan,
            "01",
            more.pop("expiry", district.CARD_EXPIRY),
            profile,
            pin if takes_pin else None,
            ICC_BITS,
            effective=more.pop("effective", district.EFFECTIVE),
            seed=SEED,
        )

    def _entry(self, name: str, profile: str, more: dict[str, Any]) -> roster.Entry:
        """A family's roster entry; its cards go into `cards`."""
        is_bank = profile.startswith("nsiccs")
        dates = {key: more[key] for key in ("expiry", "effective") if key in more}
        pan = pan_of(name, is_bank)
        data = self._card(profile, pan, pin_of(name), **dates)
        applications = more.get("applications", BANK if is_bank else PROGRAMME)
        if "second_application" in more:
            other = self._card(more["second_application"], pan_of(name, not is_bank), pin_of(name))
            data = personalise.combine(other, data)
            applications = BANK | PROGRAMME
        self.cards[name] = data
        entry = roster.Entry()
        entry.state = more.get("state", roster.ACTIVE)
        entry.hamlet = len(self.cards) % 200 + 1
        entry.slot = len(self.cards) % 8 + 1
        entry.delegate = roster.NO_DELEGATE
        held = [self._roster_card(name, pan, data, applications, more)]
        if "second_card" in more:
            second = pan_of(name, is_bank, 1)
            self.cards[name + "_2"] = self._card(more["second_card"], second, pin_of(name))
            held.append(self._roster_card(name, second, self.cards[name + "_2"], applications, more))
        entry.cards = tuple(held)
        return entry

    def _roster_card(
        self, name: str, pan: str, data: dict[str, Any], applications: int, more: dict[str, Any]
    ) -> roster.Card:
        """A card as the roster lists it, its verifier unbound unless the family is one of the special ones."""
        card = roster.Card()
        expiry = bytes.fromhex(more.get("expiry", district.CARD_EXPIRY))
        padded = bytes.fromhex((pan + "F" * 20)[:20])
        card.card_key = card_key.derive(district.hmac_sha256, self.roster_key, padded, 1, expiry)
        card.applications = applications
        card.bound_application = more.get("bound", aid_pin.UNBOUND)
        pin = pin_of(name).encode()
        if "verifier" in more:
            card.verifier = more["verifier"]
        elif "bound" in more:
            binding = hashlib.sha256(_certificate(data)).digest()
            card.verifier = aid_pin.bound(
                district.hmac_sha256, binding, card.card_key, card.bound_application, pin
            )
        else:
            card.verifier = aid_pin.unbound(district.hmac_sha256, self.roster_key, card.card_key, pin)
        return card

    def _add_strangers(self) -> None:
        """Cards that no family holds."""
        self.cards["stranger"] = self._card("programme", pan_of("stranger", False), "000000")
        for name, index, seed in (("unknown_ca", 9, SEED), ("wrong_ca", 1, b"somebody else")):
            ca = personalise.make_ca(CA_BITS, rid=personalise.PROGRAMME_RID, index=index, seed=seed)
            issuer = personalise.make_issuer(ca, district.BIN_PROGRAMME, bits=ISSUER_BITS, seed=seed)
            self.cards[name] = self._card("programme", pan_of("programme", False), "000000", issuer=issuer)

    def roster(self) -> bytes:
        """The roster's octets."""
        return roster.encode(1, self.entries)

    def sections(self, authority: Authority, now_s: int) -> dict[int, bytes]:
        """What every terminal of this world is given beside its own certificate and its grants."""
        gateway = (
            (1).to_bytes(4, "big") + _public(_scalar(b"gateway agree")) + _public(_scalar(b"gateway ack"))
        )
        return {
            document_area.EPOCH_CERTIFICATE: authority.epoch(gateway, 1, now_s),
            document_area.POLICY: authority.policy(district.make_policy()),
            document_area.ROSTER_KEY: self.roster_key,
            document_area.CA_KEYS: ca_key_list.encode([_ca(issuer) for issuer in self.issuers.values()]),
            document_area.OPERATORS: district.hmac_sha256(
                self.roster_key, b"operator" + OPERATOR_CODE.encode()
            )[:16],
            document_area.SETTINGS: b"broker_host=\n",
        }

    def grants(self, authority: Authority, kid: int, now_s: int, number: int = 1) -> dict[int, bytes]:
        """This month's grants of both programmes, signed, by programme."""
        digests = roster.digest(self.roster()), policy.digest(policy.encode(district.make_policy()))
        return {
            programme: authority.grant(kid, *digests, _grant(number, programme, amount_rupiah, now_s))
            for programme, amount_rupiah in ((1, SEMBAKO_RUPIAH), (2, PKH_RUPIAH))
        }

    def documents(self) -> dict[str, Any]:
        """All that is not a card, as JSON: what provisioning installs, and what the tests must know."""
        authority = Authority(SigningKey(ec.derive_private_key(_scalar(b"authority"), ec.SECP256R1())))
        draws = (_draw(b"terminal seal"), _draw(b"terminal agreement"))
        publics = [_public(int.from_bytes(draw, "big") % (CURVE_ORDER - 1) + 1) for draw in draws]
        sections = self.sections(authority, NOW_S)
        sections[document_area.TERMINAL_CERTIFICATE] = authority.terminal(
            KID, publics[0], publics[1], certificates.STORAGE_SOFTWARE, NOW_S
        )
        sections[document_area.AUTHORITY_KEY] = authority.public
        for programme, signed in self.grants(authority, KID, NOW_S).items():
            sections[document_area.GRANT_FIRST + programme] = signed
        return {
            "draws": [draw.hex() for draw in draws],
            "sections": {str(name): octets.hex() for name, octets in sections.items()},
            "roster": authority.roster(self.roster()).hex(),
            "later_grant": self.grants(authority, KID, NOW_S, 2)[1].hex(),
            "families": {
                name: {
                    "index": index,
                    "pin": pin_of(name),
                    "granted": FAMILIES[name][1].get("granted", SEMBAKO_RUPIAH),
                    "card_keys": [card.card_key.hex() for card in self.entries[index].cards],
                }
                for index, name in enumerate(FAMILIES)
            },
        }


def _grant(number: int, programme: int, amount_rupiah: int, now_s: int) -> grant.Grant:
    """This month's grant of a programme, with the exceptions that families have in Sembako."""
    document = grant.Grant()
    document.number = number
    document.programme = programme
    document.period = district.period_now(now_s)
    document.expiry_s = now_s + GRANT_S
    document.hold = 1
    document.default_rupiah = amount_rupiah
    document.exceptions = tuple(
        (index, FAMILIES[name][1]["granted"])
        for index, name in enumerate(FAMILIES)
        if programme == 1 and "granted" in FAMILIES[name][1]
    )
    return document


def _certificate(data: dict[str, Any]) -> bytes:
    """Tag 9F46 of a card's last record (hardware/emv_card/personalise)."""
    record = bytes.fromhex(data["applications"][0]["records"]["2.3"])
    at = record.index(b"\x9f\x46") + 2
    length = record[at]
    if length == 0x81:
        at += 1
        length = record[at]
    return record[at + 1 : at + 1 + length]


def _ca(issuer: dict[str, Any]) -> tuple[bytes, int, bytes, bytes, bytes, bytes]:
    """A CA's public part as `ca_key_list.encode` takes it."""
    ca = issuer["ca"]
    fields = [bytes.fromhex(ca[name]) for name in ("rid", "exponent", "modulus", "checksum")]
    return fields[0], int(ca["index"]), b"", fields[1], fields[2], fields[3]


def _draw(label: bytes) -> bytes:
    """Forty octets of what the terminal's entropy gives when it makes a key (provisioning.KEY_DRAW_OCTETS)."""
    return hashlib.sha512(SEED + label).digest()[:40]


def _scalar(label: bytes) -> int:
    return int.from_bytes(_draw(label), "big") % (CURVE_ORDER - 1) + 1


def _public(private: int) -> bytes:
    return SigningKey(ec.derive_private_key(private, ec.SECP256R1())).public


def ensure() -> Path:
    """Make the world if it is not there or not of these sources; safe to be called by several processes at once."""
    if mp_world.is_current(str(ROOT)):
        return FOLDER
    sources = mp_world.digest(str(ROOT))
    FOLDER.mkdir(parents=True, exist_ok=True)
    world = World()
    for name, data in world.cards.items():
        _write(FOLDER / f"card-{name}.json", json.dumps(data).encode())
    _write(FOLDER / "documents.json", json.dumps(world.documents()).encode())
    _write(ROOT / mp_world.STAMP, sources)
    return FOLDER


def _write(path: Path, octets: bytes) -> None:
    """Replace a file at once, so that nobody reads half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(octets)
    Path(name).replace(path)


if __name__ == "__main__":
    sys.stdout.write(f"{ensure()}\n")
