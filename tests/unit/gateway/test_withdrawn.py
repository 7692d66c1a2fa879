"""A terminal that was replaced or revoked is told so under the certified key, at once and while it is heard, not more often."""

from __future__ import annotations

import pytest

from gateway import decode, signatures
from gateway.config import Sms
from gateway.downlinks import Downlinks
from gateway.publish import Order, Publisher, carry_out
from gateway.store.interface import Changes
from protocol import certificates, frame, notice
from tests.support.gateway_rig import NOW_MS
from tests.unit.gateway.test_acknowledger import EPOCH, Scene, acknowledgements
from tests.unit.gateway.test_downlinks import NOON_S, NUMBER, Way

KID = 42


@pytest.fixture
def scene():
    """A gateway that answers; its time stands still unless a test moves it."""
    made = Scene(notice_interval_s=60)
    made.now_s = made.acknowledger._filled_s
    made.acknowledger._monotonic = lambda: made.now_s
    yield made
    made.stop()


@pytest.fixture
def terminal(scene):
    """Three adoptions and five redemptions, of which two are here."""
    made = scene.rig.terminal(KID)
    for _ in range(5):
        made.redeem()
    scene.deliver(made.frame(1, 3), made.frame(4, 5))
    return made


def obey(scene, order):
    """What the daemon does with an order about the terminal."""

    def write(publication):
        scene.writer.submit(publication.changes, publication.forget).result(20)
        scene.acknowledger.published(publication.addressed)

    publisher = Publisher(scene.store, scene.rig.verifying, scene.rig.ring, NOW_MS)
    carry_out(publisher.check(order, b"", KID), write)
    return scene.answer()


def standings(scene, terminal):
    """Why the terminal was told to be withdrawn, oldest first; each is one SMS and verifies as the terminal verifies it."""
    told = []
    for kid, octets in scene.caught:
        if kid == KID and octets[0] == frame.CLASS_DOWN << 6 | frame.DOWN_STANDING:
            assert len(octets) <= 140
            header, unit = frame.open_counter(octets, terminal.down(EPOCH))
            body, signature = certificates.split_signature(unit, "standing")
            message = notice.standing_message(KID, header.counter, body)
            key = signatures.load_public(scene.rig.key.request[68:])
            assert signatures.verify(key, signature, message)
            standing = notice.decode_standing(body)
            assert standing.epoch == EPOCH
            described = decode.describe(octets, None, terminal.down(EPOCH))
            assert (described.body["why"], described.error) == (standing.why, {})
            told.append(standing.why)
    return told


def test_a_replaced_terminal_is_told_at_once_and_acknowledged_as_ever(scene, terminal):
    """STD-01, STD-03."""
    assert standings(scene, terminal) == []
    assert obey(scene, Order.RETIRE) == 2
    assert standings(scene, terminal) == [notice.REPLACED]
    scene.deliver(terminal.frame(6, 8))
    assert acknowledgements(scene, terminal)[-1].sealed_through == 8
    assert standings(scene, terminal) == [notice.REPLACED], "not with every answer"
    scene.now_s += 60
    scene.deliver(terminal.report())
    assert standings(scene, terminal) == [notice.REPLACED] * 2
    assert scene.acknowledger.withdrawals == 2


def test_a_revoked_terminal_is_told_that_and_no_more(scene, terminal):
    """STD-03: whoever sends under its name, which needs no keys, costs one frame in a while."""
    before = len(acknowledgements(scene, terminal))
    assert obey(scene, Order.REVOKE) == 1
    assert standings(scene, terminal) == [notice.REVOKED]
    for raw in (terminal.frame(6, 8), terminal.report(), terminal.frame(6, 8)[:-1] + b"x"):
        assert scene.deliver(raw) == 0
    scene.now_s += 60
    assert scene.deliver(terminal.report()) == 1
    assert standings(scene, terminal) == [notice.REVOKED] * 2
    assert len(acknowledgements(scene, terminal)) == before
    assert scene.store.terminal(KID).sealed_through == 5


def test_what_comes_under_a_revoked_name_takes_no_turns_from_others():
    """Whoever may publish can send under that name, as fast as he likes."""
    scene = Scene(interval_ms=1000)
    scene.now_s = scene.acknowledger._filled_s
    scene.acknowledger._monotonic = lambda: scene.now_s
    revoked = scene.rig.terminal(KID)
    obey(scene, Order.REVOKE)
    before = scene.acknowledger._tokens
    for _ in range(20):
        scene.deliver(revoked.report())
    assert scene.acknowledger._tokens == before
    scene.now_s += 1
    assert scene.acknowledger._due == [(scene.now_s, KID)]
    scene.stop()


def test_a_frozen_terminal_is_told_beside_its_own_seal(scene, terminal):
    """STD-03: also the branch whose chain leads to that seal; nothing more of either is sealed."""
    twin = terminal.fork(4)
    twin.redeem(9)
    scene.deliver(twin.frame(5))
    assert scene.store.terminal(KID).frozen_from == 5
    assert standings(scene, terminal) == [notice.FORKED]
    assert scene.acknowledger.notices == 1


def test_by_sms_it_is_told_as_seldom_as_of_grants(scene, terminal):
    """STD-03: each costs a message, of which a terminal gets so many a day."""
    by_sms, by_mqtt = Way(scene.channel.name), Way("mqtt")
    bounds = Sms(settle_s=0, interval_s=600, grant_interval_s=7200)
    scene.acknowledger._down = Downlinks(
        scene.store.terminal, by_mqtt, (by_sms,), bounds, lambda: 0.0, lambda: scene.now_s, lambda: NOON_S
    )
    scene.writer.submit(Changes(telephones=[(KID, NUMBER)])).result(20)
    told, before = frame.CLASS_DOWN << 6 | frame.DOWN_STANDING, len(scene.caught)
    obey(scene, Order.RETIRE)
    counts = []
    for _ in range(3):
        counts.append(sum(octets[0] == told for _, octets in by_sms.sent))
        scene.now_s += 3600
        scene.deliver(terminal.report())
    assert counts == [1, 1, 2]
    assert all(len(octets) <= 140 for _, octets in by_sms.sent)
    assert (by_mqtt.sent, len(scene.caught)) == ([], before)


def test_nothing_is_sent_where_nothing_may_be_signed(scene, terminal):
    """A database that was restored, and a clock that stands before the certificate."""
    obey(scene, Order.REVOKE)
    scene.now_s += 60
    scene.clock_s = 0
    assert scene.deliver(terminal.report()) == 0
    assert standings(scene, terminal) == [notice.REVOKED]


def test_a_terminal_that_serves_is_never_told(scene, terminal):
    """STD-03."""
    scene.now_s += 60
    scene.deliver(terminal.frame(6, 8), terminal.report())
    scene.writer.submit(Changes(stopped=[(KID, "looked at")])).result(20)
    scene.deliver(terminal.report())
    assert standings(scene, terminal) == []
    assert scene.acknowledger.withdrawals == 0
