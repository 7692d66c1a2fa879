"""Frames as short messages: one each, nothing else gets through, and every failure is the relay's own error."""

import asyncio

from firmware.drivers.modem.inbox import Incoming
from firmware.relay.link import LinkError
from firmware.relay.sms_link import SmsLink
from protocol import sms_pdu, sms_time, sms_user_data
from protocol.errors import OutOfRange
from protocol.sms_address import Address
from protocol.sms_user_data import UserData
from tests.support.mp import raises
from tests.unit.micropython.modem_bench import NUMBER, Bench, counted

FRAME = bytes(range(140))


class Handler:
    """Keeps what it is given; may fail."""

    def __init__(self):
        self.frames = []
        self.fails = False

    async def __call__(self, frame):
        if self.fails:
            raise OSError("flash")
        self.frames.append(frame)


def incoming(user_data, flags=sms_pdu.MORE_TO_SEND_NOT):
    message = sms_pdu.Deliver(Address("+62822"), sms_time.stamp(1794645040, 420), user_data)
    message.flags = flags
    return Incoming(sms_pdu.encode(message).hex().encode())


def received(*messages):
    handler = Handler()
    link = SmsLink(None, "+62822", handler.__call__)
    for message in messages:
        asyncio.run(link.receive(message))
    return link, handler


def test_a_frame_comes_through_as_it_is():
    link, handler = received(incoming(UserData(FRAME)), incoming(UserData(b"\x00")))
    assert handler.frames == [FRAME, b"\x00"]
    assert (link.frames, link.foreign, link.damaged) == (2, 0, 0)


def test_a_gateway_may_put_ports_in_front():
    _, handler = received(incoming(UserData(b"frame", 4, [(5, b"\x0b\x84\x23\xf0")])))
    assert handler.frames == [b"frame"]


def test_what_is_no_frame_is_counted():
    link, handler = received(
        incoming(sms_user_data.text_7bit("MENANG 100 JUTA")),
        incoming(sms_user_data.text_ucs2("Selamat")),
        incoming(UserData(b"part", 4, [(0, b"\x07\x02\x01")])),
        incoming(UserData(b"")),
    )
    assert handler.frames == []
    assert (link.frames, link.foreign, link.damaged) == (0, 4, 0)


def test_what_is_damaged_is_counted():
    short = sms_pdu.encode(
        sms_pdu.Deliver(Address("+62822"), sms_time.stamp(1794645040, 420), UserData(FRAME))
    )
    link, handler = received(Incoming(short[:-1].hex().encode()), Incoming(b"00"), Incoming(b"zz"))
    assert handler.frames == []
    assert (link.frames, link.foreign, link.damaged) == (0, 0, 3)


def test_a_frame_that_is_too_long_is_refused():
    link = SmsLink(None, "+62822", Handler().__call__)
    raises(OutOfRange, asyncio.run, link.send(bytes(141)))


def linked(bench, handler):
    """The link in the place of the bench's own hand-over."""
    link = SmsLink(bench.modem.sender, "+62822", handler.__call__)
    bench.modem.inbox._received = link.receive
    return link


def test_frames_go_out_for_a_week():
    async def scenario(bench):
        link = linked(bench, Handler())
        await bench.ready()
        assert await link.send(FRAME) == 1
        assert bench.network.submitted == [(b"+62822", FRAME)]

    Bench().run(scenario)
    pdus = []

    class Sender:
        async def send(self, pdu):
            pdus.append(pdu)
            return 9

    assert asyncio.run(SmsLink(Sender(), "+62822", None).send(FRAME)) == 9
    message = sms_pdu.decode(pdus[0], True)
    assert message.validity.minutes == 7 * 1440
    assert message.user_data.elements is None


def test_a_frame_that_does_not_go_is_a_link_error():
    async def scenario(bench):
        link = linked(bench, Handler())
        await bench.ready()
        bench.network.refuse = 1000
        try:
            await link.send(FRAME)
            raise AssertionError("it went")
        except LinkError as error:
            assert "500" in str(error)
            assert "62822" not in str(error)

    Bench().run(scenario)


def test_a_frame_is_deleted_only_when_it_is_handled():
    async def scenario(bench):
        handler = Handler()
        handler.fails = True
        link = linked(bench, handler)
        await bench.ready()
        bench.network.inject(NUMBER, b"+62822", counted(FRAME))
        await bench.until(lambda: bench.modem.counters.hand_over_failures)
        assert bench.model.messages.deleted == []
        handler.fails = False
        await bench.until(lambda: handler.frames == [FRAME])
        await bench.until(lambda: bench.model.messages.deleted)
        assert link.frames >= 2

    Bench("EC25").run(scenario)


def test_strangers_messages_are_cleared_away():
    async def scenario(bench):
        handler = Handler()
        link = linked(bench, handler)
        bench.model.messages.fill(10)
        await bench.ready()
        bench.network.inject(NUMBER, b"+62822", counted(FRAME))
        await bench.until(lambda: len(bench.model.messages.deleted) == 11)
        assert handler.frames == [FRAME]
        assert link.foreign == 10

    Bench("SIM800").run(scenario)
