"""A gateway at which a terminal's roster changes: later rosters, published with the grants under them."""

from __future__ import annotations

from gateway import keys, owed, renewals
from gateway.documents import Document, Kind
from gateway.keys import GatewayCipher
from gateway.store.sqlite import SqliteReader
from protocol import roster
from tests.support.frames import sample_roster
from tests.support.gateway_desk import Desk

KID = 42


def changed(number: int, count: int, salt: object = 0, indices: tuple[int, ...] = (3,)) -> bytes:
    """A later roster: some families are in another hamlet."""
    _, entries = roster.decode(sample_roster(salt, count, number))
    for index in indices:
        entries[index].hamlet = 99
    return roster.encode(number, entries)


class Office(Desk):
    """A desk whose terminal's adoptions are sealed, and that publishes rosters with the grants under them."""

    def roster(
        self, octets: bytes, *, programmes: tuple[int, ...] = (1,), number: int = 2, kid: int = KID
    ) -> bytes:
        """Publish a roster and grants under it; its digest."""
        signed = octets + self.authority.sign(roster.signed_message(roster.digest(octets)))
        self.run("publish", "roster", self.file("roster.bin", signed))
        self.grants(roster.digest(octets), programmes, number, kid)
        return roster.digest(octets)

    def grants(
        self, digest: bytes, programmes: tuple[int, ...] = (1,), number: int = 2, kid: int = KID
    ) -> None:
        """Publish grants under a roster."""
        policy_digest = self.documents(Kind.POLICY)[0].digest
        for programme in programmes:
            signed = self.authority.grant(kid, digest, policy_digest, number, programme)
            self.run("publish", "grant", self.file(f"grant-{kid:08x}-{programme}.bin", signed))

    def documents(self, kind: Kind) -> list[Document]:
        """What is published."""
        reader = SqliteReader.open(self.data)
        try:
            return reader.documents(kind)
        finally:
            reader.close()

    def owed(self) -> renewals.Owed:
        """What the terminal is owed."""
        reader = SqliteReader.open(self.data)
        try:
            return renewals.owed(reader, KID)
        finally:
            reader.close()

    def cipher(self) -> GatewayCipher:
        """What frames to the terminal are encrypted with."""
        reader = SqliteReader.open(self.data)
        try:
            row, epoch = reader.terminal(KID), owed.current_epoch(reader, keys.load(self.data / "keys"))
            assert row is not None
            assert epoch is not None
            return owed.down_cipher(row, epoch)
        finally:
            reader.close()
