"""The stock MicroPython runtime: the official image is merged, so it is cut, and its own partition table is left out."""

from __future__ import annotations

import hashlib
import io
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esptool.bin_image import LoadFirmwareImage
from esptool.util import FatalError

from tools.technician.errors import RuntimeImageError, TooLargeError

MERGED_AT = 0x1000
"""Where the official image begins on the ESP32: with the bootloader."""
_DOWNLOAD_OCTETS_MAX = 8 << 20
_TIMEOUT_S = 60
_CHIP_ESP32 = 0
_ADVICE = "take the ESP32_GENERIC image with SPIRAM from MicroPython's download page, whole and unchanged"


@dataclass(frozen=True, slots=True)
class Runtime:
    """`bootloader` goes to 0x1000, `application` to the factory partition; `digest` is SHA-256 of the whole image."""

    bootloader: bytes
    application: bytes
    digest: bytes


def fetch(source: str, sha256: str) -> bytes:
    """Read the image from a path or an http(s) address; without the right SHA-256 nothing downloaded is used."""
    is_remote = source.startswith(("http://", "https://"))
    if is_remote and not sha256:
        raise RuntimeImageError(
            f"{source}: its SHA-256 was not given", "give it with --sha256, from a source that you trust"
        )
    try:
        if is_remote:
            with urllib.request.urlopen(source, timeout=_TIMEOUT_S) as answer:
                octets: bytes = answer.read(_DOWNLOAD_OCTETS_MAX + 1)
        else:
            octets = Path(source).read_bytes()
    except OSError as error:
        raise RuntimeImageError(
            f"{source}: cannot be read ({error})", "look at the path, or at the network"
        ) from error
    digest = hashlib.sha256(octets).hexdigest()
    if sha256 and digest != sha256.lower():
        raise RuntimeImageError(
            f"{source}: its SHA-256 is {digest}, not {sha256.lower()}", "do not use it; fetch it again"
        )
    return octets


def cut(octets: bytes, board: dict[str, Any]) -> Runtime:
    """Take bootloader and application out of a merged image, each checked against its own checksum and digest."""
    table_at = board["flash"]["partition_table_offset"] - MERGED_AT
    factory = next(part for part in board["partition"] if part["name"] == "factory")
    bootloader = _image(octets[:table_at], "bootloader")
    application = _image(octets[factory["offset"] - MERGED_AT :], "application")
    if len(application) > factory["size"]:
        raise TooLargeError(
            f"the runtime has {len(application)} octets, the factory partition {factory['size']}",
            "use a smaller runtime",
        )
    return Runtime(bootloader, application, hashlib.sha256(octets).digest())


def _image(octets: bytes, name: str) -> bytes:
    """Return the octets of one ESP32 image at the front of `octets`, checksum and digest included."""
    try:
        image = LoadFirmwareImage("esp32", octets)
    except (FatalError, OSError, ValueError, IndexError, TypeError) as error:
        raise RuntimeImageError(f"no ESP32 {name} where it should be ({error})", _ADVICE) from error
    except Exception as error:
        raise RuntimeImageError(
            f"no ESP32 {name} where it should be ({type(error).__name__})", _ADVICE
        ) from error
    if image.chip_id != _CHIP_ESP32:
        raise RuntimeImageError(f"the {name} is for another chip (number {image.chip_id})", _ADVICE)
    if image.checksum != image.calculate_checksum():
        raise RuntimeImageError(f"the {name}'s checksum is wrong", _ADVICE)
    if not image.append_digest or image.data_length is None:
        raise RuntimeImageError(f"the {name} carries no digest of itself", _ADVICE)
    whole = octets[: image.data_length + hashlib.sha256().digest_size]
    stored = io.BytesIO(whole[image.data_length :]).read()
    if hashlib.sha256(whole[: image.data_length]).digest() != stored:
        raise RuntimeImageError(f"the {name}'s digest is wrong: a part of it was changed or lost", _ADVICE)
    return whole
