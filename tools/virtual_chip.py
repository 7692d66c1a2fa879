"""MicroPython only: an ATECC608 for a virtual terminal whose memory outlives the process, in a file beside the flash image."""

import json
import os

from hardware.atecc608 import Atecc608
from hardware.atecc608_commands import Engine
from hardware.atecc608_memory import Memory
from hardware.model_clock import HostClock, ManualClock

# Of the longest execution times: nobody learns anything from waiting for them.
SPEED_PERCENT = 5


class KeptEngine(Engine):
    """A processor that keeps in the file at `path` what its memory keeps without power; begins with what is there."""

    def __init__(self, memory: Memory, path: str) -> None:
        Engine.__init__(self, memory, os.urandom)
        self._path = path
        self._kept = _load(path, memory)

    def run(
        self, opcode: int, mode: int, key: int, data: bytes, wrong: bool = False, extra: int = 0
    ) -> bytes:
        """The answer's packet; whatever it changed is kept before the host hears it."""
        answer = Engine.run(self, opcode, mode, key, data, wrong, extra)
        content = _content(self.memory)
        if content != self._kept:
            _save(self._path, content)
            self._kept = content
        return answer


def build(clock: "HostClock | ManualClock", path: str) -> Atecc608:
    """The part whose memory the file at `path` keeps; a new one where there is none."""
    memory = Memory()
    part = Atecc608(clock, memory, speed_percent=SPEED_PERCENT)
    part.engine = KeptEngine(memory, path)
    return part


def _content(memory: Memory) -> str:
    """What the part keeps; its data slots are as delivered, since terminals use none."""
    fields = {
        "config": memory.config.hex(),
        "otp": memory.otp.hex(),
        "keys": [key.to_bytes(32, "big").hex() for key in memory.keys],
    }
    return json.dumps([[name, fields[name]] for name in sorted(fields)])


def _load(path: str, memory: Memory) -> str:
    try:
        with open(path) as file:  # noqa: PTH123 - there is no pathlib here
            content = file.read()
    except OSError:
        return ""
    fields = dict(json.loads(content))
    memory.config[:] = bytes.fromhex(fields["config"])
    memory.otp[:] = bytes.fromhex(fields["otp"])
    memory.keys[:] = [int.from_bytes(bytes.fromhex(key), "big") for key in fields["keys"]]
    return content


def _save(path: str, content: str) -> None:
    """Whole or not at all, whenever the process is killed."""
    with open(path + ".new", "w") as file:  # noqa: PTH123 - there is no pathlib here
        file.write(content)
    os.rename(path + ".new", path)  # noqa: PTH104 - there is no pathlib here
