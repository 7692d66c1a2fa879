"""Provisioning at the cable: keys made here, papers installed and read back; whatever is wrong changes nothing."""

from firmware import main

main.load()

import asyncio  # noqa: E402
from binascii import a2b_base64, hexlify  # noqa: E402

from firmware import provisioning  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from hardware.atecc608 import Atecc608  # noqa: E402
from hardware.atecc608_memory import Memory  # noqa: E402
from protocol import certificates  # noqa: E402
from tests.support.mp_cable import Laptop  # noqa: E402
from tests.support.mp_shop import Shop, empty_flash  # noqa: E402
from tests.support.mp_terminal import (  # noqa: E402
    KID,
    NOW_S,
    Bench,
    Draws,
    copy_of,
    documents_of_the_world,
    family,
    provisioned_flash,
)
from tools.virtual_board import VirtualBoard  # noqa: E402

HEAP = "24m"
TIMEOUT_S = 240
NAME = "%08x" % KID
PIECE = 9000


def world_draws():
    """The entropy that gives the keys that the world's certificate names."""
    return Draws([bytes.fromhex(draw) for draw in documents_of_the_world()["draws"]])


def papers():
    """(sections, signed roster) as the authority gave them."""
    world = documents_of_the_world()
    sections = {}
    for name in world["sections"]:
        sections[int(name)] = bytes.fromhex(world["sections"][name])
    return sections, bytes.fromhex(world["roster"])


def manifest(sections, roster):
    return hexlify(provisioning.manifest(sections, roster)).decode()


def values(lines):
    """The values of an OK; an assertion shows anything else."""
    assert lines[-1][:2] == "OK", lines
    return dict([word.split("=", 1) for word in lines[-1].split()[1:]])


def data(lines):
    return b"".join([a2b_base64(line[5:]) for line in lines if line[:5] == "DATA "])


class Visit(Laptop):
    """The technician's laptop, with the steps of `lumbung provision`."""

    async def told(self, command):
        return values(await self.ask(command))

    async def refused(self, command, octets=None):
        lines = await (self.ask(command) if octets is None else self.give(command, octets))
        assert lines[-1][:5] == "ERROR", lines
        return lines[-1]

    async def bring(self, sections, roster):
        for name in sorted(sections):
            values(await self.give("document %d 0" % name, sections[name]))
        for at in range(0, len(roster), PIECE):
            values(await self.give("document roster %d" % at, roster[at : at + PIECE]))

    async def provision(self, storage="software"):
        """Everything, from wherever the terminal is."""
        state = (await self.told("identity"))["state"]
        if state == "ready":
            return
        if storage == "chip" and (await self.told("chip"))["locked"] == "0":
            await self.told("chip-lock for-ever")
        if state != "keys":
            await self.told("keys %s %s" % (NAME, storage))
        assert await self.told("clock %d" % NOW_S) == {"seconds": str(NOW_S), "trusted": "1"}
        sections, roster = papers()
        await self.bring(sections, roster)
        name = manifest(sections, roster)
        assert await self.told("install " + name) == {"manifest": name, "kid": NAME}


def visit(story, flash=None, chip=None, rtc_epoch_s=0):
    """`story(laptop, shop)` at the cable of a terminal that shows 302; it has the world's entropy."""
    shop = Shop(empty_flash() if flash is None else flash, rtc_epoch_s)
    if chip is not None:
        shop.fittings = lambda models: {"secure_element": Atecc608(models, chip, speed_percent=5)}

    async def whole(shop):
        shop.board.board.entropy = world_draws()
        await shop.see_stopped(302)
        await story(Visit(shop.board.technician_uart, shop.time), shop)

    shop.open(whole)
    return shop


def test_a_blank_terminal_becomes_the_programme_s_and_sells():
    async def story(laptop, shop):
        blank = {"state": "blank", "kid": "-", "storage": "-", "serves": "0", "records": "-"}
        assert await laptop.told("identity") == blank
        assert (await laptop.told("clock"))["trusted"] == "0"
        await laptop.provision()
        assert shop.restarts == [], "the answer leaves first"
        await asyncio.sleep_ms(2000)
        assert shop.restarts == [0]

    shop = visit(story)
    after = Shop(shop.flash)

    async def sells(shop):
        laptop = Visit(shop.board.technician_uart, shop.time)
        await shop.begin()
        told = await laptop.told("identity")
        assert (told["state"], told["kid"], told["serves"], told["records"]) == ("ready", NAME, "1", NAME)
        await shop.cash("programme", "50*")
        await shop.hand_over()

    after.open(sells)


def test_the_request_is_what_the_authority_certified_and_no_private_key_leaves():
    heard = []

    async def story(laptop, shop):
        for command in ("keys %s software" % NAME, "identity", "help"):
            heard.extend(await laptop.ask(command))
        certificate = certificates.decode_terminal(
            papers()[0][document_area.TERMINAL_CERTIFICATE][: -certificates.SIGNATURE_OCTETS]
        )
        request = KID.to_bytes(4, "big") + b"\x01" + certificate.seal_key + certificate.agreement_key
        request = request[:4] + bytes((certificate.storage,)) + request[5:]
        assert data(heard) == request + request
        opened = provisioning.open_documents(shop.board.board.flash)
        for name in (document_area.SEAL_PRIVATE, document_area.AGREEMENT_PRIVATE):
            assert opened.get(name) not in data(heard)
            assert hexlify(opened.get(name)).decode() not in " ".join(heard)

    visit(story)


def test_a_key_chip_is_shown_its_changes_locked_only_by_the_word_and_makes_the_keys():
    chip = Memory()

    async def story(laptop, shop):
        lines = await laptop.ask("chip")
        told = values(lines)
        assert (told["present"], told["locked"], told["data"]) == ("1", "0", "0")
        changes = data(lines).decode().split("\n")
        assert len(changes) == int(told["changes"]) > 2 and "slot 0" in " ".join(changes)
        assert not chip.config_locked()
        for words in ("", " yes", " for-ever now"):
            assert "ERROR 5" in await laptop.refused("chip-lock" + words)
        assert "ERROR 7" in await laptop.refused("keys %s chip" % NAME), "an open chip makes no keys"
        assert not chip.config_locked()
        assert (await laptop.told("chip-lock for-ever"))["changes"] == told["changes"]
        assert await laptop.told("chip") == {"present": "1", "locked": "1", "data": "0", "changes": "0"}
        lines = await laptop.ask("keys %s chip" % NAME)
        assert data(lines)[4] == certificates.STORAGE_ATECC608
        assert data(lines) == data(await laptop.ask("identity"))
        told = await laptop.told("identity")
        assert (told["state"], told["storage"]) == ("keys", "chip")
        assert chip.data_locked()
        for slot in (0, 1):
            assert chip.keys[slot].to_bytes(32, "big") not in data(lines)

    visit(story, chip=chip)


def test_a_terminal_without_a_key_chip_says_so():
    async def story(laptop, _shop):
        assert await laptop.told("chip") == {"present": "0"}
        assert "ERROR 7" in await laptop.refused("chip-lock for-ever")
        assert "ERROR 7" in await laptop.refused("keys %s chip" % NAME)
        # A kid without keys is where a power cut would have left it, too.
        await laptop.told("keys %s software" % NAME)

    visit(story)


def test_words_that_are_none_are_refused():
    async def story(laptop, _shop):
        for command in (
            "keys",
            "keys 2a software",
            "keys 00000000 software",
            "keys -000002a software",
            "keys %s paper" % NAME,
            "keys %s software x" % NAME,
            "clock now",
            "clock 5",
            "clock %d 1" % NOW_S,
            "document 4",
            "document -4 0",
            "document photo 0",
            "install",
            "install " + "0" * 64,
        ):
            assert "ERROR 5" in await laptop.refused(command), command
        assert (await laptop.told("identity"))["state"] == "blank"

    visit(story)


def test_the_label_comes_out_of_the_terminal_s_own_printer():
    async def story(laptop, shop):
        assert "ERROR 5" in await laptop.refused("label 2026-11-22"), "before there is a number"
        await laptop.told("keys %s software" % NAME)
        assert await laptop.told("label 2026-11-22") == {"kid": NAME}
        paper = shop.papers()[-1]
        for words in ("LUMBUNG", "0000 002A", "software  2026-11-22", "[image"):
            assert words in paper, paper
        shop.board.printer.set_paper(0)
        assert "no paper" in await laptop.refused("label 2026-11-22")

    visit(story)


def test_papers_come_in_pieces_and_only_the_whole_is_installed():
    async def story(laptop, _shop):
        sections, roster = papers()
        name = manifest(sections, roster)
        await laptop.told("keys %s software" % NAME)
        values(await laptop.give("document roster 0", roster[:1000]))
        assert "begins at 1000" in await laptop.refused("document roster 2000", roster[2000:2100])
        assert "ERROR 5" in await laptop.refused("install " + name)
        await laptop.bring(sections, roster)
        await laptop.told("keys %s software" % NAME)  # other keys: what was brought was for others
        assert "ERROR 5" in await laptop.refused("install " + name)
        await laptop.bring(sections, roster)
        assert "ERROR 7" in await laptop.refused("install " + name), "the certificate is of the first keys"
        assert (await laptop.told("identity"))["state"] == "keys"

    visit(story)


def test_a_paper_without_octets_is_none():
    async def story(laptop, _shop):
        sections, roster = papers()
        without = {name: sections[name] for name in sections if name != document_area.SETTINGS}
        await laptop.told("keys %s software" % NAME)
        without[document_area.SETTINGS] = b""
        await laptop.bring(without, roster)
        name = manifest(without, roster)
        assert (await laptop.told("install " + name))["manifest"] == name

    visit(story)


def test_a_spoiled_paper_is_refused_by_name_and_nothing_is_stored():
    async def story(laptop, _shop):
        sections, roster = papers()
        await laptop.told("keys %s software" % NAME)
        policy = bytearray(sections[document_area.POLICY])
        policy[9] ^= 1
        sections[document_area.POLICY] = bytes(policy)
        await laptop.bring(sections, roster)
        assert "policy" in await laptop.refused("install " + manifest(sections, roster))
        assert (await laptop.told("identity"))["state"] == "keys"
        await laptop.provision()

    visit(story)


def test_a_terminal_in_use_is_left_alone_until_it_stands_by_and_its_records_are_named():
    flash = copy_of(provisioned_flash())
    shop = Shop(flash)

    async def story(shop):
        laptop = Visit(shop.board.technician_uart, shop.time)
        await shop.begin()
        for command in ("keys 0000002b software", "chip", "chip-lock for-ever", "install x"):
            assert "stand-by" in await laptop.refused(command)
        assert "stand-by" in await laptop.refused("document 4 0")
        assert "gateway alone" in await laptop.refused("clock %d" % (NOW_S + 60))
        assert await laptop.told("clock") == {
            "seconds": str(shop.board.clock.epoch_seconds()),
            "trusted": "1",
        }
        assert await laptop.told("stand-by") == {"served": "1"}
        await shop.until(lambda: shop.app.stopped_code == 310, "code 310")
        assert await laptop.told("stand-by") == {"served": "0"}
        told = await laptop.told("identity")
        assert (told["state"], told["serves"], told["records"]) == ("ready", "0", NAME)
        for words in ("", " 0000002b"):
            assert "records of " + NAME in await laptop.refused("keys 0000002b software" + words)
        assert "never used twice" in await laptop.refused("keys %s software %s" % (NAME, NAME))
        assert "no new keys" in await laptop.refused("install " + manifest({}, b""))
        assert (await laptop.told("identity"))["kid"] == NAME
        await laptop.told("keys 0000002b software " + NAME)
        told = await laptop.told("identity")
        assert (told["state"], told["kid"], told["records"]) == ("keys", "0000002b", "-")
        assert shop.restarts == [] and not shop.board.watchdogs[0].expired()

    shop.open(story)


def test_nobody_is_sent_away_with_a_card_on_the_reader():
    shop = Shop(copy_of(provisioned_flash()))

    async def story(shop):
        laptop = Visit(shop.board.technician_uart, shop.time)
        await shop.begin()
        for keys, screen in (("E", "choose"), ("1", "choose"), ("2", "tap_card")):
            await shop.press(keys)
            await shop.see(screen)
        shop.place("programme")
        await shop.see("amount")
        assert "ERROR 6" in await laptop.refused("stand-by")
        await shop.press("50*E")
        await shop.see("confirm")
        await shop.press("E")
        await shop.see("pin")
        await shop.press(family("programme")["pin"] + "E")
        await shop.until(lambda: shop.shown == "granted", "granted")
        await shop.hand_over()
        assert await laptop.told("stand-by") == {"served": "1"}
        await shop.until(lambda: shop.app.stopped_code == 310, "code 310")

    shop.open(story)


def test_a_terminal_that_stands_by_is_started_at_the_cable():
    shop = Shop(copy_of(provisioned_flash()))

    async def story(shop):
        laptop = Visit(shop.board.technician_uart, shop.time)
        await shop.begin()
        assert await laptop.told("start") == {"serves": "1"}
        await laptop.told("stand-by")
        await shop.until(lambda: shop.app.stopped_code == 310, "code 310")
        assert await laptop.told("start") == {"serves": "0"}
        await shop.until(lambda: shop.restarts, "a start")
        assert shop.restarts == [0]

    shop.open(story)


def test_a_terminal_that_stood_by_starts_again_by_itself_and_sells():
    shop = Shop(copy_of(provisioned_flash()))

    async def story(shop):
        laptop = Visit(shop.board.technician_uart, shop.time)
        await shop.begin()
        await laptop.told("stand-by")
        await asyncio.sleep_ms(180_000)
        assert shop.restarts == [310]

    shop.open(story)

    async def again(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        await shop.hand_over()

    shop.open(again)


def test_lost_documents_do_not_let_records_be_overwritten():
    flash = copy_of(provisioned_flash())
    Bench(flash).sell("one", 10_000)
    areas = VirtualBoard(flash=flash).board.flash
    for name in ("identity_a", "identity_b"):
        areas[name].erase(0)

    async def story(laptop, _shop):
        told = await laptop.told("identity")
        assert (told["state"], told["records"]) == ("blank", NAME)
        assert "records of " + NAME in await laptop.refused("keys 0000002b software")
        await laptop.told("keys 0000002b software " + NAME)
        await laptop.told("keys 0000002b software")  # asked once, and its keys made once more

    visit(story, flash)


def test_flash_that_fails_is_told_and_the_console_lives():
    async def story(laptop, shop):
        def fail(*_):
            raise OSError(5)

        for name in ("identity_a", "identity_b"):
            shop.board.board.flash[name]._partition.writeblocks = fail
        assert "identity_a" in await laptop.refused("keys %s software" % NAME)
        assert (await laptop.told("identity"))["state"] == "blank"

    visit(story)
