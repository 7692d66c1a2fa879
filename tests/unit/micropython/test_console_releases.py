"""A release comes over the console: begun, sent in pieces, tried; what is wrong is refused and nothing starts."""

import asyncio
from binascii import b2a_base64

from firmware import loader
from firmware.console import errors
from firmware.console.console import Console
from firmware.console.lines import Lines
from firmware.console.releases import PROVED_AFTER_MS, ReleaseCommands
from firmware.crypto import p256
from firmware.updater import Updater
from tests.support.mp_line import Line
from tests.support.mp_release import PUBLIC, ROOT, bundle, mount, new_flash, put, unmount
from tests.support.mp_virtual_time import VirtualTime

FILES = {"firmware/main.mpy": b"M" * 300, "firmware/x.mpy": bytes(range(200))}
HEAD, OCTETS = bundle(5, FILES)


class Bench:
    """A console with the release commands on a file system with release 4 in slot a."""

    def __init__(self):
        mount(new_flash())
        put("a/firmware/main.mpy", b"old")
        self.cable = Line()
        self.busy = False
        self.restarts = 0
        updater = Updater(ROOT, "a", 4, PUBLIC, p256.verify_steps)
        self.work = ReleaseCommands(updater, ROOT, "a", lambda: self.busy, self.restart)

    def restart(self):
        self.restarts += 1

    def ask(self, line, octets=None):
        """The last line of the answer."""
        time = VirtualTime(1_790_000_000)
        text = line + "\n"
        if octets is not None:
            for at in range(0, len(octets), 90):
                text += "DATA %s\n" % b2a_base64(octets[at : at + 90]).decode().strip()
            text += "END\n"
        self.cable.incoming += text.encode()
        console = Console(Lines(self.cable, time), self.work.commands)

        async def run():
            task = asyncio.create_task(console.run(lambda: None))
            while not self.answers() or self.answers()[-1].startswith("PROGRESS"):
                await time.sleep_ms(10)
            task.cancel()

        time.run(run())
        last = self.answers()[-1]
        self.cable.outgoing = bytearray()
        return last

    def answers(self):
        return bytes(self.cable.outgoing).decode().split("\r\n")[:-1]


def test_a_release_over_the_cable():
    bench = Bench()
    nothing = "OK slot=a release=0 other=0 trial=-1 taking=0 taken=0 of=0 failed=0"
    assert bench.ask("release") == nothing
    assert bench.ask("release-begin", HEAD) == "OK release=5 next=0"
    place = 0
    while place < len(OCTETS):
        answer = bench.ask("release-piece %d" % place, OCTETS[place : place + 123])
        place = int(answer.split("next=")[1])
    assert bench.ask("release").endswith("taking=5 taken=%d of=%d failed=0" % (len(OCTETS), len(OCTETS)))
    assert bench.restarts == 0
    assert bench.ask("release-end") == "OK release=5"
    assert bench.restarts == 1
    assert loader.choose(ROOT) == "b"
    for _ in range(loader.STARTS_ON_TRIAL):
        loader.choose(ROOT)
    assert loader.choose(ROOT) == "a"
    assert bench.ask("release").endswith("failed=1")
    unmount()


def test_the_head_of_a_large_release_comes_over_the_cable():
    """A terminal's application has more than two hundred files, and each takes its line in the manifest."""
    files = {"firmware/drivers/some_driver_%03d.mpy" % number: b"x" for number in range(225)}
    head = bundle(5, files)[0]
    assert len(head) > 16_384
    bench = Bench()
    assert bench.ask("release-begin", head) == "OK release=5 next=0"
    unmount()


def test_refusals_say_why_and_nothing_starts():
    bench = Bench()
    spoiled = HEAD[:-1] + bytes((HEAD[-1] ^ 1,))
    for line, octets, code, word in (
        ("release-begin", b"?", errors.REFUSED, "octet"),
        ("release-begin", spoiled, errors.REFUSED, "release key"),
        ("release-piece 0", b"x", errors.REFUSED, "no release was begun"),
        ("release-piece", None, errors.BAD_WORDS, "offset"),
        ("release-piece -1", None, errors.BAD_WORDS, "offset"),
        ("release-end", None, errors.REFUSED, "lacking"),
    ):
        answer = bench.ask(line, octets)
        assert answer.startswith("ERROR %d " % code), (line, answer)
        assert word in answer, (line, answer)
    bench.busy = True
    assert bench.ask("release-begin", HEAD).startswith("ERROR %d " % errors.NOT_READY)
    assert (bench.restarts, loader.choose(ROOT)) == (0, "a")
    unmount()


def test_a_release_that_runs_long_enough_has_proved_itself():
    bench = Bench()
    loader.write_state(ROOT, "a", 2)
    time = VirtualTime(1_790_000_000)

    async def run():
        task = asyncio.create_task(bench.work.prove(time))
        await time.sleep_ms(PROVED_AFTER_MS - 1000)
        assert loader.read_state(ROOT) == ("a", 2)
        await time.sleep_ms(2000)
        await task

    time.run(run())
    assert loader.read_state(ROOT) == ("a", -1)
    unmount()
