"""The files of vectors: what makes each, as which text, and which are not what the code makes today."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tools.golden_vectors.frames import make_codec, make_frames
from tools.golden_vectors.records import make_chain, make_keys, make_records
from tools.golden_vectors.refusals import make_refusals
from tools.golden_vectors.units import make_units
from tools.setup.checkout import ROOT

FOLDER = ROOT / "protocol" / "vectors"
FILES: dict[str, Callable[[], Any]] = {
    "records.json": make_records,
    "chain.json": make_chain,
    "keys.json": make_keys,
    "codec.json": make_codec,
    "frames.json": make_frames,
    "units.json": make_units,
    "refusals.json": make_refusals,
}


def text_of(made: Any) -> str:
    """JSON with one entry per line at the top, so that a change shows where it is."""
    if isinstance(made, list):
        return "[\n" + ",\n".join(_compact(one) for one in made) + "\n]\n"
    return (
        "{\n" + ",\n".join(f"{_compact(name)}: {_compact(value)}" for name, value in made.items()) + "\n}\n"
    )


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def stale() -> list[str]:
    """The names of vector files that are not what the code makes today."""
    return [
        name
        for name, make in FILES.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text_of(make())
    ]
