"""What can go wrong with a modem, each as its own type; no text carries a number, a message or a password."""


class ModemError(Exception):
    """The modem did not do what it was told."""


class ModemSilent(ModemError):
    """No answer in time; `command` is the command's name."""

    def __init__(self, command: str, timeout_ms: int) -> None:
        super().__init__("%s: no answer within %d ms" % (command, timeout_ms))
        self.command = command


class CommandRefused(ModemError):
    """The modem answered with an error; `code` is the number of +CME ERROR or +CMS ERROR, -1 where there was none."""

    def __init__(self, command: str, result: str, code: int) -> None:
        super().__init__("%s: %s %d" % (command, result, code) if code >= 0 else "%s: %s" % (command, result))
        self.command = command
        self.result = result
        self.code = code


class AnswerMalformed(ModemError):
    """The answer came without what it must hold: octets got lost, or the modem is in another mode than it was set to."""

    def __init__(self, command: str, reason: str) -> None:
        super().__init__("%s: %s" % (command, reason))
        self.command = command


class ModemRestarted(ModemError):
    """The modem started anew of its own accord: all settings and connections are gone."""


class SimMissing(ModemError):
    """No SIM, or it cannot be read."""


class SimLocked(ModemError):
    """The SIM wants a PIN, which nobody here knows: a technician must take it off."""


class NotRegistered(ModemError):
    """No network, or it does not serve this SIM."""


class SocketFailed(ModemError):
    """The connection could not be opened, or it is closed."""


class QueueFull(ModemError):
    """Too many messages are waiting to be sent."""
