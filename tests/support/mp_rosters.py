"""New rosters on their way to a terminal of `mp_books`, with real signatures of the authority and the gateway."""

import asyncio

from firmware.relay import downlink
from firmware.relay.downlink import Downlink
from firmware.renewal import Renewal
from protocol import frame, grant, renewal, roster, roster_delta
from tests.support.mp_books import KID, PERIOD, card_key, make_grant, make_roster
from tests.support.mp_gateway import AUTHORITY, cipher_of, down, sign

_verified = {}
_signed = {}


def signature_of(private, message):
    """A signature, made once."""
    if (private, message) not in _signed:
        _signed[private, message] = sign(private, message)
    return _signed[private, message]


def remember_verifications():
    """Verifying is slow, always the same here, and tested elsewhere."""
    verifies = downlink.verifies

    async def remembering(key, message, signature, low_s=False):
        told = (bytes(key), bytes(message), bytes(signature), low_s)
        if told not in _verified:
            _verified[told] = await verifies(key, message, signature, low_s)
        return _verified[told]

    downlink.verifies = remembering
    import firmware.renewal

    firmware.renewal.verifies = remembering


def later(families, number, removed=(), taken=()):
    """A later roster than `make_roster` gives: entries removed, and families whose first card is another one now."""
    _, entries = roster.decode(make_roster(families, number))
    for index in removed:
        entries[index].state = roster.REMOVED
    for index in taken:
        entries[index].cards[0].card_key = card_key(1000 + index)
    return roster.encode(number, entries)


def grants_for(ledger, new, number, programmes, period=PERIOD, private=AUTHORITY):
    """Signed grants under a new roster."""
    made = []
    for programme in programmes:
        body = make_grant(number, programme, period)
        message = grant.signed_message(KID, roster.digest(new), ledger.policy.digest, body)
        made.append(body + signature_of(private, message))
    return tuple(made)


def unit_of(ledger, base, new, number=2, programmes=(1,), **changes):
    """A renewal's octets; `base` b"" for a whole roster. `changes` replace its fields."""
    made = renewal.Renewal()
    made.roster_digest = roster.digest(new)
    made.grants = changes.get("grants") or grants_for(ledger, new, number, programmes)
    made.delta = changes.get("delta") or roster_delta.between(base, new)
    made.signature = changes.get("signature") or signature_of(
        AUTHORITY, roster.signed_message(roster.digest(new))
    )
    return renewal.encode(made)


def frames_of(unit):
    """The frames of its pieces."""
    pieces = renewal.pieces(unit)
    return [
        down(frame.DOWN_ROSTER_DELTA, 100 + place, renewal.encode_piece(pieces[place]))
        for place in range(len(pieces))
    ]


class Taker:
    """A ledger with what takes frames for it."""

    def __init__(self, flash, ledger):
        self.wholes = 0
        self.busy = False
        self.ledger = ledger
        self.renewal = Renewal(flash, ledger, lambda: self.busy, self._whole)
        self.downlink = Downlink(ledger, cipher_of)
        self.downlink.renewal_of = lambda: self.renewal

    def _whole(self):
        self.wholes += 1

    def take(self, frames):
        """Outcomes of frames, one after the other."""

        async def work():
            outcomes = []
            for octets in frames:
                outcomes.append((await self.downlink.apply(octets))[0])
            return outcomes

        asyncio.new_event_loop()
        return asyncio.run(work())
