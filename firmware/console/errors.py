"""Codes with which console commands fail; a code once given means one thing for ever."""

UNKNOWN_COMMAND = 1
NOT_DATA = 2
TOO_LONG = 3
TIMEOUT = 4
BAD_WORDS = 5
NOT_READY = 6
REFUSED = 7
INTERRUPTED = 8
UNFORESEEN = 99


class CommandError(Exception):
    """A command could not be carried out; `text` is for people and has no quotation mark."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__("%d %s" % (code, text))
        self.code = code
        self.text = text
