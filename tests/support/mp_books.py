"""Small books on modelled flash for tests on MicroPython: a journal with made-up seals, a whole ledger, and a tape."""

import hashlib

from firmware.hal.flash_area import FlashArea
from firmware.ledger import document_area, roster_writer, slots
from firmware.ledger.checkpoint import Checkpointer
from firmware.ledger.document_area import Documents
from firmware.ledger.journal import Journal
from firmware.ledger.ledger import Ledger
from hardware.nor_flash import NorFlash, Partition
from protocol import acknowledgement, certificates, grant, policy, records, roster

KID = 0x1234
START = bytes(range(32))
SECTOR_BYTES = 4096


def seal_of(sequence: int, chain: bytes) -> bytes:
    """64 octets that depend on what a seal signs."""
    half = hashlib.sha256(b"seal" + sequence.to_bytes(4, "big") + chain).digest()
    return half + half


def make_flash(sectors: int = 8, seed: int = 1) -> NorFlash:
    """A chip of a few sectors."""
    return NorFlash(sectors * SECTOR_BYTES, seed=seed)


def area_of(flash: NorFlash, name: str = "journal") -> FlashArea:
    """The whole chip as one area."""
    return FlashArea(Partition(flash, name, 0, flash.size), name)


class Tape:
    """The simplest books: every slot that a journal counted, in order; a checkpoint holds all of them."""

    def __init__(self) -> None:
        self.reclaim_through = 0
        self.retired = []
        self.restored = 0
        self.reset()

    def reset(self) -> None:
        self.seen = []

    def apply(self, kind: int, sequence: int, index: int, payload: bytes) -> None:
        self.seen.append((kind, sequence, index, payload))

    def snapshot(self) -> bytes:
        parts = []
        for kind, sequence, index, payload in self.seen:
            parts.append(
                bytes((kind, len(payload))) + sequence.to_bytes(3, "big") + index.to_bytes(2, "big") + payload
            )
        return b"".join(parts)

    def restore(self, octets: bytes) -> bool:
        at = 0
        while at < len(octets):
            end = at + 7 + octets[at + 1]
            sequence = int.from_bytes(octets[at + 2 : at + 5], "big")
            self.seen.append(
                (octets[at], sequence, octets[at + 5] << 8 | octets[at + 6], octets[at + 7 : end])
            )
            at = end
        self.restored += 1
        return True

    def chain(self) -> list:
        """(sequence, record) of the chain."""
        return [(entry[1], entry[3]) for entry in self.seen if entry[0] < slots.LOCAL_FIRST]

    def marks(self, kind: int) -> list:
        """(index, payload) of the marks of one kind, each once where it stands twice in a row."""
        found = []
        for entry in self.seen:
            if entry[0] == kind and (not found or found[-1] != entry[2:]):
                found.append(entry[2:])
        return found


def open_journal(flash: NorFlash, tape=None) -> Journal:
    """A journal on the chip as it is after power came on; `tape` (a `Tape`) takes what it counts."""
    journal = Journal(area_of(flash), KID, START)
    journal.open(Tape() if tape is None else tape)
    return journal


def checkpoint(journal: Journal, tape: Tape) -> None:
    """Write a whole checkpoint now, due or not."""
    writer = Checkpointer(journal, tape.snapshot)
    writer._is_due = lambda: True
    before = journal.checkpoints
    while journal.checkpoints == before:
        writer.step()


def event(number: int) -> bytes:
    """A canonical record that can be told from others."""
    record = records.Record(
        kind=records.EVENT,
        version=1,
        time_s=1_800_000_000 + number,
        time_trust=records.TRUST_KEPT,
        code=1,
        operator=0,
        detail=number.to_bytes(4, "big"),
    )
    return records.encode(record)


def append_events(journal: Journal, first: int, count: int, tape=None) -> list:
    """Commit events; returns (sequence, octets) of those that were committed."""
    done = []
    for number in range(first, first + count):
        octets = event(number)
        sequence, _, _ = journal.append_chain(records.EVENT, octets, slots.NO_INDEX, seal_of)
        if tape is not None:
            tape.apply(records.EVENT, sequence, slots.NO_INDEX, octets)
        done.append((sequence, octets))
    return done


def append_mark(journal: Journal, kind: int, payload: bytes, index: int = slots.NO_INDEX, tape=None) -> None:
    """Burn a local mark."""
    journal.append_local(kind, payload, index)
    if tape is not None:
        tape.apply(kind, 0, index, payload)


# A whole ledger. Its documents carry no real signatures: the books do not look at them, `relay/downlink` does.

NOW_S = 1_790_000_000
PERIOD = 2026 * 12 + 8
EXPIRY_S = NOW_S + 90 * 24 * 3600
ROSTER_SECTORS = 3
IDENTITY_SECTORS = 4
SIGNATURE = bytes(64)
AREAS = (("roster_a", ROSTER_SECTORS), ("roster_b", ROSTER_SECTORS))
AREAS += (("identity_a", IDENTITY_SECTORS), ("identity_b", IDENTITY_SECTORS))


class Keeper:
    """A time keeper whose time a test sets."""

    def __init__(self, now_s: int = NOW_S, trust: int = records.TRUST_KEPT) -> None:
        self.now_s = now_s
        self.trust = trust
        self.heard = []

    def epoch_seconds(self) -> int:
        return self.now_s

    def hear(self, seconds: int, is_fresh: bool) -> None:
        self.heard.append((seconds, is_fresh))


def make_chip(journal_sectors: int = 16, seed: int = 1) -> NorFlash:
    """One chip for all areas, so that a power cut hits whichever is being written."""
    sectors = journal_sectors + sum([count for _, count in AREAS])
    return NorFlash(sectors * SECTOR_BYTES, seed=seed)


def flash_of(chip: NorFlash) -> dict:
    """The areas of such a chip by name; the journal has what the others leave."""
    flash = {}
    start = 0
    journal = chip.size // SECTOR_BYTES - sum([count for _, count in AREAS])
    for name, sectors in (("journal", journal),) + AREAS:
        partition = Partition(chip, name, start * SECTOR_BYTES, sectors * SECTOR_BYTES)
        flash[name] = FlashArea(partition, name)
        start += sectors
    return flash


def card_key(family: int, place: int = 0) -> bytes:
    """A made-up card key."""
    return hashlib.sha256(b"card %d %d" % (family, place)).digest()[:8]


def make_roster(families: int, number: int = 1) -> bytes:
    """A roster; every second family has a second card."""
    entries = []
    for family in range(families):
        entry = roster.Entry()
        entry.state = roster.ACTIVE
        entry.hamlet = family % 5
        entry.slot = family % 7
        entry.delegate = roster.NO_DELEGATE
        entry.cards = []
        for place in range(1 + family % 2):
            card = roster.Card()
            card.card_key = card_key(family, place)
            card.applications = 1
            card.bound_application = 255
            card.verifier = hashlib.sha256(b"verifier %d" % family).digest()[:16]
            entry.cards.append(card)
        entries.append(entry)
    return roster.encode(number, entries)


def make_policy(number: int = 1) -> bytes:
    """The octets of a small policy."""
    document = policy.Policy()
    for name, _ in policy.RULES:
        setattr(document, name, 1)
    document.number = number
    document.utc_offset_minutes = 420
    document.programmes = ((1, "Sembako"), (2, "PKH"))
    application = policy.Application()
    application.kind = policy.KIND_BANK
    application.method = records.METHOD_AID_PIN
    application.pan_sequence = 1
    application.cid = 0x80
    application.aip = bytes(2)
    application.tvr = application.tac_default = application.tac_denial = application.tac_online = bytes(5)
    application.cvm_results = bytes(3)
    application.floor_limit_rupiah = 0
    application.aid = bytes.fromhex("a0000006021010")
    application.cdol1 = b"\x9f\x02\x06"
    application.iad = b""
    document.applications = (application,)
    document.commodities = ((1, "Beras", "kg", 13000),)
    document.baskets = ((4, ((1, 1000, 13000),)),)
    return policy.encode(document)


def make_grant(number: int = 1, programme: int = 1, period: int = PERIOD, rupiah: int = 200_000) -> bytes:
    """The octets of a grant."""
    document = grant.Grant()
    document.number = number
    document.programme = programme
    document.period = period
    document.expiry_s = EXPIRY_S
    document.hold = 7
    document.default_rupiah = rupiah
    document.exceptions = ()
    return grant.encode(document)


def make_epoch(epoch: int = 1, agreement: bytes = bytes(64), acknowledgement_key: bytes = bytes(64)) -> bytes:
    """The octets of an epoch certificate."""
    certificate = certificates.EpochCertificate()
    certificate.gateway_key_id = 1
    certificate.epoch = epoch
    certificate.issued_s = NOW_S
    certificate.agreement_key = agreement
    certificate.acknowledgement_key = acknowledgement_key
    return certificates.encode_epoch(certificate)


def provision(flash: dict, families: int = 8, programmes: tuple = (1,)) -> None:
    """Roster and documents into flash."""
    octets = make_roster(families)
    roster_writer.write(flash["roster_a"], octets)
    sections = {
        document_area.KID: KID.to_bytes(4, "big"),
        document_area.POLICY: make_policy() + SIGNATURE,
        document_area.ROSTER_SIGNATURE: roster.digest(octets) + SIGNATURE,
        document_area.CHAIN_START: START,
        document_area.EPOCH_CERTIFICATE: make_epoch() + SIGNATURE,
    }
    for programme in programmes:
        sections[document_area.GRANT_FIRST + programme] = make_grant(1, programme) + SIGNATURE
    Documents(flash["identity_a"], flash["identity_b"]).save(sections)


def open_ledger(flash: dict, keeper=None) -> Ledger:
    """The books as they are after power came on, adoptions committed."""
    documents = Documents(flash["identity_a"], flash["identity_b"])
    documents.load()
    ledger = Ledger(flash, documents, KID, START, keeper or Keeper())
    ledger.open()
    ledger.seal_of = seal_of
    ledger.adopt_missing()
    return ledger


def make_ledger(families: int = 8, programmes: tuple = (1,), journal_sectors: int = 16) -> tuple:
    """(ledger, flash areas, chip) of a new terminal."""
    chip = make_chip(journal_sectors)
    flash = flash_of(chip)
    provision(flash, families, programmes)
    return open_ledger(flash), flash, chip


def make_proof(attempt: int = 0) -> records.CardProof:
    """A made-up answer of a card."""
    return records.CardProof(
        application_index=0,
        pan_sequence=1,
        transaction_date=b"\x26\x09\x01",
        cid=0x80,
        atc=1 + attempt,
        ac=bytes(8),
        tvr=bytes(5),
        aip=bytes(2),
        cvm_results=bytes(3),
        un_attempt=attempt,
        iad=b"",
    )


def redeem(ledger: Ledger, family: int, rupiah: int, programme: int = 1) -> int:
    """Burn an attempt and commit a redemption, as `authorize` does; returns its sequence."""
    _, attempt = ledger.burn_un_attempt()
    record = ledger.record(
        records.REDEMPTION,
        programme=programme,
        period=ledger.grants[programme].period,
        tender=records.TENDER_GOODS,
        amount_rupiah=rupiah,
        card_key=card_key(family),
        lease=ledger.grants[programme].number,
        method=records.METHOD_AID_PIN,
        flags=0,
        reason=0,
        proof=make_proof(attempt),
        items=(),
    )
    return ledger.commit(record, family)


def void(ledger: Ledger, family: int, rupiah: int, sequence: int, programme: int = 1) -> int:
    """Commit a void of redemption `sequence`."""
    _, attempt = ledger.burn_un_attempt()
    record = ledger.record(
        records.VOID,
        programme=programme,
        period=ledger.grants[programme].period,
        amount_rupiah=rupiah,
        reference_sequence=sequence,
        card_key=card_key(family),
        reason=1,
        proof=make_proof(attempt),
    )
    return ledger.commit(record, family)


def note_event(ledger: Ledger, detail: bytes = b"") -> int:
    """Commit an operator's login."""
    event_record = ledger.record(records.EVENT, code=records.EVENT_OPERATOR_LOGIN, operator=1, detail=detail)
    return ledger.commit(event_record, slots.NO_INDEX)


def make_acknowledgement(
    ledger: Ledger,
    sealed: int,
    reclaim: int = 0,
    gaps: tuple = (),
    states_first: int = 0,
    states: tuple = (),
    epoch: int = 1,
    time_s: int = NOW_S + 60,
) -> bytes:
    """The body of an acknowledgement that fits the ledger's chain."""
    body = acknowledgement.Acknowledgement()
    body.epoch = epoch
    body.time_s = time_s
    body.sealed_through = sealed
    body.chain_digest = (
        ledger.journal.chain_at(sealed)[:16] if sealed <= ledger.journal.sequence else bytes(16)
    )
    body.reclaim_through = reclaim
    body.gaps = gaps
    body.states_first = states_first
    body.states = states
    return acknowledgement.encode(body)
