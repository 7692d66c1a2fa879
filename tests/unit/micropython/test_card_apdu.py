"""Commands and status words: public conversations with cards, and cards that never stop."""

from firmware.card import apdu
from firmware.card.errors import LIMIT_EXCEEDED, MALFORMED, VALUE_WRONG, CardProtocolError, CardRefused
from tests.property.drivers.card_model import run
from tests.property.drivers.card_script import Script, T0Script
from tests.support.mp import raises, vectors

# What each conversation of the vector's calls has us send first.
PSE = b"1PAY.SYS.DDF01"


class Answers:
    """Answers each command with the next response, the last one for ever."""

    def __init__(self, *responses):
        self.responses = [bytes.fromhex(r) for r in responses]
        self.log = []

    async def transceive(self, command):
        self.log.append(bytes(command).hex())
        return self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]


def transport_cases():
    return [c for c in vectors("emv_apdu_conversations.json") if c["id"].startswith("emv_ttl_")]


def play(case, reader):
    """The result of the command that the conversation is about."""
    call = case["calls"][0]
    if call == "emv_ttl_read_record":
        return run(apdu.read_record(reader, 1, 1))
    if call == "emv_ttl_select_by_df_name":
        return run(apdu.select(reader, PSE))
    assert call == "emv_ttl_trx", call
    return run(apdu.transmit(reader, bytes.fromhex(case["expected"]["call_byte_args"][0])))


def test_plays_public_conversations():
    cases = transport_cases()
    assert len(cases) == 15
    for case in cases:
        steps = case["exchanges"][0]["apdus"]
        reader = (T0Script if "tpdu" in case["id"] else Script)(steps)
        data, sw = play(case, reader)
        expected = case["expected"]
        assert "0x%04X" % sw == expected["sw"][0], case["id"]
        wanted = list(expected["data"].values())[0]
        # The vector counts a bare status word as data.
        assert bytes(data) == (b"" if len(wanted) == 4 else bytes.fromhex(wanted)), case["id"]
        assert reader.is_over, case["id"]


def test_every_public_conversation_is_played_in_one_of_these_files():
    # Transport here; the two kinds of selection in test_card_selection; the rest in test_card_records.
    counts = {}
    for case in vectors("emv_apdu_conversations.json"):
        kind = case["id"].split(":")[0]
        counts[kind] = counts.get(kind, 0) + 1
    assert counts == {
        "emv_ttl_tpdu": 8,
        "emv_ttl_pcsc": 7,
        "emv_build_candidate_list": 6,
        "emv_select_application": 6,
        "emv_initiate_application_processing": 3,
        "emv_read_application_data": 5,
    }


def test_joins_the_parts_of_a_long_response():
    reader = Answers("0102" + "6103", "030405" + "6101", "06" + "9000")
    data, sw = run(apdu.transmit(reader, bytes.fromhex("80CA9F3600")))
    assert (bytes(data), sw) == (b"\x01\x02\x03\x04\x05\x06", 0x9000)
    assert reader.log[1:] == ["00c0000003", "00c0000001"]


def test_stops_a_card_that_always_has_more():
    error = raises(CardProtocolError, run, apdu.transmit(Answers("0061FF"), bytes.fromhex("80CA9F3600")))
    assert (error.code, error.field) == (LIMIT_EXCEEDED, "response")
    reader = Answers("00" * 250 + "61FF")
    assert (
        raises(CardProtocolError, run, apdu.transmit(reader, bytes.fromhex("80CA9F3600"))).code
        == LIMIT_EXCEEDED
    )
    assert len(reader.log) <= 1 + apdu.CONTINUATIONS_MAX


def test_corrects_a_length_once():
    reader = Answers("6C05", "6C07")
    error = raises(CardProtocolError, run, apdu.transmit(reader, bytes.fromhex("80CA9F3600")))
    assert (error.code, reader.log) == (VALUE_WRONG, ["80ca9f3600", "80ca9f3605"])
    # A command that has no Le cannot be corrected: its last octet is data.
    for command in ("00200080081234", "00820000021234", "00820000"):
        assert (
            raises(CardProtocolError, run, apdu.transmit(Answers("6C05"), bytes.fromhex(command))).code
            == VALUE_WRONG
        )


def test_a_response_without_status_word_is_malformed():
    for response in ("", "90"):
        error = raises(CardProtocolError, run, apdu.transmit(Answers(response), bytes.fromhex("80CA9F3600")))
        assert (error.code, error.offset) == (MALFORMED, len(response) // 2)
        raises(CardProtocolError, run, apdu.verify(Answers(response), b"1234"))


def test_a_refusal_tells_command_and_status():
    error = raises(CardRefused, run, apdu.get_processing_options(Answers("6985"), b""))
    assert (error.command, error.sw) == ("GPO", 0x6985)
    assert "6985" in str(error)


def test_commands_are_coded_as_the_standard_says():
    for coroutine, expected in (
        (lambda r: apdu.select(r, b"\xa0\x00\x00\x06\x02"), "00a4040005a00000060200"),
        (lambda r: apdu.select(r, b"\xa0\x00\x00\x06\x02", True), "00a4040205a00000060200"),
        (lambda r: apdu.get_processing_options(r, b""), "80a8000002830000"),
        (lambda r: apdu.get_processing_options(r, bytes(130)), "80a80000858381" + "82" + "00" * 130 + "00"),
        (lambda r: apdu.read_record(r, 2, 3), "00b2031400"),
        (lambda r: apdu.get_data(r, 0x9F36), "80ca9f3600"),
        (lambda r: apdu.internal_authenticate(r, b"\x01\x02\x03\x04"), "00880000040102030400"),
        (lambda r: apdu.generate_ac(r, apdu.ARQC | apdu.SIGNED, b"\x01"), "80ae9000010100"),
        (lambda r: apdu.generate_ac(r, apdu.TC, b"\x01"), "80ae4000010100"),
        (lambda r: apdu.generate_ac(r, apdu.AAC, b"\x01"), "80ae0000010100"),
    ):
        reader = Answers("9000")
        run(coroutine(reader))
        assert reader.log == [expected]


def test_verify_sends_a_format_2_block_and_wipes_it():
    class Keeper:
        async def transceive(self, command):
            self.seen = bytes(command).hex()
            self.buffer = command
            return b"\x63\xc2"

    for pin, block in (("1234", "241234ffffffffff"), ("12345", "2512345fffffffff"), ("271828", "26271828ffffffff"),
                       ("123456789012", "2c123456789012ff")):  # fmt: skip
        keeper = Keeper()
        assert run(apdu.verify(keeper, pin.encode())) == 0x63C2
        assert keeper.seen == "0020008008" + block
        assert bytes(keeper.buffer) == bytes(13)


def test_the_pin_block_is_wiped_when_the_card_is_pulled():
    class Puller:
        async def transceive(self, command):
            self.buffer = command
            raise OSError

    puller = Puller()
    raises(OSError, run, apdu.verify(puller, b"271828"))
    assert bytes(puller.buffer) == bytes(13)
