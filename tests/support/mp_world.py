"""Tells whether the made-up world in build/tests/tap is of today's sources; runs on both interpreters."""

import hashlib
import os

FOLDER = "build/tests/tap"
STAMP = FOLDER + "/sources"
_FOLDERS = ("protocol", "hardware/emv_card", "tools/authority")
_FILES = ("tools/district.py", "firmware/ledger/ca_key_list.py", "tests/support/tap_world.py")


def digest(root):
    """What the world depends on, as 32 octets; `root` is the checkout's folder."""
    names = []
    for folder in _FOLDERS:
        names += [
            folder + "/" + name for name in sorted(os.listdir(root + "/" + folder)) if name[-3:] == ".py"
        ]
    hashed = hashlib.sha256()
    for name in names + list(_FILES):
        with open(root + "/" + name, "rb") as file:
            hashed.update(file.read())
    return hashed.digest()


def is_current(root):
    """Whether the world is there, and need not be made anew."""
    try:
        with open(root + "/" + STAMP, "rb") as file:
            return file.read() == digest(root)
    except OSError:
        return False
