"""Short messages as octets: examples worked out by hand from TS 23.040 and TS 23.038, and what must be refused."""

from protocol import sms_address, sms_pdu, sms_user_data
from protocol.errors import OutOfRange, ProtocolError, Truncated, UnknownVersion
from protocol.octets import Reader
from protocol.sms_address import Address
from protocol.sms_time import Stamp
from protocol.sms_user_data import DATA_8BIT, UserData
from tests.support.mp import raises

STAMP = "62114151030482"  # 2026-11-14 15:30:40, 7 hours east
CENTRE = "07912618010000f0"
SENDER = "0d91261832547698f0"


def delivered(user_data, dcs="04", first="04", sender=SENDER):
    """A DELIVER from its parts in hexadecimal."""
    return sms_pdu.decode(bytes.fromhex(CENTRE + first + sender + "00" + dcs + STAMP + user_data))


# Our own frames.


def test_a_frame_travels_as_8_bit_data_without_a_header():
    frame = bytes(range(140))
    pdu = sms_pdu.encode(sms_pdu.Submit(Address("+6281234567890"), UserData(frame)))
    assert pdu[:14].hex() == "00" + "01" + "00" + SENDER + "00" + "04"
    assert pdu[14] == 140
    assert pdu[15:] == frame
    assert sms_pdu.tpdu_length(pdu) == 154


def test_a_frame_arrives_as_it_was_sent():
    sent = sms_pdu.Deliver(
        Address("+6281234567890"), Stamp(bytes.fromhex(STAMP)), UserData(b"\x00\x1a\x1b\r\n")
    )
    got = sms_pdu.decode(sms_pdu.encode(sent))
    assert got.user_data.content == b"\x00\x1a\x1b\r\n"
    assert got.user_data.alphabet == DATA_8BIT
    assert got.user_data.missing == 0
    assert got.user_data.elements is None
    assert got.user_data.concatenation is None
    assert got.sender.number == "+6281234567890"
    assert got.centre is None


def test_more_than_140_octets_do_not_fit():
    message = sms_pdu.Submit(Address("+62811"), UserData(bytes(141)))
    assert raises(OutOfRange, sms_pdu.encode, message).field == "user data"


def test_data_is_no_text():
    raises(OutOfRange, UserData(b"abc").text)


def test_the_first_octet_says_what_is_asked_for():
    message = sms_pdu.Submit(Address("+62811"), UserData(b""))
    message.flags = sms_pdu.STATUS_REPORT_REQUEST | sms_pdu.REJECT_DUPLICATES
    message.reference = 77
    got = sms_pdu.decode(sms_pdu.encode(message), True)
    assert sms_pdu.encode(message)[1:3] == b"\x25\x4d"
    assert (got.flags, got.reference) == (message.flags, 77)


# Addresses (9.1.2.5).


def address(hexa):
    return sms_address.read(Reader(bytes.fromhex(hexa)), "sender")


def test_addresses_of_every_type():
    for hexa, number, toa in (
        ("0a918967452301", "+9876543210", 0x91),
        ("0b818967452301f4", "98765432104", 0x81),
        ("04a19494", "4949", 0xA1),
        ("06811acb2d", "*1#ab2", 0x81),
        ("0000", "", 0x00),
    ):
        got = address(hexa)
        assert (got.number, got.toa, got.is_alphanumeric) == (number, toa, False)
        assert sms_address.write(got, "sender").hex() == hexa


def test_names_are_packed_septets():
    got = address("09d0c6a7333904")
    assert got.number == "FONIC"
    assert got.is_alphanumeric
    assert sms_address.write(got, "sender").hex() == "09d0c6a7333904"


def test_a_spoilt_digit_is_seen_and_costs_nothing():
    assert address("0491f132").number == "+1f23"
    assert delivered("0161", sender="0491f132").user_data.content == b"a"


def test_numbers_that_cannot_be_written_are_refused():
    for number, toa in (
        ("+62 811", 0x91),
        ("62811", 0x91),
        ("+62811", 0x81),
        ("1" * 21, 0x81),
        ("NAMETHATISTOOLONG", 0xD0),
    ):
        raises(OutOfRange, sms_address.write, Address(number, toa), "recipient")


def test_the_centre_is_counted_in_octets():
    got = delivered("0161")
    assert got.centre.number == "+62811000000"
    assert sms_pdu.encode(got).hex().startswith(CENTRE)
    assert sms_pdu.decode(bytes.fromhex("00" + "04" + SENDER + "0004" + STAMP + "0161")).centre is None


# Text (TS 23.038).


def test_seven_bit_text_is_packed():
    got = delivered("05c8329bfd06", "00")
    assert got.user_data.text() == "Hello"
    assert sms_user_data.write(sms_user_data.text_7bit("Hello")).hex() == "05c8329bfd06"


def test_160_septets_fill_140_octets():
    octets = sms_user_data.write(sms_user_data.text_7bit("a" * 160))
    assert len(octets) == 141
    raises(OutOfRange, sms_user_data.write, sms_user_data.text_7bit("a" * 161))
    raises(OutOfRange, sms_user_data.write, sms_user_data.text_7bit("€" * 81))


def test_the_extension_table_takes_two_septets():
    data = sms_user_data.text_7bit("[€]{}\\~|^\x0c")
    assert data.content == bytes.fromhex("1b3c1b651b3e1b281b291b2f1b3d1b401b141b0a")
    assert data.text() == "[€]{}\\~|^\x0c"


def test_an_escape_that_leads_nowhere_shows_the_basic_character():
    assert UserData(b"\x1b\x41\x1b\x1b\x42\x1b", 0).text() == "A B"


def test_what_the_alphabet_lacks_is_refused():
    raises(OutOfRange, sms_user_data.text_7bit, "日")
    raises(OutOfRange, sms_user_data.text_7bit, "\x1b")


def test_ucs2_text_has_pairs_of_surrogates():
    data = sms_user_data.text_ucs2("Ā日😁")
    assert data.content.hex() == "010065e5d83dde01"
    assert data.text() == "Ā日😁"
    for broken in ("d83d", "d83d0041", "de01", "de01d83d", "00"):
        raises(OutOfRange, UserData(bytes.fromhex(broken), 8).text)


def test_coding_schemes():
    for dcs, alphabet in (
        (0x00, 0), (0x04, 1), (0x08, 2), (0x0C, 0), (0x10, 0), (0x12, 0), (0x16, 1), (0x19, 2), (0x44, 1), (0x48, 2),
        (0x84, 0), (0xC8, 0), (0xD0, 0), (0xE0, 2), (0xF0, 0), (0xF1, 0), (0xF4, 1), (0xF5, 1),
    ):  # fmt: skip
        assert sms_user_data.alphabet_of(dcs) == alphabet


def test_compressed_text_is_refused():
    raises(UnknownVersion, delivered, "0161", "20")
    raises(UnknownVersion, sms_user_data.write, UserData(b"a", 0x24))


def test_national_alphabets_are_not_guessed():
    data = delivered("08" + "03240101" + "c8329bfd", "00", "44").user_data
    assert data.elements == [(0x24, b"\x01")]
    raises(UnknownVersion, data.text)


# User data header (9.2.3.24).


def test_parts_of_long_messages_are_told():
    data = delivered("0805000387030261" + "62", first="44").user_data
    part = data.concatenation
    assert (part.reference, part.total, part.part, part.bits) == (0x87, 3, 2, 8)
    assert data.content == b"ab"
    data = delivered("0906080412340201" + "6162", first="44").user_data
    part = data.concatenation
    assert (part.reference, part.total, part.part, part.bits) == (0x1234, 2, 1, 16)


def test_parts_that_make_no_sense_stand_alone():
    for numbers in ("870003", "870200", "870203"):
        data = delivered("07" + "050003" + numbers + "61", first="44").user_data
        assert data.concatenation is None
        assert data.content == b"a"


def test_ports_of_both_widths():
    ports = delivered("0806" + "05040b8423f0" + "61", first="44").user_data.ports
    assert (ports.destination, ports.source, ports.bits) == (2948, 9200, 16)
    ports = delivered("0604" + "0402f0f1" + "61", first="44").user_data.ports
    assert (ports.destination, ports.source, ports.bits) == (240, 241, 8)


def test_unknown_elements_are_kept_and_written_again():
    message = delivered("0a" + "07" + "7f021122" + "00018a" + "6162", first="44")
    assert message.user_data.elements == [(0x7F, b"\x11\x22"), (0x00, b"\x8a")]
    assert message.user_data.concatenation is None
    assert sms_pdu.encode(message).hex().endswith("0a077f02112200018a6162")


def test_of_repeated_elements_the_last_counts():
    data = delivered("0c0a" + "0003010201" + "0003020202" + "61", first="44").user_data
    assert data.concatenation.reference == 2


def test_septets_begin_at_a_septet_behind_the_header():
    data = sms_user_data.text_7bit("my son", [(0, bytes.fromhex("880303"))])
    octets = sms_user_data.write(data)
    # 6 octets of header are 48 bits, one fill bit, then 'm' << 1
    assert octets[:8].hex() == "0d050003880303" + "da"
    got = sms_user_data.read(Reader(octets), 0, True)
    assert got.text() == "my son"


def test_headers_that_run_over_are_refused():
    for broken in ("03" + "05000388", "05" + "0500038703", "05" + "0400038703", "02" + "01" + "00", "00"):
        assert raises(Truncated, delivered, broken, "04", "44").offset > 20
    raises(Truncated, delivered, "04" + "0500038703" + "02", "00", "44")


def test_a_wrong_length_is_flagged():
    data = delivered("0a" + "6162").user_data
    assert (data.content, data.missing, data.length) == (b"ab", 8, 10)
    data = delivered("0a" + "c8329bfd06", "00").user_data
    assert (data.text(), data.missing) == ("Hello", 4)


def test_octets_behind_the_message_are_kept_apart():
    message = delivered("016162")
    assert (message.user_data.content, message.trailing) == (b"a", b"b")


# Status reports (9.2.2.3).


def test_a_status_report_says_what_became_of_a_message():
    report = sms_pdu.decode(bytes.fromhex("00" + "06" + "2a" + SENDER + STAMP + "62114151039482" + "30"))
    assert (report.reference, report.recipient.number) == (42, "+6281234567890")
    assert report.discharge.time_s - report.stamp.time_s == 9
    assert (report.status, report.is_delivered, report.is_final) == (0x30, False, False)
    report.status = 0
    assert (report.is_delivered, report.is_final) == (True, True)
    report.status = 0x45
    assert (report.is_delivered, report.is_final) == (False, True)
    assert sms_pdu.decode(sms_pdu.encode(report)).status == 0x45


def test_optional_octets_of_a_status_report():
    head = "00" + "06" + "2a" + SENDER + STAMP + STAMP + "00"
    for extra, pid, content in (
        ("", -1, None), ("0700040161", 0, b"a"), ("060400", -1, b""), ("0139", 0x39, None), ("ffffff", -1, None),
        ("0700040a61", 0, b"a"), ("07", -1, None), ("072001", -1, None),
    ):  # fmt: skip
        report = sms_pdu.decode(bytes.fromhex(head + extra))
        assert report.extra == bytes.fromhex(extra)
        assert report.pid == pid
        assert (report.user_data.content if report.user_data else None) == content
        assert sms_pdu.encode(report).hex() == head + extra


# What is none.


def test_types_that_nobody_may_send_are_refused():
    tail = SENDER + "0004" + STAMP + "0161"
    for first in ("01", "03", "07"):
        assert raises(UnknownVersion, sms_pdu.decode, bytes.fromhex("00" + first + tail)).offset == 1
    for first in ("00", "02", "03"):
        raises(UnknownVersion, sms_pdu.decode, bytes.fromhex("00" + first + tail), True)


def test_every_cut_is_refused_by_type_and_place():
    whole = bytes.fromhex(CENTRE + "44" + SENDER + "0004" + STAMP + "0a" + "0500038703026162" + "6364")
    least = len(whole) - 10 - 1 + 6  # user data may be short, its header may not
    for size in range(least):
        error = raises(ProtocolError, sms_pdu.decode, whole[:size])
        assert 0 <= error.offset <= size
    for size in range(least + 1, len(whole)):
        assert sms_pdu.decode(whole[:size]).user_data.missing == len(whole) - size


def test_hexadecimal_lines():
    line = (CENTRE + "04" + SENDER + "0004" + STAMP + "0161").encode()
    assert sms_pdu.decode_hex(line, 21).user_data.content == b"a"
    assert sms_pdu.decode_hex(line.upper(), 21).user_data.content == b"a"
    for broken in (
        line[:-1],
        line + b"0",
        line.replace(b"f", b"g"),
        b"zz",
        b" " + line[1:],
        line[:-2] + b"\xe1\xb1",
    ):
        raises(OutOfRange, sms_pdu.decode_hex, broken)
    error = raises(OutOfRange, sms_pdu.decode_hex, line, 22)
    assert error.field == "TPDU length"
    raises(ProtocolError, sms_pdu.decode_hex, b"", 0)
    raises(OutOfRange, sms_pdu.decode_hex, b"00" * 256)


def test_errors_never_show_the_message():
    error = raises(ProtocolError, delivered, "ff", "24")
    assert "6281" not in str(error) and "+62" not in str(error)
