"""Fields of modem lines: registration, signal, clock, storage and stored messages, in the forms that modems give them."""

from protocol import at_lines
from protocol.errors import OutOfRange
from tests.support.mp import raises


def test_fields_are_cut_outside_of_quotes_and_brackets():
    assert at_lines.fields(b'+X: 1,"a,b", c ,,"d"') == [b"1", b"a,b", b"c", b"", b"d"]
    assert at_lines.fields(b"+X:") == [b""]
    assert at_lines.fields(b"+X") == [b"+X"]
    assert at_lines.fields(b'+CPMS: ("SM","ME"),("SM")') == [b'("SM","ME")', b'("SM")']
    assert at_lines.fields(b':"SM","ME"') == [b"SM", b"ME"]


def test_quotes_and_brackets_that_do_not_match_are_refused():
    for line in (b'+CREG: 2,1,"0B,"0100701",7', b'+X: "', b'+X: "a" b', b"+X: (1", b"+X: 1)", b'+X: ("1)'):
        error = raises(OutOfRange, at_lines.fields, line)
        assert error.field in ("+CREG", "+X")
        assert 0 <= error.offset <= len(line)


def test_registration_in_every_form():
    for line, told in (
        (b"+CREG: 0,1", (1, b"", b"", -1)),
        (b"+CREG: 1", (1, b"", b"", -1)),
        (b'+CREG: 0,5,"5E25","605F",2', (5, b"5E25", b"605F", 2)),
        (b"+CREG: 2,1,4CA,81DE445", (1, b"4CA", b"81DE445", -1)),
        (b'+CEREG: 1,"5E25","605F",7', (1, b"5E25", b"605F", 7)),
        (b"+CEREG: 0,11", (11, b"", b"", -1)),
    ):
        got = at_lines.registration(line)
        assert (got.stat, got.lac, got.cell, got.act) == told
        assert got.is_registered == (got.stat in (1, 5))
    raises(OutOfRange, at_lines.registration, b"+CREG: x")
    raises(OutOfRange, at_lines.registration, b"+CREG:")


def test_signal_strength():
    assert at_lines.signal(b"+CSQ: 18,99") == 18
    assert at_lines.signal(b"+CSQ: 99,99") == at_lines.SIGNAL_UNKNOWN
    assert at_lines.dbm(18) == -77
    assert at_lines.dbm(99) == 0
    raises(OutOfRange, at_lines.signal, b"+CSQ: ,99")
    raises(OutOfRange, at_lines.signal, b"+CSQ: 99999999999")


def test_the_networks_clock():
    assert at_lines.clock(b'+CCLK: "26/11/14,15:30:40+28"') == 1794645040
    assert at_lines.clock(b'+CCLK: "26/11/14,08:30:40+00"') == 1794645040
    assert at_lines.clock(b'+CCLK: "26/11/14,03:30:40-20"') == 1794645040
    assert at_lines.clock(b'+CCLK: "26/11/14,08:30:40"') == 1794645040
    assert at_lines.clock(b'+CCLK: "80/01/06,00:00:22"') < 1000000000
    for text in (b"", b"26/13/14,15:30:40+28", b"26/11/14,15:30", b"26/11/14 15:30:40", b"26/11/14,15:30:40*28",
                 b"26/11/14,25:30:40", b"26/11/14,15:30:40+2", b"26/11/14,15:30:40+288", b"aa/11/14,15:30:40"):  # fmt: skip
        raises(OutOfRange, at_lines.clock, b'+CCLK: "' + text + b'"')


def test_the_service_centre():
    assert at_lines.service_centre(b'+CSCA: "+62811000000",145') == "+62811000000"
    assert at_lines.service_centre(b"+CSCA: 002B0036003200380031,145") == "+6281"
    assert at_lines.service_centre(b'+CSCA: "00628110",129') == "00628110"
    for line in (b'+CSCA: "",129', b"+CSCA:", b'+CSCA: "abc",129'):
        raises(OutOfRange, at_lines.service_centre, line)


def test_storage():
    assert at_lines.storage(b'+CPMS: "SM",3,20,"SM",3,20,"ME",4,23') == (4, 23)
    assert at_lines.storage(b"+CPMS: 3,20,3,20,3,20") == (3, 20)
    for line in (b"+CPMS:", b"+CPMS: 3", b'+CPMS: "SM",x,20'):
        raises(OutOfRange, at_lines.storage, line)


def test_a_listing_survives_garbage_and_half_lines():
    found = at_lines.listing(
        [
            b"+CMGL: 0,0,,2",
            b"SOMETHING ELSE",
            b"000102",
            b'+CMGL: 1,1,"name",3',
            b"+CMGL: 12,3,,4",
            b"00AABBCCDD",
            b"DEADBEEF",
            b"+CMGL: x,1,,2",
            b"000102",
            b"+CMGL: 7",
            b"000102",
            b'+CMGL: 8,1,"na,2',
            b"000102",
        ]
    )
    told = [(entry.index, entry.status, entry.tpdu_octets, entry.pdu) for entry in found]
    assert told == [(0, 0, 2, b"000102"), (12, 3, 4, b"00AABBCCDD")]


def test_one_stored_message():
    got = at_lines.message([b"+CMGR: 0,,2", b"000102"], 5)
    assert (got.index, got.status, got.tpdu_octets, got.pdu) == (5, 0, 2, b"000102")
    assert at_lines.message([b"+CMGR: ,,2", b"000102"], 5).status == -1
    assert at_lines.message([b"+CMGR: 1,2", b"000102"], 5).tpdu_octets == 2
    assert at_lines.message([], 5) is None
    for lines in (
        [b"+CMGR: 0,,2"],
        [b"+CMGR: 0,,x", b"000102"],
        [b'+CMGR: "REC READ","+393312345678",,"16/05/10,10:33:31+08"', b"Test message"],
        [b'+CMGR: "REC READ","+393312345678",,"16/05/10,10:33:31+08"', b"DEADBEEF"],
        [b"+CMGR:", b"00"],
    ):
        raises(OutOfRange, at_lines.message, lines, 5)


def test_octets_that_got_lost_show_in_the_length():
    def is_whole(octets, pdu):
        return at_lines.Stored(1, 1, octets, pdu).is_whole

    assert is_whole(2, b"000102")
    assert is_whole(2, b"0291F00102")
    assert not is_whole(2, b"0001")
    assert not is_whole(2, b"00010")
    assert not is_whole(2, b"00010203")
    assert not is_whole(2, b"0291F001")
    assert not is_whole(0, b"")
