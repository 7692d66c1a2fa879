"""What the wasm build of MicroPython is good for: integer code with 32-bit words, and nothing beyond it."""

import gc
import hashlib
import os
import sys
import time

from tests.support.mp import raises

VARIANTS = ("wasm",)


def test_it_is_micropython_with_32_bit_words():
    assert sys.implementation.name == "micropython"
    assert sys.implementation.version[:2] >= (1, 29)
    assert sys.maxsize == 2**31 - 1
    assert time.ticks_add(0, -1) == 2**30 - 1


def test_integers_and_sha256_work():
    modulus = 2**256 - 2**224 + 2**192 + 2**96 - 1
    assert pow(3, modulus - 1, modulus) == 1
    assert hashlib.sha256(b"abc").digest()[:4] == b"\xba\x78\x16\xbf"


def test_numbers_from_2_to_the_30_on_allocate():
    gc.disable()
    before = gc.mem_alloc()
    small = 2**29 + len(sys.argv)
    between = gc.mem_alloc()
    big = 2**30 + len(sys.argv)
    after = gc.mem_alloc()
    gc.enable()
    assert (small, big) == (2**29 + len(sys.argv), 2**30 + len(sys.argv))
    assert between == before
    assert after > between


def test_what_it_lacks():
    for name in ("cryptolib", "machine", "socket", "termios", "ssl", "_thread"):
        raises(ImportError, __import__, name)
    assert not hasattr(os, "urandom")
    assert not hasattr(hashlib, "sha1")
    raises(SyntaxError, exec, "import micropython\n@micropython.viper\ndef f(x: int) -> int:\n    return x\n")
