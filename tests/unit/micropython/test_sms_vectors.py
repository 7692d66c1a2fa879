"""The public collection of 162 short messages: each decodes as stated or fails as stated, and is written again."""

from protocol import civil_date, sms_pdu, sms_time, sms_user_data
from protocol.errors import ProtocolError
from protocol.sms_address import Address
from protocol.sms_pdu import Deliver, StatusReport, Submit
from protocol.sms_user_data import DATA_8BIT, GSM_7BIT, UserData
from tests.support.mp import raises, vectors

TYPE_NAMES = {Deliver: "SMS-DELIVER", Submit: "SMS-SUBMIT", StatusReport: "SMS-STATUS-REPORT"}
ALPHABETS = ("7bit", "8bit", "ucs2")
# What TS 23.040 lets an encoder choose otherwise: bits of a header's or a text's end, octets behind the message, and
# a user data length that is wrong.
WRITTEN_OTHERWISE = ("gsmmodem-dec-5", "gammu-02", "gammu-39", "gsmmodem-dec-7", "gammu-41")


def collection():
    return vectors("sms_pdu.json")["vectors"]


def decoded(vector):
    return sms_pdu.decode_hex(
        vector["pdu"].encode(), vector.get("tpdu_len_octets", -1), vector["direction"] == "submit"
    )


def local_text(stamp):
    """As the collection writes times: two digits each, local."""
    assert stamp.is_valid
    parts = (stamp.year % 100, stamp.month, stamp.day, stamp.hour, stamp.minute, stamp.second)
    return "%02d-%02d-%02dT%02d:%02d:%02d" % parts


def is_right(message, told, vector):
    """Every field that the collection's own decoder found."""
    centre = message.centre
    assert (centre.number if centre else None) == told["smsc"]
    assert centre is None or centre.toa == told["smsc_toa"]
    pdu = bytes.fromhex(vector["pdu"])
    assert sms_pdu.tpdu_length(pdu) == told["tpdu_len"]
    assert pdu[len(pdu) - told["tpdu_len"]] == told["first_octet"]
    assert TYPE_NAMES[type(message)] == told["type"]
    other = message.sender if type(message) is Deliver else message.recipient
    assert (other.number, other.toa) == (told["oa"]["number"], told["oa"]["toa"])
    if "mr" in told:
        assert message.reference == told["mr"]
    if "scts" in told:
        assert (local_text(message.stamp), message.stamp.zone_minutes) == (told["scts"], told["tz_min"])
    if type(message) is StatusReport:
        assert message.status == told["status"]
        assert local_text(message.discharge) == told["discharge"]
        assert message.discharge.zone_minutes == told["discharge_tz_min"]
        assert message.extra == bytes.fromhex(told["extra"])
        return
    assert (message.pid, message.user_data.dcs) == (told["pid"], told["dcs"])
    assert len(message.trailing) == told["trailing"]
    if type(message) is Submit:
        is_right_validity(message.validity, told)
    is_right_content(message.user_data, told)


def is_right_validity(validity, told):
    assert (validity.octets[0] if validity.form == sms_time.RELATIVE else None) == told.get("vp_rel")
    assert (local_text(validity.stamp) if validity.stamp else None) == told.get("vp_abs")
    if validity.stamp:
        assert validity.stamp.zone_minutes == told["vp_tz_min"]


def is_right_content(data, told):
    assert data.length == told["udl"]
    assert ALPHABETS[data.alphabet] == told["alphabet"]
    if "udh" in told:
        found = [{"iei": identifier, "data": octets.hex()} for identifier, octets in data.elements]
        assert found == told["udh"]
    part = data.concatenation
    told_part = told.get("concat")
    assert (part is None) == (told_part is None)
    if part:
        found = {"ref": part.reference, "total": part.total, "seq": part.part, "bits": part.bits}
        assert found == told_part
    ports = data.ports
    assert (ports is None) == ("ports" not in told)
    if ports:
        assert {"dst": ports.destination, "src": ports.source, "bits": ports.bits} == told["ports"]
    if "septets" in told:
        assert len(data.content) == told["septets"]
    if "data" in told:
        assert data.content == bytes.fromhex(told["data"])
    if data.alphabet != DATA_8BIT:
        assert data.text() == told["text"]


def test_every_message_decodes_as_stated():
    count = 0
    for vector in collection():
        if "expected_error" in vector:
            continue
        message = decoded(vector)
        is_right(message, vector["decoded_by_collector"], vector)
        expected = vector.get("expected", {})
        if "text" in expected:
            assert message.user_data.text() == expected["text"]
        if "reference" in expected:
            assert message.reference == expected["reference"]
        count += 1
    assert count == 155


def test_times_are_right_in_utc():
    found = {}
    for vector in collection():
        if vector["id"] in (
            "pymsg-22-decoding_datetime_gmtplusone",
            "pymsg-30-decoding_delivery_status_report",
        ):
            found[vector["id"][:8]] = decoded(vector)
    assert found["pymsg-22"].stamp.time_s == seconds(2009, 9, 1, 16, 41, 32)
    assert found["pymsg-30"].stamp.time_s == seconds(2010, 9, 28, 13, 56, 0)


def seconds(year, month, day, hour, minute, second):
    return civil_date.to_days(year, month, day) * 86400 + (hour * 60 + minute) * 60 + second


def read_all(vector):
    message = decoded(vector)
    if message.user_data.alphabet != DATA_8BIT:
        message.user_data.text()


def test_every_malformed_message_fails():
    count = 0
    for vector in collection():
        if "expected_error" in vector:
            error = raises(ProtocolError, read_all, vector)
            assert error.field
            assert error.offset >= 0
            count += 1
    assert count == 7


def test_what_was_decoded_is_written_again():
    count = 0
    for vector in collection():
        if "expected_error" in vector or vector["id"] in WRITTEN_OTHERWISE:
            continue
        assert sms_pdu.encode(decoded(vector)).hex() == vector["pdu"].lower(), vector["id"]
        count += 1
    assert count == 150


# Writing from what the source projects gave their encoders.


def user_data_of(given, expected, told):
    """Text in the alphabet that the source chose, in the part that the vector holds."""
    elements = None
    if "concat" in told:
        part = told["concat"]
        elements = [(0, bytes((part["ref"], part["total"], part["seq"])))]
    text = expected.get("text", told["text"])
    ucs2 = given.get("Coding") == "Unicode" or given.get("encoding") == "UCS2"
    if "Coding" not in given and "encoding" not in given:
        try:
            data = sms_user_data.text_7bit(text, elements)
        except ProtocolError:
            ucs2 = True
    data = (sms_user_data.text_ucs2 if ucs2 else sms_user_data.text_7bit)(text, elements)
    if "klass" in given:
        data.dcs |= 0x10 | given["klass"]
    if given.get("flash"):
        data.dcs |= 0x10
    return data


def validity_of(words):
    """`timedelta(days=4)`, `timedelta:{"weeks": 52}` or `2013-07-10T13:39:00+2h`."""
    if not words:
        return sms_time.none()
    if words.startswith("timedelta"):
        number = int("".join([letter for letter in words if letter.isdigit()]))
        days = 7 if "weeks" in words else 1
        return sms_time.relative(number * days * 1440)
    year, month, day = [int(part) for part in words[:10].split("-")]
    hour, minute, second = [int(part) for part in words[11:19].split(":")]
    zone_minutes = 60 * int(words[19:-1])
    moment = seconds(year, month, day, hour, minute, second) - 60 * zone_minutes
    return sms_time.absolute(sms_time.stamp(moment, zone_minutes))


def written(vector):
    given, expected = vector["encode_input"], vector["expected"]
    data = user_data_of(given, expected, vector["decoded_by_collector"])
    number = Address(given.get("Number", given.get("number")))
    centre = given.get("SMSC", given.get("csca", given.get("smsc")))
    if vector["direction"] == "deliver":
        sent = given["Sent"]
        date = [int(part) for part in (sent[:4], sent[4:6], sent[6:8], sent[9:11], sent[11:13], sent[13:15])]
        message = Deliver(number, sms_time.stamp(seconds(*date), 0), data)
        message.flags = 0
    else:
        message = Submit(number, data)
        message.reference = given.get("reference", given.get("ref", 0))
        message.validity = validity_of(given.get("validity"))
        if "Folder" in given:
            message.validity = sms_time.relative(63 * 7 * 1440)
        if given.get("request_status") or given.get("request_status_report"):
            message.flags = sms_pdu.STATUS_REPORT_REQUEST
        if given.get("reject_duplicates"):
            message.flags |= sms_pdu.REJECT_DUPLICATES
    message.centre = Address(centre) if centre else None
    return sms_pdu.encode(message)


def test_every_message_is_written_as_its_source_wrote_it():
    count = 0
    for vector in collection():
        if "encode_input" in vector:
            assert written(vector).hex() == vector["pdu"].lower(), vector["id"]
            count += 1
    assert count == 114


def test_the_collection_has_messages_of_every_kind():
    kinds = set()
    for vector in collection():
        if "expected_error" not in vector:
            message = decoded(vector)
            kinds.add(type(message).__name__)
            if isinstance(message.user_data, UserData):
                kinds.add(message.user_data.alphabet)
    assert kinds == {"Deliver", "Submit", "StatusReport", GSM_7BIT, DATA_8BIT, sms_user_data.UCS2}
