"""What the authority issues: signed units (body ‖ signature) for terminals and gateways, checked before they are signed."""

from protocol import certificates, grant, policy, roster, roster_delta, takeover, write_off
from protocol.certificates import KEY_OCTETS
from tools.authority.signing import SigningKey, is_on_curve

GATEWAY_REQUEST_OCTETS = 4 + 2 * KEY_OCTETS
TERMINAL_REQUEST_OCTETS = 4 + 1 + 2 * KEY_OCTETS
STORAGES = (certificates.STORAGE_SOFTWARE, certificates.STORAGE_ATECC608)


class RequestRefusedError(Exception):
    """A request or document that the authority does not sign; the message names the field."""


class Authority:
    """Issues under one signing key; every method returns a signed unit, or raises `RequestRefusedError` or a
    `ProtocolError`.
    """

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @property
    def public(self) -> bytes:
        """The key that terminals, gateway and settlement trust, x ‖ y."""
        return self._key.public

    def terminal(self, kid: int, seal_key: bytes, agreement_key: bytes, storage: int, issued_s: int) -> bytes:
        """A terminal certificate."""
        if storage not in STORAGES:
            raise RequestRefusedError("storage: unknown")
        _require_keys(seal_key, agreement_key, ("seal key", "agreement key"))
        certificate = certificates.TerminalCertificate()
        certificate.kid = kid
        certificate.storage = storage
        certificate.issued_s = issued_s
        certificate.seal_key = seal_key
        certificate.agreement_key = agreement_key
        body = certificates.encode_terminal(certificate)
        return body + self._key.sign(certificates.terminal_message(body))

    def terminal_request(self, request: bytes, issued_s: int) -> tuple[int, bytes]:
        """(kid, certificate) for a terminal's request (kid 4 ‖ storage 1 ‖ seal key 64 ‖ agreement key 64)."""
        if len(request) != TERMINAL_REQUEST_OCTETS:
            raise RequestRefusedError(
                f"terminal request: {len(request)} octets, not {TERMINAL_REQUEST_OCTETS}"
            )
        kid = int.from_bytes(request[:4], "big")
        return kid, self.terminal(
            kid, request[5 : 5 + KEY_OCTETS], request[5 + KEY_OCTETS :], request[4], issued_s
        )

    def epoch(self, request: bytes, epoch: int, issued_s: int) -> bytes:
        """An epoch certificate for a gateway's request (key id 4 ‖ agreement key 64 ‖ acknowledgement key 64)."""
        if len(request) != GATEWAY_REQUEST_OCTETS:
            raise RequestRefusedError(f"gateway request: {len(request)} octets, not {GATEWAY_REQUEST_OCTETS}")
        agreement_key, acknowledgement_key = request[4 : 4 + KEY_OCTETS], request[4 + KEY_OCTETS :]
        _require_keys(agreement_key, acknowledgement_key, ("agreement key", "acknowledgement key"))
        certificate = certificates.EpochCertificate()
        certificate.gateway_key_id = int.from_bytes(request[:4], "big")
        certificate.epoch = epoch
        certificate.issued_s = issued_s
        certificate.agreement_key = agreement_key
        certificate.acknowledgement_key = acknowledgement_key
        body = certificates.encode_epoch(certificate)
        return body + self._key.sign(certificates.epoch_message(body))

    def policy(self, document: policy.Policy) -> bytes:
        """A signed policy."""
        body = policy.encode(document)
        return body + self._key.sign(policy.signed_message(body))

    def roster(self, octets: bytes, after: bytes = b"") -> bytes:
        """A signed roster; every entry is read first, and a card may stand in one place only. `after`: the signed roster before
        it, which it must follow so that terminals in use can take it.
        """
        header = roster.decode_header(octets[: roster.HEADER_OCTETS])
        if len(octets) != roster.octets(header.count):
            raise RequestRefusedError(f"roster: {len(octets)} octets do not hold {header.count} entries")
        seen: set[bytes] = set()
        for index in range(header.count):
            at = roster.octets(index)
            for card in roster.decode_entry(octets[at : at + roster.ENTRY_OCTETS]).cards:
                if card.card_key in seen:
                    raise RequestRefusedError(f"roster entry {index}: its card stands elsewhere too")
                seen.add(card.card_key)
        if after:
            changed_families(certificates.split_signature(after, "roster")[0], octets)
        return octets + self._key.sign(roster.signed_message(roster.digest(octets)))

    def grant(self, kid: int, roster_digest: bytes, policy_digest: bytes, document: grant.Grant) -> bytes:
        """A signed grant for one terminal."""
        body = grant.encode(document)
        return body + self._key.sign(grant.signed_message(kid, roster_digest, policy_digest, body))

    def write_off(self, document: write_off.WriteOff) -> bytes:
        """A signed write-off."""
        body = write_off.encode(document)
        return body + self._key.sign(write_off.signed_message(body))

    def takeover(self, document: takeover.Takeover) -> bytes:
        """A signed takeover."""
        body = takeover.encode_takeover(document)
        return body + self._key.sign(takeover.takeover_message(body))


def changed_families(before: bytes, after: bytes) -> list[int]:
    """Indices of the families that are new in a roster, or stand otherwise in it than in the one before (octets without their
    signatures); raises `RequestRefusedError` where it is not later, or an index was given to another family.
    """
    header = roster.decode_header(before)
    if len(before) != roster.octets(header.count):
        raise RequestRefusedError("roster: the one before is not whole, or is not signed")
    if roster.decode_header(after).number <= header.number:
        raise RequestRefusedError("roster: its number is not greater than that of the one before")
    changes = [index for index, _ in roster_delta.between(before, after).entries]
    for index in changes:
        was, now = (set(roster.card_keys(_entry(octets, index))) for octets in (before, after))
        if was and now and not was & now:
            raise RequestRefusedError(
                f"roster entry {index}: none of its cards stood there before; an index is never given to another family,"
                " and a new card stands beside the old one for a while"
            )
    return changes


def _entry(octets: bytes, index: int) -> bytes:
    at = roster.octets(index)
    return octets[at : at + roster.ENTRY_OCTETS]


def _require_keys(first: bytes, second: bytes, names: tuple[str, str]) -> None:
    """Two different points of the curve: whoever certifies anything else helps somebody to a key he did not make."""
    for key, name in ((first, names[0]), (second, names[1])):
        if len(key) != KEY_OCTETS or not is_on_curve(key):
            raise RequestRefusedError(f"{name}: not a point of P-256")
    if first == second:
        raise RequestRefusedError(f"{names[1]}: the same as the {names[0]}")
