"""All screens: pure functions that draw plain values into the framebuffer and know nothing else.

Every function takes the framebuffer first and redraws the whole screen. Amounts are whole rupiah, quantities hundredths
of a unit, times come as ready text. A PIN is never handed in, only how many digits of it have been keyed.
"""

from firmware import refusals
from firmware.states import PIN_DIGITS, SEALED_AT_GATEWAY
from firmware.ui import draw
from firmware.ui import format as fmt
from firmware.ui.glyphs import SIGN_OF_STATE
from firmware.ui.strings import STATE_MEANINGS, STATE_WORDS, refusal, text
from firmware.ui.strings import finding as finding_sentence
from firmware.ui.strings import notice as notice_sentence

ROWS = 4
_ROW_TOP = 14
_ROW_HEIGHT = 10


def foot_keys(*pairs: str) -> tuple:
    """((cap, word), ...) of ("E", "key_next", "X", "key_cancel", ...)."""
    return tuple([(pairs[i], text(pairs[i + 1])) for i in range(0, len(pairs), 2)])


def idle(
    fb,
    clock: str,
    trusted: bool,
    link: str,
    pending_count: int,
    pending_rupiah: int,
    last: tuple,
    notices: int,
) -> None:
    """Waiting for the next family. `last` is (sequence, state) of the newest transaction, or ()."""
    fb.fill(0)
    link = fmt.shorten(link, 6)
    draw.both(fb, clock if trusted else clock + " ?", "!%d %s" % (notices, link) if notices else link, 0)
    draw.barn(fb, 4, 9)
    draw.large(fb, text("name"), 36, 14, 2)
    if pending_count:
        draw.money(fb, text("waiting", pending_count), pending_rupiah, 34)
    else:
        draw.centred(fb, text("nothing_pending"), 34)
    if last:
        sequence, state = last
        draw.both(
            fb,
            text("transaction_number", sequence),
            STATE_WORDS[state] + " " + chr(SIGN_OF_STATE + state),
            44,
        )
    else:
        draw.centred(fb, text("none_yet"), 44)
    draw.foot(fb, foot_keys("E", "key_serve", "M", "key_menu"))


def last_transaction(fb, title: str, sequence: int, state: int, amount_rupiah: int, moment: str) -> None:
    """First screen after a start: what became of the newest transaction. A sequence of 0 says that there is none."""
    draw.head(fb, title)
    if not sequence:
        draw.centred(fb, text("none_yet"), 28)
        draw.foot(fb, foot_keys("E", "key_next"))
        return
    draw.money(fb, text("transaction_number", sequence), amount_rupiah, 11)
    draw.largest(fb, STATE_WORDS[state], 20, 24)
    draw.centred(fb, moment, 45)
    draw.foot(fb, foot_keys("E", "key_next", "M", "key_print"))


def login(fb, count: int, is_wrong: bool) -> None:
    """The operator's short code, as dots."""
    draw.head(fb, text("login"))
    draw.centred(fb, text("login_wrong" if is_wrong and not count else "login_ask"), 14)
    _dots(fb, count, 8, 30)
    draw.foot(fb, foot_keys("E", "key_ok", "C", "key_clear", "X", "key_cancel"))


def choose(fb, title: str, rows: tuple, chosen: int) -> None:
    """A menu: `rows` of text, of which four are seen around the chosen one. Digit keys choose directly."""
    draw.head(fb, title, "%d/%d" % (chosen + 1, len(rows)) if len(rows) > ROWS else "")
    first = chosen - chosen % ROWS
    for i in range(first, min(first + ROWS, len(rows))):
        draw.both(
            fb, "%d %s" % ((i + 1) % 10, rows[i]), "", _ROW_TOP + (i - first) * _ROW_HEIGHT, i == chosen
        )
    draw.foot(fb, foot_keys("E", "key_choose", "*#", "key_move", "X", "key_cancel"))


def basket(fb, rows: tuple, chosen: int, total_rupiah: int) -> None:
    """The price list with what is in the basket: `rows` of (name, right-hand text); the sum stands in the title."""
    draw.head(fb, text("basket"), fmt.rupiah(total_rupiah))
    first = chosen - chosen % ROWS
    for i in range(first, min(first + ROWS, len(rows))):
        draw.both(fb, rows[i][0], rows[i][1], _ROW_TOP + (i - first) * _ROW_HEIGHT, i == chosen)
    draw.foot(fb, foot_keys("E", "key_fill", "M", "key_done", "X", "key_cancel"))


def basket_full(fb) -> None:
    """A record has room for no more kinds of goods."""
    draw.head(fb, text("basket"))
    draw.paragraph(fb, text("basket_full"), 24, 2)
    draw.foot(fb, foot_keys("E", "key_ok"))


def quantity(fb, name: str, unit: str, price_rupiah: int, typed: str, sum_rupiah: int) -> None:
    """How much of one commodity; `typed` as keyed so far."""
    draw.head(fb, name)
    draw.centred(fb, "%s / %s" % (fmt.rupiah(price_rupiah), unit), 12)
    draw.largest(fb, "%s %s" % (typed or "0", unit), 23, 16)
    draw.money(fb, text("basket_total"), sum_rupiah, 45)
    draw.foot(fb, foot_keys("E", "key_ok", "*", "key_comma", "C", "key_clear"))


def amount(fb, title: str, amount_rupiah: int, remaining_rupiah: int) -> None:
    """Keying an amount; `remaining_rupiah` below zero when the entitlement is not known yet."""
    draw.head(fb, title)
    if remaining_rupiah >= 0:
        draw.money(fb, text("remaining"), remaining_rupiah, 12)
    draw.largest(fb, fmt.grouped(amount_rupiah), 23, 30)
    draw.foot(fb, foot_keys("E", "key_ok", "*", "key_thousand", "C", "key_clear"))


def tap_card(fb, programme: str, amount_rupiah: int) -> None:
    """Lay the card on the reader; an amount of 0 is not shown."""
    draw.head(fb, programme)
    draw.card(fb, 1, 17)
    draw.waves(fb, 38, 20)
    draw.large(fb, text("tap"), 56, 12, 2)
    draw.large(fb, text("card"), 56, 28, 2)
    if amount_rupiah:
        draw.centred(fb, fmt.rupiah(amount_rupiah), 45)
    draw.foot(fb, foot_keys("X", "key_cancel"))


def hold_card(fb, programme: str, amount_rupiah: int) -> None:
    """The card is at work and must stay; no key does anything."""
    draw.head(fb, programme)
    draw.largest(fb, text("hold"), 13, 18)
    draw.centred(fb, text("hold_more"), 33)
    if amount_rupiah:
        draw.largest_money(fb, amount_rupiah, 44, 16)


def balance(fb, programme: str, roster_number: int, remaining_rupiah: int, hamlet, slot) -> None:
    """What a family may still take, with its place and turn."""
    draw.head(fb, programme, text("roster_number", roster_number))
    draw.centred(fb, text("remaining"), 12)
    draw.largest_money(fb, remaining_rupiah, 21, 22)
    draw.both(fb, "%s %s" % (text("hamlet"), hamlet), "%s %s" % (text("slot"), slot), 45)
    draw.foot(fb, foot_keys("E", "key_done"))


def confirm(fb, title: str, roster_number: int, amount_rupiah: int, remaining_rupiah: int) -> None:
    """Operator and family look at it together before the PIN; `title` names tender and programme."""
    draw.head(fb, title, "%d" % roster_number)
    draw.largest_money(fb, amount_rupiah, 12, 18)
    draw.money(fb, text("remaining"), remaining_rupiah, 34)
    draw.money(fb, text("remaining_after"), remaining_rupiah - amount_rupiah, 44)
    draw.foot(fb, foot_keys("E", "key_yes", "X", "key_cancel"))


def pin(fb, programme: str, amount_rupiah: int, count: int, tries_left: int) -> None:
    """The family keys its PIN: `count` dots. E behind the sixth digit is the family's word to the amount shown."""
    draw.head(fb, programme, text("pin"))
    draw.largest_money(fb, amount_rupiah, 11, 16)
    _dots(fb, count, PIN_DIGITS, 30)
    draw.centred(fb, text("pin_tries", tries_left) if tries_left < 3 else text("pin_secret"), 45)
    draw.foot(fb, foot_keys("E", "key_yes", "C", "key_clear", "X", "key_cancel"))


def granted(fb, programme: str, sequence: int, state: int, amount_rupiah: int, remaining_rupiah: int) -> None:
    """The sale counts: its state in the largest letters, refreshed as acknowledgements arrive."""
    _result(fb, programme, sequence, state, amount_rupiah)
    draw.money(fb, text("remaining"), remaining_rupiah, 46)
    draw.foot(fb, foot_keys("E", "key_done", "M", "key_shop"))


def recorded(fb, title: str, sequence: int, state: int, amount_rupiah: int, label: str, rupiah: int) -> None:
    """The same for what is no sale; `label` and `rupiah` in the last line, none where it is empty."""
    _result(fb, title, sequence, state, amount_rupiah)
    if label:
        draw.money(fb, label, rupiah, 46)
    draw.foot(fb, foot_keys("E", "key_done", "M", "key_shop"))


def _result(fb, title: str, sequence: int, state: int, amount_rupiah: int) -> None:
    """State and amount as large as they can be read."""
    draw.head(fb, title, text("transaction_number", sequence))
    draw.largest(fb, STATE_WORDS[state], 11, 16)
    draw.largest_money(fb, amount_rupiah, 28, 16)


def question(fb, title: str, right: str, amount_rupiah: int, what: str, by_card: bool) -> None:
    """Operator and family look at it together before it is done; `by_card`: M confirms by the card instead."""
    draw.head(fb, title, right)
    draw.largest_money(fb, amount_rupiah, 12, 18)
    draw.paragraph(fb, what, 34, 2)
    if by_card:
        draw.foot(fb, foot_keys("E", "key_yes", "M", "key_card", "X", "key_cancel"))
    else:
        draw.foot(fb, foot_keys("E", "key_yes", "X", "key_cancel"))


def detail_text(number: int, detail: int) -> str:
    """The detail of a refusal as it is read: rupiah for the amounts, else a number."""
    is_money = number in (refusals.AMOUNT_ABOVE_REMAINING, refusals.AMOUNT_ABOVE_CAP)
    return fmt.rupiah(detail) if is_money else "%d" % detail


def refused(fb, number: int, detail: int, may_go_on: bool) -> None:
    """Not served, with number, reason and what to do; `may_go_on` offers to try again instead of a slip."""
    draw.head(fb, text("not_debited" if number != refusals.FLASH_FAULT else "not_certain"))
    end = draw.large(fb, text("failed"), 0, 11, 2)
    fb.fill_rect(end + 6, 17, 8, 2, 1)
    draw.large(fb, "R%02d" % number, end + 20, 11, 2)
    matter, advice = refusal(number, detail_text(number, detail))
    draw.paragraph(fb, matter, 28, 2)
    draw.centred(fb, advice, 46)
    if may_go_on:
        draw.foot(fb, foot_keys("E", "key_again", "X", "key_cancel"))
    else:
        draw.foot(fb, foot_keys("E", "key_done", "M", "key_slip"))


def recent(fb, sequence: int, state: int, amount_rupiah: int, clock: str) -> None:
    """The same card, programme and amount were served just now: the record, a reprint, and a deliberate way on."""
    draw.head(fb, text("recent"), clock)
    draw.largest(fb, STATE_WORDS[state], 11, 16)
    draw.money(fb, text("transaction_number", sequence), amount_rupiah, 28)
    draw.paragraph(fb, text("recent_what"), 37, 2)
    draw.foot(fb, foot_keys("E", "key_print", "M", "key_second"))


def record(fb, title: str, sequence: int, state: int, amount_rupiah: int, roster: int, moment: str) -> None:
    """One transaction with its state and what that means; a `roster` number of 0 is no family's."""
    draw.head(fb, title, text("transaction_number", sequence))
    draw.money(fb, "KPM %d" % roster if roster else text("sum"), amount_rupiah, 11)
    draw.largest(fb, STATE_WORDS[state], 20, 16)
    draw.centred(fb, STATE_MEANINGS[state], 37)
    draw.centred(fb, moment, 46)
    draw.foot(fb, foot_keys("M", "key_print", "X", "key_back"))


def record_list(fb, title: str, rows: tuple, chosen: int, key: str) -> None:
    """Newest first: up to four `rows` of (sequence, clock, amount or word, state); `chosen` counts from the first row
    seen; `key` is the word for what E does.
    """
    draw.head(fb, title)
    if not rows:
        draw.centred(fb, text("none_yet"), 28)
    for i in range(len(rows)):
        sequence, clock, what, state = rows[i]
        right = "%s %s" % (what, chr(SIGN_OF_STATE + state))
        draw.both(fb, "%d %s" % (sequence, clock), right, _ROW_TOP + i * _ROW_HEIGHT, i == chosen)
    draw.foot(fb, (("E", key),) + foot_keys("*#", "key_move", "X", "key_back"))


def pending(fb, count: int, amount_rupiah: int, oldest: str, link: str, way: str, heard: str) -> None:
    """What has not reached the gateway yet, since when and by which way it goes; when the gateway was heard last."""
    draw.head(fb, text("pending"), link)
    if count:
        draw.largest(fb, text("pending_count", count), 11, 16)
        draw.money(fb, text("sum"), amount_rupiah, 28)
        draw.both(fb, text("oldest", oldest), _way(way), 37)
    else:
        draw.centred(fb, text("nothing_pending"), 20)
        draw.centred(fb, _way(way), 30)
    draw.both(fb, text("heard"), heard or text("never_heard"), 46)
    draw.foot(
        fb,
        foot_keys("E", "key_see", "M", "key_send", "#", "key_other") if count else foot_keys("X", "key_back"),
    )


def _way(way: str) -> str:
    """The link that records leave by, behind the arrow that marks what has left; nothing where there is none."""
    return "%s %s" % (chr(SIGN_OF_STATE + SEALED_AT_GATEWAY), way) if way else ""


def table(fb, title: str, unit: str, rows: tuple, keys: tuple) -> None:
    """Up to four rows of (label, value): totals and the state of the device; the values' unit stands in the title."""
    draw.head(fb, title, unit)
    for i in range(len(rows)):
        draw.both(fb, rows[i][0], rows[i][1], _ROW_TOP + i * _ROW_HEIGHT)
    draw.foot(fb, keys)


TOTALS_KEYS = foot_keys("M", "key_print", "#", "key_more", "X", "key_back")
DEVICE_KEYS = foot_keys("E", "key_see", "X", "key_back")
BACK_KEYS = foot_keys("X", "key_back")
CLOSE_KEYS = foot_keys("E", "key_close", "X", "key_cancel")


def printing(fb) -> None:
    """While the printer works."""
    draw.head(fb, text("print_failed"))
    draw.centred(fb, text("printing"), 28)


def print_failed(fb, reason: str, sale_stands: bool) -> None:
    """No paper came: `reason` in a line, and that the sale stands all the same."""
    draw.head(fb, text("print_failed"))
    draw.paragraph(fb, text("print_what"), 14, 1)
    draw.centred(fb, reason, 24)
    if sale_stands:
        draw.centred(fb, text("print_stands"), 39)
    draw.foot(fb, foot_keys("E", "key_again", "X", "key_done"))


def notice(fb, number: int, index: int, count: int) -> None:
    """One of the notices, with its number."""
    draw.head(fb, text("notice"), "%d/%d" % (index + 1, count))
    draw.largest(fb, "N%02d" % number, 10, 16)
    draw.paragraph(fb, notice_sentence(number), 28, 3)
    draw.foot(fb, foot_keys("E", "key_next", "X", "key_back"))


def finding(fb, found, index: int, count: int) -> None:
    """What flash does not give back (`ledger.findings.Finding`), and where it stood."""
    draw.head(fb, text("memory"), "%d/%d" % (index + 1, count))
    draw.paragraph(fb, finding_sentence(found.what, found.first, found.last), 12, 3)
    draw.text(fb, "%s 0x%06x" % (found.area, found.address), 0, 44)
    draw.foot(fb, foot_keys("E", "key_next", "X", "key_back"))


def starting(fb) -> None:
    """While the journal is read at start."""
    fb.fill(0)
    draw.barn(fb, 51, 8)
    draw.centred(fb, text("starting"), 44)


def stopped(fb, code: int, last: tuple) -> None:
    """The device has stopped itself: a code to photograph, and what became of the last transaction."""
    draw.head(fb, text("stopped"))
    draw.largest(fb, text("stopped_code", code), 11, 16)
    draw.centred(fb, text("stopped_what"), 29)
    draw.centred(fb, text("ask_technician"), 38)
    if last:
        sequence, state = last
        draw.centred(fb, "%s: %s" % (text("transaction_number", sequence), STATE_WORDS[state]), 52)


def _dots(fb, count: int, places: int, y: int) -> None:
    """`places` rings, of which `count` are filled."""
    pitch = 14
    x = (draw.WIDTH - places * pitch) // 2 + 2
    for i in range(places):
        if i < count:
            fb.fill_rect(x + 2, y, 6, 10, 1)
            fb.fill_rect(x, y + 2, 10, 6, 1)
            fb.fill_rect(x + 1, y + 1, 8, 8, 1)
        else:
            fb.fill_rect(x + 3, y + 7, 4, 2, 1)
        x += pitch
