"""A provisioned terminal whose keys are in an ATECC608: its flash, and the part as a fitting of `Bench` and `Shop`."""

from firmware import provisioning
from firmware.crypto.p256_curve import N
from firmware.key_chip import encode_section
from firmware.ledger import document_area
from hardware.atecc608 import Atecc608
from tests.support.mp import seed
from tests.support.mp_terminal import copy_of, documents_of_the_world, provisioned_flash
from tests.unit.micropython.atecc608_twin import Stream, set_up_memory
from tools.virtual_board import VirtualBoard

SPEED_PERCENT = 5


def chip_flash():
    """The flash of the world's terminal, with its keys in a chip."""
    flash = copy_of(provisioned_flash())
    opened = provisioning.open_documents(VirtualBoard(flash=flash).board.flash)
    sections = {document_area.SEAL_PRIVATE: b"", document_area.AGREEMENT_PRIVATE: b""}
    sections[document_area.KEY_CHIP] = encode_section((0, 0))
    opened.save(sections)
    return flash


class ChipFitting:
    """`fittings` of every life: `memory` is what the part keeps without power, `part` that of the present life.

    `faults`: what is wrong with it in the lives to come; `entropy`: what its generator gives, going on from life to life.
    """

    def __init__(self):
        self.memory = set_up_memory()
        draws = documents_of_the_world()["draws"]
        for slot in (0, 1):
            self.memory.keys[slot] = int.from_bytes(bytes.fromhex(draws[slot]), "big") % (N - 1) + 1
        self.faults = None
        self.entropy = Stream(seed())
        self.part = None

    def __call__(self, models):
        self.part = Atecc608(models, self.memory, self.entropy, self.faults, SPEED_PERCENT)
        return {"secure_element": self.part}

    @property
    def counts(self):
        return self.memory.counter(0), self.memory.counter(1)
