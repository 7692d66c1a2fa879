"""A release bundle is checked before it is offered; what the broker is told comes in an order that misleads no terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import releases, signatures
from gateway.errors import BundleError, SignatureError
from protocol import offer
from tools.authority.signing import SigningKey
from tools.technician import build

PREFIX = "lumbung/1"
TOPIC = offer.offer_topic()
FILES = {"firmware/main.mpy": b"M" * 5000, "firmware/app.mpy": bytes(range(256)) * 30, "protocol/x.mpy": b"x"}


@pytest.fixture(scope="module")
def key():
    return SigningKey.generate()


@pytest.fixture(scope="module")
def authority(key):
    return signatures.load_public(key.public)


@pytest.fixture(scope="module")
def bundle(key):
    return b"".join(build.sign_bundle(FILES, 5, 2, key))


@pytest.fixture(scope="module")
def newer(key):
    return b"".join(build.sign_bundle(FILES | {"protocol/x.mpy": b"y"}, 6, 2, key))


def test_a_bundle_is_cut_into_what_terminals_look_for(authority, bundle):
    """REL-05, REL-06."""
    made = releases.offered(bundle, authority, 50, [0x2B, 0x2A, 0x2B], PREFIX)
    read = offer.decode(made.messages[TOPIC])
    assert (read.release, read.octets, read.share, read.kids) == (5, len(bundle), 50, (0x2A, 0x2B))
    offsets = range(0, len(bundle), 4096)
    pieces = [made.messages[offer.piece_topic(read.head_digest, offset)] for offset in offsets]
    assert b"".join(pieces) == bundle
    assert len(made.messages) == len(pieces) + 1
    told = releases.look(made.messages, PREFIX)
    assert (told.offer.release, told.lacking) == (5, 0)


def test_what_no_terminal_would_take_is_not_offered(authority, bundle):
    """REL-01, REL-04."""
    for spoiled in (
        b"",
        bundle[:-1],
        bundle + b"x",
        bundle[:-1] + b"?",
        b"X" + bundle[1:],
    ):
        with pytest.raises(BundleError):
            releases.offered(spoiled, authority, 1000, [], PREFIX)
    other = signatures.load_public(SigningKey.generate().public)
    with pytest.raises(SignatureError):
        releases.offered(bundle, other, 1000, [], PREFIX)
    with pytest.raises(BundleError):
        releases.offered(bundle, authority, 1000, range(251), PREFIX)


def test_pieces_come_before_their_offer_and_go_after_it(authority, bundle, newer):
    first = releases.offered(bundle, authority, 1000, [], PREFIX).messages
    second = releases.offered(newer, authority, 1000, [], PREFIX).messages
    told = releases.changes(first, second, PREFIX)
    topics = [topic for topic, _ in told]
    at = topics.index(TOPIC)
    assert set(topics[:at]) == set(second) - {TOPIC}
    assert set(topics[at + 1 :]) == set(first) - {TOPIC}
    assert all(octets == b"" for _, octets in told[at + 1 :])
    assert releases.changes({}, first, PREFIX)[-1][0] == TOPIC
    gone = releases.changes(first, {}, PREFIX)
    assert gone[0] == (TOPIC, b"")
    assert {topic for topic, _ in gone} == set(first)


def test_the_same_again_changes_nothing_and_another_share_only_the_offer(authority, bundle):
    once = releases.offered(bundle, authority, 10, [], PREFIX).messages
    assert releases.changes(once, once, PREFIX) == []
    assert releases.changes({}, {}, PREFIX) == []
    wider = releases.offered(bundle, authority, 500, [], PREFIX).messages
    assert [topic for topic, _ in releases.changes(once, wider, PREFIX)] == [TOPIC]


@given(st.data())
def test_whatever_the_broker_kept_it_keeps_what_is_wanted_in_the_end(data):
    names = st.sampled_from(
        [TOPIC, "lumbung/1/release/0/0", "lumbung/1/release/0/4096", "lumbung/1/release/1/0"]
    )
    kept, wanted = (data.draw(st.dictionaries(names, st.binary(min_size=1, max_size=2))) for _ in range(2))
    state = dict(kept)
    for topic, octets in releases.changes(kept, wanted, PREFIX):
        assert state.get(topic, b"") != octets, "nothing is said that holds already"
        state[topic] = octets
        if TOPIC in state and state[TOPIC] and state[TOPIC] == wanted.get(TOPIC) and topic == TOPIC:
            assert all(state.get(name) == wanted[name] for name in wanted)
    assert {topic: octets for topic, octets in state.items() if octets} == wanted


def test_what_lacks_is_told(authority, bundle):
    made = releases.offered(bundle, authority, 10, [], PREFIX)
    kept = dict(made.messages)
    kept.pop(offer.piece_topic(made.offer.head_digest, 4096))
    kept[offer.piece_topic(made.offer.head_digest, 0)] = b"short"
    assert releases.look(kept, PREFIX).lacking == 2
    for rubbish in ({}, {TOPIC: b"rubbish"}):
        assert releases.look(rubbish, PREFIX).offer is None
