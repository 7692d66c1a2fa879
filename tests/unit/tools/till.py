"""A counter on CPython for tests of settlement: real cards, the firmware's kernel, chain and seals; no flash, no link."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from firmware.card.certificates import IssuerCache
from firmware.card.kernel import CardKernel
from firmware.card.oda import Trust
from firmware.ledger import ca_key_list
from hardware.emv_card import profiles
from hardware.emv_card.card import Card
from protocol import certificates, chain, civil_date, policy, records
from tools import district
from tools.authority.issue import Authority
from tools.authority.signing import SigningKey

SEED = b"settlement tests"
ROSTER_KEY = b"roster key of the test district!"
FAMILIES = 12
PROVISIONAL_CAP_RUPIAH = 1_000_000
PERIOD = civil_date.period_of(2026, 11)
START_S = civil_date.period_start_s(PERIOD) + 8 * 3600


@functools.cache
def families() -> list[district.Family]:
    """A dozen families, every third with a bank's card."""
    return district.make_families(SEED, FAMILIES)


@functools.cache
def card_world() -> district.CardWorld:
    """CAs and issuers of both applications."""
    return district.make_card_world(SEED)


@functools.cache
def authority() -> Authority:
    """The authority that certifies the tills."""
    return Authority(SigningKey.generate())


@functools.cache
def issuer_file() -> dict[str, Any]:
    """What the bank knows about the cards."""
    return district.issuer_file(card_world(), families(), ROSTER_KEY)


@functools.cache
def signed_policy(number: int = 1) -> bytes:
    """The district's policy, signed; up to `PROVISIONAL_CAP_RUPIAH` may be settled behind a gap."""
    made = district.make_policy(number)
    made.channels = policy.Channels()
    made.channels.provisional_cap_rupiah = PROVISIONAL_CAP_RUPIAH
    return authority().policy(made)


@functools.cache
def held_policy(number: int = 1) -> policy.Policy:
    """The same, decoded."""
    return policy.decode(signed_policy(number)[: -certificates.SIGNATURE_OCTETS])


def policies() -> dict[bytes, policy.Policy]:
    """What a settlement service holds."""
    return {held_policy().digest: held_policy()}


@functools.cache
def card_data(index: int, profile: str | None = None) -> dict[str, Any]:
    """A family's card as the issuer personalised it; another profile of the same application on demand."""
    family = families()[index]
    if profile is None:
        return card_world().card(family, SEED)
    from hardware.emv_card import personalise

    pin = family.pin if profiles.PROFILES[profile]["verifies_pin"] else None
    return personalise.make_card(
        card_world().issuer_of(family),
        family.pan,
        f"{family.pan_sequence:02d}",
        district.CARD_EXPIRY,
        profile,
        pin,
        effective=district.EFFECTIVE,
        seed=SEED,
    )


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


class OnReader:
    """A card model on a reader that hands over whole APDUs."""

    def __init__(self, card: Card) -> None:
        self._card = card
        card.activate()

    async def transceive(self, command: bytes) -> bytes:
        """One APDU there and back."""
        return bytes(self._card.exchange(bytes(command)))


def make_kernel() -> CardKernel:
    """The firmware's kernel under the district's policy and CAs."""
    keys = ca_key_list.decode(ca_key_list.encode(card_world().ca_keys))
    return CardKernel(held_policy().applications, Trust(keys, IssuerCache()), os.urandom)


@dataclass
class Wallet:
    """The families' chips: each keeps its ATC over all tills of a test."""

    cards: dict[tuple[int, str | None], Card] = field(default_factory=dict)

    def card(self, index: int, profile: str | None = None) -> Card:
        """A family's card."""
        if (index, profile) not in self.cards:
            self.cards[index, profile] = Card(card_data(index, profile))
        return self.cards[index, profile]


class Till:
    """One terminal generation: `octets[n]` is record n, `seals[n]` and `chains[n]` belong to it; index 0 is unused."""

    def __init__(self, kid: int, wallet: Wallet | None = None) -> None:
        self.kid = kid
        self.wallet = wallet or Wallet()
        self._seal_key = SigningKey.generate()
        self._agreement_key = SigningKey.generate()
        self._kernel = make_kernel()
        self.certificate = authority().terminal(
            kid,
            self._seal_key.public,
            self._agreement_key.public,
            certificates.STORAGE_SOFTWARE,
            START_S - 86400,
        )
        un_key = hashlib.sha256(kid.to_bytes(4, "big")).digest()[:16]
        self.commitment = hashlib.sha256(un_key).digest()
        self.octets = [b""]
        self.seals = [b""]
        self.chains = [chain.start(kid, self._seal_key.public, self._agreement_key.public, un_key)]
        self.numbers: dict[int, bytes] = {}
        self.time_s = START_S

    @property
    def head(self) -> int:
        """Sequence of the last record."""
        return len(self.octets) - 1

    def fork(self, after: int) -> Till:
        """A rolled-back copy of this terminal: same keys, the journal up to `after`."""
        twin = Till(self.kid, self.wallet)
        twin.__dict__.update(self.__dict__)
        twin.octets, twin.seals, twin.chains = (
            list(each[: after + 1]) for each in (self.octets, self.seals, self.chains)
        )
        twin.numbers = {key: value for key, value in self.numbers.items() if key <= after}
        twin.time_s += 1000
        return twin

    # Records.

    def append(self, octets: bytes, number: bytes | None = None) -> int:
        """Commit canonical octets; returns their sequence."""
        value = chain.extend(self.chains[-1], octets)
        self.octets.append(octets)
        self.chains.append(value)
        self.seals.append(self._seal_key.sign(chain.seal_message(self.kid, self.head, value)))
        if number is not None:
            self.numbers[self.head] = number
        return self.head

    def _record(self, kind: int, **fields: Any) -> records.Record:
        self.time_s += 60
        return records.Record(
            kind=kind,
            version=records.VERSION,
            time_s=self.time_s,
            time_trust=records.TRUST_NETWORK,
            **fields,
        )

    def adopt_policy(self, number: int = 1) -> int:
        """Commit the adoption of a policy."""
        held = held_policy(number)
        return self.append(
            records.encode(
                self._record(
                    records.ADOPTION, subject=records.SUBJECT_POLICY, number=held.number, digest=held.digest
                )
            )
        )

    def event(self) -> int:
        """Commit an event."""
        return self.append(
            records.encode(
                self._record(records.EVENT, code=records.EVENT_OPERATOR_LOGIN, operator=3, detail=b"")
            )
        )

    def prove(
        self,
        index: int,
        amount_rupiah: int,
        tender: int,
        *,
        decline: bool = False,
        profile: str | None = None,
    ) -> Any:
        """What the card answers to one transaction of now; `unpredictable_number` is in it."""
        family = families()[index]
        reader = OnReader(self.wallet.card(index, profile))
        date = civil_date.transaction_date(self.time_s, 7 * 60)
        session = run(self._kernel.authenticate(reader, date))
        pin = family.pin.encode() if family.application_index == district.APPLICATION_PROGRAMME else None
        number = os.urandom(4)
        proof = run(
            self._kernel.generate_proof(
                reader,
                session,
                amount_rupiah,
                tender,
                date,
                lambda: number,
                None if decline else pin,
                decline,
            )
        )
        proof.un_attempt = 0
        return proof

    def redeem(
        self,
        index: int,
        amount_rupiah: int = 100_000,
        tender: int = records.TENDER_CASH,
        *,
        proof: Any = None,
        profile: str | None = None,
        claimed_rupiah: int | None = None,
    ) -> int:
        """A redemption by a family; `claimed_rupiah` writes another amount into the record than the card was told."""
        proof = proof or self.prove(index, amount_rupiah, tender, profile=profile)
        record = self._record(
            records.REDEMPTION,
            programme=district.PROGRAMME_SEMBAKO,
            period=PERIOD,
            tender=tender,
            amount_rupiah=claimed_rupiah or amount_rupiah,
            card_key=district.family_card_key(ROSTER_KEY, families()[index]),
            lease=1,
            method=records.METHOD_CARD_PIN,
            flags=0,
            reason=0,
            proof=proof,
            items=(),
        )
        return self.append(records.encode(record), proof.unpredictable_number)

    def void(self, sequence: int, index: int | None = None, *, proof: Any = None, **changes: Any) -> int:
        """A void of an own redemption, with the second tap of its card (of family `index`: another's)."""
        voided = records.decode(self.octets[sequence])
        if index is None:
            keys = [district.family_card_key(ROSTER_KEY, family) for family in families()]
            index = keys.index(voided.card_key)
        proof = proof or self.prove(index, 0, records.TENDER_GOODS, decline=True)
        fields = {
            "programme": voided.programme,
            "period": voided.period,
            "amount_rupiah": voided.amount_rupiah,
            "reference_sequence": sequence,
            "card_key": district.family_card_key(ROSTER_KEY, families()[index]),
            "reason": 1,
            "proof": proof,
        } | changes
        return self.append(records.encode(self._record(records.VOID, **fields)), proof.unpredictable_number)

    def goods_received(self, sequence: int) -> int:
        """Goods handed over, without a second tap."""
        redeemed = records.decode(self.octets[sequence])
        record = self._record(
            records.GOODS_RECEIVED,
            reference_sequence=sequence,
            card_key=redeemed.card_key,
            method=0,
            proof=None,
        )
        return self.append(records.encode(record))

    # What the gateway sends.

    def segment(self, first: int = 1, last: int | None = None, **changes: Any) -> dict[str, Any]:
        """Records `first` to `last` as one segment of a settlement request; `changes` replace fields."""
        last = self.head if last is None else last
        return {
            "kid": f"{self.kid:08x}",
            "certificate": self.certificate.hex(),
            "un_key_commitment": self.commitment.hex(),
            "first": first,
            "chain_before": self.chains[first - 1].hex(),
            "records": [octets.hex() for octets in self.octets[first : last + 1]],
            "seal": self.seals[last].hex(),
            "unpredictable_numbers": {
                str(sequence): number.hex()
                for sequence, number in self.numbers.items()
                if first <= sequence <= last
            },
            "frames": [hashlib.sha256(self.octets[first]).hexdigest()],
        } | changes


def idempotency_key(segments: list[dict[str, Any]]) -> str:
    """As the contract composes it: SHA-256 over kid, first, last and last chain value of every segment."""
    whole = hashlib.sha256()
    for segment in segments:
        last = segment["first"] + len(segment["records"]) - 1
        # The chain value stands for the content; the seal, which signs it, does as well here.
        whole.update(
            bytes.fromhex(segment["kid"]) + segment["first"].to_bytes(4, "big") + last.to_bytes(4, "big")
        )
        whole.update(bytes.fromhex(segment["seal"]))
    return whole.hexdigest()
