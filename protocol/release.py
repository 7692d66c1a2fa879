"""The release bundle: the application's files for one slot, with a manifest that the release key signs.

    "LMBU" | version 1 | chip | release (4) | least release that may be left for it (4) | count (2)
    count x ( path length | path | octets (4) | SHA-256 (32) )          <- the manifest ends here
    signature (64) over domain || SHA-256(manifest)
    the files' octets, in the order of the manifest

The manifest comes first and is small, so that a terminal checks the signature before it writes one octet of a file.
"""

import hashlib

from protocol.domains import RELEASE
from protocol.errors import NotCanonical, OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer

MAGIC = b"LMBU"
VERSION = 1
SIGNATURE_OCTETS = 64
DIGEST_OCTETS = 32
FILES_MAX = 400
FILE_OCTETS_MAX = 262144
PATH_OCTETS_MAX = 96
RELEASE_MAX = 0xFFFFFFFF
CHIP_ESP32 = 0
# Fields before the files: magic, version, chip, two releases, count.
HEADER_OCTETS = 16
_PATH_SIGNS = b"abcdefghijklmnopqrstuvwxyz0123456789_./"


class File:
    """`path` relative to the slot, ASCII; `size` in octets; `digest` its SHA-256."""

    def __init__(self, path: str, size: int, digest: bytes) -> None:
        self.path = path
        self.size = size
        self.digest = digest


class Manifest:
    """`release` counts up for ever; `least` is the oldest release that may be replaced by this one without a technician."""

    def __init__(self, chip: int, release: int, least: int, files: tuple[File, ...]) -> None:
        self.chip = chip
        self.release = release
        self.least = least
        self.files = files

    @property
    def size(self) -> int:
        """Octets of all files."""
        total = 0
        for file in self.files:
            total += file.size
        return total


def signed_message(manifest_octets: bytes) -> bytes:
    """What the release key signs."""
    return RELEASE + hashlib.sha256(manifest_octets).digest()


def encode(manifest: Manifest) -> bytes:
    """The manifest's octets; files stand in the order of their paths."""
    out = Writer()
    out.octets("magic", MAGIC, 4)
    out.number("version", VERSION, 1)
    out.number("chip", manifest.chip, 1)
    out.number("release", manifest.release, 4, 1)
    out.number("least", manifest.least, 4, 0, manifest.release)
    out.number("count", len(manifest.files), 2, 1, FILES_MAX)
    previous = b""
    for file in manifest.files:
        path = _path(file.path.encode(), len(out.data))
        if path <= previous:
            raise NotCanonical("path", len(out.data), "not in the order of paths")
        previous = path
        out.counted("path", path, PATH_OCTETS_MAX)
        out.number("file size", file.size, 4, 1, FILE_OCTETS_MAX)
        out.octets("digest", file.digest, DIGEST_OCTETS)
    return bytes(out.data)


def decode(octets: bytes) -> tuple[Manifest, bytes, bytes, int]:
    """(manifest, its octets, signature, where the files begin); the caller verifies the signature and each file's digest.

    `octets` must hold everything up to the end of the signature; more may follow.
    """
    source = Reader(octets)
    chip, release = _beginning(source)
    least = source.number("least", 4, 0, release)
    files = []
    previous = b""
    for _ in range(source.number("count", 2, 1, FILES_MAX)):
        start = source.offset
        path = _path(source.counted("path", PATH_OCTETS_MAX), start)
        if path <= previous:
            raise NotCanonical("path", start, "not in the order of paths")
        previous = path
        size = source.number("file size", 4, 1, FILE_OCTETS_MAX)
        files.append(File(path.decode(), size, source.octets("digest", DIGEST_OCTETS)))
    end = source.offset
    signature = source.octets("signature", SIGNATURE_OCTETS)
    return Manifest(chip, release, least, tuple(files)), bytes(octets[:end]), signature, source.offset


def number(octets: bytes) -> int:
    """The release that a bundle's first `HEADER_OCTETS` name: all that a start needs to know of hundreds of files."""
    return _beginning(Reader(octets))[1]


def _beginning(source: Reader) -> tuple[int, int]:
    """(chip, release) of a bundle of a known version."""
    if source.octets("magic", 4) != MAGIC:
        raise UnknownVersion("magic", 0, "not a release bundle")
    if source.number("version", 1) != VERSION:
        raise UnknownVersion("version", 4, "unknown")
    chip = source.number("chip", 1)
    return chip, source.number("release", 4, 1, RELEASE_MAX)


def _path(path: bytes, offset: int) -> bytes:
    """Only names below the slot: no path leads out of it, whatever the file system makes of it."""
    for sign in path:
        if sign not in _PATH_SIGNS:
            raise OutOfRange("path", offset, "holds a sign that no path has")
    for part in path.split(b"/"):
        if not part or part in (b".", b".."):
            raise OutOfRange("path", offset, "has an empty part, or one of dots")
    return path
