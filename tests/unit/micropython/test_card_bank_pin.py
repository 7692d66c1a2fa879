"""The prohibition: a bank's application never gets VERIFY, whatever its CVM list, AIP or answers say."""

from firmware.card import cvm, errors, ways
from firmware.card.errors import CardError, PinError
from protocol.policy import KIND_BANK, KIND_PROGRAMME
from tests.property.drivers.card_model import (
    ARQC,
    CDA,
    DATE,
    DDA,
    SDA,
    TC,
    Card,
    Draw,
    Persona,
    Reader,
    kernel_for,
    run,
)
from tests.support.mp import raises, seed

H = bytes.fromhex
METHODS = (0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x1E, 0x1F, 0x20, 0x2A, 0x3F)
CONDITIONS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x7F, 0xFF)


def lists():
    """Every single rule of every method, with and without "apply next", and a few hundred longer lists."""
    for method in METHODS:
        for condition in CONDITIONS:
            yield "0000000000000000%02X%02X" % (method, condition)
            yield "0000006400000032%02X%02X%02X%02X" % (method | 0x40, condition, method, 0)
    state = seed()
    for _ in range(300):
        rules = ""
        for _ in range(1 + state % 6):
            state = (state * 1103515245 + 12345) % (1 << 30)
            rules += "%02X%02X" % (
                METHODS[state % len(METHODS)] | (state >> 8) % 2 * 0x40,
                (state >> 12) % 10,
            )
        yield "0000000000000000" + rules


def sent_to(**values):
    """All commands that a bank's card gets in both phases and the closing."""
    card = Card(Persona(offers=TC, **values))
    reader = Reader(card)
    kernel = kernel_for(card)
    session = run(kernel.authenticate(reader, DATE))
    proof = run(kernel.generate_proof(reader, session, 25000, 0, DATE, Draw()))
    assert (proof.cvm_results, proof.cid) == (cvm.NOT_PERFORMED, ARQC)
    run(kernel.close(reader, session))
    return reader.log, proof, session, kernel, reader


def test_no_cvm_list_makes_the_terminal_send_verify():
    # A list is authenticated with the card's certificate, so each needs a card of its own: static ones are cheapest.
    count = 0
    _, _, session, kernel, reader = sent_to(level=SDA)
    for cvm_list in lists():
        session.data[0x8E] = H(cvm_list)
        session.live = True
        reader.card.reset()
        run(reader.transceive(H("00A4040007A000000602101000")))
        run(reader.transceive(H("80A8000002830000")))
        proof = run(kernel.generate_proof(reader, session, 25000, count % 2, DATE, Draw()))
        assert proof.cvm_results == cvm.NOT_PERFORMED and proof.tvr[2] == 0x80
        count += 1
    assert count > 500
    instructions = {command[1] for command in reader.log}
    assert 0x20 not in instructions and 0x24 not in instructions
    # No octet of a PIN block is anywhere else either: VERIFY is the only command that would carry one.
    assert instructions == {0xA4, 0xA8, 0xB2, 0xAE}


def test_nor_at_any_level_with_the_whole_conversation_real():
    for level in (CDA, DDA, SDA):
        for cvm_list in ("00000000000000000100", "00000000000000004103", "0000000000000000030004000500",
                         "00000000000000000000", "0000000000000000"):  # fmt: skip
            for aip_flags in (0x00, 0x10, 0x18):
                log, proof, _, _, _ = sent_to(level=level, cvm_list=cvm_list, aip_flags=aip_flags)
                assert 0x20 not in [command[1] for command in log]
                assert proof.tvr[2] == (0x80 if aip_flags & 0x10 else 0)


def test_not_even_after_a_refusal_or_a_second_tap():
    card = Card(Persona(cvm_list="00000000000000000100", offers=0x00))
    reader = Reader(card)
    kernel = kernel_for(card)
    session = run(kernel.authenticate(reader, DATE))
    for _ in range(3):
        raises(CardError, run, kernel.generate_proof(reader, session, 25000, 0, DATE, Draw()))
    run(kernel.generate_proof(reader, session, 0, 0, DATE, Draw(), decline=True))
    assert 0x20 not in [command[1] for command in reader.log]


def test_a_pin_offered_for_a_bank_is_refused_before_anything_is_sent():
    card = Card(Persona(cvm_list="00000000000000000100", pin="271828"))
    reader = Reader(card)
    kernel = kernel_for(card)
    session = run(kernel.authenticate(reader, DATE))
    before = len(reader.log)
    draw = Draw()
    for decline in (False, True):
        error = raises(
            PinError,
            run,
            kernel.generate_proof(reader, session, 25000, 0, DATE, draw, pin=b"271828", decline=decline),
        )
        assert error.code == errors.PIN_FORBIDDEN and "271828" not in str(error)
    assert (len(reader.log), draw.count) == (before, 0)


def test_the_card_is_told_that_no_method_exists():
    bank, own = ways.WAYS[KIND_BANK], ways.WAYS[KIND_PROGRAMME]
    assert bank.cvms == () and own.cvms == (cvm.PLAINTEXT_PIN,)
    assert (bank.capabilities[1], own.capabilities[1]) == (0x00, 0x80)
