"""The self-test finds every part well on a sound board, and names what is broken by its number on a broken one."""

from firmware import main

main.load()

from firmware.bench import codes  # noqa: E402
from firmware.bench.bench import PARTS  # noqa: E402
from firmware.hal import pins  # noqa: E402
from hardware.contact_card import T0Card  # noqa: E402
from hardware.keypad_mcp23017 import GROUND  # noqa: E402
from hardware.pn532_faults import NoFaults  # noqa: E402
from protocol import self_test  # noqa: E402
from tests.support.mp_bench import Bench, absent_minded, helpful  # noqa: E402
from tests.support.mp_terminal import KID, NOW_S, provisioned_flash  # noqa: E402

HEAP = "24m"
NOT_FITTED = ("modem", "key-chip", "contact-reader")


def outcome(bench, part, hands=None, words=""):
    """(verdict, code, text) of one part."""
    found, _ = bench.run("%s %s" % (part, words), hands)
    assert list(found) == [part]
    return found[part]


def test_a_sound_board_passes_whole():
    bench = Bench()
    found, values = bench.run("time=%d" % bench.time.epoch_seconds())
    verdicts = {part: found[part][0] for part in found}
    for part in PARTS:
        wanted = "absent" if part in NOT_FITTED else "passed"
        assert verdicts[part] == wanted, (part, found[part])
    all_parts = (1 << len(self_test.PARTS)) - 1
    fitted = all_parts & ~sum([self_test.bit(part) for part in NOT_FITTED])
    assert values == {
        "kid": "00000000",
        "release": "7",
        "run": "%04x" % fitted,
        "passed": "%04x" % fitted,
        "recorded": "0",
    }
    assert bench.asked[:1] == ["keys 123X456C789M*0#E"]
    assert bench.asked[-5:] == ["display", "display", "strip", "card", "case open"]
    assert bench.silence_ms <= 1500, "the cable hears it at least once a second"
    assert bench.redrawn == 1, "the display shows again what it showed"
    assert not bench.board.display.errors


def test_only_what_is_named_is_tested_in_the_tests_own_order():
    bench = Bench()
    found, values = bench.run("supply flash")
    assert sorted(found) == ["flash", "supply"]
    assert values["run"] == values["passed"] == "%04x" % (self_test.bit("flash") | self_test.bit("supply"))


def test_a_terminal_that_serves_nobody_is_known_by_its_documents():
    _, values = Bench(flash=provisioned_flash()).run("supply")
    assert values["kid"] == "%08x" % KID


def test_words_that_are_none_are_refused():
    for words in ("tape", "fitted=tape", "time=x", "time=0", "time=99999999999", "colour=red"):
        assert Bench().run(words).startswith("ERROR 5 "), words


def test_the_rest_of_a_line_end_is_no_other_command():
    bench = Bench()
    found, _ = bench.run("", absent_minded, typed=b"self-test supply clock\r\n")
    assert sorted(found) == ["clock", "supply"]


def test_another_command_ends_it():
    async def impatient(bench, what):
        bench.cable.incoming += b"help\n"

    bench = Bench()
    answer = bench.run("reader", impatient)
    assert answer.startswith("ERROR 8 "), answer
    assert bench.redrawn == 1
    assert not bench.board.pn532.field_on


def test_nothing_that_a_card_says_is_told_but_its_kind():
    bench = Bench()
    text = outcome(bench, "reader")[2]
    assert text.startswith("ISO 14443-4 type A, ATS of "), text
    pan = "".join(["%02x" % octet for octet in b"\x93\x60"])
    assert "9360" not in text and pan not in text


def test_a_module_alone_on_the_table_says_what_is_not_there_yet():
    bench = Bench(faults=Deaf())
    for address in (pins.EXPANDER_ADDRESS, pins.CLOCK_ADDRESS, pins.SUPPLY_MONITOR_ADDRESS):
        bench.board.i2c.detach(address)
    bench.board._printer_uart.connect(None)
    found, values = bench.run("", absent_minded)
    assert {part: found[part][1] for part in found} == {
        "flash": 0,
        "clock": codes.CLOCK_SILENT,
        "entropy": 0,
        "key-chip": 0,
        "supply": codes.SUPPLY_SILENT,
        "modem": 0,
        "keypad": codes.KEYPAD_SILENT,
        "display": codes.DISPLAY_UNANSWERED,
        "printer": codes.PRINTER_SILENT,
        "reader": codes.READER_SILENT,
        "contact-reader": 0,
        "case": codes.CASE_SILENT,
    }
    assert values["passed"] == "%04x" % (self_test.bit("flash") | self_test.bit("entropy"))


# Reader.


class Deaf(NoFaults):
    """A chip that hears nothing."""

    def goes_deaf(self, command_count):
        return True


def test_a_dead_reader():
    bench = Bench(faults=Deaf())
    assert outcome(bench, "reader")[:2] == ("failed", codes.READER_SILENT)
    assert bench.asked == [], "nobody is asked for a card in vain"


def test_no_card_and_two_cards():
    assert outcome(Bench(), "reader", absent_minded)[:2] == ("failed", codes.READER_NO_CARD)

    async def both(bench, what):
        await helpful(bench, what)
        await helpful(bench, what)

    assert outcome(Bench(), "reader", both)[:2] == ("failed", codes.READER_TWO_CARDS)

    async def given_up(bench, what):
        await bench.press("X")

    assert outcome(Bench(), "reader", given_up)[:2] == ("failed", codes.READER_NO_CARD)


# Contact reader.


def test_a_contact_reader_with_a_card_without_one_and_with_a_card_that_is_dead():
    bench = Bench(has_contact_reader=True)
    found = outcome(bench, "contact-reader")
    assert found == ("passed", 0, "answer to reset of 11 octets, SELECT 6A82"), found
    assert bench.asked == ["insert"]
    found = outcome(Bench(has_contact_reader=True), "contact-reader", absent_minded)
    assert found[:2] == ("failed", codes.CONTACT_NO_CARD)

    async def dead_card(bench, what):
        bench.board.contact_reader.insert(T0Card(None, "mute"))

    found = outcome(Bench(has_contact_reader=True), "contact-reader", dead_card)
    assert found[:2] == ("failed", codes.CONTACT_CARD), found


def test_a_contact_reader_that_is_silent_is_absent_or_broken_where_it_is_fitted():
    assert outcome(Bench(), "contact-reader")[0] == "absent"
    found = outcome(Bench(), "contact-reader", words="fitted=contact-reader")
    assert found[:2] == ("failed", codes.CONTACT_SILENT)


# Keypad.


def test_a_key_that_is_dead_is_named():
    async def all_but_one(bench, what):
        keys = what[5:].replace("7", "")
        if keys:
            await bench.press(keys[0])

    found = outcome(Bench(), "keypad", all_but_one)
    assert found == ("failed", codes.KEYPAD_KEY_DEAD, "never came: 7")


def test_a_key_that_stays_down_is_named_at_once():
    bench = Bench()
    bench.board.keypad.press("5")
    assert outcome(bench, "keypad") == ("failed", codes.KEYPAD_STUCK, "stays down: 5")
    assert bench.asked == []


def test_a_key_that_gets_stuck_on_the_way_is_named():
    async def clumsy(bench, what):
        bench.board.keypad.press("1")

    assert outcome(Bench(), "keypad", clumsy) == ("failed", codes.KEYPAD_STUCK, "stays down: 1")


def test_a_keypad_that_does_not_answer():
    bench = Bench()
    bench.board.i2c.detach(pins.EXPANDER_ADDRESS)
    found, _ = bench.run("keypad case")
    assert found["keypad"][:2] == ("failed", codes.KEYPAD_SILENT)
    assert found["case"][:2] == ("failed", codes.CASE_SILENT)


# Display and printer.


def test_a_display_that_is_not_whole_or_not_looked_at():
    async def no(bench, what):
        await bench.press("X")

    assert outcome(Bench(), "display", no)[:2] == ("failed", codes.DISPLAY_NOT_SEEN)
    assert outcome(Bench(), "display", absent_minded)[:2] == ("failed", codes.DISPLAY_UNANSWERED)


def test_a_display_whose_bus_fails():
    bench = Bench()

    def fail(_octets):
        raise OSError(5)

    bench.parts.display._spi = type("Bus", (), {"write": staticmethod(fail)})()
    assert outcome(bench, "display")[:2] == ("failed", codes.DISPLAY_BUS)


def test_a_printer_without_paper_open_or_silent():
    bench = Bench()
    bench.board.printer.set_paper(0)
    assert outcome(bench, "printer")[:2] == ("failed", codes.PRINTER_PAPER)
    bench = Bench()
    bench.board.printer.cover_open = True
    assert outcome(bench, "printer")[:2] == ("failed", codes.PRINTER_COVER)
    bench = Bench()
    bench.board._printer_uart.connect(None)
    assert outcome(bench, "printer")[:2] == ("failed", codes.PRINTER_SILENT)


def test_a_strip_that_cannot_be_read():
    async def no(bench, what):
        await bench.press("X")

    bench = Bench()
    assert outcome(bench, "printer", no)[:2] == ("failed", codes.PRINTER_STRIP)
    assert len(bench.board.printer.receipts()) == 1 and bench.board.printer.errors == []
    assert outcome(Bench(), "printer", absent_minded)[:2] == ("failed", codes.PRINTER_UNANSWERED)


# Clock, supply, case.


def test_a_clock_that_lost_its_time_does_not_run_or_is_wrong():
    assert outcome(Bench(rtc_epoch_s=0), "clock")[:2] == ("failed", codes.CLOCK_STOPPED)
    bench = Bench()
    bench.board.i2c.detach(pins.CLOCK_ADDRESS)
    assert outcome(bench, "clock")[:2] == ("failed", codes.CLOCK_SILENT)
    bench = Bench()
    bench.parts.rtc.read = lambda: (NOW_S, True)
    assert outcome(bench, "clock")[:2] == ("failed", codes.CLOCK_STANDS)
    bench = Bench()
    found = outcome(bench, "clock", words="time=%d" % (bench.time.epoch_seconds() + 600))
    assert found == ("failed", codes.CLOCK_WRONG, "600 s behind the laptop")
    assert outcome(Bench(), "clock") == ("passed", 0, "runs")


def test_a_supply_that_is_low_high_or_not_measured():
    for millivolts, code in ((9000, codes.SUPPLY_LOW), (21_000, codes.SUPPLY_HIGH)):
        bench = Bench()
        bench.board.supply_monitor.millivolts = millivolts
        assert outcome(bench, "supply")[:2] == ("failed", code)
    bench = Bench()
    bench.board.supply_monitor.millivolts = 12_000
    assert outcome(bench, "supply") == ("passed", 0, "12000 mV")
    bench.board.i2c.detach(pins.SUPPLY_MONITOR_ADDRESS)
    assert outcome(bench, "supply")[:2] == ("failed", codes.SUPPLY_SILENT)


def test_a_case_switch_that_does_not_move():
    assert outcome(Bench(), "case", absent_minded) == ("failed", codes.CASE_STUCK, "stays shut")
    bench = Bench()
    bench.board.open_case()

    async def shut(bench, what):
        assert what == "case shut"
        bench.board.expander.close(pins.CASE_OPEN_BIT, GROUND)

    assert outcome(bench, "case", shut) == ("passed", 0, "opens and shuts")
