"""The kernel against a test card: both ways to a proof, both taps, and every way in which they end early."""

import hashlib

from firmware.card import errors, oda, records
from firmware.card.errors import (
    AuthenticationError,
    CardDeclined,
    CardError,
    CardProtocolError,
    CardRefused,
    CardRemoved,
    OtherCard,
    PinError,
    TerminalDeclined,
)
from protocol import records as wire
from tests.property.drivers import card_keys
from tests.property.drivers.card_model import (
    ARQC,
    CDA,
    CDOL1,
    DATE,
    DDA,
    PPSE,
    SDA,
    TC,
    UN,
    Card,
    Draw,
    Persona,
    Reader,
    bank,
    kernel_for,
    programme,
    programme_persona,
    rsa_key,
    run,
    tlv,
)
from tests.support.mp import raises, share

PIN = b"271828"
GOODS, CASH = wire.TENDER_GOODS, wire.TENDER_CASH
SELECT, VERIFY, GAC, GPO, DDA_COMMAND = 0xA4, 0x20, 0xAE, 0xA8, 0x88


class Tap:
    """A card, its reader and a kernel, after the first tap."""

    def __init__(self, card, *applications, **trust):
        self.card = card
        self.reader = Reader(card)
        self.kernel = kernel_for(card, *applications, **trust)
        self.draw = Draw()
        self.session = run(self.kernel.authenticate(self.reader, DATE))

    def prove(self, amount_rupiah=25000, tender=GOODS, date=DATE, **more):
        return run(
            self.kernel.generate_proof(
                self.reader, self.session, amount_rupiah, tender, date, self.draw, **more
            )
        )

    def fails(self, kind, **more):
        """The error that `prove` raises; no Unpredictable Number may have been drawn unless GENERATE AC was sent."""
        error = raises(kind, self.prove, **more)
        assert self.draw.count == len(self.reader.sent(GAC))
        return error


def programme_tap(**values):
    return Tap(Card(programme_persona(**values)))


def bank_tap(**values):
    return Tap(Card(Persona(**values)))


def test_the_programmes_card_checks_its_pin_and_gives_a_certificate():
    tap = programme_tap()
    proof = tap.prove(pin=PIN)
    assert (proof.cid, proof.application_index, proof.atc) == (TC, 0, tap.card.atc)
    assert (proof.tvr, proof.cvm_results, proof.aip) == (bytes(5), b"\x01\x03\x02", tap.card.aip)
    assert proof.is_signed and proof.oda_level == CDA and proof.icc_dynamic_number == b"\x55\x66\x77\x88"
    assert (proof.unpredictable_number, proof.transaction_date, proof.pan_sequence) == (UN, DATE, 1)
    # TC asked for, signed; CDOL1 filled in its order: hundredths of a rupiah, country, TVR, currency, date, type, UN.
    sent = tap.reader.sent(GAC)
    assert len(sent) == 1 and sent[0][2] == 0x50
    expected = "00000250000000000000000003600000000000036026031500c0ffee42230000010302"
    assert sent[0][5:-1].hex() == expected
    assert run(tap.kernel.close(tap.reader, tap.session)) == -1 and len(tap.reader.sent(GAC)) == 1


def test_a_banks_card_gives_a_request_that_is_the_proof():
    tap = bank_tap()
    proof = tap.prove()
    assert (proof.cid, proof.application_index, proof.is_signed) == (ARQC, 1, True)
    # No EMV cardholder verification took place, and both places say so.
    assert (proof.tvr, proof.cvm_results) == (b"\x00\x00\x80\x00\x00", b"\x3f\x00\x00")
    assert proof.iad.hex().upper() == tap.card.persona.iad
    # Then the card is told that its issuer was not reached.
    assert run(tap.kernel.close(tap.reader, tap.session)) == 0x00
    second = tap.reader.sent(GAC)[1]
    assert second[2] == 0x00 and second[5:7] == b"Z3"
    assert run(tap.kernel.close(tap.reader, tap.session)) == -1


def test_cash_is_another_transaction_type():
    tap = bank_tap()
    tap.prove(tender=CASH)
    assert tap.reader.sent(GAC)[0][5 + 24] == 0x01


def test_a_proof_fits_the_record():
    proof = bank_tap().prove()
    proof.un_attempt = 3
    octets = wire.encode_proof(proof)
    assert len(octets) == wire.PROOF_OCTETS + len(proof.iad) and proof.ac in octets


def test_the_session_shows_what_the_roster_needs():
    tap = bank_tap()
    session = tap.session
    assert bytes(session.pan) == bytes.fromhex("6013010123456784FFFF")
    assert (session.pan_sequence, session.expiry) == (1, bytes.fromhex("301231"))
    record = tap.card.records[(2, 3)]
    certificate = record[7 : 7 + tap.card.issuer.octets]
    assert (
        record[3:7] == bytes.fromhex("9F4681B0")
        and session.pin_binding == hashlib.sha256(certificate).digest()
    )
    static = bank_tap(level=SDA)
    signed = static.card.records[(2, 3)]
    assert static.session.pin_binding == hashlib.sha256(signed[signed.find(b"\x93") + 3 :]).digest()


def test_the_number_is_drawn_when_nothing_else_can_refuse():
    for tap, more in (
        (bank_tap(usage="DFC0"), {}),  # goods not allowed: denial code
        (bank_tap(iac_denial="0000800000"), {}),  # the issuer wants its PIN
        (programme_tap(), {"pin": b"111111"}),
        (programme_tap(cvm_list="00000000000000001F03"), {"pin": PIN}),
    ):
        tap.fails(CardError, **more)
        assert tap.draw.count == 0


def test_a_reason_of_the_terminal_is_told_with_the_tvr():
    error = bank_tap(usage="DFC0").fails(TerminalDeclined)
    assert (error.code, error.tvr) == (errors.TERMINAL_DECLINED, bytes.fromhex("0010800000"))
    # Expired: policy's default code refuses it offline at the programme's card, the bank's issuer sees it later.
    assert programme_tap(expiry="260228").fails(TerminalDeclined, pin=PIN).tvr == bytes.fromhex("0040000000")
    assert bank_tap(expiry="260228").prove().tvr == bytes.fromhex("0040800000")


def test_a_wrong_pin_leaves_the_card_ready_for_the_next():
    tap = programme_tap()
    assert tap.fails(PinError, pin=b"000000").tries_left == 2
    selections = len(tap.reader.sent(SELECT))
    assert tap.prove(pin=PIN).cid == TC
    assert len(tap.reader.sent(SELECT)) == selections


def test_a_refusal_while_the_number_is_drawn_leaves_the_card_ready():
    # That is where the terminal looks at the aid PIN: a wrong one must not cost another reading of the card.
    def refuse():
        raise KeyError

    tap = bank_tap()
    commands = len(tap.reader.log)
    for _ in range(2):
        raises(KeyError, run, tap.kernel.generate_proof(tap.reader, tap.session, 25000, GOODS, DATE, refuse))
    assert len(tap.reader.log) == commands
    assert tap.prove().is_signed and not tap.reader.sent(SELECT)[2:]


def test_a_reason_of_the_terminal_leaves_the_card_ready():
    tap = bank_tap(usage="DFC0")
    commands = len(tap.reader.log)
    tap.fails(TerminalDeclined)
    assert tap.session.live and len(tap.reader.log) == commands
    assert tap.prove(amount_rupiah=0, decline=True).is_signed


def test_a_blocked_pin_is_told():
    tap = programme_tap(tries=2)
    assert tap.fails(PinError, pin=b"000000").code == errors.PIN_WRONG
    for _ in range(2):  # the last try, and none left
        error = tap.fails(PinError, pin=b"000000")
        assert (error.code, error.tries_left) == (errors.PIN_BLOCKED, 0)


def test_the_programmes_card_is_not_asked_without_a_pin():
    tap = programme_tap()
    before = len(tap.reader.log)
    for pin in (None, b"", b"123", b"1234567890123", b"12 456", b"12345A", b"\x01\x02\x03\x04", bytearray(6)):
        assert tap.fails(PinError, pin=pin).code == errors.PIN_REQUIRED
    assert len(tap.reader.log) == before and tap.card.tries == 3


def test_a_programme_card_must_ask_for_its_pin():
    for values in ({"cvm_list": "000000000000000042031F03"}, {"aip_flags": 0x08}):
        assert programme_tap(**values).fails(PinError, pin=PIN).code == errors.PIN_UNSUPPORTED
    assert not programme_tap().reader.sent(VERIFY)


def test_a_card_that_declines_is_refused():
    assert bank_tap(offers=0x00).fails(CardDeclined).code == errors.CARD_DECLINED
    assert programme_tap(offers=0x00).fails(CardDeclined, pin=PIN).code == errors.CARD_DECLINED
    error = programme_tap(offers=ARQC).fails(CardDeclined, pin=PIN)
    assert (error.code, error.cid) == (errors.CARD_WANTS_ONLINE, ARQC)


def test_the_other_cdol1_is_refused_by_number():
    for dol in (CDOL1 + b"\x9f\x45\x02", CDOL1[:-3], CDOL1[:-1] + b"\x04", b""):
        error = raises(CardProtocolError, bank_tap, cdol1=dol)
        assert error.code == errors.CDOL1_UNKNOWN


def spoiled(tap, change):
    """Let `change` alter the answer to the next command."""
    at = len(tap.reader.log)
    tap.reader.spoil = lambda number, response: change(response) if number == at else response
    return tap


def always(answer):
    """A change that answers one thing whatever the card said."""
    return lambda _: answer


def instead(number, answer):
    """What a reader gives in place of the answer to command `number`."""
    return lambda at, response: answer if at == number else response


def gac_answer(cid, *objects):
    return tlv("77", tlv("9F27", bytes((cid,))) + tlv("9F36", b"\x01\x01") + b"".join(objects)) + b"\x90\x00"


AC = tlv("9F26", bytes(8))


def test_an_unsigned_or_shapeless_cryptogram_is_no_proof():
    for answer, code in (
        (gac_answer(ARQC, AC), errors.SIGNATURE_INVALID),
        (tlv("80", bytes((ARQC, 1, 1)) + bytes(8)) + b"\x90\x00", errors.SIGNATURE_INVALID),
        (gac_answer(ARQC, tlv("9F4B", bytes(144))), errors.SIGNATURE_INVALID),
        (gac_answer(ARQC, tlv("9F4B", bytes(20))), errors.SIGNATURE_INVALID),
        (gac_answer(ARQC), errors.DATA_MISSING),
        (gac_answer(ARQC, tlv("9F4B", b"")), errors.VALUE_WRONG),
        (gac_answer(ARQC, AC, tlv("9F10", bytes(33))), errors.VALUE_WRONG),
        (gac_answer(ARQC, AC, AC), errors.DATA_REPEATED),
        (gac_answer(0xC0, AC), errors.VALUE_WRONG),
        (gac_answer(TC, AC), errors.VALUE_WRONG),  # more than was asked for
        (tlv("77", tlv("9F36", b"\x01\x01") + AC) + b"\x90\x00", errors.DATA_MISSING),
        (tlv("77", tlv("9F27", b"\x80") + AC) + b"\x90\x00", errors.DATA_MISSING),
        (tlv("80", bytes(10)) + b"\x90\x00", errors.VALUE_WRONG),
        (tlv("80", bytes(44)) + b"\x90\x00", errors.VALUE_WRONG),
        (b"\x90\x00", errors.MALFORMED),
        (b"\x69\x85", errors.COMMAND_REFUSED),
    ):
        error = spoiled(bank_tap(), always(answer)).fails(CardError)
        assert error.code == code, (answer.hex(), str(error))


def test_what_is_signed_cannot_be_changed_on_the_way():
    good = []
    tap = spoiled(bank_tap(), lambda response: good.append(response) or response)
    tap.prove()
    for at in range(len(good[0]) - 2):
        changed = bytearray(good[0])
        changed[at] ^= 0x01
        again = spoiled(bank_tap(), always(bytes(changed)))
        again.card.atc = tap.card.atc
        again.fails(CardError)


def test_padding_between_the_objects_is_not_hashed():
    def padded(response):
        body = response[3:-2]  # 77 81 xx
        at = body.find(b"\x9f\x4b")
        return tlv("77", b"\x00" + body[:at] + b"\x00\x00" + body[at:] + b"\x00") + b"\x90\x00"

    assert spoiled(bank_tap(), padded).prove().is_signed


def test_another_transactions_signature_is_no_proof():
    good = []
    spoiled(bank_tap(), lambda response: good.append(response) or response).prove()
    error = spoiled(bank_tap(), lambda _: good[0]).fails(AuthenticationError, amount_rupiah=99000)
    assert (error.code, error.field) == (errors.SIGNATURE_INVALID, "tag 9F4B")


def test_dda_cards_sign_a_challenge_and_their_cryptogram_is_unsigned():
    tap = bank_tap(level=DDA)
    assert len(tap.reader.sent(DDA_COMMAND)) == 1
    proof = tap.prove()
    assert (proof.is_signed, proof.oda_level, len(proof.ac)) == (False, DDA, 8)
    assert tap.reader.sent(GAC)[0][2] == ARQC  # no signature asked for
    # A copy of the card's records without its key.
    clone = Card(Persona(level=DDA))
    clone.icc = rsa_key(card_keys.ICC_1024, 3)
    kernel = kernel_for(clone)
    error = raises(AuthenticationError, run, kernel.authenticate(Reader(clone), DATE))
    assert (error.code, error.field) == (errors.SIGNATURE_INVALID, "tag 9F4B")


def test_dda_answers_in_both_formats_and_only_with_our_number():
    card = Card(Persona(level=DDA))

    def as_template(number, response):
        return (
            tlv("77", tlv("9F4B", response[3:-2])) + b"\x90\x00" if response[:2] == b"\x80\x81" else response
        )

    assert run(kernel_for(card).authenticate(Reader(card, spoil=as_template), DATE)).oda_level == DDA
    for ddol, good in (("9F3704", True), ("9F3708", True), ("9F3703", False), ("9F4C04", False), ("", False)):
        card = Card(Persona(level=DDA, extra=tlv("9F49", bytes.fromhex(ddol))))
        if good:
            run(kernel_for(card).authenticate(Reader(card), DATE))
        else:
            error = raises(AuthenticationError, run, kernel_for(card).authenticate(Reader(card), DATE))
            assert error.field == "tag 9F49"


def test_static_cards_say_so_in_the_tvr():
    proof = bank_tap(level=SDA).prove()
    assert (proof.oda_level, proof.tvr, proof.is_signed) == (SDA, bytes.fromhex("0200800000"), False)


def test_both_formats_of_options_and_cryptogram():
    assert bank_tap(gpo_format_1=True).prove().is_signed
    assert bank_tap(gac_format_1=True, level=DDA).prove().cid == ARQC


def test_a_card_that_was_away_is_recognised():
    tap = bank_tap()
    tap.card.reset()
    tap.session.live = False
    atc = tap.card.atc
    proof = tap.prove()
    assert proof.atc == atc + 1 and tap.reader.sent(SELECT)[-1][5:-1] == tap.card.df_name


def test_an_unnoticed_absence_is_a_refusal_and_then_a_recognition():
    tap = bank_tap()
    tap.card.reset()
    assert tap.fails(CardRefused).sw == 0x6985
    assert tap.prove().is_signed


def test_a_second_proof_needs_a_fresh_start_of_the_card():
    tap = bank_tap()
    first = tap.prove()
    second = tap.prove()
    assert second.atc == first.atc + 1 and second.is_signed


def test_another_card_at_the_second_tap_is_found():
    for values in ({"pan": "6013010123456792"}, {"psn": "02"}, {"expiry": "300131"}, {"icc_exponent": 65537},
                   {"iac_denial": "0000000000"}, {"level": DDA}, {"aid": b"\xa0\x00\x00\x06\x02\x10\x11"},
                   {"issuer": card_keys.OTHER_ISSUER_1408}):  # fmt: skip
        tap = bank_tap()
        tap.reader.card = Card(Persona(**values))
        tap.session.live = False
        assert tap.fails(OtherCard).code == errors.OTHER_CARD, values
        assert "6013" not in str(tap.fails(OtherCard))
        # The right card again.
        tap.reader.card = tap.card
        tap.card.reset()
        assert tap.prove().is_signed


def test_a_dda_card_proves_itself_again_after_it_was_away():
    tap = bank_tap(level=DDA)
    tap.session.live = False
    tap.prove()
    assert len(tap.reader.sent(DDA_COMMAND)) == 2


def test_a_pdol_with_the_amount_starts_the_card_anew():
    pdol = bytes.fromhex("9F02069F3704")
    tap = bank_tap(pdol=pdol)
    assert tap.reader.sent(GPO)[0].hex() == "80a800000c830a" + "00" * 6 + "41424344" + "00"
    proof = tap.prove(amount_rupiah=25000)
    assert (
        proof.is_signed
        and tap.reader.sent(GPO)[1].hex() == "80a800000c830a" + "000002500000" + "41424344" + "00"
    )
    # Known beforehand, nothing has to be done twice.
    card = Card(Persona(pdol=pdol))
    reader = Reader(card)
    kernel = kernel_for(card)
    session = run(kernel.authenticate(reader, DATE, 25000, GOODS))
    run(kernel.generate_proof(reader, session, 25000, GOODS, DATE, Draw()))
    assert len(reader.sent(GPO)) == 1


def test_a_pdol_longer_than_a_short_length_octet():
    assert bank_tap(pdol=bytes.fromhex("9F0206" + "9F4E7C")).prove().is_signed


def test_a_void_or_goods_received_asks_for_a_refusal_of_zero():
    for tap in (programme_tap(), bank_tap()):
        proof = tap.prove(amount_rupiah=0, decline=True)
        assert (proof.cid, proof.is_signed, proof.cvm_results) == (0x00, True, b"\x3f\x00\x00")
        assert tap.reader.sent(GAC)[0][2] == 0x10 and not tap.reader.sent(VERIFY)
        assert run(tap.kernel.close(tap.reader, tap.session)) == -1


def test_a_card_that_leaves_an_aac_unsigned_shows_itself_by_dda():
    tap = bank_tap(signs_aac=False)
    proof = tap.prove(amount_rupiah=0, decline=True)
    assert (proof.is_signed, len(proof.ac)) == (False, 8) and len(tap.reader.sent(DDA_COMMAND)) == 1
    # One that can do neither is refused.
    tap = bank_tap(signs_aac=False)
    tap.session.aip = bytes((tap.session.aip[0] & ~oda.AIP_DDA, 0))
    assert tap.fails(AuthenticationError, amount_rupiah=0, decline=True).code == errors.SIGNATURE_INVALID


def test_risk_counters_come_from_the_card():
    tap = bank_tap(limits=(3, 5), counters=(0x0105, 0x0101))
    assert tap.prove().tvr == bytes.fromhex("0000804000")
    assert bank_tap(limits=(3, 5)).prove().tvr == bytes.fromhex("0000806000")
    assert bank_tap().prove(amount_rupiah=500000).tvr == bytes.fromhex("0000808000")
    assert bank_tap().prove(amount_rupiah=300000, previous_rupiah=200000).tvr == bytes.fromhex("0000808000")


class Several:
    """A card with more than one application."""

    def __init__(self, *cards):
        self.cards = cards
        self.current = cards[0]
        self.refuse_gpo = None

    def reset(self):
        for card in self.cards:
            card.reset()

    def answer(self, command):
        if command[1] == SELECT:
            self.reset()
            name = bytes(command[5 : 5 + command[4]])
            if name == PPSE:
                entries = b"".join(
                    [tlv("61", tlv("4F", card.df_name) + tlv("87", b"\x01")) for card in self.cards]
                )
                return tlv("6F", tlv("84", PPSE) + tlv("A5", tlv("BF0C", entries))) + b"\x90\x00"
            for card in self.cards:
                if card.df_name.startswith(name):
                    self.current = card
                    return card.answer(command)
            return b"\x6a\x82"
        if command[1] == GPO and self.current is self.refuse_gpo:
            return b"\x69\x85"
        return self.current.answer(command)


def test_the_programmes_application_comes_first():
    of_bank, of_programme = Card(Persona()), Card(programme_persona())
    card = Several(of_bank, of_programme)
    kernel = kernel_for(of_bank)
    kernel._trust.ca_keys.add(of_programme.ca_key())
    assert run(kernel.authenticate(Reader(card), DATE)).application.kind == programme().kind
    # Conditions of use not satisfied: the next application, without reading the directory again.
    card.refuse_gpo = of_programme
    reader = Reader(card)
    assert run(kernel.authenticate(reader, DATE)).application.kind == bank().kind
    assert [c[5:-1] for c in reader.sent(SELECT)] == [PPSE, of_programme.df_name, of_bank.df_name]
    # And none is left.
    alone = Several(of_programme)
    alone.refuse_gpo = of_programme
    error = raises(CardRefused, run, kernel.authenticate(Reader(alone), DATE))
    assert error.code == errors.NO_APPLICATION


def test_a_longer_df_name_is_the_one_selected_again():
    tap = bank_tap(df_name=bytes.fromhex("A000000602101001"))
    tap.session.live = False
    tap.prove()
    assert tap.reader.sent(SELECT)[-1][5:-1].hex() == "a000000602101001"


def test_the_closing_command_is_best_effort():
    for change in (lambda _: b"\x69\x85", lambda _: b"", lambda _: b"\x77\x05\x90\x00"):
        tap = bank_tap()
        tap.prove()
        assert run(spoiled(tap, change).kernel.close(tap.reader, tap.session)) == -1
    tap = bank_tap()
    tap.prove()
    tap.reader.pull_at = len(tap.reader.log)
    assert run(tap.kernel.close(tap.reader, tap.session)) == -1


def test_a_wiped_session_is_empty_and_of_no_use():
    tap = bank_tap()
    pan = tap.session.pan
    tap.session.wipe()
    assert pan == bytes(records.PAN_OCTETS) and not tap.session.data and not tap.session.pin_binding
    raises(ValueError, tap.prove)


def test_a_session_keeps_no_second_copy_of_the_pan():
    session = bank_tap().session
    pan = bytes(session.pan[:8])
    for name in dir(session):
        value = getattr(session, name)
        if name != "pan" and isinstance(value, (bytes, bytearray)):
            assert pan not in value, name
    for tag in session.data:
        assert pan not in session.data[tag], "%X" % tag


def conversation(persona, **more):
    """The card's responses in a good conversation of both phases."""
    good = []
    card = Card(persona)
    reader = Reader(card, spoil=lambda number, response: good.append(response) or response)
    kernel = kernel_for(card)
    session = run(kernel.authenticate(reader, DATE))
    run(kernel.generate_proof(reader, session, 25000, GOODS, DATE, Draw(), **more))
    return good


CONVERSATIONS = (
    (lambda: Persona(limits=(3, 5), counters=(0x0105, 0x0101), pdol=bytes.fromhex("9F1A02")), {}),
    (programme_persona, {"pin": PIN}),
    (lambda: Persona(level=DDA), {}),
)


def whole(card, reader, kernel, **more):
    session = run(kernel.authenticate(reader, DATE))
    return run(kernel.generate_proof(reader, session, 25000, GOODS, DATE, Draw(), **more))


def test_a_card_pulled_at_any_command_is_a_removed_card():
    for persona, more in CONVERSATIONS:
        steps = len(conversation(persona(), **more))
        for at in range(steps):
            card = Card(persona())
            error = raises(CardError, whole, card, Reader(card, pull_at=at), kernel_for(card), **more)
            assert isinstance(error, CardRemoved) and error.code == errors.CARD_REMOVED


def test_a_card_pulled_in_the_second_phase_can_be_tapped_again():
    steps = len(conversation(programme_persona(), pin=PIN))
    tap = programme_tap()
    for at in range(len(tap.reader.log), steps):
        tap = programme_tap()
        tap.reader.pull_at = at
        tap.fails(CardRemoved, pin=PIN)
        assert tap.prove(pin=PIN).cid == TC


def is_harmless(reader, number, answer):
    """Whether a spoiled answer to command `number` may leave the transaction whole.

    Without a directory the list of AIDs serves; a counter that the card does not tell counts as exceeded; 6C makes the
    terminal ask again; what stands before the status word of VERIFY means nothing.
    """
    instruction = reader.log[number][1]
    return (
        number == 0
        or instruction == 0xCA
        or answer[-2:-1] == b"\x6c"
        or (instruction == VERIFY and len(answer) > 2)
    )


def test_an_answer_cut_at_any_octet_is_a_typed_error():
    for persona, more in CONVERSATIONS:
        good = conversation(persona(), **more)
        card = Card(persona())
        kernel = kernel_for(card)
        for number in range(len(good)):
            # Without its status word an answer ends in two octets that are taken for one; both must be typed errors.
            for length in share(range(0, len(good[number]), 1 if len(good[number]) < 40 else 5)):
                for tail in (b"", b"\x90\x00"):
                    cut = good[number][:length] + tail
                    if cut == good[number]:
                        continue
                    card.reset()
                    card.tries = 3
                    reader = Reader(card, spoil=instead(number, cut))
                    try:
                        whole(card, reader, kernel, **more)
                    except CardError as error:
                        assert "6013" not in str(error)
                        continue
                    assert is_harmless(reader, number, cut), (number, length, reader.log[number].hex())


STATUS_WORDS = (
    b"\x62\x83", b"\x63\x00", b"\x63\xc0", b"\x63\xc3", b"\x69\x83", b"\x69\x84", b"\x69\x85", b"\x6a\x81", b"\x6a\x82",
    b"\x6a\x83", b"\x6c\x10", b"\x61\x10", b"\x90\x00", b"\x00\x00",
)  # fmt: skip


def test_every_answer_replaced_by_every_status_word_is_a_typed_error():
    for persona, more in CONVERSATIONS:
        good = conversation(persona(), **more)
        card = Card(persona())
        kernel = kernel_for(card)
        for number in range(len(good)):
            for sw in share(STATUS_WORDS):
                card.reset()
                card.tries = 3
                reader = Reader(card, spoil=instead(number, sw))
                try:
                    whole(card, reader, kernel, **more)
                except CardError:
                    continue
                assert good[number] == sw or is_harmless(reader, number, sw), (
                    number,
                    sw,
                    reader.log[number].hex(),
                )
