"""The contact reader's driver gives a card's answers or a typed error, in bounded time, whatever goes wrong on the way."""

import asyncio

from firmware.card.errors import (
    LIMIT_EXCEEDED,
    MALFORMED,
    CardError,
    CardProtocolError,
    CardRemoved,
    ReaderError,
)
from firmware.drivers import alpar
from firmware.drivers.sc16is750 import BridgeOverrun
from hardware.contact_card import T1Card
from hardware.tda8029_faults import FaultPlan, NoFaults
from tests.support.mp import seed
from tests.unit.micropython.contact_twin import ADDRESS, Echo, Twin, with_card
from tests.unit.micropython.pn532_twin import caught

READ = b"\x00\xb2\x01\x0c\x00"
SELECT = b"\x00\xa4\x04\x00\x05\xa0\x00\x00\x00\x01\x00"
GENERATE = b"\x80\xae\x80\x00\x02\x11\x22\x00"


async def test_a_card_is_found_with_its_answer_to_reset_and_answers():
    twin = Twin()
    assert await twin.reader.wait_for_card(200) is None and twin.reader.target is None
    twin.insert()
    target = await twin.reader.wait_for_card(2000)
    assert target is twin.reader.target and target.atr == b"\x3b\x67\x00\x00LUMBUNG" and target.uid == b""
    assert await twin.reader.transceive(READ) == b"\x00\x01\x02\x03\x04\x90\x00"
    assert await twin.reader.transceive(SELECT) == b"\x5f\xff\xff\xff\xfe\x90\x00"
    assert await twin.reader.card_is_present() and await twin.reader.line_is_good()
    assert (twin.reader.resets, twin.reader.repeats, twin.bridge.lost_octets) == (0, 0, 0)


async def test_the_longest_answer_and_the_longest_command_come_through_fifos_of_64():
    twin = await with_card(Echo(256))
    assert await twin.reader.transceive(READ) == bytes(range(256)) + b"\x90\x00"
    data = bytes(range(255))
    answer = await twin.reader.transceive(b"\x80\xae\x80\x00\xff" + data + b"\x00")
    assert answer == bytes([octet ^ 0xFF for octet in data]) + b"\x90\x00"
    assert twin.bridge.lost_octets == 0


async def test_every_case_of_an_apdu_works_over_t0():
    """Cases 1 to 4 of ISO/IEC 7816-3, 12.2, with a length asked for that is right, wrong, and not known."""
    twin = await with_card()
    assert await twin.reader.transceive(b"\x00\x44\x00\x00") == b"\x90\x00"
    for le in (0, 5, 9):
        assert await twin.reader.transceive(READ[:4] + bytes((le,))) == b"\x00\x01\x02\x03\x04\x90\x00"
    assert twin.card.seen[-1][:4] == READ[:4]
    assert await twin.reader.transceive(GENERATE) == b"\xee\xdd\x90\x00"


async def test_a_card_that_speaks_t1_is_served_alike():
    twin = Twin()
    card = Echo(200)
    twin.chip.insert(T1Card(card))
    target = await twin.reader.wait_for_card(2000)
    assert target.atr[:2] == b"\x3b\xe7" and alpar.lrc(target.atr[1:]) == 0
    assert await twin.reader.transceive(READ) == bytes(range(200)) + b"\x90\x00"
    assert await twin.reader.transceive(GENERATE) == b"\xee\xdd\x90\x00"
    card.exchange = lambda apdu: None
    assert "22" in str(await caught(CardProtocolError, twin.reader.transceive(READ)))


async def test_a_mask_that_leaves_61_and_6c_to_the_host_gives_them_to_the_card_layer():
    from firmware.card import apdu

    twin = await with_card(follows=False)
    assert await twin.reader.transceive(READ) == b"\x6c\x05"
    assert await twin.reader.transceive(GENERATE) == b"\x61\x02"
    assert bytes((await apdu.read_record(twin.reader, 1, 1))[0]) == b"\x00\x01\x02\x03\x04"
    assert bytes(await apdu.command(twin.reader, "GENERATE AC", GENERATE)) == b"\xee\xdd"


async def test_a_card_pulled_before_or_after_an_apdu():
    for name in ("pull_before", "pull_after"):
        twin = await with_card(faults=FaultPlan(**{name: 2}))
        await twin.reader.transceive(READ)
        await caught(CardRemoved, twin.reader.transceive(GENERATE))
        assert twin.reader.target is None and not twin.chip.powered
        await caught(CardRemoved, twin.reader.transceive(READ))
        generated = [apdu for apdu in twin.card.seen if apdu[1] == 0xAE]
        assert len(generated) == (1 if name == "pull_after" else 0)


async def test_a_card_pulled_and_put_back_is_not_the_card_that_was_there():
    twin = await with_card()
    twin.chip.remove()
    twin.insert(twin.card)
    assert not await twin.reader.card_is_present() and twin.reader.target is None
    assert await twin.reader.wait_for_card(2000) is not None


async def test_removal_is_waited_for_and_only_so_long():
    twin = await with_card()
    started = twin.now_ms()
    assert not await twin.reader.wait_for_removal(500)
    assert 500 <= twin.now_ms() - started < 1500 and not twin.chip.powered
    twin.chip.remove()
    assert await twin.reader.wait_for_removal(500)


async def test_what_the_chip_says_of_the_card_is_the_cards_error_and_ends_its_power():
    for error in (0x81, 0x83, 0x84, 0x91, 0xC3):
        twin = await with_card(faults=FaultPlan(errors={1: error}))
        raised = await caught(CardProtocolError, twin.reader.transceive(GENERATE))
        assert raised.code == LIMIT_EXCEEDED and "%02X" % error in str(raised)
        assert not twin.chip.powered and twin.card.seen == []


async def test_a_card_that_breaks_the_t0_procedure_is_the_cards_error():
    twin = Twin()
    twin.insert(trick="babble")
    await twin.reader.wait_for_card(2000)
    assert "A0" in str(await caught(CardProtocolError, twin.reader.transceive(READ)))


async def test_a_mute_card_and_one_put_in_the_wrong_way_are_told_once_until_they_are_pulled():
    for trick, number in (("mute", "80"), ("backwards", "C4")):
        twin = Twin()
        twin.insert(trick=trick)
        raised = await caught(CardProtocolError, twin.reader.wait_for_card(2000))
        assert raised.code == MALFORMED and number in str(raised)
        assert await twin.reader.wait_for_card(200) is None
        twin.chip.remove()
        assert await twin.reader.wait_for_card(200) is None
        twin.insert()
        assert await twin.reader.wait_for_card(2000) is not None


async def test_a_bridge_that_is_not_there_ends_in_a_reader_error_at_once():
    twin = Twin()
    twin.bus.detach(ADDRESS)
    started = twin.now_ms()
    await caught(ReaderError, twin.reader.start())
    await caught(ReaderError, twin.reader.wait_for_card(10_000))
    assert twin.now_ms() - started < 1000


async def test_a_chip_that_is_not_there_ends_in_a_reader_error_in_bounded_time():
    twin = Twin()
    twin.chip.receive = lambda value, now_us: None
    started = twin.now_ms()
    await caught(ReaderError, twin.reader.wait_for_card(10_000))
    assert twin.now_ms() - started < 5000
    assert not await twin.reader.field_off() and not await twin.reader.card_is_present()


async def test_another_chip_at_the_address_is_named():
    twin = Twin()
    twin.bridge.i2c_read = lambda buffer: None
    assert "another chip" in str(await caught(ReaderError, twin.reader.start()))


async def test_a_bridge_that_dies_in_an_exchange_ends_in_a_reader_error():
    twin = await with_card()
    twin.bus.detach(ADDRESS)
    await caught(ReaderError, twin.reader.transceive(GENERATE))
    assert twin.reader.target is None


async def test_a_full_fifo_is_told_and_only_what_a_card_may_do_twice_is_asked_again():
    """The host was busy while the answer came: an erase, a collection; until after its end, and in its middle."""
    long = GENERATE[:4] + b"\x78" + bytes(120) + b"\x00"
    for apdu, seen, stall_us in (
        (READ, 2, 2_000_000),
        (READ, 2, 30_000),
        (long, 1, 2_000_000),
        (long, 1, 25_000),
    ):
        twin = await with_card(Echo(200))
        stalls = [1]

        def stall(twin=twin, stalls=stalls, stall_us=stall_us):
            coming = twin.bridge._coming
            if stalls and twin.card.seen and coming and coming[0][0] - twin.time.now_us() < 3000:
                stalls.clear()
                twin.time.advance_us(stall_us)

        twin.clock.at_sleep = stall
        if seen == 2:
            assert await twin.reader.transceive(apdu) == bytes(range(200)) + b"\x90\x00"
        else:
            await caught(BridgeOverrun, twin.reader.transceive(apdu))
            assert twin.reader.target is None and not twin.chip.powered
        assert twin.driver.overruns and len([one for one in twin.card.seen if one[1] == apdu[1]]) >= seen


async def test_a_notice_in_the_middle_of_an_answer_is_taken_out():
    twin = Twin()
    await twin.reader.start()
    twin.chip.insert(None)
    twin.insert()
    twin.time.advance_us(50_000)
    assert await twin.reader.wait_for_card(2000) is not None and twin.reader.notices >= 1


async def test_a_late_answer_is_not_taken_for_the_next_one():
    twin = await with_card(Echo(busy_ms=9000))
    await caught(ReaderError, twin.reader.transceive(GENERATE, 1000))
    twin.card.busy_ms = 0
    twin.time.advance_us(20_000_000)
    assert await twin.reader.wait_for_card(2000) is not None
    assert await twin.reader.transceive(READ) == b"\x00\x01\x02\x03\x04\x90\x00"


async def test_a_cancelled_exchange_takes_the_power_and_the_next_one_works():
    twin = await with_card(Echo(busy_ms=300))
    twin.reader._clock = _Yielding(twin)
    task = asyncio.create_task(twin.reader.transceive(GENERATE))
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
        raise AssertionError("not cancelled")
    except asyncio.CancelledError:
        pass
    assert twin.reader.target is None and not twin.chip.powered
    twin.time.advance_us(2_000_000)
    assert await twin.reader.wait_for_card(2000) is not None


class _Yielding:
    """Model time that lets other tasks run at each sleep."""

    def __init__(self, twin):
        self._clock = twin.clock
        self.ticks_ms = twin.clock.ticks_ms
        self.ticks_diff = twin.clock.ticks_diff

    async def sleep_ms(self, duration_ms):
        await self._clock.sleep_ms(duration_ms)
        await asyncio.sleep(0)


async def test_power_down_shuts_the_chip_and_the_next_wait_wakes_it():
    twin = await with_card()
    await twin.reader.power_down()
    assert not twin.chip.powered
    twin.chip.remove()
    twin.insert()
    assert await twin.reader.wait_for_card(2000) is not None


async def test_no_copy_of_a_command_stays_in_the_driver():
    kept = []
    real = alpar.frame

    def frame(*arguments):
        kept.append(real(*arguments))
        return kept[-1]

    alpar.frame = frame
    try:
        twin = await with_card()
        await twin.reader.transceive(b"\x00\x20\x00\x80\x08\x24\x12\x34\x56\xff\xff\xff\xff")
    finally:
        alpar.frame = real
    assert len(kept) > 3 and not [octets for octets in kept if any(octets)]


async def test_random_damage_never_gives_a_wrong_answer_and_the_reader_comes_back():
    drawn = seed()
    answers = 0
    for run in range(6):
        twin = Twin(FaultPlan(drawn + run, flip_permille=60, drop_permille=30), start_ms=(1 << 30) - 3000)
        twin.insert(Echo(40))
        started = twin.now_ms()
        for _ in range(12):
            try:
                if twin.reader.target is None and await twin.reader.wait_for_card(3000) is None:
                    continue
                assert await twin.reader.transceive(READ) == bytes(range(40)) + b"\x90\x00", drawn + run
                answers += 1
            except CardError:
                pass
        assert twin.now_ms() - started < 12 * 30_000, drawn + run
        twin.chip.faults = NoFaults()
        twin.chip.remove()
        twin.insert(Echo(40))
        assert await twin.reader.wait_for_card(5000) is not None, drawn + run
        assert await twin.reader.transceive(READ) == bytes(range(40)) + b"\x90\x00", drawn + run
    assert answers > 10


async def test_an_answer_whose_damaged_length_cuts_it_where_the_checksum_fits_is_not_taken():
    """The exclusive or over 60 00 02 00 11 11 is 62: where the card's next octet is that, the frame seems whole."""
    twin = await with_card()

    def cut_short(opcode, timeout_ms=0):
        answer = bytes((0x60, 0x00, 0x02, 0x00, 0x11, 0x11)) + bytes((0x62, 0x33, 0x44))
        twin.bridge.deliver(answer)

    await twin.reader.transceive(SELECT)
    real = twin.chip._carry_out
    twin.chip._carry_out = lambda opcode, data, now_us: (
        cut_short(opcode) if opcode == 0x00 else real(opcode, data, now_us)
    )
    raised = await caught(ReaderError, twin.reader.transceive(GENERATE))
    assert "after an answer" in str(raised)


async def test_a_line_that_babbles_without_end_is_given_up_in_bounded_time():
    twin = await with_card()
    reads = twin.driver.read
    octets = (b"\x13" * 40, b"\x60\x00\x40\x00" * 10, b"\xe0\x00\x01\x00\x80\x61")
    for babble in octets:

        def read(babble=babble):
            twin.time.advance_us(1000)
            return babble

        twin.driver.read = read
        started = twin.now_ms()
        try:
            await twin.reader.transceive(GENERATE, 2000)
            raise AssertionError("an answer out of babble")
        except CardError:
            pass
        assert twin.now_ms() - started < 15_000
        twin.driver.read = reads
        assert await twin.reader.wait_for_card(5000) is not None


async def test_a_bus_that_is_held_at_any_moment_never_gives_a_wrong_answer():
    """The HAL frees it and repeats the access, which a FIFO may take for a second octet."""
    answers = 0
    for nth in range(1, 60, 3):
        twin = await with_card(Echo(90))
        before = twin.bus.transfers

        def hold(twin=twin, before=before, nth=nth):
            if twin.bus.transfers - before >= nth and not twin.bus.recoveries:
                twin.bus.hold_sda(5)

        twin.clock.at_sleep = hold
        try:
            assert await twin.reader.transceive(READ) == bytes(range(90)) + b"\x90\x00"
            answers += 1
        except CardError:
            assert twin.reader.target is None
        assert await twin.reader.wait_for_card(5000) is not None
    assert answers
