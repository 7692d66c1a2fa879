"""A whole tap, SELECT to GENERATE AC, through driver, chip model and card model, and every way to break it off."""

import json

from firmware.card.errors import CardRemoved
from firmware.drivers import pn532_core as core
from hardware.emv_card import crypto, personalise, profiles
from hardware.emv_card.card import REALISTIC_COMPUTE_MS, Card
from hardware.pn532_faults import FaultPlan
from tests.unit.micropython.pn532_twin import Twin, caught

# Short keys, so that MicroPython makes them in a moment; the real lengths are tested on CPython.
CA_BITS, ISSUER_BITS, ICC_BITS = 896, 768, 768
PAN, PSN, EXPIRY, PIN = "6013010000000017", "01", "281231", "482913"
SEED = b"conversation"
AAC, TC, ARQC = 0x00, 0x40, 0x80
OK = b"\x90\x00"

TERMINAL_DATA = {
    "9F02": "000020000000",
    "9F03": "000000000000",
    "9F1A": "0360",
    "95": "0000008000",
    "5F2A": "0360",
    "9A": "251121",
    "9C": "00",
    "9F37": "52BF4585",
    "9F35": "22",
    "9F45": "0000",
    "9F34": "1F0302",
    "8A": "5A31",
}
_cards = {}


def card_data(profile):
    """Personalisation data, as it comes out of a file."""
    if profile not in _cards:
        aid = profiles.PROFILES[profile]["aid"]
        ca = personalise.make_ca(CA_BITS, rid=aid[:10], seed=SEED)
        issuer = personalise.make_issuer(ca, bits=ISSUER_BITS, seed=SEED)
        pin = PIN if profiles.PROFILES[profile]["verifies_pin"] else None
        data = personalise.make_card(issuer, PAN, PSN, EXPIRY, profile, pin, ICC_BITS, seed=SEED)
        _cards[profile] = json.dumps(data)
    return json.loads(_cards[profile])


def both():
    return personalise.combine(card_data("programme"), card_data("nsiccs_online"))


def dol_data(items):
    return b"".join([bytes.fromhex(TERMINAL_DATA[tag]) for tag, _ in items])


def command(head, data=None):
    body = b"" if data is None else bytes([len(data)]) + data
    return bytes.fromhex(head) + body + b"\x00"


def tap(aid, reference, pin=False):
    """The APDUs of one tap."""
    pdol = b"\x03\x60\x22" if aid == profiles.NSICCS_DEBIT_AID else b""
    apdus = [
        command("00A40400", b"2PAY.SYS.DDF01"),
        command("00A40400", bytes.fromhex(aid)),
        command("80A80000", bytes([0x83, len(pdol)]) + pdol),
    ]
    apdus += [command("00B2%02X%02X" % (number, sfi << 3 | 4)) for sfi, number in ((1, 1), (1, 2), (2, 1))]
    apdus += [command("00B2%02X14" % number) for number in (2, 3)]
    if pin:
        apdus.append(command("00200080", bytes.fromhex("26%sFFFFFFFF" % PIN)))
    apdus.append(command("80AE%02X00" % reference, dol_data(profiles.CDOL1_ITEMS)))
    return apdus


async def on_reader(data, link="spi", faults=None, compute_ms=None):
    """A twin with the card found."""
    twin = Twin(link, faults)
    twin.card = Card(data, compute_ms)
    twin.chip.place(twin.card)
    await twin.reader.wait_for_card(1000)
    return twin


async def converse(twin, apdus):
    responses = []
    for apdu in apdus:
        responses.append(await twin.reader.transceive(apdu))
    return responses


def cid(response):
    assert response[-2:] == OK
    at = response.find(b"\x9f\x27\x01")
    return response[at + 3]


async def test_programme_tap_gives_a_signed_tc_on_every_link():
    for link in ("spi", "spi_lsb", "spi_polled", "hsu"):
        twin = await on_reader(both(), link)
        responses = await converse(twin, tap(profiles.PROGRAMME_AID, TC | 0x10, pin=True))
        assert all(response[-2:] == OK for response in responses)
        assert cid(responses[-1]) == TC and b"\x9f\x4b" in responses[-1]


async def test_bank_tap_gives_a_signed_arqc_and_no_verify():
    twin = await on_reader(both())
    responses = await converse(twin, tap(profiles.NSICCS_DEBIT_AID, ARQC | 0x10))
    assert cid(responses[-1]) == ARQC and b"\x9f\x4b" in responses[-1]
    second = command("80AE0000", dol_data(profiles.CDOL2_ITEMS))
    assert cid(await twin.reader.transceive(second)) == AAC
    assert all(header[1] != 0x20 for header in twin.card.commands)


async def test_the_signature_is_the_cards_own():
    """RSA and hash by a few lines of their own, on this very interpreter."""
    twin = await on_reader(card_data("programme"))
    apdus = tap(profiles.PROGRAMME_AID, TC | 0x10, pin=True)
    response = (await converse(twin, apdus))[-1]
    key = card_data("programme")["applications"][0]["icc_key"]
    at = response.find(b"\x9f\x4b\x60")
    plain = pow(int.from_bytes(response[at + 3 : at + 99], "big"), 3, int(key["n"], 16)).to_bytes(96, "big")
    assert plain[:3] == b"\x6a\x05\x01" and plain[-1] == 0xBC
    assert crypto.sha1(plain[1:-21] + bytes.fromhex(TERMINAL_DATA["9F37"])) == plain[-21:-1]
    unsigned = response[response.find(b"\x9f\x27") : at] + response[at + 99 : -2]
    hashed = crypto.sha1(dol_data(profiles.CDOL1_ITEMS) + unsigned)
    assert plain[4 + plain[3] - 20 : 4 + plain[3]] == hashed


async def test_a_slow_chip_in_the_card_asks_for_time():
    twin = await on_reader(card_data("nsiccs_online"), compute_ms=REALISTIC_COMPUTE_MS)
    before, apdus = twin.now_ms(), tap(profiles.NSICCS_DEBIT_AID, ARQC | 0x10)
    assert cid((await converse(twin, apdus))[-1]) == ARQC
    assert twin.now_ms() - before > REALISTIC_COMPUTE_MS[0xAE]


async def test_pulled_at_every_apdu_before_and_after():
    """A typed error each time, the field off, and the card works at the next tap, its counter risen at the most."""
    apdus = tap(profiles.PROGRAMME_AID, TC | 0x10, pin=True)
    for nth in range(1, len(apdus) + 1):
        for name in ("pull_before_apdu", "pull_after_apdu"):
            twin = await on_reader(card_data("programme"), faults=FaultPlan(**{name: nth}))
            await caught(CardRemoved, converse(twin, apdus))
            assert len(twin.card.commands) == (nth if name == "pull_after_apdu" else nth - 1)
            assert not twin.chip.field_on
            assert await twin.reader.wait_for_removal(1000)
            atc = twin.card.applications[0].atc
            twin.chip.place(twin.card)
            twin.chip.faults = FaultPlan()
            await twin.reader.wait_for_card(1000)
            assert cid((await converse(twin, apdus))[-1]) == TC
            assert twin.card.applications[0].atc == atc + 1
            assert twin.card.applications[0].pin_tries_left == 3


async def test_two_cards_in_the_field_see_no_apdu():
    twin = Twin()
    cards = [Card(card_data("programme")), Card(card_data("nsiccs_online"))]
    for card in cards:
        twin.chip.place(card)
    await caught(core.TwoCardsInField, twin.reader.wait_for_card(1000))
    assert all(card.commands == [] for card in cards)


async def test_state_goes_with_the_card():
    twin = await on_reader(both())
    await converse(twin, tap(profiles.PROGRAMME_AID, TC | 0x10, pin=True))
    state = json.loads(json.dumps(twin.card.state()))
    again = Card(both())
    again.load_state(state)
    assert [application.atc for application in again.applications] == [1, 0]
    assert again.applications[0].offline_rupiah == 200000
