"""Conversations of real modems, all of the public collection: the parser and the line readers make of them what is told."""

from protocol import at_grammar, at_lines, sms_pdu
from protocol.at_grammar import FINAL, LINE, NOISE, PROMPT, UNSOLICITED, Parser
from protocol.errors import OutOfRange, ProtocolError
from tests.support.mp import raises, vectors

VARIANTS = ("unix64", "unix32")


def collection():
    return vectors("at_modem_transcripts.json")


def chunked(octets, parser):
    """Events of octets that come in threes."""
    events = []
    for at in range(0, len(octets), 3):
        events += parser.feed(octets[at : at + 3])
    return events


def lines_of(events, kind):
    return [event.line for event in events if event.kind == kind]


# The stream parser's own part of the collection.

KIND_OF = {"error": FINAL, "response": FINAL, "urc": UNSOLICITED}


def test_single_shots():
    for shot in collection()["stream_parser"]["single_shot"]:
        octets = shot["input"].encode()
        parser = Parser()
        events = parser.feed(octets)
        if shot["event"] == "incomplete":
            assert [event.kind for event in events] == [NOISE]
            continue
        first = events[0]
        assert first.kind == KIND_OF[shot["event"]]
        assert first.is_ok == (shot["event"] == "response")
        if shot["event"] == "urc":
            assert first.line == shot["value"].encode()
        if shot["kind" if "kind" in shot else "event"] in ("CmeError", "CmsError"):
            assert (b"%d" % first.code) in octets
            assert first.line == (
                at_grammar.CME_ERROR if shot["kind"] == "CmeError" else at_grammar.CMS_ERROR
            )
        # It is told as soon as its own octets are there, and nothing else is.
        assert len(Parser().feed(octets[: shot["bytes_consumed"]])) == 1


def test_echoes_are_taken_out():
    parts = collection()["stream_parser"]
    pairs = [(entry["input"], entry["after_echo_removed"]) for entry in parts["echo_removal"]]
    pairs += [(entry["input"], entry["remaining"]) for entry in parts["echo_len"]]
    for whole, rest in pairs:
        echo = whole[: len(whole) - len(rest)].encode()
        parser = Parser()
        parser.begin(echo.strip(b"\r"), bare=True)
        with_echo = [event.line for event in chunked(whole.encode(), parser)]
        parser = Parser()
        parser.begin(b"AT", bare=True)
        assert with_echo == [event.line for event in parser.feed(rest.encode())]
    assert len(pairs) == 11


def test_streams():
    for stream in collection()["stream_parser"]["streams"]:
        whole = "".join(stream["chunks"])
        commands = [line for line in whole.replace("\n", "\r").split("\r") if line.startswith("AT")]
        parser = Parser()
        parser.begin(commands[0].encode() if commands else b"", bare="CIMI" in whole)
        events = []
        for chunk in stream["chunks"]:
            events += parser.feed(chunk.encode())
        assert as_told(events) == [tuple(event) for event in stream["events"]], stream["id"]


def as_told(events):
    """As the collection tells them: a reply is its lines up to the result, an error hides the lines before it."""
    told = []
    lines = []
    for event in events:
        if event.kind == LINE:
            lines.append(event.line.decode())
        elif event.kind == UNSOLICITED:
            told.append(("urc", event.line.decode()))
        elif event.kind == FINAL:
            if event.is_ok:
                told.append(("response", "\n".join(lines)))
            elif event.line == at_grammar.CME_ERROR:
                told.append(("cme_error", event.extra.decode()))
            else:
                told.append(("error", event.line.decode()))
            lines = []
    return told


# Whole sessions.

BARE = (b"AT+CMGR", b"AT+CMGL", b"AT+CGMI")


def run(session):
    """Events of each step."""
    steps = []
    parser = Parser()
    for step in session["steps"]:
        sent = step.get("tx", "")
        if step.get("rx_hex"):
            octets = bytes.fromhex(step["rx_hex"])
            sent = octets.split(b"\r")[0].decode()
        elif "urc" in step:
            octets = step["urc"].encode()
        else:
            rx = [part for part in step["rx"] if isinstance(part, str)]
            octets = "".join(
                [part if part[-1:] in ("\n", "\r", " ", ">") else part + "\r\n" for part in rx]
            ).encode()
        command = sent.encode().strip(b"\r\n")
        if command.startswith(b"AT"):
            parser.begin(command, bare=command.startswith(BARE), prompt=b"CMGS=" in command)
        steps.append(chunked(octets, parser))
    return steps


def result(events):
    found = [event for event in events if event.kind == FINAL]
    assert len(found) == 1
    return found[0]


def is_time(stamp, told):
    """The time stamp against `2013-03-08T15:02:16+02:00`."""
    text = "%04d-%02d-%02dT%02d:%02d:%02d" % (
        stamp.year, stamp.month, stamp.day, stamp.hour, stamp.minute, stamp.second,
    )  # fmt: skip
    assert told == text + "+%02d:%02d" % divmod(stamp.zone_minutes, 60)


def signal_strength(steps, expected, _session):
    strength = at_lines.signal(lines_of(steps[0], LINE)[0])
    assert (None if strength == at_lines.SIGNAL_UNKNOWN else strength) == expected["rssi"]
    assert result(steps[0]).is_ok


def registration_wait(steps, expected, _session):
    states = [at_lines.registration(lines_of(step, LINE)[0]) for step in steps[:3]]
    assert [state.is_registered for state in states] == [False, False, True]
    assert states[2].stat == at_lines.HOME
    assert at_lines.signal(lines_of(steps[3], LINE)[0]) == expected["rssi"]


def registration_denied(steps, _expected, _session):
    assert at_lines.registration(lines_of(steps[0], LINE)[0]).stat == at_lines.DENIED


def registration_fields(steps, expected, _session):
    line = lines_of(steps[0], LINE)[0]
    got = at_lines.registration(line)
    assert at_lines.number(line, 0) == expected["n"]
    assert got.stat == expected["stat"]
    assert (got.lac.decode(), got.cell.decode()) == (expected["lac"], expected["ci"])
    assert got.act == expected.get("act", -1)


def registration_broken(steps, _expected, _session):
    raises(OutOfRange, at_lines.registration, (lines_of(steps[0], LINE) + lines_of(steps[0], UNSOLICITED))[0])


def emergency_only(steps, _expected, _session):
    for step in (steps[0], steps[3]):
        state = at_lines.registration(lines_of(step, LINE)[0])
        assert state.stat == at_lines.EMERGENCY_ONLY
        assert not state.is_registered
    assert result(steps[1]).line == result(steps[2]).line == b"ERROR"


def service_centre(steps, expected, _session):
    assert at_lines.service_centre(lines_of(steps[0], LINE)[0]) == expected["smsc"]


def no_service_centre(steps, _expected, _session):
    raises(OutOfRange, at_lines.service_centre, lines_of(steps[0], LINE)[0])


def error(steps, expected, _session):
    got = result(steps[-1])
    code = expected.get("code", expected.get("cms_error"))
    kind = (
        at_grammar.CMS_ERROR
        if "cms_error" in expected or expected.get("error") == "CMS"
        else at_grammar.CME_ERROR
    )
    assert (got.line, got.code) == (kind, int(code))


def plain_error(steps, _expected, _session):
    assert result(steps[0]).line == b"ERROR"


def sim_is_ready(steps, expected, _session):
    assert lines_of(steps[0], LINE) == [b"+CPIN: " + expected["cpin"].encode()]


def stores(steps, expected, _session):
    line = lines_of(steps[0], LINE)[0]
    groups = at_lines.fields(b":" + at_lines.fields(line)[0][1:-1])
    names = [[name.decode() for name in at_lines.fields(b":" + group[1:-1])] for group in groups]
    assert names == [expected["mem1"], expected["mem2"]]


def capabilities(steps, _expected, _session):
    assert result(steps[0]).is_ok
    assert at_lines.fields(lines_of(steps[0], LINE)[0])


def sent_messages(steps, expected, session):
    """The numbers that the modem gave them, and what was in them."""
    references = [at_lines.number(line, 0) for step in steps for line in lines_of(step, LINE)]
    assert references == expected.get("references", [expected.get("reference")])
    assert len(lines_of([event for step in steps for event in step], PROMPT)) == len(references)
    parts = []
    for step in session["steps"]:
        sent = step["tx"]
        if sent.endswith("\x1a") and "number" in expected:
            message = sms_pdu.decode_hex(sent[:-1].encode(), -1, True)
            assert message.recipient.number == expected["number"]
            parts.append(message.user_data.text())
    assert "".join(parts) == expected.get("text", "")


def no_prompt(steps, _expected, _session):
    assert not lines_of(steps[0], PROMPT)
    assert result(steps[0]).is_ok


def no_reference(steps, _expected, _session):
    assert not lines_of(steps[1], LINE)
    assert result(steps[1]).is_ok


def status_report(steps, expected, _session):
    assert lines_of(steps[0], UNSOLICITED) == [b'+CDSI: "SM",1']
    stored = at_lines.message(lines_of(steps[1], LINE), 1)
    assert stored.status == -1
    assert stored.is_whole
    report = sms_pdu.decode_hex(stored.pdu, stored.tpdu_octets)
    assert report.reference == expected["reference"]
    is_time(report.stamp, expected["sent"])
    is_time(report.discharge, expected["delivered"])


def indicated_message(steps, expected, _session):
    assert at_lines.number(lines_of(steps[0], UNSOLICITED)[0], 1) == 1
    stored = at_lines.message(lines_of(steps[1], LINE), 1)
    message = sms_pdu.decode_hex(stored.pdu, stored.tpdu_octets)
    assert (message.sender.number, message.user_data.text()) == (expected["number"], expected["text"])
    assert message.centre.number == expected["smsc"]
    is_time(message.stamp, expected["time"])
    assert result(steps[2]).is_ok


def listing_with_garbage(steps, expected, _session):
    found = at_lines.listing(lines_of(steps[0], LINE))
    assert [entry.index for entry in found] == [0, 1, 2]
    for entry, told in zip(found, expected):
        message = sms_pdu.decode_hex(entry.pdu, entry.tpdu_octets)
        assert message.sender.number == told["number"]
        assert told.get("text", message.user_data.text()) == message.user_data.text()
        assert entry.status == ("unread", "read").index(told["status"])
        is_time(message.stamp, told["time"])


def answer_of_the_network(steps, expected, _session):
    assert lines_of(steps[0], NOISE) == [b"Yet another random notification!"]
    line = (lines_of(steps[0], UNSOLICITED) + lines_of(steps[0], LINE))[0]
    assert at_lines.fields(line)[1].decode() == expected["message"]


def only_unsolicited(steps, _expected, session):
    assert [event.kind for event in steps[0]] == [UNSOLICITED]
    assert len(at_lines.fields(steps[0][0].line)) == 3


def bad_report(steps, _expected, _session):
    raises(ProtocolError, sms_pdu.decode_hex, steps[0][0].extra, 25)


def direct_message(steps, expected, _session):
    event = steps[0][0]
    message = sms_pdu.decode_hex(event.extra, at_lines.number(event.line, 1))
    assert message.user_data.text() == expected["text"]


def direct_message_of_bad_length(steps, _expected, _session):
    raises(OutOfRange, at_lines.number, steps[0][0].line, 1)
    assert steps[0][0].extra == b""


def message_in_text_mode(steps, expected, _session):
    """Refused, so that the driver sets the mode again; what it says can be made out all the same."""
    lines = lines_of(steps[0], LINE)
    raises(OutOfRange, at_lines.message, lines, 0)
    if expected:
        assert at_lines.fields(lines[0])[1].decode() == expected["number"]
        assert lines[1].decode() == expected["text"]


def no_gsm(steps, _expected, _session):
    assert b"+CGSM" not in at_lines.fields(lines_of(steps[0], LINE)[0])


def bring_up(steps, _expected, session):
    for step, told in zip(steps, session["steps"]):
        last = told["rx"][-1]
        assert result(step).line == last.encode().split(b":")[0]
        assert len(lines_of(step, LINE)) == len([line for line in told["rx"][:-1] if "ATE0" not in line])


def report_is_lost(steps, _expected, _session):
    assert at_lines.message(lines_of(steps[2], LINE), 0) is None
    assert result(steps[2]).is_ok


def error_although_verbose(steps, _expected, _session):
    assert result(steps[0]).line == b"ERROR"
    assert lines_of(steps[1], LINE) == [b"+CMEE: 2"]


CHECKS = (
    ("csq ", signal_strength), ("creg wait", registration_wait), ("creg denied", registration_denied),
    ("csca read", service_centre), ("csca cms", error), ("cme error", error), ("pin required", error),
    ("device busy", error), ("cpin without OK", sim_is_ready), ("cpms list nested", stores),
    ("cmgs pdu", sent_messages), ("cmgs no +CMGS", no_prompt), ("status report", status_report),
    ("cmti + cmgr", indicated_message), ("cmgl with garbage", listing_with_garbage), ("cmgl error", plain_error),
    ("cusd after OK", answer_of_the_network), ("at-creg/", registration_fields),
    ("at-creg-corner", registration_broken), ("at-smsc/", service_centre), ("at-smsc-failing", no_service_centre),
    ("at-cpms", capabilities), ("at-cnmi", capabilities), ("at-sms-txt", message_in_text_mode),
    ("at-ussd", only_unsolicited), ("cds bad pdu", bad_report), ("cmt direct", direct_message),
    ("text reply", message_in_text_mode), ("cms 204", error), ("cmgs prompt without", sent_messages),
    ("cmgs malformed", no_reference), ("cmgs rejected", error), ("gcap", no_gsm),
    ("cmt bad length", direct_message_of_bad_length), ("SIM800C bring-up", bring_up),
    ("EC25 SR report", report_is_lost), ("EC25 unknown", plain_error), ("CPIN byte dump", sim_is_ready),
    ("A7670 CREG", emergency_only), ("SIM7000 CMS 500", error), ("SIM7600 smart quotes", error_although_verbose),
    ("CMS 304", error),
)  # fmt: skip


def test_every_session_is_understood():
    count = 0
    for session in collection()["sessions"]:
        checks = [check for name, check in CHECKS if session["id"].startswith(name)]
        assert len(checks) == 1, session["id"]
        try:
            checks[0](run(session), session["expected"], session)
        except AssertionError as failure:
            raise AssertionError("%s: %s" % (session["id"], failure))
        count += 1
    assert count == 57
