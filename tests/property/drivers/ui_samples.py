"""Every screen and receipt with usual and with extreme values; as a worker's driver it answers a name with the thing.

`handle(b"")` gives all names, one a line; `handle(b"screen ...")` the 1,024 octets of that screen's framebuffer,
`handle(b"receipt ...")` that document as JSON.
"""

import json

import framebuf

from firmware import refusals, states
from firmware.ledger import findings
from firmware.ui import bench_screens, receipts, screens, strings
from protocol import self_test
from protocol.records import GOODS_RECEIVED, PERIOD_CLOSE, RETURN, TENDER_CASH, TENDER_GOODS, VOID
from tests.property.drivers.ui_fakes import NOON_S, TERMINAL_ID, figures, receipt, totals

MOST_RUPIAH = 99_999_999
MOST_SEQUENCE = (1 << 23) - 1
MOST_ROSTER = 65535
# As long as a policy may make them.
LONGEST_NAME = "Bantuan Pangan Desa."
LONGEST_COMMODITY = "Beras Premium WW"
LONGEST_UNIT = "karungWW"
MOMENT = "21/11/2025 14:03 WITA"
_WHEN = "21/11/2025 14:03 WIB"

_MENU = tuple(
    [
        strings.text(k)
        for k in ("serve", "inquiry", "records", "reprint", "totals", "pending", "device", "other")
    ]
)
_GOODS = (
    ("Beras", "10 kg"),
    ("Telur", "1,5 kg"),
    ("Tempe", ""),
    ("Kacang hijau", ""),
    ("Isi jumlah saja", ""),
)
_GOODS_MOST = tuple([(LONGEST_COMMODITY, "655,35 " + LONGEST_UNIT)] * 9)
_RECORDS = (
    (131, "14:03", "-200.000", 0),
    (130, "13:58", "barang", 1),
    (129, "13:40", "75.500", 2),
    (128, "13:31", "200.000", 5),
)
_RECORDS_MOST = tuple([(MOST_SEQUENCE, "23:59", "-99.999.999", 3)] * 4)
_SEE = strings.text("key_see")
_TOTALS = (
    ("Banyak transaksi", "842"),
    ("Belanja", "160.400.000"),
    ("Tunai", "8.000.000"),
    ("Jumlah", "168.400.000"),
)
_DEVICE = (
    ("21/11/2025", "14:03 WIB"),
    ("Jam", "pasti"),
    ("Jaringan", "Daring SMS"),
    ("Perhatian", "Tidak ada"),
)
_OTHER = tuple([strings.text(k) for k in ("receive", "void", "give_back", "close")])
_VOID_WHY = tuple([strings.text(k) for k in ("void_amount", "void_goods", "void_family", "reason_other")])
_RAPID_WHY = tuple([strings.text(k) for k in ("rapid_queue", "rapid_held", "rapid_helped", "reason_other")])
_WHATS = ("void_same_card", "received_ask", "received_tap", "return_what", "close_what")
_WHAT = {key: strings.text(key) for key in _WHATS}
_PERIOD = tuple(receipts.period_rows(figures()))
_PERIOD_MOST = tuple(
    receipts.period_rows(figures((65535, 99_999_999_999), (65535, 99_999_999_999), (65535, 99_999_999_999)))
)
_LINES_MOST = tuple([("Belum terkirim", "99.999.999.999")] * 4)


def _usual() -> list:
    """(name, drawing function, values) of what is seen on an ordinary day."""
    return [
        ("idle", screens.idle, ("14:03 WIB", True, "Daring", 12, 2400000, (127, 0), 0)),
        ("idle-quiet", screens.idle, ("14:03 WIB", True, "Daring", 0, 0, (127, 2), 0)),
        ("idle-new", screens.idle, ("07:00 WIT", False, "-", 0, 0, (), 2)),
        ("last-recorded", screens.last_transaction, ("Transaksi terakhir", 127, 0, 200000, _WHEN)),
        ("last-void", screens.last_transaction, ("Pembatalan terakhir", 128, 0, 200000, _WHEN)),
        ("last-received", screens.last_transaction, ("Serah barang terakhir", 129, 0, 200000, _WHEN)),
        ("last-none", screens.last_transaction, ("Transaksi terakhir", 0, 0, 0, "")),
        ("login", screens.login, (3, False)),
        ("login-wrong", screens.login, (0, True)),
        ("menu", screens.choose, (strings.text("main_menu"), _MENU, 1)),
        ("programme", screens.choose, (strings.text("programme"), ("Sembako", "PKH tahap 4"), 0)),
        ("tender", screens.choose, (strings.text("tender"), ("Belanja", "Tunai"), 0)),
        ("basket", screens.basket, (_GOODS, 1, 157500)),
        ("quantity", screens.quantity, ("Telur", "kg", 28000, "1,5", 42000)),
        ("amount", screens.amount, ("Tunai - PKH", 350000, 600000)),
        ("amount-goods", screens.amount, ("Belanja - Sembako", 0, -1)),
        ("tap", screens.tap_card, ("Sembako", 200000)),
        ("tap-inquiry", screens.tap_card, ("Sembako", 0)),
        ("hold", screens.hold_card, ("Sembako", 200000)),
        ("balance", screens.balance, ("Sembako", 417, 600000, 3, 2)),
        ("confirm", screens.confirm, ("Belanja Sembako", 417, 200000, 600000)),
        ("pin", screens.pin, ("Sembako", 200000, 4, 3)),
        ("pin-last-try", screens.pin, ("Sembako", 200000, 0, 1)),
        ("recent", screens.recent, (127, 0, 200000, "14:03")),
        ("records", screens.record_list, (strings.text("records"), _RECORDS, 1, _SEE)),
        ("records-none", screens.record_list, (strings.text("records"), (), 0, _SEE)),
        ("void-which", screens.record_list, (strings.text("void"), _RECORDS[2:], 0, "Pilih")),
        ("pending", screens.pending, (12, 2400000, "12 hari", "Daring", "MQTT", "21/11 14:03")),
        ("pending-one-way", screens.pending, (12, 2400000, "3 jam", "Hubung", "", "")),
        ("pending-none", screens.pending, (0, 0, "", "Daring", "MQTT", "21/11 14:03")),
        ("other", screens.choose, (strings.text("other"), _OTHER, 0)),
        ("void-why", screens.choose, (strings.text("void_why"), _VOID_WHY, 1)),
        ("rapid-why", screens.choose, (strings.text("rapid_why"), _RAPID_WHY, 0)),
        (
            "void-ask",
            screens.question,
            (strings.text("void_number", 127), "417", 200000, _WHAT["void_same_card"], False),
        ),
        ("void-done", screens.recorded, ("Pembatalan", 128, 0, 200000, "Sisa hak", 600000)),
        (
            "received-ask",
            screens.question,
            (strings.text("received_number", 127), "417", 200000, _WHAT["received_ask"], True),
        ),
        (
            "received-tap",
            screens.question,
            (strings.text("received_number", 127), "417", 200000, _WHAT["received_tap"], False),
        ),
        ("return-ask", screens.question, ("Sembako", "417", 170000, _WHAT["return_what"], False)),
        ("return-done", screens.recorded, (strings.text("is_return"), 130, 0, 170000, "", 0)),
        ("close-figures", screens.table, ("Sembako", "Rp", _PERIOD, screens.CLOSE_KEYS)),
        ("close-ask", screens.question, ("Tutup periode", "Sembako", 5800000, _WHAT["close_what"], False)),
        ("record-void", screens.record, ("Pembatalan", 128, 0, 200000, 417, _WHEN)),
        ("record-close", screens.record, ("Tutup periode", 131, 1, 5800000, 0, _WHEN)),
        ("device", screens.table, (strings.text("device"), TERMINAL_ID, _DEVICE, screens.DEVICE_KEYS)),
        ("totals", screens.table, (strings.text("totals"), "Rp", _TOTALS, screens.TOTALS_KEYS)),
        ("basket-full", screens.basket_full, ()),
        ("printing", screens.printing, ()),
        ("print-failed", screens.print_failed, (strings.text("print_paper"), True)),
        ("print-failed-other", screens.print_failed, (strings.text("print_cover"), False)),
        ("starting", screens.starting, ()),
        ("stopped", screens.stopped, (4021, (127, 0))),
        ("stopped-new", screens.stopped, (4021, ())),
    ]


def _extreme() -> list:
    """(name, drawing function, values) with the largest amounts and the longest names there can be."""
    return [
        (
            "most-idle",
            screens.idle,
            ("23:59 UTC+12:45", False, "SATELIT-LEO", 99999, 99999999999, (MOST_SEQUENCE, 4), 12),
        ),
        ("most-last", screens.last_transaction, (LONGEST_NAME, MOST_SEQUENCE, 4, MOST_RUPIAH, MOMENT)),
        ("most-login", screens.login, (8, True)),
        ("most-choose", screens.choose, (LONGEST_NAME, (LONGEST_NAME,) * 12, 11)),
        ("most-basket", screens.basket, (_GOODS_MOST, 8, 8 * MOST_RUPIAH)),
        (
            "most-quantity",
            screens.quantity,
            (LONGEST_COMMODITY, LONGEST_UNIT, MOST_RUPIAH, "655,35", 65535 * MOST_RUPIAH // 100),
        ),
        ("most-amount", screens.amount, ("Belanja " + LONGEST_NAME, MOST_RUPIAH, MOST_RUPIAH)),
        ("most-tap", screens.tap_card, (LONGEST_NAME, MOST_RUPIAH)),
        ("most-hold", screens.hold_card, (LONGEST_NAME, MOST_RUPIAH)),
        ("most-balance", screens.balance, (LONGEST_NAME, MOST_ROSTER, MOST_RUPIAH, 255, 255)),
        ("most-confirm", screens.confirm, ("Belanja " + LONGEST_NAME, MOST_ROSTER, MOST_RUPIAH, MOST_RUPIAH)),
        ("most-pin", screens.pin, (LONGEST_NAME, MOST_RUPIAH, states.PIN_DIGITS, 0)),
        ("most-recent", screens.recent, (MOST_SEQUENCE, 4, MOST_RUPIAH, "23:59")),
        ("most-records", screens.record_list, (strings.text("records"), _RECORDS_MOST, 3, _SEE)),
        (
            "most-pending",
            screens.pending,
            (99999, 99999999999, "49710 hari", "SATELIT", "SATELIT", "31/12 23:59"),
        ),
        ("most-close", screens.table, (LONGEST_NAME, "Rp", _PERIOD_MOST, screens.CLOSE_KEYS)),
        (
            "most-question",
            screens.question,
            (strings.text("void_number", MOST_SEQUENCE), "65535", MOST_RUPIAH, _WHAT["received_ask"], True),
        ),
        (
            "most-recorded",
            screens.recorded,
            (strings.text("is_return"), MOST_SEQUENCE, 4, MOST_RUPIAH, "Sisa hak", MOST_RUPIAH),
        ),
        (
            "most-cable",
            screens.table,
            (
                strings.text("send_cable"),
                "",
                (
                    (strings.text("send_cable_ask"), ""),
                    (strings.text("send_cable_who"), ""),
                    ("", ""),
                    (strings.text("pending"), "%d" % MOST_SEQUENCE),
                ),
                screens.BACK_KEYS,
            ),
        ),
        ("most-totals", screens.table, (strings.text("totals"), "Rp", _LINES_MOST, screens.TOTALS_KEYS)),
        (
            "most-device",
            screens.table,
            (strings.text("device"), "FFFFFFFF", _LINES_MOST, screens.DEVICE_KEYS),
        ),
        ("most-stopped", screens.stopped, (0xFFFFFFFF, (MOST_SEQUENCE, 4))),
        ("foreign-letters", screens.choose, ("Caf\u00e9", ("\u5e03\u65bd", "\x00\x1f"), 0)),
    ]


def _by_number() -> list:
    """(name, drawing function, values) of what exists once for each state, refusal or notice."""
    all_of_them = []
    for state in range(len(strings.STATE_WORDS)):
        values = ("Sembako", 127, state, 200000, 400000)
        all_of_them.append(("granted-%d" % state, screens.granted, values))
        values = (LONGEST_NAME, MOST_SEQUENCE, state, MOST_RUPIAH, MOST_RUPIAH)
        all_of_them.append(("most-granted-%d" % state, screens.granted, values))
        values = ("Sembako", 127, state, 200000, 417, "21/11/2025 14:03 WIB")
        all_of_them.append(("record-%d" % state, screens.record, values))
        values = (LONGEST_NAME, MOST_SEQUENCE, state, MOST_RUPIAH, MOST_ROSTER, MOMENT)
        all_of_them.append(("most-record-%d" % state, screens.record, values))
    for number in range(1, refusals.LAST + 2):
        may_go_on = number in refusals.TRY_AGAIN
        detail = MOST_RUPIAH if screens.detail_text(number, 0) != "0" else 2
        all_of_them.append(("refused-%02d" % number, screens.refused, (number, detail, may_go_on)))
    for what in range(1, findings.JOURNAL + 1):
        found = findings.Finding(what, 12, 345, "journal", 0x1F3000)
        all_of_them.append(("finding-%d" % what, screens.finding, (found, what - 1, findings.JOURNAL)))
        most = findings.Finding(what, MOST_SEQUENCE, MOST_SEQUENCE, "identity_a", 0xFFFFFF)
        all_of_them.append(("most-finding-%d" % what, screens.finding, (most, 98, 99)))
    for number in range(1, states.NOTICE_LAST + 2):
        all_of_them.append(
            ("notice-%02d" % number, screens.notice, (number, number - 1, states.NOTICE_LAST + 1))
        )
    return all_of_them


def _of_the_bench() -> list:
    """The same while a technician tests the parts."""
    at_work = [("bench-" + part, bench_screens.bench_at_work, (part,)) for part in self_test.PARTS]
    rows = ("123X", "456C", "789M", "*0#E")
    return at_work + [
        ("bench-keys", bench_screens.bench_keys, (rows, "56C789M*0#E")),
        ("bench-keys-all", bench_screens.bench_keys, (rows, "".join(rows))),
        ("bench-pattern", bench_screens.bench_pattern, (False,)),
        ("bench-pattern-dark", bench_screens.bench_pattern, (True,)),
        ("bench-strip", bench_screens.bench_strip, ()),
        ("bench-card", bench_screens.bench_card, ()),
        ("bench-insert", bench_screens.bench_insert, ()),
        ("bench-open", bench_screens.bench_case, (False,)),
        ("bench-shut", bench_screens.bench_case, (True,)),
    ]


def samples() -> list:
    """All (name, drawing function, values)."""
    return _usual() + _extreme() + _of_the_bench() + _by_number()


GOODS = [("Beras", "kg", 1000, 13500), ("Telur", "kg", 150, 28000), ("Tempe", "papan", 300, 6000)]
_GOODS_LONGEST = [(LONGEST_COMMODITY, LONGEST_UNIT, 65535, MOST_RUPIAH)] * 8


def _most(state: int, **more):
    """A receipt with the largest values there can be."""
    return receipt(
        MOST_SEQUENCE,
        MOST_RUPIAH,
        state,
        remaining_rupiah=MOST_RUPIAH,
        roster_number=MOST_ROSTER,
        time_s=0xFFFFFFFF,
        is_time_sure=False,
        **more,
    )


def documents() -> list:
    """(name, document) of all kinds of paper, ordinary and extreme."""
    family, shop = receipts.FAMILY, receipts.SHOP
    found = []
    for state in range(len(strings.STATE_WORDS)):
        sale = receipt(127, 195_000, state, tender=TENDER_GOODS, remaining_rupiah=5_000)
        found.append(("sale-%d" % state, receipts.redemption(sale, "Sembako", GOODS, 420, family)))
        most = receipts.redemption(_most(state), LONGEST_NAME, _GOODS_LONGEST, 0, shop, True)
        found.append(("copy-most-%d" % state, most))
    cash = receipt(128, 600_000, tender=TENDER_CASH)
    found.append(("cash-shop", receipts.redemption(cash, "PKH", [], 480, shop)))
    now = (NOON_S, True, 420)
    for number in range(1, refusals.LAST + 2):
        words = screens.detail_text(number, 50_000)
        found.append(("refused-%02d" % number, receipts.refused(number, words, "Sembako", 417, now)))
        most = receipts.refused(
            number, screens.detail_text(number, MOST_RUPIAH), LONGEST_NAME, 0, (0, False, 0)
        )
        found.append(("refused-most-%02d" % number, most))
    day = totals(
        count=31,
        goods_rupiah=5_450_000,
        cash_rupiah=600_000,
        pending_rupiah=2_400_000,
        acknowledged_rupiah=3_650_000,
        settled_rupiah=1_600_000,
    )
    found.append(("totals", receipts.day_totals(day, TERMINAL_ID, now)))
    full = totals(count=99999, goods_rupiah=99_999_999_999, cash_rupiah=99_999_999_999)
    found.append(("totals-most", receipts.day_totals(full, TERMINAL_ID, (0xFFFFFFFF, False, 0))))
    more = {}
    for name, kind in (("void", VOID), ("goods-received", GOODS_RECEIVED), ("return", RETURN)):
        more["remaining_rupiah"] = 0 if kind == RETURN else 600_000
        more["reference"] = 0 if kind == RETURN else 127
        made = receipt(129, 200_000, kind=kind, **more)
        found.append((name, receipts.after_sale(made, "Sembako", 420, family)))
        most = _most(4, kind=kind, reference=MOST_SEQUENCE)
        found.append((name + "-most", receipts.after_sale(most, LONGEST_NAME, 0, shop, True)))
    late = receipt(129, 0, kind=GOODS_RECEIVED, programme=0, reference=127)
    found.append(("goods-received-late", receipts.after_sale(late, "", 420, family)))
    close = receipt(131, 5_800_000, kind=PERIOD_CLOSE, figures=figures())
    found.append(("close", receipts.period_close(close, "Sembako", 420)))
    counted = figures((65535, 99_999_999_999), (65535, 99_999_999_999), (65535, 99_999_999_999))
    counted.is_whole = False
    most = _most(4, kind=PERIOD_CLOSE, figures=counted)
    found.append(("close-most", receipts.period_close(most, LONGEST_NAME, 0, True)))
    return found


_kept = {}


def _made(make) -> list:
    """What `samples` or `documents` makes, made once: whoever draws them asks for each of them in turn."""
    if make not in _kept:
        _kept[make] = make()
    return _kept[make]


def _picture(wanted: str) -> bytearray:
    """The framebuffer of one screen."""
    for name, function, values in _made(samples):
        if name == wanted:
            picture = bytearray(1024)
            function(framebuf.FrameBuffer(picture, 128, 64, framebuf.MONO_VLSB), *values)
            return picture
    raise ValueError("no such screen: " + wanted)


def handle(request: bytes) -> bytes:
    """All names, or what the named one looks like."""
    if not request:
        names = ["screen " + sample[0] for sample in _made(samples)]
        return "\n".join(names + ["receipt " + name for name, _ in _made(documents)]).encode()
    kind, wanted = request.decode().split(" ", 1)
    if kind == "screen":
        return _picture(wanted)
    for name, document in _made(documents):
        if name == wanted:
            return json.dumps(document).encode()
    raise ValueError("no such receipt: " + wanted)
