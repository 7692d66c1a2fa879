"""The secure element on the I2C bus: wake it, send a command, poll until it answers, put it to sleep again.

An operation is a tuple of commands of `atecc608_core`. It runs in two ways: `await run(operation)` lets other tasks go on
while the chip computes; `run_now(operation)` keeps the processor, for the journal's commit, which cannot wait. Each
operation starts from a fresh wake, so its commands have the watchdog's whole time, and ends with the chip asleep, its
buffers empty. The bus must run at 100 kHz or less: only then do the eight zero bits of a general call hold SDA low for
the 60 us that wake the chip. Such a bus may also wake it by accident, when it carries zeros to others: hence the sleep
word before each wake.

One policy for failures: an operation that may be repeated is, from the wake on, ATTEMPTS times in all. A command that
must not be carried out twice and whose answer is lost is not: `OutcomeUnknown`. A damaged answer is first read again, which
computes nothing anew.
"""

from firmware.drivers import atecc608_core as core

ATTEMPTS = 3
READINGS = 3
POLL_MS = 2
WAKE_MS = 20  # it is ready 1.5 ms after the pulse
MARGIN_MS = 10
# The shortest watchdog of any part; 1.3 s is typical. It sends the chip to sleep whatever it is doing.
WATCHDOG_MS = 700
_GENERAL_CALL = 0
# A wait that keeps the processor looks at the clock at most so often before it polls again: a millisecond or less.
_LOOKS = 50
_WIPED = bytes(core.GROUP_OCTETS_MAX)


class Atecc608:
    """`i2c`: machine.I2C or its equal; `address`: 7 bits; `clock`: hal.clock.Clock; `recover()` frees a held bus.

    `failures` counts attempts that went wrong, repeated or not. All methods raise `AteccError`.
    """

    def __init__(self, i2c, address: int, clock, recover):
        self._i2c = i2c
        self._address = address
        self._clock = clock
        self._recover = recover
        self._divider = 0
        self._buffer = bytearray(core.GROUP_OCTETS_MAX)
        self._work = None
        self._woken_ms = 0
        self.failures = 0

    async def run(self, operation: tuple) -> list:
        """The commands' answers; other tasks run meanwhile, one operation at a time."""
        while not self._is_free():
            await self._clock.sleep_ms(POLL_MS)
        work = self._work = _Work(self._repeat(operation))
        while not work.step():
            await self._clock.sleep_ms(POLL_MS)
        return work.outcome()

    def run_now(self, operation: tuple) -> list:
        """The commands' answers; nothing else runs meanwhile. What another task has begun is finished first."""
        while not self._is_free():
            self._hold()
        work = self._work = _Work(self._repeat(operation))
        while not work.step():
            self._hold()
        return work.outcome()

    # Each of these keeps the processor for the time its commands take (see `atecc608_core`), plus 2 ms for the wake.

    def identify(self) -> bytes:
        """The chip's revision, 4 octets; learns its clock divider. `WrongChip` if it is no ATECC608."""
        revision = self.run_now(core.info())[0]
        if revision[2] != 0x60:
            raise core.WrongChip("Info", "revision %02x%02x%02x%02x" % tuple(revision))
        divider = self.run_now(core.read_config_word(16))[0][3] & 0xF8
        if divider not in core.DIVIDERS:
            raise core.WrongChip("Read", "clock divider 0x%02x" % divider)
        self._divider = core.DIVIDERS.index(divider)
        return revision

    def random(self) -> bytes:
        """32 octets."""
        return self.run_now(core.random())[0]

    def sign(self, slot: int, digest: bytes) -> bytes:
        """A signature r || s, 64 octets; s may be of either half."""
        return self.run_now(core.sign(slot, digest))[1]

    def public_key(self, slot: int) -> bytes:
        """The public key x || y of a slot, 64 octets."""
        return self.run_now(core.public_key(slot))[0]

    def shared_x(self, slot: int, public: bytes) -> bytes:
        """ECDH's x, 32 octets."""
        return self.run_now(core.shared_x(slot, public))[0]

    def counter(self, index: int) -> int:
        """A monotonic counter."""
        return int.from_bytes(self.run_now(core.read_counter(index))[0], "little")

    def increment(self, index: int) -> int:
        """The counter after one more; where the answer was lost, what the counter says now."""
        try:
            return int.from_bytes(self.run_now(core.increment_counter(index))[0], "little")
        except core.OutcomeUnknown:
            return self.counter(index)

    # ---------------------------------------------------------------- an operation, as a generator

    def _is_free(self) -> bool:
        """Whether no operation is under way; if one is, brings it on, as its own task may be waiting or gone."""
        return self._work is None or self._work.step()

    def _hold(self) -> None:
        """Let a millisecond pass, or so many looks at the clock: a NACK allocates its exception, so do not poll more."""
        began_ms = self._clock.ticks_ms()
        for _ in range(_LOOKS):
            if self._clock.ticks_ms() != began_ms:
                return

    def _repeat(self, operation: tuple):
        """Generate an operation's answers, repeating it as the policy says."""
        for attempt in range(ATTEMPTS):
            try:
                return (yield from self._attempt(operation))
            except core.AteccError as error:
                self.failures += 1
                self._recover()
                if not error.again or attempt == ATTEMPTS - 1:
                    raise

    def _attempt(self, operation: tuple):
        answers = [b""] * len(operation)
        try:
            yield from self._wake(core.WORD_SLEEP)
            for at in range(len(operation)):
                # If this command is lost, what the chip said before is read instead: a wake's token is no answer, but the
                # answer to a command of the same kind would pass.
                if at and operation[at].octets == operation[at - 1].octets:
                    yield from self._wake(core.WORD_IDLE)
                answers[at] = yield from self._exchange(operation[at])
        finally:
            self._write(core.WORD_SLEEP)
            self._buffer[:] = _WIPED  # it may have held a shared secret
        return answers

    def _wake(self, before: bytes):
        """Wake the chip with its watchdog at zero; `before` puts it to sleep, or to idle, which keeps its buffers."""
        self._write(before)  # not acknowledged by a chip that sleeps already
        try:
            self._i2c.writeto(_GENERAL_CALL, b"\x00")
        except OSError:
            pass  # nobody acknowledges the general call: the wire was low, that is all
        self._woken_ms = self._clock.ticks_ms()
        group = memoryview(self._buffer)[: core.STATUS_GROUP_OCTETS]
        yield from self._poll("wake", group, WAKE_MS)
        core.check_wake(bytes(group))

    def _exchange(self, command: core.Command):
        """Generate one command's packet."""
        limit_ms = command.ms[self._divider] + MARGIN_MS
        awake_ms = self._since(self._woken_ms)
        if awake_ms + limit_ms > WATCHDOG_MS and awake_ms > WAKE_MS:
            yield from self._wake(core.WORD_IDLE)
        began_ms = self._clock.ticks_ms()
        while not self._write(command.frame):
            if self._since(began_ms) > WAKE_MS:
                raise core.ChipSilent(command.name, "takes no command")
            yield
        try:
            return (yield from self._answer(command, limit_ms))
        except (core.ChipSilent, core.AnswerDamaged) as error:
            if command.once:
                raise core.OutcomeUnknown(command.name, "answer lost (%s)" % error)
            raise

    def _answer(self, command: core.Command, limit_ms: int):
        group = memoryview(self._buffer)[: command.octets + core.OVERHEAD_OCTETS]
        for reading in range(READINGS):
            yield from self._poll(command.name, group, WAKE_MS if reading else limit_ms)
            try:
                return core.read_answer(command, group)
            except core.AnswerDamaged:
                if reading == READINGS - 1:
                    raise
            self._write(core.WORD_RESET)

    def _poll(self, name: str, group, limit_ms: int):
        """Read as soon as the chip acknowledges; it does not while it computes."""
        began_ms = self._clock.ticks_ms()
        while True:
            # Before the reading, because this task may have waited for its turn.
            late = self._since(began_ms) > limit_ms
            try:
                self._i2c.readfrom_into(self._address, group)
                return
            except OSError:
                if late:
                    raise core.ChipSilent(name, "no answer in %d ms" % limit_ms)
            yield

    def _write(self, octets: bytes) -> bool:
        try:
            self._i2c.writeto(self._address, octets)
            return True
        except OSError:
            return False

    def _since(self, began_ms) -> int:
        return self._clock.ticks_diff(self._clock.ticks_ms(), began_ms)


class _Work:
    """An operation under way, which anybody may bring on: its own task or one that needs the chip at once."""

    def __init__(self, steps):
        self._steps = steps
        self._answers = None
        self._error = None
        self._done = False

    def step(self) -> bool:
        """Look at the chip once; whether the operation is over."""
        if self._done:
            return True
        try:
            next(self._steps)
            return False
        except StopIteration as end:
            self._answers = end.value
        except core.AteccError as error:
            self._error = error
        except BaseException:
            self._done = True
            raise
        self._done = True
        return True

    def outcome(self) -> list:
        """The answers, or the error."""
        if self._error is not None:
            raise self._error
        return self._answers
