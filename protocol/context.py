"""What both ends know when records are coded: the roster, the grants and the policy that the journal has adopted."""

import hashlib

from protocol import domains
from protocol.octets import fixed

# True for the type checker alone: nested imports cost stack, of which a device has little.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from protocol.grant import Grant
    from protocol.policy import Policy

NO_CONTEXT_DIGEST = bytes(32)


class RosterView:
    """How the codec reads a roster; the terminal's reads flash, the gateway's memory.

    `count`: entries; `digest`: 32 octets. Subclasses give the three look-ups.
    """

    count: int
    digest: bytes

    def find(self, card_key: bytes) -> int:
        """Index of the entry that has `card_key`, or -1."""
        raise NotImplementedError

    def card_key(self, index: int, place: int) -> bytes:
        """The card key at `place` (0 or 1) of entry `index`; b"" where there is none."""
        raise NotImplementedError

    def applications(self, index: int, place: int) -> int:
        """Bit map of the policy applications of that card; 0 where there is none."""
        raise NotImplementedError


class Context:
    """One roster, one policy, and the grants in force by programme; a pure function of the journal before a frame."""

    def __init__(self, roster: RosterView, policy: "Policy", grants: "dict[int, Grant]") -> None:
        self.roster = roster
        self.policy = policy
        self.grants = grants
        self.digest = digest(
            roster.digest, policy.digest, [grants[number].digest for number in sorted(grants)]
        )

    def grant(self, programme: int) -> "Grant | None":
        """The grant in force for a programme."""
        return self.grants.get(programme)

    def first_grant(self) -> "Grant | None":
        """The grant of the lowest programme number: what the first record of a frame is expected to draw on."""
        return self.grants[min(self.grants)] if self.grants else None


def digest(roster_digest: bytes, policy_digest: bytes, grant_digests: list[bytes]) -> bytes:
    """The 32 octets that stand for a context in the salt; grants in the order of their programme numbers."""
    return hashlib.sha256(
        domains.CONTEXT
        + fixed("roster digest", roster_digest, 32)
        + fixed("policy digest", policy_digest, 32)
        + b"".join([fixed("grant digest", one, 32) for one in grant_digests])
    ).digest()
