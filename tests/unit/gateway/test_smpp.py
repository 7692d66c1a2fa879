"""The SMPP link against an SMS centre that is not ours: nothing is answered before the commit, nothing stops the link."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.channels.channel import Receipt, Received
from gateway.channels.smpp import SmppChannel
from gateway.channels.sms_bounds import SenderBounds
from gateway.config import Smpp
from gateway.errors import ConfigError
from tests.support import tls
from tests.support.gateway_rig import eventually
from tests.support.smsc import PASSWORD, Smsc

NUMBER = "+628999"
USUAL = Smpp(
    host="127.0.0.1",
    system_id="lumbung",
    password=PASSWORD,
    system_type="aid",
    source="62800",
    reconnect_ms_max=300,
    sends_per_second=1000,
)
PORTED = bytes.fromhex("06050400010002")
"""A user data header with application ports."""
PART = bytes.fromhex("050003070201")
"""A user data header of the first of two parts."""


class Bench:
    """A centre, the channel, and a writer that commits when it is told to."""

    def __init__(self, per_hour: int = 100, pem: tuple[Path, ...] = (), **settings: object) -> None:
        self.smsc = Smsc.start(0, *pem)
        self.received: list[Received] = []
        self.news = threading.Condition()
        config = replace(USUAL, port=self.smsc.port, **settings)
        self.channel = SmppChannel(config, SenderBounds(per_hour), self.deliver, lambda: 0.05)

    def start(self) -> None:
        """Connect."""
        self.channel.start()
        eventually(lambda: self.channel.is_ready, "bound")

    def deliver(self, *frames: Received) -> None:
        """Keep what came."""
        with self.news:
            self.received += frames
            self.news.notify_all()

    def contents(self) -> list[bytes]:
        """What came."""
        with self.news:
            return [frame.octets for frame in self.received]

    def receipts(self) -> list[Receipt]:
        """Receipts of all that came."""
        with self.news:
            return [frame.receipt for frame in self.received]

    def wait_for(self, count: int) -> None:
        """Until so many frames have come."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.received) >= count, 30)

    def commit(self) -> None:
        """Commit all."""
        self.channel.acknowledge(self.receipts())

    def submitted(self, status: int = 0) -> list[bytes]:
        """Contents of the messages that the centre was sent, by its answer."""
        return [bytes.fromhex(told["hex"]) for told in self.smsc.all("submitted") if told["status"] == status]

    def count(self, name: str, at_least: int = 1) -> None:
        """Wait for a count."""
        eventually(lambda: self.channel.counts[name] >= at_least, f"{name} {at_least}: {self.channel.counts}")

    def close(self) -> None:
        """Everything ends."""
        self.channel.stop()
        self.smsc.stop()


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A bound link."""
    made = Bench()
    try:
        made.start()
        yield made
    finally:
        made.close()


def test_it_binds_as_a_transceiver_and_says_goodbye(bench):
    told = bench.smsc.wait_for("bound")
    assert (told["system_id"], told["type"], told["version"]) == ("lumbung", "aid", 0x34)
    bench.channel.stop()
    bench.smsc.wait_for("unbound")


def test_a_message_is_answered_when_its_frame_is_committed(bench):
    bench.smsc.deliver("a", b"frame \x00\xff")
    bench.wait_for(1)
    assert bench.contents() == [b"frame \x00\xff"]
    assert bench.received[0].sender == "", "numbers do not leave the channel"
    assert bench.channel.health()["waiting_for_commit"] == 1
    assert bench.smsc.all("answered") == []
    bench.commit()
    assert bench.smsc.wait_for("answered") == {"event": "answered", "id": "a", "status": 0}


def test_what_was_not_committed_comes_again_and_old_receipts_answer_nothing(bench):
    bench.smsc.deliver("a", b"frame")
    bench.wait_for(1)
    bench.smsc.order("drop")
    bench.wait_for(2)
    old, new = bench.receipts()
    assert old[0] < new[0]
    bench.channel.acknowledge([old])
    eventually(lambda: bench.channel.stale_receipts == 1, "the old receipt is stale")
    assert bench.smsc.all("answered") == []
    bench.channel.acknowledge([new])
    bench.smsc.wait_for("answered")


def test_a_frame_goes_out_as_one_binary_message_to_the_number(bench):
    assert bench.channel.send(NUMBER, bytes(range(140)))
    told = bench.smsc.wait_for("submitted")
    assert bytes.fromhex(told["hex"]) == bytes(range(140))
    assert (told["to"], told["ton"], told["npi"], told["source"]) == ("628999", 1, 1, "62800")
    assert (told["coding"], told["esm"], told["receipt"]) == (4, 0, 1)
    assert told["validity"]
    assert not bench.channel.send(NUMBER, bytes(141)), "never in two parts"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"source": "62800"}, ("62800", 0, 1)),
        ({"source": "+62800"}, ("62800", 1, 1)),
        ({"source": "LUMBUNG"}, ("LUMBUNG", 5, 0)),
        ({"source": ""}, ("", 0, 0)),
        ({"source": "62800", "source_ton": 3, "source_npi": 0}, ("62800", 3, 0)),
    ],
)
def test_the_sender_is_written_as_the_operator_wants_it(settings, told):
    made = Bench(**settings)
    try:
        made.start()
        assert made.channel.send(NUMBER, b"frame")
        heard = made.smsc.wait_for("submitted")
        assert (heard["source"], heard["source_ton"], heard["source_npi"]) == told
    finally:
        made.close()


@pytest.mark.parametrize("in_text", [False, True])
def test_receipts_are_counted_by_what_they_say(bench, in_text):
    for octets in (b"one", b"two", b"three"):
        assert bench.channel.send(NUMBER, octets)
    bench.count("sent", 3)
    assert bench.channel.health()["receipts_awaited"] == 3
    ids = [told["id"] for told in bench.smsc.all("submitted")]
    bench.smsc.order("receipt", message=ids[0], stat="DELIVRD", in_text=in_text)
    bench.smsc.order("receipt", message=ids[1], stat="EXPIRED", in_text=in_text)
    bench.smsc.order("receipt", message="another", stat="DELIVRD", in_text=in_text)
    bench.smsc.wait_for("answered", 3)
    bench.count("receipts_unknown")
    assert (bench.channel.counts["delivered"], bench.channel.counts["undelivered"]) == (1, 1)
    assert bench.channel.health()["receipts_awaited"] == 1
    assert bench.contents() == []


def test_a_centre_that_wants_less_gets_everything_later(bench):
    bench.smsc.order("throttle", count=2)
    for number in range(5):
        assert bench.channel.send(NUMBER, b"%d" % number)
    eventually(lambda: len(set(bench.submitted())) == 5, "all of it in the end")
    assert len(bench.submitted()) == 5, "none of it twice"
    assert len(bench.submitted(0x58)) == 2
    assert bench.channel.counts["throttled"] == 2


def test_no_more_is_under_way_than_the_window(bench):
    bench.smsc.order("hold", on=True)
    for number in range(USUAL.window + 3):
        assert bench.channel.send(NUMBER, b"%d" % number)
    bench.smsc.wait_for("submitted", USUAL.window)
    eventually(lambda: bench.channel.health()["queued"] == 3, "the others wait")
    bench.smsc.order("enquire")
    assert len(bench.smsc.all("submitted")) == USUAL.window
    bench.smsc.order("hold", on=False)
    bench.smsc.wait_for("submitted", USUAL.window + 3)
    bench.count("sent", USUAL.window + 3)


def test_a_full_queue_takes_nothing_and_says_so():
    made = Bench(queue_max=2, window=1)
    try:
        made.start()
        made.smsc.order("hold", on=True)
        assert made.channel.send(NUMBER, b"0")
        made.smsc.wait_for("submitted")
        assert made.channel.send(NUMBER, b"1")
        assert made.channel.send(NUMBER, b"2")
        assert not made.channel.is_ready
        assert not made.channel.send(NUMBER, b"3")
        made.smsc.order("hold", on=False)
        eventually(lambda: made.channel.is_ready, "there is room again")
        made.smsc.wait_for("submitted", 3)
    finally:
        made.close()


def test_a_message_that_is_refused_is_counted_and_stops_no_other(bench):
    bench.smsc.order("refuse", count=1, status=0x0B)
    assert bench.channel.send(NUMBER, b"one")
    assert bench.channel.send(NUMBER, b"two")
    bench.count("sent")
    assert bench.channel.counts["refused_0xb"] == 1
    assert sorted(bench.submitted()) == [b"two"]


def test_strangers_messages_are_counted_answered_and_go_no_further(bench):
    bench.smsc.deliver("text", b"Selamat!", coding=0)
    bench.smsc.deliver("ucs2", b"\x00S", coding=8)
    bench.smsc.deliver("part", PART + b"x", esm=0x40)
    bench.smsc.deliver(
        "sar", b"x", tlvs={"sar_msg_ref_num": 1, "sar_total_segments": 2, "sar_segment_seqnum": 1}
    )
    bench.smsc.deliver("empty", b"")
    bench.smsc.deliver("long", bytes(200))
    bench.smsc.deliver("longer", b"", tlvs={"message_payload": bytes(5000).hex()})
    bench.smsc.deliver("header", b"\xff\x00", esm=0x40)
    bench.smsc.deliver("odd", b"frame", sender="'; rm -rf $(x)\x1b[2J", ton=5)
    bench.smsc.deliver("ported", PORTED + b"frame", esm=0x40)
    bench.smsc.deliver("payload", b"", tlvs={"message_payload": b"frame".hex()})
    bench.wait_for(3)
    bench.commit()
    bench.smsc.wait_for("answered", 11)
    counts = bench.channel.counts
    assert (counts["foreign"], counts["oversize"], counts["undecodable"]) == (5, 2, 1)
    assert bench.contents() == [b"frame"] * 3
    assert bench.smsc.all("submitted") == []
    assert bench.channel.generation == 1


@pytest.mark.parametrize(
    "body", ["", "00", "ffff", "0001", "41" * 300, "00010141" + "42" * 40, "0001013632380000" + "ff" * 12]
)
def test_a_message_that_cannot_be_read_is_refused_for_good(bench, body):
    octets = bytes.fromhex(body)
    header = (
        (16 + len(octets)).to_bytes(4, "big") + bytes.fromhex("0000000500000000") + (900).to_bytes(4, "big")
    )
    bench.smsc.order("raw", hex=(header + octets).hex())
    bench.smsc.deliver("a", b"frame")
    bench.wait_for(1)
    assert bench.contents() == [b"frame"]
    assert bench.channel.counts["undecodable"] + bench.channel.counts["foreign"] == 1
    assert bench.channel.generation == 1


def test_a_length_that_none_has_ends_the_connection_and_no_more(bench):
    bench.smsc.order("raw", hex="7fffffff" + "00" * 12)
    bench.count("garbage")
    bench.smsc.wait_for("bound", 2)
    bench.smsc.deliver("a", b"frame")
    bench.wait_for(1)


def test_an_unknown_command_is_refused(bench):
    bench.smsc.order("raw", hex="00000010000001030000000000000009")
    assert bench.smsc.wait_for("nacked")["status"] == 3


def test_a_number_that_sends_too_much_is_cut_off():
    made = Bench(per_hour=3)
    try:
        made.start()
        for number in range(5):
            made.smsc.deliver(f"{number}", b"%d" % number)
        made.smsc.deliver("other", b"other", sender="628111")
        made.wait_for(4)
        made.commit()
        made.smsc.wait_for("answered", 6)
        assert made.contents() == [b"0", b"1", b"2", b"other"]
        assert made.channel.counts["bounded"] == 2
    finally:
        made.close()


def test_a_refused_bind_and_a_centre_that_is_away_are_tried_again():
    made = Bench()
    try:
        made.smsc.order("bind", ok=False)
        made.channel.start()
        made.smsc.wait_for("bind_refused", 2)
        assert not made.channel.is_ready
        assert not made.channel.send(NUMBER, b"frame")
        assert "bind refused with status 0xd" in made.channel.last_error
        made.smsc.order("bind", ok=True)
        eventually(lambda: made.channel.is_ready, "bound")
        port = made.smsc.port
        made.smsc.stop()
        eventually(lambda: not made.channel.is_ready, "not bound")
        assert made.channel.is_alive
        made.smsc = Smsc.start(port)
        eventually(lambda: made.channel.is_ready, "bound again")
        assert made.channel.last_error == ""
    finally:
        made.close()


def test_what_was_under_way_when_the_link_broke_goes_out_again(bench):
    bench.smsc.order("hold", on=True)
    assert bench.channel.send(NUMBER, b"frame")
    bench.smsc.wait_for("submitted")
    bench.smsc.order("hold", on=False)
    bench.smsc.order("silent", on=True)
    assert bench.channel.send(NUMBER, b"other")
    bench.smsc.wait_for("submitted", 2)
    bench.smsc.order("drop")
    bench.smsc.order("silent", on=False)
    bench.smsc.wait_for("submitted", 3)
    eventually(lambda: bench.submitted().count(b"other") == 2, "tried once more, since nobody knows")


def test_a_silent_centre_is_asked_and_left():
    made = Bench(enquire_s=1, response_s=1)
    try:
        made.start()
        made.smsc.wait_for("enquired")
        made.smsc.order("silent", on=True)
        made.smsc.wait_for("bound", 2)
        assert made.channel.counts["connections_lost"] >= 1
    finally:
        made.close()


def test_the_centre_may_ask_too_and_may_unbind(bench):
    bench.smsc.order("enquire")
    bench.smsc.order("unbind")
    bench.smsc.wait_for("bound", 2)
    eventually(lambda: bench.channel.is_ready, "bound again")


def test_tls_carries_messages_both_ways_and_a_wrong_ca_is_refused(tmp_path):
    tls.certify(tmp_path)
    pem = (tmp_path / "ca.pem", tmp_path / "key.pem")
    made = Bench(pem=pem, tls=True, tls_ca_file=str(pem[0]))
    stranger = SmppChannel(replace(USUAL, port=made.smsc.port, tls=True), SenderBounds(1), lambda *_: None)
    try:
        made.start()
        for number in range(50):
            made.smsc.deliver(f"{number}", bytes([number]) * 140)
            assert made.channel.send(NUMBER, bytes([number]) * 140)
        made.wait_for(50)
        made.commit()
        made.smsc.wait_for("answered", 50)
        made.count("sent", 50)
        assert sorted(made.contents()) == sorted(made.submitted())
        stranger.start()
        eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in stranger.last_error, "not bound")
        assert not stranger.is_ready
    finally:
        stranger.stop()
        made.close()


@pytest.mark.parametrize("settings", [{"system_id": "x" * 16}, {"password": "x" * 9}])
def test_names_that_would_be_cut_off_are_refused(settings):
    with pytest.raises(ConfigError, match="smpp"):
        SmppChannel(replace(USUAL, **settings), SenderBounds(1), lambda *_: None)
