"""Builds to practise with: the one that is on the terminals, a newer one, and some that a terminal must not take or keep.

The application is compiled for this machine instead of the ESP32, and a synthetic image stands for the MicroPython runtime.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tools import pinmap
from tools.authority.signing import SigningKey
from tools.lint.compile import compile_file
from tools.technician import build, runtime
from tools.virtual_terminal import esp_image

ARCH = "x64"
FIRST, NEWER, NEXT = 1, 2, 3
BUILD_FOLDER = "release-1"
_NEVER_STARTS = 'raise RuntimeError("this release never starts")\n'


def make(folder: Path, key: SigningKey) -> build.Built:
    """Write `release-1` (what `lumbung flash` takes, and its bundle) and the bundles that `explained` names; what is on the flash
    of a terminal that was flashed with it.
    """
    board = pinmap.load()
    application = build.compile_application(ARCH)
    built = build.build(runtime.cut(esp_image.merged(), board), application, board, FIRST, 0, key)
    build.write(built, board, key, folder / BUILD_FOLDER)
    files = application.files
    newer = bundle(files, NEWER, key)
    tampered = bytearray(bundle(files, NEXT, key))
    tampered[-1] ^= 1
    bundles = {
        "newer.lum": newer,
        "tampered.lum": bytes(tampered),
        "foreign.lum": bundle(files, NEXT, SigningKey.generate()),
        "failing.lum": bundle(files | {"firmware/app.mpy": _never_starts()}, NEXT, key),
    }
    for name, octets in bundles.items():
        (folder / name).write_bytes(octets)
    return built


def explained(folder: Path) -> list[str]:
    """What each of them is for, a line each."""
    return [
        f"{folder / BUILD_FOLDER}    for `lumbung flash`; its release.lum is a way back that is refused once the newer one runs",
        f"{folder / 'newer.lum'}    release {NEWER}, which a terminal tries and keeps",
        f"{folder / 'failing.lum'}    release {NEXT}, which never starts: the terminal falls back by itself",
        f"{folder / 'tampered.lum'}, foreign.lum    one octet changed; signed by somebody else",
    ]


def bundle(files: dict[str, bytes], number: int, key: SigningKey) -> bytes:
    """A signed bundle of these files."""
    return b"".join(build.sign_bundle(files, number, 0, key))


def _never_starts() -> bytes:
    """An application that ends when it is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "firmware" / "app.py"
        source.parent.mkdir()
        source.write_text(_NEVER_STARTS, encoding="ascii")
        compile_file(source, Path(folder), Path(folder), ARCH)
        return source.with_suffix(".mpy").read_bytes()
