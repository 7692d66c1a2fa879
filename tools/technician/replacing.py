"""Gives the leases of a terminal that is gone to a new one: statement from the gateway, decision of the authority, papers.

Each step looks for what is there already, so that the same command goes on wherever it stopped, and steps that happen
elsewhere come and go as files.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from gateway import documents, signatures
from gateway.errors import GatewayError
from protocol import certificates, grant, policy, roster, takeover
from protocol.errors import ProtocolError
from tools.authority import release, takeover_folder
from tools.authority.issue import Authority, RequestRefusedError
from tools.authority.takeover import Decision, ExposureNeededError, take_over
from tools.technician import laptop, registering
from tools.technician.errors import TechnicianError
from tools.technician.papers import PapersError

SHARED = ("authority.pub", "roster.key", "ca-keys.bin", "operators.bin", "broker-ca.pem", "settings.txt")
"""Papers that a shop's terminals have in common and that no gateway has (`tools/technician/papers.py`)."""


class RescueFirstError(TechnicianError):
    """Nobody has looked for what only the old terminal may still have."""

    code = 23


class LeasesRefusedError(TechnicianError):
    """The authority does not give the leases on."""

    code = 24


class Stage(StrEnum):
    """What has to happen next."""

    STATEMENT = "statement"
    DECISION = "decision"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which terminal is replaced by which, why, and what is known of records that nobody has (`Decision`)."""

    old: int
    new: int
    reason: int
    last_record: int | None
    exposure_rupiah: int | None


@dataclass(frozen=True, slots=True)
class Office:
    """Folders, and what this laptop reaches: the gateway's configuration and the authority's key, where there are any."""

    source: Path
    target: Path
    shared: Path | None = None
    gateway_config: Path | None = None
    authority: Authority | None = None

    def has_statement(self, old: int) -> bool:
        """Whether the gateway's word has come."""
        return (self.source / takeover_folder.statement_name(old)).exists()

    def decision_path(self, old: int) -> Path:
        """Where the authority's word is."""
        return self.target / takeover_folder.decision_name(old)


def last_record(rescue_report: Path, old: int) -> int:
    """The last record in a terminal's flash as `lumbung rescue --json` has told it."""
    octets = laptop.fetch(rescue_report, "what the rescue told")
    try:
        accounts: list[dict[str, Any]] = json.loads(octets)["accounts"]
        heads = [int(one["head"]) for one in accounts if int(one["kid"], 16) == old]
    except (ValueError, KeyError, TypeError) as error:
        raise PapersError(
            f"{rescue_report} is not what a rescue tells", "keep it with: lumbung rescue --json ... > FILE"
        ) from error
    if not heads:
        raise PapersError(
            f"{rescue_report} tells nothing of terminal {old:08x}",
            "is it the right terminal, and the right file?",
        )
    return heads[0]


def go_on(office: Office, wish: Wish) -> Stage:
    """Do every step that can be done here; returns what is next."""
    if wish.old == wish.new:
        raise PapersError(
            f"{wish.new:08x} is the old terminal",
            "new keys have a number that was never used: take the next free one",
        )
    if not office.has_statement(wish.old):
        require_rescued(office, wish)
        if office.gateway_config is None:
            return Stage.STATEMENT
        is_incomplete = wish.exposure_rupiah is not None
        registering.retire(office.gateway_config, wish.old, office.source, is_incomplete=is_incomplete)
    if not office.decision_path(wish.old).exists():
        if office.authority is None:
            return Stage.DECISION
        _decide(office, office.authority, wish)
    _copy_shared(office)
    _check(office, wish)
    if office.gateway_config is not None:
        registering.publish_takeover(office.gateway_config, office.decision_path(wish.old))
    return Stage.READY


def require_rescued(office: Office, wish: Wish) -> None:
    """Retiring is for ever: what comes later is disputed. So everything is fetched, and at the gateway, before."""
    if wish.last_record is None and wish.exposure_rupiah is None:
        raise RescueFirstError(
            f"nobody has looked for what only terminal {wish.old:08x} may still have",
            "rescue it (lumbung rescue --json ... > FILE), have the gateway import what that wrote, and give --rescue FILE; "
            "where the terminal is lost, name what may have been spent with --exposure",
        )
    if office.gateway_config is None or wish.last_record is None or wish.exposure_rupiah is not None:
        return
    sealed = registering.sealed_through(office.gateway_config, wish.old)
    if sealed < wish.last_record:
        raise RescueFirstError(
            f"terminal {wish.old:08x} has records through {wish.last_record}, and the gateway has them through {sealed}",
            "nothing was retired: have the gateway import what the rescue wrote (python -m gateway import FILE), then run this again; "
            "or name what may have been spent with --exposure",
        )


def _decide(office: Office, authority: Authority, wish: Wish) -> None:
    """The authority's part, where its key is on this laptop."""
    decision = Decision(wish.new, wish.reason, wish.exposure_rupiah, wish.last_record)
    try:
        papers = takeover_folder.read(office.source, wish.old)
        issued = take_over(authority, papers, decision, int(time.time()))
        takeover_folder.write(office.source, office.target, wish.new, papers, issued)
    except ExposureNeededError as error:
        raise RescueFirstError(
            str(error), "import what was rescued before anything is retired; or name the sum with --exposure"
        ) from error
    except (RequestRefusedError, ProtocolError) as error:
        raise LeasesRefusedError(
            str(error), "compare both folders: all of it must come from one gateway and one authority"
        ) from error


def _copy_shared(office: Office) -> None:
    """What is not the gateway's to give, from the old terminal's papers."""
    if office.shared is None:
        return
    for name in SHARED:
        path = office.shared / name
        if path.exists():
            laptop.keep(office.target / name, laptop.fetch(path, name))
            # The roster key and settings with passwords are among them.
            (office.target / name).chmod(0o600)


def _check(office: Office, wish: Wish) -> None:
    """Everything in the new folder belongs together; where no key of the authority is known, signatures are left to
    `lumbung provision`.
    """
    path = office.decision_path(wish.old)
    octets = laptop.fetch(path, "the authority's takeover")
    key = office.target / "authority.pub"
    try:
        decided = takeover.decode_takeover(octets[: -certificates.SIGNATURE_OCTETS])
        if key.exists():
            authority = signatures.load_public(laptop.fetch(key, "the authority's public key"))
            documents.read_takeover(authority, octets)
            _check_grants(office, wish, authority)
    except (GatewayError, ProtocolError) as error:
        raise PapersError(f"{path}: {error}", "let the authority sign it again") from error
    if (decided.old, decided.new) != (wish.old, wish.new):
        raise PapersError(
            f"{path}: the leases of {decided.old:08x} went to {decided.new:08x}",
            "leases go to one terminal only: go on with that one",
        )


def _check_grants(office: Office, wish: Wish, authority: ec.EllipticCurvePublicKey) -> None:
    under = (
        documents.read_roster(authority, laptop.fetch(office.target / "roster.bin", "the roster")).digest,
        documents.read_policy(authority, laptop.fetch(office.target / "policy.bin", "the policy")).digest,
    )
    paths = grant_paths(office, wish.new)
    for path in paths:
        documents.read_grant(authority, laptop.fetch(path, "a grant"), wish.new, [under])
    if not paths:
        raise PapersError(
            f"{office.target} has no grants for {wish.new:08x}",
            "copy all that the authority's takeover has written",
        )


def grant_paths(office: Office, new: int) -> list[Path]:
    """The new terminal's grants."""
    return sorted(office.target.glob(f"grant-{new:08x}-*.bin"))


def told(office: Office, wish: Wish) -> dict[str, Any]:
    """What the new terminal gets, for programs and for people."""
    octets = laptop.fetch(office.decision_path(wish.old), "the authority's takeover")
    decided = takeover.decode_takeover(octets[: -certificates.SIGNATURE_OCTETS])
    roster_octets = _body(office.target / "roster.bin")
    digests = roster.digest(roster_octets), policy.digest(_body(office.target / "policy.bin"))
    families = roster.decode_header(roster_octets[: roster.HEADER_OCTETS]).count
    left = {}
    for path in grant_paths(office, wish.new):
        granted = grant.decode(_body(path), wish.new, *digests)
        left[granted.programme] = release.left_rupiah(granted, families)
    return {
        "sealed_through": decided.sealed_through,
        "exposure_rupiah": decided.exposure_rupiah,
        "left_rupiah": {str(programme): left[programme] for programme in sorted(left)},
    }


def _body(path: Path) -> bytes:
    return laptop.fetch(path, path.name)[: -certificates.SIGNATURE_OCTETS]
