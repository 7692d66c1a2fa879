"""Records of one frame to octets and back: codec 0 literal, codec 1 predicted and entropy-coded."""

from protocol import records
from protocol.entropy import Coder
from protocol.errors import NotCanonical, OutOfRange, Truncated, UnknownVersion
from protocol.prediction import Model

LITERAL = 0
PREDICTED = 1
RECORDS_MAX = 256


def encode(codec: int, batch: list[bytes], context: object, first: int = 0) -> bytes:
    """The octets of a frame's records: 1 to 256 canonical records in order, the first of them with sequence `first`.

    `context` is None for codec 0. A redemption that names another one in the same frame is cheaper for it.
    """
    if not 1 <= len(batch) <= RECORDS_MAX:
        raise OutOfRange("count", -1, "not in 1..%d" % RECORDS_MAX)
    if codec == LITERAL:
        return b"".join([bytes((len(octets),)) + octets for octets in batch])
    if codec != PREDICTED:
        raise UnknownVersion("codec", 0, "unknown codec")
    coder = Coder()
    model = Model(coder, context, first)
    for octets in batch:
        model.record(records.decode(octets))
    _check_adoptions([octets[0] for octets in batch])
    return coder.encoded()


def _check_adoptions(kinds: list[int]) -> None:
    """An adoption changes the context, so it ends its frame."""
    for i in range(len(kinds) - 1):
        if kinds[i] == records.ADOPTION:
            raise OutOfRange("kind", -1, "an adoption that does not end its frame")


def fit(
    codec: int, batch: list[bytes], context: object, room_octets: int, first: int = 0
) -> tuple[int, bytes]:
    """(count, octets) of the longest start of `batch` whose encoding has at most `room_octets`; (0, b"") if none.

    What a terminal cuts its outbox into frames with: it codes each record once, however many fit.
    """
    if codec == LITERAL:
        return _fit_literal(batch, room_octets)
    if codec != PREDICTED:
        raise UnknownVersion("codec", 0, "unknown codec")
    coder = Coder()
    model = Model(coder, context, first)
    most = min(len(batch), RECORDS_MAX)
    for i in range(most - 1):
        if batch[i][0] == records.ADOPTION:
            most = i + 1
            break
    ends = [0]
    fits = 0
    goal = 1
    # Double the count until it is too many, then search between: folding the steps is the costly part.
    while fits < most:
        goal = min(goal, most)
        while len(ends) <= goal:
            model.record(records.decode(batch[len(ends) - 1]))
            ends.append(len(coder.steps))
        if len(coder.encoded(ends[goal])) > room_octets:
            break
        fits = goal
        goal *= 2
    else:
        return fits, coder.encoded(ends[fits])
    while goal - fits > 1:
        middle = (fits + goal) // 2
        if len(coder.encoded(ends[middle])) > room_octets:
            goal = middle
        else:
            fits = middle
    return fits, coder.encoded(ends[fits])


def _fit_literal(batch: list[bytes], room_octets: int) -> tuple[int, bytes]:
    """`fit` for codec 0."""
    count = 0
    octets = 0
    while count < min(len(batch), RECORDS_MAX) and octets + 1 + len(batch[count]) <= room_octets:
        octets += 1 + len(batch[count])
        count += 1
    return (count, encode(LITERAL, batch[:count], None)) if count else (0, b"")


def decode(codec: int, data: bytes, count: int, context: object, first: int = 0) -> list[bytes]:
    """The canonical records of a frame; raises a `ProtocolError`, and `NotCanonical` where re-encoding differs."""
    return [octets for octets, _ in decode_pairs(codec, data, count, context, first)]


def decode_pairs(
    codec: int, data: bytes, count: int, context: object, first: int = 0
) -> list[tuple[bytes, records.Record]]:
    """Like `decode`, but (canonical octets, `Record`) each, for callers that would read the octets again."""
    if codec == LITERAL:
        return _decode_literal(data, count)
    if codec != PREDICTED:
        raise UnknownVersion("codec", 0, "unknown codec")
    coder = Coder(data)
    model = Model(coder, context, first)
    decoded = [model.record(None) for _ in range(count)]
    coder.end()
    _check_adoptions([record.kind for record in decoded])
    pairs = [(records.encode(record), record) for record in decoded]
    # The coder is a bijection between steps and octets, so it is enough that the steps are the encoder's own.
    again = Coder()
    model = Model(again, context, first)
    for record in decoded:
        model.record(record)
    if again.steps != coder.steps:
        raise NotCanonical("coded records", 0, "another encoding of the same records is the right one")
    return pairs


def _decode_literal(data: bytes, count: int) -> list[tuple[bytes, records.Record]]:
    """Records each behind a length octet."""
    pairs = []
    offset = 0
    for _ in range(count):
        if offset >= len(data):
            raise Truncated("record length", offset, "missing")
        end = offset + 1 + data[offset]
        if end > len(data):
            raise Truncated(
                "record", offset + 1, "needs %d octets, %d left" % (data[offset], len(data) - offset - 1)
            )
        octets = bytes(data[offset + 1 : end])
        pairs.append((octets, records.decode(octets)))
        offset = end
    if offset != len(data):
        raise NotCanonical("coded records", offset, "octets left over")
    return pairs
