"""Money, quantities and times read as people write them in Indonesia."""

from firmware.ui import format as fmt


def test_rupiah_have_a_dot_after_each_three_digits():
    for amount_rupiah, words in (
        (0, "Rp 0"),
        (7, "Rp 7"),
        (999, "Rp 999"),
        (1000, "Rp 1.000"),
        (200000, "Rp 200.000"),
        (99999999, "Rp 99.999.999"),
        (3760000000000, "Rp 3.760.000.000.000"),
        (-50000, "Rp -50.000"),
    ):
        assert fmt.rupiah(amount_rupiah) == words, (words, fmt.rupiah(amount_rupiah))


def test_quantities_use_a_comma_and_no_useless_zeros():
    for hundredths, words in (
        (1000, "10"),
        (150, "1,5"),
        (25, "0,25"),
        (5, "0,05"),
        (65535, "655,35"),
        (123456, "1.234,56"),
    ):
        assert fmt.quantity(hundredths) == words, (words, fmt.quantity(hundredths))


def test_typed_quantities_are_hundredths():
    for typed, hundredths in (
        ("", 0),
        ("7", 700),
        ("0,", 0),
        ("0,5", 50),
        ("0,05", 5),
        ("655,35", 65535),
        ("1,2", 120),
    ):
        assert fmt.parse_quantity(typed) == hundredths, typed


def test_a_line_of_goods_rounds_half_a_rupiah_up():
    for hundredths, price_rupiah, rupiah in (
        (1000, 13500, 135000),
        (25, 28000, 7000),
        (1, 50, 1),
        (1, 49, 0),
        (33, 100, 33),
    ):
        assert fmt.line_rupiah(hundredths, price_rupiah) == rupiah, (hundredths, price_rupiah)


def test_times_are_local_to_the_three_zones():
    noon_s = 1763708580  # 2025-11-21 07:03:00 UTC
    assert fmt.moment(noon_s, 420) == "21/11/2025 14:03 WIB"
    assert fmt.moment(noon_s, 480) == "21/11/2025 15:03 WITA"
    assert fmt.moment(noon_s, 540) == "21/11/2025 16:03 WIT"
    assert fmt.moment(noon_s + 10 * 3600, 420) == "22/11/2025 00:03 WIB"
    assert fmt.moment(0, 420) == "01/01/1970 07:00 WIB"
    assert fmt.moment(0xFFFFFFFF, 540) == "07/02/2106 15:28 WIT"
    assert fmt.zone(0) == "UTC+00:00"
    assert fmt.zone(-210) == "UTC-03:30"


def test_leap_days():
    assert fmt.date(1709164800, 0) == "29/02/2024"
    assert fmt.date(951782400, 0) == "29/02/2000"
    assert fmt.date(1740787200, 0) == "01/03/2025"


def test_ages_use_their_largest_whole_unit():
    for seconds, words in (
        (0, "0 menit"),
        (3599, "59 menit"),
        (3600, "1 jam"),
        (172799, "47 jam"),
        (172800, "2 hari"),
    ):
        assert fmt.age(seconds) == words, seconds


def test_lines_break_at_blanks_and_long_words_where_the_line_ends():
    assert fmt.wrap("", 5) == []
    assert fmt.wrap("  satu dua  tiga ", 8) == ["satu dua", "tiga"]
    assert fmt.wrap("abcdefghijk lm", 5) == ["abcde", "fghij", "k lm"]
    assert fmt.wrap("a abcde b", 5) == ["a", "abcde", "b"]


def test_what_is_cut_off_is_marked():
    assert fmt.shorten("Sembako", 7) == "Sembako"
    assert fmt.shorten("Sembako", 5) == "Semb."
    assert fmt.sides("Program", "Sembako", 16) == "Program  Sembako"
    assert fmt.sides("Program", "Sembako", 12) == "Pro. Sembako"


def test_letters_that_nothing_can_print_become_question_marks():
    assert fmt.plain("Caf\u00e9\n\x7f~") == "Caf???~"
