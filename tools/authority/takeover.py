"""The authority's answer to a gateway's statement about an old generation: grants for the new one, and the takeover.

Everything is checked before anything is signed: whose statement it is, which grants, roster and policy it is about, and
whether records that it does not count may exist; if so, somebody has to name what may have been spent in them.
"""

from dataclasses import dataclass, field

from gateway import signatures
from gateway.errors import PublicKeyError
from protocol import certificates, grant, policy, roster, takeover
from protocol.certificates import EpochCertificate
from tools.authority import release
from tools.authority.issue import Authority, RequestRefusedError


class ExposureNeededError(RequestRefusedError):
    """Records that the statement does not count may exist, and nobody has said what may have been spent in them."""


@dataclass(frozen=True)
class Papers:
    """Signed units as the gateway's `takeover` command wrote them; `grants` by programme."""

    statement: bytes
    epoch: bytes
    roster: bytes
    policy: bytes
    grants: dict[int, bytes]


@dataclass(frozen=True)
class Decision:
    """What people decide: `exposure_rupiah` None while nobody has named one, `last_record` what a rescue found to be the last
    one in the old terminal's flash (None: nobody has looked).
    """

    new: int
    reason: int
    exposure_rupiah: int | None = None
    last_record: int | None = None


@dataclass
class Issued:
    """What was signed; `grants` by programme, `left_rupiah` their sum, `expired` programmes whose leases had run out."""

    old: int
    takeover: bytes = b""
    grants: dict[int, bytes] = field(default_factory=dict)
    left_rupiah: int = 0
    expired: list[int] = field(default_factory=list)


def take_over(authority: Authority, papers: Papers, decision: Decision, now_s: int) -> Issued:
    """Sign what the new generation gets; raises `RequestRefusedError` or a `ProtocolError`."""
    stated = _statement(authority, papers)
    if decision.new == stated.kid:
        raise RequestRefusedError("new kid: is the old one; new keys have a kid that was never used")
    issued = Issued(stated.kid)
    families = _families(papers)
    for lease in stated.leases:
        granted = _old_grant(authority, papers, stated.kid, lease)
        if granted.expiry_s <= now_s:
            issued.expired.append(lease.programme)
            continue
        rest = release.left(granted, families, lease)
        if len(rest.exceptions) > grant.EXCEPTIONS_MAX:
            raise RequestRefusedError(
                f"programme {lease.programme}: more than {grant.EXCEPTIONS_MAX} families with rests of their own"
            )
        issued.left_rupiah += release.left_rupiah(rest, families)
        issued.grants[lease.programme] = authority.grant(
            decision.new, lease.roster_digest, lease.policy_digest, rest
        )
    if not issued.grants:
        raise RequestRefusedError("statement: no lease is in force any more; issue ordinary grants")
    _require_exposure(stated, decision, issued.left_rupiah)
    issued.takeover = authority.takeover(_decided(stated, decision, now_s))
    return issued


def _statement(authority: Authority, papers: Papers) -> takeover.Statement:
    """The statement of a gateway that this authority has certified."""
    certified, signature = certificates.split_signature(papers.epoch, "epoch certificate")
    _require_signed(authority, certificates.epoch_message(certified), signature, "epoch certificate")
    epoch = certificates.decode_epoch(certified)
    body, signature = certificates.split_signature(papers.statement, "statement")
    if not _verifies(epoch.acknowledgement_key, takeover.statement_message(body), signature):
        raise RequestRefusedError("statement: not signed by the gateway of that epoch certificate")
    stated = takeover.decode_statement(body)
    if not _is_of(stated, epoch):
        raise RequestRefusedError("statement: of another gateway or epoch than its certificate")
    return stated


def _is_of(stated: takeover.Statement, epoch: EpochCertificate) -> bool:
    return (stated.epoch, stated.gateway_key_id) == (epoch.epoch, epoch.gateway_key_id)


def _families(papers: Papers) -> int:
    """How many families the roster has."""
    octets, _ = certificates.split_signature(papers.roster, "roster")
    return int(roster.decode_header(octets[: roster.HEADER_OCTETS]).count)


def _old_grant(authority: Authority, papers: Papers, old: int, lease: takeover.Lease) -> grant.Grant:
    """The old grant that a lease is about, proved to be ours and under this roster and policy."""
    what = f"programme {lease.programme}"
    octets, _ = certificates.split_signature(papers.roster, "roster")
    rules, _ = certificates.split_signature(papers.policy, "policy")
    if roster.digest(octets) != lease.roster_digest:
        raise RequestRefusedError(f"{what}: its lease is under another roster than this one")
    if policy.digest(rules) != lease.policy_digest:
        raise RequestRefusedError(f"{what}: its lease is under another policy than this one")
    if lease.programme not in papers.grants:
        raise RequestRefusedError(f"{what}: the old grant is missing")
    body, signature = certificates.split_signature(papers.grants[lease.programme], "grant")
    granted = grant.decode(body, old, lease.roster_digest, lease.policy_digest)
    if granted.digest != lease.digest:
        raise RequestRefusedError(f"{what}: not the grant that the statement is about")
    message = grant.signed_message(old, lease.roster_digest, lease.policy_digest, body)
    _require_signed(authority, message, signature, f"{what}: the old grant")
    return granted


def _require_exposure(stated: takeover.Statement, decision: Decision, left_rupiah: int) -> None:
    """Whatever could hide spending has to be answered for by a sum that somebody names."""
    doubts = doubts_of(stated, decision.last_record)
    if doubts and decision.exposure_rupiah is None:
        raise ExposureNeededError(
            f"records that do not count may exist: {'; '.join(doubts)}. Up to Rp {left_rupiah} are left on the old leases:"
            " rescue its records and import them first, or name what may have been spent as the exposure"
        )


def doubts_of(stated: takeover.Statement, last_record: int | None) -> list[str]:
    """Why the statement may not count all that the old generation spent; none where it is known to be complete."""
    sealed = stated.sealed_through
    doubts = []
    if stated.doubts & takeover.DOUBT_GAP:
        doubts.append("records of it are missing or were not sealed")
    if stated.doubts & takeover.DOUBT_FORK:
        doubts.append("its seals fork")
    if stated.doubts & takeover.DOUBT_UNKNOWN_CARD:
        doubts.append("cards spent that no roster of it names")
    told = max(stated.head, last_record or 0)
    if told > sealed:
        doubts.append(f"its last record is {told}, the last one that counts {sealed}")
    is_open = not all(lease.is_closed for lease in stated.leases)
    if last_record is None and is_open and not doubts:
        doubts.append("nobody has said which record is the last one in its flash")
    return doubts


def _decided(stated: takeover.Statement, decision: Decision, now_s: int) -> takeover.Takeover:
    """The takeover as it is signed."""
    made = takeover.Takeover()
    made.old, made.new, made.statement = stated.kid, decision.new, stated.digest
    made.sealed_through, made.chain = stated.sealed_through, stated.chain
    made.exposure_rupiah, made.issued_s, made.reason = decision.exposure_rupiah or 0, now_s, decision.reason
    return made


def _require_signed(authority: Authority, message: bytes, signature: bytes, what: str) -> None:
    if not _verifies(authority.public, message, signature):
        raise RequestRefusedError(f"{what}: not signed by this authority")


def _verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        return signatures.verify(signatures.load_public(key), signature, message)
    except PublicKeyError:
        return False
