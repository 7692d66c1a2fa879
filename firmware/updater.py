"""Takes a signed release bundle into the slot that does not run, piece by piece, and lets the loader try it.

Nothing here touches journal, roster or identity: a cut at any write leaves the running slot as it was. Pieces may come in any
session; after a restart the bundle's head is shown again and what is already whole in the slot is not asked for again.
"""

import hashlib
import os

from firmware import loader
from protocol import release
from protocol.errors import AuthenticationFailed, OutOfRange, ProtocolError

HEAD_OCTETS_MAX = 65536
_READ_OCTETS = 512
_HEAD = "release.head"


class UpdateRefused(Exception):
    """This bundle is not for this terminal now; the message says why."""


class Updater:
    """`root`: where the slots are ("/" on the terminal); `verify(public_key, digest, signature)` -> bool (crypto/p256);
    `release_key`: 64 octets, the authority's, b"" where there is none; `running`: the release that runs, 0 if it has none.
    """

    def __init__(self, root: str, running_slot: str, running: int, release_key: bytes, verify) -> None:
        self._root = root
        self._running_slot = running_slot
        self._slot = loader.other(running_slot)
        self._base = root + self._slot + "/"
        self._running = running
        self._release_key = release_key
        self._verify = verify
        self._manifest = None
        self._place = 0  # the file that comes next
        self._file = None
        self._digest = None
        self._written = 0
        self.release = 0

    def begin(self, head: bytes) -> None:
        """The bundle up to the end of its signature. Raises a `ProtocolError` or `UpdateRefused`; nothing is written then."""
        if not self._release_key:
            raise UpdateRefused("the terminal holds no authority key: provision it, or flash it")
        manifest, octets, signature, _ = release.decode(head)
        message = release.signed_message(octets)
        if not self._verify(self._release_key, hashlib.sha256(message).digest(), signature):
            raise AuthenticationFailed("signature", len(octets), "not the release key's")
        if manifest.chip != release.CHIP_ESP32:
            raise UpdateRefused("the release is for another chip")
        if manifest.release <= self._running:
            raise UpdateRefused(
                "release %d is not newer than %d, which runs" % (manifest.release, self._running)
            )
        if self._running < manifest.least:
            raise UpdateRefused("release %d needs at least %d" % (manifest.release, manifest.least))
        slot, left = loader.read_state(self._root)
        if slot == self._running_slot and left >= 0:
            raise UpdateRefused("the release that runs is still on trial")
        self._close()
        if self._read_head() != head:
            # Another bundle was begun before: nothing of it may stay in the slot, and the slot is not started.
            self._empty_slot()
            _make_folders(self._base, _HEAD)
            _write_whole(self._base + _HEAD, head)
        self._manifest = manifest
        self.release = manifest.release
        self._place = 0
        while self._place < len(manifest.files) and self._is_whole(manifest.files[self._place]):
            self._place += 1

    @property
    def next_offset(self) -> int:
        """Where in the files' octets the next piece begins; the size of all when nothing is lacking."""
        offset = self._written
        for file in self._manifest.files[: self._place]:
            offset += file.size
        return offset

    @property
    def is_complete(self) -> bool:
        """Whether every file is whole."""
        return self._manifest is not None and self._place == len(self._manifest.files)

    def write(self, offset: int, octets: bytes) -> None:
        """The next piece, which may span files; one that is not the next is an `OutOfRange` that names where to go on."""
        if self._manifest is None:
            raise UpdateRefused("no release was begun")
        if offset != self.next_offset:
            raise OutOfRange("offset", offset, "the next piece begins at %d" % self.next_offset)
        taken = 0
        while taken < len(octets):
            if self.is_complete:
                raise OutOfRange("piece", offset + taken, "goes beyond the last file")
            file = self._manifest.files[self._place]
            part = octets[taken : taken + file.size - self._written]
            if self._file is None:
                _make_folders(self._base, file.path)
                self._file = open(self._base + file.path, "wb")  # noqa: SIM115 - open until its last piece
                self._digest = hashlib.sha256()
            self._file.write(part)
            self._digest.update(part)
            self._written += len(part)
            taken += len(part)
            if self._written == file.size:
                self._finish_file(file)

    def _finish_file(self, file) -> None:
        """A whole file with another digest begins anew: the cable or the network spoiled it."""
        is_good = self._digest.digest() == file.digest
        self._close()
        if not is_good:
            os.remove(self._base + file.path)
            raise OutOfRange("digest of %s" % file.path, self.next_offset, "differs; send it again")
        self._place += 1

    def finish(self) -> None:
        """Read every file back from flash and let the loader try the slot at the next start."""
        if not self.is_complete:
            raise UpdateRefused("files are lacking")
        for place, file in enumerate(self._manifest.files):
            if not self._is_whole(file):
                self._place = place
                raise OutOfRange(
                    "digest of %s" % file.path, self.next_offset, "differs on flash; send it again"
                )
        loader.write_state(self._root, self._slot, loader.STARTS_ON_TRIAL)

    def _is_whole(self, file) -> bool:
        digest = hashlib.sha256()
        size = 0
        try:
            with open(self._base + file.path, "rb") as source:
                while True:
                    octets = source.read(_READ_OCTETS)
                    if not octets:
                        break
                    size += len(octets)
                    digest.update(octets)
        except OSError:
            return False
        return size == file.size and digest.digest() == file.digest

    def _read_head(self) -> bytes:
        try:
            with open(self._base + _HEAD, "rb") as file:
                return file.read(HEAD_OCTETS_MAX)
        except OSError:
            return b""

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._digest = None
        self._written = 0

    def _empty_slot(self) -> None:
        """The running slot is made the one that starts before anything of the other is lost."""
        loader.confirm(self._root, self._running_slot)
        _remove_tree(self._base[:-1])


def release_of(root: str, slot: str) -> int:
    """The release in a slot, 0 where none can be read."""
    try:
        with open(root + slot + "/" + _HEAD, "rb") as file:
            return release.decode(file.read(HEAD_OCTETS_MAX))[0].release
    except (OSError, ProtocolError):
        return 0


def _write_whole(path: str, octets: bytes) -> None:
    with open(path + ".new", "wb") as file:
        file.write(octets)
        file.flush()
    os.rename(path + ".new", path)


def _make_folders(base: str, path: str) -> None:
    """The folders of `path` below `base`, and `base` itself."""
    made = base[:-1]
    for part in [""] + path.split("/")[:-1]:
        if part:
            made += "/" + part
        try:
            os.mkdir(made)
        except OSError:
            pass  # it is there; if it could not be made, opening the file says so


def _remove_tree(path: str) -> None:
    """A file, or a folder with all that is in it; nothing where there is none."""
    try:
        entries = list(os.ilistdir(path))
    except OSError:
        return
    for entry in entries:
        inner = path + "/" + entry[0]
        if entry[1] & 0x4000:
            _remove_tree(inner)
        else:
            os.remove(inner)
    os.rmdir(path)
