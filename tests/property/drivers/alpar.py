"""Drives the ALPAR frame codec for tests/property/test_alpar.py.

A request is one octet that names the question, then its argument; see the functions.
"""

from firmware.drivers import alpar
from tests.property.drivers.chunks import chunks


def listen(argument):
    """Chunks that come from the chip: for each frame A(CK) or N(AK), opcode, length and data; d for a damaged one."""
    receiver = alpar.Receiver()
    heard = b""
    for chunk in chunks(argument):
        rest = chunk
        while rest:
            try:
                found, rest = receiver.take(rest)
            except alpar.FrameDamaged:
                heard += b"d"
                break
            if found is not None:
                is_good, opcode, data = found
                heard += (
                    (b"A" if is_good else b"N") + bytes((opcode, len(data) >> 8, len(data) & 0xFF)) + data
                )
    return heard


def build(argument):
    """Opcode and data: the frame, its checksum over the whole."""
    octets = alpar.frame(argument[0], argument[1:])
    return bytes((alpar.lrc(octets),)) + octets


QUESTIONS = {ord("l"): listen, ord("b"): build}


def handle(request):
    return QUESTIONS[request[0]](request[1:])
