"""Whatever goes wrong at chip, wire, air or card ends in a typed error or in the right answer, and then it goes on."""

import asyncio

from firmware.card.errors import CardError, CardRemoved, ReaderError
from hardware.pn532_faults import FaultPlan
from tests.support.mp import seed
from tests.unit.micropython.pn532_twin import LINKS, EchoCard, Twin, caught, with_card


def turned(command):
    """An answer that belongs to this command alone."""
    return bytes([octet ^ 0xFF for octet in command])


async def test_card_pulled_before_or_after_an_apdu():
    for name in ("pull_before_apdu", "pull_after_apdu"):
        for nth in (1, 2, 3):
            twin = await with_card(faults=FaultPlan(**{name: nth}))
            for _ in range(nth - 1):
                await twin.reader.transceive(b"\x00\x01")
            await caught(CardRemoved, twin.reader.transceive(b"\x00\x02"))
            assert twin.reader.target is None and not twin.chip.field_on
            await caught(CardRemoved, twin.reader.transceive(b"\x00\x03"))
            assert len(twin.card.seen) == (nth if name == "pull_after_apdu" else nth - 1)


async def test_card_pulled_in_the_middle_of_a_long_answer():
    twin = await with_card("spi", EchoCard(busy_ms=800))
    started = twin.now_ms()

    def pull():
        if twin.now_ms() - started > 400:
            twin.chip.remove(twin.card)

    twin.clock.at_sleep = pull
    await caught(CardRemoved, twin.reader.transceive(b"\x80\xae"))
    assert twin.now_ms() - started < 900


async def test_air_errors_are_repaired_by_the_chip_or_end_the_tap():
    twin = await with_card(faults=FaultPlan(air={1: "crc", 3: "timeout"}))
    assert await twin.reader.transceive(b"\x00\x01") == b"\x00\x01\x90\x00"
    assert await twin.reader.transceive(b"\x00\x02") == b"\x00\x02\x90\x00"
    assert twin.card.seen == [b"\x00\x01", b"\x00\x02"]
    twin = await with_card(faults=FaultPlan(air={1: "crc", 2: "crc", 3: "crc"}))
    await caught(CardRemoved, twin.reader.transceive(b"\x00\x01"))


async def test_a_mute_card_is_a_removed_card():
    twin = await with_card("spi", EchoCard(lambda command: None))
    await caught(CardRemoved, twin.reader.transceive(b"\x00\x01"))
    assert not twin.chip.field_on


async def heals(twin):
    """Three taps at most until an APDU goes through."""
    for _ in range(3):
        try:
            if await twin.reader.wait_for_card(500) is not None:
                assert await twin.reader.transceive(b"\x07") == b"\x07\x90\x00"
                return True
        except ReaderError:
            assert not twin.chip.field_on
    return False


async def test_a_deaf_chip_is_reset_and_used_again():
    """Deaf at any command of the set-up or of a tap: a typed error at the most, and the next tap works."""
    for nth in range(1, 10):
        twin = Twin(faults=FaultPlan(deaf_at_command=nth))
        try:
            await twin.reader.start()
        except ReaderError:
            await twin.reader.reset()
        twin.chip.place(EchoCard())
        assert await heals(twin), nth
        assert twin.chip.resets >= 1


async def test_a_dead_chip_is_a_typed_error_in_bounded_time():
    for link in LINKS:
        twin = Twin(link)
        twin.chip.host_sends = lambda data, moment_us=None: None
        exc = await caught(ReaderError, twin.reader.wait_for_card(1000))
        assert "acknowledge" in str(exc)
        assert twin.now_ms() < 5000
        assert not await twin.reader.field_off()


async def test_a_chip_that_dies_with_a_card_on_it():
    for link in LINKS:
        twin = await with_card(link)
        twin.chip.host_sends = lambda data, moment_us=None: None
        await caught(ReaderError, twin.reader.transceive(b"\x00\x01"))
        assert not twin.chip.field_on  # the reset line saw to that
        assert twin.card.seen == []
        del twin.chip.host_sends
        assert await heals(twin)


async def test_a_babbling_line_is_a_typed_error_in_bounded_time():
    twin = Twin("hsu")
    await twin.reader.start()
    twin.uart.any = lambda: 5
    twin.uart.read = lambda size=None: b"\x00\x12\x34\xff\xff"
    twin.transport.clear = lambda: None
    before = twin.now_ms()
    twin.clock.at_tick = lambda: twin.time.advance_us(500)
    await caught(ReaderError, twin.reader.line_is_good())
    assert twin.now_ms() - before < 5000


async def test_a_broken_irq_line_is_noticed_and_done_without():
    twin = Twin()
    twin.irq.value = lambda level=None: 1
    await twin.reader.start()
    twin.chip.place(EchoCard())
    assert await twin.reader.wait_for_card(500) is not None
    assert await twin.reader.transceive(b"\x05") == b"\x05\x90\x00"
    assert twin.transport.irq_failures == 1


async def test_a_late_processor_is_not_taken_for_a_dead_chip():
    """A collection that eats the whole time-out must not lose an answer that is there."""
    twin = await with_card()
    stalls = []

    def stall():
        if len(stalls) < 2:
            stalls.append(1)
            twin.time.advance_us(6000000)

    twin.clock.at_sleep = stall
    assert await twin.reader.transceive(b"\x05") == b"\x05\x90\x00"
    assert twin.reader.resets == 0


async def test_a_cancelled_exchange_ends_the_field_and_confuses_nothing():
    twin = await with_card("spi", EchoCard(busy_ms=500))
    sleeps = []

    def cancel():
        sleeps.append(1)
        if len(sleeps) == 20:
            raise asyncio.CancelledError

    twin.clock.at_sleep = cancel
    try:
        await twin.reader.transceive(b"\x0a")
        raise AssertionError("not cancelled")
    except asyncio.CancelledError:
        pass
    twin.clock.at_sleep = None
    assert not twin.chip.field_on and twin.reader.target is None
    twin.card.busy_ms = 0
    assert await twin.reader.wait_for_card(500) is not None
    assert await twin.reader.transceive(b"\x0b") == b"\x0b\x90\x00"


async def taps(twin, run_number):
    """Twelve APDUs over a bad wire: (answered, failed)."""
    answered = failed = 0
    for number in range(12):
        # No zeros: a zero lost on the way *to* the chip fits its checksum, and no host can notice.
        command = bytes([number + 1, run_number + 1, 3]) * (1 + number * 8)
        try:
            if twin.reader.target is None:
                await twin.reader.wait_for_card(300)
            answer = await twin.reader.transceive(command)
            assert answer == turned(command), (run_number, number)
            answered += 1
        except CardError:
            failed += 1
            assert twin.reader.target is None
    return answered, failed


async def test_damage_on_the_wire_never_gives_a_wrong_answer():
    """One frame in twelve loses an octet or has a bit flipped, on either link, with either habit of the chip."""
    start = seed()
    for link in ("spi", "hsu"):
        answered = failed = 0
        for run_number in range(12):
            twin = Twin(link, FaultPlan(start + run_number, drop_permille=40, flip_permille=40))
            twin.chip.answers_damage = bool(run_number & 1)
            card = EchoCard(turned)
            twin.chip.place(card)
            good, bad = await taps(twin, run_number)
            answered += good
            failed += bad
            # No command reached the card twice because of the wire.
            assert len(set(card.seen)) == len(card.seen), (start, run_number)
        assert answered > failed, (start, link, answered, failed)
