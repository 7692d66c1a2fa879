"""Release bundles and a flash file system for tests of loader and updater; runs on MicroPython."""

import hashlib
import os

import vfs

from firmware import loader
from firmware.crypto import p256
from firmware.crypto.rfc6979 import nonces
from firmware.crypto.signing import entry_steps, finish_signature
from firmware.updater import release_of
from hardware.nor_flash import SECTOR_BYTES, NorFlash, Partition, PowerCut
from protocol import release
from tests.support.mp import seed

ROOT = "/rel/"
SECTORS = 24
PRIVATE = 0x1E2D3C4B5A69788796A5B4C3D2E1F00112233445566778899AABBCCDDEEFF001
PUBLIC = p256.public_key(PRIVATE)


def sign(message: bytes) -> bytes:
    """The release key's signature, with the nonce of RFC 6979."""
    digest = hashlib.sha256(message).digest()
    entry = p256.finish(entry_steps(PRIVATE, next(nonces(PRIVATE, digest))))
    return finish_signature(entry, digest)


def bundle(number: int, files: dict, least: int = 0, chip: int = release.CHIP_ESP32) -> tuple:
    """(head, octets of all files)."""
    paths = sorted(files)
    entries = tuple(
        [release.File(path, len(files[path]), hashlib.sha256(files[path]).digest()) for path in paths]
    )
    manifest = release.encode(release.Manifest(chip, number, least, entries))
    return manifest + sign(release.signed_message(manifest)), b"".join([files[path] for path in paths])


def new_flash(seed: int = 1) -> NorFlash:
    """A chip with an empty littlefs of `SECTORS` sectors."""
    chip = NorFlash(SECTORS * SECTOR_BYTES, seed=seed)
    vfs.VfsLfs2.mkfs(Partition(chip, "vfs", 0, SECTORS * SECTOR_BYTES))
    return chip


def mount(chip: NorFlash) -> None:
    """Mount it at ROOT, as the runtime does at `/` when it starts."""
    unmount()
    vfs.mount(vfs.VfsLfs2(Partition(chip, "vfs", 0, SECTORS * SECTOR_BYTES)), ROOT[:-1])


def unmount() -> None:
    """Forget it, as a power cut does."""
    try:
        vfs.umount(ROOT[:-1])
    except OSError:
        pass


def put(path: str, octets: bytes) -> None:
    """Write a file below ROOT, with its folders."""
    made = ROOT[:-1]
    for part in path.split("/")[:-1]:
        made += "/" + part
        try:
            os.mkdir(made)
        except OSError:
            pass
    with open(ROOT + path, "wb") as file:
        file.write(octets)


def get(path: str) -> bytes:
    """Read a file below ROOT."""
    with open(ROOT + path, "rb") as file:
        return file.read()


def cut_at_every_operation(new_chip, live) -> int:
    """A life for each flash operation, which is cut there; `new_chip(seed)` gives its flash, `live()` tells whether all is
    done, and is called again after each cut. Each life must end with release 5 as the one that starts. Returns the cuts.
    """
    cuts = 0
    while True:
        chip = new_chip(seed() + cuts)
        chip.power_cut_after(cuts, (0, 1, 100, 255)[cuts % 4])
        is_done = False
        was_cut = False
        for _ in range(12):
            try:
                mount(chip)
                is_done = live()
            except PowerCut:
                was_cut = True
                chip.power_on()
                continue
            if is_done:
                break
        assert is_done, cuts
        assert release_of(ROOT, loader.choose(ROOT)) == 5, cuts
        unmount()
        if not was_cut:
            return cuts
        cuts += 1
