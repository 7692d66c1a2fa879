"""The gateway's and the authority's side of a link, with real signatures, for tests of the relay on MicroPython."""

import hashlib

from firmware.crypto import p256
from firmware.crypto.p256_comb import finish
from firmware.crypto.rfc6979 import nonces
from firmware.crypto.signing import entry_steps, finish_signature
from firmware.ledger import document_area
from firmware.relay.cipher import TerminalCipher
from protocol import acknowledgement, certificates, frame, grant
from tests.support.mp_books import KID, make_acknowledgement, make_epoch

AUTHORITY = 0x1111
GATEWAY = 0x2222
NEXT_GATEWAY = 0x3333
_publics = {}


def public(private):
    """The public key of a small private one, worked out once."""
    if private not in _publics:
        _publics[private] = p256.public_key(private)
    return _publics[private]


def sign(private, message):
    """A signature as authority and gateway make it."""
    digest = hashlib.sha256(message).digest()
    k = next(nonces(private, digest))
    return finish_signature(finish(entry_steps(private, k)), digest)


def cipher(epoch=1):
    """The downlink cipher of an epoch."""
    return TerminalCipher(bytes((epoch,)) * 16, bytes((epoch,)) * 32)


async def cipher_of(certificate):
    """What `LinkKeys.downlink` is to `Downlink`."""
    return cipher(certificate.epoch)


def uplink_cipher():
    """What `LinkKeys.uplink` is to `Relay`."""
    return TerminalCipher(b"u" * 16, b"u" * 32)


def signed_epoch(epoch=1, private=GATEWAY, signer=AUTHORITY):
    """An epoch certificate as the authority signs it."""
    body = make_epoch(epoch, public(private), public(private))
    return body + sign(signer, certificates.epoch_message(body))


def certify(ledger):
    """Give a ledger of `mp_books` real authority and gateway keys."""
    ledger.documents.save(
        {document_area.AUTHORITY_KEY: public(AUTHORITY), document_area.EPOCH_CERTIFICATE: signed_epoch()}
    )


def down(kind, counter, body, epoch=1, kid=KID):
    """A frame down."""
    return frame.encode_counter(frame.CLASS_DOWN, kind, kid, counter, body, cipher(epoch))


def acknowledgement_frame(ledger, counter, sealed, reclaim=0, gaps=(), epoch=1, private=GATEWAY, **other):
    """A frame with an acknowledgement that fits the ledger's chain."""
    body = make_acknowledgement(ledger, sealed, reclaim, gaps, epoch=epoch, **other)
    signature = sign(private, acknowledgement.signed_message(KID, counter, body))
    return down(frame.DOWN_ACKNOWLEDGEMENT, counter, body + signature, epoch)


def grant_frame(ledger, octets, counter=1, private=AUTHORITY, roster_digest=None):
    """A frame with a grant under the ledger's roster and policy."""
    digest = ledger.roster.digest if roster_digest is None else roster_digest
    message = grant.signed_message(KID, digest, ledger.policy.digest, octets)
    return down(frame.DOWN_GRANT, counter, octets + sign(private, message))


def epoch_frame(signed, kid=KID):
    """A frame in clear with an epoch certificate."""
    return frame.encode_clear(frame.CLEAR_EPOCH_CERTIFICATE, kid, 1, signed)
