"""Application selection: public conversations, priorities, blocked cards, directories that lie."""

from firmware.card import selection
from firmware.card.errors import (
    APPLICATION_BLOCKED,
    CARD_BLOCKED,
    LIMIT_EXCEEDED,
    NO_APPLICATION,
    CardError,
    CardProtocolError,
    CardRefused,
)
from tests.property.drivers.card_model import Application, run, tlv
from tests.property.drivers.card_script import Script
from tests.support.mp import raises, vectors

# The terminal of the public conversations. Partial selection is this terminal's only kind, so "exact" counts as such.
VECTOR_AIDS = ("A0000000031010", "A0000000032010", "A0000000032020", "A0000000041010", "A0000000043060")
APPLICATIONS = [Application(i, bytes.fromhex(VECTOR_AIDS[i])) for i in range(len(VECTOR_AIDS))]


def conversation(name, part=""):
    """The steps of the conversation whose exchange list is `name`."""
    for case in vectors("emv_apdu_conversations.json"):
        if case["exchanges"][0]["list"] == name and part in case["id"]:
            return case["exchanges"][0]["apdus"]
    raise AssertionError("no conversation " + name)


def select(steps):
    """Directory, then the first application; returns (result, the script)."""
    script = Script(steps)

    async def whole():
        names = await selection.read_directory(script, selection.PSE)
        return await selection.select_application(script, APPLICATIONS, names)

    try:
        return run(whole()), script
    except CardError as error:
        return error, script


def test_a_blocked_card_ends_the_selection():
    error, script = select(conversation("test_pse_card_blocked"))
    assert error.code == CARD_BLOCKED and script.is_over


def test_a_card_without_our_applications_is_refused():
    error, script = select(conversation("test_nothing_found"))
    assert error.code == NO_APPLICATION and script.is_over


def test_a_blocked_application_is_told_as_such():
    # The conversation ends at the blocked application's FCI; we ask for the next occurrence of the same name first.
    steps = list(conversation("test_aid_blocked"))
    at = [i for i in range(len(steps)) if steps[i]["c"] == "00c0000033"][0]
    steps.insert(at + 1, {"c": "00a4040207a000000003202000", "r": "6a82"})
    error, script = select(steps)
    assert error.code == APPLICATION_BLOCKED and script.is_over


def test_reads_a_directory_of_one():
    script = Script(conversation("test_pse_app_supported"))
    names = run(selection.read_directory(script, selection.PSE))
    assert names == [(bytes.fromhex("A0000000031010"), 1)] and script.is_over


def test_the_first_aid_of_the_policy_ends_the_search():
    # The conversation goes on through all AIDs, to let somebody choose; policy has chosen already.
    selected, script = select(conversation("test_aid_multi_exact_match_app_supported"))
    assert selected.df_name == bytes.fromhex("A0000000032010") and selected.application is APPLICATIONS[1]
    assert script.at == 3


def test_orders_by_policy_then_by_the_cards_priority():
    for name, part in (("test_sorted_app_priority", ""), ("test_pse", "Prepare")):
        script = Script(conversation(name, part))
        names = run(selection.read_directory(script, selection.PSE))
        assert script.is_over
        order = []
        for application in APPLICATIONS:
            order += selection.candidates(names, application.aid)
        # The vector's applications 1 to 7.
        assert [n.hex().upper() for n in order] == ["A0000000031010%02X" % i for i in range(1, 7)] + [
            "A0000000041010"
        ]


def select_by_name(list_name, name):
    script = Script(conversation(list_name))
    result = run(selection.select_one(script, APPLICATIONS[0], bytes.fromhex(name), False))
    assert script.is_over
    return result


def test_a_deactivated_application_is_not_selected():
    assert select_by_name("test_select_app7", "A0000000041010") == (None, 0x6283)


def test_a_card_blocked_at_the_last_moment_is_refused():
    error = raises(CardRefused, select_by_name, "test_select_app3", "A000000003101003")
    assert error.code == CARD_BLOCKED


def test_an_fci_of_another_application_is_dropped():
    assert select_by_name("test_select_app2", "A000000003101002") == (None, 0x9000)


def test_selects_again_after_a_selection():
    selected, sw = select_by_name("test_repeat_select_app_success", "A000000003101004")
    assert (selected.df_name, sw) == (bytes.fromhex("A000000003101004"), 0x9000)


class Answers:
    """Answers by command hex; everything else is not found."""

    def __init__(self, **answers):
        self.answers = answers
        self.log = []

    async def transceive(self, command):
        self.log.append(bytes(command).hex())
        return self.answers.get("c" + bytes(command).hex(), b"\x6a\x82")


def fci(name, inner=b""):
    return tlv("6F", tlv("84", name) + tlv("A5", tlv("50", b"X") + inner)) + b"\x90\x00"


def ppse(*entries):
    listed = b"".join(
        [tlv("61", tlv("4F", name) + tlv("87", bytes((priority,)))) for name, priority in entries]
    )
    return tlv("6F", tlv("84", selection.PPSE) + tlv("A5", tlv("BF0C", listed))) + b"\x90\x00"


SELECT_PPSE = "c00a404000e325041592e5359532e444446303100"


def test_without_a_directory_the_next_occurrence_follows_a_blocked_one():
    aid = bytes.fromhex("A0000000031010")
    reader = Answers(
        c00a4040007a000000003101000=b"\x62\x83",
        c00a4040207a000000003101000=fci(aid + b"\x02", tlv("9F38", b"\x9a\x03")),
    )
    selected = run(selection.select_application(reader, APPLICATIONS, None))
    assert (selected.df_name, selected.pdol) == (aid + b"\x02", b"\x9a\x03")


def test_a_directory_without_our_names_is_as_good_as_none():
    reader = Answers(c00a4040007a000000004101000=fci(bytes.fromhex("A0000000041010")))
    names = [(bytes.fromhex("A0000000999999"), 1)]
    assert run(selection.select_application(reader, APPLICATIONS, names)).application is APPLICATIONS[3]


def test_the_policys_order_beats_the_cards():
    first, second = bytes.fromhex("A0000000031010"), bytes.fromhex("A0000000041010")
    reader = Answers(
        **{SELECT_PPSE: ppse((second, 1), (first, 2)), "c00a4040007a000000003101000": fci(first)}
    )
    names = run(selection.read_directory(reader, selection.PPSE))
    assert names == [(second, 1), (first, 2)]
    assert run(selection.select_application(reader, APPLICATIONS, names)).df_name == first


def test_directories_are_bounded_and_checked():
    many = [(b"\xa0\x00\x00\x00" + bytes((i,)), 1) for i in range(17)]
    short = [(b"\xa0\x00", 1)]
    codes = []
    for entries in (many[:9], many[:9] + many[9:], short):
        directory = selection.Directory()
        try:
            for entry in entries:
                directory.take(ppse(entry)[:-2])
            codes.append(len(directory.names))
        except CardProtocolError as error:
            codes.append(error.code)
    assert codes[0] == 9 and codes[1] == LIMIT_EXCEEDED and codes[2] == 113
    reader = Answers(c00a404000e315041592e5359532e444446303100=fci(selection.PSE))
    raises(CardProtocolError, run, selection.read_directory(reader, selection.PSE))
