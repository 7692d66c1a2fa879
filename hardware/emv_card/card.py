"""The card as the reader meets it: activation, application selection, and one APDU in for one APDU out."""

from hardware.emv_card import tlv
from hardware.emv_card.application import (
    SW_CONDITIONS_NOT_SATISFIED,
    SW_NOT_FOUND,
    SW_OK,
    SW_WRONG_INSTRUCTION,
    SW_WRONG_LENGTH,
    SW_WRONG_PARAMETERS,
    Application,
)

PPSE = b"2PAY.SYS.DDF01"
SW_WRONG_CLASS = b"\x6e\x00"

SELECT = 0xA4
READ_RECORD = 0xB2
VERIFY = 0x20
GET_DATA = 0xCA
GET_PROCESSING_OPTIONS = 0xA8
INTERNAL_AUTHENTICATE = 0x88
GENERATE_AC = 0xAE

# Instruction -> (class octet, method of Application).
_COMMANDS = {
    READ_RECORD: (0x00, "read_record"),
    VERIFY: (0x00, "verify"),
    INTERNAL_AUTHENTICATE: (0x00, "internal_authenticate"),
    GET_DATA: (0x80, "get_data"),
    GET_PROCESSING_OPTIONS: (0x80, "get_processing_options"),
    GENERATE_AC: (0x80, "generate_ac"),
}

# Plausible times of a chip with an RSA coprocessor; nobody has measured a KKS card.
REALISTIC_COMPUTE_MS = {GENERATE_AC: 180, INTERNAL_AUTHENTICATE: 150, VERIFY: 30}

SAK_ISO_DEP = 0x20
ATQA = b"\x00\x04"  # UID of four octets, bit frame anticollision
STATE_VERSION = 1


class Card:
    """A card made of personalisation data (`personalise.make_card`, or the same out of JSON).

    `exchange(apdu)` takes and gives plain APDUs; afterwards `busy_ms` is how long the chip took. `commands` keeps the
    four header octets of every command, never its data, so that a test can prove what was or was not sent.
    """

    def __init__(self, data: dict, compute_ms=None):
        self.applications = [Application(entry) for entry in data["applications"]]
        self.busy_ms = 0
        self.commands = []
        self._uid = bytes.fromhex(data["uid"])
        self._ats = bytes.fromhex(data["ats"])
        self._compute_ms = compute_ms or {}
        self._selected = None

    def activate(self):
        """Power from the field: (ATQA, SAK, UID, ATS); nothing is selected."""
        self._selected = None
        return ATQA, SAK_ISO_DEP, self._uid, self._ats

    def deactivate(self) -> None:
        """The field is gone; only the lasting state stays."""
        self._selected = None

    def state(self) -> dict:
        """The lasting state of all applications, plain enough for JSON."""
        states = {application.aid.hex(): application.state() for application in self.applications}
        return {"version": STATE_VERSION, "applications": states}

    def load_state(self, state: dict) -> None:
        """Take up a state that `state()` gave; ValueError when it is of another version."""
        if state["version"] != STATE_VERSION:
            raise ValueError("card state version %r, want %d" % (state["version"], STATE_VERSION))
        for application in self.applications:
            application.load_state(state["applications"][application.aid.hex()])

    def exchange(self, apdu: bytes) -> bytes:
        """Answer one command APDU (ISO/IEC 7816-4, short form)."""
        self.busy_ms = 0
        if len(apdu) < 4:
            return SW_WRONG_LENGTH
        self.commands.append(bytes(apdu[:4]))
        data = b""
        if len(apdu) > 5:
            end = 5 + apdu[4]
            if len(apdu) not in (end, end + 1):
                return SW_WRONG_LENGTH
            data = bytes(apdu[5:end])
        return self._dispatch(apdu[0], apdu[1], apdu[2], apdu[3], data)

    def _dispatch(self, cla: int, ins: int, p1: int, p2: int, data: bytes) -> bytes:
        if cla not in (0x00, 0x80):
            return SW_WRONG_CLASS
        self.busy_ms = self._compute_ms.get(ins, 0)
        if ins == SELECT and cla == 0x00:
            return self._select(p1, p2, data)
        command = _COMMANDS.get(ins)
        if command is None:
            return SW_WRONG_INSTRUCTION
        if command[0] != cla:
            return SW_WRONG_CLASS
        if self._selected is None:
            return SW_CONDITIONS_NOT_SATISFIED
        return getattr(self._selected, command[1])(p1, p2, data)

    def _select(self, p1: int, p2: int, name: bytes) -> bytes:
        """By name, a right-truncated AID included; P2 = 02 asks for the next match (Book 1, 11.3 and 12.3.1)."""
        if p1 != 0x04 or p2 not in (0x00, 0x02):
            return SW_WRONG_PARAMETERS
        if name == PPSE:
            self._selected = None
            entries = b"".join([application.directory_entry() for application in self.applications])
            return tlv.build("6F", tlv.build("84", PPSE), tlv.build("A5", tlv.build("BF0C", entries))) + SW_OK
        matches = [application for application in self.applications if application.aid.startswith(name)]
        if len(name) < 5 or not matches:
            return SW_NOT_FOUND
        chosen = matches[0]
        if p2 == 0x02:
            following = matches.index(self._selected) + 1 if self._selected in matches else 0
            if following == len(matches):
                return SW_NOT_FOUND
            chosen = matches[following]
        chosen.begin()
        self._selected = chosen
        return chosen.file_control_information() + SW_OK
