"""Making a terminal one of the programme's: keys are made here and never leave; everything given is verified first.

Two steps, since the authority has to certify in between: `make_keys`, then `install`. Until `install` has gone through, both
may be repeated, after a power cut too; from then on only a technician who has the old records safe may begin anew. What
changes in a terminal that is in use, `renew` replaces: all of it or nothing, whenever power fails.
"""

import hashlib

from firmware import settings
from firmware.crypto import p256
from firmware.crypto.p256_curve import N
from firmware.hal.flash_area import FlashError
from firmware.ledger import ca_key_list, document_area, roster_area, roster_writer, slots
from firmware.ledger.document_area import Documents, DocumentsMissing
from firmware.ledger.roster_area import RosterArea, RosterMissing
from protocol import certificates, chain, grant, link_keys, policy, roster
from protocol.errors import AuthenticationFailed, OutOfRange
from protocol.octets import fixed

KEY_DRAW_OCTETS = 40
ROSTER_KEY_OCTETS = 32
OPERATOR_OCTETS = 16

# What the authority gives beside the grants (and the roster, which has areas of its own).
REQUIRED = (
    document_area.TERMINAL_CERTIFICATE,
    document_area.EPOCH_CERTIFICATE,
    document_area.AUTHORITY_KEY,
    document_area.ROSTER_KEY,
    document_area.POLICY,
    document_area.CA_KEYS,
)
OPTIONAL = (document_area.OPERATORS, document_area.SETTINGS, document_area.BROKER_CA)
# What may be replaced in a terminal that is in use, beside grants and roster.
RENEWABLE = OPTIONAL + (document_area.POLICY, document_area.CA_KEYS)


class AlreadyProvisioned(Exception):
    """This terminal is in use: new keys would let its journal be overwritten, and with it records that were not sent."""


class ReadBackDiffers(FlashError):
    """What was installed does not come back from flash as it was given."""


class DocumentsIncomplete(Exception):
    """What was given is not what a terminal needs; the message names the section."""


def open_documents(flash: dict) -> Documents:
    """The documents of a board, empty on a new one."""
    documents = Documents(flash["identity_a"], flash["identity_b"])
    try:
        documents.load()
    except DocumentsMissing:
        pass  # a new terminal: the first save begins its documents
    return documents


def make_keys(documents: Documents, kid: int, entropy, discards_records: bool = False) -> tuple:
    """Draw two key pairs for a new generation and keep them; returns (seal key, agreement key), 64 octets each.

    Nothing of an earlier generation stays in the documents. Raises `AlreadyProvisioned` where there was one, unless
    `discards_records` says that its journal is safe elsewhere.
    """
    if documents.get(document_area.CHAIN_START) and not discards_records:
        raise AlreadyProvisioned
    changes = dict.fromkeys(documents.names(), b"")
    changes[document_area.KID] = kid.to_bytes(4, "big")
    publics = []
    for section in (document_area.SEAL_PRIVATE, document_area.AGREEMENT_PRIVATE):
        # 64 bits more than the order, so that the remainder is even over it (FIPS 186-5, A.2.1).
        private = int.from_bytes(entropy(KEY_DRAW_OCTETS), "big") % (N - 1) + 1
        changes[section] = private.to_bytes(32, "big")
        publics.append(p256.public_key(private))
    documents.save(changes)
    return publics[0], publics[1]


def holds_records_of(flash: dict, documents: Documents) -> list:
    """Kids of the generations whose records new keys would put at risk: the one in use, or where the documents are lost
    altogether those that the journal names. Empty where keys may be made.
    """
    if documents.get(document_area.CHAIN_START):
        return [int.from_bytes(documents.get(document_area.KID), "big")]
    if documents.get(document_area.KID):
        return []  # keys were made: whoever made them was asked
    kids = set()
    head = bytearray(slots.SECTOR_HEADER_OCTETS)
    for address in range(0, flash["journal"].size, slots.SECTOR_BYTES):
        flash["journal"].read_into(address, head)
        header = slots.decode_sector_header(head)
        if header is not None:
            kids.add(header.kid)
    return sorted(kids)


def manifest(sections: dict, roster_signed: bytes) -> bytes:
    """SHA-256 over what the authority gave: for each section in order its name (1 octet) and the SHA-256 of its octets, then
    the SHA-256 of the signed roster; a section without octets is none. Both ends of a cable work it out, each from what it has.
    """
    hasher = hashlib.sha256()
    for name in sorted(sections):
        if not sections[name]:
            continue
        hasher.update(bytes((name,)) + hashlib.sha256(sections[name]).digest())
    hasher.update(hashlib.sha256(roster_signed).digest())
    return hasher.digest()


def installed_manifest(flash: dict, documents: Documents) -> bytes:
    """`manifest` of what the flash holds, every octet of it read for this; raises `ReadBackDiffers` without a roster."""
    given = {}
    for name in documents.names():
        if name in REQUIRED or name in OPTIONAL or name >= document_area.GRANT_FIRST:
            given[name] = documents.get(name)
    signature = documents.get(document_area.ROSTER_SIGNATURE)
    return manifest(given, _roster_octets(flash, signature[:32]) + signature[32:])


def _roster_octets(flash: dict, digest: bytes) -> bytes:
    """The roster of that digest as flash has it."""
    for name in ("roster_a", "roster_b"):
        try:
            held = RosterArea(flash[name])
        except RosterMissing:
            continue
        if held.digest == digest:
            octets = bytearray(roster.octets(held.count))
            flash[name].read_into(roster_area.DATA_AT, octets)
            return bytes(octets)
    raise ReadBackDiffers("roster_a", 0, "no area has the roster")


def install(flash: dict, documents: Documents, given: dict, roster_signed: bytes, signer) -> None:
    """Verify and store what the authority issued: `given` maps document sections to octets.

    Raises `DocumentsIncomplete`, a `ProtocolError`, an `AuthenticationError` of the card CAs or a `SettingsError`, each
    naming what is wrong; nothing is stored then. `signer` is over the keys of `make_keys` and derives the UN key that the
    chain commits to.
    """
    _require_sections(given)
    authority = given[document_area.AUTHORITY_KEY]
    _require_point(authority, "authority key", 0)
    kid = int.from_bytes(documents.get(document_area.KID), "big")
    terminal = _terminal_certificate(given[document_area.TERMINAL_CERTIFICATE], authority, kid, signer)
    epoch = _epoch_certificate(given[document_area.EPOCH_CERTIFICATE], authority)
    policy_digest = _policy(given[document_area.POLICY], authority)
    octets, signature = certificates.split_signature(roster_signed, "roster")
    roster_digest = roster.digest(octets)
    _require(authority, roster.signed_message(roster_digest), signature, "roster signature")
    roster.decode(octets)
    for section in sorted(given):
        if section >= document_area.GRANT_FIRST:
            programme = _grant(given[section], authority, kid, roster_digest, policy_digest)
            if section != document_area.GRANT_FIRST + programme:
                raise OutOfRange("programme", 4, "another than its section's")
    ca_key_list.decode(given[document_area.CA_KEYS])
    settings.parse(given.get(document_area.SETTINGS, b""))
    changes = dict(given)
    changes[document_area.ROSTER_SIGNATURE] = roster_digest + signature
    changes[document_area.FIRST_EPOCH_CERTIFICATE] = given[document_area.EPOCH_CERTIFICATE]
    changes[document_area.CHAIN_START] = _chain_start(kid, terminal, epoch, signer)
    roster_writer.write(free_area(flash, documents), octets)
    documents.save(changes)


def renew(flash: dict, ledger, given: dict, roster_signed: bytes = b"") -> None:
    """Replace documents of a terminal in use: `given` maps sections (`RENEWABLE`, grants; an empty value removes an optional
    one) to octets. A restart has to follow; until then the ledger commits nothing.

    What is signed only goes forward: a policy or roster has no smaller number than the one in force, a grant a greater one
    and no earlier period, a roster no fewer entries. A new roster or policy comes with new grants for every programme in
    force, since these name both. Raises as `install` does; nothing is stored then.
    """
    documents = ledger.documents
    for section in sorted(given):
        if section < document_area.GRANT_FIRST and section not in RENEWABLE:
            raise DocumentsIncomplete("section %d cannot be renewed" % section)
        if not given[section] and section not in OPTIONAL:
            raise DocumentsIncomplete("section %d is empty" % section)
    authority = documents.get(document_area.AUTHORITY_KEY)
    changes = dict(given)
    roster_digest, octets = ledger.roster.digest, b""
    if roster_signed:
        octets, signature = certificates.split_signature(roster_signed, "roster")
        roster_digest = roster.digest(octets)
        _require(authority, roster.signed_message(roster_digest), signature, "roster signature")
        decoded = roster.decode(octets)[0]
        _require_later("roster number", decoded.number, ledger.roster.number)
        _require_later("count", decoded.count, ledger.roster.count)
        changes[document_area.ROSTER_SIGNATURE] = roster_digest + signature
    policy_digest = ledger.policy.digest
    if document_area.POLICY in given:
        policy_digest = _policy(given[document_area.POLICY], authority)
        body, _ = certificates.split_signature(given[document_area.POLICY], "policy")
        _require_later("number", policy.decode(body).number, ledger.policy.number)
    _require_grants(ledger, given, authority, roster_digest, policy_digest)
    if document_area.CA_KEYS in given:
        ca_key_list.decode(given[document_area.CA_KEYS])
    _require_operators(given.get(document_area.OPERATORS, b""))
    settings.parse(given.get(document_area.SETTINGS, b""))
    if octets:
        _renew_roster(flash, documents, octets)
    ledger.replace_documents(changes)


def _renew_roster(flash: dict, documents: Documents, octets: bytes) -> None:
    """The roster into the free area. The one in force given once more is a cure for flash that lost some of it: then the
    damaged copy goes, once the new one is whole.
    """
    free = free_area(flash, documents)
    roster_writer.write(free, octets)
    if roster.digest(octets) == documents.get(document_area.ROSTER_SIGNATURE)[:32]:
        for name in ("roster_a", "roster_b"):
            if flash[name] is not free:
                flash[name].erase(0)


def _require_grants(
    ledger, given: dict, authority: bytes, roster_digest: bytes, policy_digest: bytes
) -> None:
    """Grants that fit roster and policy as they will be, each later than the one in force."""
    is_bound_anew = (roster_digest, policy_digest) != (ledger.roster.digest, ledger.policy.digest)
    for programme in sorted(ledger.grants):
        if is_bound_anew and document_area.GRANT_FIRST + programme not in given:
            raise DocumentsIncomplete("section %d is missing" % (document_area.GRANT_FIRST + programme))
    for section in sorted(given):
        if section < document_area.GRANT_FIRST:
            continue
        programme = _grant(given[section], authority, ledger.kid, roster_digest, policy_digest)
        if section != document_area.GRANT_FIRST + programme:
            raise OutOfRange("programme", 4, "another than its section's")
        body, _ = certificates.split_signature(given[section], "grant")
        decoded = grant.decode(body, ledger.kid, roster_digest, policy_digest)
        held = ledger.grants.get(programme)
        if held is not None:
            _require_later("grant number", decoded.number, held.number + 1)
            _require_later("period", decoded.period, held.period)


def _require_later(field: str, value: int, least: int) -> None:
    """Nothing that was signed comes back once it was replaced."""
    if value < least:
        raise OutOfRange(field, -1, "earlier than what is in force")


def _require_operators(octets: bytes) -> None:
    if len(octets) % OPERATOR_OCTETS:
        raise OutOfRange("operators", 0, "not %d octets each" % OPERATOR_OCTETS)


def _require_sections(given: dict) -> None:
    """All that a terminal needs, nothing that it makes itself, and the right lengths where nothing else checks them."""
    for section in REQUIRED:
        if not given.get(section):
            raise DocumentsIncomplete("section %d is missing" % section)
    for section in sorted(given):
        if section < document_area.GRANT_FIRST and section not in REQUIRED and section not in OPTIONAL:
            raise DocumentsIncomplete("section %d is not for the authority to give" % section)
    fixed("roster key", given[document_area.ROSTER_KEY], ROSTER_KEY_OCTETS)
    _require_operators(given.get(document_area.OPERATORS, b""))


def _require_point(key: bytes, field: str, offset: int) -> None:
    """A public key on the curve."""
    try:
        p256.decode_public_key(key)
    except p256.InvalidPublicKey:
        raise OutOfRange(field, offset, "not a point of the curve")


def free_area(flash: dict, documents: Documents):
    """The roster area that the documents in force do not name, so that a power cut leaves them whole."""
    in_use = documents.get(document_area.ROSTER_SIGNATURE)[:32]
    try:
        if RosterArea(flash["roster_a"]).digest == in_use:
            return flash["roster_b"]
    except RosterMissing:
        pass  # nothing there that could be in use
    return flash["roster_a"]


def _require(key: bytes, message: bytes, signature: bytes, field: str) -> None:
    """A signature that verifies, or `AuthenticationFailed`."""
    if not p256.verify(key, hashlib.sha256(message).digest(), signature, True):
        raise AuthenticationFailed(field, 0, "does not verify")


def _terminal_certificate(
    signed: bytes, authority: bytes, kid: int, signer
) -> certificates.TerminalCertificate:
    """This terminal's own certificate: its kid and its keys."""
    body, signature = certificates.split_signature(signed, "terminal certificate")
    _require(authority, certificates.terminal_message(body), signature, "terminal certificate signature")
    certificate = certificates.decode_terminal(body)
    if certificate.kid != kid:
        raise OutOfRange("kid", 1, "not this terminal's")
    if (certificate.seal_key, certificate.agreement_key) != signer.public_keys():
        raise OutOfRange("seal key", 10, "not this terminal's")
    return certificate


def _epoch_certificate(signed: bytes, authority: bytes) -> certificates.EpochCertificate:
    """The gateway's keys."""
    body, signature = certificates.split_signature(signed, "epoch certificate")
    _require(authority, certificates.epoch_message(body), signature, "epoch certificate signature")
    certificate = certificates.decode_epoch(body)
    _require_point(certificate.agreement_key, "agreement key", 11)
    _require_point(certificate.acknowledgement_key, "acknowledgement key", 75)
    return certificate


def _policy(signed: bytes, authority: bytes) -> bytes:
    """The policy's digest."""
    body, signature = certificates.split_signature(signed, "policy")
    _require(authority, policy.signed_message(body), signature, "policy signature")
    return policy.decode(body).digest


def _grant(signed: bytes, authority: bytes, kid: int, roster_digest: bytes, policy_digest: bytes) -> int:
    """A grant for this kid under this roster and policy; returns its programme."""
    body, signature = certificates.split_signature(signed, "grant")
    message = grant.signed_message(kid, roster_digest, policy_digest, body)
    _require(authority, message, signature, "grant signature")
    return int(grant.decode(body, kid, roster_digest, policy_digest).programme)


def _chain_start(kid: int, terminal, epoch, signer) -> bytes:
    """`chain_0`, which commits to both keys and the UN key."""
    label = link_keys.UNPREDICTABLE_NUMBER[0]

    def info_for(name: bytes) -> bytes:
        return link_keys.info(name, kid, epoch.gateway_key_id, 0)

    salt = link_keys.salt(terminal.agreement_key, epoch.agreement_key)
    keys = signer.agree(epoch.agreement_key, info_for, salt, (link_keys.UNPREDICTABLE_NUMBER,))
    return chain.start(kid, terminal.seal_key, terminal.agreement_key, keys[label])
