"""The vectors of what must be refused: changed octets of each unit, with the class, the field and the offset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from tools.golden_vectors import corpus
from tools.golden_vectors.corpus import KID
from tools.golden_vectors.frames import make_codec
from tools.golden_vectors.records import make_records
from tools.golden_vectors.units import make_units


def decoders() -> dict[str, Callable[[bytes], Any]]:
    """Decoders by the name of a unit, as `refusals.json` names them."""
    held = corpus.held_context()
    return {
        "record": records.decode,
        "codec 0, one record": lambda data: codec.decode(codec.LITERAL, data, 1, None),
        "codec 1, one record": lambda data: codec.decode(codec.PREDICTED, data, 1, held, 5),
        "roster": roster.decode,
        "policy": policy.decode,
        "grant": lambda data: grant.decode(data, KID, held.roster.digest, held.policy.digest),
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


def make_refusals() -> Any:
    """Octets that must be refused, with the class, the field and the offset."""
    units = make_units()
    codes = make_codec()
    first_records = {one["kind"]: bytes.fromhex(one["hex"]) for one in reversed(make_records())}
    single = bytes.fromhex(next(one for one in codes["batches"] if len(one["records"]) == 1)["predicted"])
    good = {
        "roster": bytes.fromhex(units["roster"]["hex"]),
        "policy": bytes.fromhex(units["policy"]["hex"]),
        "grant": bytes.fromhex(units["grants"][0]["hex"]),
        "terminal certificate": bytes.fromhex(units["terminal_certificate"]["hex"]),
        "epoch certificate": bytes.fromhex(units["epoch_certificate"]["hex"]),
        "acknowledgement": bytes.fromhex(units["acknowledgement"]["hex"]),
        "status": bytes.fromhex(units["status"]["hex"]),
        "notice": bytes.fromhex(units["notice"]["hex"]),
        "standing": bytes.fromhex(units["standing"]["hex"]),
        "bridge": bytes.fromhex(units["bridge"]["hex"]),
        "part": bytes.fromhex(units["parts"][-1]["hex"]),
        "write-off": bytes.fromhex(units["write_off"]["hex"]),
        "roster delta": bytes.fromhex(units["roster_delta"]["hex"]),
        "renewal": bytes.fromhex(units["renewal"]["hex"]),
        "renewal piece": bytes.fromhex(units["renewal_piece"]["hex"]),
        "codec 1, one record": single,
        "header": bytes.fromhex("00102030400000010000000000"),
    }
    cases: list[tuple[str, bytes]] = [
        ("record", b""),
        ("codec 0, one record", b""),
        ("codec 0, one record", b"\x05\x01"),
    ]
    for octets in first_records.values():
        cases += [("record", change) for change in _changes(octets)]
    for unit, octets in good.items():
        cases += [(unit, change) for change in _changes(octets)]
    decode = decoders()
    out = []
    for unit, octets in cases:
        try:
            decode[unit](octets)
        except ProtocolError as error:
            out.append({"unit": unit, "hex": octets.hex(), "error": type(error).__name__, "field": error.field,
                        "offset": error.offset})  # fmt: skip
    return out


def _changes(octets: bytes) -> list[bytes]:
    """Cut, lengthened, and each of the first octets set to its extremes."""
    out = [octets[:at] for at in (1, 2, 3, 7, len(octets) // 2, len(octets) - 1)]
    out += [octets + b"\x00", b"\x00" + octets]
    for at in range(min(len(octets), 44)):
        out += [
            octets[:at] + bytes((value,)) + octets[at + 1 :] for value in (0x00, 0xFF) if octets[at] != value
        ]
    return out
