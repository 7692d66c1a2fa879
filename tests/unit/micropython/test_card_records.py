"""GPO, AFL and records: public conversations, and cards that miscount."""

from firmware.card import apdu, dol, records, selection
from firmware.card.errors import (
    COMMAND_REFUSED,
    DATA_MISSING,
    DATA_REPEATED,
    LIMIT_EXCEEDED,
    MALFORMED,
    VALUE_WRONG,
    CardProtocolError,
    CardRefused,
)
from tests.property.drivers.card_model import Application, run, tlv
from tests.property.drivers.card_script import Script
from tests.support.mp import raises, vectors


def case(prefix, number):
    for conversation in vectors("emv_apdu_conversations.json"):
        if conversation["id"].startswith("%s: Test %d:" % (prefix, number)):
            return conversation["exchanges"][0]["apdus"], conversation["expected"]["data"]
    raise AssertionError(number)


def initiate(number):
    steps, data = case("emv_initiate_application_processing", number)
    script = Script(steps)
    aid = bytes.fromhex("A0000000031003")
    selected = selection.parse_fci(Application(0, aid), bytes.fromhex(data["test%d_fci" % number]), aid)
    pdol_data = dol.build(selected.pdol, {0x9F33: bytes.fromhex("60F0C8")})
    aip, afl = records.parse_options(run(apdu.get_processing_options(script, pdol_data)))
    assert script.is_over
    return aip.hex(), afl.hex(), data


def test_initiates_with_and_without_pdol_in_both_formats():
    for number in (2, 4):
        aip, afl, data = initiate(number)
        assert (aip, afl) == (data["test%d_aip_verify" % number], data["test%d_afl_verify" % number])


def test_a_refused_gpo_is_told():
    error = raises(CardRefused, initiate, 6)
    assert (error.code, error.sw) == (COMMAND_REFUSED, 0x6A81)


def read(number):
    steps, data = case("emv_read_application_data", number)
    script = Script(steps)
    found, static = run(records.read_records(script, bytes.fromhex(data["test%d_afl" % number])))
    assert script.is_over
    return found, static


def test_reads_public_records():
    found, static = read(11)
    assert found[0x5A].hex() == "4761739001010119"
    assert found[0x5F24].hex() == "221231" and found[0x5F34] == b"\x01" and found[0x8F] == b"\x94"
    # Entry 2 of the AFL authenticates one record (its content only), entry 3 one beyond file 10 (with its template).
    steps, _ = case("emv_read_application_data", 11)
    first, _, third = [bytes.fromhex(step["r"])[:-2] for step in steps[1:]]
    assert bytes(static) == first[2:] + third


def test_refuses_public_broken_records():
    for number, expected in ((3, COMMAND_REFUSED), (5, MALFORMED), (7, VALUE_WRONG), (9, DATA_MISSING)):
        try:
            read(number)
            raise AssertionError("test %d was read" % number)
        except (CardProtocolError, CardRefused) as error:
            assert error.code == expected, (number, str(error))


def test_every_afl_that_breaks_the_rules_is_refused():
    for afl, offset in (
        ("", 0), ("080101", 3), ("09010100", 0), ("00010100", 0), ("F8010100", 0), ("08000100", 1), ("08020100", 1),
        ("08010102", 3), ("0801010010020101", 5), ("0801010118010203", 7),
    ):  # fmt: skip
        error = raises(CardProtocolError, records.parse_afl, bytes.fromhex(afl))
        assert (error.code, error.field, error.offset) == (VALUE_WRONG, "tag 94", offset), afl
    assert raises(CardProtocolError, records.parse_afl, bytes.fromhex("08012100")).code == LIMIT_EXCEEDED
    assert records.parse_afl(bytes.fromhex("08010200F0050501")) == [(1, 1, 2, 0), (30, 5, 5, 1)]


def test_options_of_a_wrong_shape_are_refused():
    for answer in ("", "8000", "800119", "7700", "7704820239", "770482023900", "7703820139", "9000", "7708820239009400",
                   "770682023900940000", "770582013994009000"):  # fmt: skip
        raises(CardProtocolError, records.parse_options, bytes.fromhex(answer))
    assert records.parse_options(bytes.fromhex("80063900080101FF")) == (b"\x39\x00", b"\x08\x01\x01\xff")
    assert records.parse_options(bytes.fromhex("80023900")) == (b"\x39\x00", b"")


GOOD = (
    tlv("5A", b"\x60\x13\x01\x01\x23\x45\x67\x84")
    + tlv("5F24", b"\x30\x12\x31")
    + tlv("8C", b"")
    + tlv("8D", b"")
)


class Cards:
    """Answers READ RECORD with records in turn."""

    def __init__(self, *contents):
        self.contents = list(contents)

    async def transceive(self, command):
        return tlv("70", self.contents.pop(0)) + b"\x90\x00"


def read_own(afl, *contents):
    return run(records.read_records(Cards(*contents), bytes.fromhex(afl)))


def test_static_data_is_what_the_afl_says():
    found, static = read_own(
        "08010201" + "10010100", GOOD, tlv("9F42", b"\x03\x60"), tlv("9F08", b"\x00\x01")
    )
    assert bytes(static) == GOOD and found[0x9F42] == b"\x03\x60"


def test_values_of_a_wrong_length_are_refused():
    for extra in (
        tlv("5F34", b""),
        tlv("5F34", b"\x01\x02"),
        tlv("9F0E", b"\x00"),
        tlv("8F", b""),
        tlv("9F14", b""),
    ):
        error = raises(CardProtocolError, read_own, "08010100", GOOD + extra)
        assert error.code == VALUE_WRONG, str(error)
    assert raises(CardProtocolError, read_own, "08010100", GOOD + tlv("5F34", b"\x0a")).field == "tag 5F34"
    assert raises(CardProtocolError, read_own, "08010100", GOOD + tlv("5F34", b"\xa0")).field == "tag 5F34"


def test_an_object_on_the_card_twice_is_refused():
    error = raises(CardProtocolError, read_own, "08010200", GOOD, tlv("5A", b"\x11"))
    assert (error.code, error.field) == (DATA_REPEATED, "tag 5A")


def test_static_data_is_bounded():
    error = raises(CardProtocolError, read_own, "08011E1E", *([tlv("C1", bytes(120))] * 30))
    assert (error.code, error.field) == (LIMIT_EXCEEDED, "static data")


def test_pans_are_checked_and_never_quoted():
    assert bytes(records.padded_pan(bytes.fromhex("6013010123456784"))) == bytes.fromhex(
        "6013010123456784FFFF"
    )
    assert bytes(records.padded_pan(bytes.fromhex("60130101234567841F"))) == bytes.fromhex(
        "60130101234567841FFF"
    )
    assert bytes(records.padded_pan(bytes.fromhex("6013010123456784123F"))) == bytes.fromhex(
        "6013010123456784123F"
    )
    for bad in (
        "",
        "123456FF",
        "60130101234567841234",
        "6013A10123456784",
        "FFFFFFFFFFFFFFFF",
        "6013F10123456784",
        "60" * 11,
    ):
        error = raises(CardProtocolError, records.padded_pan, bytes.fromhex(bad))
        assert error.field == "tag 5A" and (not bad or bad not in str(error).upper())


def test_counters_that_the_card_does_not_tell_are_none():
    class One:
        def __init__(self, answer):
            self.answer = bytes.fromhex(answer)

        async def transceive(self, command):
            return self.answer

    assert run(records.read_counter(One("9F360204D29000"), 0x9F36)) == 0x04D2
    assert run(records.read_counter(One("6A81"), 0x9F36)) is None
    for bad in ("9F130204D29000", "9F3601049000", "9F36039000", "9000"):
        raises(CardProtocolError, run, records.read_counter(One(bad), 0x9F36))
