"""The relay: ways out for sealed records, and one place where what comes back is applied, whichever way it came.

Online and offline are one path: records are in the journal before any way sees them, and only the gateway's signed
acknowledgement moves the mark. Which records a way has carried is that way's own business, so two of them may deliver the
same record: the gateway books it once. Nothing that happens to a link may stop the terminal.
"""

from firmware.relay import choice
from firmware.relay.downlink import APPLIED
from firmware.relay.frames import Frames
from firmware.relay.mqtt_way import UP, MqttWay, Settings
from firmware.relay.sms_way import SmsWay


class Relay:
    """`make_link()` gives a fresh link; `cipher_of()` the uplink cipher; `jitter(most_ms)` a random part of a wait;
    `verified_through()` the last sequence whose seal was found good, `await verify(sequence)` checks any before it is
    sent; `sms`: a `SmsLink`, None without.

    For screens: `state` (of MQTT: DOWN, CONNECTING, UP), `way` ("MQTT", "SMS" or None), `sms_left_today`,
    `acknowledged_s`. `mqtt` and `sms` (None without) are the ways themselves, with their counters.
    """

    def __init__(
        self,
        ledger,
        downlink,
        make_link,
        cipher_of,
        verified_through,
        settings: Settings,
        clock,
        jitter,
        verify,
        sms=None,
    ) -> None:
        self._ledger = ledger
        self._downlink = downlink
        self.frames = Frames(ledger, cipher_of, verified_through, verify)
        self.mqtt = MqttWay(ledger, self.frames, make_link, settings, clock, jitter, self.received)
        self.sms = None
        if sms is not None:
            self.sms = SmsWay(ledger, self.frames, sms, self._is_mqtt_up, clock, jitter)
        self._ways = (self.mqtt,) if self.sms is None else (self.mqtt, self.sms)

    def _is_mqtt_up(self) -> bool:
        return self.mqtt.state == UP

    # What screens read.

    @property
    def state(self) -> str:
        """Of the session with the broker: DOWN, CONNECTING or UP."""
        return self.mqtt.state

    @property
    def way(self):
        """By which way records leave now: "MQTT", "SMS" (also while its answer is awaited), None for none."""
        if self._is_mqtt_up():
            return choice.MQTT
        if self.sms is None:
            return None
        is_at_it = self.sms.choice in (choice.SMS, choice.SOON) or self.sms.is_awaiting
        return choice.SMS if is_at_it else None

    @property
    def sms_left_today(self) -> int:
        """Short messages that may still be sent today."""
        return self.sms.left_today if self.sms is not None else 0

    @property
    def acknowledged_s(self) -> int:
        """Time of the newest acknowledgement that was applied, 0 before the first."""
        return int(self._ledger.marks.time_s)

    @property
    def sessions(self) -> int:
        """Sessions with the broker that came up."""
        return self.mqtt.sessions

    @property
    def failures(self) -> int:
        """Sessions that ended, and messages that did not go."""
        return self.mqtt.failures + (self.sms.failures if self.sms is not None else 0)

    @property
    def last_error(self):
        """Why the last session ended, or else the last message did not go."""
        if self.mqtt.last_error is None and self.sms is not None:
            return self.sms.last_error
        return self.mqtt.last_error

    # What the terminal tells.

    @property
    def awaits_roster(self) -> bool:
        """A newer grant came that does not fit the roster or policy in flash."""
        return bool(self._downlink.unmatched_grant)

    def hurry(self) -> None:
        """The operator wants to send now, by whatever way there is."""
        for way in self._ways:
            way.hurry()

    def wake(self) -> None:
        """A record was committed or a seal verified: look for work now."""
        for way in self._ways:
            way.wake()

    # The ways at work.

    async def run(self, check_in) -> None:
        """MQTT, for ever."""
        await self.mqtt.run(check_in)

    async def run_sms(self, check_in) -> None:
        """Short messages, for ever; only where there is a `sms`."""
        await self.sms.run(check_in)

    async def received(self, octets: bytes) -> bool:
        """A frame from the gateway, by any way; whether it is done with (and durable), so that its bearer may forget it."""
        return (await self.apply(octets))[1]

    async def apply(self, octets: bytes) -> tuple:
        """A frame from the gateway, by any way: (outcome, whether it is done with), as `Downlink.apply`."""
        marks = self._ledger.marks
        before = marks.sealed_through
        outcome, done = await self._downlink.apply(octets)
        if outcome == APPLIED:
            if marks.sealed_through < before:
                for way in self._ways:
                    way.restart()
            gaps = self._downlink.take_gaps()
            if gaps is not None:
                for way in self._ways:
                    way.acknowledged(before, gaps)
            self.wake()
        return outcome, done
