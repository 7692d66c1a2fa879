"""Acknowledgements: what they say, that they fit one SMS, when they go out and when they must not."""

import threading

import pytest

from gateway import acknowledge, documents, signatures
from gateway.acknowledger import Acknowledger
from gateway.batch_changes import Contact
from gateway.config import Acknowledge
from gateway.down_counter import BLOCK, DownCounter
from gateway.downlinks import Downlinks
from gateway.owed import STATES_RECALLED
from gateway.store.interface import Changes, RecordState
from gateway.store.memory import MemoryStore
from gateway.writer import DOWN_RESERVED, RESTORED, Writer
from protocol import acknowledgement, certificates, frame, grant, notice, renewal, roster, status
from tests.support.frames import START_S
from tests.support.gateway_rig import NOW_MS, NotingChannel, Rig, received, small
from tests.support.gateway_rosters import changed

EPOCH = 1


class Scene:
    """A gateway without a broker: downlinks are caught and opened with the terminal's keys.

    It stands in for the free channel. The acknowledger takes its turns in the test's own thread, so that what it has sent is all that it sends.
    """

    name = "noting"

    def __init__(self, **settings):
        self.store = MemoryStore()
        self.rig = Rig(self.store)
        self.rig.certify_epoch(EPOCH)
        self.channel = NotingChannel()
        self.caught = []
        self.is_up = True
        self.clock_s = START_S
        settings = {"interval_ms": 0} | settings
        self.writer = Writer(
            self.store, self.rig.ring, small(), lambda contacts: self.acknowledger.contacts(contacts),  # noqa: PLW0108 - made below
            clock_ms=lambda: NOW_MS,
        )  # fmt: skip
        counter = DownCounter(self.store, self.writer)
        self.acknowledger = Acknowledger(
            self.store, self.rig.ring, counter, Acknowledge(**settings), Downlinks(self.store.terminal, self),
            clock_s=lambda: self.clock_s, keep=self.writer.submit,
        )  # fmt: skip
        self.sent = 0
        self.writer.start()

    def stop(self):
        """End."""
        self.acknowledger.stop()
        self.writer.stop()

    @property
    def is_ready(self):
        """Be the channel."""
        return self.is_up

    def send(self, kid, octets):
        """Be the channel."""
        self.caught.append((kid, octets))
        return True

    def certify_and_tell(self, epoch):
        """Publish an epoch as the command line does; its certificate."""
        signed = self.rig.authority.epoch(self.rig.key.request, epoch)
        document, _ = documents.read_epoch(self.rig.verifying, signed)
        self.writer.submit(Changes(documents=[document], values={RESTORED: 0})).result(20)
        self.acknowledger.published([])
        self.answer()
        return signed

    def answer(self):
        """Let the acknowledger send all that it will send; how many frames that were."""
        before = len(self.caught)
        while True:
            count = len(self.caught)
            self.acknowledger.turn()
            if len(self.caught) == count:
                return count - before

    def commit(self, *frames):
        """Have frames committed, and the acknowledger told of it."""
        for raw in frames:
            self.sent += 1
            self.writer.deliver(received(raw, self.channel, self.sent))
        self.writer.submit(Changes()).result(20)  # behind them in the queue, so they are done with

    def deliver(self, *frames):
        """Have frames committed and answered; how many frames went down."""
        self.commit(*frames)
        return self.answer()


def opened(scene, terminal, octets):
    """An acknowledgement as the terminal reads it: tag, signature, body."""
    header, signed = frame.open_counter(octets, terminal.down(EPOCH))
    assert header.codec == frame.DOWN_ACKNOWLEDGEMENT
    assert header.kid == terminal.kid
    body, signature = certificates.split_signature(signed, "acknowledgement")
    key = signatures.load_public(scene.rig.key.request[68:])
    message = acknowledgement.signed_message(header.kid, header.counter, body)
    assert signatures.verify(key, signature, message)
    told = acknowledgement.decode(body)
    told.counter = header.counter
    return told


def acknowledgements(scene, terminal):
    """All acknowledgements caught for a terminal."""
    found = []
    for kid, octets in list(scene.caught):
        if kid == terminal.kid and octets[0] == frame.CLASS_DOWN << 6 | frame.DOWN_ACKNOWLEDGEMENT:
            assert len(octets) <= 140
            found.append(opened(scene, terminal, octets))
    return found


def latest(scene, terminal, name, default=None):
    """What the last acknowledgement says; `default` where none has come."""
    found = acknowledgements(scene, terminal)
    return getattr(found[-1], name) if found else default


@pytest.fixture
def scene():
    """A gateway that answers."""
    made = Scene()
    yield made
    made.stop()


@pytest.fixture
def terminal(scene):
    """Three adoptions and forty redemptions."""
    made = scene.rig.terminal()
    for _ in range(40):
        made.redeem()
    return made


def book(scene, through, first=1, state=RecordState.SETTLED):
    """Settlement has answered."""
    states = [(42, sequence, state, "") for sequence in range(first, through + 1)]
    scene.writer.submit(Changes(states=states, booked=[(42, through)])).result(20)
    scene.acknowledger.settled({42: first})
    scene.answer()


def test_a_sealed_frame_is_answered_with_its_chain_digest(scene, terminal):
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 12))
    assert latest(scene, terminal, "sealed_through") == 12
    told = acknowledgements(scene, terminal)[-1]
    assert (told.epoch, told.time_s) == (EPOCH, START_S)
    assert told.chain_digest == terminal.chains[12][:16]
    assert (told.reclaim_through, told.gaps, told.states) == (0, (), ())


def test_the_thread_answers_as_soon_as_there_is_news(scene, terminal):
    has_sent = threading.Event()
    catch = scene.send
    scene.send = lambda kid, octets: catch(kid, octets) and not has_sent.set()
    scene.acknowledger.start()
    scene.commit(terminal.frame(1, 3))
    assert has_sent.wait(20)
    scene.acknowledger.stop()
    assert acknowledgements(scene, terminal)[0].sealed_through == 3


def test_gaps_are_named_with_the_codec_to_use(scene, terminal):
    """What cannot be read although nothing before it is missing is asked for literally."""
    terminal.adopt(documents.Kind.POLICY, scene.rig.authority.policy(number=10))  # not published here
    for _ in range(6):
        terminal.redeem()
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 43), terminal.frame(44, 44))
    scene.deliver(terminal.frame(45, 46), terminal.frame(49, 50))
    assert acknowledgements(scene, terminal)[-1].gaps == ((45, 2, True), (47, 2, False))


def test_reclaim_follows_what_settlement_has_taken(scene, terminal):
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 43))
    book(scene, 10)
    assert latest(scene, terminal, "reclaim_through") == 10
    told = acknowledgements(scene, terminal)[-1]
    assert (told.states_first, told.states) == (1, (acknowledgement.SETTLED,) * 10)


def test_states_rotate_until_all_are_told(scene, terminal):
    for _ in range(300):
        terminal.redeem()
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 200), terminal.frame(201, 343))
    book(scene, 343)

    def all_told():
        told = {}
        for each in acknowledgements(scene, terminal):
            told |= {each.states_first + place: state for place, state in enumerate(each.states)}
        return all(told.get(sequence) == acknowledgement.SETTLED for sequence in range(1, 344))

    assert all_told()


def test_refused_and_disputed_are_told_apart(scene, terminal):
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 6))
    outcomes = [RecordState.RECORDED] * 3 + [RecordState.REFUSED, RecordState.DISPUTED, RecordState.SETTLED]
    states = [(42, sequence, state, "") for sequence, state in enumerate(outcomes, 1)]
    scene.writer.submit(Changes(states=states, booked=[(42, 6)])).result(20)
    scene.acknowledger.settled({42: 1})
    scene.answer()
    assert acknowledgements(scene, terminal)[-1].states == (
        acknowledgement.SETTLED, acknowledgement.SETTLED, acknowledgement.SETTLED,
        acknowledgement.REFUSED, acknowledgement.DISPUTED, acknowledgement.SETTLED,
    )  # fmt: skip


def told_twelve(scene, terminal):
    """Seal and book twelve records, wait until all their states are told; returns the last counter."""
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 12))
    book(scene, 12)
    assert sum(len(each.states) for each in acknowledgements(scene, terminal)) == 12
    return latest(scene, terminal, "counter")


def told_since(scene, terminal, counter):
    """Where the windows of states told after a counter start, 0 for none."""
    return [each.states_first for each in acknowledgements(scene, terminal) if each.counter > counter]


def test_a_repeated_frame_is_answered_again_with_its_states(scene, terminal):
    counter = told_twelve(scene, terminal)
    scene.deliver(terminal.report(sealed_through=12, epoch=EPOCH, counter=counter))
    scene.deliver(terminal.frame(8, 12))
    assert told_since(scene, terminal, counter) == [0, 8]


def test_a_terminal_that_missed_acknowledgements_hears_their_states_again(scene, terminal):
    counter = told_twelve(scene, terminal)
    scene.deliver(terminal.report(sealed_through=3, epoch=EPOCH, counter=1))
    assert told_since(scene, terminal, counter) == [1]


def test_a_terminal_that_heard_everything_is_not_told_again(scene, terminal):
    counter = told_twelve(scene, terminal)
    scene.deliver(terminal.report(sealed_through=12, epoch=EPOCH, counter=counter))
    assert told_since(scene, terminal, counter) == [0]


def test_states_are_told_until_the_acknowledgement_that_told_them_is_heard_of(scene, terminal):
    """One that got lost, or was overtaken and came too late to be applied, is made good by the next: that one's echo says
    nothing of it.
    """
    told_twelve(scene, terminal)
    scene.deliver(terminal.frame(13, 14))
    told = acknowledgements(scene, terminal)[-1]
    assert (told.states_first, len(told.states), told.sealed_through) == (1, 12, 14)
    book(scene, 14, first=13)
    told = acknowledgements(scene, terminal)[-1]
    assert (told.states_first, len(told.states)) == (1, 14)
    scene.deliver(terminal.report(sealed_through=14, epoch=EPOCH, counter=told.counter))
    assert told_since(scene, terminal, told.counter) == [0]
    scene.deliver(terminal.frame(15, 16))
    book(scene, 16, first=15)
    assert told_since(scene, terminal, told.counter) == [0, 0, 15]


def told_by_reports(scene, terminal, through, echo):
    """(states told, reports) until there is none to tell: a terminal that only reports, and applies each last answer."""
    known, reports = set(), 0
    while reports < 20:
        before = len(acknowledgements(scene, terminal))
        scene.deliver(terminal.report(sealed_through=through, epoch=EPOCH, counter=echo))
        reports += 1
        for told in acknowledgements(scene, terminal)[before:]:
            known.update(range(told.states_first, told.states_first + len(told.states)))
            echo = told.counter
        if not told.states:
            break
    return known, reports


def booked_303(scene, terminal):
    """Settlement has all of a chain that four acknowledgements tell the states of."""
    for _ in range(260):
        terminal.redeem()
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 200), terminal.frame(201, 303))
    book(scene, 303)


def test_a_terminal_that_lacks_states_need_only_report(scene, terminal):
    """Whatever it has missed, and however much: each report is answered with some of what is not known to be there."""
    booked_303(scene, terminal)
    echo = latest(scene, terminal, "counter")  # of all that was told, the last alone has come
    before = len(acknowledgements(scene, terminal))
    known, reports = told_by_reports(scene, terminal, 303, echo)
    assert known == set(range(1, 304))
    assert len(acknowledgements(scene, terminal)) - before == reports <= 8, "one answer to each report"


def test_a_new_process_knows_what_its_terminals_do_not(scene, terminal):
    """However old that is; what they do know it does not tell again, but for the last states."""
    booked_303(scene, terminal)
    for first in (1, 303 - STATES_RECALLED + 1):
        scene.acknowledger._told.clear()
        known, _ = told_by_reports(scene, terminal, 303, latest(scene, terminal, "counter"))
        assert known == set(range(first, 304))


def test_a_terminal_that_forgot_what_it_had_applied_hears_it_again(scene, terminal):
    """Its flash could not keep the acknowledgement, or was torn: after a restart its echo is an older one."""
    counter = told_twelve(scene, terminal)
    for echo, window in ((counter, 0), (counter - 1, 1)):
        scene.deliver(terminal.report(sealed_through=12, epoch=EPOCH, counter=echo))
        assert latest(scene, terminal, "states_first") == window


def test_counters_rise_and_are_reserved_before_use(scene, terminal):
    assert scene.deliver(terminal.frame(1, 3)) == 1
    assert scene.deliver(terminal.frame(4, 4)) == 1
    counters = [told.counter for told in acknowledgements(scene, terminal)]
    assert counters == sorted(set(counters))
    assert counters[-1] < scene.store.value(DOWN_RESERVED) <= counters[0] + BLOCK
    again = DownCounter(scene.store, scene.writer)
    assert again.take() >= counters[0] + BLOCK, "a new process never takes a counter of the old one"


def test_one_acknowledgement_per_interval():
    scene = Scene(interval_ms=3_600_000)
    terminal = scene.rig.terminal()
    terminal.redeem()
    other = scene.rig.terminal(43)
    assert scene.deliver(terminal.frame(1, 3)) == 1
    assert scene.deliver(terminal.frame(4, 4), other.frame(1, 3)) == 1
    assert [kid for kid, _ in scene.caught] == [42, 43]
    scene.stop()


def test_nothing_is_sent_while_the_channel_is_down_and_all_of_it_after(scene, terminal):
    scene.is_up = False
    scene.deliver(terminal.frame(1, 3))
    scene.deliver(terminal.frame(4, 9))
    assert scene.caught == []
    scene.is_up = True
    assert scene.answer() == 1
    assert acknowledgements(scene, terminal)[0].sealed_through == 9


def test_a_restored_gateway_stops_acknowledging_until_a_new_epoch(scene, terminal):
    assert scene.deliver(terminal.frame(1, 3)) == 1
    assert scene.deliver(terminal.report(epoch=EPOCH, counter=scene.store.value(DOWN_RESERVED))) == 0
    assert scene.deliver(terminal.frame(4, 9)) == 0
    assert scene.store.value(RESTORED) == 1
    assert scene.store.terminal(42).sealed_through == 9, "records are still taken"
    scene.writer.submit(Changes(values={RESTORED: 0})).result(20)
    assert scene.answer() == 1


def notices(scene, terminal):
    """The rollback notices caught for a terminal, each one SMS."""
    kind = frame.CLASS_DOWN << 6 | frame.DOWN_NOTICE
    caught = [octets for kid, octets in list(scene.caught) if kid == terminal.kid and octets[0] == kind]
    assert all(len(octets) <= 140 for octets in caught)
    return [notice.decode(frame.open_counter(octets, terminal.down(EPOCH))[1]) for octets in caught]


def test_a_terminal_behind_its_own_seals_is_shown_the_last_one_before_all_else(scene, terminal):
    """NOT-05: also where its old flash takes a counter a second time; not again within the interval."""
    scene.deliver(terminal.frame(1, 3), terminal.report(), terminal.frame(4, 9))
    assert latest(scene, terminal, "sealed_through") == 9
    count = len(scene.caught)
    terminal.counter = 0
    back = terminal.fork(5)
    assert scene.deliver(back.report(sealed_through=5, epoch=EPOCH, counter=1)) == 2
    kinds = [octets[0] & 0x3F for _, octets in scene.caught[count:]]
    assert kinds == [frame.DOWN_NOTICE, frame.DOWN_ACKNOWLEDGEMENT]
    (told,) = notices(scene, terminal)
    assert (told.sequence, told.chain, told.seal) == (9, terminal.chains[9], terminal.seals[9])
    assert scene.deliver(back.report(sealed_through=5, epoch=EPOCH, counter=1)) == 1
    assert len(notices(scene, terminal)) == scene.acknowledger.notices == 1
    assert scene.store.counters()["frames_behind"] == 2
    assert [row.outcome for row in scene.store.evidence(42, 9)] == ["behind", "behind"]
    assert not scene.store.value(RESTORED)


def test_a_terminal_whose_seals_fork_is_shown_the_seal_that_stands(scene, terminal):
    """NOT-05."""
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 8))
    twin = terminal.fork(5)
    for _ in range(5):
        twin.redeem()
    scene.deliver(twin.frame(6, 10))
    assert notices(scene, terminal)
    told = notices(scene, terminal)[0]
    assert (told.sequence, told.chain, told.seal) == (8, terminal.chains[8], terminal.seals[8])
    assert scene.store.terminal(42).frozen_from == 6


def test_a_terminal_that_is_where_it_should_be_is_shown_no_seal(scene, terminal):
    """NOT-05."""
    scene.deliver(terminal.frame(1, 3), terminal.report(), terminal.frame(4, 9), terminal.report())
    assert latest(scene, terminal, "sealed_through") == 9
    scene.deliver(terminal.report())
    assert notices(scene, terminal) == []


def test_a_mark_above_our_own_tells_of_a_backup_made_inside_a_block_of_counters(scene, terminal):
    scene.deliver(terminal.frame(1, 3))
    counter = acknowledgements(scene, terminal)[-1].counter
    scene.deliver(terminal.report(sealed_through=3, epoch=EPOCH, counter=counter))
    assert not scene.store.value(RESTORED)
    scene.deliver(terminal.report(sealed_through=4, epoch=EPOCH, counter=counter))
    assert scene.store.value(RESTORED) == 1


def test_marks_of_an_older_epoch_tell_nothing_about_this_database(scene, terminal):
    scene.certify_and_tell(2)
    scene.deliver(terminal.frame(1, 3), terminal.report(sealed_through=40, epoch=1, counter=999))
    assert not scene.store.value(RESTORED)


def test_whoever_reported_an_older_epoch_gets_the_certificate_with_its_next_frame(scene, terminal):
    """Also from a new process, which knows the report from the database alone."""
    scene.deliver(terminal.frame(1, 3))
    scene.deliver(terminal.report(epoch=EPOCH, counter=1))
    scene.acknowledger._told.clear()
    certificate = scene.certify_and_tell(2)
    assert scene.deliver(terminal.frame(4, 9)) == 2
    assert frame.open_clear(scene.caught[-2][1])[1] == certificate


def test_a_clock_before_the_certificate_signs_nothing(scene, terminal):
    scene.clock_s = 1000
    scene.acknowledger.published([])
    assert scene.deliver(terminal.frame(1, 3)) == 0
    scene.clock_s = START_S
    assert scene.answer() == 1


def test_a_frozen_terminal_hears_its_mark_but_no_further(scene, terminal):
    scene.deliver(terminal.frame(1, 3), terminal.frame(4, 8))
    twin = terminal.fork(5)
    for _ in range(3):
        twin.redeem()
    scene.deliver(twin.frame(6, 8), terminal.frame(9, 12))
    assert scene.deliver(terminal.frame(9, 12)) > 0
    assert acknowledgements(scene, terminal)[-1].sealed_through == 8


def test_a_grant_that_is_not_adopted_is_carried_down(scene):
    terminal = scene.rig.terminal()
    under = (scene.rig.roster_document.digest, scene.rig.policy_document.digest)
    second = scene.rig.authority.grant(42, *under, number=2)
    scene.deliver(terminal.frame(1, 3))
    assert len(scene.caught) == len(acknowledgements(scene, terminal)), "the first grant is adopted already"
    scene.writer.submit(Changes(documents=[scene.rig.grant_document(second, 42)])).result(20)
    scene.acknowledger.published([42])
    scene.answer()
    kind = frame.CLASS_DOWN << 6 | frame.DOWN_GRANT
    octets = next(octets for _, octets in scene.caught if octets[0] == kind)
    _, body = frame.open_counter(octets, terminal.down(EPOCH))
    assert body == second
    assert grant.decode(body[:-64], 42, *under).number == 2


def test_a_grant_for_another_roster_is_held_back(scene):
    terminal = scene.rig.terminal()
    scene.deliver(terminal.frame(1, 3))
    other = documents.read_roster(scene.rig.verifying, scene.rig.authority.roster("other", number=2))
    under = (other.digest, scene.rig.policy_document.digest)
    signed = scene.rig.authority.grant(42, *under, number=3)
    granted = documents.read_grant(scene.rig.verifying, signed, 42, [under])
    scene.writer.submit(Changes(documents=[other, granted])).result(20)
    scene.acknowledger.published([42])
    assert scene.answer() == 1
    assert all(octets[0] == frame.CLASS_DOWN << 6 | frame.DOWN_ACKNOWLEDGEMENT for _, octets in scene.caught)


def test_what_little_is_new_in_a_roster_goes_down_with_the_grant_under_it(scene):
    """RNW-02: as long as the terminal has not adopted it."""
    terminal = scene.rig.terminal()
    scene.deliver(terminal.frame(1, 3))
    octets = changed(2, 41)
    signed = octets + scene.rig.authority.sign(roster.signed_message(roster.digest(octets)))
    later = documents.read_roster(scene.rig.verifying, signed)
    under = (later.digest, scene.rig.policy_document.digest)
    second = scene.rig.authority.grant(42, *under, number=2)
    granted = documents.read_grant(scene.rig.verifying, second, 42, [under])
    scene.writer.submit(Changes(documents=[later, granted])).result(20)
    scene.acknowledger.published([42])
    assert scene.answer() == 2
    kind = frame.CLASS_DOWN << 6 | frame.DOWN_ROSTER_DELTA
    (body,) = [frame.open_counter(raw, terminal.down(EPOCH))[1] for _, raw in scene.caught if raw[0] == kind]
    made = renewal.decode(renewal.decode_piece(body).octets)
    assert (made.grants, made.roster_digest) == ((second,), later.digest)
    terminal.adopt(documents.Kind.ROSTER, signed)
    terminal.adopt(documents.Kind.GRANT, second, under)
    scene.deliver(terminal.frame(4, 5))
    scene.acknowledger.published([42])
    assert scene.answer() == 1, "only the acknowledgement"


def test_a_new_epoch_certificate_goes_down_in_clear_to_whoever_lags(scene, terminal):
    scene.deliver(terminal.frame(1, 3))
    heard = acknowledgements(scene, terminal)[-1].counter
    certificate = scene.rig.certify_epoch(2)
    scene.acknowledger.published([])
    scene.deliver(terminal.report(epoch=1, counter=heard))
    assert len(scene.caught) == 3
    octets = scene.caught[1][1]
    assert frame.open_clear(octets)[1] == certificate
    with pytest.raises(frame.AuthenticationFailed):
        frame.open_counter(scene.caught[-1][1], terminal.down(1))
    frame.open_counter(scene.caught[-1][1], terminal.down(2))
    assert not scene.store.value(RESTORED)


@pytest.mark.parametrize("gaps", range(5))
def test_every_mix_of_gaps_and_states_fits_one_sms(gaps):
    room = acknowledge.room_for_states(140, gaps)
    octets = frame.HEADER_OCTETS + frame.TAG_OCTETS + 64 + acknowledgement.octets(gaps, room)
    assert octets <= 140
    assert frame.HEADER_OCTETS + frame.TAG_OCTETS + 64 + acknowledgement.octets(gaps, room + 1) > 140
    assert acknowledge.room_for_states(5000, gaps) == acknowledgement.STATES_MAX


def test_a_terminal_that_nothing_is_known_of_is_not_answered(scene):
    scene.acknowledger.contacts({999: Contact(report=status.Status())})
    terminal = scene.rig.terminal()
    scene.deliver(terminal.frame(1, 3))
    assert scene.caught
    assert {kid for kid, _ in scene.caught} == {42}


def test_a_head_that_was_never_sealed_is_acknowledged_as_nothing(scene):
    terminal = scene.rig.terminal(adopted=False)
    scene.deliver(terminal.report())
    assert scene.caught
    told = acknowledgements(scene, terminal)[-1]
    assert (told.sealed_through, told.reclaim_through) == (0, 0)
