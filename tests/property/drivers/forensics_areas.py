"""Driver: the real documents and roster areas on modelled flash; requests and answers as in forensics_journal.py."""

import json

from firmware import settings
from firmware.hal.flash_area import FlashArea, FlashError
from firmware.ledger import document_area, roster_area, roster_writer
from firmware.ledger.document_area import Documents, DocumentsMissing, DocumentsTooLarge
from firmware.ledger.roster_area import RosterArea, RosterCheck, RosterMissing
from hardware.nor_faults import FaultPlan
from hardware.nor_flash import NorFlash, Partition, PowerCut
from protocol.errors import ProtocolError

AREA = 0x4000
ROSTER_AREA = 0x8000
SIZE = 2 * AREA + ROSTER_AREA


def areas(flash):
    """Both documents areas and one for a roster."""
    places = (("identity_a", 0, AREA), ("identity_b", AREA, AREA), ("roster_a", 2 * AREA, ROSTER_AREA))
    return {name: FlashArea(Partition(flash, name, offset, size), name) for name, offset, size in places}


def load(flash):
    """The documents as the firmware finds them, empty on a new chip."""
    documents = Documents(areas(flash)["identity_a"], areas(flash)["identity_b"])
    try:
        documents.load()
    except DocumentsMissing:
        pass
    return documents


def live(request):
    """Save documents and write rosters until done, whatever the plan does."""
    flash = NorFlash(SIZE)
    if request["plan"] is not None:
        flash.arm(FaultPlan(request["plan"][0], request["plan"][1]))
    for name, octets in request["operations"]:
        try:
            if name == "roster":
                roster_writer.write(areas(flash)["roster_a"], bytes.fromhex(octets))
            else:
                load(flash).save({number: bytes.fromhex(text) for number, text in octets})
        except PowerCut:
            flash.power_on()
        except (FlashError, DocumentsMissing, DocumentsTooLarge):
            pass
    image = bytearray(SIZE)
    flash.read_into(0, image)
    return {}, image


def fill(flash, image):
    """Put an image onto a new chip."""
    for place in range(0, SIZE, 256):
        if image[place : place + 256] != b"\xff" * 256:
            flash.page_program(place, image[place : place + 256])


def view(image):
    """What the firmware finds in an image."""
    flash = NorFlash(SIZE)
    fill(flash, image)
    documents = load(flash)
    answer = {"sections": [[name, documents.get(name).hex()] for name in documents.names()], "roster": None}
    try:
        roster = RosterArea(areas(flash)["roster_a"])
        answer["roster"] = [roster.number, roster.count, roster.cards, roster.digest.hex()]
        check = RosterCheck(roster)
        while check.step():
            pass
        answer["damaged"] = check.damaged
    except RosterMissing:
        pass
    except FlashError:
        answer["beyond"] = True  # the number of entries itself has rotted
    except ProtocolError:
        answer["beyond"] = True
    return answer, image


def read_settings(image):
    """The settings in an image, by name."""
    flash = NorFlash(SIZE)
    fill(flash, image)
    return settings.parse(load(flash).get(document_area.SETTINGS)), image


def handle(request):
    """One request."""
    length = int.from_bytes(request[:4], "big")
    asked = json.loads(request[4 : 4 + length])
    image = request[4 + length :]
    if asked["what"] == "formats":
        answer = {"documents": document_area.FORMAT, "roster": roster_area.FORMAT}
    elif asked["what"] == "settings":
        answer, image = read_settings(image)
    else:
        answer, image = live(asked) if asked["what"] == "live" else view(image)
    told = json.dumps(answer).encode()
    return len(told).to_bytes(4, "big") + told + bytes(image)
