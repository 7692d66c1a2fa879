"""Takes the renewal that the broker keeps for this terminal (protocol/renewal), a piece at a time, through the downlink."""

from firmware.relay.downlink import APPLIED, PART, STALE
from firmware.relay.kept_fetch import KeptFetch
from firmware.updater import UpdateRefused
from protocol import offer


class RenewalFetch(KeptFetch):
    """`await apply(frame)` is the relay's; `taken()`: octets that are there of what is being taken."""

    def __init__(self, kid: int, apply, taken, hindrance, clock, jitter) -> None:
        super().__init__(hindrance, clock, jitter)
        self._kid = kid
        self._apply = apply
        self._taken = taken

    async def _take(self, session) -> None:
        """The first piece always, which tells whether it is the same still; then those that are lacking."""
        offset = 0
        while True:
            octets = await self._fetched(session, offer.renewal_topic(self._kid, offset))
            if octets is None:
                if offset:
                    raise UpdateRefused("no piece %d at the broker" % offset)
                return
            await self._clear(session)
            outcome, _ = await self._apply(octets)
            if outcome in (APPLIED, STALE):
                return
            if outcome != PART or self._taken() <= offset:
                raise UpdateRefused("piece %d: %s" % (offset, outcome))
            offset = self._taken()
