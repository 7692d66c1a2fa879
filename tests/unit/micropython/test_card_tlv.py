"""BER-TLV: public vectors, padding, limits, and what every malformed object is called."""

from firmware.card import cryptogram, dol, tlv
from firmware.card.errors import DATA_REPEATED, LIMIT_EXCEEDED, MALFORMED, CardProtocolError
from tests.support.mp import raises, vectors

# Cases of emv_tlv_ber.json that ask for something else than EMV's BER-TLV, by hex or tag, with the reason.
NOT_OURS = {
    "9C80": "length octet 80 is BER's indefinite form, which EMV forbids: we refuse it (test_refuses_lengths)",
    "XX": "tags are integers here, so there is no text to parse",
    "0": "tags are integers here, so there is no text to parse",
    "EC": "values are octets here; a template's content is encoded by the caller",
    "9C": "values are octets here, not text",
}


def text(octets):
    """Hex; MicroPython 1.25 makes octets, not text, of an empty value."""
    return octets.hex().upper() if len(octets) else ""


def nested(data, start=0, end=-1):
    """(tag, value or list of the same) of every object."""
    out = []
    for tag, inner, stop in tlv.objects(data, start, end):
        octets = "%X" % tag
        constructed = int(octets[:2], 16) & 0x20
        out.append((octets, nested(data, inner, stop) if constructed else text(data[inner:stop])))
    return out


def pairs(mapping):
    """The same shape from a vector's mapping, in the order of its keys as sorted."""
    return sorted([(tag, pairs(v) if isinstance(v, dict) else v.upper()) for tag, v in mapping.items()])


def test_decodes_public_vectors():
    done = 0
    for case in vectors("emv_tlv_ber.json")["pyemv"]["decode"]:
        if (
            case["simple"] or case["hex"] in NOT_OURS
        ):  # "simple": lengths of always one octet, which is not BER
            continue
        assert sorted(nested(bytes.fromhex(case["hex"]))) == pairs(case["tlv"]), case
        done += 1
    assert done == 8


def test_names_tag_and_offset_of_what_is_broken():
    for case in vectors("emv_tlv_ber.json")["pyemv"]["decode_error"]:
        error = raises(CardProtocolError, nested, bytes.fromhex(case["hex"]))
        assert (error.field, error.offset) == ("tag " + case["error_tag"], case["error_offset"]), (
            case,
            str(error),
        )
        assert error.code == MALFORMED


def encoded(mapping):
    out = b""
    for tag, value in mapping.items():
        out += tlv.encode(int(tag, 16), encoded(value) if isinstance(value, dict) else bytes.fromhex(value))
    return out


def test_encodes_public_vectors():
    for case in vectors("emv_tlv_ber.json")["pyemv"]["encode"]:
        if case["simple"] and "FF" * 128 in case["hex"]:  # one length octet for 255, which is not BER
            continue
        assert encoded(case["tlv"]) == bytes.fromhex(case["hex"]), case


def test_refuses_to_encode_what_is_no_tag():
    refused = 0
    for case in vectors("emv_tlv_ber.json")["pyemv"]["encode_error"]:
        if case["error_tag"] in NOT_OURS:
            continue
        raises(CardProtocolError, tlv.encode, int(case["error_tag"], 16), b"")
        refused += 1
    assert refused == 1
    for tag in (0x9F, 0x9F80, 0x9C01, 0x9F8180):
        raises(CardProtocolError, tlv.encode, tag, b"")


def test_finds_nested_objects_and_keeps_repeated_ones():
    for case in vectors("emv_tlv_ber.json")["python_emv"]["cases"]:
        data = bytes.fromhex(case["hex"])
        found = []
        path = []
        for depth, tag, start, end in tlv.walk(data):
            path[depth:] = ["%X" % tag]
            found.append(("/".join(path), text(data[start:end])))
        for name, value in case.get("paths", {}).items():
            assert (name, value.upper()) in found, (case, found)
        for name, count in case.get("count", {}).items():
            assert len([1 for path, _ in found if path == name]) == count


def test_single_objects_and_sequences():
    for case in vectors("emv_tlv_ber.json")["emv_tools"]["cases"]:
        data = bytes.fromhex(case["hex"])

        def read(data, mode):
            if mode == "single top-level object":
                tlv.only(data)
            return [tag for _, tag, _, _ in tlv.walk(data)]

        if case["expect_fail"]:
            raises(CardProtocolError, read, data, case["mode"])
        else:
            tags = read(data, case["mode"])
            for tag, count in case["count_of_tag"].items():
                assert tags.count(int(tag, 16)) == count, case


def test_cap_lists_and_answers():
    # Chip Authentication Program uses the same DOL and the same GENERATE AC answer; its decimal code is not ours.
    cap = vectors("emv_tlv_ber.json")["cap_gac"]
    for case in cap["generate_ac_requests"]:
        values = {
            0x9F02: bytes.fromhex(("%012d" % int(case["value"].replace(".", ""))))
            if case["value"] != "0"
            else bytes(6),
            0x95: b"\x80\x00\x00\x00\x00",
            0x9A: b"\x01\x01\x01",
            0x9F37: bytes.fromhex(case["challenge"] or "00000000"),
        }
        expected = bytes.fromhex(case["apdu"])
        assert dol.build(bytes.fromhex(cap["cdol1"]), values) == expected[5:-1], case
        assert expected[4] == len(expected) - 6
    answer = cryptogram.parse(bytes.fromhex(cap["gac_responses"][0]["rapdu"])[:-2])
    assert (answer.cid, answer.atc) == (0x80, 0x095F)
    assert (answer.ac.hex().upper(), answer.iad.hex().upper()) == ("0F9D3798E93F129A", "060A0A03A49000")


def test_skips_00_between_objects_and_ff_behind_the_last():
    data = bytes.fromhex("00009C0101 00 9F0200 0000 FFFFFF".replace(" ", ""))
    assert [tag for tag, _, _ in tlv.objects(data)] == [0x9C, 0x9F02]
    assert [tag for _, tag, _, _ in tlv.walk(data)] == [0x9C, 0x9F02]
    # Inside a template too.
    assert [tag for _, tag, _, _ in tlv.walk(bytes.fromhex("7007009C0101FFFFFF9C00"))] == [0x70, 0x9C, 0x9C]
    # FF between objects starts a tag: it is not skipped silently.
    error = raises(CardProtocolError, list, tlv.objects(bytes.fromhex("9C0101FF9C0101")))
    assert error.offset >= 3


def test_refuses_lengths():
    for broken, offset in (("9C80", 1), ("9C8500", 1), ("9CFF", 1), ("9C84FFFFFFFF00", 6), ("9C8400", 2)):
        error = raises(CardProtocolError, list, tlv.objects(bytes.fromhex(broken)))
        assert (error.field, error.offset, error.code) == ("tag 9C", offset, MALFORMED), broken


def test_bounds_tag_length_and_depth():
    assert raises(CardProtocolError, list, tlv.objects(bytes.fromhex("9F81818101"))).offset == 0
    deep = b""
    for _ in range(tlv.DEPTH_MAX):
        deep = tlv.encode(0x70, deep)
    assert len(list(tlv.walk(deep))) == tlv.DEPTH_MAX
    error = raises(CardProtocolError, list, tlv.walk(tlv.encode(0x70, deep)))
    assert error.code == LIMIT_EXCEEDED


def test_only_takes_one_object_and_the_one_asked_for():
    assert tlv.only(bytes.fromhex("77029C00"), 0x77) == (2, 4)
    for broken in ("", "770100FF", "7002", "70029C00"):
        raises(CardProtocolError, tlv.only, bytes.fromhex(broken), 0x77)


def test_an_object_seen_twice_is_refused():
    found = {}
    data = bytes.fromhex("5A01115F34010157015A")
    tlv.collect(data, 0, len(data), (0x5A, 0x5F34), found)
    assert found == {0x5A: b"\x11", 0x5F34: b"\x01"}
    error = raises(CardProtocolError, tlv.collect, data, 0, len(data), (0x5A,), found)
    assert (error.code, error.field, error.offset) == (DATA_REPEATED, "tag 5A", 2)


def test_reads_a_view_without_copying():
    view = memoryview(bytes.fromhex("9F360204D29F130200FF9000"))[:-2]
    assert [(tag, bytes(view[a:b])) for tag, a, b in tlv.objects(view)] == [
        (0x9F36, b"\x04\xd2"),
        (0x9F13, b"\x00\xff"),
    ]
