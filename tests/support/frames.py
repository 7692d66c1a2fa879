"""Plays authority and terminal on CPython for the gateway's tests: keys, documents, chain, seals and valid frames."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway import signatures
from gateway.contexts import Adopted, HeldContext, Library
from gateway.documents import Document, Kind
from gateway.keys import GatewayCipher
from protocol import (
    bridge,
    certificates,
    chain,
    civil_date,
    codec,
    frame,
    grant,
    link_keys,
    parts,
    policy,
    records,
    roster,
    status,
    write_off,
)

PERIOD = civil_date.period_of(2026, 11)
START_S = civil_date.period_start_s(PERIOD) + 8 * 3600
EXPIRY_S = START_S + 40 * 86400
GRANT_RUPIAH = 200_000


def key_of(*names: object) -> ec.EllipticCurvePrivateKey:
    """A P-256 key that is the same for the same parts."""
    digest = hashlib.sha256("/".join(str(name) for name in names).encode()).digest()
    return ec.derive_private_key(int.from_bytes(digest, "big") >> 1 or 1, ec.SECP256R1())


def application(kind: int, aid: bytes, method: int, cid: int, iad: bytes) -> policy.Application:
    """One card application of the sample policy."""
    made = policy.Application()
    made.kind, made.method, made.cid, made.pan_sequence = kind, method, cid, 1
    made.aip, made.tvr, made.cvm_results = b"\x5c\x00", bytes(5), b"\x3f\x00\x00"
    made.tac_default = made.tac_denial = made.tac_online = bytes(5)
    made.floor_limit_rupiah = 0
    made.aid, made.cdol1, made.iad = aid, bytes.fromhex("9f02069f03069f1a0295055f2a029a039c019f3704"), iad
    return made


def sample_policy(number: int = 1, settlement_delay_s: int = 0, provisional_cap_rupiah: int = 0) -> bytes:
    """Octets of a policy with two applications, two commodities and two baskets; of version 2 where there is a cap."""
    made = policy.Policy()
    for name, _ in policy.RULES:
        setattr(made, name, 1)
    made.number, made.utc_offset_minutes, made.settlement_delay_s = number, 420, settlement_delay_s
    made.country_code, made.currency_code = 360, 360
    made.programmes = ((1, "Sembako"), (2, "PKH"))
    made.applications = (
        application(policy.KIND_PROGRAMME, b"\xf0LUMB\x01", records.METHOD_CARD_PIN, 0x40, bytes(10)),
        application(
            policy.KIND_BANK, bytes.fromhex("a0000006021010"), records.METHOD_AID_PIN, 0x80, bytes(18)
        ),
    )
    made.commodities = ((1, "Beras", "kg", 13000), (2, "Telur", "kg", 28000))
    made.baskets = ((4, ((1, 1000, 13000), (2, 100, 28000))), (2, ((1, 500, 13000),)))
    if provisional_cap_rupiah:
        made.channels = policy.Channels()
        made.channels.provisional_cap_rupiah = provisional_cap_rupiah
    return policy.encode(made)


def card_key(salt: object, index: int) -> bytes:
    """The card key of family `index` of the roster named by `salt`."""
    return hashlib.sha256(f"card/{salt}/{index}".encode()).digest()[:8]


def sample_roster(salt: object = 0, count: int = 40, number: int = 1) -> bytes:
    """Octets of a roster; every third family has a bank card, the others a programme card."""
    entries = []
    for index in range(count):
        entry = roster.Entry()
        entry.state, entry.hamlet, entry.slot, entry.delegate = (
            roster.ACTIVE,
            index // 10,
            index % 7,
            roster.NO_DELEGATE,
        )
        card = roster.Card()
        card.card_key, card.applications = card_key(salt, index), 1 if index % 3 else 2
        card.bound_application, card.verifier = 255, bytes(16)
        entry.cards = (card,)
        entries.append(entry)
    return roster.encode(number, entries)


@dataclass
class Authority:
    """The key that certifies everything, and what it has signed."""

    seed: object = 0
    key: ec.EllipticCurvePrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = key_of("authority", self.seed)

    @property
    def public(self) -> bytes:
        """Its public key."""
        return signatures.public_octets(self.key)

    def sign(self, message: bytes) -> bytes:
        """Its signature over a message."""
        return signatures.sign(self.key, message)

    def policy(self, number: int = 1, settlement_delay_s: int = 0, provisional_cap_rupiah: int = 0) -> bytes:
        """A signed policy."""
        octets = sample_policy(number, settlement_delay_s, provisional_cap_rupiah)
        return octets + self.sign(policy.signed_message(octets))

    def roster(self, salt: object = 0, count: int = 40, number: int = 1) -> bytes:
        """A signed roster."""
        octets = sample_roster(salt, count, number)
        return octets + self.sign(roster.signed_message(roster.digest(octets)))

    def grant(
        self, kid: int, roster_digest: bytes, policy_digest: bytes, number: int = 1, programme: int = 1
    ) -> bytes:
        """A signed grant of `GRANT_RUPIAH` to every family."""
        made = grant.Grant()
        made.number, made.programme, made.period = number, programme, PERIOD
        made.expiry_s, made.hold, made.default_rupiah, made.exceptions = EXPIRY_S, 99, GRANT_RUPIAH, ()
        body = grant.encode(made)
        return body + self.sign(grant.signed_message(kid, roster_digest, policy_digest, body))

    def write_off(self, kid: int, first: int, last: int, value: bytes) -> bytes:
        """Records given up, signed; `value` is the chain value at the last one."""
        made = write_off.WriteOff()
        made.kid, made.first, made.last, made.chain = kid, first, last, value
        made.exposure_rupiah, made.issued_s, made.reason = 600_000, START_S, write_off.REASON_FLASH_DAMAGED
        body = write_off.encode(made)
        return body + self.sign(write_off.signed_message(body))

    def epoch(self, request: bytes, epoch: int = 1, issued_s: int = START_S - 86400) -> bytes:
        """A signed epoch certificate for a gateway's request."""
        made = certificates.EpochCertificate()
        made.gateway_key_id, made.epoch, made.issued_s = int.from_bytes(request[:4], "big"), epoch, issued_s
        made.agreement_key, made.acknowledgement_key = request[4:68], request[68:132]
        body = certificates.encode_epoch(made)
        return body + self.sign(certificates.epoch_message(body))

    def certify(self, kid: int, seal_key: bytes, agreement_key: bytes) -> bytes:
        """A signed terminal certificate."""
        made = certificates.TerminalCertificate()
        made.kid, made.storage, made.issued_s = kid, certificates.STORAGE_SOFTWARE, START_S - 3600
        made.seal_key, made.agreement_key = seal_key, agreement_key
        body = certificates.encode_terminal(made)
        return body + self.sign(certificates.terminal_message(body))


def derived(
    private: ec.EllipticCurvePrivateKey,
    own: bytes,
    gateway_public: bytes,
    label: tuple,
    kid: int,
    key_id: int,
    epoch: int,
) -> bytes:
    """One link key, derived at the terminal's end."""
    secret = private.exchange(ec.ECDH(), signatures.load_public(gateway_public))
    info = link_keys.info(label[0], kid, key_id, epoch)
    return HKDF(hashes.SHA256(), label[1], link_keys.salt(own, gateway_public), info).derive(secret)


class Terminal:
    """One terminal generation with its journal; `gateway_request` is the key id and public keys of the gateway.

    `octets[n]` is record n, `chains[n]` the chain value after it, `seals[n]` its seal; index 0 is unused.
    """

    def __init__(self, kid: int, authority: Authority, gateway_request: bytes, seed: object = 0) -> None:
        self.kid = kid
        self.rng = random.Random(f"{seed}/{kid}")
        self._seal_private = key_of("seal", seed, kid)
        agreement = key_of("agreement", seed, kid)
        self.seal_public = signatures.public_octets(self._seal_private)
        self.agreement_public = signatures.public_octets(agreement)
        self.certificate = authority.certify(kid, self.seal_public, self.agreement_public)
        self._key_id, gateway = int.from_bytes(gateway_request[:4], "big"), gateway_request[4:68]

        def key(label: tuple, epoch: int) -> bytes:
            return derived(agreement, self.agreement_public, gateway, label, kid, self._key_id, epoch)

        self.un_key = key(link_keys.UNPREDICTABLE_NUMBER, 0)
        self.up = GatewayCipher(key(link_keys.UP_CCM, 0), key(link_keys.UP_SALT, 0))
        self.down = lambda epoch: GatewayCipher(
            key(link_keys.DOWN_CCM, epoch), key(link_keys.DOWN_SALT, epoch)
        )
        self.octets: list[bytes] = [b""]
        self.chains = [chain.start(kid, self.seal_public, self.agreement_public, self.un_key)]
        self.seals: list[bytes] = [b""]
        self._documents: dict[bytes, Document] = {}
        self.library = Library(self._documents.get, 64)
        self._contexts: list[tuple[int, Adopted]] = [(0, Adopted())]
        self.time_s = START_S
        self.counter = 0
        self._salt: object = 0
        self._families = 0
        self._atc: dict[bytes, int] = {}

    @property
    def head(self) -> int:
        """Sequence of the last record."""
        return len(self.octets) - 1

    def fork(self, after: int) -> Terminal:
        """A rolled-back copy of this terminal: the same keys, the journal up to `after`."""
        twin = object.__new__(Terminal)
        twin.__dict__.update(self.__dict__)
        twin.octets, twin.chains, twin.seals = (
            list(each[: after + 1]) for each in (self.octets, self.chains, self.seals)
        )
        twin._contexts = [entry for entry in self._contexts if entry[0] <= after]
        twin.rng = random.Random(f"twin/{self.kid}/{after}")
        twin._atc = dict(self._atc)
        twin.time_s += 5
        return twin

    def append(self, octets: bytes) -> int:
        """Commit a canonical record: chain and seal; returns its sequence."""
        value = chain.extend(self.chains[-1], octets)
        self.octets.append(octets)
        self.chains.append(value)
        self.seals.append(signatures.sign(self._seal_private, chain.seal_message(self.kid, self.head, value)))
        return self.head

    def adopt(self, kind: Kind, signed: bytes, under: tuple[bytes, bytes] = (b"", b"")) -> int:
        """Commit the adoption of a signed document."""
        body = signed[:-64]
        if kind is Kind.GRANT:
            decoded = grant.decode(body, self.kid, *under)
            document = Document(
                kind, decoded.digest, decoded.number, signed, self.kid, decoded.programme, *under
            )
            subject = records.SUBJECT_GRANT
        else:
            subject = records.SUBJECT_ROSTER if kind is Kind.ROSTER else records.SUBJECT_POLICY
            document = Document(kind, hashlib.sha256(body).digest(), 1, signed)
        self._documents[document.digest] = document
        self.time_s += 1
        record = records.Record(
            kind=records.ADOPTION, version=1, time_s=self.time_s, time_trust=records.TRUST_NETWORK,
            subject=subject, number=document.number, digest=document.digest,
        )  # fmt: skip
        before = self._contexts[-1][1]
        sequence = self.append(records.encode(record))
        self._contexts.append((sequence, before.after(record, self.library.find)))
        return sequence

    def adopt_all(
        self, policy_signed: bytes, roster_signed: bytes, authority: Authority, salt: object = 0
    ) -> bytes:
        """Commit a policy, a roster and a grant under them; returns the grant."""
        self.adopt(Kind.POLICY, policy_signed)
        self.adopt(Kind.ROSTER, roster_signed)
        under = (hashlib.sha256(roster_signed[:-64]).digest(), hashlib.sha256(policy_signed[:-64]).digest())
        signed = authority.grant(self.kid, *under)
        self.adopt(Kind.GRANT, signed, under)
        self._salt = salt
        self._families = (len(roster_signed) - 64) // roster.ENTRY_OCTETS
        return signed

    def redeem(
        self, index: int | None = None, amount_rupiah: int = GRANT_RUPIAH, atc: int | None = None
    ) -> int:
        """Commit a redemption by the family at a roster index."""
        if index is None:
            index = self.rng.randrange(self._families or 40)
        bank = index % 3 == 0
        self.time_s += self.rng.randrange(20, 150)
        key = card_key(self._salt, index)
        self._atc[key] = self._atc.get(key, self.rng.randrange(1, 200)) + 1
        proof = records.CardProof(
            application_index=int(bank), pan_sequence=1,
            transaction_date=civil_date.transaction_date(self.time_s, 420), cid=0x80 if bank else 0x40,
            atc=self._atc[key] if atc is None else atc, ac=self.rng.randbytes(8), tvr=bytes(5), aip=b"\x5c\x00",
            cvm_results=b"\x3f\x00\x00", un_attempt=0, iad=bytes(18 if bank else 10),
        )  # fmt: skip
        record = records.Record(
            kind=records.REDEMPTION, version=1, time_s=self.time_s, time_trust=records.TRUST_NETWORK, programme=1,
            period=PERIOD, tender=records.TENDER_GOODS, amount_rupiah=amount_rupiah, card_key=key, lease=1,
            method=records.METHOD_AID_PIN if bank else records.METHOD_CARD_PIN, flags=0, reason=0, proof=proof,
            items=((1, 1000, 13000), (2, 100, 28000)),
        )  # fmt: skip
        return self.append(records.encode(record))

    def void(self, sequence: int) -> int:
        """Commit the void of an own redemption."""
        debited = records.decode(self.octets[sequence])
        self.time_s += 30
        record = records.Record(
            kind=records.VOID, version=1, time_s=self.time_s, time_trust=records.TRUST_NETWORK,
            programme=debited.programme, period=debited.period, amount_rupiah=debited.amount_rupiah,
            reference_sequence=sequence, card_key=debited.card_key, reason=1, proof=debited.proof,
        )  # fmt: skip
        return self.append(records.encode(record))

    def event(self, code: int = records.EVENT_OPERATOR_LOGIN, detail: bytes = b"") -> int:
        """Commit an event record."""
        self.time_s += 1
        record = records.Record(
            kind=records.EVENT, version=1, time_s=self.time_s, time_trust=records.TRUST_NETWORK, code=code,
            operator=7, detail=detail,
        )  # fmt: skip
        return self.append(records.encode(record))

    def context_before(self, sequence: int) -> HeldContext | None:
        """The context under which a record at `sequence` is coded."""
        adopted = [entry for after, entry in self._contexts if after < sequence][-1]
        return HeldContext(adopted, self.library) if adopted.is_complete else None

    def frame(
        self,
        first: int,
        last: int | None = None,
        *,
        sealed: bool = True,
        literal: bool | None = None,
        seal: bytes = b"",
        bare: tuple[bytes, bytes] | None = None,
    ) -> bytes:
        """A frame with records `first` to `last` (the head by default), `bare`: under this roster and policy alone."""
        last = self.head if last is None else last
        context = self.context_before(first) if bare is None else HeldContext(Adopted(*bare), self.library)
        crosses = any(first <= after < last for after, _ in self._contexts)
        if literal is None:
            literal = context is None or (crosses and bare is None)
        return frame.encode_records(
            self.kid,
            first,
            self.octets[first : last + 1],
            (seal or self.seals[last]) if sealed else b"",
            codec.LITERAL if literal else codec.PREDICTED,
            None if literal else context,
            self.up,
        )

    def report(self, sealed_through: int = 0, epoch: int = 0, counter: int = 0) -> bytes:
        """A status frame."""
        told = status.Status()
        told.time_s, told.time_trust, told.head, told.sealed_through = (
            self.time_s,
            3,
            self.head,
            sealed_through,
        )
        told.echo_epoch, told.echo_counter, told.boot_counter = epoch, counter, 1
        told.pending_rupiah, told.last_error = 0, 0
        self.counter += 1
        return frame.encode_counter(
            frame.CLASS_UP, frame.UP_STATUS, self.kid, self.counter, status.encode(told), self.up
        )

    def parts(self, whole: bytes, kind: int = parts.RECORDS_FRAME) -> list[bytes]:
        """A frame in parts, each in a frame of its own."""
        made = []
        for part in parts.split(kind, whole):
            self.counter += 1
            body = parts.encode(part)
            made.append(
                frame.encode_counter(frame.CLASS_UP, frame.UP_PART, self.kid, self.counter, body, self.up)
            )
        return made

    def bridge(self, *claims: int, values: tuple[bytes, ...] = ()) -> bytes:
        """A bridge frame with the chain values at these sequences, or with others in their place."""
        told = bridge.Bridge()
        told.values = tuple(
            zip(claims, values or [self.chains[sequence] for sequence in claims], strict=True)
        )
        self.counter += 1
        return frame.encode_counter(
            frame.CLASS_UP, frame.UP_BRIDGE, self.kid, self.counter, bridge.encode(told), self.up
        )
