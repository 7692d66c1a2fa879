"""The rescue bundle: records of one kid with their seals, in clear, taken from flash whose keys cannot make frames.

Nobody signs it: its seals prove it to whoever has the terminal's certificate. It is no secret container either (enrol
records in it carry PIN verifiers). The digest finds copying mistakes alone.
"""

import hashlib

from protocol.errors import NotCanonical, OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer
from protocol.records import RECORD_OCTETS_MAX, SEQUENCE_MAX

MAGIC = b"LRSC"
FORMAT = 1
CHAIN_OCTETS = 32
SEAL_OCTETS = 64
DIGEST_OCTETS = 32


class Run:
    """Records whose numbers follow each other from `first`; `before`: `chain_{first-1}`, b"" where it is not known, and then
    nothing proves them. `records` holds (canonical record, seal of 64 octets as it was found).
    """

    def __init__(self, first: int, before: bytes, records: list[tuple[bytes, bytes]]) -> None:
        self.first = first
        self.before = before
        self.records = records


class Bundle:
    """`kid`, the terminal's signed `certificate` as it was found (b"" where it was not), and `runs` in order."""

    def __init__(self, kid: int, certificate: bytes, runs: list[Run]) -> None:
        self.kid = kid
        self.certificate = certificate
        self.runs = runs


def encode(bundle: Bundle) -> bytes:
    """The octets of a file `KID.rescue`; raises a `ProtocolError` for what does not fit."""
    out = Writer()
    out.octets("magic", MAGIC, len(MAGIC))
    out.number("format", FORMAT, 1)
    out.number("reserved", 0, 1)
    out.number("runs", len(bundle.runs), 2)
    out.number("kid", bundle.kid, 4)
    out.number("certificate length", len(bundle.certificate), 2)
    out.octets("certificate", bundle.certificate, len(bundle.certificate))
    end = 0
    for run in bundle.runs:
        _check_order(run, end, -1)
        end = run.first + len(run.records)
        out.number("first sequence", run.first, 4)
        out.number("records", len(run.records), 4)
        out.octets("chain before", run.before or bytes(CHAIN_OCTETS), CHAIN_OCTETS)
        for record, seal in run.records:
            out.number("record length", len(record), 1, 1, RECORD_OCTETS_MAX)
            out.octets("record", record, len(record))
            out.octets("seal", seal, SEAL_OCTETS)
    return bytes(out.data) + hashlib.sha256(out.data).digest()


def decode(octets: bytes) -> Bundle:
    """The bundle in a file; raises a `ProtocolError`. Neither chain nor seals are looked at, nor are records decoded."""
    source = Reader(octets)
    if source.octets("magic", len(MAGIC)) != MAGIC:
        raise OutOfRange("magic", 0, "is no rescue bundle")
    if source.number("format", 1) != FORMAT:
        raise UnknownVersion("format", 4, "is not known")
    source.number("reserved", 1, 0, 0)
    count = source.number("runs", 2)
    kid = source.number("kid", 4)
    certificate = source.octets("certificate", source.number("certificate length", 2))
    runs = []
    end = 0
    for _ in range(count):
        offset = source.offset
        run = Run(source.number("first sequence", 4), b"", [])
        length = source.number("records", 4)
        before = source.octets("chain before", CHAIN_OCTETS)
        run.before = before if any(before) else b""
        for _ in range(length):
            record = source.octets("record", source.number("record length", 1, 1, RECORD_OCTETS_MAX))
            run.records.append((record, source.octets("seal", SEAL_OCTETS)))
        _check_order(run, end, offset)
        end = run.first + length
        runs.append(run)
    body = source.offset
    if source.octets("digest", DIGEST_OCTETS) != hashlib.sha256(memoryview(octets)[:body]).digest():
        raise OutOfRange("digest", body, "does not fit the octets before it")
    source.end("rescue bundle")
    return Bundle(kid, certificate, runs)


def _check_order(run: Run, end: int, offset: int) -> None:
    """Runs are not empty, rise, and do not overlap; `end`: the number behind the run before."""
    if not run.records:
        raise NotCanonical("records", offset, "a run without any")
    if run.first < max(1, end) or run.first + len(run.records) - 1 > SEQUENCE_MAX:
        raise OutOfRange("first sequence", offset, "does not follow the run before, or leaves the sequence")
