"""The stock MicroPython runtime: the official image is merged, so it is cut, and its own partition table is left out."""

from __future__ import annotations

import hashlib
import io
import re
import urllib.parse
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
_PIN = re.compile(r"([0-9a-fA-F]{64}) [ *](\S.*)")
_ADVICE = "take the ESP32_GENERIC image with SPIRAM from MicroPython's download page, whole and unchanged"
PINS = Path(__file__).parent / "runtimes.sha256"


@dataclass(frozen=True, slots=True)
class Runtime:
    """`bootloader` goes to 0x1000, `application` to the factory partition; `digest` is SHA-256 of the whole image."""

    bootloader: bytes
    application: bytes
    digest: bytes


def read_pins(path: Path) -> dict[str, str]:
    """The runtimes that may be used, file name -> SHA-256 in hexadecimal, from a file as sha256sum(1) writes it."""
    pins = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _PIN.fullmatch(line)
        if found is None:
            raise RuntimeImageError(
                f"{path}, line {number}: neither a comment nor a SHA-256 with a file name",
                "write it as sha256sum does: 64 hexadecimal digits, two blanks, the name",
            )
        pins[found[2]] = found[1].lower()
    return pins


def name_of(source: str) -> str:
    """The file name at the end of a path or an address, which is what pins go by."""
    return Path(urllib.parse.urlsplit(source).path if _is_remote(source) else source).name


def fetch(source: str, sha256: str, pins: dict[str, str] | None = None) -> bytes:
    """Read the image from a path or an http(s) address. Its SHA-256 must be the one given, and the pinned one of its name;
    without either nothing is downloaded.
    """
    wanted = {digest for digest in (sha256.lower(), (pins or {}).get(name_of(source), "")) if digest}
    if _is_remote(source) and not wanted:
        raise RuntimeImageError(
            f"{source}: its SHA-256 is neither given nor pinned",
            "give it with --sha256, from a source that you trust",
        )
    try:
        if _is_remote(source):
            with urllib.request.urlopen(source, timeout=_TIMEOUT_S) as answer:
                octets: bytes = answer.read(_DOWNLOAD_OCTETS_MAX + 1)
        else:
            octets = Path(source).read_bytes()
    except OSError as error:
        raise RuntimeImageError(
            f"{source}: cannot be read ({error})", "look at the path, or at the network"
        ) from error
    digest = hashlib.sha256(octets).hexdigest()
    for other in sorted(wanted - {digest}):
        raise RuntimeImageError(
            f"{source}: its SHA-256 is {digest}, not {other}", "do not use it; fetch it again"
        )
    return octets


def _is_remote(source: str) -> bool:
    return source.startswith(("http://", "https://"))


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
