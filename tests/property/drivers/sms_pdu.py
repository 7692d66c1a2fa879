"""Drives the short message codec for tests/property/test_sms_pdu.py.

A request is one octet that names the question, then a PDU; see the functions.
"""

from protocol import sms_pdu
from protocol.errors import ProtocolError
from protocol.sms_user_data import DATA_8BIT


def plain(value):
    """Text that both interpreters write alike."""
    if isinstance(value, bytes):
        return "".join(["%02x" % octet for octet in value])
    if isinstance(value, str):
        return "".join(["%x." % ord(letter) for letter in value])
    if isinstance(value, (tuple, list)):
        return "(" + ",".join([plain(part) for part in value]) + ")"
    return str(value)


def told(message):
    """All that was read, as text, so that two interpreters can be compared."""
    data = message.user_data
    parts = [type(message).__name__, message.flags, message.centre and message.centre.number]
    for name in ("reference", "pid", "status", "trailing", "extra"):
        parts.append(getattr(message, name, None))
    for name in ("sender", "recipient"):
        address = getattr(message, name, None)
        parts.append((address.number, address.toa) if address else None)
    for name in ("stamp", "discharge"):
        stamp = getattr(message, name, None)
        parts.append((stamp.time_s, stamp.zone_minutes, stamp.is_valid) if stamp else None)
    if hasattr(message, "validity"):
        parts.append((message.validity.form, message.validity.minutes, message.validity.seconds))
    if data is not None:
        parts.append((data.dcs, data.elements, data.content, data.missing))
        part = data.concatenation
        parts.append(part and (part.reference, part.total, part.part))
        parts.append(data.ports and (data.ports.destination, data.ports.source))
        if data.alphabet != DATA_8BIT:
            try:
                parts.append(data.text())
            except ProtocolError as error:
                parts.append(str(error))
    return ";".join([plain(part) for part in parts])


def read(pdu, to_network):
    """What was read, or the typed error."""
    try:
        return told(sms_pdu.decode(pdu, to_network)).encode()
    except ProtocolError as error:
        assert 0 <= error.offset <= 255
        return b"!" + str(error).encode()


def again(pdu, to_network):
    """Decode, encode, decode: what the second reading finds; empty when the message cannot be written."""
    try:
        first = sms_pdu.decode(pdu, to_network)
    except ProtocolError:
        return b""
    if getattr(first, "trailing", b"") or (first.user_data is not None and first.user_data.missing):
        return b""
    second = sms_pdu.decode(sms_pdu.encode(first), to_network)
    assert told(second) == told(first)
    return sms_pdu.encode(second)


def handle(request):
    """d or s: read as from or to the network; D or S: the same, read, written and read again."""
    kind, pdu = request[:1], bytes(request[1:])
    ask = read if kind in (b"d", b"s") else again
    return ask(pdu, kind in (b"s", b"S"))
