"""The technician's console: one command a line, answered by lines that begin with OK, ERROR, PROGRESS or DATA.

```
>  name [word ...]                    the command
<  PROGRESS done total                how far it is; total 0 where nobody knows
<  DATA base64                        octets out
>  DATA base64 / END                  octets in, each line answered by a PROGRESS, the end of them by the outcome
<  OK [name=value ...]                done
<  ERROR code "text"                  not done, and why; codes in `errors`
```
An END while no octets are awaited is no command and gets no answer: a laptop begins with one, to end what an earlier one left.
Nothing here asks who is there: a command may only do what anybody with a cable may do.
"""

from binascii import a2b_base64, b2a_base64

from firmware.console import errors
from firmware.console.errors import CommandError
from firmware.console.lines import NobodyThere

# What a file that comes in may have, and how long a line of it may be awaited.
FILE_OCTETS_MAX = 16384
LINE_TIMEOUT_MS = 10000
_DATA_OCTETS = 57
END = "END"


class Console:
    """`commands`: name -> `async work(console, words)`, which returns the values of its OK as a list of (name, value).

    `failures` counts commands that ended with an error, `last_error` is the last one that nobody foresaw; `uses` counts lines
    that came, `is_working` says whether a command is being carried out.
    """

    def __init__(self, lines, commands: dict) -> None:
        self._lines = lines
        self._commands = {"help": _help}
        self._commands.update(commands)
        self._check_in = None
        self.failures = 0
        self.last_error = None
        self.uses = 0
        self.is_working = False

    def add(self, commands: dict) -> None:
        """More commands."""
        self._commands.update(commands)

    def keep(self, names: list) -> None:
        """These commands and `help`; no others any more."""
        for name in self.names:
            if name not in names and name != "help":
                del self._commands[name]

    async def run(self, check_in) -> None:
        """For ever: one command after another. Nothing that a cable brings may stop the terminal."""
        self._check_in = check_in
        while True:
            words = (await self._lines.read(check_in)).split()
            if not words or words == [END]:
                continue
            self.uses += 1
            self.is_working = True
            try:
                await self._lines.write(await self._answer(words))
            except NobodyThere:
                self.failures += 1
            finally:
                self.is_working = False

    async def _answer(self, words: list) -> str:
        """Carry a command out; the line that ends it."""
        try:
            if words[0] not in self._commands:
                raise CommandError(errors.UNKNOWN_COMMAND, "no such command, try help")
            values = await self._commands[words[0]](self, words[1:])
        except CommandError as error:
            self.failures += 1
            return 'ERROR %d "%s"' % (error.code, error.text)
        except (NobodyThere, MemoryError):
            raise  # an exhausted heap is the supervisor's
        except Exception as error:  # lumbung: catch-all - kept, counted and told by its kind
            self.failures += 1
            self.last_error = error
            return 'ERROR %d "%s"' % (errors.UNFORESEEN, type(error).__name__)
        return " ".join(["OK"] + ["%s=%s" % (name, value) for name, value in values])

    @property
    def names(self) -> list:
        """All commands."""
        return sorted(self._commands)

    def check_in(self) -> None:
        """For commands that work for long."""
        self._check_in()

    @property
    def is_spoken_to(self) -> bool:
        """Whether more octets came while a command works: who typed them waits for it no longer."""
        return self._lines.has_more

    async def progress(self, done: int, total: int) -> None:
        """How far a command is."""
        await self._lines.write("PROGRESS %d %d" % (done, total))

    async def send(self, octets: bytes) -> None:
        """Octets out."""
        for at in range(0, len(octets), _DATA_OCTETS):
            part = b2a_base64(octets[at : at + _DATA_OCTETS]).decode().strip()
            self._check_in()
            await self._lines.write("DATA " + part)

    async def receive(self, most: int = FILE_OCTETS_MAX) -> bytes:
        """Octets in, up to END; CommandError where a line is none of these, they are more than `most`, or none comes."""
        octets = bytearray()
        await self.progress(0, 0)
        while True:
            line = await self._lines.read(self._check_in, LINE_TIMEOUT_MS)
            if line == END:
                return bytes(octets)
            if not line:
                raise CommandError(errors.TIMEOUT, "no more lines came")
            if line[:5] != "DATA ":
                raise CommandError(errors.NOT_DATA, "neither DATA nor END")
            try:
                octets.extend(a2b_base64(line[5:]))
            except ValueError:
                raise CommandError(errors.NOT_DATA, "not base64")
            if len(octets) > most:
                raise CommandError(errors.TOO_LONG, "more than %d octets" % most)
            await self.progress(len(octets), 0)


async def _help(console: Console, words: list) -> list:
    """The names of all commands; and the word that came with it, by which a laptop knows this answer from an older one."""
    return [("commands", ",".join(console.names))] + [("said", word) for word in words[:1]]
