"""The layouts a second time, declared with `construct`: for tools and as an independent reading (CPython only).

Strict: every layout ends with `Terminated`, enumerations refuse strangers, numbers have their limits. What only holds
between fields (a second tap has a proof, cash has no items) is left to `protocol.records`; the property tests say where
the two may differ. Nothing in the hot path uses these files.
"""

from __future__ import annotations

from protocol.schema.frames import CarryEntry, ClearHeader, DownHeader, RecordsHeader, UpHeader
from protocol.schema.policy import Policy
from protocol.schema.record import Record
from protocol.schema.roster import Renewal, RenewalPiece, Roster, RosterDelta
from protocol.schema.takeover import Statement, Takeover
from protocol.schema.units import (
    Acknowledgement,
    Bridge,
    EpochCertificate,
    GrantHead,
    Notice,
    Part,
    Standing,
    Status,
    TerminalCertificate,
    WriteOff,
)

__all__ = [
    "Acknowledgement", "Bridge", "CarryEntry", "ClearHeader", "DownHeader", "EpochCertificate", "GrantHead", "Notice", "Part",
    "Policy", "Record", "RecordsHeader", "Renewal", "RenewalPiece", "Roster", "RosterDelta", "Standing", "Statement", "Status", "Takeover",
    "TerminalCertificate", "UpHeader", "WriteOff",
]  # fmt: skip
