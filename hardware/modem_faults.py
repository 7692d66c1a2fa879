"""What goes wrong at and behind the modem model, planned ahead and repeatable from a seed."""

from hardware.chance import Draw

# What may become of a command.
FINE = ""
SILENT = "silent"  # carried out or not, no answer comes
REBOOT = "reboot"  # the modem starts anew before it answers
REFUSE = "refuse"  # +CME ERROR: 3
HANG = "hang"  # the modem hears nothing more until it is reset or switched off and on


class NoFaults:
    """Everything works."""

    def to_host(self, data: bytes) -> bytes:
        """What arrives at the host of a piece of an answer."""
        return data

    def to_modem(self, value: int) -> bool:
        """Whether an octet from the host arrives."""
        return True

    def on_command(self, count: int, name: bytes) -> str:
        """What becomes of the n-th command since power-up (from 1): FINE, SILENT, REBOOT, REFUSE or HANG."""
        return FINE

    def between(self) -> bytes:
        """A line that the modem says of its own accord between two pieces of an answer; empty for none."""
        return b""

    def on_delete(self) -> bool:
        """Whether a message that is to be deleted really is."""
        return True


class FaultPlan(NoFaults):
    """Faults at given commands and random ones at given rates; `rest()` ends them all.

    `commands`: count since power-up -> what becomes of it, once. Rates are per thousand: `lose_to_host` pieces of answers
    without some octets, `lose_to_modem` octets, `trouble` commands (silent, refused or reboot), `chatter` gaps filled with
    an unsolicited line, `keep` deletions that do nothing.
    """

    CHATTER = (
        b"RING", b"+CREG: 1", b'+CREG: 1,"5E25","605F"', b"+CGREG: 1", b"+CIEV: 7,1", b"*PSUTTZ: 26,11,14,8,30,40",
        b"\xff\xfe\x00", b"+CIPOPEN: \xff", b'+CMTI: "', b"+CMT: ,x", b"+CDS:", b"+CREG: ,,,", b"+CSQ:", b"+CPMS: x",
        b'+QIURC: "recv",0,abc', b"+CIPRXGET: 1", b"+CMGL: 1,0,,9", b"+CMGR: ,", b"> ", b"00", b'+CUSD: 2,"\xc3",15',
    )  # fmt: skip

    def __init__(
        self,
        seed: int = 1,
        *,
        commands: dict | None = None,
        lose_to_host: int = 0,
        lose_to_modem: int = 0,
        trouble: int = 0,
        chatter: int = 0,
        keep: int = 0,
    ):
        self._draw = Draw(seed)
        self._commands = commands or {}
        self._lose_to_host = lose_to_host
        self._lose_to_modem = lose_to_modem
        self._trouble = trouble
        self._chatter = chatter
        self._keep = keep
        self.happened = 0

    def rest(self) -> None:
        """From now on everything works."""
        self._commands = {}
        self._lose_to_host = self._lose_to_modem = self._trouble = self._chatter = self._keep = 0

    def to_host(self, data: bytes) -> bytes:
        """Perhaps without some octets in a row, as when a receive buffer runs over."""
        if not data or not self._draw.happens(self._lose_to_host):
            return data
        self.happened += 1
        at = self._draw.below(len(data))
        return data[:at] + data[at + 1 + self._draw.below(4) :]

    def to_modem(self, value: int) -> bool:
        """Whether it arrives."""
        lost = self._draw.happens(self._lose_to_modem)
        self.happened += lost
        return not lost

    def on_command(self, count: int, name: bytes) -> str:
        """As planned, else by chance."""
        if count in self._commands:
            self.happened += 1
            return self._commands.pop(count)
        if self._draw.happens(self._trouble):
            self.happened += 1
            return (SILENT, REFUSE, REBOOT)[self._draw.below(3)]
        return FINE

    def between(self) -> bytes:
        """Perhaps some chatter."""
        return self.CHATTER[self._draw.below(len(self.CHATTER))] if self._draw.happens(self._chatter) else b""

    def on_delete(self) -> bool:
        """Whether it is really deleted."""
        kept = self._draw.happens(self._keep)
        self.happened += kept
        return not kept
