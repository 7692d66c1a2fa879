"""Two readers as one: the card that comes first serves, and a contact reader that is missing or fails stops no sale."""

import asyncio

from firmware.card.errors import CardProtocolError, CardRemoved, ReaderError
from firmware.card.selection import PPSE, PSE
from firmware.drivers.either_reader import EitherReader
from firmware.drivers.pn532 import Pn532Reader
from firmware.drivers.pn532_core import TwoCardsInField
from firmware.drivers.pn532_transport import SpiTransport
from firmware.drivers.sc16is750 import Sc16is750
from firmware.drivers.tda8029 import Tda8029Reader
from firmware.hal import pins
from firmware.hal.i2c_device import I2cDevice
from hardware.contact_card import T0Card
from hardware.pn532 import Pn532
from hardware.pn532_faults import FaultPlan
from tests.support.mp_time import ModelTime
from tests.unit.micropython.contact_twin import Echo
from tests.unit.micropython.pn532_twin import EchoCard, caught
from tools.virtual_board import VirtualBoard

READ = b"\x00\xb2\x01\x0c\x00"
READ_INSERTED = b"\x00\x01\x02\x03\x04\x90\x00"


class Wired:
    def __init__(self, has_contact_reader=True, pn532_model=None):
        self.time = ModelTime()
        model = None if pn532_model is None else pn532_model(self.time.models)
        self.terminal = VirtualBoard(
            clock=self.time,
            model_clock=self.time.models,
            rtc_epoch_s=1700000000,
            has_contact_reader=has_contact_reader,
            pn532_model=model,
        )
        board = self.terminal.board
        transport = SpiTransport(board.spi, board.pn532_select, board.pn532_irq, board.clock)
        contactless = Pn532Reader(transport, board.pn532_reset, board.clock)
        device = I2cDevice(board.i2c, pins.CONTACT_BRIDGE_ADDRESS, "SC16IS750", board.recover_i2c)
        contact = Tda8029Reader(
            Sc16is750(device, pins.CONTACT_BRIDGE_CRYSTAL_HZ), pins.CONTACT_BRIDGE_SERIAL_BAUD, board.clock
        )
        self.reader = EitherReader(contactless, contact, board.clock)

    def run(self, coroutine):
        return self.time.run(coroutine)

    def now_ms(self):
        return self.time.models.now_us() // 1000


def test_a_card_that_is_laid_on_and_one_that_is_inserted_are_served_alike():
    wired = Wired()
    reader, terminal = wired.reader, wired.terminal

    async def sales():
        await reader.start()
        assert reader.has_contact and await reader.wait_for_card(300) is None and reader.target is None
        terminal.place_card(EchoCard())
        assert await reader.wait_for_card(1000) is reader.target is not None
        assert reader.environment == PPSE and reader.target.uid
        assert await reader.transceive(READ) == READ + b"\x90\x00" and await reader.card_is_present()
        terminal.remove_card()
        assert await reader.wait_for_removal(1000)
        terminal.insert_card(Echo())
        assert await reader.wait_for_card(1000) is reader.target is not None
        assert reader.environment == PSE and await reader.transceive(READ) == READ_INSERTED
        assert await reader.card_is_present() and not await reader.wait_for_removal(100)
        terminal.pull_card()
        assert not await reader.card_is_present() and await reader.wait_for_removal(1000)
        terminal.place_card(EchoCard())
        assert await reader.wait_for_card(1000) is not None
        assert await reader.transceive(READ) == READ + b"\x90\x00"

    wired.run(sales())
    assert not terminal.contact_reader.powered


def test_a_card_that_comes_while_it_is_waited_for_is_found_at_either_reader():
    for is_inserted in (False, True):
        wired = Wired()
        come = wired.terminal.insert_card if is_inserted else wired.terminal.place_card

        async def arriving(wired=wired, come=come, is_inserted=is_inserted):
            await wired.reader.start()
            card = Echo() if is_inserted else EchoCard()
            wired.time.at_ms(wired.now_ms() + 700, lambda: come(card))
            started = wired.now_ms()
            assert await wired.reader.wait_for_card(3000) is not None
            assert 650 < wired.now_ms() - started < 1500

        wired.run(arriving())


def test_of_two_cards_one_at_each_reader_only_one_keeps_power():
    wired = Wired()
    wired.terminal.place_card(EchoCard())
    wired.terminal.insert_card(Echo())

    async def both():
        await wired.reader.start()
        assert await wired.reader.wait_for_card(1000) is not None

    wired.run(both())
    assert wired.terminal.pn532.field_on != wired.terminal.contact_reader.powered


def test_without_a_contact_reader_everything_is_as_with_the_other_alone():
    wired = Wired(has_contact_reader=False)

    async def sale():
        await wired.reader.start()
        assert not wired.reader.has_contact
        wired.terminal.place_card(EchoCard())
        assert await wired.reader.wait_for_card(1000) is not None
        assert await wired.reader.transceive(READ) == READ + b"\x90\x00"
        wired.terminal.remove_card()
        assert await wired.reader.wait_for_removal(1000)

    wired.run(sale())


def test_a_contact_reader_that_dies_stops_no_sale_and_is_found_again_later():
    wired = Wired()
    i2c, bridge = wired.terminal.i2c, wired.terminal.contact_bridge

    async def sales():
        await wired.reader.start()
        i2c.detach(pins.CONTACT_BRIDGE_ADDRESS)
        assert await wired.reader.wait_for_card(2000) is None and not wired.reader.has_contact
        wired.terminal.place_card(EchoCard())
        assert await wired.reader.wait_for_card(1000) is not None
        wired.terminal.remove_card()
        i2c.attach(pins.CONTACT_BRIDGE_ADDRESS, bridge)
        wired.time.models.advance_us(61_000_000)
        wired.terminal.insert_card(Echo())
        assert await wired.reader.wait_for_card(2000) is not None and wired.reader.environment == PSE

    wired.run(sales())


def test_a_contactless_reader_that_is_dead_is_told_and_inserted_cards_are_still_served():
    wired = Wired(pn532_model=lambda models: Pn532(models, FaultPlan(deaf_at_command=1)))

    async def sales():
        wired.terminal.pn532.faults.goes_deaf = lambda count: True
        await caught(ReaderError, wired.reader.start())
        wired.terminal.insert_card(Echo())
        assert await wired.reader.wait_for_card(5000) is not None
        assert await wired.reader.transceive(READ) == READ_INSERTED
        wired.terminal.pull_card()
        await caught(ReaderError, wired.reader.wait_for_card(200))

    wired.run(sales())


def test_two_cards_laid_on_at_once_are_refused_with_the_contact_reader_waiting_beside():
    wired = Wired()
    wired.terminal.place_card(EchoCard())
    wired.terminal.place_card(EchoCard())

    async def sale():
        await wired.reader.start()
        await caught(TwoCardsInField, wired.reader.wait_for_card(1000))
        assert wired.reader.target is None

    wired.run(sale())


def test_a_card_put_in_the_wrong_way_is_told_once_and_does_not_keep_others_from_being_laid_on():
    wired = Wired()
    wired.terminal.contact_reader.insert(T0Card(Echo(), "mute"))

    async def sales():
        await wired.reader.start()
        await caught(CardProtocolError, wired.reader.wait_for_card(3000))
        wired.terminal.place_card(EchoCard())
        assert await wired.reader.wait_for_card(1000) is not None and wired.reader.environment == PPSE

    wired.run(sales())


def test_who_stops_waiting_leaves_both_readers_without_power_and_ready():
    wired = Wired()

    async def sales():
        await wired.reader.start()
        task = asyncio.create_task(wired.reader.wait_for_card(60_000))
        await wired.time.sleep_ms(300)
        task.cancel()
        try:
            await task
            raise AssertionError("not cancelled")
        except asyncio.CancelledError:
            pass
        assert wired.reader.target is None and not wired.terminal.pn532.field_on
        await caught(CardRemoved, wired.reader.transceive(READ))
        wired.terminal.insert_card(Echo())
        assert await wired.reader.wait_for_card(1000) is not None

    wired.run(sales())
