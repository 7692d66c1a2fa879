"""The reader driver does what it promises against the byte-level chip model, over SPI and HSU."""

from firmware.card.errors import CARDS_COLLIDE, CardProtocolError, CardRemoved, ReaderError
from firmware.drivers import pn532_core as core
from firmware.drivers.pn532_transport import turn_round
from tests.unit.micropython.pn532_twin import LINKS, EchoCard, Twin, caught, with_card


async def test_start_finds_the_chip_on_every_link():
    for link in LINKS:
        twin = Twin(link)
        await twin.reader.start()
        assert twin.chip.power == "normal" and not twin.chip.field_on
        assert twin.reader.resets == 0 and twin.reader.core.damaged_frames == 0


async def test_a_card_is_found_and_described():
    for link in LINKS:
        twin = await with_card(link)
        target = twin.reader.target
        assert (target.uid, target.sak, target.atqa) == (b"\x08\x11\x22\x33", 0x20, b"\x00\x04")
        assert target.ats == bytes.fromhex("067877800200")
        assert "081122" not in repr(target) and "081122" not in str(target)
        assert twin.card.powered


async def test_no_card_is_none_and_leaves_the_field_off():
    twin = Twin()
    await twin.reader.start()
    assert await twin.reader.wait_for_card(200) is None
    assert not twin.chip.field_on
    assert 200 <= twin.now_ms() < 400


async def test_a_card_that_comes_later_is_found_soon():
    twin, came = Twin(), []

    def come():
        if twin.now_ms() >= 300 and not came:
            came.append(twin.now_ms())
            twin.chip.place(EchoCard())

    await twin.reader.start()
    twin.clock.at_sleep = come
    assert await twin.reader.wait_for_card(2000) is not None
    assert twin.now_ms() - came[0] < 60


async def test_apdus_go_there_and_back_on_every_link():
    for link in LINKS:
        twin = await with_card(link)
        command = b"\x00\xb2\x01\x0c\x00"
        assert await twin.reader.transceive(command) == command + b"\x90\x00"
        assert twin.card.seen == [command]


async def test_long_responses_and_commands_go_through_in_parts():
    """256 octets of data make extended frames; more than 262 need the chip's own chaining, both ways."""
    for size in (1, 60, 61, 62, 230, 250, 253, 256, 258, 259, 262, 263, 600, 1500):
        for link in ("spi", "hsu"):
            twin = await with_card(link, EchoCard(lambda command: command))
            command = bytes([number & 0xFF for number in range(size)])
            assert await twin.reader.transceive(command) == command, (size, link)
            assert twin.card.seen == [command]


async def test_responses_that_fill_the_chips_limit_exactly():
    for size in (524, 525, 786):
        twin = await with_card("spi", EchoCard(lambda command, size=size: bytes(size)))
        assert await twin.reader.transceive(b"\x00\xb0\x00\x00\x00") == bytes(size)


async def test_a_card_that_answers_without_end_is_stopped():
    twin = await with_card("spi", EchoCard(lambda command: bytes(10000)))
    exc = await caught(CardProtocolError, twin.reader.transceive(b"\x00\xb0\x00\x00\x00"))
    assert "longer than 4096" in str(exc)
    assert not twin.chip.field_on and twin.reader.target is None


async def test_a_slow_card_gets_its_time():
    """Waiting time extensions are the chip's business; the driver only waits."""
    twin = await with_card("spi", EchoCard(busy_ms=900))
    before = twin.now_ms()
    assert await twin.reader.transceive(b"\x80\xae") == b"\x80\xae\x90\x00"
    assert 900 <= twin.now_ms() - before < 1000
    assert twin.chip.block_count > 1  # S(WTX) went over the air


async def test_a_card_slower_than_any_limit_is_given_up():
    twin = await with_card("spi", EchoCard(busy_ms=60000))
    before = twin.now_ms()
    exc = await caught(CardProtocolError, twin.reader.transceive(b"\x80\xae", 3000))
    assert "none within 3000 ms" in str(exc)
    assert 3000 <= twin.now_ms() - before < 3100
    assert not twin.chip.field_on and twin.reader.resets == 0


async def test_short_frames_of_a_small_card():
    """FSC 16: thirteen octets a block, so a command takes many."""
    twin = await with_card("spi", EchoCard(ats="067077800200"))
    command = bytes(range(200))
    assert await twin.reader.transceive(command) == command + b"\x90\x00"
    assert twin.card.seen == [command]


async def test_two_cards_are_refused_and_the_field_ends():
    for link in ("spi", "hsu"):
        twin, one, two = Twin(link), EchoCard(), EchoCard()
        await twin.reader.start()
        twin.chip.place(one)
        twin.chip.place(two)
        exc = await caught(core.TwoCardsInField, twin.reader.wait_for_card(1000))
        assert exc.code == CARDS_COLLIDE
        assert not twin.chip.field_on and not one.powered and not two.powered
        twin.chip.remove(two)
        assert await twin.reader.wait_for_card(1000) is not None


async def test_a_card_without_iso_dep_is_refused_by_type():
    twin = Twin()
    await twin.reader.start()
    twin.chip.place(EchoCard(sak=0x08))
    exc = await caught(CardProtocolError, twin.reader.wait_for_card(1000))
    assert "14443-4" in str(exc) and not twin.chip.field_on


async def test_removal_is_seen_and_a_resting_card_too():
    twin = await with_card()
    reader = twin.reader
    assert await reader.card_is_present()
    assert not await reader.wait_for_removal(500)
    assert not twin.chip.field_on
    twin.chip.remove(twin.card)
    before = twin.now_ms()
    assert await reader.wait_for_removal(2000)
    assert twin.now_ms() - before < 300
    assert not twin.chip.field_on and not await reader.card_is_present()


async def test_presence_of_a_pulled_card():
    twin = await with_card()
    twin.chip.remove(twin.card)
    assert not await twin.reader.card_is_present()
    assert not twin.chip.field_on and twin.reader.target is None


async def test_release_ends_the_field_and_the_next_card_works():
    twin = await with_card()
    await twin.reader.release()
    assert not twin.chip.field_on and not twin.card.powered
    await caught(CardRemoved, twin.reader.transceive(b"\x01"))
    assert await twin.reader.wait_for_card(500) is not None
    assert await twin.reader.transceive(b"\x01") == b"\x01\x90\x00"


async def test_waiting_again_starts_the_resting_card_anew():
    """As it must: an active card hears no request, and one that never lost its power remembers the last sale."""
    twin = await with_card()
    for _ in range(3):
        assert await twin.reader.wait_for_card(500) is not None
        assert await twin.reader.transceive(b"\x01") == b"\x01\x90\x00"
    await twin.reader.field_off()
    assert await twin.reader.wait_for_card(500) is not None


async def test_another_chip_is_refused():
    twin = Twin()
    twin.chip._firmware_version = lambda parameters: b"\x33\x02\x08\x07"
    assert "33020807" in str(await caught(ReaderError, twin.reader.start()))


async def test_line_test_power_down_and_wake():
    for link in LINKS:
        twin = await with_card(link)
        await twin.reader.release()
        assert await twin.reader.line_is_good()
        await twin.reader.power_down()
        assert twin.chip.power == "power_down"
        assert await twin.reader.wait_for_card(500) is not None


async def test_wake_without_a_reset_line():
    for link in LINKS:
        twin = await with_card(link)
        twin.reader._reset_pin = None
        resets = twin.chip.resets
        await twin.reader.power_down()
        assert await twin.reader.wait_for_card(500) is not None
        assert await twin.reader.transceive(b"\x05") == b"\x05\x90\x00"
        assert twin.chip.resets == resets


async def test_ticks_may_wrap_during_a_wait():
    twin = Twin(start_ms=(1 << 30) - 100)
    await twin.reader.start()
    assert await twin.reader.wait_for_card(300) is None
    assert 300 <= twin.now_ms() < 500


async def test_the_shared_bus_is_free_whenever_the_driver_waits():
    """The display may use the bus at any moment in which another task can run."""
    twin = Twin()
    levels = set()
    twin.clock.at_sleep = lambda: levels.add(twin.select.value())
    await twin.reader.start()
    twin.chip.place(EchoCard(busy_ms=300))
    await twin.reader.wait_for_card(500)
    await twin.reader.transceive(b"\x01")
    assert levels == {1}


def test_octets_are_turned_round_bit_by_bit():
    octets = bytearray(range(256))
    turn_round(octets, 200)
    for value in range(200):
        assert octets[value] == int("".join(reversed_digits(value)), 2), value
    assert octets[200:] == bytes(range(200, 256))


def reversed_digits(value):
    return ["%d" % (value >> bit & 1) for bit in range(8)]
