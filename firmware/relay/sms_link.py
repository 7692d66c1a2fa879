"""Frames as short messages: one frame is one message of 8-bit data, and everything else that arrives is counted.

Who a message says it is from proves nothing, so nobody looks at it: what a frame is worth its tag and signature tell.
"""

from firmware.drivers.modem.errors import ModemError
from firmware.relay.link import LinkError
from protocol import sms_pdu, sms_time
from protocol.sms_address import Address
from protocol.sms_user_data import DATA_8BIT, USER_DATA_OCTETS_MAX, UserData

# A frame is as good after days, so let the network try for a week.
_VALIDITY_MINUTES = 7 * 1440


class SmsLink:
    """`sender`: the modem's; `gateway_number`: where frames go; `handle(frame)` is awaited for each frame that comes in.

    `frames`, `foreign` (text, parts of long messages, data of others), `damaged`: how many came in.
    """

    FRAME_OCTETS_MAX = USER_DATA_OCTETS_MAX

    def __init__(self, sender, gateway_number: str, handle) -> None:
        self._sender = sender
        self._gateway = Address(gateway_number)
        self._handle = handle
        self.frames = 0
        self.foreign = 0
        self.damaged = 0

    @property
    def can_send(self) -> bool:
        """Whether the network would take a message now."""
        return self._sender.can_send

    async def send(self, frame: bytes) -> int:
        """Send a frame of at most 140 octets and return the message reference; LinkError when it did not go, or when
        nobody knows: sending it once more does no harm.
        """
        message = sms_pdu.Submit(self._gateway, UserData(frame))
        message.validity = sms_time.relative(_VALIDITY_MINUTES)
        pdu = sms_pdu.encode(message)
        try:
            return await self._sender.send(pdu)
        except ModemError as error:
            raise LinkError(str(error))

    async def receive(self, incoming) -> None:
        """What the modem hands over; when this returns, the message is deleted."""
        message = incoming.deliver
        if message is None:
            self.damaged += 1
            return
        data = message.user_data
        if data.alphabet != DATA_8BIT or data.concatenation is not None or not data.content:
            self.foreign += 1
        elif data.missing:
            self.damaged += 1
        else:
            self.frames += 1
            await self._handle(data.content)
