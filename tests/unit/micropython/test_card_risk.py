"""Dates, DOLs, restrictions, risk management, CVM lists and action codes: public cases, each used or left out by name."""

from firmware.card import cvm, dates, dol, records, risk
from firmware.card.errors import LIMIT_EXCEEDED, MALFORMED, VALUE_WRONG, CardProtocolError
from tests.property.drivers.card_model import bank, run
from tests.property.drivers.card_script import Script
from tests.support.mp import raises, vectors

H = bytes.fromhex

# What emv_terminal_logic.json holds beside what is tested here.
NOT_OURS = {
    "atr": "the answer to reset is read by the contact reader's bridge, below the APDU exchange that starts this room",
    "origin": "where the file comes from",
}
# Its processing restrictions that this terminal cannot meet.
NOT_AN_ATM = ("ATM not allowed",)


def logic(name):
    return vectors("emv_terminal_logic.json")[name]


def values(entries):
    return {int(entry["tag"], 16): H(entry["value"]) for entry in entries}


def test_every_part_of_the_file_is_used_or_left_out_by_name():
    used = {"processing_restrictions", "terminal_risk_management", "dates", "cvm_list", "dol"}
    assert set(vectors("emv_terminal_logic.json").keys()) == used | set(NOT_OURS.keys())


def test_public_processing_restrictions():
    done = 0
    for case in logic("processing_restrictions")["cases"]:
        if case["name"] in NOT_AN_ATM:
            continue
        config, parameters = values(case["config_data"]), values(case["params_data"])
        tvr = bytearray(5)
        risk.restrictions(
            tvr,
            values(case["icc_data"]),
            config[0x9F1A],
            parameters[0x9C] == b"\x01",
            parameters[0x9A],
            config[0x9F09],
        )
        assert tvr.hex() == case["expected_tvr"], case["name"]
        done += 1
    assert done == 4


def test_usage_control_by_service_and_country():
    good = {0x5F24: H("301231"), 0x5F28: b"\x03\x60"}
    for usage, country, is_cash, allowed in (
        ("2100", "0360", False, True), ("2100", "0360", True, False), ("8100", "0360", True, True),
        ("1100", "0360", False, False), ("1100", "0702", False, True), ("4100", "0702", True, True),
        ("FE00", "0360", False, False), ("0900", "0360", False, False),
    ):  # fmt: skip
        tvr = bytearray(5)
        data = dict(good)
        data[0x9F07] = H(usage)
        risk.restrictions(tvr, data, H(country), is_cash, H("260101"))
        assert (tvr == bytes(5)) == allowed, usage


def test_an_application_version_that_policy_does_not_name_is_not_compared():
    tvr = bytearray(5)
    risk.restrictions(tvr, {0x5F24: H("301231"), 0x9F08: b"\x00\x02"}, b"\x03\x60", False, H("260101"))
    assert tvr == bytes(5)


def test_public_terminal_risk_management():
    # The Transaction Status Information of these cases is not kept: it is in no CDOL1 and in no record.
    for case in logic("terminal_risk_management")["cases"]:
        icc = values(case["icc_data"])
        amount = int.from_bytes(values(case["params_data"])[0x81], "big")
        limit = int.from_bytes(values(case["config_data"])[0x9F1B], "big")
        # The ledger's part: what this card took here last.
        pan = records.padded_pan(icc[0x5A]).hex() if 0x5A in icc else ""
        mine = [entry["amount"] for entry in case.get("txn_log") or () if entry["pan"] == pan]
        tvr = bytearray(5)
        risk.floor_limit(tvr, amount, mine[-1] if mine else 0, limit)
        script = Script(case.get("apdus") or ())
        if 0x9F14 in icc and 0x9F23 in icc:
            atc = run(records.read_counter(script, 0x9F36))
            last_online = run(records.read_counter(script, 0x9F13))
            risk.velocity(tvr, icc[0x9F14][0], icc[0x9F23][0], atc, last_online)
        assert tvr.hex() == case["expected_tvr"] and script.is_over, case["name"]


def test_a_floor_limit_of_zero_marks_everything():
    for amount, previous, limit, marked in (
        (0, 0, 0, True),
        (99, 0, 100, False),
        (100, 0, 100, True),
        (60, 40, 100, True),
    ):
        tvr = bytearray(5)
        risk.floor_limit(tvr, amount, previous, limit)
        assert (tvr[3] == 0x80) == marked


def test_public_dates():
    done = 0
    for case in logic("dates")["cases"]:
        today = H(case["txn_date_yymmdd"] or "")
        check = case["check"]
        if check == "emv_date_mmyy_is_expired":
            got = dates.certificate_expired(today, H(case["cert_mmyy"] or ""))
        elif check == "emv_date_is_not_effective":
            got = dates.is_after(H(case["effective_date_yymmdd"] or ""), today)
        else:
            got = dates.is_after(today, H(case["expiration_date_yymmdd"] or ""))
        assert got == case["expected"], case
        done += 1
    assert done == 23


def test_dates_that_are_none():
    for wrong in (
        "",
        "2601",
        "26010101",
        "2A0101",
        "260A01",
        "26010A",
        "260001",
        "261301",
        "260100",
        "260132",
    ):
        assert dates.ordinal(H(wrong)) == -1, wrong
    assert dates.ordinal(H("491231")) > dates.ordinal(H("500101"))
    assert dates.certificate_expired(H("260101"), b"\x12") and dates.certificate_expired(
        H("260101"), H("1326")
    )


def test_public_cvm_lists():
    for case in logic("cvm_list")["cases"]:
        if case["expected"] == "error":
            assert raises(CardProtocolError, cvm.parse, H(case["cvm_list"])).code == VALUE_WRONG
        else:
            rules = [(int(rule["cvm"], 16), int(rule["cond"], 16)) for rule in case["rules"]]
            assert cvm.parse(H(case["cvm_list"])) == (case["amount_x"], case["amount_y"], rules)


PIN = (cvm.PLAINTEXT_PIN,)


def test_cvm_rules_in_order():
    for rules, supported, is_cash, expected in (
        ("0103", PIN, False, (0x01, 0x03, False)),
        ("4103", PIN, False, (0x41, 0x03, False)),
        ("42034103", PIN, False, (0x41, 0x03, False)),  # online PIN is not supported: condition 03 not met
        ("02000103", PIN, False, (cvm.FAIL, 0x00, False)),  # online PIN always, and nothing may follow
        ("42000103", PIN, False, (0x01, 0x03, False)),  # online PIN always, and the next may be tried
        ("00000103", PIN, False, (cvm.FAIL, 0x00, False)),
        ("1F03", PIN, False, (cvm.NONE_APPLIES, 0, False)),
        ("0103", (), False, (cvm.NONE_APPLIES, 0, False)),
        ("0102", PIN, True, (cvm.NONE_APPLIES, 0, False)),  # not for cash
        ("0104", PIN, True, (0x01, 0x04, False)),
        ("0104", PIN, False, (cvm.NONE_APPLIES, 0, False)),
        ("0101", PIN, True, (cvm.NONE_APPLIES, 0, False)),  # unattended cash: never here
        ("0105", PIN, False, (cvm.NONE_APPLIES, 0, False)),  # cashback: never here
        ("017F", PIN, False, (cvm.NONE_APPLIES, 0, False)),  # a condition that does not exist
        ("60000100", PIN, False, (0x01, 0x00, True)),  # a method that does not exist
        ("20000100", PIN, False, (cvm.FAIL, 0x00, True)),
    ):
        assert cvm.choose(bytes(8) + H(rules), supported, is_cash, 100) == expected, rules


def test_cvm_amounts():
    head = H("00000064000003E8")  # X = 100, Y = 1000
    for condition, amount, applies in (
        (6, 99, True), (6, 100, False), (7, 100, False), (7, 101, True), (8, 999, True), (8, 1000, False),
        (9, 1000, False), (9, 1001, True), (6, None, False), (7, None, False), (8, None, False), (9, None, False),
    ):  # fmt: skip
        got = cvm.choose(head + bytes((1, condition)), PIN, False, amount)
        assert (got[0] == 0x01) == applies, (condition, amount)


def test_a_cvm_list_of_odd_length_is_refused():
    for octets in (0, 8, 9, 11):
        assert raises(CardProtocolError, cvm.choose, bytes(octets), PIN, False, 0).code == VALUE_WRONG


def test_public_dols():
    done = 0
    for case in logic("dol")["cases"]:
        wanted = [(int(entry["tag"], 16), entry["len"]) for entry in case.get("entries", ())]
        if case["kind"] == "iterate ok":
            assert list(dol.entries(H(case["dol"]))) == wanted
        elif case["kind"].startswith("build"):
            both = values(case["source2"])
            both.update(values(case["source1"]))  # the first source wins
            assert dol.build(H(case["dol"]), both).hex() == case["expected_data"]
        else:
            got = []

            def read(got, octets):
                for entry in dol.entries(octets):
                    got.append(entry)

            error = raises(CardProtocolError, read, got, H(case["dol"]))
            assert (error.code, error.field) == (MALFORMED, "tag 9F37")
            assert got == (wanted or got)
        done += 1
    assert done == 4


def test_dols_that_lie_are_refused():
    for broken in ("9F", "9F81", "9F818181", "9C", "9C80", "9CFF"):
        assert raises(CardProtocolError, dol.build, H(broken), {}).code == MALFORMED, broken
    assert raises(CardProtocolError, dol.build, H("9C7F9C7E"), {}).code == LIMIT_EXCEEDED
    assert dol.build(H("9C7F9C7D"), {}) == bytes(252)
    assert dol.build(b"", {}) == b""


def test_action_codes():
    application = bank(tac_denial=H("0010000000"), tac_default=H("DC4000A800"))
    for tvr, data, codes, expected in (
        ("0000000000", {}, ("denial", "default"), ""),
        ("0010000000", {}, ("denial",), "denial"),
        ("0000800000", {}, ("denial",), ""),
        ("0000800000", {0x9F0E: H("0000800000")}, ("denial",), "denial"),
        ("0000800000", {}, ("denial", "default"), "default"),  # no Issuer Action Code: all bits count
        ("0000800000", {0x9F0D: bytes(5)}, ("denial", "default"), ""),
        ("0040000000", {0x9F0D: bytes(5)}, ("denial", "default"), "default"),
    ):
        assert risk.denied_by(H(tvr), data, application, codes) == expected, tvr
