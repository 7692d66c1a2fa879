"""No octets, from strangers or from a hostile terminal with all its keys, make the gateway fail or seal what was not sealed."""

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from gateway import decode, keys, opening
from gateway.batch import BatchJudge
from gateway.channels.channel import Received
from gateway.contexts import Library
from gateway.documents import read_grant, read_policy, read_roster, read_terminal
from gateway.errors import GatewayError
from gateway.quarantine import Quarantine
from gateway.store.memory import MemoryStore
from gateway.verdicts import Outcome
from gateway.verifier import SealVerifier
from protocol import certificates, codec, frame
from protocol.errors import ProtocolError
from tests.support.gateway_rig import NOW_MS, Bench, Rig, small

KID = 42
RIG = Rig(MemoryStore())
TERMINAL = RIG.terminal(KID)
for _ in range(9):
    TERMINAL.redeem()
CONTEXT = TERMINAL.context_before(4)
WHOLE = [TERMINAL.frame(1, 3), TERMINAL.frame(4, 12), TERMINAL.frame(4, 12, literal=True), TERMINAL.report()]
WHOLE += TERMINAL.parts(TERMINAL.frame(4, 4, literal=True))
PROTOCOL_FAULTS = {
    "AuthenticationFailed", "NotCanonical", "OutOfRange", "TrailingData", "Truncated", "UnknownVersion", "UnknownContext",
    "Superseded", "Conflict",
}  # fmt: skip


def view():
    """A fresh view that holds the context of the redemptions."""
    made = Bench(RIG)
    made.judge(WHOLE[0])
    return made


@given(raw=st.binary(max_size=300))
@example(raw=b"")
@example(raw=bytes(70_000))
def test_any_octets_get_a_verdict(raw):
    verifier = SealVerifier(1)
    library = Library(RIG.store.document, 4)
    held = {KID: RIG.view(KID)}
    judge = BatchJudge(RIG.store, held.get, verifier, Quarantine(RIG.store, small(), 1), (1, 1))
    result = judge.judge([Received(raw, ""), Received(WHOLE[0], "")], NOW_MS)
    assert sum(result.outcomes.values()) == 2
    assert [record.sequence for record in result.changes.records] == [1, 2, 3]
    assert library.holds(held[KID].history.adopted)
    verifier.close()


@given(
    which=st.integers(0, 5), at=st.integers(0, 10_000), change=st.integers(1, 255), cut=st.integers(0, 100)
)
def test_a_damaged_frame_seals_nothing(which, at, change, cut):
    raw = bytearray(WHOLE[which])
    raw[at % len(raw)] ^= change
    raw = bytes(raw[: max(1, len(raw) - cut)])
    bench = view()
    try:
        judgement = bench.judge(raw)
    except ProtocolError:
        return  # the header itself: the batch counts it as invalid
    assert judgement.runs == []
    assert bench.view.sealed_through == 3
    if judgement.verdict.fault:
        assert judgement.verdict.fault.error in PROTOCOL_FAULTS


@given(data=st.data())
def test_a_terminal_with_all_its_keys_cannot_make_the_codec_fail(data):
    """Its plaintext is anything, tag and salt are right: only the codec and the seal stand between."""
    number = data.draw(st.sampled_from([codec.LITERAL, codec.PREDICTED]))
    count = data.draw(st.integers(1, 20))
    true_octets = codec.encode(number, TERMINAL.octets[4:13], CONTEXT if number else None, 4)
    kind = data.draw(st.integers(0, 2))
    if kind == 0:
        plaintext = data.draw(st.binary(max_size=200))
    else:
        changed = bytearray(true_octets)
        for _ in range(kind):
            changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
        plaintext = bytes(changed)
    is_sealed = data.draw(st.booleans())
    first = 4 | (0x800000 if is_sealed else 0)
    head = bytes((number,)) + KID.to_bytes(4, "big") + first.to_bytes(3, "big") + bytes((count - 1,))
    raw = frame._close(head, CONTEXT.digest if number else frame.NO_CONTEXT_DIGEST, plaintext, TERMINAL.up)
    bench = view()
    judgement = bench.judge(raw + (TERMINAL.seals[12] if is_sealed else b""))
    if judgement.verdict.fault:
        assert judgement.verdict.fault.error in PROTOCOL_FAULTS, str(judgement.verdict.fault)
    if judgement.runs:
        assert judgement.runs[0].records[-1].chain == TERMINAL.chains[12], (
            "only the true records fit the seal"
        )
    assert judgement.verdict.outcome in (Outcome.INVALID, Outcome.CANDIDATE, Outcome.SEALED)


@given(raw=st.binary(max_size=200), has_keys=st.booleans())
def test_decode_describes_anything(raw, has_keys):
    told = decode.describe(raw, RIG.view(KID) if has_keys else None)
    assert sum(octets for _, octets, _, _ in told.fields) <= len(raw)
    told.as_json()


@given(which=st.integers(0, 5), at=st.integers(0, 10_000), change=st.integers(1, 255))
def test_decode_describes_damaged_frames_of_known_terminals(which, at, change):
    raw = bytearray(WHOLE[which])
    raw[at % len(raw)] ^= change
    told = decode.describe(bytes(raw), RIG.view(KID), TERMINAL.down(1))
    assert told.error or told.records or told.body or told.note


@pytest.mark.parametrize(
    "make",
    [
        lambda octets: read_policy(RIG.verifying, octets),
        lambda octets: read_roster(RIG.verifying, octets),
        lambda octets: read_terminal(RIG.verifying, octets),
        lambda octets: read_grant(RIG.verifying, octets, KID, [(bytes(32), bytes(32))]),
    ],
)
@given(octets=st.binary(max_size=300))
def test_documents_of_any_octets_are_refused(make, octets):
    with pytest.raises(GatewayError):
        make(octets)


@given(body=st.binary(min_size=1, max_size=150))
def test_a_signed_certificate_of_any_octets_is_decoded_or_refused(body):
    """The authority can err: its signature does not make nonsense safe."""
    signed = body + RIG.authority.sign(certificates.terminal_message(body))
    with pytest.raises(GatewayError):
        read_terminal(RIG.verifying, signed)


def test_the_frames_above_are_good_ones():
    bench = view()
    outcomes = ["duplicate", "sealed", "duplicate", "status", "candidate", "assembled"]
    assert [bench.outcome(raw) for raw in WHOLE] == outcomes
    assert opening.open_frame(WHOLE[1], frame.read_header(WHOLE[1]), bench.view).fault is None
    assert keys.LastingKeys(RIG.key, KID, TERMINAL.agreement_public).un_key == TERMINAL.un_key
