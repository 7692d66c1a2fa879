"""The relay's decisions and octets, against a model and a reader of their own, for any order of events and any broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.worker import MicroPythonWorker

HEAD_MAX = 120
BATCH_MAX = 32


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def ask(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    with MicroPythonWorker("tests/property/drivers/relay_parts.py", request.param) as worker:
        yield lambda name, *arguments: json.loads(worker.call(json.dumps([name, arguments]).encode()))


# The outbox.

gaps = st.lists(
    st.tuples(st.integers(1, HEAD_MAX), st.integers(1, 60), st.booleans()),
    max_size=4,
    unique_by=lambda gap: gap[0],
)


@st.composite
def lives(draw: st.DrawFn) -> list[list[Any]]:
    """Steps of an outbox whose terminal makes records, adopts, verifies, and whose gateway acknowledges."""
    head = draw(st.integers(0, 40))
    verified = adoption = sealed = 0
    first = 1
    steps: list[list[Any]] = []
    for _ in range(draw(st.integers(1, 12))):
        match draw(
            st.sampled_from(("records", "adoption", "verify", "acknowledged", "restart", "drain", "reclaim"))
        ):
            case "records":
                head = min(HEAD_MAX, head + draw(st.integers(1, 40)))
            case "adoption":
                head = min(HEAD_MAX, head + 1)
                adoption = head
            case "verify":
                verified = draw(st.integers(verified, head))
            case "acknowledged":
                sealed = draw(st.integers(sealed, head))
                steps.append(["acknowledged", sealed, draw(gaps)])
            case "restart":
                steps.append(["restart", sealed])
            case "reclaim":
                first = draw(st.integers(first, sealed + 1))
            case "drain":
                steps.append(["drain", first, head, verified, adoption])
    steps.append(["drain", first, head, head, adoption])
    return steps


@given(steps=lives())
def test_every_record_is_sent_and_never_too_early_or_under_the_wrong_context(
    ask: Callable[..., Any], steps: list[list[Any]]
) -> None:
    sealed = 0
    sent: set[int] = set()
    asked: list[tuple[int, int, bool]] = []
    for step, batches in zip(steps, ask("outbox", *steps), strict=True):
        if step[0] == "restart":
            sent = set()
            asked = []
        elif step[0] == "acknowledged":
            sealed = max(sealed, step[1])
            asked = [tuple(gap) for gap in step[2]]
        else:
            _, first, head, verified, adoption = step
            limit = min(head, verified)
            for begin, end, literal, is_older in batches:
                assert first <= begin <= end <= limit
                assert end - begin < BATCH_MAX
                assert not begin <= adoption < end, "a frame holds records of two contexts"
                is_asked = any(begin >= gap[0] and end <= gap[0] + gap[1] - 1 and gap[2] for gap in asked)
                assert is_older == (begin <= adoption)
                assert not literal or is_asked
                sent.update(range(begin, end + 1))
            wanted = set(range(max(first, sealed + 1), limit + 1))
            assert wanted <= sent, "something was left lying"


@given(steps=lives())
def test_without_gaps_nothing_is_sent_twice_before_a_restart(
    ask: Callable[..., Any], steps: list[list[Any]]
) -> None:
    plain = [["acknowledged", step[1], []] if step[0] == "acknowledged" else step for step in steps]
    sent: set[int] = set()
    for step, batches in zip(plain, ask("outbox", *plain), strict=True):
        if step[0] == "restart":
            sent = set()
        for begin, end, _, _ in batches or ():
            assert not sent & set(range(begin, end + 1))
            sent.update(range(begin, end + 1))


@given(head=st.integers(1, HEAD_MAX), asked=gaps, again=st.integers(1, 3))
def test_a_gap_is_filled_as_asked_and_once(
    ask: Callable[..., Any], head: int, asked: list[tuple[int, int, bool]], again: int
) -> None:
    drain = ["drain", 1, head, head, 0]
    answers = ask("outbox", drain, *[["acknowledged", 0, asked], drain] * again)
    expected = []
    for first, count, literal in asked:
        expected += [(sequence, literal) for sequence in range(first, min(first + count - 1, head) + 1)]
    found = []
    for batches in answers[1:]:
        for begin, end, literal, _ in batches or ():
            found += [(sequence, literal) for sequence in range(begin, end + 1)]
    assert found == expected


# The choice of a way.

rules = st.fixed_dictionaries(
    {
        "sms_after_s": st.integers(0, 100_000),
        "sms_fill": st.integers(1, 400),
        "jitter_s": st.integers(0, 4000),
    }
)
situations = st.fixed_dictionaries(
    {
        "is_mqtt_up": st.booleans(),
        "can_send": st.booleans(),
        "sms_left": st.integers(0, 3),
        "waiting": st.one_of(st.just(0), st.integers(0, 500)),
        "oldest_age_s": st.integers(0, 200_000),
        "is_ordered": st.booleans(),
        "is_asked": st.booleans(),
        "has_begun": st.booleans(),
        "waited_ms": st.integers(0, 4_000_000),
        "wait_ms": st.integers(0, 4_000_000),
    }
)


@given(rules=rules, now=situations)
def test_a_way_is_chosen_as_the_policy_says(
    ask: Callable[..., Any], rules: dict[str, int], now: dict[str, Any]
) -> None:
    """POL-07: an open session first; never a message too many; an order, a question and a run begun wait for nothing."""
    chosen = ask("choose", rules, now)
    is_due = now["oldest_age_s"] >= rules["sms_after_s"] or now["waiting"] >= rules["sms_fill"]
    if now["is_mqtt_up"]:
        assert chosen == "MQTT"
    elif not now["can_send"] or not now["sms_left"]:
        assert chosen is None
    elif now["is_ordered"] or now["is_asked"]:
        assert chosen == "SMS"
    elif not now["waiting"]:
        assert chosen is None
    elif now["has_begun"]:
        assert chosen == "SMS"
    elif is_due:
        assert chosen == ("SMS" if now["waited_ms"] >= now["wait_ms"] else "soon")
    else:
        assert chosen is None


@given(rules=rules, now=situations, more=st.integers(0, 100_000))
def test_waiting_longer_or_having_more_never_takes_a_way_back(
    ask: Callable[..., Any], rules: dict[str, int], now: dict[str, Any], more: int
) -> None:
    order = [None, "soon", "SMS"]
    before = ask("choose", rules, now)
    for name in ("oldest_age_s", "waited_ms", "waiting"):
        after = ask("choose", rules, now | {name: now[name] + more})
        if before != "MQTT":
            assert order.index(after) >= order.index(before)


@given(
    lengths=st.lists(st.integers(0, 32), min_size=1, max_size=20),
    is_end=st.booleans(),
    seal_now=st.booleans(),
)
def test_a_short_frame_is_never_too_long_and_the_last_of_a_run_is_sealed(
    ask: Callable[..., Any], lengths: list[int], is_end: bool, seal_now: bool
) -> None:
    count, is_sealed, octets = ask("cut", lengths, is_end, seal_now)
    assert 1 <= count <= len(lengths)
    assert 13 + octets + 8 + (64 if is_sealed else 0) <= 140
    sizes = [length + 12 for length in lengths]
    if seal_now:
        assert is_sealed
    elif is_end:
        assert is_sealed == (count == len(lengths)), "a run ends with its seal"
        assert is_sealed == (sum(sizes) <= 140 - 21 - 64)
    else:
        assert not is_sealed
    if count < len(lengths) and not (is_end and count == len(lengths) - 1):
        room = 140 - 21 - (64 if is_sealed else 0)
        assert octets + sizes[count] > room, "as many as fit"


# What the client writes, read by a reader of our own.

octets = st.binary(max_size=40)


def read_packet(data: bytes) -> tuple[int, bytes]:
    """(first octet, body) of exactly one MQTT packet (OASIS MQTT 3.1.1, 2.2)."""
    length = 0
    at = 1
    while True:
        length |= (data[at] & 0x7F) << (7 * (at - 1))
        at += 1
        if not data[at - 1] & 0x80:
            break
    assert len(data) == at + length
    return data[0], data[at:]


def read_string(body: bytes) -> tuple[bytes, bytes]:
    end = 2 + int.from_bytes(body[:2], "big")
    assert len(body) >= end
    return body[2:end], body[end:]


@given(
    topic=st.binary(min_size=1, max_size=60),
    payload=st.binary(max_size=400),
    packet_id=st.integers(1, 0xFFFF),
)
def test_what_is_published_is_what_the_standard_reads(
    ask: Callable[..., Any], topic: bytes, payload: bytes, packet_id: int
) -> None:
    first, body = read_packet(bytes.fromhex(ask("publish", topic.hex(), payload.hex(), packet_id)))
    assert first == 0x32
    got, rest = read_string(body)
    assert (got, int.from_bytes(rest[:2], "big"), rest[2:]) == (topic, packet_id, payload)


@given(client_id=octets, user=octets, password=octets, keepalive_s=st.integers(0, 0xFFFF))
def test_a_connect_is_what_the_standard_reads(
    ask: Callable[..., Any], client_id: bytes, user: bytes, password: bytes, keepalive_s: int
) -> None:
    arguments = (client_id.hex(), user.hex(), password.hex(), keepalive_s)
    first, body = read_packet(bytes.fromhex(ask("connect", *arguments)))
    assert first == 0x10
    assert body[:7] == b"\x00\x04MQTT\x04"
    flags = body[7]
    assert int.from_bytes(body[8:10], "big") == keepalive_s
    got, rest = read_string(body[10:])
    assert got == client_id
    assert flags & 0x3F == 0, "the session would not outlive the connection"
    if flags & 0x80:
        got, rest = read_string(rest)
        assert got == user
    if flags & 0x40:
        assert flags & 0x80
        got, rest = read_string(rest)
        assert got == password
    assert (bool(flags & 0x80), bool(flags & 0x40)) == (bool(user), bool(user and password))
    assert rest == b""


# What a broker sends.


def packet(first: int, body: bytes) -> bytes:
    assume(len(body) < 16384)
    length = bytes((len(body),)) if len(body) < 128 else bytes((len(body) & 0x7F | 0x80, len(body) >> 7))
    return bytes((first,)) + length + body


published = st.builds(
    lambda topic, packet_id, payload: (
        packet(0x32, len(topic).to_bytes(2, "big") + topic + packet_id.to_bytes(2, "big") + payload),
        packet_id,
        payload,
    ),
    st.binary(max_size=20),
    st.integers(1, 0xFFFF),
    st.binary(max_size=300),
)
others = st.sampled_from((b"\xd0\x00", b"\x40\x02\x00\x07", b"\x90\x03\x00\x01\x01"))


@given(
    messages=st.lists(published, max_size=4), between=st.lists(others, max_size=4), cut=st.integers(0, 600)
)
def test_every_message_is_handled_once_and_then_acknowledged(
    ask: Callable[..., Any], messages: list[tuple[bytes, int, bytes]], between: list[bytes], cut: int
) -> None:
    stream = b"".join(between) + b"".join(message[0] for message in messages)
    handled, written, error = ask("serve", stream.hex(), min(cut, len(stream)))
    assert handled == [payload.hex() for _, _, payload in messages]
    assert written == [(b"\x40\x02" + packet_id.to_bytes(2, "big")).hex() for _, packet_id, _ in messages]
    assert error == "LinkError"


@given(data=st.data(), messages=st.lists(published, min_size=1, max_size=3), between=others)
def test_mutated_octets_end_the_session_or_change_a_payload_and_nothing_else(
    ask: Callable[..., Any], data: st.DataObject, messages: list[tuple[bytes, int, bytes]], between: bytes
) -> None:
    stream = bytearray(between + b"".join(message[0] for message in messages))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(stream) - 1))
        stream[place] = data.draw(st.integers(0, 255))
    _, _, error = ask("serve", bytes(stream).hex(), len(stream))
    assert error in ("LinkError", "MqttError")


@given(noise=st.binary(max_size=200))
def test_noise_ends_the_session(ask: Callable[..., Any], noise: bytes) -> None:
    _, _, error = ask("serve", noise.hex(), len(noise) // 2)
    assert error in ("LinkError", "MqttError")
