"""The conversation at the counter: it serves, it says no by number, and it always comes back to the idle screen."""

from firmware import refusals, states
from firmware.refusals import Refusal
from firmware.ui import paper, service, strings, tapping
from protocol.records import AMOUNT_RUPIAH_MAX, TENDER_CASH, TENDER_GOODS
from tests.property.drivers.ui_fakes import Counter, card_view, printed, receipt, violations

TIMEOUT_S = 120
# First screen, idle, login; then the second programme choice and cash.
START = "EE4711E"
CASH = START + "12"
PIN = "123456E"
# Eggs (1,5 kg) and rice (10 kg), in that order; the basket closed with M.
GOODS = START + "11" + "#E1*5E" + "*E10E" + "M"
ALONE = "-" * 400


def play(script, **more):
    """Play a script with nobody there afterwards; it must end on the idle screen with nothing forbidden done."""
    counter = Counter(script + ALONE, **more).play()
    views = more.get("views", [card_view()])
    kinds = [view.pin_kind for view in views if not isinstance(view, Refusal)]
    wrong = violations(counter, kinds[-1] if kinds else states.PIN_AID)
    assert not wrong, (script, wrong)
    assert counter.shown() == "idle", (script, counter.shown())
    return counter


# Serving a family.


def test_cash_is_by_default_all_that_remains():
    counter = play(CASH + "EE" + PIN + "E")
    assert counter.redeemed() == [(1, TENDER_CASH, 600_000, [], b"123456")]
    wanted = [
        "idle",
        "login",
        "choose",
        "hold_card",
        "amount",
        "confirm",
        "pin",
        "hold_card",
        "granted",
        "idle",
    ]
    assert counter.seen()[1:] == wanted, counter.seen()
    assert counter.signals() == ["card", "card", "granted"]
    assert len(counter.printer.documents) == 1


def test_cash_may_be_less():
    counter = play(CASH + "250*EE" + PIN)
    assert [call[2] for call in counter.redeemed()] == [250_000]


def test_goods_carry_items_and_their_posted_prices():
    counter = play(GOODS + "E" + PIN)
    items = [(1, 1000, 13500), (2, 150, 28000)]
    assert counter.redeemed() == [(1, TENDER_GOODS, 177_000, items, b"123456")]
    lines = printed(counter.printer.documents[0])
    assert " 10 kg x 13.500          135.000" in lines and " 1,5 kg x 28.000          42.000" in lines, lines


def test_goods_may_be_an_amount_alone():
    counter = play(START + "11" + "*E" + "75*E" + "E" + PIN)
    assert counter.redeemed() == [(1, TENDER_GOODS, 75_000, [], b"123456")]


def test_a_commodity_keyed_as_nothing_leaves_the_basket():
    counter = play(START + "11" + "E10E" + "#E2E" + "*EE" + "M" + "E" + PIN)
    assert counter.redeemed()[0][2:4] == (56_000, [(2, 200, 28000)])


def test_an_empty_basket_cannot_be_closed():
    counter = play(START + "11" + "MMM")
    assert not counter.redeemed() and "confirm" not in counter.seen()


def test_a_ninth_kind_of_goods_has_no_room():
    counter = Counter(START + "11" + "E1E#" * 8 + "E" + ALONE)
    counter.terminal.price_list = lambda programme: [(i, "Barang", "kg", 1000) for i in range(1, 12)]
    counter.play()
    assert "basket_full" in counter.seen() and counter.shown() == "idle"


def test_the_only_programme_is_not_asked_for():
    counter = play(START + "2" + "EE" + PIN, programmes=[(7, "Sembako")])
    assert counter.redeemed()[0][0] == 7


def test_a_card_without_a_pin_needs_the_confirmation_only():
    counter = play(CASH + "EE", views=[card_view(pin_kind=states.PIN_NONE)])
    assert counter.redeemed() == [(1, TENDER_CASH, 600_000, [], None)]
    assert "pin" not in counter.seen()


def test_the_card_may_be_taken_away_while_the_pin_is_keyed():
    counter = Counter(CASH + "EE" + PIN + ALONE)
    counter.keypad.on_wait = lambda shown: setattr(counter.terminal, "card_waits", 3 if shown == "pin" else 0)
    counter.play()
    assert len(counter.redeemed()) == 1
    after_pin = counter.seen()[counter.seen().index("pin") :]
    assert after_pin[:4] == ["pin", "tap_card", "hold_card", "granted"], after_pin


def test_the_shop_gets_its_copy_on_demand():
    counter = play(CASH + "EE" + PIN + "ME")
    papers = [printed(document) for document in counter.printer.documents]
    assert [strings.text("paper_family") in lines for lines in papers] == [True, False]
    assert strings.text("paper_shop") in papers[1]


def test_the_balance_needs_no_pin_and_redeems_nothing():
    counter = play(START[:1] + "M4711E" + "2" + "1" + "E")
    assert "balance" in counter.seen() and not counter.redeemed()


def test_the_state_on_the_screen_follows_the_acknowledgement():
    counter = Counter(CASH + "EE" + PIN + ALONE, keeps_pictures=True)
    waits = []

    def acknowledge(shown):
        if shown == "granted":
            waits.append(1)
            counter.terminal.stored[0].state = (states.RECORDED, states.SEALED_AT_GATEWAY, states.SETTLED)[
                min(len(waits) // 3, 2)
            ]

    counter.keypad.on_wait = acknowledge
    counter.play()
    pictures = [picture for name, picture in counter.display.pictures if name == "granted"]
    # Once more after the receipt, which may have put a screen of its own in between.
    assert len(pictures) == 4 and len(set(pictures)) == 3, len(pictures)


def test_the_idle_screen_follows_it_too_and_is_drawn_only_when_something_moved():
    counter = Counter("E" + ALONE, keeps_pictures=True)
    waits = []

    def settle(shown):
        waits.append(shown)
        if len(waits) == 100:
            counter.terminal.stored[0].state = states.SETTLED
        if len(waits) == 200:
            counter.terminal.link.waiting = 3

    counter.keypad.on_wait = settle
    counter.play()
    assert len({picture for name, picture in counter.display.pictures if name == "idle"}) == 3
    assert len([1 for name, _ in counter.display.pictures if name == "idle"]) == 3


# PIN.


def test_a_wrong_pin_is_keyed_again():
    counter = play(CASH + "EE" + "000000E" + "E" + PIN, outcomes=[Refusal(refusals.PIN_WRONG, 2), "grant"])
    assert [call[4] for call in counter.redeemed()] == [b"000000", b"123456"]
    assert counter.signals() == ["card", "card", "refused", "card", "granted"]


def test_three_wrong_pins_end_it():
    wrong = [Refusal(refusals.PIN_WRONG, 2), Refusal(refusals.PIN_WRONG, 1), Refusal(refusals.PIN_LOCKED, 0)]
    counter = play(CASH + "EE" + (PIN + "E") * 3 + PIN, outcomes=wrong)
    assert len(counter.redeemed()) == 3 and "granted" not in counter.seen()


def test_a_locked_pin_is_not_asked_for():
    counter = play(CASH + "EE" + PIN, views=[card_view(pin_tries_left=0)])
    assert not counter.redeemed() and "pin" not in counter.seen() and "refused" in counter.seen()


def test_a_pin_needs_six_digits_and_may_be_cleared():
    counter = play(CASH + "EE" + "12345E" + "C" + "9876543E")
    assert [call[4] for call in counter.redeemed()] == [b"987654"]


def test_a_pin_is_never_drawn():
    """Two different PINs give the same pictures, dot for dot."""
    pictures = []
    for digits in ("123456", "999999"):
        counter = Counter(CASH + "EE" + digits + "E" + ALONE, keeps_pictures=True)
        pictures.append(counter.play().display.pictures)
        assert len(counter.redeemed()) == 1
    assert pictures[0] == pictures[1]


def test_a_pin_is_wiped_whatever_happens():
    """Leaving at any key of it, by cancel, by walking away, or by an error of the terminal."""
    for count in range(len(PIN)):
        for end in ("X", ""):
            play(CASH + "EE" + PIN[:count] + end)
    counter = Counter(CASH + "EE" + PIN + ALONE)

    async def broken(*_):
        raise OSError(5)

    counter.terminal.redeem = broken
    try:
        counter.play()
        assert False, "an error that is no refusal must reach the supervisor"
    except OSError:
        pass
    assert counter.flow.service.pin.digits == bytearray(6)


# No.


def test_every_refusal_is_shown_by_number_and_printed_on_demand():
    for number in range(1, refusals.LAST + 2):
        if number in refusals.TRY_AGAIN:
            continue
        for more in ({"views": [Refusal(number, 0)]}, {"outcomes": [Refusal(number, 0)]}):
            counter = play(CASH + ("M" if "views" in more else "EE" + PIN + "M"), **more)
            assert "refused" in counter.seen() and "granted" not in counter.seen(), number
            assert counter.signals()[-1] == "refused"
            assert "R%02d" % number in printed(counter.printer.documents[-1]), number


def test_what_can_be_mended_at_the_counter_is_tried_again_with_the_pin_still_standing():
    for number in refusals.TRY_AGAIN:
        counter = play(CASH + "EE" + PIN + "E", outcomes=[Refusal(number), "grant"])
        assert [call[4] for call in counter.redeemed()] == [b"123456"] * 2, number
        counter = play(CASH + "E" + "EE" + PIN, views=[Refusal(number), card_view()])
        assert len(counter.redeemed()) == 1, number


def test_more_than_what_remains_is_not_sent_to_the_card():
    counter = play(CASH + "700*E" + "E" + "100*E" + "E" + PIN)
    assert [call[2] for call in counter.redeemed()] == [100_000]
    counter = play(GOODS + "E" + "*" + "E*E" + "M" + "E" + PIN, views=[card_view(remaining_rupiah=100_000)])
    assert "refused" in counter.seen() and not counter.redeemed()


def test_nothing_left_is_a_refusal():
    counter = play(CASH + "E", views=[card_view(remaining_rupiah=0)])
    assert "refused" in counter.seen() and "amount" not in counter.seen()


def test_no_programme_is_a_refusal():
    counter = Counter(START + "E" + ALONE)
    counter.terminal.all_programmes = []
    counter.play()
    assert "refused" in counter.seen() and counter.shown() == "idle"


def test_silence_of_the_reader_ends_in_a_refusal():
    kept, tapping.IDENTIFY_TIMEOUT_MS = tapping.IDENTIFY_TIMEOUT_MS, 1
    try:
        counter = Counter(CASH + ALONE)
        counter.terminal.identify = lambda programme: counter.terminal.redeem(1, 1, 1, [], None)
        counter.terminal.outcomes = ["silence"]
        counter.play()
    finally:
        tapping.IDENTIFY_TIMEOUT_MS = kept
    assert "refused" in counter.seen() and counter.shown() == "idle"


def test_silence_of_a_redemption_leaves_nobody_in_doubt():
    kept, service.REDEEM_TIMEOUT_MS = service.REDEEM_TIMEOUT_MS, 1
    try:
        lost = play(CASH + "EE" + PIN, outcomes=["silence"])
        counted = play(CASH + "EE" + PIN, outcomes=["grant and silence"])
        first = play(CASH + "EE" + PIN, outcomes=["grant and silence"], stored=[])
    finally:
        service.REDEEM_TIMEOUT_MS = kept
    assert "granted" not in lost.seen() and lost.signals()[-1] == "refused"
    assert "granted" in counted.seen() and len(counted.printer.documents) == 1
    assert "granted" in first.seen()


# The same again.


def test_the_same_amount_again_shows_the_record_and_prints_a_copy():
    recent = receipt(126, 600_000)
    counter = play(CASH + "E" + "E", views=[card_view(recent=recent)])
    assert not counter.redeemed() and "recent" in counter.seen() and "confirm" not in counter.seen()
    assert strings.text("paper_copy") in printed(counter.printer.documents[0])


def test_a_second_transaction_takes_two_deliberate_keys():
    recent = receipt(126, 600_000)
    counter = play(CASH + "E" + "M" + "E" + PIN, views=[card_view(recent=recent)])
    assert len(counter.redeemed()) == 1
    counter = play(CASH + "E" + "M", views=[card_view(recent=recent)])
    assert not counter.redeemed()


def test_another_amount_is_another_transaction():
    counter = play(CASH + "50*E" + "E" + PIN, views=[card_view(recent=receipt(126, 600_000))])
    assert len(counter.redeemed()) == 1 and "recent" not in counter.seen()


def test_a_family_that_took_everything_a_moment_ago_gets_its_copy():
    view = card_view(remaining_rupiah=0, recent=receipt(126, 600_000))
    counter = play(CASH + "E", views=[view])
    assert (
        "recent" in counter.seen() and "refused" not in counter.seen() and len(counter.printer.documents) == 1
    )
    assert "refused" in play(CASH + "ME", views=[view]).seen()


# Cancel and walking away.

FULL = {
    "cash": (CASH + "EE" + PIN + "ME", {}),
    "goods": (GOODS + "E" + PIN + "E", {}),
    "again": (CASH + "EME" + PIN, {"views": [card_view(recent=receipt(126, 600_000))]}),
    "wrong": (CASH + "EE" + PIN + "E" + PIN + "E", {"outcomes": [Refusal(refusals.PIN_WRONG, 2), "grant"]}),
    "torn": (CASH + "EE" + PIN + "E" + "E", {"outcomes": [Refusal(refusals.CARD_REMOVED), "grant"]}),
    "refused": (CASH + "M", {"views": [Refusal(refusals.CARD_BLOCKED)]}),
    "above": (CASH + "700*EE" + "1*EE" + PIN, {}),
    "paper": (CASH + "EE" + PIN + "EEE", {"failures": 2}),
    "menu": ("EM4711E" + "3E#EM" + "XX" + "5#M" + "X" + "6E" + "X" + "7E" + "X" + "4", {}),
}


def prefixes():
    """(name, every beginning of its script, what the terminal answers)."""
    for name, (script, more) in FULL.items():
        for length in range(1, len(script) + 1):
            fresh = {}
            for key, value in more.items():
                fresh[key] = list(value) if isinstance(value, list) else value
            yield name, script[:length], fresh


def test_cancel_works_at_every_screen():
    for name, script, more in prefixes():
        expected = len(Counter(script, **copied(more)).play().redeemed())
        counter = play(script + "X", **more)
        assert len(counter.redeemed()) == expected, (name, script)


def test_walking_away_works_at_every_wait():
    for name, script, more in prefixes():
        expected = len(Counter(script, **copied(more)).play().redeemed())
        counter = play(script, **more)
        assert len(counter.redeemed()) == expected, (name, script)


def copied(more):
    """The terminal's answers once more, since a play uses them up."""
    return {key: list(value) if isinstance(value, list) else value for key, value in more.items()}


def test_keys_pressed_while_the_card_is_read_say_yes_to_nothing():
    """An impatient E must not confirm an amount nobody has seen yet, nor close the result unseen."""
    counter = Counter(CASH + "E" + ALONE, views=[card_view(pin_kind=states.PIN_NONE)])
    counter.be_hasty("EEEE")
    counter.play()
    assert not counter.redeemed() and "confirm" in counter.seen()
    counter = Counter(CASH + ALONE)
    counter.be_hasty("EEXE")
    counter.play()
    assert "amount" not in counter.seen() and counter.shown() == "idle", "X is heard while the card is read"
    counter = Counter(GOODS + "E" + PIN)
    counter.terminal.identify = known(counter)
    counter.be_hasty("EX")
    counter.play()
    assert counter.shown() == "granted"


def test_keys_pressed_during_a_redemption_do_not_repeat_it():
    torn = [Refusal(refusals.CARD_REMOVED), "grant"]
    counter = Counter(CASH + "EE" + PIN + ALONE, outcomes=torn)
    counter.terminal.identify = known(counter)
    counter.be_hasty("EE")
    counter.play()
    assert len(counter.redeemed()) == 1 and counter.shown() == "idle"


def known(counter):
    """An identification during which nobody presses anything."""

    async def identify(_):
        counter.keypad.hasty = ""
        return card_view()

    return identify


def test_nobody_brings_a_card():
    counter = play(CASH, card_waits=-1)
    assert "hold_card" not in counter.seen() and "tap_card" in counter.seen()
    counter = play(CASH + "-" * 5 + "X", card_waits=-1)
    assert not counter.redeemed()


# Printer.


def test_no_paper_leaves_the_sale_standing_and_offers_another_try():
    counter = play(CASH + "EE" + PIN + "E", failures=1)
    assert len(counter.printer.documents) == 1 and len(counter.redeemed()) == 1
    seen = counter.seen()
    assert seen[seen.index("print_failed") :][:3] == ["print_failed", "printing", "granted"], seen
    for leave in ("X", ""):
        counter = play(CASH + "EE" + PIN + leave, failures=-1)
        assert not counter.printer.documents and len(counter.redeemed()) == 1
        assert "granted" in counter.seen()[counter.seen().index("print_failed") :]


def test_a_printer_that_never_answers_is_given_up():
    kept, paper.PRINT_TIMEOUT_MS = paper.PRINT_TIMEOUT_MS, 1
    try:
        counter = Counter(CASH + "EE" + PIN + ALONE)
        counter.printer.is_silent = True
        counter.play()
    finally:
        paper.PRINT_TIMEOUT_MS = kept
    assert counter.shown() == "idle" and len(counter.redeemed()) == 1 and "print_failed" in counter.seen()


# Operator.


def test_a_code_is_asked_three_times_and_kept_for_the_next_family():
    counter = play("EE" + "1E" + "2E" + "3E")
    assert counter.terminal.logins == ["1", "2", "3"] and "choose" not in counter.seen()
    counter = play(CASH + "EE" + PIN + "E" + "E12" + "EE" + PIN)
    assert len(counter.terminal.logins) == 1 and len(counter.redeemed()) == 2


def test_the_operator_is_logged_out_by_the_menu_and_by_a_long_silence():
    menu = Counter(START[:1] + "M4711E" + "9" + "E" + "4711E").play()
    assert len(menu.terminal.logins) == 2
    silence = Counter("E" + "E4711EX" + "-" * 901 + "E" + "4711E").play()
    assert len(silence.terminal.logins) == 2
    short = Counter("E" + "E4711EX" + "-" * 800 + "E" + "11").play()
    assert len(short.terminal.logins) == 1


def test_keys_that_mean_nothing_do_nothing():
    counter = play("C" + "E" + "CX1*#" + "E" + "ECX")
    assert not counter.redeemed() and counter.terminal.logins == []


def test_the_largest_amount_can_be_keyed_and_no_larger():
    counter = play(CASH + "9" * 12 + "E" + "E" + PIN, views=[card_view(remaining_rupiah=1_000_000_000)])
    assert [call[2] for call in counter.redeemed()] == [AMOUNT_RUPIAH_MAX]


# The office.


def office(keys, **more):
    """Play keys in the main menu."""
    return play("EM4711E" + keys, **more)


def test_records_are_listed_and_seen_and_printed_as_copies():
    stored = [receipt(number, state=number % 5) for number in range(40, 0, -1)]
    counter = office("3" + "#" * 50 + "*" * 3 + "E" + "M", stored=stored)
    assert "record" in counter.seen()
    lines = printed(counter.printer.documents[0])
    assert "No. transaksi    7A1F03C2-000004" in lines and strings.text("paper_copy") in lines


def test_a_records_screen_follows_its_acknowledgement():
    counter = Counter("EM4711E" + "3E" + ALONE, keeps_pictures=True)
    waits = []

    def settle(shown):
        if shown == "record":
            waits.append(1)
            counter.terminal.stored[0].state = states.SETTLED if len(waits) > 5 else states.RECORDED

    counter.keypad.on_wait = settle
    counter.play()
    assert len({picture for name, picture in counter.display.pictures if name == "record"}) == 2


def test_the_pending_list_holds_only_what_has_not_arrived():
    stored = [
        receipt(number, state=states.RECORDED if number % 20 == 0 else states.SETTLED)
        for number in range(100, 0, -1)
    ]
    counter = office("6E" + "#" * 10 + "E" + "M", stored=stored)
    assert "No. transaksi    7A1F03C2-000020" in printed(counter.printer.documents[0])


def test_pending_records_are_sent_at_once_when_the_operator_asks():
    counter = office("6MMX", stored=[receipt(1, state=states.RECORDED)])
    assert [entry for entry in counter.log if entry == ("send_now",)] == [("send_now",)] * 2


class Code:
    """As firmware/carry/codes.py makes them, of three records each."""

    def __init__(self, text, place):
        self.text = text
        self.first = 3 * place + 1
        self.last = 3 * place + 3


def codes_of(*texts):
    return [Code(texts[place], place) for place in range(len(texts))]


def test_pending_records_come_out_as_qr_codes():
    counter = Counter("EM4711E" + "6#1X" + ALONE)
    counter.terminal.stored = [receipt(1, state=states.RECORDED)]
    counter.terminal.all_codes = codes_of("L1:AAA", "L1:BBB")
    counter.play()
    documents = counter.printer.documents
    assert [element for document in documents for element in document if element[0] == "qr"] == [
        ("qr", b"L1:AAA", 6),
        ("qr", b"L1:BBB", 6),
    ]
    assert "Catatan                      4-6" in printed(documents[1])
    told = strings.text("paper_codes_what")[:20]
    assert not any(told in line for line in printed(documents[0]))
    assert any(told in line for line in printed(documents[1]))


def test_without_paper_the_rest_of_the_codes_is_given_up():
    counter = Counter("EM4711E" + "6#1" + "X" + "X" + ALONE)
    counter.terminal.stored = [receipt(1, state=states.RECORDED)]
    counter.terminal.all_codes = codes_of("L1:AAA", "L1:BBB")
    counter.printer.failures = -1
    counter.play()
    assert "print_failed" in counter.seen() and not counter.printer.documents


def test_the_cable_is_asked_for_until_the_operator_goes_on():
    counter = Counter("EM4711E" + "6#2" + "X" + ALONE)
    counter.terminal.stored = [receipt(1, state=states.RECORDED)]
    counter.play()
    assert "table" in counter.seen() and counter.shown() == "idle"


def test_lists_may_be_empty():
    counter = office("3E#*M" + "X" + "6EE#" + "X" + "4E", stored=[])
    assert (
        "record_list" in counter.seen() and "record" not in counter.seen() and not counter.printer.documents
    )


def test_reprint_prints_the_last_one_as_a_copy():
    lines = printed(office("4", stored=[receipt(131)]).printer.documents[0])
    assert "No. transaksi    7A1F03C2-000131" in lines and strings.text("paper_copy") in lines


def test_totals_print():
    counter = office("5#M", stored=[receipt(2), receipt(1)])
    assert strings.text("paper_totals") in printed(counter.printer.documents[0])
    assert strings.text("paper_totals") in printed(office("5M", stored=[]).printer.documents[0])


def test_notices_are_read_one_by_one():
    counter = Counter("EM4711E" + "7" + "EEE" + ALONE)
    counter.terminal.all_notices = [1, 5, 99]
    counter.play()
    assert len([1 for entry in counter.log if entry == ("show", "notice")]) == 3


def test_goods_of_another_policy_are_still_named_somehow():
    old = receipt(5, items=[(200, 100, 1000)], programme=9)
    lines = printed(office("4", stored=[old]).printer.documents[0])
    assert "Barang 200" in lines and "Program                Program 9" in lines


def test_the_first_screen_says_what_became_of_the_last_transaction():
    assert Counter("").play().shown() == "last_transaction"
    assert play("").seen() == ["last_transaction", "idle"]
    assert play("", stored=[]).seen() == ["last_transaction", "idle"]
