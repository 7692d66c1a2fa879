"""What is in force as flash holds it: policy, roster and grants, and what of them cannot be read.

All of it was verified when it came in. What rots later is left out by itself where the rest can do without: a grant. Where
the roster is nowhere, or older documents had to stand in for newer ones, nothing may be committed (`fault`): what was spent
could not be told any more.
"""

from firmware.hal.flash_area import FlashError
from firmware.ledger.document_area import GRANT_FIRST, POLICY, ROSTER_SIGNATURE
from firmware.ledger.roster_area import LostRoster, RosterArea, RosterMissing
from protocol import certificates, grant, policy
from protocol.errors import ProtocolError

ROSTER_AREAS = ("roster_a", "roster_b")


class Holdings:
    """`policy`, `roster`, `grants` (programme -> Grant); `fault`: a `FlashError` or None; `unread`: (programme, error) of
    grants that do not decode. Raises the `ProtocolError` of a policy that does not.
    """

    def __init__(self, flash: dict, documents, kid: int) -> None:
        body, _ = certificates.split_signature(documents.get(POLICY), "policy")
        self.policy = policy.decode(body)
        self.fault = documents.fault
        self.roster = self._roster(flash, documents.get(ROSTER_SIGNATURE)[:32])
        self.grants = {}
        self.unread = []
        for section in documents.names():
            if section < GRANT_FIRST:
                continue
            try:
                body, _ = certificates.split_signature(documents.get(section), "grant")
                decoded = grant.decode(body, kid, self.roster.digest, self.policy.digest)
                self.grants[decoded.programme] = decoded
            except ProtocolError as error:
                self.unread.append((section - GRANT_FIRST, error))

    def _roster(self, flash: dict, wanted: bytes):
        """The area whose digest the documents name (the digest leads the roster's signature section)."""
        for name in ROSTER_AREAS:
            try:
                found = RosterArea(flash[name])
            except RosterMissing:
                continue
            if found.digest == wanted:
                return found
        self.fault = self.fault or FlashError(ROSTER_AREAS[0], 0, "no roster in flash fits the documents")
        return LostRoster(wanted)
