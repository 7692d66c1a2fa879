"""The integer codecs and every must-fail vector, on all three kinds of MicroPython build."""

from protocol import (
    acknowledgement,
    bridge,
    certificates,
    codec,
    frame,
    grant,
    notice,
    parts,
    policy,
    records,
    renewal,
    roster,
    roster_delta,
    status,
    write_off,
)
from protocol.errors import ProtocolError
from tests.bench import reference_day
from tests.support import protocol_vectors as held

VARIANTS = ("unix64", "unix32", "wasm")
HEAP = "8m"


def test_batches_both_ways():
    """COD-01, COD-02, COD-05, COD-09: the same octets from the encoder, the same records from the decoder."""
    file = held.load("codec.json")
    context = held.context(file["context"])
    assert len(file["batches"]) == 49
    for entry in file["batches"]:
        batch = [bytes.fromhex(one) for one in entry["records"]]
        first = entry["first"]
        assert codec.encode(codec.LITERAL, batch, None).hex() == entry["literal"]
        assert codec.decode(codec.LITERAL, bytes.fromhex(entry["literal"]), len(batch), None) == batch
        assert codec.encode(codec.PREDICTED, batch, context, first).hex() == entry["predicted"]
        octets = bytes.fromhex(entry["predicted"])
        assert codec.decode(codec.PREDICTED, octets, len(batch), context, first) == batch


def test_fit_cuts_where_encode_would():
    """FRM-11: what a terminal cuts its outbox with fills a frame and never overfills it."""
    file = held.load("codec.json")
    context = held.context(file["context"])
    for entry in file["batches"][9:]:
        batch = [bytes.fromhex(one) for one in entry["records"]]
        for number in (codec.LITERAL, codec.PREDICTED):
            for room in (0, 30, 55, 119, 4000):
                count, octets = codec.fit(number, batch, context, room, entry["first"])
                assert len(octets) <= room
                assert count == 0 or octets == codec.encode(number, batch[:count], context, entry["first"])
                if count < len(batch) and records.ADOPTION not in [one[0] for one in batch]:
                    longer = codec.encode(number, batch[: count + 1], context, entry["first"])
                    assert len(longer) > room


def test_the_reference_day_keeps_its_octets():
    """COD-09: every ninth frame of the day, decoded again."""
    day = reference_day.build()
    for start in range(0, len(day.batch), 81):
        batch = day.batch[start : start + 9]
        octets = codec.encode(codec.PREDICTED, batch, day.context, day.first + start)
        assert len(octets) < 140
        assert codec.decode(codec.PREDICTED, octets, len(batch), day.context, day.first + start) == batch


def test_what_must_be_refused():
    """GEN-02, GEN-03, REC-03 to REC-06: class, field and offset are the same as on CPython."""
    context = held.context(held.load("codec.json")["context"])
    roster_digest, policy_digest = context.roster.digest, context.policy.digest
    decoders = {
        "record": records.decode,
        "codec 0, one record": lambda data: codec.decode(codec.LITERAL, data, 1, None),
        "codec 1, one record": lambda data: codec.decode(codec.PREDICTED, data, 1, context, 5),
        "roster": roster.decode,
        "policy": policy.decode,
        "grant": lambda data: grant.decode(data, 0x10203040, roster_digest, policy_digest),
        "terminal certificate": certificates.decode_terminal,
        "epoch certificate": certificates.decode_epoch,
        "acknowledgement": acknowledgement.decode,
        "status": status.decode,
        "notice": notice.decode,
        "standing": notice.decode_standing,
        "bridge": bridge.decode,
        "part": parts.decode,
        "write-off": write_off.decode,
        "roster delta": roster_delta.decode,
        "renewal": renewal.decode,
        "renewal piece": renewal.decode_piece,
        "header": frame.read_header,
    }
    cases = held.load("refusals.json")
    assert len(cases) > 300
    for case in cases:
        try:
            decoders[case["unit"]](bytes.fromhex(case["hex"]))
        except ProtocolError as error:
            found = (type(error).__name__, error.field, error.offset)
            assert found == (case["error"], case["field"], case["offset"]), (case, found)
        else:
            raise AssertionError("accepted: %s" % case)
