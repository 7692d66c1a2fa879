"""Makes the golden vectors of the protocol, or checks that the code still makes the same.

Run as `python -m tools.golden_vectors` to write `protocol/vectors/*.json`, with `--check` to compare and exit 1 where
anything differs: encoder output over the corpus may not change without a new codec number. Everything is deterministic;
frames are encrypted with a cipher that is not ours.
"""

from __future__ import annotations

import argparse
import sys

from tools.golden_vectors.files import FILES, FOLDER, stale, text_of


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="compare, write nothing, exit 1 where anything differs"
    )
    if parser.parse_args().check:
        names = stale()
        for name in names:
            print(
                f"golden vectors: protocol/vectors/{name} differs: a wire change needs a new codec number or version"
            )
        if not names:
            print(f"golden vectors: all {len(FILES)} files are what the code makes")
        return 1 if names else 0
    FOLDER.mkdir(exist_ok=True)
    for name, make in FILES.items():
        (FOLDER / name).write_text(text_of(make()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
