"""MicroPython side of test_protocol_micropython: decodes, re-encodes and refuses what CPython sends.

Request: operation (1), then its octets. Answer: 0 and the octets made, or 1, error class, field and offset as text.
"""

from protocol import (
    acknowledgement,
    bridge,
    certificates,
    codec,
    grant,
    notice,
    parts,
    policy,
    records,
    renewal,
    roster,
    roster_delta,
    status,
    takeover,
    write_off,
)
from protocol.errors import ProtocolError
from tests.support import protocol_vectors

KID = 7
ROSTER_DIGEST = bytes(range(32))
POLICY_DIGEST = bytes(range(1, 33))
_context = []


def context():
    """The golden context, made once."""
    if not _context:
        _context.append(protocol_vectors.context(protocol_vectors.load("codec.json")["context"]))
    return _context[0]


def _roster(octets):
    header, entries = roster.decode(octets)
    return roster.encode(header.number, entries)


def _predicted(octets):
    first = int.from_bytes(octets[:3], "big")
    batch = codec.decode(codec.PREDICTED, octets[4:], octets[3] + 1, context(), first)
    return codec.encode(codec.LITERAL, batch, None)


def _literal(octets):
    first = int.from_bytes(octets[:3], "big")
    batch = codec.decode(codec.LITERAL, octets[4:], octets[3] + 1, None)
    return codec.encode(codec.PREDICTED, batch, context(), first)


def _write(octets):
    """A field's index, value sign and magnitude (8), then a record: set the field, encode."""
    record = records.decode(octets[10:])
    fields = records.HEAD + records.LAYOUTS[record.kind][1]
    value = int.from_bytes(octets[2:10], "big")
    setattr(record, fields[octets[0]][0], -value if octets[1] else value)
    return records.encode(record)


OPERATIONS = (
    lambda octets: records.encode(records.decode(octets)),
    _roster,
    lambda octets: policy.encode(policy.decode(octets)),
    lambda octets: grant.encode(grant.decode(octets, KID, ROSTER_DIGEST, POLICY_DIGEST)),
    lambda octets: acknowledgement.encode(acknowledgement.decode(octets)),
    lambda octets: status.encode(status.decode(octets)),
    lambda octets: notice.encode(notice.decode(octets)),
    lambda octets: notice.encode_standing(notice.decode_standing(octets)),
    lambda octets: bridge.encode(bridge.decode(octets)),
    lambda octets: parts.encode(parts.decode(octets)),
    lambda octets: write_off.encode(write_off.decode(octets)),
    lambda octets: takeover.encode_statement(takeover.decode_statement(octets)),
    lambda octets: takeover.encode_takeover(takeover.decode_takeover(octets)),
    lambda octets: roster_delta.encode(roster_delta.decode(octets)),
    lambda octets: renewal.encode(renewal.decode(octets)),
    lambda octets: renewal.encode_piece(renewal.decode_piece(octets)),
    lambda octets: certificates.encode_terminal(certificates.decode_terminal(octets)),
    lambda octets: certificates.encode_epoch(certificates.decode_epoch(octets)),
    _predicted,
    _literal,
    _write,
)


def handle(request):
    """One request."""
    try:
        return b"\x00" + OPERATIONS[request[0]](request[1:])
    except ProtocolError as error:
        return b"\x01" + ("%s|%s|%d" % (type(error).__name__, error.field, error.offset)).encode()
