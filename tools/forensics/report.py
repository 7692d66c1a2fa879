"""Everything that a dump says, as one value: what the tables show and `--json` prints. Its shape is stable (README).

No secret is in it: private keys, the roster's key, operators' codes, settings and PIN verifiers are left out by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol import records
from protocol.errors import ProtocolError
from tools.forensics import documents, generation, marks, proof, sectors
from tools.forensics.documents import Documents
from tools.forensics.dump import JOURNAL, Dump
from tools.forensics.generation import Generation, Held, Standing
from tools.forensics.sectors import Rubbish, Sector

SHAPE = 1

# Exit codes of the command.
ALL_PROVED = 0
SOMETHING_WRONG = 1
NO_JOURNAL = 3
NO_KEY = 4

_WITHHELD = {"verifier"}


@dataclass(frozen=True, slots=True)
class Reading:
    """A dump, read: areas, sectors, generations (the one in force first), documents and the certificate in use."""

    dump: Dump
    sectors: list[Sector]
    generations: list[Generation]
    documents: list[Documents]
    certificate: proof.Certificate | None

    @property
    def current(self) -> Documents | None:
        """The documents in force."""
        return self.documents[0] if self.documents else None


def read(dump: Dump, certificate: proof.Certificate | None = None, chain_start: bytes = b"") -> Reading:
    """Read a dump; certificate and chain_0 are the authority's and the gateway's copies, else the dump's own are used."""
    held = documents.read(dump)
    current = held[0] if held else None
    if certificate is None and current is not None:
        certificate = current.certificate
    laid = sectors.read(dump.journal)
    kid = certificate.kid if certificate else None
    if kid is None and current is not None:
        kid = current.kid
    start = chain_start or (current.get(documents.CHAIN_START) if current and current.kid == kid else b"")
    key = certificate.seal_key if certificate else None
    return Reading(dump, laid, generation.read(laid, kid, key, start or None), held, certificate)


def verdict(reading: Reading) -> int:
    """The command's exit code."""
    if not reading.generations:
        return NO_JOURNAL
    first = reading.generations[0]
    if first.gaps or first.troubles or any(held.standing is Standing.LOOSE for held in first.records):
        return SOMETHING_WRONG
    if any(not roster.get("empty") and not roster["whole"] for roster in _rosters(reading)):
        return SOMETHING_WRONG
    if any(held.standing is not Standing.PROVED for held in first.records):
        return NO_KEY
    return ALL_PROVED


def of(reading: Reading) -> dict[str, Any]:
    """The whole report."""
    dump = reading.dump
    return {
        "shape": SHAPE,
        "verdict": verdict(reading),
        "areas": {
            name: {"address": dump.origin[name], "octets": len(dump.areas[name])} for name in dump.areas
        },
        "documents": [documents.describe(one) for one in reading.documents],
        "rosters": _rosters(reading),
        "certificate": _certificate(reading.certificate),
        "generations": [_generation(one, reading) for one in reading.generations],
        "remains": [
            {
                "address": item.address,
                "octets": item.octets,
                "reason": item.reason.value,
                "kind": item.claim[0] if item.claim else None,
                "sequence": item.claim[1] if item.claim else None,
            }
            for sector in reading.sectors
            for item in sector.remains
            if item.reason is not Rubbish.STRUCK
        ],
        "sectors": _sectors(reading),
    }


def _rosters(reading: Reading) -> list[dict[str, Any]]:
    return documents.describe_rosters(reading.dump, reading.current)


def _certificate(certificate: proof.Certificate | None) -> dict[str, Any] | None:
    if certificate is None:
        return None
    return {
        "kid": f"{certificate.kid:08x}",
        "seal_key": certificate.seal_key.hex(),
        "agreement_key": certificate.agreement_key.hex(),
    }


def _sectors(reading: Reading) -> dict[str, int]:
    struck = sum(
        item.octets for sector in reading.sectors for item in sector.remains if item.reason is Rubbish.STRUCK
    )
    return {
        "all": len(reading.sectors),
        "erased": sum(sector.is_erased for sector in reading.sectors),
        "headed": sum(sector.header is not None for sector in reading.sectors),
        "struck_out_octets": struck,
    }


def _generation(one: Generation, reading: Reading) -> dict[str, Any]:
    held = marks.checkpoints(one.slots)
    return {
        "kid": f"{one.kid:08x}",
        "oldest_sector": one.oldest,
        "newest_sector": one.head,
        "passed": one.passed,
        "retired": marks.retired_places(one.slots),
        "first_sequence": one.first_sequence,
        "sequence": one.sequence,
        "chain": one.chain.hex() if one.chain else None,
        "boots": marks.boots(one.slots),
        "records": [_record(record) for record in one.records],
        "missing": [
            {"first": gap.first, "last": gap.last, "after": gap.after, "before": gap.before}
            for gap in one.gaps
        ],
        "troubles": [{"address": trouble.address, "text": trouble.text} for trouble in one.troubles],
        "marks": [_mark(slot) for slot in one.marks],
        "checkpoints": [
            {
                "address": checkpoint.address,
                "first_sector": checkpoint.first_sector,
                "boots": checkpoint.boots,
                "state": marks.open_state(checkpoint.state),
            }
            for checkpoint in held
        ],
        "journal_address": reading.dump.origin[JOURNAL],
    }


def _mark(slot: sectors.Slot) -> dict[str, Any]:
    name, values = marks.describe(slot)
    return {"address": slot.address, "mark": name} | values


def _record(held: Held) -> dict[str, Any]:
    told: dict[str, Any] = {
        "sequence": held.sequence,
        "address": held.slot.address,
        "copies": list(held.copies),
        "standing": held.standing.value,
        "in_ring": held.is_in_ring,
        "kind": records.name(held.slot.kind),
        "chain": held.chain.hex() if held.chain else None,
        "seal": held.slot.seal.hex(),
    }
    try:
        told["fields"] = plain(records.decode(held.slot.payload))
    except ProtocolError as error:
        told["fields"] = {"unreadable": str(error)}
    return told


def plain(value: object) -> Any:
    """A decoded record in plain values, octets as hex, without what must not be shown."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, records.Block):
        return {
            name: "withheld" if name in _WITHHELD else plain(item)
            for name, item in sorted(vars(value).items())
            if name != "kind"
        }
    return value
