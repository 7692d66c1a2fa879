"""No octets that an SMS centre or a modem passes on make the gateway's SMS links fail, answer too early or repeat themselves."""

import contextlib
from collections import Counter

import structlog
from hypothesis import given
from hypothesis import strategies as st
from smpplib import smpp
from smpplib.client import SimpleSequenceGenerator

from gateway.channels import smpp_pdu
from gateway.channels.smpp_session import LinkFailedError, Receipts, SmppSession
from gateway.channels.sms_bounds import SenderBounds
from gateway.channels.sms_message import Outgoing, frame_of
from gateway.config import Smpp
from protocol import sms_pdu, sms_time
from protocol.sms_address import Address
from protocol.sms_user_data import UserData

CONFIG = Smpp(
    host="centre", system_id="lumbung", window=3, sends_per_second=1000, response_s=30, enquire_s=30
)
SECRET_WORDS = "tidak boleh tampak"


class Life:
    """A bound session, its counts, and what it has answered."""

    def __init__(self, per_hour=1000):
        self.counts = Counter()
        self.now_s = 0.0
        bounds = SenderBounds(per_hour, lambda: self.now_s)
        self.session = SmppSession(
            CONFIG, "secret", bounds.allow, Receipts(self.counts), self.counts, lambda: 0.5
        )
        self.session.opened(0.0)
        self.written = smpp_pdu.Cutter()
        self.written.feed(self.session.take_output())
        self.session.feed(bytes.fromhex("0000001180000009000000000000000100"), 0.0)
        assert self.session.is_bound

    def output(self):
        """Headers of what it writes."""
        return [smpp_pdu.header(pdu) for pdu in self.written.feed(self.session.take_output())]


def delivered(sequence, **fields):
    """A deliver_sm as a centre makes it."""
    made = smpp.make_pdu(
        "deliver_sm", client=SimpleSequenceGenerator(), sequence=sequence,
        **({"source_addr_ton": 1, "source_addr_npi": 1, "source_addr": "628999", "destination_addr": "62800"} | fields),
    )  # fmt: skip
    made.sequence = sequence
    return made.generate()


@given(pieces=st.lists(st.binary(max_size=200), max_size=5))
def test_any_stream_is_read_or_ends_the_connection(pieces):
    life = Life()
    with contextlib.suppress(LinkFailedError):
        for piece in pieces:
            for arrived in life.session.feed(piece, 1.0):
                assert 0 < len(arrived.frame.octets) <= 140
    life.output()


@given(body=st.binary(max_size=300), sequence=st.integers(1, 0x7FFFFFFF))
def test_any_message_is_answered_once_and_a_frame_only_after_its_commit(body, sequence):
    life = Life()
    pdu = (
        (16 + len(body)).to_bytes(4, "big") + bytes.fromhex("0000000500000000") + sequence.to_bytes(4, "big")
    )
    arrived = life.session.feed(pdu + body, 1.0)
    answers = life.output()
    assert len(arrived) + len(answers) == 1
    for found in arrived:
        life.session.acknowledge(found.sequence)
        life.session.acknowledge(found.sequence)
        answers += life.output()
    assert [(answer.command, answer.sequence) for answer in answers] == [(0x80000005, sequence)]


@given(
    content=st.binary(min_size=1, max_size=140), at=st.integers(0, 400), change=st.integers(0, 255),
    coding=st.sampled_from((0, 2, 3, 4, 8, 0xF4, 0xF5)), esm=st.sampled_from((0, 4, 0x40, 0x44, 0x80)),
)  # fmt: skip
def test_a_damaged_message_is_one_thing_or_another_and_never_an_error(content, at, change, coding, esm):
    life = Life()
    pdu = bytearray(delivered(7, short_message=content, data_coding=coding, esm_class=esm))
    place = 16 + at % (len(pdu) - 16)
    pdu[place] ^= change
    arrived = life.session.feed(bytes(pdu), 1.0)
    told = {name: life.counts[name] for name in ("frames", "foreign", "oversize", "undecodable")}
    receipts = life.counts["receipts_unknown"]
    assert sum(told.values()) + receipts == 1
    assert told["frames"] == len(arrived)
    if not change and coding in (2, 4, 0xF4, 0xF5) and esm in (0, 0x80):
        assert [found.frame.octets for found in arrived] == [content]


@given(senders=st.lists(st.integers(0, 3), max_size=40), bound=st.integers(1, 8))
def test_no_sender_gets_more_than_its_bound_through(senders, bound):
    life = Life(per_hour=bound)
    through = Counter()
    for sequence, sender in enumerate(senders, 1):
        pdu = delivered(sequence, short_message=b"x", data_coding=4, source_addr=f"62{sender}")
        through.update(found.frame.sender for found in life.session.feed(pdu, 1.0))
    for sender in range(4):
        assert through[f"+62{sender}"] == min(bound, senders.count(sender))
    assert life.counts["bounded"] == len(senders) - sum(through.values())
    assert len(life.output()) == life.counts["bounded"], (
        "what is cut off is answered, so that it does not come again"
    )


steps = st.one_of(
    st.tuples(st.just("submit")),
    st.tuples(st.just("answer"), st.integers(0, 5), st.sampled_from((0, 0, 0, 0x58, 0x14, 0x0B))),
    st.tuples(st.just("wait"), st.integers(1, 20)),
    st.tuples(st.just("nonsense"), st.integers(0, 1 << 31)),
)


@given(happenings=st.lists(steps, max_size=60))
def test_every_message_out_is_sent_refused_dropped_or_still_to_be_sent(happenings):
    life = Life()
    waiting = [Outgoing("+628999", b"%d" % number) for number in range(20)]
    open_sequences = []
    for happening in happenings:
        if happening[0] == "submit" and waiting and life.session.can_submit(life.now_s):
            life.session.submit(waiting.pop(0), life.now_s)
        elif happening[0] == "answer" and open_sequences:
            sequence = open_sequences.pop(happening[1] % len(open_sequences))
            head = bytes.fromhex("0000001380000004") + happening[2].to_bytes(4, "big")
            life.session.feed(head + sequence.to_bytes(4, "big") + b"id\0", life.now_s)
        elif happening[0] == "nonsense":
            if happening[1] not in open_sequences:
                head = bytes.fromhex("000000108000000400000000")
                life.session.feed(head + happening[1].to_bytes(4, "big"), life.now_s)
        elif happening[0] == "wait":
            life.now_s += happening[1]
        waiting = life.session.take_back() + waiting
        open_sequences += [header.sequence for header in life.output() if header.command == smpp_pdu.SUBMIT]
        assert len(open_sequences) <= CONFIG.window
    waiting += life.session.abandon()
    counts = life.counts
    assert counts["sent"] + counts["not_sent"] + counts["dropped"] + len(waiting) == 20
    assert len({outgoing.octets for outgoing in waiting}) == len(waiting)


@given(
    pdu=st.one_of(
        st.binary(max_size=400), st.text(alphabet="0123456789abcdefABCDEF", max_size=400).map(str.encode)
    )
)
def test_any_line_of_a_modem_is_a_frame_or_is_counted(pdu):
    frame, why = frame_of(pdu)
    assert (frame is None) == (why in ("undecodable", "foreign"))
    if frame is not None:
        assert 0 < len(frame.octets) <= 140


@given(content=st.binary(min_size=1, max_size=140), at=st.integers(0, 400), change=st.integers(0, 255))
def test_a_damaged_line_of_a_modem_is_never_an_error(content, at, change):
    stamp = sms_time.Stamp(bytes.fromhex("62111221000082"))
    pdu = bytearray(sms_pdu.encode(sms_pdu.Deliver(Address("+628999"), stamp, UserData(content))))
    pdu[at % len(pdu)] ^= change
    frame, _ = frame_of(bytes(pdu).hex().encode())
    if not change:
        assert frame is not None
        assert (frame.octets, frame.sender) == (content, "+628999")


def test_nothing_of_a_message_is_logged():
    life = Life()
    with structlog.testing.capture_logs() as logs:
        for sequence, coding in enumerate((0, 4), 1):
            content = f"{SECRET_WORDS}\x1b[2J".encode()
            life.session.feed(delivered(sequence, short_message=content, data_coding=coding), 1.0)
    assert SECRET_WORDS not in str(logs)
    assert "628999" not in str(logs)
