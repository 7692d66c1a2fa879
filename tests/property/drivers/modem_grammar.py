"""Drives the AT parser for tests/property/test_modem_grammar.py.

A request: the index of a way to begin, then length-prefixed chunks.
"""

from protocol import at_lines
from protocol.at_grammar import DATA_OCTETS_MAX, LINE_OCTETS_MAX, UNSOLICITED, Parser
from protocol.errors import OutOfRange
from tests.property.drivers.chunks import chunks

HELD_MAX = LINE_OCTETS_MAX + DATA_OCTETS_MAX

READERS = (
    at_lines.fields,
    at_lines.registration,
    at_lines.signal,
    at_lines.clock,
    at_lines.service_centre,
    at_lines.storage,
    lambda line: at_lines.number(line, 1),
    lambda line: at_lines.message([line, b"00"], 1),
)


def begin(parser, way):
    """What a driver asks of the parser."""
    if way == 1:
        parser.begin(b"AT+CREG?")
    elif way == 2:
        parser.begin(b"AT+CMGS=20", prompt=True)
    elif way == 3:
        parser.begin(b"AT+CMGL=4", bare=True)
    elif way == 4:
        parser.begin(b"AT+QIRD=0,100", data=(0, b"\r\n\r\n"))
    elif way == 5:
        parser.begin(b"AT+CIPSHUT", finals=(b"SHUT OK",), replies=(b"CONNECT OK",))


def handle(request):
    """The events of all chunks, one line each; every line is also shown to the line readers."""
    parser = Parser()
    begin(parser, request[0])
    told = []
    lines = []
    for chunk in chunks(request[1:]):
        for event in parser.feed(chunk):
            told.append(b"%d %s|%s" % (event.kind, event.line, event.extra))
            lines.append(event.line)
            assert event.kind != UNSOLICITED or event.line
            assert -1 <= event.code <= 99999
        assert len(parser._held) <= HELD_MAX
    for line in lines:
        for reader in READERS:
            try:
                reader(line)
            except OutOfRange as error:
                assert 0 <= error.offset <= len(line)
    at_lines.listing(lines)
    return b"\n".join(told)
