"""Digests of the reference day's coded frames, so that a change of any octet of codec 1 is noticed.

Run as `python -m tests.bench.reference_digests` to write `protocol/vectors/reference_days.json`; a unit test compares it.
"""

from __future__ import annotations

import hashlib
import json

from protocol import codec
from tests.bench import reference_day
from tests.support.process import ROOT

FILE = ROOT / "protocol" / "vectors" / "reference_days.json"
RECORDS_PER_FRAME = 9


def digests() -> dict[str, str]:
    """By variant: SHA-256 over the frames of nine records, each behind two octets of length."""
    out = {}
    for variant in reference_day.VARIANT_NAMES:
        day = reference_day.build(variant)
        digest = hashlib.sha256()
        for start in range(0, len(day.batch), RECORDS_PER_FRAME):
            batch = day.batch[start : start + RECORDS_PER_FRAME]
            octets = codec.encode(codec.PREDICTED, batch, day.context, day.first + start)
            digest.update(len(octets).to_bytes(2, "big") + octets)
        out[variant] = digest.hexdigest()
    return out


if __name__ == "__main__":
    FILE.write_text(json.dumps(digests(), indent=0) + "\n", encoding="utf-8")
