"""Builds the view of a terminal from the store: keys from its certificate, contexts from its adoption records."""

from __future__ import annotations

from dataclasses import replace

from gateway import keys, opening, signatures
from gateway.contexts import History, Library
from gateway.documents import Kind
from gateway.islands import Islands
from gateway.keys import KeyRing
from gateway.pieces import WaitingPart
from gateway.store.interface import Reader
from gateway.terminals import TerminalView
from gateway.waiting import WaitingPool
from protocol import certificates, frame, records, write_off


def load(reader: Reader, library: Library, ring: KeyRing, kid: int, waiting_max: int) -> TerminalView | None:
    """The view of a registered terminal, None for a stranger."""
    row = reader.terminal(kid)
    if row is None:
        return None
    certificate = certificates.decode_terminal(row.certificate[: -signatures.SIGNATURE_OCTETS])
    view = TerminalView(
        kid,
        certificate,
        signatures.load_public(certificate.seal_key),
        keys.LastingKeys(ring.get(row.gateway_key_id), kid, certificate.agreement_key),
        History(library, reader.adoptions(kid), lambda: reader.documents(Kind.GRANT, kid)),
        WaitingPool(waiting_max),
        row.sealed_through,
        row.chain,
        row.revoked,
        row.frozen_from,
        row.status_counter,
        channel=row.channel,
        islands=_islands(reader, kid),
        write_offs=[
            write_off.decode(document.octets[: -signatures.SIGNATURE_OCTETS])
            for document in reader.documents(Kind.WRITE_OFF, kid)
        ],
        retired_through=row.retired_through,
        kept=frozenset(reader.kept(kid)),
    )
    for waiting in reader.waiting(kid):
        opened = opening.open_frame(waiting.octets, frame.read_header(waiting.octets), view)
        if opened.batch is not None:
            opened.batch.frame_id = waiting.frame_id
            view.waiting.frames.append(opened.batch)
        elif opened.bridge is not None:
            view.islands.bridges.append(replace(opened.bridge, frame_id=waiting.frame_id))
        elif opened.part is not None:
            view.pieces.held.append(WaitingPart(waiting.frame_id, opened.part))
    return view


def _islands(reader: Reader, kid: int) -> Islands:
    """What is proved behind gaps, from its rows."""
    islands = Islands()
    for row in reader.provisional(kid, 1, records.SEQUENCE_MAX):
        islands.chains.setdefault(row.sequence - 1, row.before)
        islands.chains[row.sequence] = row.chain
        islands.proved[row.sequence] = row.forwarded_rupiah
    return islands
