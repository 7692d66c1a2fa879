"""Makes the flash fixtures of the formats that the firmware writes today: python -m tests.support.make_flash_fixture.

Run it once for each new format and never for an old one: what it wrote for that stays as it is (tests/fixtures/README.md).
All content is made up from the seed in the manifest; there is no key in it, private or public.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import sys
from pathlib import Path
from typing import Any

from hardware import nor_faults
from protocol import records
from tests.support import frames
from tests.support.journal_images import SECTOR, Images, JournalImages

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "flash"
MANIFEST = FOLDER / "manifest.json"
AREAS_DRIVER = "tests/property/drivers/forensics_areas.py"
SEED = 20_261_121
KID = 0x0F1C7E5A
PERIOD = 24322
FAMILIES = 6
NO_INDEX = 0xFFFF


def record(rng: random.Random, kind: int, index: int, sequence: int) -> bytes:
    """A canonical record of any kind, as a terminal with six families would make it."""
    proof = records.CardProof(
        application_index=index % 2, pan_sequence=1, transaction_date=b"\x26\x11\x21", cid=0x40, atc=sequence,
        ac=rng.randbytes(8), tvr=bytes(5), aip=b"\x5c\x00", cvm_results=b"\x3f\x00\x00", un_attempt=0,
        iad=rng.randbytes(10),
    )  # fmt: skip
    values: dict[str, Any] = {
        "programme": 1, "period": PERIOD, "tender": 0, "amount_rupiah": 1000 * (1 + rng.randrange(9)), "lease": 7,
        "card_key": hashlib.sha256(bytes([index])).digest()[:8], "method": 1, "flags": 0, "reason": 0, "proof": proof,
        "items": ((1, 1000, 13000), (2, 100, 28000)), "reference_sequence": max(1, sequence - 1),
        "redeemed_count": 3, "redeemed_rupiah": 9000, "voided_count": 0, "voided_rupiah": 0, "returned_count": 1,
        "returned_rupiah": 1000, "application_index": 0, "verifier": rng.randbytes(16), "subject": 3, "number": 1,
        "digest": rng.randbytes(32), "supplier": 9, "code": 1, "operator": 2, "detail": b"fixture",
    }  # fmt: skip
    time_s = 1_795_000_000 + 60 * sequence
    return records.encode(records.Record(kind=kind, version=1, time_s=time_s, time_trust=3, **values))


def history(rng: random.Random, days: int) -> list[Any]:
    """Days with every kind of record and mark, an acknowledgement, a checkpoint and a restart."""
    done: list[Any] = []
    sequence = 0
    for day in range(days):
        for kind in (*range(1, 10), 1, 1, 1):
            sequence += 1
            index = rng.randrange(FAMILIES)
            done.append(("mark", 0x83, sequence.to_bytes(3, "big").hex() + "00", NO_INDEX, 1))
            done.append(("record", record(rng, kind, index, sequence).hex(), index, 1))
        done += [
            ("mark", 0x82, bytes((day % 2, 1 + day % 3)).hex(), day % FAMILIES, 1),
            ("mark", 0x85, (256 * (day + 1)).to_bytes(4, "big").hex(), NO_INDEX, 1),
            (
                "mark",
                0x8A,
                bytes((80, day, 0, 1 + day)).hex() + sequence.to_bytes(3, "big").hex(),
                NO_INDEX,
                1,
            ),
            ("heard", 3, day + 1),
            ("checkpoint",),
            ("idle", 2),
            ("off",),
        ]
    return [*done, ("mark", 0x86, b"\x00\x65\x00\x00\x0e\x10ended".hex(), NO_INDEX, 1)]


def digest(held: list[Any]) -> str:
    """SHA-256 over (sequence, length, octets) of records."""
    hasher = hashlib.sha256()
    for sequence, octets in held:
        payload = bytes.fromhex(octets)
        hasher.update(sequence.to_bytes(4, "big") + bytes((len(payload),)) + payload)
    return hasher.hexdigest()


def journal(
    name: str, sectors: int, days: int, *, is_cut: bool = False, bad: tuple[int, ...] = ()
) -> tuple[dict[str, Any], bytes]:
    """One journal and what must be found in it, told by who wrote it. `bad`: places whose sectors take no header."""
    start = hashlib.sha256(f"{SEED}/{name}".encode()).digest()
    done = history(random.Random(f"{SEED}/{name}"), days)
    with JournalImages("unix64", KID, start, ((1, PERIOD),)) as firmware:
        formats, _ = firmware.ask("formats")
        stuck = [nor_faults.stuck(place * SECTOR + 62, 0xFF, 1) for place in bad]
        lived, image = firmware.live(done, nor_faults.FaultPlan(SEED, stuck) if bad else None, sectors)
        if is_cut:
            # The same life again, and power fails in the middle of its last record but one.
            at = lived["operations"] - 1
            plan = nor_faults.FaultPlan(SEED, [nor_faults.cut(at, 70, nor_faults.RANDOM)])
            last = ("record", record(random.Random(name), 1, 2, 999).hex(), 2, 1)
            lived, image = firmware.live([*done[:-1], last], plan, sectors)
        told, _ = firmware.view(image)
    kept = [held for held in lived["committed"] if held[0] >= told["first"]]
    return {
        "formats": formats, "sectors": sectors, "kid": KID, "start": start.hex(), "periods": [[1, PERIOD]],
        "first": told["first"], "last": kept[-1][0], "records": digest(kept), "chain": told["chain"],
        "boots": told["boots"], "state": told["state"],
    }, image  # fmt: skip


def areas() -> tuple[dict[str, Any], bytes]:
    """Documents (made-up octets under the names that hold no key) and a roster."""
    rng = random.Random(SEED)
    sections = [[name, rng.randbytes(40 + name).hex()] for name in (1, 8, 10, 13, 15, 33)]
    settings = {
        "broker_host": "gateway.example",
        "broker_port": "8883",
        "broker_tls": "1",
        "wifi_ssid": "warung",
    }
    later = [[13, "".join(f"{name}={value}\n" for name, value in settings.items()).encode().hex()]]
    octets = frames.sample_roster("fixture", 12, 3)
    done = [("save", sections), ("roster", octets.hex()), ("save", later)]
    with Images(AREAS_DRIVER, "unix64") as firmware:
        formats, _ = firmware.ask("formats")
        _, image = firmware.ask("live", operations=done, plan=None)
    return {
        "formats": formats,
        "sections": sorted([entry for entry in sections if entry[0] != later[0][0]] + later),
        "settings": settings,
        "roster": [3, 12, 12, hashlib.sha256(octets).hexdigest()],
    }, image


def main() -> int:
    """Write what is missing; refuse to change what is there unless it is named on the command line."""
    manifest = (
        json.loads(MANIFEST.read_text("utf-8")) if MANIFEST.exists() else {"seed": SEED, "fixtures": {}}
    )
    made = {
        "journal-ring": journal("ring", 6, 9),
        "journal-bad": journal("bad", 9, 9, bad=(3, 4, 8)),
        "journal-cut": journal("cut", 7, 2, is_cut=True),
        "areas": areas(),
    }
    for kind, (told, image) in made.items():
        name = "-".join([kind, *(str(number) for number in told["formats"].values())])
        if name in manifest["fixtures"] and name not in sys.argv[1:]:
            print(f"{name}: there already, left as it is")
            continue
        path = FOLDER / f"{name}.bin.gz"
        path.write_bytes(gzip.compress(image, 9, mtime=0))
        manifest["fixtures"][name] = told
        print(f"{name}: {len(image) // SECTOR} sectors, {path.stat().st_size} octets")
    MANIFEST.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
