"""Saves the records of a dump: as frames that the gateway takes as they are, or as a rescue bundle in clear.

Frames need the terminal's agreement key, which is in the dump of a terminal with software keys. With a key chip that is
dead, and for earlier generations, there is only the bundle (README, "Rescue bundle").
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.keys import GatewayCipher
from protocol import certificates, codec, frame, link_keys, rescue
from protocol.errors import ProtocolError
from protocol.records import RECORD_OCTETS_MAX
from tools.forensics import documents, proof
from tools.forensics.documents import Documents
from tools.forensics.generation import Generation, Held, Standing
from tools.forensics.report import Reading


def runs(generation: Generation) -> Iterator[list[Held]]:
    """Records whose numbers follow each other; a new run begins where the chain is taken up again. What is no record by its
    length alone is left out: nobody would take it.
    """
    run: list[Held] = []
    for held in generation.records:
        if not 1 <= len(held.slot.payload) <= RECORD_OCTETS_MAX:
            continue
        is_next = bool(run) and held.sequence == run[-1].sequence + 1
        if run and not (is_next and held.before == run[-1].chain):
            yield run
            run = []
        run.append(held)
    if run:
        yield run


def cipher(held: Documents) -> GatewayCipher | None:
    """The terminal's uplink cipher from its documents, None where its agreement key is not in them."""
    private = held.get(documents.AGREEMENT_PRIVATE)
    certificate = held.certificate
    if not private or certificate is None:
        return None
    try:
        body, _ = certificates.split_signature(
            held.get(documents.FIRST_EPOCH_CERTIFICATE), "epoch certificate"
        )
        gateway = certificates.decode_epoch(body)
        key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + gateway.agreement_key)
    except (ProtocolError, ValueError):
        return None
    secret = key.exchange(ec.ECDH(), public)
    salt = link_keys.salt(certificate.agreement_key, gateway.agreement_key)
    derived = [
        HKDF(
            hashes.SHA256(), length, salt, link_keys.info(label, certificate.kid, gateway.gateway_key_id, 0)
        ).derive(secret)
        for label, length in (link_keys.UP_CCM, link_keys.UP_SALT)
    ]
    return GatewayCipher(derived[0], derived[1])


def frames(generation: Generation, keys: GatewayCipher) -> Iterator[tuple[int, int, bytes]]:
    """(first sequence, count, frame) of literal frames with all records, each with the seal of its last."""
    for run in runs(generation):
        for start in range(0, len(run), codec.RECORDS_MAX):
            batch = run[start : start + codec.RECORDS_MAX]
            seal = b"" if batch[-1].standing is Standing.SEAL_WRONG else batch[-1].slot.seal
            octets = frame.encode_records(
                generation.kid,
                batch[0].sequence,
                [held.slot.payload for held in batch],
                seal,
                codec.LITERAL,
                None,
                keys,
            )
            yield batch[0].sequence, len(batch), octets


def bundle(generation: Generation, certificate: proof.Certificate | None) -> bytes:
    """All records of a generation with their seals, in clear."""
    signed = certificate.octets if certificate and certificate.kid == generation.kid else b""
    parts = [
        rescue.Run(
            run[0].sequence, run[0].before or b"", [(held.slot.payload, held.slot.seal) for held in run]
        )
        for run in runs(generation)
    ]
    return rescue.encode(rescue.Bundle(generation.kid, signed, parts))


def write(reading: Reading, folder: Path) -> list[Path]:
    """Export every generation into `folder`, readable by its owner alone; returns the files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = []
    for generation in reading.generations:
        keys = next((cipher(one) for one in reading.documents if one.kid == generation.kid), None)
        if keys is None:
            path = folder / f"{generation.kid:08x}.rescue"
            _write(path, bundle(generation, reading.certificate))
            written.append(path)
            continue
        for first, count, octets in frames(generation, keys):
            path = folder / f"{generation.kid:08x}-{first:08d}-{count:03d}.frame"
            _write(path, octets)
            written.append(path)
    return written


def _write(path: Path, octets: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
