"""Driver: one transaction of the kernel with the card model of `hardware`, both on MicroPython; JSON in and out."""

import json

from firmware.card.ca_keys import CaKey, CaKeys
from firmware.card.certificates import IssuerCache
from firmware.card.errors import CardError
from firmware.card.kernel import CardKernel
from firmware.card.oda import Trust
from hardware.emv_card.card import Card
from hardware.emv_card.hostile import HostileCard
from protocol.records import TENDER_GOODS
from tests.property.drivers.card_model import DATE, Draw, bank, programme, run


class Reader:
    """Plain APDUs to a model card."""

    def __init__(self, card):
        self.card = card

    async def transceive(self, command):
        return self.card.exchange(bytes(command))


def key_of(public):
    """The CA key as the kernel is given it."""
    parts = [bytes.fromhex(public[name]) for name in ("rid", "modulus", "exponent", "checksum")]
    return CaKey(parts[0], public["index"], parts[1], parts[2], parts[3])


def transaction(asked):
    card = HostileCard(asked["card"], asked["trick"]) if asked.get("trick") else Card(asked["card"])
    card.activate()
    reader = Reader(card)
    keys = CaKeys([key_of(public) for public in asked["ca"]])
    applications = (programme(), bank())
    kernel = CardKernel(applications, Trust(keys, IssuerCache()), lambda count: b"\x21" * count)
    session = run(kernel.authenticate(reader, DATE))
    proofs = []
    for amount_rupiah, decline in asked["amounts"]:
        if asked.get("taken_away"):
            card.deactivate()
            card.activate()
            session.live = False
        pin = asked["pin"].encode() if asked["pin"] and not decline else None
        proof = run(
            kernel.generate_proof(reader, session, amount_rupiah, TENDER_GOODS, DATE, Draw(), pin, decline)
        )
        proofs.append(
            {
                "ac": proof.ac.hex(),
                "aip": proof.aip.hex(),
                "atc": proof.atc,
                "cid": proof.cid,
                "cvm_results": proof.cvm_results.hex(),
                "iad": proof.iad.hex(),
                "level": proof.oda_level,
                "signed": proof.is_signed,
                "tvr": proof.tvr.hex(),
                "un": proof.unpredictable_number.hex(),
                "second": run(kernel.close(reader, session)),
            }
        )
    commands = [bytes(command).hex() for command in card.commands]
    return {"proofs": proofs, "pan": bytes(session.pan).hex(), "commands": commands}


def handle(request):
    try:
        answer = transaction(json.loads(request))
    except CardError as error:
        answer = {"error": error.code, "text": str(error), "class": type(error).__name__}
    return json.dumps(answer).encode()
