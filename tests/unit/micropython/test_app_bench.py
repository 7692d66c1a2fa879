"""The self-test beside a terminal that serves families: it waits for the conversation, leaves an event, and goes away again. And the
notices that parts raise: printer, case switch, a grant that waits for its roster.
"""

import asyncio

from firmware import main

main.load()

from firmware import states  # noqa: E402
from firmware.bench import codes  # noqa: E402
from firmware.hal import pins  # noqa: E402
from hardware.keypad_mcp23017 import GROUND  # noqa: E402
from protocol import records, self_test  # noqa: E402
from tests.support.mp_bench import told  # noqa: E402
from tests.support.mp_chip import ChipFitting, chip_flash  # noqa: E402
from tests.support.mp_shop import Shop, empty_flash  # noqa: E402

HEAP = "24m"
TIMEOUT_S = 240
NOT_FITTED = ("modem", "key-chip", "contact-reader")


class Laptop:
    """The other end of the technician's cable."""

    def __init__(self, shop):
        self._uart = shop.board.technician_uart
        self._uart.connect(self)
        self.heard = bytearray()

    def receive(self, value, _now_us):
        self.heard.append(value)

    def say(self, line):
        self.heard = bytearray()
        self._uart.deliver(line.encode() + b"\n")

    def lines(self):
        self._uart.settle()
        return bytes(self.heard).decode().split("\r\n")[:-1]

    def asked(self):
        return [line[4:] for line in told(self.lines()) if line[:4] == "ask "]

    def outcomes(self):
        ends = [line.split(" ", 4) for line in told(self.lines()) if line[:4] == "end "]
        return {words[1]: (words[2], int(words[3])) for words in ends}

    def last(self):
        lines = [line for line in self.lines() if line[:2] in ("OK", "ER")]
        return lines[0] if lines else ""


def events(shop, code):
    """Events of a code in the chain."""
    ledger = shop.app.ledger
    slots = ledger.records_from(1, ledger.journal.sequence)
    found = [(slot.sequence, records.decode(slot.payload)) for slot in slots if slot.kind == records.EVENT]
    return [entry for entry in found if entry[1].code == code]


async def tested(shop, laptop, words):
    """`self-test` to its end with hands that do what is asked for; the values of its OK."""
    laptop.say("self-test " + words)
    done = 0
    while not laptop.last():
        asked = laptop.asked()
        if len(asked) > done:
            done += 1
            what = asked[done - 1]
            if what[:4] == "keys":
                await shop.press(what[5])
            elif what in ("display", "strip"):
                await shop.press("E")
            elif what == "card":
                shop.place("programme")
            elif what == "case open":
                shop.board.open_case()
        await asyncio.sleep_ms(50)
    shop.board.remove_card()
    assert laptop.last()[:2] == "OK", laptop.last()
    return dict([word.split("=") for word in laptop.last().split()[1:]])


def test_all_parts_between_two_sales_with_a_record_in_the_chain():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        await shop.hand_over()
        laptop = Laptop(shop)
        values = await tested(shop, laptop, "time=%d" % shop.time.epoch_seconds())
        fitted = [part for part in self_test.PARTS if part not in NOT_FITTED]
        assert sorted(self_test.names(int(values["run"], 16))) == sorted(fitted), laptop.outcomes()
        assert values["passed"] == values["run"], laptop.outcomes()
        ((sequence, event),) = events(shop, records.EVENT_SELF_TEST)
        assert int(values["recorded"]) == sequence
        assert values["kid"] == "%08x" % shop.app.ledger.kid
        kept = self_test.decode(event.detail)
        assert (kept.run, kept.passed, kept.release) == (int(values["run"], 16), int(values["passed"], 16), 0)
        await shop.see("idle")
        await shop.cash("bank", "25*")
        assert shop.shown == "granted"
        await shop.hand_over()

    shop.open(story)
    assert shop.restarts == []
    assert shop.app.ledger.entitlements.redeemed_rupiah == 75_000


def test_whoever_has_a_cable_cannot_fill_the_journal():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        laptop = Laptop(shop)
        kept = []
        for _ in range(12):
            kept.append(int((await tested(shop, laptop, "supply"))["recorded"]))
        assert len([number for number in kept if number]) == 8, kept
        assert kept[8:] == [0] * 4
        assert len(events(shop, records.EVENT_SELF_TEST)) == 8

    shop.open(story)


def test_a_key_chip_in_use_is_tested_between_two_seals():
    fitting = ChipFitting()
    shop = Shop(chip_flash())
    shop.fittings = fitting

    async def story(shop):
        await shop.begin()
        laptop = Laptop(shop)
        await tested(shop, laptop, "key-chip")
        assert laptop.outcomes() == {"key-chip": ("passed", 0)}
        await shop.cash("programme", "50*")
        assert shop.shown == "granted"

    shop.open(story)
    assert shop.restarts == []


def test_it_waits_for_the_conversation_and_gives_up_where_that_does_not_end():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        await shop.press("M")
        await shop.see("choose")
        laptop = Laptop(shop)
        laptop.say("self-test supply")
        await shop.until(laptop.last, "an answer")
        assert laptop.last().startswith("ERROR 6 "), laptop.last()
        laptop.say("self-test supply")
        await asyncio.sleep_ms(3000)
        assert laptop.last() == "" and shop.shown == "choose", "the operator has the panel"
        waits = [line for line in laptop.lines() if line == "PROGRESS 0 1"]
        assert len(waits) >= 2, "whoever waits hears each second that the terminal is alive"
        await shop.press("X")
        await shop.until(laptop.last, "an answer")
        assert laptop.last().startswith("OK "), laptop.last()
        assert laptop.outcomes() == {"supply": ("passed", 0)}
        await shop.see("idle")

    shop.open(story)
    assert shop.restarts == []


def test_nobody_can_begin_a_sale_while_parts_are_tested_and_the_supervisor_is_content():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        laptop = Laptop(shop)
        laptop.say("self-test keypad display printer reader case")
        await shop.until(lambda: shop.shown == "bench_keys", "keys")
        before = shop.app.ledger.journal.sequence
        await shop.press("E")
        await asyncio.sleep_ms(2000)
        assert shop.shown == "bench_keys", "E serves nobody now"
        while not laptop.last():
            await asyncio.sleep_ms(1000)
        found = laptop.outcomes()
        assert found["keypad"] == ("failed", codes.KEYPAD_KEY_DEAD)
        assert found["display"] == ("failed", codes.DISPLAY_UNANSWERED)
        assert found["printer"] == ("failed", codes.PRINTER_UNANSWERED)
        assert found["reader"] == ("failed", codes.READER_NO_CARD)
        assert found["case"] == ("failed", codes.CASE_STUCK)
        assert shop.app.ledger.journal.sequence == before + 1, "the event alone"
        await shop.see("idle")
        assert not shop.board.watchdogs[0].expired()

    shop.open(story)
    assert shop.restarts == []


def test_keys_pressed_while_parts_are_tested_serve_nobody_afterwards():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        laptop = Laptop(shop)
        laptop.say("self-test clock")
        await shop.until(lambda: shop.shown == "bench_at_work", "the test")
        await shop.press("E")
        await shop.until(laptop.last, "an answer")
        await shop.see("idle")
        await asyncio.sleep_ms(5000)
        assert shop.shown == "idle"

    shop.open(story)


def test_a_cable_that_is_pulled_gives_the_panel_back():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        laptop = Laptop(shop)
        laptop.say("self-test reader")
        await shop.until(lambda: shop.shown == "bench_card", "the test")
        while shop.shown != "idle":
            await asyncio.sleep_ms(1000)
        await shop.cash("programme", "50*")
        assert shop.shown == "granted"

    shop.open(story)
    assert shop.restarts == []


def test_a_terminal_that_was_never_provisioned_is_tested_too_and_shows_its_code_again():
    shop = Shop(empty_flash())

    async def story(shop):
        await shop.see_stopped(302)
        laptop = Laptop(shop)
        values = await tested(shop, laptop, "")
        assert values["recorded"] == "0" and values["kid"] == "00000000"
        assert values["run"] == values["passed"] != "0000", laptop.outcomes()
        await shop.see_stopped(302)

    shop.open(story)
    assert shop.restarts == []


# Notices.


def test_an_opening_of_the_case_is_one_event_and_a_notice():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        assert states.NOTICE_TAMPER not in shop.app.terminal.notices()
        for count in (1, 2):
            shop.board.open_case()
            await asyncio.sleep_ms(10_000)
            assert len(events(shop, records.EVENT_TAMPER)) == count
            assert states.NOTICE_TAMPER in shop.app.terminal.notices()
            shop.board.expander.close(pins.CASE_OPEN_BIT, GROUND)
            await asyncio.sleep_ms(5000)
        assert states.NOTICE_TAMPER in shop.app.terminal.notices(), "until it is started anew"

    shop.open(story)

    async def later(shop):
        await shop.begin()
        await asyncio.sleep_ms(5000)
        assert states.NOTICE_TAMPER not in shop.app.terminal.notices()
        assert len(events(shop, records.EVENT_TAMPER)) == 2

    shop.open(later)
    shop.prepare = lambda shop: shop.board.open_case()

    async def opened_while_off(shop):
        await shop.begin()
        await asyncio.sleep_ms(5000)
        assert len(events(shop, records.EVENT_TAMPER)) == 3
        assert states.NOTICE_TAMPER in shop.app.terminal.notices()

    shop.open(opened_while_off)


def test_a_switch_that_bounces_or_flutters_fills_no_journal():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        for _ in range(20):
            shop.board.open_case()
            await asyncio.sleep_ms(300)
            shop.board.expander.close(pins.CASE_OPEN_BIT, GROUND)
            await asyncio.sleep_ms(300)
        assert events(shop, records.EVENT_TAMPER) == []
        for _ in range(20):
            shop.board.open_case()
            await asyncio.sleep_ms(5000)
            shop.board.expander.close(pins.CASE_OPEN_BIT, GROUND)
            await asyncio.sleep_ms(5000)
        assert len(events(shop, records.EVENT_TAMPER)) == 8

    shop.open(story)


def test_a_printer_that_fails_is_a_notice_until_it_prints_or_passes_its_test():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        shop.board.printer.set_paper(0)
        await shop.cash("programme", "50*")
        await shop.see("print_failed")
        assert states.NOTICE_PRINTER in shop.app.terminal.notices()
        await shop.press("X")
        shop.board.remove_card()
        await shop.see("granted")
        await shop.press("E")
        await shop.see("idle")
        laptop = Laptop(shop)
        await tested(shop, laptop, "printer")
        assert laptop.outcomes() == {"printer": ("failed", codes.PRINTER_PAPER)}
        assert states.NOTICE_PRINTER in shop.app.terminal.notices()
        shop.board.printer.set_paper()
        await tested(shop, laptop, "printer")
        assert states.NOTICE_PRINTER not in shop.app.terminal.notices()

    shop.open(story)


def test_a_grant_that_waits_for_its_roster_is_a_notice():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        assert states.NOTICE_ROSTER not in shop.app.terminal.notices()
        shop.app.downlink.unmatched_grant = 9  # as test_downlink has it from a signature over another roster
        assert states.NOTICE_ROSTER in shop.app.terminal.notices()
        shop.app.downlink.unmatched_grant = 0
        assert states.NOTICE_ROSTER not in shop.app.terminal.notices()

    shop.open(story)
