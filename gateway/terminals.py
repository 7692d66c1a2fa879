"""What the gateway knows about one terminal while it judges its frames."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.contexts import History
from gateway.islands import Islands
from gateway.keys import LastingKeys
from gateway.pieces import Pieces
from gateway.verdicts import ChainRecord
from gateway.waiting import Gap, WaitingPool
from protocol import chain
from protocol.certificates import TerminalCertificate
from protocol.write_off import WriteOff


@dataclass(slots=True)
class TerminalView:
    """One generation of one terminal: its keys, how far its chain is sealed, and what waits.

    `chain` is the value at `sealed_through`. From `frozen_from` on (0: not frozen) nothing is sealed any more, because
    two sealed versions exist. `recent` are records sealed since the last commit, `status_counter` the counter of the
    last status report, `channel` the one that the newest frame came by, `islands` what is proved behind a gap, `pieces` parts
    of frames,
    `write_offs` what the authority has given up or will have once it applies. A generation that was retired has
    `retired_through`, the last record that counts (-1: it is not retired), and `kept`, those behind a gap that count too.
    """

    kid: int
    certificate: TerminalCertificate
    seal_key: ec.EllipticCurvePublicKey
    keys: LastingKeys
    history: History
    waiting: WaitingPool
    sealed_through: int = 0
    chain: bytes = b""
    revoked: bool = False
    frozen_from: int = 0
    status_counter: int = -1
    doubtful_through: int = 0
    channel: str = ""
    recent: dict[int, ChainRecord] = field(default_factory=dict)
    islands: Islands = field(default_factory=Islands)
    pieces: Pieces = field(default_factory=Pieces)
    write_offs: list[WriteOff] = field(default_factory=list)
    retired_through: int = -1
    kept: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not self.sealed_through:
            self.chain = self.chain_start

    @property
    def chain_start(self) -> bytes:
        """`chain_0`."""
        certificate = self.certificate
        return chain.start(self.kid, certificate.seal_key, certificate.agreement_key, self.keys.un_key)

    @property
    def is_retired(self) -> bool:
        """Whether its leases are another generation's."""
        return self.retired_through >= 0

    def is_late(self, sequence: int) -> bool:
        """Whether a record came after its leases had gone: what it spends is a matter of dispute."""
        return self.is_retired and sequence > self.retired_through and sequence not in self.kept

    def freeze(self, sequence: int) -> None:
        """A fork was proved at `sequence`."""
        self.frozen_from = min(self.frozen_from or sequence, sequence)

    def gaps(self) -> list[Gap]:
        """What the terminal is asked to send again."""
        if self.frozen_from or not self.waiting:
            return []
        return self.waiting.gaps(self.sealed_through, self.doubtful_through)
