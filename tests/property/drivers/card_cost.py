"""What a tap costs in the card room alone: plays recorded answers of a card, so that only our own code is counted.

card_cost.py record CA_E ISSUER_E ICC_E   prints the card's answers as JSON (signing takes long, so it is done apart)
card_cost.py run FILE PHASE COUNT         repeats a phase COUNT times: cold, warm (issuer cache) or proof
card_cost.py bytes FILE                   prints allocated bytes of each phase (collection off)

Instructions of one repetition are the difference of two runs under callgrind, divided by the difference of the counts.
"""

import gc
import hashlib
import json
import sys

sys.path[0] = __file__.rsplit("/", 4)[0] if __file__.count("/") >= 4 else "."

from firmware.card.ca_keys import CaKey, CaKeys  # noqa: E402 - only importable now
from firmware.card.certificates import IssuerCache  # noqa: E402
from firmware.card.kernel import CardKernel  # noqa: E402
from firmware.card.oda import Trust  # noqa: E402
from tests.property.drivers.card_model import (  # noqa: E402
    CA_INDEX,
    DATE,
    Card,
    Draw,
    Persona,
    Reader,
    bank,
    kernel_for,
    programme,
    run,
)

AMOUNT_RUPIAH = 25000


class Replay:
    """Answers with what was recorded, one after the other."""

    def __init__(self, responses):
        self.responses = responses
        self.at = 0

    async def transceive(self, command):
        self.at += 1
        return self.responses[self.at - 1]


def record(exponents):
    card = Card(Persona(ca_exponent=exponents[0], issuer_exponent=exponents[1], icc_exponent=exponents[2]))
    phases = [[], []]
    phase = phases[0]
    reader = Reader(card, spoil=lambda number, response: phase.append(response) or response)
    kernel = kernel_for(card)
    session = run(kernel.authenticate(reader, DATE))
    phase = phases[1]
    reader.spoil = lambda number, response: phase.append(response) or response
    run(kernel.generate_proof(reader, session, AMOUNT_RUPIAH, 0, DATE, Draw()))
    ca = [part.hex() for part in (card.persona.aid[:5], card.ca.modulus, card.ca.exponent)]
    print(json.dumps({"ca": ca, "phases": [[r.hex() for r in p] for p in phases]}))


def load(path):
    """(applications and trust of a kernel for the recorded card, its answers to both phases)."""
    with open(path) as file:
        recorded = json.load(file)
    rid, modulus, exponent = [bytes.fromhex(part) for part in recorded["ca"]]
    checksum = hashlib.sha1(rid + bytes((CA_INDEX,)) + modulus + exponent).digest()
    keys = CaKeys((CaKey(rid, CA_INDEX, modulus, exponent, checksum),))
    return keys, [[bytes.fromhex(r) for r in phase] for phase in recorded["phases"]]


def kernel_of(keys, cache):
    return CardKernel((programme(), bank()), Trust(keys, cache), bytes)


def authenticate(kernel, responses):
    return run(kernel.authenticate(Replay(responses), DATE))


def prove(kernel, session, responses):
    session.live = True
    return run(kernel.generate_proof(Replay(responses), session, AMOUNT_RUPIAH, 0, DATE, Draw()))


def repeat(path, phase, count):
    keys, (first, second) = load(path)
    cache = IssuerCache()
    kernel = kernel_of(keys, cache)
    session = authenticate(kernel, first)
    for _ in range(count):
        if phase == "cold":
            cache._entries.clear()
        if phase == "proof":
            prove(kernel, session, second)
        else:
            authenticate(kernel, first)


def allocated(path):
    keys, (first, second) = load(path)
    cache = IssuerCache()
    kernel = kernel_of(keys, cache)
    sessions = []
    phases = (
        ("cold", lambda: sessions.append(authenticate(kernel, first))),
        ("warm", lambda: sessions.append(authenticate(kernel, first))),
        ("proof", lambda: prove(kernel, sessions[0], second)),
    )
    for name, phase in phases:
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        phase()
        print(name, gc.mem_alloc() - before, "bytes")
        gc.enable()
    gc.collect()
    before = gc.mem_alloc()
    sessions.pop()
    gc.collect()
    print("session kept", before - gc.mem_alloc(), "bytes")


if sys.argv[1] == "record":
    record([int(e) for e in sys.argv[2:5]])
elif sys.argv[1] == "run":
    repeat(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    allocated(sys.argv[2])
