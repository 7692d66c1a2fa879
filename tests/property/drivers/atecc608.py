"""Drives the ATECC608 driver and key maker for tests/property/test_atecc608_driver.py.

A request is one octet that names the question, then its argument; see the functions.
"""

import gc

from firmware.crypto.atecc_signer import AteccSigner, SignatureRefused
from firmware.crypto.p256 import InvalidPublicKey
from firmware.drivers import atecc608_core as core
from firmware.drivers.atecc608 import Atecc608
from hardware.atecc608_faults import FaultPlan
from tests.unit.micropython.atecc608_twin import COUNT, PEER_KEY, Twin, operations, set_up_memory

FAST = 10


class Ticks:
    """A clock that moves when it is looked at."""

    def __init__(self):
        self._us = 0

    def ticks_ms(self):
        self._us += 100
        return self._us // 1000

    def ticks_diff(self, later, earlier):
        return later - earlier


class Babbler:
    """A bus whose chip answers a wake as it should, and then whatever it is given; at the end it is silent."""

    def __init__(self, answers, wakes):
        self._answers = answers
        self._wakes = wakes
        self._woken = False

    def writeto(self, address, octets):
        if address == 0:
            self._woken = True
            raise OSError(19)
        return len(octets)

    def readfrom_into(self, address, buffer):
        if self._woken and self._wakes:
            self._woken = False
            buffer[:] = b"\x04\x11\x33\x43"
            return
        answer = next(self._answers, None)
        if answer is None:
            raise OSError(19)
        for at in range(len(buffer)):
            buffer[at] = answer[at] if at < len(answer) else 0xFF


def chunks(octets):
    """A sequence of strings behind their lengths."""
    at = 0
    while at < len(octets):
        size = octets[at]
        yield octets[at + 1 : at + 1 + size]
        at += 1 + size


def grouped(parts):
    """The same as packets with count and CRC."""
    for part in parts:
        body = bytes((len(part) + 3,)) + part
        yield body + core.crc16(body)


def babble(argument):
    """Flags (1: wakes as it should, 2: packets are put in good groups), operation, answers: what became of it."""
    parts = chunks(argument[2:])
    if argument[0] & 2:
        parts = grouped(parts)
    chip = Atecc608(Babbler(parts, argument[0] & 1), 0x60, Ticks(), gc.collect)
    known = operations()
    operation = known[argument[1] % len(known)][0]
    try:
        answers = chip.run_now(operation)
    except core.AteccError as error:
        return type(error).__name__.encode()
    for at in range(len(operation)):
        assert len(answers[at]) == operation[at].octets
    return b"answered"


def lying_chip(argument):
    """Three strings: what a chip gives for a signature, a public key, a shared secret. What the key maker makes of them."""
    signature, public, shared = chunks(argument)

    class Chip:
        def random(self):
            return bytes(range(32))

        def sign(self, slot, digest):
            return signature

        def public_key(self, slot):
            return public

        def shared_x(self, slot, peer):
            return shared

    maker = AteccSigner(Chip())
    told = []
    for verb in (
        lambda: maker.seal(1, 2, bytes(32)),
        maker.public_keys,
        lambda: maker.verify_own(1, 2, bytes(32), signature),
        lambda: maker.agree(PEER_KEY, bytes, b"", ((b"up", 16),)),
    ):
        try:
            verb()
            told.append("ok")
        except (SignatureRefused, InvalidPublicKey) as error:
            told.append(type(error).__name__)
    return " ".join(told).encode()


def seal(argument):
    """kid 4, sequence 4, chain 32: seal key and seal of a set-up part."""
    kid = int.from_bytes(argument[:4], "big")
    maker = AteccSigner(Twin(speed_percent=FAST).driver)
    return maker.public_keys()[0] + maker.seal(kid, int.from_bytes(argument[4:8], "big"), argument[8:])


def bad_wire(argument):
    """Seed 4, permille of losses, flips, refusals 1 each, operation: right, or the error's name."""
    faults = FaultPlan(
        int.from_bytes(argument[:4], "big"),
        drop_permille=argument[4],
        flip_permille=argument[5],
        refuse_permille=argument[6],
    )
    twin = Twin(set_up_memory(COUNT), faults, speed_percent=FAST)
    known = operations()
    operation, is_right = known[argument[7] % len(known)]
    try:
        answers = twin.driver.run_now(operation)
    except core.AteccError as error:
        return type(error).__name__.encode()
    return b"right" if is_right(answers) else b"WRONG"


ASKED = {ord("b"): babble, ord("l"): lying_chip, ord("s"): seal, ord("w"): bad_wire}


def handle(request):
    return ASKED[request[0]](request[1:])
