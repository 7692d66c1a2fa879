"""Driver: hands octets to the card room's readers on MicroPython; typed errors come back as an answer, others fail.

Request: one octet says what, the rest is for it. Answer: `+` and the result, or `!`, the error's code (2 octets) and its
class name.
"""

import hashlib

from firmware.card import certificates, cryptogram, cvm, dol, oda, records, selection, tlv
from firmware.card.ca_keys import CaKey
from firmware.card.errors import CardError
from protocol.records import TENDER_GOODS
from tests.property.drivers.card_model import (
    DATE,
    DDA,
    Application,
    Card,
    Draw,
    Persona,
    Reader,
    kernel_for,
    programme_persona,
    run,
)
from tests.property.drivers.chunks import chunks


def walk(data):
    """Every object as depth (1), tag (3), value start (2), value end (2)."""
    out = bytearray()
    for depth, tag, start, end in tlv.walk(data):
        out.extend(
            bytes((depth,)) + tag.to_bytes(3, "big") + start.to_bytes(2, "big") + end.to_bytes(2, "big")
        )
    return out


def fill(data):
    """A DOL of the given length (1 octet) against the values that follow it as TLV."""
    end = 1 + data[0]
    values = {}
    tlv.collect(data, end, len(data), range(1 << 24), values)
    return dol.build(data[1:end], values)


def directory(data):
    """The names in a directory template."""
    listed = selection.Directory()
    listed.take(data)
    return b"".join([bytes((priority, len(name))) + name for name, priority in listed.names])


def fci(data):
    """DF name and PDOL of an FCI that is selected by five octets."""
    selected = selection.parse_fci(None, data, b"\xa0\x00\x00\x06\x02")
    return b"none" if selected is None else selected.df_name + b"/" + selected.pdol


def options(data):
    """AIP and AFL of a GPO answer, with the AFL read."""
    aip, afl = records.parse_options(data)
    records.parse_afl(afl)
    return aip + afl


def answer(data):
    """A GENERATE AC answer."""
    read = cryptogram.parse(data)
    cryptogram.check_type(read.cid, 0x80)
    return bytes((read.cid,)) + read.atc.to_bytes(2, "big") + read.ac + read.iad


def method(data):
    """A CVM list's choice."""
    code, condition, unknown = cvm.choose(data, (cvm.PLAINTEXT_PIN,), False, 1000)
    return bytes((code & 0xFF, condition, unknown))


def chain(data):
    """A chain made elsewhere: verifies everything; answers ICC modulus, ICC Dynamic Number and cryptogram."""
    rid, modulus, exponent, issuer, rest, e_issuer, icc, more, e_icc, static, pan, un, cid, sdad, hashed = (
        chunks(data)
    )
    checksum = hashlib.sha1(rid + b"\x01" + modulus + exponent).digest()
    ca = CaKey(rid, 1, modulus, exponent, checksum)
    issuer_key = certificates.IssuerCache().issuer_key(ca, issuer, rest, e_issuer)
    certificates.check_issuer(issuer_key, rid, 1, pan, DATE, ())
    key = certificates.icc_key(issuer_key, icc, more, e_icc, static, pan, DATE)
    number, ac = oda.cda(key, sdad, un, cid[0], (hashed,))
    return key.modulus.to_bytes(key.octets, "big") + number + ac


PERSONAS = (
    (lambda: Persona(limits=(3, 5), counters=(0x0105, 0x0101), pdol=b"\x9f\x1a\x02"), None),
    (programme_persona, b"271828"),
    (lambda: Persona(level=DDA), None),
)
_CARDS = {}


def conversation(data):
    """Both phases with one answer spoiled: which persona, which answer, how (0 replace, 1 exclusive-or, 2 append before
    the status word, 3 insert), at which octet (2 octets), with what. Answers TVR, CID and cryptogram."""
    which, number, how = data[0] % len(PERSONAS), data[1], data[2]
    at = data[3] << 8 | data[4]
    what = data[5:]
    if which not in _CARDS:
        card = Card(PERSONAS[which][0]())
        _CARDS[which] = (card, kernel_for(card, Application(0, card.persona.aid, 1 if which == 1 else 2)))
    card, kernel = _CARDS[which]
    card.reset()
    card.tries = 3
    card.atc = 0x0100

    def spoil(step, response):
        if step != number:
            return response
        place = at % (len(response) + 1)
        if how == 0:
            return what
        if how == 1:
            changed = bytearray(response)
            for i in range(min(len(what), len(response) - place)):
                changed[place + i] ^= what[i]
            return bytes(changed)
        if how == 2:
            return response[:-2] + what + response[-2:]
        return response[:place] + what + response[place:]

    reader = Reader(card, spoil=spoil)
    session = run(kernel.authenticate(reader, DATE))
    proof = run(
        kernel.generate_proof(reader, session, 25000, TENDER_GOODS, DATE, Draw(), pin=PERSONAS[which][1])
    )
    run(kernel.close(reader, session))
    return proof.tvr + bytes((proof.cid,)) + proof.ac


WHAT = {
    "w": walk,
    "d": fill,
    "s": directory,
    "f": fci,
    "o": options,
    "a": answer,
    "m": method,
    "c": chain,
    "t": conversation,
    "p": records.padded_pan,
}


def handle(request):
    try:
        return b"+" + bytes(WHAT[chr(request[0])](request[1:]))
    except CardError as error:
        assert error.code and "6013" not in str(error)
        return b"!" + error.code.to_bytes(2, "big") + type(error).__name__.encode()
