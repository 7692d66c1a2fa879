"""Money, quantities, dates and line breaks as people read them; integers in, plain ASCII text out."""

from protocol.civil_date import SECONDS_PER_DAY, from_days

_ZONES = ((420, "WIB"), (480, "WITA"), (540, "WIT"))


def plain(string: str) -> str:
    """`string` in printable ASCII: names come from a policy, and neither screen nor printer has other letters."""
    return "".join([c if " " <= c <= "~" else "?" for c in string])


def grouped(number: int) -> str:
    """A whole number with a dot after each three digits: 1.234.567."""
    digits = str(abs(number))
    groups = []
    while len(digits) > 3:
        groups.insert(0, digits[-3:])
        digits = digits[:-3]
    groups.insert(0, digits)
    return ("-" if number < 0 else "") + ".".join(groups)


def rupiah(amount_rupiah: int) -> str:
    """Rp 200.000."""
    return "Rp " + grouped(amount_rupiah)


def quantity(hundredths: int) -> str:
    """A quantity in hundredths of its unit, without useless zeros: 10, 2,5 or 0,25."""
    whole, rest = divmod(hundredths, 100)
    if not rest:
        return grouped(whole)
    return "%s,%s" % (grouped(whole), "%d" % (rest // 10) if rest % 10 == 0 else "%02d" % rest)


def parse_quantity(typed: str) -> int:
    """Hundredths of what was typed with digits, one comma and at most two digits behind it."""
    whole, _, rest = typed.partition(",")
    return int(whole or "0") * 100 + int((rest + "00")[:2])


def line_rupiah(quantity_hundredths: int, price_rupiah: int) -> int:
    """Price of a quantity at a price per whole unit; half a rupiah and more is rounded up."""
    return (quantity_hundredths * price_rupiah + 50) // 100


def zone(utc_offset_minutes: int) -> str:
    """WIB, WITA or WIT; any other offset as UTC+hh:mm."""
    for minutes, name in _ZONES:
        if minutes == utc_offset_minutes:
            return name
    sign = "-" if utc_offset_minutes < 0 else "+"
    return "UTC%s%02d:%02d" % ((sign,) + divmod(abs(utc_offset_minutes), 60))


def date(time_s: int, utc_offset_minutes: int) -> str:
    """21/11/2025, the local date of unsigned seconds since 1970."""
    year, month, day = from_days((time_s + utc_offset_minutes * 60) // SECONDS_PER_DAY)
    return "%02d/%02d/%d" % (day, month, year)


def clock(time_s: int, utc_offset_minutes: int) -> str:
    """14:03, the local time of unsigned seconds since 1970."""
    minutes = (time_s + utc_offset_minutes * 60) % SECONDS_PER_DAY // 60
    return "%02d:%02d" % divmod(minutes, 60)


def day_and_clock(time_s: int, utc_offset_minutes: int) -> str:
    """21/11 14:03, where the year is no question."""
    return "%s %s" % (date(time_s, utc_offset_minutes)[:5], clock(time_s, utc_offset_minutes))


def moment(time_s: int, utc_offset_minutes: int) -> str:
    """21/11/2025 14:03 WIB."""
    offset = utc_offset_minutes
    return "%s %s %s" % (date(time_s, offset), clock(time_s, offset), zone(offset))


def age(seconds: int) -> str:
    """A span of time in its largest whole unit: 5 menit, 3 jam, 12 hari."""
    if seconds < 3600:
        return "%d menit" % (seconds // 60)
    if seconds < 2 * SECONDS_PER_DAY:
        return "%d jam" % (seconds // 3600)
    return "%d hari" % (seconds // SECONDS_PER_DAY)


def shorten(string: str, columns: int) -> str:
    """`string` in at most `columns` letters; a full stop stands for what was cut off."""
    return string if len(string) <= columns else string[: columns - 1] + "."


def wrap(string: str, columns: int) -> list:
    """Lines of at most `columns` letters, broken at blanks; a longer word is broken where the line ends."""
    lines = []
    line = ""
    for word in string.split():
        if line and len(line) + 1 + len(word) <= columns:
            line += " " + word
            continue
        if line:
            lines.append(line)
        whole_lines = (len(word) - 1) // columns
        lines += [word[i * columns : (i + 1) * columns] for i in range(whole_lines)]
        line = word[whole_lines * columns :]
    if line:
        lines.append(line)
    return lines


def sides(left: str, right: str, columns: int) -> str:
    """One line with `left` at its start and `right` at its end; the left side gives way."""
    room = columns - len(right) - 1
    left = shorten(left, room)
    return left + " " * (columns - len(left) - len(right)) + right
