"""What goes down where something was too long or is gone for good: grants in parts, states across a write-off."""

from __future__ import annotations

import itertools

from gateway import acknowledge, documents
from gateway.acknowledge import Signer
from gateway.keys import GatewayCipher
from gateway.store.interface import Changes, RecordState
from gateway.store.memory import MemoryStore
from protocol import acknowledgement, certificates, frame, notice, parts
from tests.support.frames import START_S, Terminal
from tests.support.gateway_rig import Rig
from tests.unit.gateway.test_islands import Judge

KID = 42
CIPHER = GatewayCipher(bytes(16), bytes(32))


def carried(signed: bytes, octets_max: int) -> list[bytes]:
    """The frames of a grant."""
    return acknowledge.build_grant(KID, signed, CIPHER, itertools.count(5).__next__, octets_max)


def test_a_grant_that_fits_is_one_frame() -> None:
    """GRT-05: up to the last octet."""
    for length in (100, 119):
        (octets,) = carried(bytes(range(length)), frame.SMS_OCTETS_MAX)
        header, body = frame.open_counter(octets, CIPHER)
        assert (header.codec, header.counter, body) == (frame.DOWN_GRANT, 5, bytes(range(length)))
    assert len(carried(bytes(5000), 1 << 16)) == 1


def test_a_grant_that_does_not_fit_goes_in_parts() -> None:
    """PRT-01, PRT-02, PRT-03: each an SMS with a counter of its own; the terminal puts them together."""
    signed = bytes(range(256)) + b"and more"
    frames = carried(signed, frame.SMS_OCTETS_MAX)
    assembly = parts.Assembly()
    counters, whole = [], []
    for octets in frames:
        assert len(octets) <= frame.SMS_OCTETS_MAX
        header, body = frame.open_counter(octets, CIPHER)
        assert header.codec == frame.DOWN_PART
        counters.append(header.counter)
        whole.append(assembly.take(parts.decode(body)))
    assert counters == [5, 6, 7]
    assert whole == [None, None, (frame.DOWN_GRANT, signed)]


def written_off() -> tuple[Rig, Terminal]:
    """Records 4 to 7 of a terminal are given up, 8 to 12 sealed behind them and settled."""
    rig = Rig(MemoryStore())
    rig.certify_epoch()
    terminal = rig.terminal(KID)
    for _ in range(9):
        terminal.redeem()
    signed = rig.authority.write_off(KID, 4, 7, terminal.chains[7])
    rig.store.apply(Changes(documents=[documents.read_write_off(rig.verifying, signed)]))
    judge = Judge(rig)
    judge.take(terminal.frame(1, 3), terminal.bridge(7), terminal.frame(8, 12))
    settled = [(KID, sequence, RecordState.SETTLED, "") for sequence in (1, 2, 3, 8, 9, 10, 11, 12)]
    rig.store.apply(Changes(states=settled, booked=[(KID, 12)]))
    return rig, terminal


def test_states_stand_at_their_records_across_a_write_off() -> None:
    """WOF-03, ACK-03: what was given up is disputed for the terminal, which may forget it then."""
    rig, terminal = written_off()
    row = rig.store.terminal(KID)
    assert row is not None
    signer = Signer(1, rig.key.acknowledgement)
    octets, cursor = acknowledge.build(rig.store, row, signer, CIPHER, 9, START_S, 2, frame.SMS_OCTETS_MAX)
    body, _ = certificates.split_signature(frame.open_counter(octets, CIPHER)[1], "acknowledgement")
    told = acknowledgement.decode(body)
    assert (told.sealed_through, told.reclaim_through, told.gaps) == (12, 12, ())
    assert told.chain_digest == terminal.chains[12][:16]
    assert (told.states_first, told.states) == (2, (1, 1, 3, 3, 3, 3, 1, 1, 1, 1, 1))
    assert cursor == 13


def test_the_notice_is_the_newest_seal_that_is_held() -> None:
    """NOT-05, WOF-02: also where the head has only just been moved behind a gap."""
    rig, terminal = written_off()
    row = rig.store.terminal(KID)
    assert row is not None
    octets = acknowledge.build_notice(rig.store, row, CIPHER, 3)
    told = notice.decode(frame.open_counter(octets, CIPHER)[1])
    assert (told.sequence, told.seal) == (12, terminal.seals[12])
