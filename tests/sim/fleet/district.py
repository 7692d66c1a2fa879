"""The papers of a fleet: one authority, one gateway key, families that are leased to exactly one terminal each."""

from __future__ import annotations

import functools
import hashlib
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from firmware.ledger import document_area
from gateway.keys import GatewayKey, KeyRing
from protocol import certificates, grant, policy, roster, takeover
from tests.support import tap_world
from tools import district
from tools.authority.issue import Authority
from tools.authority.signing import CURVE_ORDER, SigningKey
from tools.authority.takeover import Decision, Papers, take_over

FAMILIES_EACH = 4
SEMBAKO = 1
GRANTED_RUPIAH = 600_000
NOW_S = tap_world.NOW_S
FIRST_KID = 0x0100
KEY_ID = 1
LEASE_S = 40 * 86400
# From a terminal's kid to that of the one which replaces it; more than cards were used at the first one.
REPLACED = 0x100
CARDS_USED = 10_000


@dataclass
class Place:
    """One terminal and who is served there; `cards` are files for its process."""

    kid: int
    families: list[str]
    draws: list[bytes]
    certificate: bytes
    grants: dict[int, bytes] = field(default_factory=dict)
    """This terminal's newest grant by programme."""
    leased: dict[str, int] = field(default_factory=dict)
    """Rupiah by family, where it is not what everybody gets."""
    roster: bytes = b""
    """The one that it is provisioned with, where it is not the first."""
    cards_used: int = 0
    """So often its families' cards were used before."""


class District:
    """Everything that was signed before the first day, and what is signed later."""

    def __init__(self, folder: Path, terminals: int, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self.world, self._index = _people(terminals)
        self.authority = Authority(_key(b"fleet authority"))
        self.gateway_key = GatewayKey(
            KEY_ID, _private(b"fleet gateway agreement"), _private(b"fleet gateway acknowledgement")
        )
        self.ring = KeyRing({KEY_ID: self.gateway_key})
        self.places = [self._place(FIRST_KID + number, _names(number)) for number in range(terminals)]
        self.epoch = self.authority.epoch(self.gateway_key.request, 1, NOW_S)
        dice = random.Random(f"{seed}/policy")
        self.policy_document = district.make_policy(settlement_delay_s=dice.choice((0, 1800)))
        self.policy_document.channels = _channels()
        self.policy_document.channels.provisional_cap_rupiah = dice.choice((0, 50_000))
        self.policy = self.authority.policy(self.policy_document)
        self.rosters: list[bytes] = []
        self._grants = 0
        self._signed: dict[bytes, tuple[bytes, bytes]] = {}
        self.new_roster()

    def _place(self, kid: int, names: list[str]) -> Place:
        for name in names:
            (self._folder / f"{name}.json").write_text(json.dumps(self.world.cards[name]))
        draws = [_draw(f"fleet terminal {kid} {what}".encode()) for what in ("seal", "agreement")]
        seal, agreement = (_signing(draw).public for draw in draws)
        certificate = self.authority.terminal(kid, seal, agreement, certificates.STORAGE_SOFTWARE, NOW_S)
        return Place(kid, names, draws, certificate)

    # Documents that change.

    def new_roster(self) -> bytes:
        """The next version of the roster: a family of nobody's concern moves house."""
        number = len(self.rosters) + 1
        self.world.entries[0].hamlet = number
        self.rosters.append(self.authority.roster(roster.encode(number, self.world.entries)))
        return self.rosters[-1]

    def grant(self, place: Place, roster_octets: bytes) -> bytes:
        """A new grant for a terminal under a roster, for its own families only: no lease stands twice."""
        self._grants += 1
        document = grant.Grant()
        document.number = self._grants
        document.programme = SEMBAKO
        document.period = district.period_now(NOW_S)
        document.expiry_s = NOW_S + LEASE_S
        document.hold = 1
        document.default_rupiah = 0
        leased = ((self._index[name], place.leased.get(name, GRANTED_RUPIAH)) for name in place.families)
        document.exceptions = tuple((index, rupiah) for index, rupiah in leased if rupiah)
        signed = self.authority.grant(place.kid, *self._digests(roster_octets), document)
        self._keep(place, signed, roster_octets)
        return signed

    def _digests(self, roster_octets: bytes) -> tuple[bytes, bytes]:
        return roster.digest(roster_octets[:-64]), policy.digest(self.policy[:-64])

    def _keep(self, place: Place, signed: bytes, roster_octets: bytes) -> grant.Grant:
        decoded = grant.decode(signed[:-64], place.kid, *self._digests(roster_octets))
        self._signed[decoded.digest] = signed, roster_octets
        place.grants[SEMBAKO] = signed
        return decoded

    def take_over(self, old: Place, statement: bytes, exposure_rupiah: int) -> tuple[Place, bytes]:
        """Another terminal for a place, with what is left of the leases by the gateway's statement; and the takeover."""
        (lease,) = takeover.decode_statement(statement[:-64]).leases
        signed, roster_octets = self._signed[lease.digest]
        new = self._place(old.kid + REPLACED, old.families)
        papers = Papers(statement, self.epoch, roster_octets, self.policy, {SEMBAKO: signed})
        decision = Decision(new.kid, takeover.REASON_TERMINAL_BROKEN, exposure_rupiah)
        issued = take_over(self.authority, papers, decision, NOW_S)
        left = self._keep(new, issued.grants[SEMBAKO], roster_octets)
        new.leased = {name: left.amount_rupiah(self._index[name]) for name in new.families}
        new.roster, new.cards_used = roster_octets, CARDS_USED
        return new, issued.takeover

    # For the parts.

    def provision(self, place: Place) -> dict[str, Any]:
        """What the driver's order `provision` takes."""
        sections = self.world.sections(self.authority, NOW_S)
        sections[document_area.EPOCH_CERTIFICATE] = self.epoch
        sections[document_area.TERMINAL_CERTIFICATE] = place.certificate
        sections[document_area.AUTHORITY_KEY] = self.authority.public
        roster_octets = place.roster or self.rosters[0]
        if not place.grants:
            self.grant(place, roster_octets)
        sections[document_area.GRANT_FIRST + SEMBAKO] = place.grants[SEMBAKO]
        sections[document_area.POLICY] = self.policy
        return {
            "kid": place.kid,
            "now_s": NOW_S,
            "entropy": hashlib.sha256(b"%d/%d" % (self._seed, place.kid)).hexdigest(),
            "draws": [draw.hex() for draw in place.draws],
            "sections": {str(name): octets.hex() for name, octets in sections.items()},
            "roster": roster_octets.hex(),
            "cards_used": place.cards_used,
            "families": {
                name: {
                    "index": index,
                    "pin": tap_world.pin_of(name),
                    "card": str(self._folder / f"{name}.json"),
                }
                for name, index in self._index.items()
            },
        }

    def issuer(self) -> dict[str, Any]:
        """What the bank knows of the cards (tools/settlement)."""
        cards = {}
        for name, index in self._index.items():
            (card,) = self.world.entries[index].cards
            is_bank = card.applications == tap_world.BANK
            cards[card.card_key.hex()] = {
                "pan": tap_world.pan_of(name, is_bank),
                "pan_sequence": "01",
                "application_index": district.APPLICATION_BANK if is_bank else district.APPLICATION_PROGRAMME,
            }
        bank = tap_world.personalise.NSICCS_RID
        keys = {
            str(district.APPLICATION_BANK if rid == bank else district.APPLICATION_PROGRAMME): issuer[
                "master_key"
            ]
            for rid, issuer in self.world.issuers.items()
        }
        return {"master_keys": keys, "cards": cards}


def _names(number: int) -> list[str]:
    """The families of a terminal."""
    return [f"family {number}.{place}" for place in range(FAMILIES_EACH)]


@functools.cache
def _people(terminals: int) -> tuple[tap_world.World, dict[str, int]]:
    """Cards and roster entries of all families, and where each stands; their keys take time, so they are made once."""
    world = tap_world.World()
    index = {}
    for number in range(terminals):
        for place, name in enumerate(_names(number)):
            index[name] = len(world.entries)
            profile = ("programme", "nsiccs_online", "programme_dynamic_iad")[place % 3]
            world.entries.append(world._entry(name, profile, {}))
    return world, index


def _channels() -> policy.Channels:
    """Rules under which a day of some hours has short messages."""
    channels = policy.Channels()
    channels.sms_after_s = 600
    channels.sms_fill = 6
    channels.sms_per_day = 60
    channels.sms_resend_s = 1800
    channels.jitter_s = 120
    return channels


def _draw(label: bytes) -> bytes:
    """Forty octets, as the terminal's entropy gives them when it makes a key."""
    return hashlib.sha512(label).digest()[:40]


def _private(label: bytes) -> ec.EllipticCurvePrivateKey:
    return _private_of(_draw(label))


def _private_of(draw: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(draw, "big") % (CURVE_ORDER - 1) + 1, ec.SECP256R1())


def _signing(draw: bytes) -> SigningKey:
    return SigningKey(_private_of(draw))


def _key(label: bytes) -> SigningKey:
    return _signing(_draw(label))
