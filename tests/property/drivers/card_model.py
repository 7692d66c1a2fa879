"""A small EMV card for tests of the card room, and readers that record, cut and spoil what passes between.

Written from the standard for these tests alone, so that a misreading shared with the model in `hardware` would show.
Its cryptogram is a plain hash, which no terminal checks. Runs on MicroPython and CPython.
"""

import hashlib

from firmware.card.ca_keys import CaKey, CaKeys
from firmware.card.certificates import IssuerCache
from firmware.card.errors import CardRemoved
from firmware.card.kernel import CardKernel
from firmware.card.oda import CDA, DDA, NONE, SDA, Trust
from protocol.policy import KIND_BANK, KIND_PROGRAMME
from tests.property.drivers import card_keys

NSICCS_AID = bytes.fromhex("A0000006021010")
PROGRAMME_AID = bytes.fromhex("F04C554D4201")
CDOL1 = bytes.fromhex("9F02069F03069F1A0295055F2A029A039C019F37049F35019F45029F3403")
CDOL2 = bytes.fromhex("8A029F02069F03069F1A0295055F2A029A039C019F3704")
DATE = bytes.fromhex("260315")
UN = bytes.fromhex("C0FFEE42")
PPSE = b"2PAY.SYS.DDF01"
CA_INDEX = 7

AAC, TC, ARQC = 0x00, 0x40, 0x80
_AIP_OF = {CDA: 0x21, DDA: 0x20, SDA: 0x40, NONE: 0x00}


class Application:
    """A policy's application entry, as the kernel takes it."""

    def __init__(self, index=0, aid=NSICCS_AID, kind=KIND_BANK, **values):
        self.application_index = index
        self.aid = aid
        self.kind = kind
        self.cdol1 = CDOL1
        self.tac_default = bytes.fromhex("DC4000A800")
        self.tac_denial = bytes.fromhex("0010000000")
        self.tac_online = bytes.fromhex("DC4004F800")
        self.floor_limit_rupiah = 500000
        self.country_code = 0x0360
        self.currency_code = 0x0360
        for name in values:
            setattr(self, name, values[name])


def bank(**values):
    """The policy's NSICCS application."""
    return Application(1, NSICCS_AID, KIND_BANK, **values)


def programme(**values):
    """The policy's own application."""
    return Application(0, PROGRAMME_AID, KIND_PROGRAMME, **values)


class Persona:
    """What the issuer writes into one card; change an attribute to get another card."""

    def __init__(self, **values):
        self.aid = NSICCS_AID
        self.df_name = b""
        self.pan = "6013010123456784"
        self.psn = "01"
        self.expiry = "301231"
        self.effective = "240101"
        self.level = CDA
        self.aip_flags = 0x10
        self.cvm_list = "000000000000000042035E031F03"
        self.cdol1 = CDOL1
        self.cdol2 = CDOL2
        self.pdol = b""
        self.pin = ""
        self.tries = 3
        self.iac_denial = "0010000000"
        self.iac_default = "DC4000A800"
        self.offers = ARQC  # the most that it gives
        self.signs_aac = True
        self.limits = ()
        self.counters = (None, None)  # ATC and last online ATC for GET DATA
        self.usage = "FFC0"
        self.version = "0001"
        self.extra = b""  # objects added to the first record
        self.ca = card_keys.CA_1984
        self.issuer = card_keys.ISSUER_1408
        self.icc = card_keys.ICC_1152
        self.ca_exponent = 3
        self.issuer_exponent = 3
        self.icc_exponent = 3
        self.issuer_id = "601301FF"
        self.certificate_expiry = "1230"  # MMYY
        self.tag_list = "82"
        self.gac_format_1 = False
        self.gpo_format_1 = False
        self.ppse = True
        self.iad = "0A1003A4000000000000"
        for name in values:
            setattr(self, name, values[name])


def programme_persona(**values):
    """A card with the programme's own application: checks its PIN and gives a TC."""
    persona = Persona(
        aid=PROGRAMME_AID,
        aip_flags=0x18,
        cvm_list="00000000000000000103",
        pin="271828",
        offers=TC,
        iac_default="DC50A00000",
    )
    for name in values:
        setattr(persona, name, values[name])
    return persona


def tlv(tag, value):
    """One data object; `tag` as hex."""
    length = bytes((len(value),)) if len(value) < 128 else bytes((0x81, len(value)))
    return bytes.fromhex(tag) + length + bytes(value)


def _inverse(a, m):
    old, new, x, y = a % m, m, 1, 0
    while new:
        q = old // new
        old, new, x, y = new, old - q * new, y, x - q * y
    return x % m


class Rsa:
    """A test key with its private half; `name` is a pair of card_keys, or a pair of integers."""

    def __init__(self, primes, exponent):
        p, q = [int(prime, 16) if isinstance(prime, str) else prime for prime in primes]
        self.n = p * q
        self.e = exponent
        self.octets = len("%x" % self.n) // 2
        self.modulus = self.n.to_bytes(self.octets, "big")
        self.exponent = exponent.to_bytes(1 if exponent < 256 else 3, "big")
        self._d = _inverse(exponent, (p - 1) * (q - 1))
        self._made = {}

    def sign(self, body, more):
        """6A, body, SHA-1 over body and `more`, BC, under the private key; fills the modulus exactly.

        The same message is signed once: tests make the same cards over and over.
        """
        message = b"\x6a" + body + hashlib.sha1(body + more).digest() + b"\xbc"
        assert len(message) == self.octets, (len(message), self.octets)
        if message not in self._made:
            self._made[message] = pow(int.from_bytes(message, "big"), self._d, self.n).to_bytes(
                self.octets, "big"
            )
        return self._made[message]


def certify(signer, form, subject, expiry, key, more=b""):
    """(certificate, remainder) of `key`: Book 2, tables 6 and 14."""
    head = bytes((form,)) + subject + bytes.fromhex(expiry) + b"\x00\x00\x2a\x01\x01"
    head += bytes((key.octets, len(key.exponent)))
    room = signer.octets - 22 - len(head)
    inside, remainder = key.modulus[:room], key.modulus[room:]
    body = head + inside + b"\xbb" * (room - len(inside))
    return signer.sign(body, remainder + key.exponent + more), remainder


_KEYS = {}


def rsa_key(primes, exponent):
    """As `Rsa`, made once."""
    name = (primes, exponent)
    if name not in _KEYS:
        _KEYS[name] = Rsa(primes, exponent)
    return _KEYS[name]


class Card:
    """Answers APDUs. `log` holds every command; `counts` of VERIFY are `tries`; `atc` rises with each GPO."""

    def __init__(self, persona=None, **values):
        self.persona = p = persona or Persona(**values)
        self.df_name = p.df_name or p.aid
        self.ca = rsa_key(p.ca, p.ca_exponent)
        self.issuer = rsa_key(p.issuer, p.issuer_exponent)
        self.icc = rsa_key(p.icc, p.icc_exponent)
        self.aip = bytes((_AIP_OF[p.level] | p.aip_flags, 0))
        self.atc = 0x0100
        self.tries = p.tries
        self.records, self.afl = self._personalise(p)
        self.reset()

    def reset(self):
        """The card leaves the field: what was selected is forgotten."""
        self.selected = False
        self.stage = 0
        self.verified = False
        self.pdol_data = b""
        self.first_data = b""

    def _personalise(self, p):
        """Two authenticated records in file 1, certificates in file 2."""
        who = tlv("5A", bytes.fromhex(p.pan + "F" * (len(p.pan) % 2))) + tlv("5F34", bytes.fromhex(p.psn))
        who += tlv("5F24", bytes.fromhex(p.expiry)) + tlv("5F25", bytes.fromhex(p.effective))
        who += tlv("5F28", b"\x03\x60") + tlv("9F07", bytes.fromhex(p.usage)) + tlv("9F42", b"\x03\x60")
        who += tlv("9F08", bytes.fromhex(p.version)) + p.extra
        how = tlv("8C", p.cdol1) + tlv("8D", p.cdol2) + tlv("8E", bytes.fromhex(p.cvm_list))
        how += tlv("9F0D", bytes.fromhex(p.iac_default)) + tlv("9F0E", bytes.fromhex(p.iac_denial))
        if p.limits:
            how += tlv("9F14", bytes(p.limits[:1])) + tlv("9F23", bytes(p.limits[1:]))
        static = who + how
        if p.tag_list:
            how += tlv("9F4A", bytes.fromhex(p.tag_list))
            static = who + how + self.aip
        records = {(1, 1): tlv("70", who), (1, 2): tlv("70", how)}
        if p.level == NONE:
            return records, bytes.fromhex("08010202")
        certificate, remainder = certify(
            self.ca, 2, bytes.fromhex(p.issuer_id), p.certificate_expiry, self.issuer
        )
        records[(2, 1)] = tlv("70", tlv("90", certificate))
        more = tlv("8F", bytes((CA_INDEX,))) + tlv("9F32", self.issuer.exponent)
        records[(2, 2)] = tlv("70", more + (tlv("92", remainder) if remainder else b""))
        if p.level == SDA:
            body = b"\x03\x01\xda\xc1" + b"\xbb" * (self.issuer.octets - 26)
            records[(2, 3)] = tlv("70", tlv("93", self.issuer.sign(body, static)))
        else:
            pan = bytes.fromhex((p.pan + "F" * 20)[:20])
            certificate, remainder = certify(self.issuer, 4, pan, p.certificate_expiry, self.icc, static)
            last = tlv("9F46", certificate) + tlv("9F47", self.icc.exponent)
            records[(2, 3)] = tlv("70", last + (tlv("9F48", remainder) if remainder else b""))
        return records, bytes.fromhex("0801020210010300")

    def ca_key(self, expiry=b""):
        """The CA's public half, as the terminal is given it."""
        rid = self.persona.aid[:5]
        checksum = hashlib.sha1(rid + bytes((CA_INDEX,)) + self.ca.modulus + self.ca.exponent).digest()
        return CaKey(rid, CA_INDEX, self.ca.modulus, self.ca.exponent, checksum, expiry)

    def answer(self, c):
        """The response to one command APDU, status word included."""
        ins = c[1]
        data = bytes(c[5 : 5 + c[4]]) if len(c) > 5 else b""
        if ins == 0xA4:
            return self._select(data)
        if not self.selected:
            return b"\x69\x85"
        if ins == 0xA8:
            return self._gpo(data)
        if self.stage == 0:
            return b"\x69\x85"
        if ins == 0xB2:
            record = self.records.get((c[3] >> 3, c[2]))
            return record + b"\x90\x00" if record else b"\x6a\x83"
        if ins == 0xCA:
            counter = self.persona.counters[0 if c[3] == 0x36 else 1]
            return (
                b"\x6a\x88"
                if counter is None
                else tlv("9F%02X" % c[3], counter.to_bytes(2, "big")) + b"\x90\x00"
            )
        if ins == 0x20:
            return self._verify(data)
        if ins == 0x88:
            return tlv("80", self._signed(b"\x04\x11\x22\x33\x44", data)) + b"\x90\x00"
        if ins == 0xAE:
            return self._generate_ac(c[2], data)
        return b"\x6d\x00"

    def _select(self, name):
        self.reset()
        if name == PPSE and self.persona.ppse:
            entry = tlv("61", tlv("4F", self.df_name) + tlv("50", b"TEST") + tlv("87", b"\x01"))
            return tlv("6F", tlv("84", PPSE) + tlv("A5", tlv("BF0C", entry))) + b"\x90\x00"
        if not self.df_name.startswith(name):
            return b"\x6a\x82"
        self.selected = True
        inner = tlv("50", b"TEST") + (tlv("9F38", self.persona.pdol) if self.persona.pdol else b"")
        return tlv("6F", tlv("84", self.df_name) + tlv("A5", inner)) + b"\x90\x00"

    def _gpo(self, data):
        if self.stage:
            return b"\x69\x85"
        self.stage = 1
        self.atc += 1
        self.pdol_data = data[2:] if len(data) < 130 else data[3:]
        if self.persona.gpo_format_1:
            return tlv("80", self.aip + self.afl) + b"\x90\x00"
        return tlv("77", tlv("82", self.aip) + tlv("94", self.afl)) + b"\x90\x00"

    def _verify(self, block):
        if not self.tries:
            return b"\x69\x83"
        pin = self.persona.pin
        if block == bytes((0x20 | len(pin),)) + bytes.fromhex((pin + "F" * 14)[:14]):
            self.verified = True
            self.tries = self.persona.tries
            return b"\x90\x00"
        self.tries -= 1
        return bytes((0x63, 0xC0 | self.tries))

    def _signed(self, dynamic, more):
        body = b"\x05\x01" + bytes((len(dynamic),)) + dynamic
        return self.icc.sign(body + b"\xbb" * (self.icc.octets - 22 - len(body)), more)

    def _generate_ac(self, reference, data):
        p = self.persona
        asked = reference & 0xC0
        given = asked
        if self.stage == 1 and asked != AAC:
            rank = (AAC, ARQC, TC)
            given = p.offers if rank.index(p.offers) < rank.index(asked) else asked
            if p.pin and not self.verified:
                given = AAC
        self.stage += 1
        if self.stage > 3:
            return b"\x69\x85"
        hashed = self.pdol_data + self.first_data + data
        self.first_data = data
        atc = self.atc.to_bytes(2, "big")
        iad = bytes.fromhex(p.iad)
        ac = hashlib.sha256(b"test" + data + self.aip + atc + iad).digest()[:8]
        if p.gac_format_1:
            return tlv("80", bytes((given,)) + atc + ac + iad) + b"\x90\x00"
        head = tlv("9F27", bytes((given,))) + tlv("9F36", atc)
        tail = tlv("9F10", iad)
        signs = reference & 0x10 and p.level == CDA and (given != AAC or (asked == AAC and p.signs_aac))
        if not signs:
            return tlv("77", head + tlv("9F26", ac) + tail) + b"\x90\x00"
        digest = hashlib.sha1(hashed + head + tail).digest()
        number = self._un(data)
        dynamic = b"\x04\x55\x66\x77\x88" + bytes((given,)) + ac + digest
        return tlv("77", head + tlv("9F4B", self._signed(dynamic, number)) + tail) + b"\x90\x00"

    def _un(self, data):
        """The Unpredictable Number among CDOL1 data, by walking the list."""
        at, dol = 0, self.persona.cdol1 if self.stage == 2 else self.persona.cdol2
        i = 0
        while i < len(dol):
            two = dol[i] & 0x1F == 0x1F
            length = dol[i + (2 if two else 1)]
            if dol[i : i + 2] == b"\x9f\x37":
                return data[at : at + length]
            at += length
            i += 3 if two else 2
        return b""


class Reader:
    """`transceive` for a card: logs commands, pulls the card at command number `pull_at`, spoils answers."""

    def __init__(self, card, pull_at=-1, spoil=None):
        self.card = card
        self.pull_at = pull_at
        self.spoil = spoil
        self.log = []

    async def transceive(self, command):
        number = len(self.log)
        self.log.append(bytes(command))
        if number == self.pull_at:
            self.card.reset()
            raise CardRemoved
        response = self.card.answer(command)
        return self.spoil(number, response) if self.spoil else response

    def sent(self, instruction):
        """The commands of one instruction that were sent."""
        return [command for command in self.log if command[1] == instruction]


class Draw:
    """Hands out Unpredictable Numbers and counts them."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return UN


def run(coroutine):
    """Drive a coroutine that never really waits; returns its result."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the coroutine waits")


def kernel_for(card, *applications, **trust):
    """A kernel that trusts the card's CA and knows the given applications."""
    keys = CaKeys((card.ca_key(),))
    return CardKernel(
        applications or (programme(), bank()),
        Trust(keys, trust.get("cache") or IssuerCache(), trust.get("revoked", ())),
        lambda count: bytes(range(0x41, 0x41 + count)),
    )
