"""Names of programmes and commodities for numbers in a receipt, whatever the present policy still knows of them."""

from firmware.ui.strings import text


def programme(terminal, number: int) -> str:
    """The programme's name; its number when policy has none."""
    for known, name in terminal.programmes():
        if known == number:
            return name
    return text("programme_other", number)


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
