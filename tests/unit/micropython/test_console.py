"""The console's line protocol: commands answered, octets both ways, and nothing that a cable brings ends it."""

import asyncio

from firmware.console import errors
from firmware.console.console import FILE_OCTETS_MAX, LINE_TIMEOUT_MS, Console
from firmware.console.errors import CommandError
from firmware.console.lines import LINE_OCTETS_MAX, Lines, NobodyThere
from tests.support.mp import seed
from tests.support.mp_line import Line
from tests.support.mp_virtual_time import VirtualTime


async def echo(_console, words):
    return [("words", len(words))]


async def refuse(_console, _words):
    raise CommandError(errors.BAD_WORDS, "no")


async def break_down(_console, _words):
    raise KeyError("secret")


async def give(console, _words):
    await console.send(bytes(range(100)))
    return []


class Bench:
    def __init__(self):
        self.time = VirtualTime(1_790_000_000)
        self.cable = Line()
        self.taken = []
        commands = {"echo": echo, "refuse": refuse, "break": break_down, "give": give, "take": self.take}
        self.lines = Lines(self.cable, self.time)
        self.console = Console(self.lines, commands)
        self.check_ins = 0

    async def take(self, console, _words):
        self.taken.append(await console.receive())
        return [("octets", len(self.taken[-1]))]

    def run(self, story):
        async def whole():
            task = asyncio.create_task(self.console.run(self.check_in))
            try:
                return await story(self)
            finally:
                assert not task.done(), "the console ended"
                task.cancel()

        return self.time.run(whole())

    def check_in(self):
        self.check_ins += 1

    async def say(self, octets, wait_ms=500):
        """Type, and read what comes back."""
        self.cable.incoming += octets
        await asyncio.sleep_ms(wait_ms)
        return self.cable.answers()


def test_a_command_is_answered_and_the_next_one_too():
    async def story(bench):
        assert await bench.say(b"echo a b\r\n") == ["OK words=2"]
        assert await bench.say(b"echo\necho x\n") == ["OK words=0", "OK words=1"]
        assert await bench.say(b"help\n") == ["OK commands=break,echo,give,help,refuse,take"]
        assert await bench.say(b"help 5f a\n") == ["OK commands=break,echo,give,help,refuse,take said=5f"]

    Bench().run(story)


def test_what_is_no_command_is_an_error_with_its_code():
    async def story(bench):
        assert await bench.say(b"format c:\n") == ['ERROR 1 "no such command, try help"']
        assert await bench.say(b"refuse\n") == ['ERROR 5 "no"']
        assert await bench.say(b"break\n") == ['ERROR 99 "KeyError"'], "its kind, never its message"
        assert await bench.say(b"\r\n\n  \n") == []
        return bench.console.failures

    assert Bench().run(story) == 3


def test_a_laptop_that_ends_what_an_earlier_one_left_has_failed_at_nothing():
    async def story(bench):
        assert await bench.say(b"END\nhelp 7\n") == ["OK commands=break,echo,give,help,refuse,take said=7"]
        assert await bench.say(b"take\nDATA AAE=\nEND\n") == ["PROGRESS 0 0", "PROGRESS 2 0", "OK octets=2"]
        assert await bench.say(b"END\n") == []
        return bench.console.failures

    assert Bench().run(story) == 0


def test_noise_and_endless_lines_are_dropped():
    async def story(bench):
        random = seed()
        noise = bytes([(random >> place % 20) * (place + 3) % 256 for place in range(3000)])
        await bench.say(noise + b"\n", 2000)
        assert await bench.say(b"x" * (LINE_OCTETS_MAX + 1) + b"\necho \xff\necho ok\n", 2000) == [
            "OK words=1"
        ]
        return bench.lines.dropped

    assert Bench().run(story) >= 2


def test_octets_go_out_in_lines():
    async def story(bench):
        answers = await bench.say(b"give\n")
        assert [answer[:5] for answer in answers] == ["DATA ", "DATA ", "OK"]
        assert (
            answers[0]
            == "DATA " + "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4"
        )

    Bench().run(story)


def test_octets_come_in_line_by_line():
    async def story(bench):
        assert await bench.say(b"take\n") == ["PROGRESS 0 0"]
        assert await bench.say(b"DATA AAEC\n") == ["PROGRESS 3 0"]
        assert await bench.say(b"DATA //79\r\n") == ["PROGRESS 6 0"]
        assert await bench.say(b"END\n") == ["OK octets=6"]
        assert bench.taken == [b"\x00\x01\x02\xff\xfe\xfd"]

    Bench().run(story)


def test_a_file_that_breaks_off_is_too_long_or_is_none_ends_in_an_error():
    async def story(bench):
        await bench.say(b"take\n")
        assert await bench.say(b"", LINE_TIMEOUT_MS + 1000) == ['ERROR 4 "no more lines came"']
        await bench.say(b"take\n")
        assert await bench.say(b"hello\n") == ['ERROR 2 "neither DATA nor END"']
        await bench.say(b"take\n")
        assert await bench.say(b"DATA A\n") == ['ERROR 2 "not base64"']
        await bench.say(b"take\n")
        for _ in range(FILE_OCTETS_MAX // 90):
            assert (await bench.say(b"DATA " + b"A" * 120 + b"\n"))[0][:8] == "PROGRESS"
        found = await bench.say((b"DATA " + b"A" * 120 + b"\n") * 3, 500)
        assert 'ERROR 3 "more than 16384 octets"' in found
        assert bench.taken == []
        assert (await bench.say(b"echo\n"))[-1] == "OK words=0"

    Bench().run(story)


def test_a_laptop_that_reads_nothing_holds_up_nobody():
    async def story(bench):
        bench.cable.is_held = True
        await bench.say(b"give\n", 10_000)
        before = bench.check_ins
        await asyncio.sleep_ms(1000)
        assert bench.check_ins > before
        bench.cable.is_held = False
        bench.cable.answers()
        assert await bench.say(b"echo\n", 3000) == ["OK words=0"]

    Bench().run(story)
    assert issubclass(NobodyThere, Exception)
