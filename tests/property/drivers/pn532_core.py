"""Drives the PN532 core and the model's frame codec for tests/property/test_pn532_core.py.

A request is one octet that names the question, then its argument; see the functions.
"""

from firmware.card.errors import CardError
from firmware.drivers import pn532_core as core
from hardware import pn532_frames
from tests.property.drivers.chunks import chunks


def hear(machine, parts):
    """Events as letters: a(cknowledged), A(nswered), d(amaged), r(ejected)."""
    heard = ""
    for part in parts:
        machine.feed(part)
        while True:
            try:
                event = machine.poll()
            except core.FrameDamaged:
                heard += "d"
                continue
            except core.CommandRejected:
                heard += "r"
                continue
            if event == core.PENDING:
                break
            heard += "a" if event == core.ACKNOWLEDGED else "A"
            if event == core.ANSWERED:
                return heard
    return heard


def listen(argument):
    """Command, then chunks that come from the chip: events, a bar, the answer. `needed` must make sense throughout."""
    machine = core.Core()
    machine.begin(argument[0])
    heard = hear(machine, chunks(argument[1:]))
    assert 0 < machine.needed() <= core.FRAME_OCTETS_MAX
    return heard.encode() + b"|" + machine.answer


def listen_after_acknowledgement(argument):
    """The same for a command that was acknowledged."""
    machine = core.Core()
    machine.begin(argument[0])
    machine.assume_acknowledged()
    heard = hear(machine, chunks(argument[1:]))
    return heard.encode() + b"|" + machine.answer


def to_model(argument):
    """Sizes of pieces as a length-prefixed string, then command and parameters: what the model's decoder makes of it."""
    pieces, body = chunks(argument)
    octets = core.frame(body[0], bytes(body[1:]))
    decoder = pn532_frames.FrameDecoder()
    at = 0
    for size in pieces:
        decoder.feed(octets[at : at + size])
        assert decoder.next() is None or at + size >= len(octets) - 1
        at += size
    decoder.reset()
    decoder.feed(octets)
    kind, content = decoder.next()
    return kind.encode() + b"|" + content


def from_model(argument):
    """The model's frame around an answer."""
    return pn532_frames.build(argument)


def model_survives(argument):
    """Chunks into the model's decoder, then a good command: whether that is understood in the end."""
    decoder = pn532_frames.FrameDecoder()
    for part in chunks(argument):
        decoder.feed(part)
        while decoder.next() is not None:
            pass
    decoder.reset()
    decoder.feed(core.frame(2, b""))
    return b"%s" % decoder.next()[0].encode()


def parse(argument):
    """Target data or exchange answer: the type of the error, or `ok`."""
    try:
        if argument[0]:
            core.parse_targets(argument[1:])
        else:
            core.parse_exchange(argument[1:], 0, 262)
    except CardError as exc:
        return type(exc).__name__.encode()
    return b"ok"


QUESTIONS = {
    ord("l"): listen,
    ord("k"): listen_after_acknowledgement,
    ord("m"): to_model,
    ord("f"): from_model,
    ord("s"): model_survives,
    ord("p"): parse,
}


def handle(request):
    return QUESTIONS[request[0]](request[1:])
