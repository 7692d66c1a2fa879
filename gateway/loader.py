"""Builds the view of a terminal from the store: keys from its certificate, contexts from its adoption records."""

from __future__ import annotations

from gateway import ingest, keys, signatures
from gateway.contexts import History, Library
from gateway.keys import KeyRing
from gateway.store.interface import Reader
from gateway.terminals import TerminalView
from gateway.waiting import WaitingPool
from protocol import certificates, frame


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
        keys.lasting(ring.get(row.gateway_key_id), kid, certificate.agreement_key),
        History(library, reader.adoptions(kid)),
        WaitingPool(waiting_max),
        row.sealed_through,
        row.chain,
        row.revoked,
        row.frozen_from,
        row.status_counter,
        channel=row.channel,
    )
    for waiting in reader.waiting(kid):
        opened = ingest.open_frame(waiting.octets, frame.read_header(waiting.octets), view)
        if opened.batch is not None:
            opened.batch.frame_id = waiting.frame_id
            view.waiting.frames.append(opened.batch)
    return view
