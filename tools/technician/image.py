"""What a build left in its folder, believed only if it is whole and signed by the release key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from gateway import signatures
from gateway.errors import PublicKeyError
from tools.technician.build import Piece, image_message
from tools.technician.errors import BundleError

_ADVICE = "copy the folder again from where it was built, or build it anew"


@dataclass(frozen=True, slots=True)
class Image:
    """A whole flash image."""

    release: int
    chip: str
    flash_bytes: int
    pieces: tuple[Piece, ...]


def load(folder: Path, release_key: bytes) -> Image:
    """Read and verify. Raises `BundleError` with the file that is lacking, changed, or not the release key's."""
    try:
        manifest = (folder / "manifest.json").read_bytes()
        signature = (folder / "manifest.sig").read_bytes()
        key = signatures.load_public(release_key)
    except OSError as error:
        raise BundleError(
            f"{folder}: no build is here ({error.strerror})", "give the folder that `lumbung build` wrote"
        ) from error
    except PublicKeyError as error:
        raise BundleError("the release key is no P-256 public key", "give the file authority.pub") from error
    if not signatures.verify(key, signature, image_message(manifest)):
        raise BundleError(f"{folder}: the manifest is not signed by this release key", _ADVICE)
    told = json.loads(manifest)
    pieces = []
    for entry in told["pieces"]:
        try:
            octets = (folder / entry["file"]).read_bytes()
        except OSError as error:
            raise BundleError(f"{folder}: {entry['file']} cannot be read", _ADVICE) from error
        if hashlib.sha256(octets).hexdigest() != entry["sha256"]:
            raise BundleError(f"{folder}: {entry['file']} is not what was built", _ADVICE)
        pieces.append(Piece(entry["name"], entry["offset"], octets))
    return Image(told["release"], told["chip"], told["flash_bytes"], tuple(pieces))
