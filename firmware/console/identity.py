"""The console's commands that make a terminal one of the programme's: keys made here, papers brought, all of it read back.

    identity                          who it is and how far it has come; DATA: the request that the authority certifies
    chip / chip-lock for-ever         what the key chip's configuration lacks; write it and close it
    keys KID software|chip [OLD ...]  draw keys for KID; OLD: generations whose records are safe elsewhere
    clock [SECONDS]                   the battery-backed clock as it reads, set before
    document NAME OFFSET              a piece of a paper (DATA): a section's number, or `roster`
    label DAY                         the number on the terminal's own paper, to read and to scan
    install MANIFEST                  verify and store all of them; MANIFEST as `provisioning.manifest`, 64 hexadecimal digits

No command gives out a private key. Each may be repeated, after a power cut too: the laptop asks `identity` and goes on.
"""

import asyncio
from binascii import hexlify

from firmware import chip_provisioning, provisioning, settings
from firmware.card.errors import AuthenticationError
from firmware.console import errors
from firmware.console.errors import CommandError
from firmware.crypto.atecc_signer import AGREEMENT_SLOT, SEAL_SLOT, AteccSigner
from firmware.crypto.p256 import InvalidPrivateKey
from firmware.crypto.signer import SoftwareSigner
from firmware.drivers import atecc608_setup
from firmware.drivers.atecc608_core import AteccError, ChipSilent
from firmware.drivers.ds3231 import RtcError
from firmware.drivers.escpos_printer import PrinterError
from firmware.hal.flash_area import FlashError
from firmware.hal.i2c_device import BusError
from firmware.ledger import document_area
from firmware.ledger.document_area import DocumentsTooLarge
from firmware.time_keeper import PLAUSIBLE_FROM_S
from protocol import certificates
from protocol.errors import ProtocolError

ROSTER = "roster"
SOFTWARE, CHIP = "software", "chip"
_STORAGES = {certificates.STORAGE_SOFTWARE: SOFTWARE, certificates.STORAGE_ATECC608: CHIP}
# How far a terminal has come: nothing; a kid and no keys (a power cut in between); keys; all papers.
BLANK, BEGUN, KEYS, READY = "blank", "begun", "keys", "ready"
PAPERS_OCTETS_MAX = 400_000
_LABEL_QR_DOTS = 8
_PRINT_TIMEOUT_MS = 10_000

_REFUSALS = (
    provisioning.DocumentsIncomplete,
    settings.SettingsError,
    ProtocolError,
    AuthenticationError,
    DocumentsTooLarge,
    FlashError,
    AteccError,
    atecc608_setup.SetupRefused,
    InvalidPrivateKey,
    RtcError,
    BusError,
)


class IdentityCommands:
    """`board`: hal.board.Board; `parts`: firmware.parts.Parts over it; `serves_families()`: the books are open, and nothing may be changed under
    them; `restart()`: called once the papers are installed, lets the answer leave first.
    """

    def __init__(self, board, parts, serves_families, restart) -> None:
        self._board = board
        self._rtc = parts.rtc
        self._printer = parts.printer
        self._key_chip = parts.key_chip
        self._serves_families = serves_families
        self._restart = restart
        self._papers = {}
        self.commands = {
            "identity": self.identity,
            "chip": self.chip,
            "chip-lock": self.lock_chip,
            "keys": self.keys,
            "clock": self.clock,
            "document": self.document,
            "install": self.install,
            "label": self.label,
        }

    async def identity(self, console, _words: list) -> list:
        """DATA: the request, where there are keys. OK with the state, kid and storage (- for none), whether families are
        served, and the generations (comma-separated, - for none) whose records new keys would put at risk.
        """
        documents = self._documents()
        state = _state(documents)
        if state in (KEYS, READY):
            await console.send(self._do(self._request, documents))
        kid = documents.get(document_area.KID)
        held = ["%08x" % number for number in self._do(self._holds, documents)]
        return [
            ("state", state),
            ("kid", hexlify(kid).decode() if kid else "-"),
            ("storage", _storage_word(documents) if state in (KEYS, READY) else "-"),
            ("serves", int(self._serves_families())),
            ("records", ",".join(held) or "-"),
        ]

    async def chip(self, console, _words: list) -> list:
        """DATA: a line of text for each change that the configuration needs. OK with whether there is a chip, whether its
        configuration and its data zone are closed, and how many changes there are.
        """
        self._require_books_closed()
        try:
            current = await atecc608_setup.read(self._key_chip)
        except ChipSilent:
            return [("present", 0)]
        except AteccError as error:
            raise CommandError(errors.REFUSED, str(error))  # one that answers badly is not none
        changes = self._do(atecc608_setup.plan, current)
        await console.send("\n".join([str(change) for change in changes]).encode())
        return [
            ("present", 1),
            ("locked", int(atecc608_setup.is_locked(current))),
            ("data", int(atecc608_setup.is_data_locked(current))),
            ("changes", len(changes)),
        ]

    async def lock_chip(self, _console, words: list) -> list:
        """OK with the number of changes that were written before the configuration was closed."""
        self._require_books_closed()
        if words != ["for-ever"]:
            raise CommandError(errors.BAD_WORDS, "say for-ever: it cannot be undone")
        try:
            changes = await chip_provisioning.lock_configuration(self._key_chip)
        except _REFUSALS as error:
            raise CommandError(errors.REFUSED, str(error))
        return [("changes", len(changes))]

    async def keys(self, console, words: list) -> list:
        """DATA: the request, worked out anew from what flash or chip hold now. OK with its kid."""
        self._require_books_closed()
        kid, storage, discarded = _key_words(words)
        documents = self._documents()
        held = self._do(self._holds, documents)
        if kid in held:
            raise CommandError(errors.REFUSED, "a kid is never used twice: %08x had other keys" % kid)
        at_risk = [number for number in held if number not in discarded]
        if at_risk:
            raise CommandError(
                errors.REFUSED,
                "it may hold records of %08x that nobody else has: save them first" % at_risk[0],
            )
        try:
            if storage == CHIP:
                made = await chip_provisioning.make_keys(documents, kid, self._key_chip, True)
            else:
                made = provisioning.make_keys(documents, kid, self._board.entropy, True)
        except _REFUSALS as error:
            raise CommandError(errors.REFUSED, str(error))
        self._papers = {}
        request = self._do(self._request, self._documents())
        if request[:4] != kid.to_bytes(4, "big") or request[5:] != made[0] + made[1]:
            raise CommandError(errors.REFUSED, "the keys do not read back")
        await console.send(request)
        return [("kid", "%08x" % kid)]

    async def clock(self, _console, words: list) -> list:
        """OK with the clock's seconds since 1970 and whether it kept them all the time; 0 where it holds no time.

        A terminal in use is not set: it takes the time from who signs it.
        """
        if words:
            if len(words) != 1 or not words[0].isdigit() or int(words[0]) < PLAUSIBLE_FROM_S:
                raise CommandError(errors.BAD_WORDS, "takes seconds since 1970, of today")
            if _state(self._documents()) == READY:
                raise CommandError(errors.REFUSED, "a terminal in use takes the time from the gateway alone")
            self._do(self._rtc.set, int(words[0]))
        try:
            seconds, is_trusted = self._rtc.read()
        except RtcError:
            seconds, is_trusted = 0, False
        except BusError as error:
            raise CommandError(errors.REFUSED, str(error))
        return [("seconds", seconds), ("trusted", int(is_trusted))]

    async def document(self, console, words: list) -> list:
        """OK with how much of that paper is here; a piece at offset 0 begins it anew. Lost with the power."""
        self._require_books_closed()
        if len(words) != 2 or not words[1].isdigit() or (words[0] != ROSTER and not words[0].isdigit()):
            raise CommandError(errors.BAD_WORDS, "takes a section's number, or roster, and an offset")
        name, offset = words[0], int(words[1])
        octets = await console.receive()
        if offset == 0:
            self._papers[name] = bytearray()
        held = self._papers.get(name, b"")
        if offset != len(held):
            raise CommandError(errors.BAD_WORDS, "the next piece begins at %d" % len(held))
        if sum([len(self._papers[key]) for key in sorted(self._papers)]) + len(octets) > PAPERS_OCTETS_MAX:
            raise CommandError(errors.TOO_LONG, "more than %d octets of papers" % PAPERS_OCTETS_MAX)
        held.extend(octets)
        return [("octets", len(held))]

    async def label(self, _console, words: list) -> list:
        """OK when it has come out; DAY is the laptop's, since the clock may not be set yet."""
        self._require_books_closed()
        documents = self._documents()
        if len(words) != 1 or not documents.get(document_area.KID):
            raise CommandError(errors.BAD_WORDS, "takes a day, and a terminal that has a kid")
        number = hexlify(documents.get(document_area.KID)).decode().upper()
        document = [
            ("text", "LUMBUNG", "c", True, True),
            ("text", number[:4] + " " + number[4:], "c", True, True),
            ("qr", number.encode(), _LABEL_QR_DOTS),
            ("text", _storage_word(documents) + "  " + words[0], "c", False, False),
            ("feed", 3),
            ("cut",),
        ]
        self._printer.draws_qr = False  # nobody has said yet whether it can
        try:
            await asyncio.wait_for_ms(self._printer.print_document(document), _PRINT_TIMEOUT_MS)
        except PrinterError as error:
            raise CommandError(errors.REFUSED, str(error))
        except asyncio.TimeoutError:
            raise CommandError(errors.REFUSED, "printer: it takes too long")
        return [("kid", number.lower())]

    async def install(self, _console, words: list) -> list:
        """OK with the manifest of what the flash holds then, and the kid; the terminal starts with it."""
        self._require_books_closed()
        given = {}
        for name in self._papers:
            if name != ROSTER:
                given[int(name)] = bytes(self._papers[name])
        roster = bytes(self._papers.get(ROSTER, b""))
        if words != [hexlify(provisioning.manifest(given, roster)).decode()]:
            raise CommandError(errors.BAD_WORDS, "the papers are not those of the manifest: bring them again")
        documents = self._documents()
        if _state(documents) != KEYS:
            raise CommandError(errors.REFUSED, "there are no new keys that wait for papers")
        self._do(self._install, documents, given, roster)
        self._papers = {}
        documents = self._documents()
        held = hexlify(self._do(provisioning.installed_manifest, self._board.flash, documents)).decode()
        if held != words[0]:
            raise CommandError(errors.REFUSED, "what flash holds is not what was given")
        self._restart()
        return [("manifest", held), ("kid", hexlify(documents.get(document_area.KID)).decode())]

    def _install(self, documents, given: dict, roster: bytes) -> None:
        provisioning.install(self._board.flash, documents, given, roster, self._signer(documents))

    def _require_books_closed(self) -> None:
        if self._serves_families():
            raise CommandError(errors.NOT_READY, "it serves families: stand-by first")

    def _documents(self):
        """The documents as flash has them now."""
        return self._do(provisioning.open_documents, self._board.flash)

    def _holds(self, documents) -> list:
        return provisioning.holds_records_of(self._board.flash, documents)

    def _request(self, documents) -> bytes:
        """The request, kid (4) | storage (1) | seal key (64) | agreement key (64): of a certified terminal what was certified."""
        certified = documents.get(document_area.TERMINAL_CERTIFICATE)
        if certified and documents.get(document_area.CHAIN_START):
            held = certificates.decode_terminal(certified[: -certificates.SIGNATURE_OCTETS])
            publics = held.seal_key, held.agreement_key
        elif documents.get(document_area.KEY_CHIP):
            chip = self._key_chip
            publics = chip.public_key(SEAL_SLOT), chip.public_key(AGREEMENT_SLOT)
        else:
            publics = self._signer(documents).public_keys()
        return documents.get(document_area.KID) + bytes((_storage(documents),)) + publics[0] + publics[1]

    def _signer(self, documents):
        """A signer for provisioning alone: it seals nothing, so it needs no burned boot counter."""
        if documents.get(document_area.KEY_CHIP):
            return AteccSigner(self._key_chip)
        return SoftwareSigner(
            int.from_bytes(documents.get(document_area.SEAL_PRIVATE), "big"),
            int.from_bytes(documents.get(document_area.AGREEMENT_PRIVATE), "big"),
            self._board.entropy,
            0,
        )

    def _do(self, work, *values):
        """What `work` returns; its refusals as the command's."""
        try:
            return work(*values)
        except _REFUSALS as error:
            raise CommandError(errors.REFUSED, str(error))


def _state(documents) -> str:
    """How far a terminal has come."""
    if documents.get(document_area.CHAIN_START):
        return READY
    if documents.get(document_area.KEY_CHIP) or documents.get(document_area.AGREEMENT_PRIVATE):
        return KEYS
    return BEGUN if documents.get(document_area.KID) else BLANK


def _storage(documents) -> int:
    is_chip = bool(documents.get(document_area.KEY_CHIP))
    return int(certificates.STORAGE_ATECC608 if is_chip else certificates.STORAGE_SOFTWARE)


def _storage_word(documents) -> str:
    return str(_STORAGES[_storage(documents)])


def _key_words(words: list) -> tuple:
    """(kid, storage word, kids whose records are safe) of `keys`."""
    if len(words) < 2 or words[1] not in (SOFTWARE, CHIP):
        raise CommandError(errors.BAD_WORDS, "takes a kid, software or chip, and the generations to give up")
    return _kid(words[0]), words[1], [_kid(word) for word in words[2:]]


def _kid(word: str) -> int:
    """Eight hexadecimal digits that are not all zero."""
    try:
        kid = int(word, 16)
    except ValueError:
        kid = 0
    if len(word) != 8 or kid <= 0:
        raise CommandError(errors.BAD_WORDS, "a kid is eight hexadecimal digits")
    return kid
