"""The console's commands about the books: what flash does not give back, and new documents for a terminal in use."""

from firmware import provisioning, settings
from firmware.card.errors import AuthenticationError
from firmware.console import errors
from firmware.console.errors import CommandError
from firmware.hal.flash_area import FlashError
from firmware.ledger import findings
from firmware.ledger.document_area import DocumentsTooLarge
from firmware.ledger.ledger import LedgerError
from protocol.errors import ProtocolError

# What a finding is of, in a technician's words (docs: firmware/ledger/findings).
WORDS = {
    findings.RETIRED: "sector-retired",
    findings.HEADER: "sector-header",
    findings.RECORDS: "records-missing",
    findings.ENTRY: "roster-entry",
    findings.ROSTER: "roster",
    findings.DOCUMENTS: "documents",
    findings.GRANT: "grant",
    findings.JOURNAL: "journal",
}
_REFUSALS = (
    provisioning.DocumentsIncomplete,
    settings.SettingsError,
    ProtocolError,
    AuthenticationError,
    DocumentsTooLarge,
    FlashError,
    LedgerError,
)
_SECTION_HEAD_OCTETS = 3


class BookCommands:
    """`flash`: the board's areas; `restart()` is called once new documents are stored and the answer has left."""

    def __init__(self, ledger, flash: dict, restart) -> None:
        self._ledger = ledger
        self._flash = flash
        self._restart = restart
        self.commands = {"flash": self.flash, "renew": self.renew}

    async def flash(self, console, _words: list) -> list:
        """DATA: a line "what first last area address" for each finding, then how many; `checked`: all was looked at."""
        held = self._ledger.findings
        found = held.all()
        for one in found:
            values = (WORDS[one.what], one.first, one.last, one.area, one.address)
            await console.send(("%s %d %d %s 0x%x\n" % values).encode())
        return [("findings", len(found)), ("checked", int(held.is_done))]

    async def renew(self, console, _words: list) -> list:
        """Sections of documents in: name (1 octet), length (2), octets, each; all of them replace what is in force."""
        octets = await console.receive()
        try:
            provisioning.renew(self._flash, self._ledger, sections(octets))
        except _REFUSALS as error:
            raise CommandError(errors.REFUSED, str(error))
        self._restart()
        return [("sections", len(sections(octets)))]


def sections(octets: bytes) -> dict:
    """Section name -> octets; CommandError where they do not end where they should."""
    found = {}
    at = 0
    while at < len(octets):
        head = octets[at : at + _SECTION_HEAD_OCTETS]
        length = int.from_bytes(head[1:], "big")
        at += _SECTION_HEAD_OCTETS + length
        if len(head) < _SECTION_HEAD_OCTETS or at > len(octets) or head[0] in found:
            raise CommandError(errors.BAD_WORDS, "the sections do not fit the octets")
        found[head[0]] = octets[at - length : at]
    return found
