"""Forwarding to settlement over real HTTP: once in the books, whatever the service does."""

import hashlib

import pytest

from gateway import documents
from gateway.config import Settlement
from gateway.forwarder import Forwarder
from gateway.settlement import SettlementClient
from gateway.store.interface import Changes, HeadRow, RecordState
from gateway.store.memory import MemoryStore
from gateway.writer import Writer
from protocol import unpredictable_number
from tests.support.gateway_rig import NOW_MS, NotingChannel, Rig, received, small
from tests.support.settlement_stub import StubService, serving

KID = "0000002a"


class Scene:
    """A writer with sealed records and a forwarder that is turned by hand."""

    def __init__(self, service, store=None, **settings):
        self.service = service
        self.store = store or MemoryStore()
        self.rig = Rig(self.store)
        self.channel = NotingChannel()
        self.writer = Writer(
            self.store, self.rig.ring, small(), lambda contacts: None, clock_ms=lambda: NOW_MS
        )
        self.writer.start()
        self.now_ms = NOW_MS
        self.settings = Settlement(url=service.url, token="secret token", timeout_s=5, **settings)
        self.told = []
        self.forwarder = self.new_forwarder()
        self.sent = 0

    def new_forwarder(self):
        """As a new process would make it."""
        return Forwarder(
            self.store, self.writer, self.rig.ring, SettlementClient(self.settings), self.settings, self.told.append,
            clock_ms=lambda: self.now_ms, jitter=lambda: 1.0,
        )  # fmt: skip

    def seal(self, terminal, *cuts):
        """Send frames (first, last) and wait until they are committed."""
        for first, last in cuts:
            self.sent += 1
            self.writer.deliver(received(terminal.frame(first, last), self.channel, self.sent))
        assert self.channel.wait_for(self.sent)

    def states(self, kid=42):
        """State of every record."""
        return [row.state.name for row in self.store.records(kid, 1, 999)]


@pytest.fixture
def service():
    """A settlement service on a loopback port."""
    with serving(StubService()) as made:
        yield made


@pytest.fixture
def scene(service):
    """Its gateway."""
    made = Scene(service)
    yield made
    made.writer.stop()


@pytest.fixture
def terminal(scene):
    """Records 1 to 3 adopt, 4 to 9 redeem; all sealed in three runs."""
    made = scene.rig.terminal()
    for _ in range(6):
        made.redeem()
    scene.seal(made, (1, 3), (4, 6), (7, 9))
    return made


def test_a_request_carries_all_evidence(scene, terminal, service):
    assert scene.forwarder.turn() is True
    key, body = service.requests[0]
    assert service.tokens == ["Bearer secret token"]
    assert len(body["segments"]) == 1, "runs that follow each other are one segment"
    segment = body["segments"][0]
    assert segment["kid"] == KID
    assert (segment["first"], len(segment["records"])) == (1, 9)
    assert segment["chain_before"] == terminal.chains[0].hex()
    assert segment["records"] == [octets.hex() for octets in terminal.octets[1:]]
    assert segment["seal"] == terminal.seals[9].hex()
    assert segment["certificate"] == terminal.certificate.hex()
    assert segment["un_key_commitment"] == hashlib.sha256(terminal.un_key).hexdigest()
    assert len(segment["frames"]) == 3
    expected = hashlib.sha256(
        (42).to_bytes(4, "big") + (1).to_bytes(4, "big") + (9).to_bytes(4, "big") + terminal.chains[9]
    )
    assert key == expected.hexdigest()


def test_unpredictable_numbers_are_recomputed_for_records_with_a_proof(scene, terminal, service):
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    scene.forwarder.turn()
    block = Cipher(algorithms.AES(terminal.un_key), modes.ECB()).encryptor()
    numbers = service.requests[0][1]["segments"][0]["unpredictable_numbers"]
    assert sorted(numbers) == ["4", "5", "6", "7", "8", "9"]
    for sequence, number in numbers.items():
        assert number == unpredictable_number.derive(block.update, int(sequence), 0).hex()


def test_what_is_booked_is_stored_and_told_and_nothing_is_left(scene, terminal, service):
    service.outcomes[KID, 5] = ("refused", "card blocked")
    service.outcomes[KID, 6] = ("disputed", "seen before")
    assert scene.forwarder.turn() is True
    assert scene.forwarder.turn() is False
    assert scene.states() == ["RECORDED"] * 3 + [
        "SETTLED",
        "REFUSED",
        "DISPUTED",
        "SETTLED",
        "SETTLED",
        "SETTLED",
    ]
    assert scene.store.records(42, 5, 5)[0].reason == "card blocked"
    assert scene.store.terminal(42).booked_through == 9
    assert scene.store.outbox_count() == 0
    assert scene.store.open_requests() == []
    assert scene.told == [{42: 1}]
    assert len(service.requests) == 1


def test_an_unavailable_service_is_asked_again_with_the_same_key_and_growing_pauses(scene, terminal, service):
    service.faults += [503, 500, 429]
    pauses = []
    for _ in range(3):
        assert scene.forwarder.turn() is True
        request = scene.store.open_requests()[0]
        pauses.append(request.next_attempt_ms - scene.now_ms)
        assert scene.forwarder.turn() is False, "not before its time"
        assert "503" in request.last_error or "500" in request.last_error or "429" in request.last_error
        scene.now_ms = request.next_attempt_ms
    assert pauses == [500, 1000, 2000]
    assert scene.forwarder.turn() is True
    assert len({key for key, _ in service.requests}) == 1
    assert len({str(body) for _, body in service.requests}) == 1
    assert scene.store.terminal(42).booked_through == 9


def test_new_runs_do_not_change_a_request_under_way(scene, terminal, service):
    service.faults.append(503)
    scene.forwarder.turn()
    terminal.redeem()
    scene.seal(terminal, (10, 10))
    scene.now_ms += 10_000
    scene.forwarder.turn()
    assert len(service.requests[1][1]["segments"][0]["records"]) == 9
    scene.forwarder.turn()
    assert (service.requests[2][1]["segments"][0]["first"], service.heads[KID]) == (10, 10)


def test_a_lost_answer_is_asked_for_again_after_a_restart(scene, terminal, service):
    service.faults.append(lambda body: (service.answer(body), {"results": "lost"})[1])
    scene.forwarder.turn()
    assert service.heads == {KID: 9}, "booked, but the answer could not be read"
    assert scene.states() == ["PENDING"] * 9
    scene.now_ms += 10_000
    second = scene.new_forwarder()
    assert second.turn() is True
    assert service.requests[0] == service.requests[1]
    assert scene.states()[3:] == ["SETTLED"] * 6


def test_no_service_at_all_is_retried(scene, terminal):
    scene.forwarder = None
    scene.settings = Settlement(url="http://127.0.0.1:1", timeout_s=1)
    forwarder = scene.new_forwarder()
    assert forwarder.turn() is True
    assert "Connect" in scene.store.open_requests()[0].last_error


def test_a_refusal_of_the_whole_is_final_and_stops_only_those_in_it(scene, terminal, service):
    service.faults.append(422)
    scene.forwarder.turn()
    assert scene.store.open_requests()[0].failed
    assert "422" in scene.store.terminal(42).settlement_error
    other = scene.rig.terminal(43)
    scene.seal(other, (1, 3))
    assert scene.forwarder.turn() is True
    assert service.requests[1][1]["segments"][0]["kid"] == "0000002b"
    assert scene.forwarder.turn() is False
    assert scene.states() == ["PENDING"] * 9


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_the_operator_can_mend_is_retried(scene, terminal, service, status):
    service.faults.append(status)
    scene.forwarder.turn()
    scene.now_ms += 10_000
    scene.forwarder.turn()
    assert scene.store.terminal(42).booked_through == 9


def test_another_digest_in_the_books_stops_the_terminal(scene, terminal, service):
    service.booked[KID, 5] = "00" * 32
    scene.forwarder.turn()
    row = scene.store.terminal(42)
    assert (row.booked_through, row.settlement_error) == (0, "another record is booked at 5")
    assert scene.states() == ["PENDING"] * 9
    assert scene.forwarder.turn() is False
    assert scene.store.counters()["settlement_stopped"] == 1


def test_a_settled_word_with_another_digest_is_not_believed(scene, terminal, service):
    def lie(body):
        answer = service.answer(body)
        answer["results"][0]["records"][4]["digest"] = "11" * 32
        return answer

    service.faults.append(lie)
    scene.forwarder.turn()
    assert scene.store.terminal(42).settlement_error == "another record is booked at 5"


@pytest.mark.parametrize("error", ["seal", "certificate", "policy"])
def test_an_error_of_one_segment_stops_that_terminal_only(scene, terminal, service, error):
    other = scene.rig.terminal(43)
    scene.seal(other, (1, 3))

    def refuse_first(body):
        answer = service.answer(body)
        answer["results"][0] = {"kid": KID, "error": error, "expected_first": None, "records": []}
        return answer

    service.faults.append(refuse_first)
    scene.forwarder.turn()
    assert scene.store.terminal(42).settlement_error == error
    assert scene.store.terminal(43).booked_through == 3


def test_resume_sends_again_what_was_stopped(scene, terminal, service):
    service.faults.append(
        lambda body: {"results": [{"kid": KID, "error": "seal", "expected_first": None, "records": []}]}
    )
    scene.forwarder.turn()
    assert scene.forwarder.turn() is False
    scene.store.apply(Changes(stopped=[(42, "")]))
    assert scene.forwarder.turn() is True
    assert scene.store.terminal(42).booked_through == 9


def test_books_that_lost_records_get_them_again(scene, terminal, service):
    scene.forwarder.turn()
    terminal.redeem()
    scene.seal(terminal, (10, 10))
    service.heads[KID] = 6
    for key in [(KID, sequence) for sequence in (7, 8, 9)]:
        del service.booked[key]
    assert scene.forwarder.turn() is True
    assert scene.store.counters()["settlement_gaps"] == 1
    assert scene.forwarder.turn() is True
    assert (service.requests[-1][1]["segments"][0]["first"], service.heads[KID]) == (7, 10)
    assert scene.store.terminal(42).booked_through == 10
    assert scene.store.outbox_count() == 0
    assert scene.store.terminal(42).settlement_error == ""


@pytest.mark.parametrize("expected_first", [0, 1, 99, None])
def test_a_gap_that_makes_no_sense_stops_the_terminal(scene, terminal, service, expected_first):
    gap = {"kid": KID, "error": "gap", "expected_first": expected_first, "records": []}
    service.faults.append(lambda body: {"results": [gap]})
    scene.forwarder.turn()
    assert "makes no sense" in scene.store.terminal(42).settlement_error


@pytest.mark.parametrize(
    "answer",
    [
        {}, [], {"results": []}, {"results": [{"kid": "0000002b", "error": None, "records": []}]},
        {"results": [{"kid": KID, "error": None, "records": []}]},
        {"results": [{"kid": KID, "error": None, "records": [{"sequence": 1}]}]},
        {"results": [{"kid": KID, "error": 5, "records": []}]},
        {"results": [{"kid": KID, "error": "gap", "expected_first": float("inf")}]},
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_changes_nothing(scene, terminal, service, answer):
    service.faults.append(lambda body: answer)
    scene.forwarder.turn()
    assert scene.states() == ["PENDING"] * 9
    assert scene.store.open_requests()[0].attempts == 1
    assert scene.store.terminal(42).settlement_error == ""


def test_a_frozen_terminal_is_forwarded_up_to_the_fork_only(scene, terminal, service):
    row = scene.store.terminal(42)
    scene.store.apply(Changes(heads=[HeadRow(42, row.sealed_through, row.chain, 8, "[]", 0, 0)]))
    scene.forwarder.turn()
    assert service.heads == {KID: 6}, "the run with record 8 in it waits for a review"
    assert scene.forwarder.turn() is False
    assert scene.store.records(42, 7, 7)[0].state is RecordState.PENDING


def test_a_request_is_bounded_and_never_leaves_a_hole(service):
    scene = Scene(service, batch_records_max=5)
    terminals = [scene.rig.terminal(kid) for kid in (1, 2)]
    for terminal in terminals:
        for _ in range(4):
            terminal.redeem()
    scene.seal(terminals[0], (1, 3), (4, 7))
    scene.seal(terminals[1], (1, 3), (4, 7))
    while scene.forwarder.turn():
        pass
    sizes = [sum(len(segment["records"]) for segment in body["segments"]) for _, body in service.requests]
    assert max(sizes) <= 5
    assert sum(sizes) == 14
    assert service.heads == {"00000001": 7, "00000002": 7}
    scene.writer.stop()


def test_records_wait_for_their_delay(service):
    scene = Scene(service)
    scene.rig = Rig(scene.store, settlement_delay_s=60)
    terminal = scene.rig.terminal()
    terminal.redeem()
    scene.seal(terminal, (1, 3), (4, 4))
    assert scene.forwarder.turn() is False
    scene.now_ms += 60_000
    assert scene.forwarder.turn() is True
    assert service.heads == {KID: 4}
    scene.writer.stop()


CAP_RUPIAH = 1_000_000


@pytest.fixture
def gapped(scene):
    """Records 1 to 3 sealed, 4 to 6 missing, 7 to 9 proved behind them."""
    scene.rig = Rig(scene.store, provisional_cap_rupiah=CAP_RUPIAH)
    made = scene.rig.terminal()
    for _ in range(9):
        made.redeem()
    scene.seal(made, (1, 3), (7, 9))
    scene.sent += 1
    scene.writer.deliver(received(made.bridge(6), scene.channel, scene.sent))
    assert scene.channel.wait_for(scene.sent)
    return made


def test_records_behind_a_gap_are_settled_before_it_closes_and_once(scene, gapped, service):
    """PRV-03, PRV-04: their answers are kept apart; when the gap closes, everything is sent in order and answered again."""
    service.outcomes[KID, 8] = ("refused", "card blocked")
    while scene.forwarder.turn():
        pass
    parts = [segment for _, body in service.requests for segment in body["segments"]]
    early = parts[-1]
    assert (early["first"], len(early["records"]), early["provisional"]) == (7, 3, True)
    assert early["chain_before"] == gapped.chains[6].hex()
    assert early["seal"] == gapped.seals[9].hex()
    assert len(early["frames"]) == 1
    assert [row.state.name for row in scene.store.provisional(42, 1, 99)] == ["SETTLED", "PENDING", "SETTLED"]
    assert scene.store.terminal(42).booked_through == 3
    assert scene.store.terminal(42).settlement_error == ""
    scene.seal(gapped, (4, 6))
    while scene.forwarder.turn():
        pass
    assert scene.store.terminal(42).booked_through == 9
    assert scene.states() == ["RECORDED"] * 3 + ["SETTLED"] * 4 + ["REFUSED", "SETTLED"]
    assert scene.store.outbox_count() == 0
    assert len({key for key, _ in service.requests}) == len(service.requests), "each with a key of its own"


def test_what_is_sealed_by_its_turn_goes_the_ordinary_way(scene, gapped, service):
    """PRV-03: also where a request had been composed and not answered."""
    service.faults += [503]
    assert scene.forwarder.turn() is True
    scene.seal(gapped, (4, 6))
    scene.now_ms = scene.store.open_requests()[0].next_attempt_ms
    while scene.forwarder.turn():
        pass
    assert not any("provisional" in part for _, body in service.requests[1:] for part in body["segments"])
    assert scene.store.terminal(42).booked_through == 9
    assert scene.store.outbox_count() == 0
    assert scene.store.open_requests() == []


def test_a_word_of_conflict_behind_a_gap_stops_the_terminal(scene, gapped, service):
    """PRV-02: the service has proved another chain."""
    scene.forwarder.turn()
    early = {"kid": KID, "error": "conflict", "expected_first": None, "records": []}
    scene.seal(gapped, (10, 12))
    service.faults.append(lambda body: {"results": [early for _ in body["segments"]]})
    assert scene.forwarder.turn() is True
    assert scene.store.terminal(42).settlement_error == "conflict"


def test_behind_a_write_off_settlement_goes_on_with_the_evidence(scene, gapped, service):
    """WOF-02: published while no frame comes any more; the segment carries what the authority signed."""
    signed = scene.rig.authority.write_off(42, 4, 6, gapped.chains[6])
    document = documents.read_write_off(scene.rig.verifying, signed)
    scene.writer.submit(Changes(documents=[document]), [42]).result(10)
    assert scene.store.terminal(42).sealed_through == 9
    while scene.forwarder.turn():
        pass
    parts = [segment for _, body in service.requests for segment in body["segments"]]
    last = next(part for part in parts if "write_off" in part)
    assert (last["first"], last["write_off"], last["chain_before"]) == (
        7,
        signed.hex(),
        gapped.chains[6].hex(),
    )
    assert scene.store.terminal(42).booked_through == 9
    assert [row.state.name for row in scene.store.records(42, 7, 9)] == ["SETTLED"] * 3
    scene.seal(gapped, (10, 12))
    while scene.forwarder.turn():
        pass
    assert scene.store.terminal(42).booked_through == 12


YEARS_MS = 3 * 365 * 86_400_000


def test_a_clock_that_stood_years_ahead_does_not_hold_records_back_for_years(service):
    """What came in meanwhile is due in years, by a clock that was wrong; what was tried meanwhile, as well."""
    scene = Scene(service)
    terminal = scene.rig.terminal()
    terminal.redeem()
    scene.now_ms = NOW_MS - YEARS_MS  # the writer's clock, which does not move here, stood ahead
    scene.seal(terminal, (1, 4))
    service.faults += [503]
    assert scene.forwarder.turn()
    (request,) = scene.store.open_requests()
    scene.now_ms = request.next_attempt_ms - YEARS_MS
    assert scene.forwarder.turn(), "the pause between two tries is never so long"
    assert [outcome for outcome in scene.states() if outcome == "PENDING"] == []
    scene.writer.stop()


def test_a_delay_that_a_policy_asks_for_is_kept(service):
    scene = Scene(service)
    scene.rig = Rig(scene.store, settlement_delay_s=600)
    terminal = scene.rig.terminal()
    terminal.redeem()
    scene.seal(terminal, (1, 3), (4, 4))
    scene.forwarder.turn()
    for wait_ms, is_due in ((-1, False), (0, True)):
        scene.now_ms = NOW_MS + 600_000 + wait_ms
        assert (scene.forwarder.turn(), scene.states()[3] == "SETTLED") == (is_due, is_due)
    scene.writer.stop()
