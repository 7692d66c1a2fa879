"""Names of programmes, commodities and transactions, whatever the present policy still knows of them."""

from firmware.ui import format as fmt
from firmware.ui.strings import text
from protocol.records import GOODS_RECEIVED, PERIOD_CLOSE, REDEMPTION, RETURN, VOID

# Keys of strings by kind of transaction: its name, the title of the first screen, and its word in a list.
_TITLES = {
    VOID: "is_void",
    GOODS_RECEIVED: "is_received",
    RETURN: "is_return",
    PERIOD_CLOSE: "is_close",
}
_LAST = {
    REDEMPTION: "last",
    VOID: "last_void",
    GOODS_RECEIVED: "last_received",
    RETURN: "last_return",
    PERIOD_CLOSE: "last_close",
}
_ROWS = {GOODS_RECEIVED: "row_received", RETURN: "row_return", PERIOD_CLOSE: "row_close"}


def programme(terminal, number: int) -> str:
    """The programme's name; its number when policy has none."""
    for known, name in terminal.programmes():
        if known == number:
            return name
    return text("programme_other", number)


def title(terminal, receipt) -> str:
    """What a transaction is: a redemption by its programme, anything else by its kind."""
    if receipt.kind == REDEMPTION:
        return programme(terminal, receipt.programme)
    return text(_TITLES[receipt.kind])


def last(kind: int) -> str:
    """The title of the first screen after a start."""
    return text(_LAST[kind])


def row(receipt) -> str:
    """A transaction in a list: its amount, with a minus where it gives back, or a word."""
    if receipt.kind in _ROWS:
        return text(_ROWS[receipt.kind])
    amount = fmt.grouped(receipt.amount_rupiah)
    return "-" + amount if receipt.kind == VOID else amount


def goods(terminal, receipt) -> list:
    """The receipt's items as (name, unit, quantity_hundredths, price_rupiah)."""
    if not receipt.items:
        return []
    known = {}
    for code, name, unit, _ in terminal.price_list(receipt.programme):
        known[code] = (name, unit)
    lines = []
    for code, hundredths, price_rupiah in receipt.items:
        name, unit = known.get(code, (text("commodity_other", code), ""))
        lines.append((name, unit, hundredths, price_rupiah))
    return lines
