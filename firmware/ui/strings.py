"""Every sentence that operator and family read, in Indonesian, by key or by number.

The screen has 21 letters to a line, a receipt 32; tests hold each entry to the room it has. `{}` takes a value.
"""

# One line of the screen each.
_LINES = {
    "name": "LUMBUNG",
    "main_menu": "Menu",
    "serve": "Layani keluarga",
    "inquiry": "Cek sisa hak",
    "records": "Daftar transaksi",
    "reprint": "Cetak ulang struk",
    "totals": "Total hari ini",
    "pending": "Belum terkirim",
    "device": "Keadaan alat",
    "other": "Layanan lain",
    "receive": "Barang diterima",
    "void": "Batalkan transaksi",
    "give_back": "Kembalikan hak",
    "close": "Tutup periode",
    "log_out": "Keluar",
    "login": "Kode petugas",
    "login_ask": "Ketik kode petugas",
    "login_wrong": "Kode salah",
    "programme": "Pilih program",
    "programme_other": "Program {}",
    "tender": "Belanja atau tunai?",
    "goods": "Belanja",
    "cash": "Tunai",
    "basket": "Barang",
    "basket_total": "Jumlah",
    "amount_only": "Isi jumlah saja",
    "basket_full": "Paling banyak 8 macam",
    "commodity_other": "Barang {}",
    "remaining": "Sisa hak",
    "remaining_after": "Sisa nanti",
    "roster_number": "No. KPM {}",
    "hamlet": "Dusun",
    "slot": "Jadwal",
    "tap": "TEMPEL",
    "card": "KARTU",
    "hold": "TAHAN KARTU",
    "hold_more": "Jangan angkat kartu",
    "pin": "PIN bantuan",
    "pin_tries": "sisa {} kali coba",
    "pin_secret": "Tutupi saat mengetik",
    "transaction_number": "No. {}",
    "failed": "GAGAL",
    "unknown_refusal": "Tidak dapat dilayani.",
    "ask_technician": "Hubungi teknisi.",
    "not_debited": "Hak tidak berkurang",
    "not_certain": "Belum pasti tercatat",
    "recent": "Sudah dilayani",
    "second": "Transaksi kedua?",
    "printing": "Mencetak struk...",
    "print_failed": "Printer",
    "print_stands": "Transaksi TETAP SAH",
    "print_paper": "Kertas habis.",
    "print_cover": "Tutup printer terbuka",
    "print_silent": "Periksa printer.",
    "last": "Transaksi terakhir",
    "last_void": "Pembatalan terakhir",
    "last_received": "Serah barang terakhir",
    "last_return": "Hak kembali terakhir",
    "last_close": "Tutup periode",
    "is_void": "Pembatalan",
    "is_received": "Barang diterima",
    "is_return": "Hak kembali",
    "is_close": "Tutup periode",
    "row_received": "barang",
    "row_return": "kembali",
    "row_close": "tutup",
    "rapid_why": "Mengapa beruntun?",
    "rapid_queue": "Antrean ramai",
    "rapid_held": "Kartu dititipkan",
    "rapid_helped": "Dibantu pendamping",
    "void_why": "Mengapa dibatalkan?",
    "void_amount": "Jumlah salah",
    "void_goods": "Barang tidak ada",
    "void_family": "Permintaan keluarga",
    "reason_other": "Alasan lain",
    "void_number": "No. {} batal?",
    "received_number": "No. {} barang",
    "voided": "Dibatalkan",
    "count_redeemed": "{} ditebus",
    "count_voided": "{} batal",
    "count_returned": "{} kembali",
    "net": "Bersih",
    "none_yet": "Belum ada transaksi",
    "nothing_pending": "Semua sudah terkirim",
    "waiting": "Antre {}",
    "pending_count": "{} catatan",
    "oldest": "Sejak {}",
    "heard": "Kabar",
    "never_heard": "belum ada",
    "count": "Banyak transaksi",
    "sum": "Jumlah",
    "unsent": "Belum kirim",
    "unpaid": "Belum bayar",
    "settled": "Dibayar",
    "clock_uncertain": "belum pasti",
    "clock_sure": "pasti",
    "clock_is": "Jam",
    "link": "Jaringan",
    "notice": "Perhatian",
    "memory": "Memori",
    "no_notices": "Tidak ada",
    "stopped": "ALAT BERHENTI",
    "stopped_code": "Kode {}",
    "stopped_what": "Catat kode ini.",
    "starting": "Menyiapkan...",
    "key_next": "Lanjut",
    "key_ok": "OK",
    "key_yes": "Setuju",
    "key_cancel": "Batal",
    "key_clear": "Hapus",
    "key_back": "Tutup",
    "key_done": "Selesai",
    "key_serve": "Layani",
    "key_menu": "Menu",
    "key_fill": "Isi",
    "key_choose": "Pilih",
    "key_move": "Geser",
    "key_comma": "Koma",
    "key_thousand": "Ribu",
    "key_again": "Ulangi",
    "key_print": "Cetak",
    "key_slip": "Bukti",
    "key_shop": "Struk toko",
    "key_second": "Tetap layani",
    "key_see": "Lihat",
    "key_send": "Kirim",
    "key_more": "Lagi",
    "key_card": "Kartu",
    "key_close": "Tutup",
    "key_other": "Lain",
    "send_how": "Kirim lewat",
    "send_codes": "Cetak kode QR",
    "send_cable": "Kabel USB",
    "send_cable_ask": "Sambungkan kabel",
    "send_cable_who": "ke laptop petugas",
    "bench": "Uji alat",
    "bench_wait": "Tunggu...",
    "bench_keys": "Tekan setiap tombol",
    "bench_insert": "Masukkan kartu",
    "bench_pattern": "Gambar utuh?",
    "bench_answers": "E utuh   X cacat",
    "bench_whole": "Utuh",
    "bench_broken": "Cacat",
}

# Wrapped on the screen.
_PARAGRAPHS = {
    "recent_what": "Kartu dan jumlah yang sama baru dilayani.",
    "print_what": "Struk tidak tercetak.",
    "void_same_card": "Tempel kartu yang sama. Tanpa PIN.",
    "received_ask": "Keluarga sudah terima semua barang?",
    "received_tap": "Serahkan barang, lalu tempel kartu.",
    "return_what": "Tidak dapat diambil lagi di alat ini.",
    "close_what": "Periode ini tidak dapat dibuka lagi.",
    "bench_strip": "Cetakan terbaca semua?",
    "bench_open": "Buka tutup alat.",
    "bench_shut": "Tutup alat rapat.",
}

# On paper: wrapped to 32 letters.
_PAPER = {
    "paper_title": "BUKTI PENERIMAAN BANTUAN",
    "paper_refused": "TRANSAKSI TIDAK DILAYANI",
    "paper_totals": "TOTAL HARI INI",
    "paper_goods_received": "BUKTI BARANG DITERIMA",
    "paper_codes": "CATATAN BELUM TERKIRIM",
    "paper_records": "Catatan",
    "paper_codes_what": "Foto semua kode dengan jelas dan kirim kepada pendamping.",
    "paper_copy": "SALINAN",
    "paper_family": "Lembar untuk keluarga",
    "paper_shop": "Lembar untuk toko",
    "paper_number": "No. transaksi",
    "paper_refers_to": "Untuk transaksi",
    "paper_time": "Waktu",
    "paper_printed": "Dicetak",
    "paper_terminal": "Alat",
    "paper_programme": "Program",
    "paper_roster": "No. KPM",
    "paper_tender": "Cara",
    "paper_total": "JUMLAH",
    "paper_remaining": "Sisa hak",
    "paper_secret": "PIN bantuan rahasia. Jangan diberikan kepada siapa pun.",
    "paper_keep": "Simpan struk ini. Barang dan harga tidak sesuai? Tanyakan kepada pendamping.",
    "paper_not_debited": "Hak bantuan tidak berkurang.",
    "paper_not_certain": "Belum pasti tercatat. Nyalakan ulang alat: layar pertama menunjukkan transaksi terakhir.",
    "paper_clock": "Jam alat belum pasti.",
    "paper_signature": "Tanda tangan",
    "paper_void": "BUKTI PEMBATALAN",
    "paper_return": "BUKTI PENGEMBALIAN HAK",
    "paper_close": "TUTUP PERIODE",
    "paper_voided": "DIBATALKAN",
    "paper_returned": "DIKEMBALIKAN",
    "paper_period": "Periode",
    "paper_void_what": "Hak bantuan kembali.",
    "paper_return_what": "Hak ini tidak dapat diambil lagi di alat ini.",
    "paper_close_what": "Sisa hak semua keluarga pada periode ini dikembalikan ke pusat.",
    "paper_not_whole": "Hitungan tidak lengkap: alat diperbarui di tengah periode.",
    "paper_goods_received_what": "Keluarga menyatakan barang sudah diterima lengkap.",
}

# Words by state (`firmware/states.py`), their meaning in one line of the screen and on paper.
STATE_WORDS = ("TERCATAT", "TERKIRIM", "DIBAYAR", "DITOLAK", "SENGKETA", "BATAL")
STATE_MEANINGS = (
    "Tersimpan di alat",
    "Sudah sampai di pusat",
    "Toko sudah dibayar",
    "Tanya pendamping.",
    "Sedang diperiksa",
    "Sudah dibatalkan",
)
STATE_PAPER = (
    "Transaksi ini sah, aman di alat walau listrik padam, dan dikirim ke pusat begitu ada jaringan.",
    "Catatan transaksi sudah diterima pusat dan menunggu dibayar ke e-Warong.",
    "Transaksi sudah dibayar ke e-Warong.",
    "Pusat menolak catatan ini. Tanyakan kepada pendamping.",
    "Catatan ini sedang diperiksa pusat. Simpan struk ini.",
    "Transaksi ini sudah dibatalkan dan tidak berlaku lagi.",
)
# The same on paper that is no redemption's: nobody is paid for it.
STATE_PAPER_OTHER = (
    "Catatan ini sah, aman di alat walau listrik padam, dan dikirim ke pusat begitu ada jaringan.",
    "Catatan ini sudah diterima pusat.",
)

# What the relay says of its link.
_LINKS = {"down": "Luring", "connecting": "Hubung", "up": "Daring"}

# The parts of a terminal (`protocol/self_test.py`), one line of the screen each.
_PARTS = {
    "reader": "Pembaca kartu",
    "keypad": "Tombol",
    "display": "Layar",
    "printer": "Printer",
    "modem": "Modem dan SIM",
    "flash": "Memori",
    "clock": "Jam",
    "entropy": "Sumber acak",
    "key-chip": "Chip kunci",
    "supply": "Tegangan",
    "case": "Saklar tutup",
    "contact-reader": "Pembaca celah",
}

# By refusal number (`firmware/refusals.py`): what is the matter (two lines of the screen), what to do (one line).
_REFUSALS = {
    1: ("Hak bantuan sudah habis atau belum ada.", "Tanya pendamping."),
    2: ("Masa berlaku hak bantuan sudah lewat.", "Cari sinyal dahulu."),
    3: ("Jam alat belum dapat dipercaya.", "Cari sinyal dahulu."),
    4: ("Kartu diblokir.", "Tanya pendamping."),
    5: ("Keaslian kartu tidak terbukti.", "Coba sekali lagi."),
    6: ("PIN salah.", "Sisa {} kali coba."),
    7: ("PIN terblokir.", "Tanya pendamping."),
    8: ("Jurnal alat sudah penuh.", "Kirim catatan dahulu."),
    9: ("Alat terkunci.", "Hubungi teknisi."),
    10: ("Kartu tidak terdaftar di alat ini.", "Tanya pendamping."),
    11: ("Ada dua kartu di pembaca.", "Tempel satu saja."),
    12: ("Kartu terangkat terlalu cepat.", "Tempel sekali lagi."),
    13: ("Kartu kedaluwarsa.", "Urus ke bank."),
    14: ("Jumlah melebihi sisa hak bantuan.", "Sisa {}"),
    15: ("Permintaan data kartu tidak dikenal.", "Hubungi teknisi."),
    16: ("Kartu menolak transaksi.", "Urus ke bank."),
    17: ("Ini bukan kartu bantuan.", "Pakai kartu KKS."),
    18: ("Kartu tidak terbaca.", "Tempel sekali lagi."),
    19: ("Kartu ini bukan kartu yang tadi.", "Pakai kartu semula."),
    20: ("PIN belum diketik.", "Ulangi dari awal."),
    21: ("Jumlah melebihi batas kartu jenis ini.", "Batas {}"),
    22: ("Batas selama jam alat belum pasti tercapai.", "Cari sinyal dahulu."),
    23: ("Periode bantuan sudah ditutup di alat ini.", "Tanya pendamping."),
    24: ("Hak program ini belum ada di alat.", "Cari sinyal dahulu."),
    25: ("Nomor transaksi alat sudah habis.", "Hubungi teknisi."),
    26: ("Pembaca kartu tidak bekerja.", "Hubungi teknisi."),
    27: ("Penyimpanan alat tidak bekerja.", "Nyalakan ulang alat."),
    28: ("Segel catatan tidak dapat dibuat.", "Hubungi teknisi."),
    29: ("Kartu belum mulai berlaku.", "Urus ke bank."),
    30: ("Jumlah ini tidak dapat dilayani.", "Periksa jumlahnya."),
    31: ("Jumlah yang sama baru saja dilayani.", "Lihat no. {}"),
    32: ("PIN bantuan kartu ini belum ada.", "Tanya pendamping."),
    33: ("Alat terlalu lama menunggu kartu.", "Coba sekali lagi."),
    34: ("Transaksi ini sudah dibatalkan.", "Lihat no. {}"),
    35: ("Barang sudah diterima keluarga.", "Lihat no. {}"),
    36: ("Ini bukan kartu transaksi itu.", "Pakai kartu no. {}"),
    37: ("Transaksi ini tidak sesuai.", "Periksa nomornya."),
    38: ("Hak kartu ini sudah dikembalikan.", "Lihat no. {}"),
    39: ("Ditolak atau sedang diperiksa pusat.", "Tanya pendamping."),
    40: ("Alat ini sudah ditarik pusat.", "Hubungi pendamping."),
}

# By notice number (`firmware/states.py`): three lines of the screen.
_NOTICES = {
    1: "Jam alat belum pasti. Cari sinyal dahulu.",
    2: "Jurnal hampir penuh. Kirim catatan segera.",
    3: "Masa berlaku hak hampir lewat. Cari sinyal.",
    4: "Alat terkunci. Hubungi teknisi.",
    5: "Ada transaksi yang sedang diperiksa pusat.",
    6: "Ada transaksi yang ditolak pusat.",
    7: "Printer tidak bekerja. Periksa kertas.",
    8: "Hak baru tidak cocok dengan daftar di alat.",
    9: "Alat pernah dibuka. Hubungi teknisi.",
    10: "Kabar dari pusat tidak cocok. Hubungi teknisi.",
    11: "Pembaca kartu tidak bekerja.",
    12: "Catatan lama belum terkirim. Cari sinyal.",
    13: "Memori alat rusak. Hubungi teknisi.",
    14: "Tanda tangan alat rusak. Hubungi teknisi.",
    15: "Sumber acak alat diragukan. Hubungi teknisi.",
    16: "Sebagian memori tidak dipakai lagi. Beri tahu teknisi.",
    17: "Sebagian setelan tidak terbaca. Hubungi teknisi.",
    18: "Alat ini sudah diganti alat lain. Hubungi pendamping.",
    19: "Izin alat ini dicabut pusat. Hubungi pendamping.",
}

# By what a technician finds of the flash (`firmware/ledger/findings.py`): two lines of the screen, first and last number.
_FINDINGS = {
    1: "Sektor {} tidak dipakai lagi",
    2: "Kepala sektor {} rusak",
    3: "Catatan {} sampai {} hilang",
    4: "Data keluarga no. {} rusak",
    5: "Daftar keluarga rusak",
    6: "Dokumen terbaru rusak, yang lama dipakai",
    7: "Data hak program {} rusak",
    8: "Jurnal tidak menerima catatan",
}
_FAMILY = 4


def text(key: str, *values) -> str:
    """The sentence under `key`, with `values` in the places of `{}`; KeyError when there is none."""
    for table in (_LINES, _PARAGRAPHS, _PAPER):
        if key in table:
            return table[key].format(*values)
    raise KeyError(key)


def refusal(number: int, detail: str) -> tuple:
    """(what is the matter, what to do) of a refusal; `detail` as it is to be read, a number nobody knows has a general one."""
    if number not in _REFUSALS:
        return text("unknown_refusal"), text("ask_technician")
    matter, advice = _REFUSALS[number]
    return matter, advice.format(detail)


def notice(number: int) -> str:
    """The sentence of a notice."""
    return _NOTICES.get(number, text("ask_technician"))


def finding(what: int, first: int, last: int) -> str:
    """The sentence of something that flash does not give back."""
    # A family is known by its number on the roster, which counts from 1.
    return _FINDINGS[what].format(first + 1 if what == _FAMILY else first, last)


def bench_part(part: str) -> str:
    """The word for a part of the terminal."""
    return _PARTS.get(part, part)


def link_word(link: str) -> str:
    """The word for a link's state; one that is not known here is shown as it is."""
    return _LINKS.get(link, link)
