"""A new roster reaches a whole terminal: from the broker while it sells, or over the cable; in force when nobody is served."""

import asyncio

from firmware import main

main.load()

from firmware import over_air, provisioning  # noqa: E402
from firmware.console.status import StatusCommands  # noqa: E402
from firmware.hal.flash_area import FlashError  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from firmware.relay import kept_fetch  # noqa: E402
from firmware.relay.downlink import APPLIED, PART  # noqa: E402
from firmware.relay.link import LinkError  # noqa: E402
from firmware.relay.renewal_fetch import RenewalFetch  # noqa: E402
from protocol import certificates, frame, grant, offer, renewal, roster, roster_delta  # noqa: E402
from tests.support.mp_broker import Keeper, PlayedLink  # noqa: E402
from tests.support.mp_gateway import AUTHORITY, public, sign  # noqa: E402
from tests.support.mp_shop import Shop  # noqa: E402
from tests.support.mp_virtual_time import VirtualTime  # noqa: E402

TIMEOUT_S = 120
# Shorter than in the field: a whole terminal lives through them.
kept_fetch.FIRST_LOOK_MS = 20_000
kept_fetch.RETRY_FIRST_MS = 60_000


def later_roster(ledger):
    """The roster in force, and one with one family more and the first one's hamlet changed."""
    base = provisioning._roster_octets(ledger._flash, ledger.roster.digest)
    header, entries = roster.decode(base)
    entries[0].hamlet += 1
    more = roster.Entry()
    more.state, more.hamlet, more.slot, more.delegate = roster.ACTIVE, 1, 1, roster.NO_DELEGATE
    more.cards = ()
    return base, roster.encode(header.number + 1, entries + [more])


def later_grant(ledger, programme, digest):
    """The grant in force once more, under another roster."""
    held = ledger.documents.get(document_area.GRANT_FIRST + programme)[: -certificates.SIGNATURE_OCTETS]
    document = grant.decode(held, ledger.kid, digest, ledger.policy.digest)
    document.number += 1
    body = grant.encode(document)
    return body + sign(AUTHORITY, grant.signed_message(ledger.kid, digest, ledger.policy.digest, body))


async def frames_for(app):
    """As the gateway makes them."""
    ledger = app.ledger
    ledger.documents.save({document_area.AUTHORITY_KEY: public(AUTHORITY)})
    base, new = later_roster(ledger)
    digest = roster.digest(new)
    made = renewal.Renewal()
    made.roster_digest = digest
    made.grants = tuple([later_grant(ledger, programme, digest) for programme in sorted(ledger.grants)])
    made.delta = roster_delta.between(base, new)
    made.signature = sign(AUTHORITY, roster.signed_message(digest))
    held, _ = certificates.split_signature(
        ledger.documents.get(document_area.EPOCH_CERTIFICATE), "epoch certificate"
    )
    cipher = await app.keys.downlink(certificates.decode_epoch(held))
    return digest, [
        frame.encode_counter(
            frame.CLASS_DOWN,
            frame.DOWN_ROSTER_DELTA,
            ledger.kid,
            7000 + piece.offset,
            renewal.encode_piece(piece),
            cipher,
        )
        for piece in renewal.pieces(renewal.encode(made))
    ]


def connect(shop, keeper):
    """The broker is within reach."""
    shop.app.relay.mqtt.make_link = lambda: PlayedLink(keeper.answer)
    shop.app.settings["broker_host"] = "played"


def put(keeper, kid, frames):
    """The broker keeps them."""
    for place in range(len(frames)):
        keeper.kept[offer.renewal_topic(kid, place * renewal.PIECE_OCTETS)] = frames[place]


async def in_force(shop, digest, name):
    """The next life serves under it."""
    await shop.begin()
    ledger = shop.app.ledger
    assert ledger.roster.digest == digest
    assert ledger.context is not None
    await shop.cash(name, "25*")
    assert shop.shown == "granted"
    await shop.hand_over()


def test_a_roster_from_the_broker_waits_for_sales_and_comes_into_force_in_a_quiet_minute():
    """RNW-03, RNW-04, RNW-06."""
    shop = Shop()
    keeper = Keeper()

    async def story(shop):
        await shop.begin()
        digest, frames = await frames_for(shop.app)
        put(keeper, shop.app.ledger.kid, frames)
        connect(shop, keeper)
        await shop.until(lambda: shop.app.relay.state == "up", "a session")
        # The operator is about to serve when the first look is due.
        await shop.press("E")
        await shop.see("choose")
        await asyncio.sleep_ms(2 * kept_fetch.FIRST_LOOK_MS)
        assert keeper.asked == []
        await shop.press("X")
        await shop.see("idle")
        await shop.cash("programme", "50*")
        await shop.hand_over()
        await shop.until(lambda: shop.app.new_rosters.renewal().is_ready, "all of it")
        told = dict(StatusCommands(shop.app, (), shop.app.log)._light(shop.app.console))
        assert told["roster_taken"] == told["roster_of"] > 0
        assert (told["roster"], told["roster_waits"], told["roster_failures"]) == (1, "-", 0)
        assert shop.app.downlink.counts[APPLIED] == 1
        assert shop.restarts == []
        await shop.press("E")
        await shop.see("choose")
        await asyncio.sleep_ms(2 * over_air.ROSTER_STILL_MS)
        assert shop.restarts == []
        await shop.press("X")
        await asyncio.sleep_ms(over_air.ROSTER_STILL_MS // 2)
        assert shop.restarts == []
        await asyncio.sleep_ms(over_air.ROSTER_STILL_MS)
        assert shop.restarts == [0]
        return digest

    digest = shop.open(story)

    async def after(shop):
        await in_force(shop, digest, "bank")
        connect(shop, keeper)
        # It stands at the broker still, and is not taken again.
        await shop.until(lambda: shop.app.downlink.counts.get("stale"), "the next look")
        await asyncio.sleep_ms(2 * over_air.ROSTER_STILL_MS)
        assert shop.restarts == [0]
        assert shop.app.new_rosters.fetch.failures == 0

    shop.open(after)


def test_flash_that_lost_a_record_takes_the_next_roster_all_the_same():
    """Its families are served on; a technician comes when there is one."""
    shop = Shop()
    keeper = Keeper()

    async def story(shop):
        await shop.begin()
        _, frames = await frames_for(shop.app)
        ledger = shop.app.ledger
        put(keeper, ledger.kid, frames)
        await shop.until(lambda: ledger.findings.is_done, "all was looked at")
        ledger.findings.journal.missing.append((1, 1, 0))
        ledger.journal.damage = FlashError("journal", 0, "takes nothing")
        connect(shop, keeper)
        fetch = shop.app.new_rosters.fetch
        await shop.until(lambda: fetch.waits == "findings", "nothing can be committed")
        ledger.journal.damage = None
        await shop.until(lambda: shop.app.new_rosters.renewal().is_ready, "all of it")

    shop.open(story)


def test_pieces_that_are_not_there_are_looked_for_again():
    """RNW-03."""
    shop = Shop()
    keeper = Keeper()

    async def story(shop):
        await shop.begin()
        _, frames = await frames_for(shop.app)
        kid = shop.app.ledger.kid
        put(keeper, kid, [frames[0][:-1] + bytes((frames[0][-1] ^ 1,))])
        connect(shop, keeper)
        fetch = shop.app.new_rosters.fetch
        await shop.until(lambda: fetch.failures == 1, "a piece that is spoiled")
        assert shop.app.downlink.counts["AuthenticationFailed"] == 1
        put(keeper, kid, frames)
        await asyncio.sleep_ms(3 * kept_fetch.RETRY_FIRST_MS)
        assert shop.app.new_rosters.renewal().is_ready or shop.restarts == [0]

    shop.open(story)


def test_where_the_link_goes_the_next_session_goes_on_with_the_piece_that_lacks():
    """RNW-04."""
    time = VirtualTime(0)
    state = {"taken": 0, "asked": [], "cut": True}
    pieces = (b"first", b"second", b"third")

    class Client:
        async def fetch(self, topic, _timeout_ms):
            offset = int(topic.split("/")[-1])
            state["asked"].append(offset)
            if offset == renewal.PIECE_OCTETS and state["cut"]:
                state["cut"] = False
                raise LinkError("gone")
            return pieces[offset // renewal.PIECE_OCTETS]

    async def apply(octets):
        place = pieces.index(octets)
        state["taken"] = max(state["taken"], (place + 1) * renewal.PIECE_OCTETS)
        return (APPLIED if place == 2 else PART), True

    async def story():
        fetch = RenewalFetch(1, apply, lambda: state["taken"], lambda: "", time, lambda most_ms: 0)
        try:
            await fetch.run(Client(), lambda: True)
        except LinkError:
            pass
        task = asyncio.create_task(fetch.run(Client(), lambda: True))
        await time.sleep_ms(kept_fetch.RESUME_MS + 10 * kept_fetch.PIECE_PAUSE_MS)
        task.cancel()
        assert state["asked"] == [0, 1024, 0, 1024, 2048]
        assert fetch.failures == 0

    time.run(story())


def test_a_frame_that_brings_nothing_of_it_ends_the_look():
    """RNW-03: a broker that keeps something else there is not asked for it again and again."""
    time = VirtualTime(0)
    asked = []

    class Client:
        async def fetch(self, topic, _timeout_ms):
            asked.append(topic)
            return b"part of a grant"

    async def apply(_octets):
        return PART, True

    async def story():
        fetch = RenewalFetch(1, apply, lambda: 0, lambda: "", time, lambda most_ms: 0)
        task = asyncio.create_task(fetch.run(Client(), lambda: True))
        await time.sleep_ms(kept_fetch.FIRST_LOOK_MS)
        task.cancel()
        assert (len(asked), fetch.failures) == (1, 1)

    time.run(story())


def test_by_cable_it_comes_into_force_when_the_technician_has_done():
    """RNW-04, RNW-06."""
    shop = Shop()

    async def story(shop):
        await shop.begin()
        digest, frames = await frames_for(shop.app)
        for octets in frames:
            outcome, done = await shop.app.relay.apply(octets)
            assert outcome in (PART, APPLIED)
            assert done
        await asyncio.sleep_ms(2 * over_air.ROSTER_STILL_MS)
        assert shop.restarts == [0]
        return digest

    digest = shop.open(story)
    shop.open(lambda shop: in_force(shop, digest, "programme"))


def test_what_something_else_overtook_is_counted_and_the_terminal_goes_on():
    """RNW-05."""
    shop = Shop()

    async def story(shop):
        await shop.begin()
        _, frames = await frames_for(shop.app)
        for octets in frames:
            await shop.app.relay.apply(octets)
        ledger = shop.app.ledger
        signed = later_grant(ledger, min(ledger.grants), ledger.roster.digest)
        digests = (ledger.roster.digest, ledger.policy.digest)
        ledger.adopt_grant(signed, grant.decode(signed[:-64], ledger.kid, digests[0], digests[1]))
        await asyncio.sleep_ms(2 * over_air.ROSTER_STILL_MS)
        assert shop.app.new_rosters.failures == 1
        assert shop.restarts == []
        await shop.cash("programme", "50*")
        assert shop.shown == "granted"
        await shop.hand_over()

    shop.open(story)
