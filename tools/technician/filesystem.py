"""The flash file system of a new terminal: the loader, and the application in slot a; made by littlefs itself."""

from __future__ import annotations

from littlefs import LittleFS, LittleFSError

from tools.technician.errors import TooLargeError

_SECTOR = 4096
# What MicroPython mounts with (extmod/vfs_lfsx.c): nothing of it stands on flash, but programs are aligned to it.
_PROGRAM_OCTETS = 32


def make(files: dict[str, bytes], size: int) -> bytes:
    """Return the image of a littlefs of `size` octets with these files; the same files give the same octets."""
    system = _mounted(size)
    try:
        for path in sorted(files):
            folder, _, _ = path.rpartition("/")
            if folder:
                system.makedirs(folder, exist_ok=True)
            with system.open(path, "wb") as file:
                file.write(files[path])
    except LittleFSError as error:
        octets = sum(len(content) for content in files.values())
        raise TooLargeError(
            f"the files ({octets} octets) do not fit the file system of {size} octets: {error}",
            "leave something out",
        ) from error
    return bytes(system.context.buffer)


def read(image: bytes) -> dict[str, bytes]:
    """Return all files of an image."""
    system = _mounted(len(image), image)
    found = {}
    for folder, _, names in system.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}".lstrip("/")
            with system.open(path, "rb") as file:
                found[path] = file.read()
    return found


def _mounted(size: int, image: bytes | None = None) -> LittleFS:
    system = LittleFS(
        block_size=_SECTOR, block_count=size // _SECTOR, prog_size=_PROGRAM_OCTETS, read_size=_PROGRAM_OCTETS,
        cache_size=4 * _PROGRAM_OCTETS, lookahead_size=_PROGRAM_OCTETS, mount=False,
    )  # fmt: skip
    if image is None:
        system.format()
    else:
        system.context.buffer[:] = image
    system.mount()
    return system
