"""Builds the frames that go down: signed acknowledgements and grants, encrypted under the current epoch's keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from gateway import signatures
from gateway.keys import GatewayCipher
from gateway.store.interface import Reader, RecordState, TerminalRow
from protocol import acknowledgement, frame, notice, parts

_OVERHEAD_OCTETS = frame.HEADER_OCTETS + frame.TAG_OCTETS + acknowledgement.SIGNATURE_OCTETS
_STATES_PER_OCTET = 4
_TOLD = {
    RecordState.PENDING: acknowledgement.PENDING,
    RecordState.SETTLED: acknowledgement.SETTLED,
    RecordState.REFUSED: acknowledgement.REFUSED,
    RecordState.DISPUTED: acknowledgement.DISPUTED,
    # Booked without money: for the terminal that is as final as settled.
    RecordState.RECORDED: acknowledgement.SETTLED,
}


@dataclass(frozen=True, slots=True)
class Signer:
    """The gateway's acknowledgement key under its certified epoch."""

    epoch: int
    key: ec.EllipticCurvePrivateKey


def room_for_states(octets_max: int, gaps: int) -> int:
    """How many settlement states fit beside `gaps` gaps in a frame of `octets_max`."""
    octets = octets_max - _OVERHEAD_OCTETS - acknowledgement.octets(gaps, 0)
    return max(0, min(acknowledgement.STATES_MAX, octets * _STATES_PER_OCTET))


def window(terminal: TerminalRow, cursor: int, unknown_from: int, octets_max: int, oldest: bool) -> int:
    """Where the window of states of the next acknowledgement starts.

    What was not told yet, from `cursor` on, comes first. It costs nothing to fill the rest: with the states before, from
    `unknown_from` on, that were told and of which it is not known whether they have come. Where nothing is new, the `oldest`
    of those are told, or else the newest.
    """
    behind = terminal.booked_through + 1
    if cursor >= behind and oldest:
        return unknown_from
    room = room_for_states(octets_max, len(_gaps(terminal)))
    return min(cursor, max(unknown_from, behind - room))


def _gaps(terminal: TerminalRow) -> tuple[tuple[int, int, bool], ...]:
    """(first, count, whether literally) of those that one acknowledgement names."""
    return tuple(tuple(gap) for gap in json.loads(terminal.gaps)[: acknowledgement.GAPS_MAX])


def build(
    reader: Reader,
    terminal: TerminalRow,
    signer: Signer,
    cipher: GatewayCipher,
    counter: int,
    time_s: int,
    states_first: int,
    octets_max: int,
) -> tuple[bytes, int]:
    """(frame, sequence behind the last state told) of one acknowledgement.

    The window of states starts at `states_first` and takes what room there is up to what settlement has answered.
    """
    body = acknowledgement.Acknowledgement()
    body.epoch = signer.epoch
    body.time_s = time_s
    body.sealed_through = terminal.sealed_through
    body.chain_digest = (terminal.chain or bytes(acknowledgement.DIGEST_OCTETS))[
        : acknowledgement.DIGEST_OCTETS
    ]
    body.reclaim_through = min(terminal.booked_through, terminal.sealed_through)
    body.gaps = _gaps(terminal)
    room = room_for_states(octets_max, len(body.gaps))
    last = min(terminal.booked_through, states_first + room - 1)
    rows = reader.records(terminal.kid, states_first, last) if last >= states_first else []
    states = {row.sequence: _TOLD[row.state] for row in rows}
    body.states_first = states_first if last >= states_first else 0
    # What was written off is not there; for the terminal it is a matter of dispute.
    body.states = tuple(
        states.get(sequence, acknowledgement.DISPUTED) for sequence in range(states_first, last + 1)
    )
    encoded = acknowledgement.encode(body)
    message = acknowledgement.signed_message(terminal.kid, counter, encoded)
    signed = encoded + signatures.sign(signer.key, message)
    octets = frame.encode_counter(
        frame.CLASS_DOWN, frame.DOWN_ACKNOWLEDGEMENT, terminal.kid, counter, signed, cipher
    )
    return octets, states_first + len(body.states)


def build_grant(
    kid: int, signed_grant: bytes, cipher: GatewayCipher, take_counter: Callable[[], int], octets_max: int
) -> list[bytes]:
    """A grant on its way down, in numbered parts where it is longer than a frame may be.

    The authority signed it, the gateway only carries it.
    """
    bodies = [(frame.DOWN_GRANT, signed_grant)]
    if len(signed_grant) + frame.HEADER_OCTETS + frame.TAG_OCTETS > octets_max:
        bodies = [
            (frame.DOWN_PART, parts.encode(part)) for part in parts.split(frame.DOWN_GRANT, signed_grant)
        ]
    return [
        frame.encode_counter(frame.CLASS_DOWN, kind, kid, take_counter(), body, cipher)
        for kind, body in bodies
    ]


def build_notice(reader: Reader, terminal: TerminalRow, cipher: GatewayCipher, counter: int) -> bytes:
    """The terminal's own newest seal that is held here: one that was put back to an older image locks on it."""
    (record,) = reader.recent_records(terminal.kid, 1)
    told = notice.Notice()
    told.sequence, told.chain, told.seal = record.sequence, record.chain, record.seal
    body = notice.encode(told)
    return frame.encode_counter(frame.CLASS_DOWN, frame.DOWN_NOTICE, terminal.kid, counter, body, cipher)


def build_standing(kid: int, why: int, signer: Signer, cipher: GatewayCipher, counter: int) -> bytes:
    """What a terminal is told that was replaced or revoked (`notice.REPLACED`, REVOKED): it locks on it."""
    standing = notice.Standing()
    standing.epoch, standing.why = signer.epoch, why
    body = notice.encode_standing(standing)
    signed = body + signatures.sign(signer.key, notice.standing_message(kid, counter, body))
    return frame.encode_counter(frame.CLASS_DOWN, frame.DOWN_STANDING, kid, counter, signed, cipher)


def build_epoch(kid: int, certificate: bytes, counter: int) -> bytes:
    """An epoch certificate in clear: a terminal needs it to read anything else."""
    return frame.encode_clear(frame.CLEAR_EPOCH_CERTIFICATE, kid, counter, certificate)
