"""The terminal's own QR symbols: the same as the printer model's where the mask is, and read back in either mode."""

from firmware.drivers.qr_symbol import QrSymbol, modules_for
from hardware import qr_code
from protocol import carry
from tests.support.mp import raises, seed

HEAP = "16m"


def by_the_model(data):
    """Rows of the model's symbol at level M, with mask 0 where the model chooses the best."""
    version = qr_code.version_for(len(data), "M")
    bits = qr_code._bits(qr_code._with_checks(qr_code._codewords(data, version, "M"), version, "M"))
    symbol = qr_code._Symbol(version)
    symbol.place(bits, qr_code._MASKS[0])
    symbol.write_format(qr_code._LEVEL_BITS["M"] << 3)
    return symbol.rows


def same(symbol, rows):
    size = symbol.modules
    return size == len(rows) and all(
        symbol.is_dark(row, column) == bool(rows[row][column])
        for row in range(size)
        for column in range(size)
    )


def test_any_octets_make_the_symbol_that_the_model_makes():
    for version in range(1, 11):
        for size in (qr_code.capacity(version, "M"), qr_code.capacity(version, "M") - 1):
            data = bytes([(37 * place + size) % 256 for place in range(size)])
            assert same(QrSymbol(data), by_the_model(data)), (version, size)


def codewords_of(symbol, version):
    """The data codewords, read with the model's knowledge of where nothing else is."""
    blank = qr_code._Symbol(version)
    size = symbol.modules
    bits = []
    upward = True
    for pair in range(size - 1, 0, -2):
        right = pair - 1 if pair <= 6 else pair
        for step in range(size):
            row = size - 1 - step if upward else step
            for column in (right, right - 1):
                if not blank._taken[row][column]:
                    bits.append(int(symbol.is_dark(row, column)) ^ ((row + column) % 2 == 0))
        upward = not upward
    octets = bytearray()
    for at in range(0, len(bits) - 7, 8):
        value = 0
        for bit in bits[at : at + 8]:
            value = value << 1 | bit
        octets.append(value)
    count = qr_code._BLOCKS["M"][version - 1]
    total = qr_code._data_codewords(version, "M")
    lengths = [(total + place) // count for place in range(count)]
    blocks = [bytearray() for _ in range(count)]
    at = 0
    for place in range(max(lengths)):
        for block in range(count):
            if place < lengths[block]:
                blocks[block].append(octets[at])
                at += 1
    return b"".join([bytes(block) for block in blocks])


def letters_of(codewords, version):
    """What stands in a symbol of the alphanumeric mode."""
    bits = int.from_bytes(codewords, "big")
    left = 8 * len(codewords)

    def take(count):
        nonlocal left
        left -= count
        return bits >> left & (1 << count) - 1

    assert take(4) == 0b0010
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
    count = take(11 if version > 9 else 9)
    found = ""
    while count > 1:
        pair = take(11)
        found += letters[pair // 45] + letters[pair % 45]
        count -= 2
    return found + (letters[take(6)] if count else "")


def test_the_text_of_a_frame_takes_the_mode_that_is_made_for_it():
    random = seed()
    for size in (13, 14, 60, 61, 139, 140):
        frame = bytes([(random * (place + 1) >> 3) % 256 for place in range(size)])
        text = carry.qr_text(frame)
        symbol = QrSymbol(text.encode())
        version = (symbol.modules - 17) // 4
        assert letters_of(codewords_of(symbol, version), version) == text
    assert symbol.modules == 49, "a frame of 140 octets is a symbol of version 8"


def test_what_fits_no_symbol_is_refused():
    raises(ValueError, QrSymbol, bytes(214))
    assert modules_for(bytes(213)) == 57
