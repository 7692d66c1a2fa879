"""What the authority issues: signed units (body ‖ signature) for terminals and gateways."""

from protocol import certificates, grant, policy, roster
from tools.authority.signing import SigningKey

GATEWAY_REQUEST_OCTETS = 132


class Authority:
    """Issues under one signing key; every method returns a signed unit."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @property
    def public(self) -> bytes:
        """The key that terminals, gateway and settlement trust, x ‖ y."""
        return self._key.public

    def terminal(self, kid: int, seal_key: bytes, agreement_key: bytes, storage: int, issued_s: int) -> bytes:
        """A terminal certificate."""
        certificate = certificates.TerminalCertificate()
        certificate.kid = kid
        certificate.storage = storage
        certificate.issued_s = issued_s
        certificate.seal_key = seal_key
        certificate.agreement_key = agreement_key
        body = certificates.encode_terminal(certificate)
        return body + self._key.sign(certificates.terminal_message(body))

    def epoch(self, request: bytes, epoch: int, issued_s: int) -> bytes:
        """An epoch certificate for a gateway's request (key id 4 ‖ agreement 64 ‖ acknowledgement 64)."""
        if len(request) != GATEWAY_REQUEST_OCTETS:
            raise ValueError(f"a gateway request has {GATEWAY_REQUEST_OCTETS} octets, not {len(request)}")
        certificate = certificates.EpochCertificate()
        certificate.gateway_key_id = int.from_bytes(request[:4], "big")
        certificate.epoch = epoch
        certificate.issued_s = issued_s
        certificate.agreement_key = request[4:68]
        certificate.acknowledgement_key = request[68:]
        body = certificates.encode_epoch(certificate)
        return body + self._key.sign(certificates.epoch_message(body))

    def policy(self, document: policy.Policy) -> bytes:
        """A signed policy."""
        body = policy.encode(document)
        return body + self._key.sign(policy.signed_message(body))

    def roster(self, octets: bytes) -> bytes:
        """A signed roster."""
        return octets + self._key.sign(roster.signed_message(roster.digest(octets)))

    def grant(self, kid: int, roster_digest: bytes, policy_digest: bytes, document: grant.Grant) -> bytes:
        """A signed grant for one terminal."""
        body = grant.encode(document)
        return body + self._key.sign(grant.signed_message(kid, roster_digest, policy_digest, body))
