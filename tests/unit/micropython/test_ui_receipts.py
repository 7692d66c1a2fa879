"""Receipts say what was bought, what remains and where the record stands; they fit the paper and tell no secret."""

from firmware import refusals, states
from firmware.drivers import escpos_printer
from firmware.ui import receipts, strings
from protocol.records import GOODS_RECEIVED, PERIOD_CLOSE, RETURN, TENDER_GOODS, VOID
from tests.property.drivers.ui_fakes import NOON_S, figures, printed, receipt, totals
from tests.property.drivers.ui_samples import GOODS, documents

MOMENT = (NOON_S, True, 420)


def test_every_line_fits_the_paper_and_is_plain():
    for name, document in documents():
        for part in document:
            if part[0] == "text":
                _, string, align, bold, double = part
                assert len(string) <= (16 if double else 32), (name, string)
                assert all(" " <= letter <= "~" for letter in string), (name, string)
                assert align in ("l", "c", "r") and bold in (True, False), (name, part)
        assert document[-1] == ("cut",), name


def test_every_kind_of_paper_has_a_sample():
    names = [name for name, _ in documents()]
    assert len(set(names)) == len(names)
    for kind in ("sale", "cash", "copy", "refused", "totals", "goods-received"):
        assert any(name.startswith(kind) for name in names), kind


def test_the_printer_driver_takes_every_document():
    for name, document in documents():
        style = escpos_printer.Style()
        octets = b"".join(
            [piece for part in document for piece in pieces(escpos_printer.encode(part, style))]
        )
        assert len(octets) > 200, name


def pieces(encoded):
    """What the driver made of one element, as a list of octet strings."""
    return [encoded] if isinstance(encoded, (bytes, bytearray)) else list(encoded)


def test_a_sale_names_goods_prices_remainder_number_time_programme_and_state():
    sale = receipt(127, 195_000, states.RECORDED, tender=TENDER_GOODS, remaining_rupiah=5_000)
    lines = printed(receipts.redemption(sale, "Sembako", GOODS, 420, receipts.FAMILY))
    paper = "\n".join(lines)
    for wanted in (
        "No. transaksi    7A1F03C2-000127",
        "Waktu       21/11/2025 14:03 WIB",
        "Program                  Sembako",
        "No. KPM                      417",
        "Cara                     Belanja",
        "Beras\n 10 kg x 13.500          135.000",
        "Telur\n 1,5 kg x 28.000          42.000",
        "Tempe\n 3 papan x 6.000          18.000",
        "JUMLAH\nRp 195.000",
        "Sisa hak                Rp 5.000",
        "TERCATAT",
        strings.text("paper_family"),
    ):
        assert wanted in paper, (wanted, paper)
    assert strings.text("paper_copy") not in lines


def test_prices_and_sums_of_goods_are_never_cut():
    goods = [("Beras", "karung", 1250, 150_000), ("Gula", "bungkus", 10000, 150_000)]
    lines = printed(receipts.redemption(receipt(127), "Sembako", goods, 420, receipts.FAMILY))
    at = lines.index("Beras")
    assert lines[at : at + 5] == [
        "Beras",
        " 12,5 karung x 150.000 1.875.000",
        "Gula",
        " 100 bungkus x 150.000",
        "15.000.000",
    ]


def test_each_state_is_explained_on_paper():
    for state in range(5):
        lines = printed(receipts.redemption(receipt(127, state=state), "Sembako", [], 420, receipts.SHOP))
        assert strings.STATE_WORDS[state] in lines
        assert strings.STATE_PAPER[state] in " ".join(lines), state


def test_a_reprint_is_marked_and_otherwise_the_same():
    first = receipts.redemption(receipt(127), "Sembako", GOODS, 420, receipts.FAMILY)
    second = receipts.redemption(receipt(127), "Sembako", GOODS, 420, receipts.FAMILY, True)
    mark = ("text", "SALINAN", "c", True, True)
    assert mark in second and mark not in first
    second.remove(mark)
    assert first == second


def test_advice_about_the_pin_goes_to_the_family_only():
    sale = receipt(127)
    family = " ".join(printed(receipts.redemption(sale, "Sembako", [], 420, receipts.FAMILY)))
    shop = " ".join(printed(receipts.redemption(sale, "Sembako", [], 420, receipts.SHOP)))
    assert strings.text("paper_secret") in family and strings.text("paper_secret") not in shop
    assert strings.text("paper_shop") in shop


def test_a_refusal_slip_has_number_reason_and_what_was_not_lost():
    lines = " ".join(
        printed(receipts.refused(refusals.AMOUNT_ABOVE_REMAINING, "Rp 50.000", "Sembako", 417, MOMENT))
    )
    for wanted in (
        "R14",
        "Jumlah melebihi sisa hak bantuan.",
        "Sisa Rp 50.000",
        strings.text("paper_not_debited"),
    ):
        assert wanted in lines, wanted
    uncertain = " ".join(printed(receipts.refused(3, "0", "", 0, (NOON_S, False, 420))))
    assert strings.text("paper_clock") in uncertain and strings.text("paper_roster") not in uncertain


def test_failed_flash_is_never_called_a_sale_that_did_not_count():
    """The record may read back at the next start; only that one tells."""
    lines = " ".join(printed(receipts.refused(refusals.FLASH_FAULT, "0", "Sembako", 417, MOMENT)))
    assert strings.text("paper_not_certain") in lines and strings.text("paper_not_debited") not in lines


def test_a_receipt_says_when_its_clock_was_uncertain():
    for is_sure in (True, False):
        sale = receipt(sequence=7, is_time_sure=is_sure)
        lines = " ".join(printed(receipts.redemption(sale, "Sembako", [], 420, receipts.FAMILY)))
        assert (strings.text("paper_clock") in lines) == (not is_sure)


def test_totals_by_state_add_up_to_the_sum():
    day = totals(
        count=7,
        goods_rupiah=1_000_000,
        cash_rupiah=400_000,
        acknowledged_rupiah=800_000,
        settled_rupiah=450_000,
        voided_rupiah=75_000,
    )
    rows = [value for _, value in receipts.totals_rows(day)]
    assert rows == ["7", "1.000.000", "400.000", "1.400.000", "600.000", "350.000", "450.000", "75.000"]


def test_what_follows_a_sale_refers_to_it_and_says_what_it_means():
    for kind, meaning in (
        (VOID, "paper_void_what"),
        (GOODS_RECEIVED, "paper_goods_received_what"),
        (RETURN, "paper_return_what"),
    ):
        made = receipt(129, 200_000, kind=kind, reference=0 if kind == RETURN else 127, roster_number=417)
        lines = printed(receipts.after_sale(made, "Sembako", 420, receipts.FAMILY))
        assert "No. transaksi    7A1F03C2-000129" in lines
        assert ("Untuk transaksi  7A1F03C2-000127" in lines) == (kind != RETURN)
        assert "Rp 200.000" in lines and "Sisa hak              Rp 400.000" in lines, lines
        assert strings.text(meaning) in " ".join(lines)
        assert strings.text("paper_copy") not in lines
        copy = printed(receipts.after_sale(made, "Sembako", 420, receipts.SHOP, True))
        assert strings.text("paper_copy") in copy and strings.text("paper_shop") in copy


def test_only_a_redemption_is_said_to_be_paid_for():
    void = receipt(129, 200_000, 0, kind=VOID, reference=127)
    words = " ".join(printed(receipts.after_sale(void, "Sembako", 420, receipts.FAMILY)))
    assert strings.STATE_PAPER_OTHER[0] in words and strings.STATE_PAPER[0] not in words


def test_a_period_close_prints_its_figures_and_whether_they_are_whole():
    close = receipt(131, 5_800_000, kind=PERIOD_CLOSE, figures=figures(), period=2025 * 12 + 10)
    lines = printed(receipts.period_close(close, "Sembako", 420))
    for wanted in (
        "31 ditebus          Rp 6.050.000",
        "2 batal               Rp 250.000",
        "Bersih              Rp 5.800.000",
        "1 kembali             Rp 170.000",
        "Periode                  11/2025",
    ):
        assert wanted in lines, lines
    assert strings.text("paper_not_whole") not in " ".join(lines)
    close.figures.is_whole = False
    assert strings.text("paper_not_whole") in " ".join(printed(receipts.period_close(close, "Sembako", 420)))
