"""The power fails at every flash operation of provisioning at the cable, in both fittings; the same steps then end well."""

from firmware import main

main.load()

from binascii import hexlify  # noqa: E402

from firmware import provisioning  # noqa: E402
from firmware.console.identity import IdentityCommands  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from firmware.parts import Parts  # noqa: E402
from hardware.atecc608 import Atecc608  # noqa: E402
from hardware.atecc608_memory import Memory  # noqa: E402
from hardware.nor_faults import TEARS, FaultPlan, cut  # noqa: E402
from hardware.nor_flash import NorFlash, PowerCut  # noqa: E402
from tests.support.mp import seed  # noqa: E402
from tests.support.mp_terminal import (  # noqa: E402
    FLASH_BYTES,
    KID,
    NOW_S,
    Bench,
    Draws,
    documents_of_the_world,
)
from tests.support.mp_time import ModelTime  # noqa: E402
from tools.virtual_board import VirtualBoard  # noqa: E402

HEAP = "24m"
TIMEOUT_S = 240
VARIANTS = ("unix64",)


class Cable:
    """Stands for the console: gives `octets` to the command, keeps what it sends."""

    def __init__(self):
        self.octets = b""
        self.sent = b""

    async def receive(self):
        return self.octets

    async def send(self, octets):
        self.sent = octets


class Life:
    """The terminal from one power-on to the next; `chip` is the memory of its key chip, None without one."""

    def __init__(self, flash, chip):
        self.time = ModelTime()
        part = None if chip is None else Atecc608(self.time.models, chip, speed_percent=5)
        self.board = VirtualBoard(
            flash=flash,
            clock=self.time,
            model_clock=self.time.models,
            rtc_epoch_s=0,
            entropy=Draws([bytes.fromhex(draw) for draw in documents_of_the_world()["draws"]]),
            secure_element=part,
        ).board
        self.restarts = 0
        self.cable = Cable()
        self.commands = IdentityCommands(self.board, Parts(self.board), lambda: False, self._restart).commands

    def _restart(self):
        self.restarts += 1

    def run(self, coroutine):
        """To its end; what it raises is raised here."""

        async def outcome():
            try:
                return await coroutine, None
            except Exception as error:
                return None, error

        result, error = self.time.run(outcome())
        if error is not None:
            raise error
        return result

    async def tell(self, line, octets=b""):
        words = line.split()
        self.cable.octets = octets
        return dict(await self.commands[words[0]](self.cable, words[1:]))

    async def provision(self, sections, roster, is_chip):
        """What the laptop does, from wherever the terminal is; the kid that it has then."""
        told = await self.tell("identity")
        if told["state"] == "ready":
            return told["kid"]
        if is_chip:
            await self.tell("chip-lock for-ever")
        if told["state"] != "keys":
            await self.tell("keys %08x %s" % (KID, "chip" if is_chip else "software"))
        if is_chip:
            return "%08x" % KID  # the world's certificate is for software keys
        await self.tell("clock %d" % NOW_S)
        for name in sorted(sections):
            await self.tell("document %d 0" % name, sections[name])
        await self.tell("document roster 0", roster)
        name = hexlify(provisioning.manifest(sections, roster)).decode()
        return (await self.tell("install " + name))["kid"]


def given():
    world = documents_of_the_world()
    sections = {}
    for name in world["sections"]:
        sections[int(name)] = bytes.fromhex(world["sections"][name])
    return sections, bytes.fromhex(world["roster"])


def sweep(is_chip, check):
    """Cut at each operation in turn; `check(flash, chip)` what stands in the end."""
    sections, roster = given()
    draws = seed()
    at = 0
    count = 1
    while at < count:
        flash, chip = NorFlash(FLASH_BYTES), Memory() if is_chip else None
        flash.arm(FaultPlan(draws + at, [cut(at, (draws + at * 37) % 256, TEARS[at % len(TEARS)])]))
        life = Life(flash, chip)
        try:
            assert life.run(life.provision(sections, roster, is_chip)) == "%08x" % KID
            count = flash.operations()
        except PowerCut:
            count = at + 2
        flash.power_on()
        flash.arm(None)
        life = Life(flash, chip)
        assert life.run(life.provision(sections, roster, is_chip)) == "%08x" % KID, at
        check(flash, chip)
        at += 1
    return at


def test_power_that_fails_at_any_flash_operation_leaves_a_terminal_that_the_same_steps_finish():
    def sells(flash, _chip):
        bench = Bench(flash)
        assert bench.ledger.kid == KID and bench.sell("bank", 10_000).sequence == 5

    assert sweep(False, sells) > 25


def test_the_same_with_a_key_chip_up_to_the_keys():
    def keys_are_there(flash, chip):
        opened = provisioning.open_documents(VirtualBoard(flash=flash).board.flash)
        assert opened.names() == [document_area.KID, document_area.KEY_CHIP]
        assert chip.config_locked() and chip.data_locked()

    assert sweep(True, keys_are_there) > 5
