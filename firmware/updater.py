"""Takes a signed release bundle into the slot that does not run, piece by piece, and lets the loader try it.

Nothing here touches journal, roster or identity: a cut at any write leaves the running slot as it was. Pieces may come in any
session; after a restart the bundle's head is shown again and what is already whole in the slot is not asked for again.
"""

import hashlib
import os

from firmware import loader
from protocol import release
from protocol.errors import AuthenticationFailed, OutOfRange, ProtocolError, TrailingData

HEAD_OCTETS_MAX = 65536
_READ_OCTETS = 2048
_HEAD = "release.head"


class UpdateRefused(Exception):
    """This bundle is not for this terminal now; the message says why."""


class Updater:
    """`root`: where the slots are ("/" on the terminal); `verify_steps(public_key, digest, signature)` generates a bool
    (crypto/p256); `release_key`: 64 octets, the authority's, b"" where there is none; `running`: the release that runs, 0 if it
    has none.

    `release` and `head_digest` (SHA-256 of its head) are those of the bundle that was begun, 0 and empty before. What takes
    long is a generator, whose steps give way to a sale; the bundle that is begun last is the one that counts.
    """

    def __init__(self, root: str, running_slot: str, running: int, release_key: bytes, verify_steps) -> None:
        self._root = root
        self._running_slot = running_slot
        self._slot = loader.other(running_slot)
        self._base = root + self._slot + "/"
        self._release_key = release_key
        self._verify_steps = verify_steps
        self._manifest = None
        self._place = 0  # the file that comes next
        self._file = None
        self._digest = None
        self._written = 0
        self._turn = 0
        self.running = running
        self.release = 0
        self.head_digest = b""

    def begin(self, head: bytes) -> None:
        """The bundle up to the end of its signature. Raises a `ProtocolError` or `UpdateRefused`; nothing is written then."""
        for _ in self.begin_steps(head):
            pass

    def begin_steps(self, head: bytes):
        """Generate `begin`."""
        self._turn += 1
        turn = self._turn
        manifest = yield from self._checked_steps(head)
        self._require_turn(turn)
        self._close()
        self._manifest = None
        self.release = 0
        self.head_digest = b""
        if self.kept_head() != head:
            # Another bundle was begun before: nothing of it may stay in the slot, and the slot is not started.
            loader.confirm(self._root, self._running_slot)
            for _ in _remove_tree_steps(self._base[:-1]):
                yield
                self._require_turn(turn)
            _make_folders(self._base, _HEAD)
            _write_whole(self._base + _HEAD, head)
        place = 0
        while place < len(manifest.files):
            is_whole = yield from self._whole_steps(manifest.files[place])
            self._require_turn(turn)
            if not is_whole:
                break
            place += 1
        self._place = place
        self._manifest = manifest
        self.release = manifest.release
        self.head_digest = hashlib.sha256(head).digest()

    def _checked_steps(self, head: bytes):
        """Generate the manifest of a bundle that this terminal may take."""
        if not self._release_key:
            raise UpdateRefused("the terminal holds no authority key: provision it, or flash it")
        manifest, octets, signature, end = release.decode(head)
        if end != len(head):
            raise TrailingData("head", end, "more than manifest and signature")
        message = release.signed_message(octets)
        digest = hashlib.sha256(message).digest()
        if not (yield from self._verify_steps(self._release_key, digest, signature)):
            raise AuthenticationFailed("signature", len(octets), "not the release key's")
        if manifest.chip != release.CHIP_ESP32:
            raise UpdateRefused("the release is for another chip")
        if manifest.release <= self.running:
            raise UpdateRefused(
                "release %d is not newer than %d, which runs" % (manifest.release, self.running)
            )
        if self.running < manifest.least:
            raise UpdateRefused("release %d needs at least %d" % (manifest.release, manifest.least))
        slot, left = loader.read_state(self._root)
        if slot == self._running_slot and left >= 0:
            raise UpdateRefused("the release that runs is still on trial")
        return manifest

    def _require_turn(self, turn: int) -> None:
        """Between two steps a technician may have begun another bundle."""
        if turn != self._turn:
            raise UpdateRefused("another bundle was begun meanwhile")

    @property
    def size(self) -> int:
        """Octets of all files of the bundle that was begun, 0 before."""
        return self._manifest.size if self._manifest is not None else 0

    @property
    def next_offset(self) -> int:
        """Where in the files' octets the next piece begins; the size of all when nothing is lacking."""
        if self._manifest is None:
            return 0
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
        for _ in self.check_steps():
            pass
        self.try_next()

    def check_steps(self):
        """Generate a look at every file on flash; one that differs is an `OutOfRange` that names where to go on."""
        if not self.is_complete:
            raise UpdateRefused("files are lacking")
        turn = self._turn
        for place, file in enumerate(self._manifest.files):
            is_whole = yield from self._whole_steps(file)
            self._require_turn(turn)
            if not is_whole:
                self._place = place
                raise OutOfRange(
                    "digest of %s" % file.path, self.next_offset, "differs on flash; send it again"
                )

    def try_next(self) -> None:
        """The loader tries the slot at the next start; only after `check_steps` found nothing."""
        if not self.is_complete:
            raise UpdateRefused("files are lacking")
        try:
            os.remove(self._base + loader.FAILED)
        except OSError:
            pass  # it was not tried before
        loader.write_state(self._root, self._slot, loader.STARTS_ON_TRIAL)

    def has_failed(self, head: bytes) -> bool:
        """Whether this bundle was tried here and did not prove itself."""
        try:
            os.stat(self._base + loader.FAILED)
        except OSError:
            return False
        return self.kept_head() == head

    def kept_head(self) -> bytes:
        """The head of the bundle that the slot is for, empty where there is none."""
        try:
            with open(self._base + _HEAD, "rb") as file:
                return file.read(HEAD_OCTETS_MAX)
        except OSError:
            return b""

    def _whole_steps(self, file):
        """Generate whether a file is on flash as it should be."""
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
                    yield
        except OSError:
            return False
        return size == file.size and digest.digest() == file.digest

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
        self._digest = None
        self._written = 0


def release_of(root: str, slot: str) -> int:
    """The release in a slot, 0 where none can be read."""
    try:
        with open(root + slot + "/" + _HEAD, "rb") as file:
            return release.number(file.read(release.HEADER_OCTETS))
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


def _remove_tree_steps(path: str):
    """Remove a file, or a folder with all that is in it, a step for each; nothing where there is none."""
    try:
        entries = list(os.ilistdir(path))
    except OSError:
        return
    for entry in entries:
        inner = path + "/" + entry[0]
        if entry[1] & 0x4000:
            yield from _remove_tree_steps(inner)
        else:
            yield
            os.remove(inner)
    yield
    os.rmdir(path)
