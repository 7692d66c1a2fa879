"""Cards that lie: one honest card behind each, and one thing that it does wrong, by name."""

from hardware.emv_card import card as honest

_SELECT = honest.SELECT
_GPO = honest.GET_PROCESSING_OPTIONS
_READ = honest.READ_RECORD
_AC = honest.GENERATE_AC


def _find(body: bytes, tag: str):
    """Where the data object `tag` stands directly inside an honest template: (tag at, value at); None if it does not."""
    at = 1 + _length_octets(body, 1)
    while at < len(body):
        size = 2 if body[at] & 0x1F == 0x1F else 1
        value_at = at + size + _length_octets(body, at + size)
        if body[at : at + size].hex().upper() == tag:
            return at, value_at
        first = body[at + size]
        at = value_at + (first if first < 0x80 else body[value_at - 1])
    return None


def _length_octets(body: bytes, at: int) -> int:
    return 1 if body[at] < 0x80 else 1 + (body[at] & 0x7F)


def _value_flipped(tag: str, offset: int):
    """Flip the lowest bit of one octet of a value."""

    def spoil(body: bytes) -> bytes:
        place = _find(body, tag)
        if place is None:
            return body
        at = place[1] + offset
        return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]

    return spoil


def _value_set(tag: str, value_hex: str):
    """Put `value_hex` in the place of the value's first octets."""
    value = bytes.fromhex(value_hex)

    def spoil(body: bytes) -> bytes:
        place = _find(body, tag)
        return body if place is None else body[: place[1]] + value + body[place[1] + len(value) :]

    return spoil


def _tag_changed(tag: str, new_tag: str):
    def spoil(body: bytes) -> bytes:
        place = _find(body, tag)
        return (
            body
            if place is None
            else body[: place[0]] + bytes.fromhex(new_tag) + body[place[0] + len(new_tag) // 2 :]
        )

    return spoil


def _hex_changed(old: str, new: str):
    return lambda body: body.replace(bytes.fromhex(old), bytes.fromhex(new), 1)


def _afl(afl_hex: str):
    """An honest AIP with another file locator."""
    afl = bytes.fromhex(afl_hex)
    return lambda body: bytes([0x77, 6 + len(afl)]) + body[2:6] + bytes([0x94, len(afl)]) + afl


def _answer(body_hex: str):
    """The same answer whatever was asked."""
    return lambda _: bytes.fromhex(body_hex)


# Name -> (instruction it spoils, or None for all; what it does to the response without its status word).
TRICKS = {
    # Lengths that lie.
    "fci_longer_than_sent": (_SELECT, lambda body: body[:1] + bytes([body[1] + 9]) + body[2:]),
    "fci_shorter_than_sent": (_SELECT, lambda body: body[:1] + bytes([body[1] - 3]) + body[2:]),
    "record_longer_than_sent": (_READ, lambda body: b"\x70\x81\xff" + body[3:]),
    "length_of_four_gigabytes": (_READ, lambda body: b"\x70\x84\xff\xff\xff\xff" + body[3:]),
    "length_of_five_octets": (_READ, lambda body: b"\x70\x85\x00\x00\x00\x00\x01" + body[3:]),
    "indefinite_length": (_READ, lambda body: b"\x70\x80" + body[3:] + b"\x00\x00"),
    "tag_without_end": (_READ, _answer("70049FFFFFFF")),
    "truncated_record": (_READ, lambda body: body[: len(body) // 2]),
    "trailing_octets": (_READ, lambda body: body + b"\x5a\x08\x00\x00\x00\x00\x00\x00\x00\x00"),
    "empty_body": (_READ, _answer("")),
    "pdol_asks_for_255": (_SELECT, _hex_changed("9F1A02", "9F1AFF")),
    # Files and lists that make no sense.
    "afl_not_in_fours": (_GPO, _afl("08010202100103")),
    "afl_sfi_zero": (_GPO, _afl("0001020210010300")),
    "afl_sfi_31": (_GPO, _afl("F801020210010300")),
    "afl_last_before_first": (_GPO, _afl("0802010010010300")),
    "afl_many_records": (_GPO, _afl("0801FF0210010300")),
    "afl_empty": (_GPO, _afl("")),
    "afl_more_signed_than_read": (_GPO, _afl("0801020310010300")),
    "cdol1_other_order": (_READ, _hex_changed("9F02069F0306", "9F03069F0206")),
    "cdol1_asks_for_pin_data": (_READ, _hex_changed("9F3501", "9F2601")),
    # Proofs that do not hold.
    "issuer_certificate_flipped": (_READ, _value_flipped("90", 40)),
    "icc_certificate_flipped": (_READ, _value_flipped("9F46", 40)),
    "pan_not_the_certified": (_READ, _value_flipped("5A", 7)),
    "expiry_not_the_certified": (_READ, _value_set("5F24", "491231")),
    "cda_signature_flipped": (_AC, _value_flipped("9F4B", 40)),
    "cda_signature_missing": (_AC, _tag_changed("9F4B", "9F7F")),
    "cid_not_the_signed": (_AC, _value_flipped("9F27", 0)),
    "atc_not_the_signed": (_AC, _value_flipped("9F36", 1)),
    "iad_not_the_signed": (_AC, _value_flipped("9F10", 6)),
    "unsigned_though_asked": (
        _AC,
        _answer("771E9F2701409F360200019F260800000000000000009F100706010A03A00000"),
    ),
    "aac": (_AC, _answer("771E9F2701009F360200019F260800000000000000009F100706010A03000000")),
    "not_a_template": (_AC, lambda body: bytes(len(body))),
}

# Name -> what it answers to every command, status word included.
ANSWERS = {
    "always_6f00": b"\x6f\x00",
    "always_61ff": b"\x61\xff",
    "one_octet": b"\x90",
    "no_octet": b"",
    "ok_without_data": b"\x90\x00",
    "too_long": b"\x70\x82\x01\x2c" + bytes(300) + b"\x90\x00",
}


class HostileCard:
    """`data` as for `card.Card`; `trick` is a name of TRICKS, ANSWERS, or `replayed_signature` or `wrong_cryptogram`."""

    def __init__(self, data: dict, trick: str, compute_ms=None):
        if trick == "wrong_cryptogram":
            data = dict(data)
            # Another chip key: certificate and CDA hold, but the issuer will not accept the cryptogram.
            data["applications"] = [_with(entry, "master_key", "5B" * 16) for entry in data["applications"]]
        elif trick not in TRICKS and trick not in ANSWERS and trick != "replayed_signature":
            raise ValueError("no trick is called %s" % trick)
        self.honest = honest.Card(data, compute_ms)
        self._trick = trick
        self._first_cryptogram = None

    def __getattr__(self, name):
        return getattr(self.honest, name)

    def activate(self):
        """As the honest card."""
        return self.honest.activate()

    def deactivate(self) -> None:
        """As the honest card."""
        self.honest.deactivate()

    def exchange(self, apdu: bytes) -> bytes:
        """The honest card's answer, spoiled."""
        response = self.honest.exchange(apdu)
        if self._trick in ANSWERS:
            return ANSWERS[self._trick]
        if self._trick == "replayed_signature":
            return self._replay(apdu, response)
        spoiled_ins, spoil = TRICKS.get(self._trick, (None, None))
        if spoil is None or apdu[1] != spoiled_ins or response[-2:] != honest.SW_OK:
            return response
        return spoil(response[:-2]) + response[-2:]

    def _replay(self, apdu: bytes, response: bytes) -> bytes:
        """Answer every GENERATE AC with the first one, whatever the new Unpredictable Number is."""
        if apdu[1] != _AC or response[-2:] != honest.SW_OK:
            return response
        self._first_cryptogram = self._first_cryptogram or response
        return self._first_cryptogram


def _with(entry: dict, name: str, value) -> dict:
    changed = dict(entry)
    changed[name] = value
    return changed
