"""AES-128-CCM gives RFC 3610's answers, opens only what was sealed under the same key, nonce and associated data."""

from firmware.crypto.ccm import AesCcm, AuthenticationError, LengthRefused
from tests.support.mp import raises

# RFC 3610, section 8, packet vectors 1 to 6 (M = 8): octets of header, of packet, what is sent after the header
RFC_KEY = bytes(range(0xC0, 0xD0))
RFC_3610 = (
    (8, 31, "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"),
    (8, 32, "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916"),
    (8, 33, "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5"),
    (12, 31, "a28c6865939a9a79faaa5c4c2a9d4a91cdac8c96c861b9c9e61ef1"),
    (12, 32, "dcf1fb7b5d9e23fb9d4e131253658ad86ebdca3e51e83f077d9c2d93"),
    (12, 33, "6fc1b011f006568b5171a42d953d469b2570a4bd87405a0443ac91cb94"),
)
NONCE = bytes(range(13))


def packet_vectors():
    for number in range(len(RFC_3610)):
        header_octets, packet_octets, sent = RFC_3610[number]
        nonce = bytes((0, 0, 0, 3 + number, 2 + number, 1 + number, number)) + bytes(range(0xA0, 0xA6))
        packet = bytes(range(packet_octets))
        yield nonce, packet[header_octets:], packet[:header_octets], bytes.fromhex(sent)


def test_answers_of_rfc_3610():
    cipher = AesCcm(RFC_KEY)
    for nonce, plaintext, header, sent in packet_vectors():
        assert cipher.encrypt(nonce, plaintext, header) == sent
        assert cipher.decrypt(nonce, sent, header) == plaintext


def test_answer_of_rfc_3610_with_a_key_and_packet_drawn_at_random():
    """Packet vector 13."""
    cipher = AesCcm(bytes.fromhex("d7828d13b2b0bdc325a76236df93cc6b"))
    nonce = bytes.fromhex("00412b4ea9cdbe3c9696766cfa")
    header = bytes.fromhex("0be1a88bace018b1")
    plaintext = bytes.fromhex("08e8cf97d820ea258460e96ad9cf5289054d895ceac47c")
    sent = bytes.fromhex("4cb97f86a2a4689a877947ab8091ef5386a6ffbdd080f8e78cf7cb0cddd7b3")
    assert cipher.encrypt(nonce, plaintext, header) == sent
    assert cipher.decrypt(nonce, sent, header) == plaintext


def test_every_length_around_the_blocks_comes_back():
    cipher = AesCcm(RFC_KEY)
    for length in range(50):
        for header_length in (0, 1, 13, 14, 15, 30):
            plaintext = bytes(range(length))
            header = bytes(range(header_length))
            sent = cipher.encrypt(NONCE, plaintext, header)
            assert len(sent) == length + 8
            assert cipher.decrypt(NONCE, sent, header) == plaintext


def test_more_blocks_than_one_octet_can_count():
    cipher = AesCcm(RFC_KEY)
    plaintext = bytes(range(256)) * 20
    sent = cipher.encrypt(NONCE, plaintext, b"")
    assert cipher.decrypt(NONCE, sent, b"") == plaintext
    # The key stream must not start anew after 256 blocks.
    zeros = cipher.encrypt(NONCE, bytes(16 * 300), b"")
    assert zeros[:16] != zeros[256 * 16 : 257 * 16]
    assert zeros[:16] != zeros[255 * 16 : 256 * 16]


def test_any_changed_bit_is_noticed():
    cipher = AesCcm(RFC_KEY)
    header = bytes(13)
    sent = cipher.encrypt(NONCE, b"redemption 150000", header)
    for part in range(3):
        for place in range(len((sent, header, NONCE)[part])):
            for bit in (0x01, 0x10, 0x80):
                parts = [bytearray(sent), bytearray(header), bytearray(NONCE)]
                parts[part][place] ^= bit
                changed, changed_header, changed_nonce = parts
                raises(AuthenticationError, cipher.decrypt, changed_nonce, changed, changed_header)


def test_any_cut_is_noticed():
    cipher = AesCcm(RFC_KEY)
    sent = cipher.encrypt(NONCE, b"redemption 150000", b"")
    for length in range(len(sent)):
        raises(AuthenticationError, cipher.decrypt, NONCE, sent[:length], b"")
    raises(AuthenticationError, cipher.decrypt, NONCE, sent + b"\x00", b"")


def test_another_key_opens_nothing():
    sent = AesCcm(RFC_KEY).encrypt(NONCE, b"redemption", b"")
    raises(AuthenticationError, AesCcm(bytes(16)).decrypt, NONCE, sent, b"")


def test_wrong_lengths_are_refused_by_name():
    cipher = AesCcm(RFC_KEY)
    assert "key" in str(raises(LengthRefused, AesCcm, bytes(32)))
    assert "nonce" in str(raises(LengthRefused, cipher.encrypt, bytes(12), b"", b""))
    assert "nonce" in str(raises(LengthRefused, cipher.decrypt, bytes(14), bytes(8), b""))
    assert "plaintext" in str(raises(LengthRefused, cipher.encrypt, NONCE, bytes(0x10000), b""))
    assert "associated" in str(raises(LengthRefused, cipher.encrypt, NONCE, b"", bytes(0xFF00)))


def test_errors_carry_no_content():
    cipher = AesCcm(RFC_KEY)
    sent = cipher.encrypt(NONCE, b"secret words", b"")
    text = str(raises(AuthenticationError, cipher.decrypt, NONCE, sent, b"other"))
    assert "secret" not in text
    assert sent.hex() not in text
