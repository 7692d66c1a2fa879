"""What follows a sale, at the counter: each is asked for, done once, printed; what stands is shown instead of done again."""

import framebuf

from firmware import refusals, states
from firmware.refusals import Refusal
from firmware.ui import desk, screens, strings
from protocol.records import GOODS_RECEIVED, PERIOD_CLOSE, RETURN, TENDER_CASH, VOID
from tests.property.drivers.ui_fakes import Counter, card_view, figures, printed, receipt, violations

TIMEOUT_S = 120
MENU = "EM4711E8"
RECEIVE, TAKE_BACK, GIVE_BACK, CLOSE = (MENU + key for key in "1234")
PIN = "123456E"
CASH = "EE4711E12"
ALONE = "-" * 400


def play(script, goods_tap=False, **more):
    """Play a script with nobody there afterwards; it must end on the idle screen with nothing forbidden done."""
    counter = Counter(script + ALONE, **more)
    counter.terminal.goods_tap = goods_tap
    counter.play()
    wrong = violations(counter, states.PIN_AID)
    assert not wrong, (script, wrong)
    assert counter.shown() == "idle", (script, counter.shown())
    return counter


def title_of(counter, number=0):
    """The second line of a printed document: what it is."""
    return printed(counter.printer.documents[number])[1]


# Void.


def test_a_void_asks_for_the_sale_a_reason_and_the_card():
    counter = play(TAKE_BACK + "#E" + "2" + "E" + "E", stored=[receipt(127), receipt(126, 75_000)])
    assert counter.asked("check_void") == [(126,)]
    assert counter.asked("void") == [(126, states.VOID_NO_GOODS, True)]
    assert counter.asked("identify") == [(1,)]
    seen = counter.seen()
    wanted = ["record_list", "choose", "question", "hold_card", "recorded", "idle"]
    assert seen[-len(wanted) :] == wanted, seen
    assert counter.signals()[-1] == "granted" and title_of(counter) == strings.text("paper_void")


def test_each_reason_is_recorded_as_it_was_chosen():
    for number in range(len(desk.VOID_REASONS)):
        counter = play(TAKE_BACK + "E" + "%d" % (number + 1) + "E")
        assert counter.asked("void") == [(126, desk.VOID_REASONS[number][0], True)]


def test_a_void_may_be_given_up_at_every_question():
    for keys in ("X", "EX", "E1X"):
        counter = play(TAKE_BACK + keys)
        assert not counter.asked("void") and not counter.printer.documents
    counter = play(TAKE_BACK + "E1E", card_waits=-1)
    assert not counter.asked("void")


def test_what_was_voided_before_is_shown_with_a_copy_and_not_voided_again():
    stored = [
        receipt(128, 75_000, kind=VOID, reference=126),
        receipt(127),
        receipt(126, 75_000, states.VOIDED, voided_by=128),
    ]
    counter = play(TAKE_BACK + "#E" + "M" + "X", stored=stored)
    assert not counter.asked("void") and not counter.asked("check_void")
    assert counter.seen()[-2:] != ["recorded", "idle"] and "record" in counter.seen()
    assert title_of(counter) == strings.text("paper_void")
    assert strings.text("paper_copy") in printed(counter.printer.documents[0])


def test_after_goods_received_a_void_is_refused_before_the_card_is_asked_for():
    counter = play(TAKE_BACK + "E" + "E", stored=[receipt(127, received_by=128)])
    assert counter.asked("check_void") and not counter.asked("identify")
    assert "refused" in counter.seen() and not counter.asked("void")


def test_another_card_is_sent_away_and_the_right_one_may_follow():
    outcomes = [Refusal(refusals.NOT_THE_CARD, 126), Refusal(refusals.CARD_REMOVED), "grant"]
    counter = play(TAKE_BACK + "E1E" + "E" + "E", outcomes=outcomes)
    assert len(counter.asked("void")) == 3 and len(counter.asked("identify")) == 3
    assert counter.signals().count("granted") == 1


def test_a_void_that_does_not_answer_is_judged_by_the_journal():
    kept, desk.COMMIT_TIMEOUT_MS = desk.COMMIT_TIMEOUT_MS, 1
    try:
        silent = play(TAKE_BACK + "E1E", outcomes=["silence"])
        made = play(TAKE_BACK + "E1E", outcomes=["grant and silence"])
    finally:
        desk.COMMIT_TIMEOUT_MS = kept
    assert "refused" in silent.seen() and "recorded" not in silent.seen()
    assert "recorded" in made.seen() and "refused" not in made.seen()


def test_nothing_sold_is_nothing_to_void():
    assert not play(TAKE_BACK + "EEX", stored=[]).asked("check_void")


# Goods received.


def test_goods_are_confirmed_on_the_screen_or_by_the_card():
    on_screen = play(RECEIVE + "E" + "E")
    assert on_screen.asked("goods_received") == [(126, False, False)]
    assert not on_screen.asked("identify")
    by_card = play(RECEIVE + "E" + "M")
    assert by_card.asked("goods_received") == [(126, True, True)]
    for counter in (on_screen, by_card):
        assert title_of(counter) == strings.text("paper_goods_received")
        assert counter.stored_kinds()[0] == GOODS_RECEIVED


def test_where_policy_wants_the_card_the_screen_does_not_do():
    counter = play(RECEIVE + "E" + "E", stored=[receipt(127, goods_tap=True)])
    assert counter.asked("goods_received") == [(127, True, True)]


def test_goods_are_not_received_twice_nor_of_cash_nor_of_what_was_voided():
    before = receipt(128, kind=GOODS_RECEIVED, reference=127)
    for sale in (receipt(127, received_by=128), receipt(127, voided_by=128)):
        counter = play(RECEIVE + "EX", stored=[before, sale])
        assert not counter.asked("goods_received") and "record" in counter.seen()
    counter = play(RECEIVE + "E", stored=[receipt(127, tender=TENDER_CASH)])
    assert not counter.asked("goods_received") and "refused" in counter.seen()


def test_where_policy_wants_it_the_sale_goes_on_to_the_handing_over_of_goods():
    goods = "EE4711E11" + "*E75*E" + "E" + PIN + "E"
    counter = play(goods + "E", goods_tap=True)
    assert counter.asked("goods_received") == [(127, True, True)]
    wanted = ["granted", "question", "hold_card", "recorded", "idle"]
    assert counter.seen()[-len(wanted) :] == wanted
    later = play(goods + "X", goods_tap=True)
    assert not later.asked("goods_received") and len(later.redeemed()) == 1
    cash = play(CASH + "EE" + PIN + "E", goods_tap=True)
    assert "question" not in cash.seen()


# Return.


def test_a_return_asks_both_and_prints():
    counter = play(GIVE_BACK + "1" + "E" + "E")
    assert counter.asked("give_back") == [(1, True)] and counter.stored_kinds()[0] == RETURN
    assert counter.seen()[-4:] == ["question", "hold_card", "recorded", "idle"]
    assert title_of(counter) == strings.text("paper_return")
    assert not play(GIVE_BACK + "1" + "X").asked("give_back")


def test_a_lease_that_went_back_before_is_shown_and_an_empty_one_is_refused():
    nothing = [card_view(remaining_rupiah=0)]
    counter = Counter(GIVE_BACK + "1" + "MX" + ALONE, views=nothing)
    counter.terminal.returns[1] = counter.terminal.stored[0]
    counter.play()
    assert "record" in counter.seen() and not counter.asked("give_back")
    assert not counter.terminal.card_is_known and len(counter.printer.documents) == 1
    counter = play(GIVE_BACK + "1", views=nothing)
    assert "refused" in counter.seen() and not counter.asked("give_back")


def test_a_card_lifted_too_early_may_be_laid_on_again():
    counter = play(GIVE_BACK + "1" + "E" + "E", outcomes=[Refusal(refusals.CARD_REMOVED), "grant"])
    assert len(counter.asked("give_back")) == 2 and counter.signals().count("granted") == 1


# Period close.


def test_a_close_shows_the_figures_asks_twice_and_prints():
    counter = play(CLOSE + "2" + "E" + "E" + "E")
    assert counter.asked("close_period") == [(2,)] and counter.stored_kinds()[0] == PERIOD_CLOSE
    assert counter.seen()[-4:] == ["table", "question", "recorded", "idle"]
    assert strings.text("paper_close") == title_of(counter)
    for keys in ("2X", "2EX"):
        assert not play(CLOSE + keys).asked("close_period")


def test_a_closed_period_is_shown_and_not_closed_again():
    counter = Counter(CLOSE + "1" + "MX" + ALONE)
    counter.terminal.closes[1] = receipt(127, kind=PERIOD_CLOSE, figures=figures())
    counter.terminal.stored.insert(0, counter.terminal.closes[1])
    counter.play()
    assert "record" in counter.seen() and not counter.asked("close_period")
    assert title_of(counter) == strings.text("paper_close")


def test_without_a_grant_there_is_nothing_to_close_or_return():
    for script in (GIVE_BACK, CLOSE):
        counter = Counter(script + ALONE)
        counter.terminal.all_programmes = []
        counter.play()
        assert "refused" in counter.seen()


# A rapid run of cards, and the first screen after a start.


def test_a_rapid_run_asks_why_before_the_pin_and_the_answer_is_recorded():
    counter = play(CASH + "EE" + "3" + PIN, views=[card_view(asks_reason=True)])
    assert counter.asked("reason") == [(states.REASON_HELPED,)]
    seen = counter.seen()
    assert seen[seen.index("confirm") :][:3] == ["confirm", "choose", "pin"]
    assert play(CASH + "EE" + PIN).asked("reason") == [(0,)]
    assert not play(CASH + "EE" + "X", views=[card_view(asks_reason=True)]).redeemed()


def test_the_first_screen_tells_of_any_transaction_and_prints_it_again():
    for kind, title in (
        (VOID, "last_void"),
        (GOODS_RECEIVED, "last_received"),
        (RETURN, "last_return"),
        (PERIOD_CLOSE, "last_close"),
    ):
        last = receipt(131, 75_000, kind=kind, reference=126, figures=figures())
        counter = Counter("ME" + ALONE, stored=[last, receipt(126)], keeps_pictures=True).play()
        assert len(counter.printer.documents) == 1
        assert strings.text("paper_copy") in printed(counter.printer.documents[0])
        wanted = picture(
            screens.last_transaction, strings.text(title), 131, 0, 75_000, "21/11/2025 14:03 WIB"
        )
        assert counter.display.pictures[0] == ("last_transaction", wanted), kind


def picture(draw, *values):
    """What the display shows of a screen."""
    octets = bytearray(1024)
    draw(framebuf.FrameBuffer(octets, 128, 64, framebuf.MONO_VLSB), *values)
    return bytes(octets)
