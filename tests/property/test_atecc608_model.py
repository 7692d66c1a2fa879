"""The ATECC608 model on CPython: its curve is OpenSSL's, and no traffic breaks it or what it promises for ever."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import atecc608_commands as commands
from hardware import atecc608_curve as curve
from hardware import atecc608_frames as frames
from hardware.atecc608 import Atecc608
from hardware.atecc608_memory import COUNTER_MAX, Memory, decode_counter, encode_counter
from hardware.buses import I2cBus
from hardware.model_clock import ManualClock

ADDRESS = 0x60
ECDSA = ec.ECDSA(Prehashed(hashes.SHA256()))
scalars = st.one_of(st.integers(1, curve.N - 1), st.integers(1, 9), st.integers(curve.N - 9, curve.N - 1))
digests = st.one_of(st.binary(min_size=32, max_size=32), st.sampled_from([bytes(32), b"\xff" * 32]))


def openssl(private: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(private, ec.SECP256R1())


@settings(max_examples=25)
@given(private=scalars, peer=scalars)
def test_keys_and_secrets_are_those_of_openssl(private, peer):
    numbers = openssl(private).public_key().public_numbers()
    public = curve.multiply(private, curve.G)
    assert public == (numbers.x, numbers.y)
    assert curve.is_on_curve(public)
    shared = openssl(peer).exchange(ec.ECDH(), openssl(private).public_key())
    assert curve.multiply(peer, public)[0].to_bytes(32, "big") == shared


@settings(max_examples=25)
@given(private=scalars, nonce=scalars, digest=digests)
def test_signatures_are_accepted_both_ways(private, nonce, digest):
    public = curve.multiply(private, curve.G)
    r, s = curve.sign(private, digest, nonce)
    openssl(private).public_key().verify(encode_dss_signature(r, s), digest, ECDSA)
    r, s = decode_dss_signature(openssl(private).sign(digest, ECDSA))
    assert curve.verify(public, digest, r, s)
    assert not curve.verify(public, hashlib.sha256(digest).digest(), r, s)
    assert not curve.verify(public, digest, s, r)


@given(value=st.integers(0, COUNTER_MAX))
def test_counters_are_stored_and_read(value):
    assert decode_counter(encode_counter(value)) == value
    cleared = int.from_bytes(encode_counter(value)[:2], "big")
    assert cleared in {0xFFFF >> bits for bits in range(17)}


def packet(opcode: int, mode: int, key: int, data: bytes) -> bytes:
    body = bytes([len(data) + 7, opcode, mode, key & 0xFF, key >> 8]) + data
    return b"\x03" + body + frames.crc16(body)


opcodes = st.one_of(st.sampled_from(sorted(commands.TIMES_MS)), st.integers(0, 255))
modes = st.one_of(
    st.sampled_from([0x00, 0x01, 0x03, 0x04, 0x0C, 0x22, 0x43, 0x80, 0x81, 0x82, 0xA0]), st.integers(0, 255)
)
keys = st.one_of(st.integers(0, 15), st.integers(0, 0xFFFF))
datas = st.one_of(
    st.just(b""),
    st.binary(min_size=4, max_size=4),
    st.binary(min_size=32, max_size=32),
    st.binary(max_size=140),
)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("command"), st.builds(packet, opcodes, modes, keys, datas)),
        st.tuples(st.just("write"), st.binary(max_size=20)),
        st.tuples(st.just("read"), st.integers(1, 80)),
        st.tuples(st.just("pause_us"), st.sampled_from([100, 2000, 50000, 300000, 2000000])),
        st.tuples(st.just("wake"), st.none()),
        st.tuples(st.just("power"), st.none()),
    ),
    max_size=40,
)


def play(bus: I2cBus, part: Atecc608, clock: ManualClock, kind: str, value) -> bytes | None:
    """One action; what was read. A missing acknowledgement is all that may be raised."""
    try:
        if kind in {"command", "write"}:
            bus.writeto(ADDRESS, value)
        elif kind == "read":
            return bus.readfrom(ADDRESS, value)
        elif kind == "pause_us":
            clock.advance_us(value)
        elif kind == "power":
            part.power_cycle()
        else:
            bus.writeto(0, b"\x00")
    except OSError:
        clock.advance_us(1500)
    return None


@given(actions=actions, is_open=st.booleans())
def test_no_traffic_breaks_the_part_its_locks_or_its_counters(actions, is_open):
    memory = Memory()
    memory.keys[0] = 0x0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
    secret = memory.keys[0].to_bytes(32, "big")
    if not is_open:
        memory.config[86:88] = b"\x00\x00"
    clock, bus = ManualClock(), I2cBus(100000)
    drawn = iter(range(1 << 30))
    part = Atecc608(clock, memory, lambda size: hashlib.sha256(str(next(drawn)).encode()).digest()[:size])
    part.attach_to(bus, ADDRESS)
    counters, locks = [0, 0], [False, False]
    for kind, value in actions:
        heard = play(bus, part, clock, kind, value)
        assert heard is None or secret not in heard
        now = [memory.counter(0), memory.counter(1)]
        if memory.config_locked():  # before, the counters may be written
            assert now[0] >= counters[0]
            assert now[1] >= counters[1]
        counters = now
        locked = [memory.config_locked(), memory.data_locked()]
        assert locked >= locks or locked == [True, True]
        assert not (locks[0] and not locked[0])
        assert not (locks[1] and not locked[1])
        locks = locked
        assert memory.config[:2] == b"\x01\x23"
        assert memory.config[12] == 0xEE
