"""What is printed: documents made from plain values, 32 letters to a line (16 in double type) on 58 mm paper.

A document is a list of tuples, as `firmware/drivers/escpos_printer.py` takes it: `("text", string, align, bold,
double)` with align "l", "c" or "r"; `("rule",)`; `("feed", lines)`; `("cut",)`. A family is a roster number (No. KPM)
and nothing more; no PAN and no PIN is ever handed in.
"""

from firmware import refusals
from firmware.ui import format as fmt
from firmware.ui.strings import STATE_PAPER, STATE_PAPER_OTHER, STATE_WORDS, refusal, text
from protocol.records import GOODS_RECEIVED, RETURN, TENDER_CASH, VOID

COLUMNS = 32
COLUMNS_DOUBLE = 16
_FEED_AT_END = 3
# Dots of a QR code's module: the largest of them is 57 modules, of the paper's 384 dots. Even, see the printer's driver.
QR_DOTS = 6

FAMILY = "paper_family"
SHOP = "paper_shop"


def number(terminal_id: str, sequence: int) -> str:
    """The number of a transaction as people quote it: the terminal and its sequence number."""
    return "%s-%06d" % (terminal_id, sequence)


def _line(string: str, align: str = "l", bold: bool = False, double: bool = False) -> tuple:
    """One line of text, cut to the paper's width."""
    return (
        "text",
        fmt.shorten(fmt.plain(string), COLUMNS_DOUBLE if double else COLUMNS),
        align,
        bold,
        double,
    )


def _wrapped(string: str, align: str = "l") -> list:
    """A sentence over as many lines as it needs."""
    return [_line(line, align) for line in fmt.wrap(fmt.plain(string), COLUMNS)]


def _pair(label: str, value: str, bold: bool = False) -> tuple:
    """A label at the left and its value at the right; the label gives way."""
    return _line(fmt.sides(label, fmt.shorten(value, COLUMNS), COLUMNS), "l", bold)


def _opening(title: str, is_copy: bool) -> list:
    """Name, title and, on a copy, the word for it in large letters."""
    lines = [_line(text("name"), "c", True, True), _line(text(title), "c", True)]
    if is_copy:
        lines.append(_line(text("paper_copy"), "c", True, True))
    return lines + [("rule",)]


def _closing() -> list:
    """Paper out to the tear bar."""
    return [("feed", _FEED_AT_END), ("cut",)]


def _numbered(terminal_id: str, sequence: int, time_s: int, utc_offset_minutes: int) -> list:
    """Number and time of a record."""
    return [
        _pair(text("paper_number"), number(terminal_id, sequence)),
        _pair(text("paper_time"), fmt.moment(time_s, utc_offset_minutes)),
    ]


def _goods(goods: list) -> list:
    """Two lines for each item of (name, unit, quantity_hundredths, price_rupiah per unit); three if numbers need it."""
    lines = []
    for name, unit, hundredths, price_rupiah in goods:
        lines.append(_line(name))
        left = " %s %s x %s" % (fmt.quantity(hundredths), unit, fmt.grouped(price_rupiah))
        right = fmt.grouped(fmt.line_rupiah(hundredths, price_rupiah))
        if len(left) + 1 + len(right) <= COLUMNS:
            lines.append(_pair(left, right))
        else:
            lines += [_line(left), _line(right, "r")]
    return lines + [("rule",)] if goods else lines


def _state(state: int, is_sale: bool = True) -> list:
    """The state in large letters and what it means."""
    meanings = STATE_PAPER if is_sale or state >= len(STATE_PAPER_OTHER) else STATE_PAPER_OTHER
    return [_line(STATE_WORDS[state], "c", True, True)] + _wrapped(meanings[state], "c")


def redemption(
    receipt, programme: str, goods: list, utc_offset_minutes: int, for_whom: str, is_copy: bool = False
) -> list:
    """The receipt of a redemption.

    `receipt` has terminal_id, sequence, time_s, is_time_sure, tender, amount_rupiah, remaining_rupiah, roster_number,
    state; `goods` is a list of (name, unit, quantity_hundredths, price_rupiah); `for_whom` is `FAMILY` or `SHOP`.
    """
    document = _opening("paper_title", is_copy)
    document += _numbered(receipt.terminal_id, receipt.sequence, receipt.time_s, utc_offset_minutes)
    if not receipt.is_time_sure:
        document += _wrapped(text("paper_clock"))
    document.append(_pair(text("paper_programme"), programme))
    document.append(_pair(text("paper_roster"), "%d" % receipt.roster_number))
    document.append(_pair(text("paper_tender"), text("cash" if receipt.tender == TENDER_CASH else "goods")))
    document.append(("rule",))
    document += _goods(goods)
    document.append(_line(text("paper_total"), "l", True))
    document.append(_line(_amount(receipt.amount_rupiah), "r", True, True))
    document.append(_pair(text("paper_remaining"), fmt.rupiah(receipt.remaining_rupiah)))
    document.append(("rule",))
    document += _state(receipt.state)
    document.append(("rule",))
    document.append(_line(text(for_whom), "c", True))
    if for_whom == FAMILY:
        document += _wrapped(text("paper_keep"), "c") + _wrapped(text("paper_secret"), "c")
    return document + _closing()


def _amount(amount_rupiah: int) -> str:
    """An amount for double type: it rather loses its Rp than a digit."""
    amount = fmt.rupiah(amount_rupiah)
    return amount if len(amount) <= COLUMNS_DOUBLE else fmt.grouped(amount_rupiah)


def refused(number_: int, detail: str, programme: str, roster_number: int, moment: tuple) -> list:
    """A slip that says why a family was not served.

    `moment` is (time_s, trusted, utc_offset_minutes); `detail` as it is to be read; `programme` "" and `roster_number`
    0 when they were not known yet.
    """
    time_s, trusted, utc_offset_minutes = moment
    document = _opening("paper_refused", False)
    document.append(_pair(text("paper_time"), fmt.moment(time_s, utc_offset_minutes)))
    if not trusted:
        document += _wrapped(text("paper_clock"))
    if programme:
        document.append(_pair(text("paper_programme"), programme))
    if roster_number:
        document.append(_pair(text("paper_roster"), "%d" % roster_number))
    document.append(("rule",))
    document.append(_line("R%02d" % number_, "c", True, True))
    for sentence in refusal(number_, detail):
        document += _wrapped(sentence, "c")
    document.append(("rule",))
    # What flash failed to take may read back at the next start: then it counts.
    is_certain = number_ != refusals.FLASH_FAULT
    document += _wrapped(text("paper_not_debited" if is_certain else "paper_not_certain"), "c")
    return document + _closing()


def totals_rows(totals) -> list:
    """(label, text) of the day's totals; the three parts by state add up to the sum.

    `totals` has of today: count, goods_rupiah, cash_rupiah, acknowledged_rupiah (sealed at the gateway, paid or not)
    and settled_rupiah, all without what was voided; voided_rupiah stands apart. What is sent and not paid may still be in
    process, refused or disputed.
    """
    total_rupiah = totals.goods_rupiah + totals.cash_rupiah
    return [
        (text("count"), fmt.grouped(totals.count)),
        (text("goods"), fmt.grouped(totals.goods_rupiah)),
        (text("cash"), fmt.grouped(totals.cash_rupiah)),
        (text("sum"), fmt.grouped(total_rupiah)),
        (text("unsent"), fmt.grouped(total_rupiah - totals.acknowledged_rupiah)),
        (text("unpaid"), fmt.grouped(totals.acknowledged_rupiah - totals.settled_rupiah)),
        (text("settled"), fmt.grouped(totals.settled_rupiah)),
        (text("voided"), fmt.grouped(totals.voided_rupiah)),
    ]


def day_totals(totals, terminal_id: str, moment: tuple) -> list:
    """End of the day: counts and sums by tender and by state, with a line to sign."""
    time_s, trusted, utc_offset_minutes = moment
    document = _opening("paper_totals", False)
    document.append(_pair(text("paper_terminal"), terminal_id))
    document.append(_pair(text("paper_printed"), fmt.moment(time_s, utc_offset_minutes)))
    if not trusted:
        document += _wrapped(text("paper_clock"))
    document.append(("rule",))
    rows = totals_rows(totals)
    for i in range(len(rows)):
        document.append(_pair(rows[i][0], rows[i][1] if i == 0 else "Rp " + rows[i][1], i == 3))
        if i in (0, 3, len(rows) - 2):
            document.append(("rule",))
    document.append(("feed", 2))
    document.append(_pair(text("paper_signature"), "_" * 18))
    return document + _closing()


# By kind: title, word before the amount, and what it means for the family.
_AFTER_SALE = {
    VOID: ("paper_void", "paper_voided", "paper_void_what"),
    GOODS_RECEIVED: ("paper_goods_received", "paper_total", "paper_goods_received_what"),
    RETURN: ("paper_return", "paper_returned", "paper_return_what"),
}


def after_sale(
    receipt, programme: str, utc_offset_minutes: int, for_whom: str, is_copy: bool = False
) -> list:
    """The receipt of a void, of goods received or of a return.

    `receipt` as for `redemption`, with its `kind` and the `reference` to a redemption, 0 for none; goods received of a
    redemption that the terminal has let go shows no amount.
    """
    title, label, meaning = _AFTER_SALE[receipt.kind]
    document = _opening(title, is_copy)
    document += _numbered(receipt.terminal_id, receipt.sequence, receipt.time_s, utc_offset_minutes)
    if not receipt.is_time_sure:
        document += _wrapped(text("paper_clock"))
    if receipt.reference:
        document.append(_pair(text("paper_refers_to"), number(receipt.terminal_id, receipt.reference)))
    if receipt.programme:
        document.append(_pair(text("paper_programme"), programme))
    document.append(_pair(text("paper_roster"), "%d" % receipt.roster_number))
    document.append(("rule",))
    if receipt.amount_rupiah:
        document.append(_line(text(label), "l", True))
        document.append(_line(_amount(receipt.amount_rupiah), "r", True, True))
    if receipt.programme:
        document.append(_pair(text("paper_remaining"), fmt.rupiah(receipt.remaining_rupiah)))
    document += _wrapped(text(meaning), "c")
    document.append(("rule",))
    document += _state(receipt.state, False)
    document.append(("rule",))
    document.append(_line(text(for_whom), "c", True))
    return document + _closing()


def period_rows(figures) -> list:
    """(label, text) of a period's figures (`firmware.day_book.PeriodTotals`): counts before sums."""
    return [
        (text("count_redeemed", figures.redeemed_count), fmt.grouped(figures.redeemed_rupiah)),
        (text("count_voided", figures.voided_count), fmt.grouped(figures.voided_rupiah)),
        (text("net"), fmt.grouped(figures.net_rupiah)),
        (text("count_returned", figures.returned_count), fmt.grouped(figures.returned_rupiah)),
    ]


def period_close(receipt, programme: str, utc_offset_minutes: int, is_copy: bool = False) -> list:
    """The close of a period: its figures, with a line to sign. `receipt` has terminal_id, sequence, time_s, is_time_sure,
    state, period (year * 12 + month - 1) and figures.
    """
    document = _opening("paper_close", is_copy)
    document += _numbered(receipt.terminal_id, receipt.sequence, receipt.time_s, utc_offset_minutes)
    if not receipt.is_time_sure:
        document += _wrapped(text("paper_clock"))
    document.append(_pair(text("paper_programme"), programme))
    document.append(_pair(text("paper_period"), "%02d/%d" % (receipt.period % 12 + 1, receipt.period // 12)))
    document.append(("rule",))
    rows = period_rows(receipt.figures)
    for i in range(len(rows)):
        document.append(_pair(rows[i][0], "Rp " + rows[i][1], i == 2))
    if not receipt.figures.is_whole:
        document += _wrapped(text("paper_not_whole"))
    document.append(("rule",))
    document += _wrapped(text("paper_close_what"), "c")
    document.append(("rule",))
    document += _state(receipt.state, False)
    document.append(("feed", 2))
    document.append(_pair(text("paper_signature"), "_" * 18))
    return document + _closing()


def carry_code(terminal_id: str, moment: tuple, place: int, count: int, code) -> list:
    """A slip with one QR code of records that are under way nowhere: number `place` of `count`, from 1.

    `code` has text, first and last (sequences); `moment` is (time_s, trusted, utc_offset_minutes).
    """
    document = [_line(text("paper_codes"), "c", True)]
    document.append(_pair(text("paper_terminal"), terminal_id))
    document.append(_pair(text("paper_printed"), fmt.moment(moment[0], moment[2])))
    document.append(_pair(text("paper_records"), "%d-%d" % (code.first, code.last)))
    document.append(("qr", code.text.encode(), QR_DOTS))
    document.append(_line("%d / %d" % (place, count), "c", True, True))
    if place == count:
        document += _wrapped(text("paper_codes_what"), "c")
    return document + _closing()
