"""The AT parser: what a modem says is told apart, whatever comes in between and however it is cut."""

from protocol import at_grammar
from protocol.at_grammar import DATA, FINAL, LINE, NOISE, PROMPT, UNSOLICITED, Parser

NAMES = {LINE: "line", FINAL: "final", UNSOLICITED: "urc", PROMPT: "prompt", DATA: "data", NOISE: "noise"}


def plain(events):
    """(kind, line) or (kind, line, extra) of each event."""
    found = []
    for event in events:
        parts = (NAMES[event.kind], event.line, event.extra)
        found.append(parts if event.extra else parts[:2])
    return found


def heard(octets, command=b"", **how):
    """Events of a parser that carries out `command`, whole and octet by octet: they must be the same."""
    parser = Parser()
    parser.begin(command, **how)
    whole = plain(parser.feed(octets))
    parser = Parser()
    parser.begin(command, **how)
    single = []
    for at in range(len(octets)):
        single += plain(parser.feed(octets[at : at + 1]))
    assert single == whole
    return whole


def test_a_reply_and_its_result():
    assert heard(b"\r\n+CSQ: 18,99\r\n\r\nOK\r\n", b"AT+CSQ") == [("line", b"+CSQ: 18,99"), ("final", b"OK")]


def test_the_echo_is_taken_out():
    assert heard(b"AT+CSQ\r\r\n+CSQ: 18,99\r\n\r\nOK\r\n", b"AT+CSQ") == [
        ("line", b"+CSQ: 18,99"),
        ("final", b"OK"),
    ]


def test_line_ends_of_every_sort():
    for end in (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r"):
        octets = b"+CSQ: 18,99" + end + b"OK" + end
        assert heard(octets, b"AT+CSQ") == [("line", b"+CSQ: 18,99"), ("final", b"OK")]


def test_errors_with_numbers_and_texts():
    parser = Parser()
    error = parser.feed(b"+CME ERROR: 112\r\n")[0]
    assert (error.kind, error.line, error.code, error.is_ok) == (FINAL, at_grammar.CME_ERROR, 112, False)
    error = parser.feed(b"+CMS ERROR: 332\r\n")[0]
    assert (error.line, error.code) == (at_grammar.CMS_ERROR, 332)
    error = parser.feed(b"+CME ERROR: SIM not inserted\r\n")[0]
    assert (error.extra, error.code) == (b"SIM not inserted", -1)
    assert parser.feed(b"+CME ERROR: 99999999999999999999\r\n")[0].code == -1
    assert parser.feed(b"OK\r\n")[0].is_ok
    assert plain(parser.feed(b"+CME ERROR:\r\n")) == [("noise", b"+CME ERROR:")]


def test_unsolicited_lines_inside_a_reply():
    octets = b'\r\n+CMTI: "SM",3\r\n\r\nRING\r\n+CSQ: 18,99\r\n+CREG: 1,"5E25","605F"\r\n\r\nOK\r\n'
    assert heard(octets, b"AT+CSQ") == [
        ("urc", b'+CMTI: "SM",3'),
        ("urc", b"RING"),
        ("line", b"+CSQ: 18,99"),
        ("urc", b'+CREG: 1,"5E25","605F"'),
        ("final", b"OK"),
    ]


def test_a_registration_is_a_reply_only_in_its_form():
    for line, kind in (
        (b"+CREG: 0,1", "line"),
        (b"+CREG: 2,11", "line"),
        (b'+CREG: 2,1,"4CA","81DE445"', "line"),
        (b"+CREG: 1", "urc"),
        (b'+CREG: 1,"4CA","81DE445",7', "urc"),
        (b"+CREG: 1,4CA,81DE445", "urc"),
        (b"+CEREG: 0,1", "urc"),
    ):
        assert heard(line + b"\r\n", b"AT+CREG?") == [(kind, line)]


def test_a_message_brings_its_pdu_along():
    assert heard(b"\r\n+CMT: ,23\r\n0791848F\r\n\r\nOK\r\n") == [
        ("urc", b"+CMT: ,23", b"0791848F"),
        ("final", b"OK"),
    ]
    assert heard(b"+CDS:25\rBAD\r") == [("urc", b"+CDS:25", b"BAD")]
    assert heard(b"+CMT: ,23\r\nnot a PDU\r\n") == [("urc", b"+CMT: ,23"), ("noise", b"not a PDU")]
    assert heard(b"+CMT: ,23\r\n+CMT: ,24\r\n00\r\n") == [("urc", b"+CMT: ,23"), ("urc", b"+CMT: ,24", b"00")]


def test_the_prompt_comes_without_a_line_end():
    for prompt in (b"\r\n> ", b"\n>", b"> ", b">"):
        assert heard(prompt, b"AT+CMGS=23", prompt=True) == [("prompt", b">")]
    assert heard(b"> \r\n\r\n+CMGS: 44\r\n\r\nOK\r\n", b"AT+CMGS=23", prompt=True) == [
        ("prompt", b">"),
        ("line", b"+CMGS: 44"),
        ("final", b"OK"),
    ]


def test_the_prompt_may_come_behind_an_unsolicited_line():
    assert heard(b'\r\n+CMTI: "SM",1\r\n\r\n> ', b"AT+CMGS=23", prompt=True) == [
        ("urc", b'+CMTI: "SM",1'),
        ("prompt", b">"),
    ]


def test_no_prompt_where_none_was_asked_for():
    assert heard(b"> what\r\n", b"AT+CSQ") == [("noise", b"> what")]
    assert heard(b"a > b\r\n", b"AT+CMGS=1", prompt=True) == [("noise", b"a > b")]


def test_bare_lines_belong_to_commands_that_have_them():
    octets = b"AT+CGMM\r\r\nSIMCOM_SIM7600E\r\n\r\nOK\r\n"
    assert heard(octets, b"AT+CGMM", bare=True) == [("line", b"SIMCOM_SIM7600E"), ("final", b"OK")]
    assert heard(octets, b"AT+CGMM") == [("noise", b"SIMCOM_SIM7600E"), ("final", b"OK")]


def test_results_of_a_commands_own():
    assert heard(b"\r\nSHUT OK\r\n", b"AT+CIPSHUT", finals=(b"SHUT OK",)) == [("final", b"SHUT OK")]
    assert heard(b"\r\nSHUT OK\r\n", b"AT+CSQ") == [("noise", b"SHUT OK")]


def test_lines_that_come_after_the_result_still_belong_to_the_command():
    octets = b"\r\nOK\r\n\r\nCONNECT OK\r\n"
    assert heard(octets, b'AT+CIPSTART="TCP"', replies=(b"CONNECT OK",)) == [
        ("final", b"OK"),
        ("line", b"CONNECT OK"),
    ]


def test_data_is_taken_by_count_whatever_it_holds():
    data = b"\r\nOK\r\n> +CMTI\x00\xff\x1a"
    count = b"%d" % len(data)
    octets = b"\r\n+QIRD: " + count + b"\r\n" + data + b"\r\n\r\nOK\r\n"
    form = (0, b"\r\n\r\n")
    assert heard(octets, b"AT+QIRD=0,100", data=form) == [
        ("data", b"+QIRD: " + count, data),
        ("final", b"OK"),
    ]
    assert heard(b"+QIRD: 0\r\n\r\nOK\r\n", b"AT+QIRD=0,100", data=form) == [
        ("line", b"+QIRD: 0"),
        ("final", b"OK"),
    ]


def test_data_may_begin_with_a_line_feed():
    octets = b"+QIRD: 2\r\n\n\n\r\n\r\nOK\r\n"
    assert heard(octets, b"AT+QIRD=0,100", data=(0, b"\r\n\r\n"))[0] == ("data", b"+QIRD: 2", b"\n\n")


def test_lost_octets_of_data_are_noticed():
    data = b"0123456789"
    octets = b"\r\n+QIRD: 10\r\n" + data + b"\r\n\r\nOK\r\n"
    start = octets.find(data)
    for lost in range(1, 11):
        for at in range(start, start + 11 - lost):
            cut = octets[:at] + octets[at + lost :]
            kinds = [event[0] for event in heard(cut, b"AT+QIRD=0,100", data=(0, b"\r\n\r\n"))]
            assert "data" not in kinds


def test_counts_that_make_no_sense_announce_nothing():
    for count in (b"x", b"1501", b"99999", b"-1", b""):
        got = heard(b"+QIRD: " + count + b"\r\nOK\r\n", b"AT+QIRD=0,100", data=(0, b"\r\n\r\n"))
        assert got[0][0] == "noise"
        assert got[1] == ("final", b"OK")
    got = heard(b"+QIRD: 1\r\nOK\r\n", b"AT+QIRD=0,100", data=(2, b"\r\n"))
    assert got == [("noise", b"+QIRD: 1"), ("final", b"OK")]


def test_data_that_comes_unasked():
    assert heard(b"+IPD5\r\nhello\r\nOK\r\n") == [("urc", b"+IPD5", b"hello"), ("final", b"OK")]
    assert heard(b"\r\n+RECEIVE,0,3:\r\nOK\r\r\nOK\r\n") == [
        ("urc", b"+RECEIVE,0,3:", b"OK\r"),
        ("final", b"OK"),
    ]
    assert heard(b'+QIURC: "recv",0,2\r\nab') == [("urc", b'+QIURC: "recv",0,2', b"ab")]
    assert heard(b'+QIURC: "recv",0\r\nOK\r\n') == [("urc", b'+QIURC: "recv",0'), ("final", b"OK")]
    assert heard(b"+CIPRXGET: 1,0\r\n", b"AT+CIPRXGET=4,0") == [("urc", b"+CIPRXGET: 1,0")]


def test_a_reboot_is_an_unsolicited_line():
    for word in (
        b"RDY",
        b"Call Ready",
        b"SMS DONE",
        b"PB DONE",
        b"NORMAL POWER DOWN",
        b"*ATREADY: 1",
        b"CLOSED",
    ):
        assert heard(b"\x00\xff\xfe" + word + b"\r\n") == [("urc", word)]


def test_overlong_lines_are_dropped_whole():
    long = b"A" * (at_grammar.LINE_OCTETS_MAX + 1)
    assert heard(long + b"\r\nOK\r\n") == [("noise", b""), ("final", b"OK")]
    assert heard(long[1:] + b"\r\n", bare=True) == [("line", long[1:])]
    parser = Parser()
    for _ in range(50):
        assert parser.feed(long) == []
        assert len(parser._held) == 0
    assert plain(parser.feed(b">\r\nOK\r\n")) == [("noise", b""), ("final", b"OK")]


def test_reset_forgets_half_a_line_and_half_of_data():
    parser = Parser()
    parser.begin(b"AT+QIRD=0,100", data=(0, b"\r\n\r\n"))
    parser.feed(b"+QIRD: 10\r\n012")
    parser.reset()
    assert plain(parser.feed(b"OK\r\n")) == [("final", b"OK")]
    parser.feed(b"+CMT: ,23\r\n12")
    parser.reset()
    assert plain(parser.feed(b"00\r\n")) == [("noise", b"00")]


def test_names_of_commands():
    for command, name in (
        (b"AT+CSQ", b"+CSQ"), (b"AT+CREG?", b"+CREG"), (b"AT+CMGS=12", b"+CMGS"), (b"AT+CNMI=?", b"+CNMI"),
        (b"AT", b""), (b"ATE0", b""), (b"", b""), (b"AT+CIFSR;E0", b"+CIFSR"), (b"AT$TSSPCSW=?", b"$TSSPCSW"),
    ):  # fmt: skip
        assert at_grammar.command_name(command) == name
