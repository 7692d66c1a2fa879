"""What the unix builds of MicroPython really offer; the firmware relies on no more than this."""

import binascii
import gc
import hashlib
import io
import os
import sys
import time

from tests.support.mp import raises, seed

VARIANTS = ("unix64", "unix32", "deb64")

IS_32_BIT = sys.maxsize == 2**31 - 1


def unhex(text):
    return binascii.unhexlify(text)


def test_it_is_micropython_1_25_or_newer():
    assert sys.implementation.name == "micropython"
    assert sys.implementation.version[:2] >= (1, 25)


def test_word_size():
    assert sys.maxsize in (2**31 - 1, 2**63 - 1)


def test_seed_is_below_2_to_the_30():
    assert 0 <= seed() < 1 << 30


def test_ticks_wrap_at_2_to_the_30_where_words_have_32_bits():
    assert time.ticks_add(0, -1) == (2**30 - 1 if IS_32_BIT else 2**62 - 1)
    assert time.ticks_diff(time.ticks_add(5, -10), 5) == -10


def test_aes_ecb_known_answer():
    """FIPS 197, appendix C.1."""
    import cryptolib

    key, clear = unhex("000102030405060708090a0b0c0d0e0f"), unhex("00112233445566778899aabbccddeeff")
    secret = unhex("69c4e0d86a7b0430d8cdb78070b4c55a")
    assert cryptolib.aes(key, 1).encrypt(clear) == secret
    assert cryptolib.aes(key, 1).decrypt(secret) == clear


def test_aes_ecb_takes_many_blocks_at_once():
    import cryptolib

    key, blocks = bytes(range(16)), bytes(range(64))
    one_by_one = b"".join([cryptolib.aes(key, 1).encrypt(blocks[i : i + 16]) for i in range(0, 64, 16)])
    assert cryptolib.aes(key, 1).encrypt(blocks) == one_by_one


def test_aes_cbc_known_answer():
    """NIST SP 800-38A, F.2.1, first two blocks."""
    import cryptolib

    key, iv = unhex("2b7e151628aed2a6abf7158809cf4f3c"), bytes(range(16))
    clear = unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
    secret = unhex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2")
    assert cryptolib.aes(key, 2, iv).encrypt(clear) == secret
    assert cryptolib.aes(key, 2, iv).decrypt(secret) == clear


def test_aes_has_no_counter_mode():
    import cryptolib

    raises(ValueError, cryptolib.aes, bytes(16), 6, bytes(16))


def test_sha256_known_answers():
    """FIPS 180-4 examples: one block, two blocks, nothing."""
    for message, digest in (
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ):
        assert hashlib.sha256(message).digest() == unhex(digest)


def test_sha1_known_answer():
    assert hashlib.sha1(b"abc").digest() == unhex("a9993e364706816aba3e25717850c26c9cd0d89d")


def test_urandom_gives_different_bytes():
    first, second = os.urandom(32), os.urandom(32)
    assert len(first) == 32
    assert first != second


def test_crc32_and_hex():
    assert binascii.crc32(b"123456789") == 0xCBF43926
    assert bytes.fromhex("00ff") == b"\x00\xff"
    assert b"\x00\xff".hex() == "00ff"


def test_framebuf_draws():
    import framebuf

    buffer = bytearray(8)
    framebuf.FrameBuffer(buffer, 8, 8, framebuf.MONO_HLSB).pixel(0, 0, 1)
    assert buffer[0] == 0x80


def test_littlefs_2_keeps_a_file():
    import vfs

    class Ram:
        def __init__(self):
            self.data = bytearray(16 * 4096)

        def readblocks(self, block, buffer, offset=0):
            start = block * 4096 + offset
            buffer[:] = self.data[start : start + len(buffer)]

        def writeblocks(self, block, buffer, offset=0):
            start = block * 4096 + offset
            self.data[start : start + len(buffer)] = buffer

        def ioctl(self, op, argument):
            return {4: 16, 5: 4096}.get(op, 0)

    ram = Ram()
    vfs.VfsLfs2.mkfs(ram)
    with vfs.VfsLfs2(ram).open("a", "w") as file:
        file.write("lumbung")
    with vfs.VfsLfs2(ram).open("a", "r") as file:
        assert file.read() == "lumbung"


def test_native_and_viper_code():
    scope = {}
    exec("import micropython\n@micropython.viper\ndef f(x: int) -> int:\n    return x + 1\n", scope)
    assert scope["f"](41) == 42


def test_sockets_select_and_termios():
    import select
    import socket
    import termios

    assert socket.socket and select.poll and termios.tcgetattr


def test_debians_build_has_no_tls():
    if sys.implementation.version[:2] == (1, 25):
        raises(ImportError, __import__, "ssl")
    else:
        import ssl

        assert ssl.SSLContext


def test_machine_is_nearly_empty_on_unix():
    import machine

    assert not hasattr(machine, "Pin")
    assert not hasattr(machine, "UART")


def test_modulus_of_big_numbers():
    modulus = 2**256 - 2**224 + 2**192 + 2**96 - 1
    assert pow(3, modulus - 1, modulus) == 1


def test_big_numbers_allocate_from_2_to_the_30_on_where_words_have_32_bits():
    def grown(value):
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        for _ in range(100):
            _kept = value + 1
        after = gc.mem_alloc()
        gc.enable()
        return after - before

    assert grown(2**29) < 100
    assert (grown(2**30) > 100 * 8) == IS_32_BIT


def test_an_exception_can_be_shown():
    out = io.StringIO()
    try:
        raise ValueError("seen")
    except ValueError as exc:
        sys.print_exception(exc, out)
    assert "ValueError: seen" in out.getvalue()


def test_asyncio_runs_tasks():
    import asyncio

    async def add(a, b):
        await asyncio.sleep_ms(1)
        return a + b

    async def both():
        return await asyncio.gather(add(1, 2), add(3, 4))

    assert asyncio.run(both()) == [3, 7]
