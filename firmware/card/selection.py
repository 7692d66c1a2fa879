"""Application selection: the card's own directory where it has one, else the policy's list (EMV Book 1, 12).

The order of the policy's list is the priority; where several names on the card begin with one AID of the policy
(partial selection), the card's own priority decides between them. Nobody is asked to choose.
"""

from firmware.card import apdu, tlv
from firmware.card.errors import (
    APPLICATION_BLOCKED,
    CARD_BLOCKED,
    DATA_MISSING,
    LIMIT_EXCEEDED,
    NO_APPLICATION,
    VALUE_WRONG,
    CardProtocolError,
    CardRefused,
)

# Names of the directory: contactless (Book B) and contact (Book 1, 12.2.2).
PPSE = b"2PAY.SYS.DDF01"
PSE = b"1PAY.SYS.DDF01"

SW_NOT_FOUND = 0x6A82
SW_RECORD_NOT_FOUND = 0x6A83
SW_NOT_SUPPORTED = 0x6A81
SW_DEACTIVATED = 0x6283

DIRECTORY_RECORDS_MAX = 10
NAMES_MAX = 16
OCCURRENCES_MAX = 4
_NO_PRIORITY = 16


class Directory:
    """What a PPSE or a PSE record lists: `names`, tuples (DF name, priority 1 to 15, or 16 for none)."""

    def __init__(self) -> None:
        self.names = []
        self.sfi = 0

    def take(self, template: bytes) -> None:
        """Add the entries (tag 61) of an FCI or a record; keeps the SFI (tag 88) of a PSE's directory file."""
        name = b""
        priority = _NO_PRIORITY
        for _, tag, start, end in tlv.walk(template):
            if tag == 0x61:
                self._add(name, priority)
                name = b""
                priority = _NO_PRIORITY
            elif tag == 0x4F:
                if not 5 <= end - start <= 16:
                    raise CardProtocolError(
                        VALUE_WRONG, "tag 4F", start, "DF name of %d octets" % (end - start)
                    )
                name = bytes(template[start:end])
            elif tag == 0x87 and end - start == 1:
                priority = template[start] & 0x0F or _NO_PRIORITY
            elif tag == 0x88 and end - start == 1:
                self.sfi = template[start]
        self._add(name, priority)

    def _add(self, name: bytes, priority: int) -> None:
        if name:
            if len(self.names) == NAMES_MAX:
                raise CardProtocolError(LIMIT_EXCEEDED, "tag 61", -1, "more than %d applications" % NAMES_MAX)
            self.names.append((name, priority))


async def read_directory(reader, environment: bytes) -> "list | None":
    """The (name, priority) pairs that the card's directory lists, or None for a card without one.

    Raises `CardRefused` for a blocked card.
    """
    fci, sw = await apdu.select(reader, environment)
    if sw == SW_NOT_SUPPORTED:
        raise CardRefused(CARD_BLOCKED, "SELECT", sw)
    if sw != apdu.OK:
        return None
    directory = Directory()
    directory.take(fci)
    if environment == PSE:
        if not 1 <= directory.sfi <= 10:
            raise CardProtocolError(VALUE_WRONG, "tag 88", -1, "SFI of the directory not in 1..10")
        for number in range(1, DIRECTORY_RECORDS_MAX + 1):
            record, sw = await apdu.read_record(reader, directory.sfi, number)
            if sw == SW_RECORD_NOT_FOUND:
                break
            if sw != apdu.OK:
                return None
            tlv.only(record, 0x70)
            directory.take(record)
    return directory.names or None


def candidates(names: list, aid: bytes) -> list:
    """The DF names that begin with `aid`, in the order of the card's own priority."""
    found = []
    # By hand and not with sort(), which is not stable here: equal priorities keep the card's order.
    for priority in range(1, _NO_PRIORITY + 1):
        for name, its_priority in names:
            if its_priority == priority and name.startswith(aid):
                found.append(name)
    return found


class Selected:
    """A selected application: its policy, its DF name (tag 84) and its PDOL (tag 9F38, empty for none)."""

    def __init__(self, application, df_name: bytes, pdol: bytes) -> None:
        self.application = application
        self.df_name = df_name
        self.pdol = pdol


def parse_fci(application, fci: bytes, aid: bytes) -> "Selected | None":
    """The FCI of an ADF (Book 1, table 45); None where its DF name does not begin with `aid` (12.4: drop and go on)."""
    tlv.only(fci, 0x6F)
    df_name = b""
    pdol = b""
    for depth, tag, start, end in tlv.walk(fci):
        if tag == 0x84 and depth == 1:
            df_name = bytes(fci[start:end])
        elif tag == 0x9F38 and depth == 2:
            pdol = bytes(fci[start:end])
    if not df_name:
        raise CardProtocolError(DATA_MISSING, "tag 84", -1, "no DF name in the FCI")
    if not df_name.startswith(aid) or len(df_name) > 16:
        return None
    return Selected(application, df_name, pdol)


async def select_one(reader, application, name: bytes, further: bool) -> tuple:
    """(`Selected` or None, status word) of one SELECT; `further` asks for the next application of that name.

    Raises `CardRefused` for a blocked card.
    """
    fci, sw = await apdu.select(reader, name, further)
    if sw == SW_NOT_SUPPORTED:
        raise CardRefused(CARD_BLOCKED, "SELECT", sw)
    if sw != apdu.OK:
        return None, sw
    return parse_fci(application, fci, name), sw


async def select_application(reader, applications: list, names: "list | None") -> Selected:
    """Select the first application of the policy that the card has and that is not blocked.

    `names` is what the directory lists; without it, or where it lists nothing that policy names (Book 1, 12.3.2), the
    policy's AIDs are tried, each up to OCCURRENCES_MAX times.
    Raises `CardRefused`: APPLICATION_BLOCKED where only blocked ones were found, else NO_APPLICATION.
    """
    blocked = False
    if names is not None and not [a for a in applications if candidates(names, a.aid)]:
        names = None
    for application in applications:
        aid = application.aid
        tries = [(aid, i > 0) for i in range(OCCURRENCES_MAX)]
        if names is not None:
            tries = [(name, False) for name in candidates(names, aid)]
        for name, further in tries:
            selected, sw = await select_one(reader, application, name, further)
            if selected:
                return selected
            blocked = blocked or sw == SW_DEACTIVATED
            if names is None and sw not in (apdu.OK, SW_DEACTIVATED):
                break
    if blocked:
        raise CardRefused(APPLICATION_BLOCKED, "SELECT", SW_DEACTIVATED)
    raise CardRefused(NO_APPLICATION, "SELECT", SW_NOT_FOUND)
