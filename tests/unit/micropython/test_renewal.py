"""New documents for a terminal in use: only what verifies, fits together and goes forward; by cable, too."""

import asyncio

from firmware import main

main.load()

from firmware import provisioning, settings  # noqa: E402
from firmware.console import errors  # noqa: E402
from firmware.console.books import BookCommands, sections  # noqa: E402
from firmware.console.errors import CommandError  # noqa: E402
from firmware.hal.flash_area import FlashError  # noqa: E402
from firmware.ledger import document_area, roster_area  # noqa: E402
from firmware.ledger.document_area import GRANT_FIRST  # noqa: E402
from protocol import roster  # noqa: E402
from protocol.errors import AuthenticationFailed, OutOfRange, ProtocolError  # noqa: E402
from tests.fault.micropython import test_renewal_power_cut as flow  # noqa: E402
from tests.support.mp import raises  # noqa: E402
from tests.support.mp_books import (  # noqa: E402
    PERIOD,
    flash_of,
    make_policy,
    make_roster,
    note_event,
    open_ledger,
)

HEAP = "24m"
TIMEOUT_S = 120


def terminal():
    flash = flash_of(flow.terminal(1))
    return open_ledger(flash), flash


def renewed():
    """A terminal with roster 2, policy 2, grants 2."""
    ledger, flash = terminal()
    assert flow.Renewals(flash).roster_policy_and_grants(ledger)
    return open_ledger(flash), flash


def both_grants(number, roster_octets, policy_octets, period=PERIOD):
    return {
        GRANT_FIRST + programme: flow.signed_grant(number, programme, roster_octets, policy_octets, period)
        for programme in flow.PROGRAMMES
    }


def refused(ledger, flash, error, given, roster_signed=b"", field=None):
    """Nothing is stored, and the terminal goes on as it was."""
    before = [(name, ledger.documents.get(name)) for name in ledger.documents.names()]
    digests = [
        roster_area.RosterArea(flash[name]).digest for name in ("roster_a", "roster_b") if holds(flash[name])
    ]
    told = raises(error, provisioning.renew, flash, ledger, given, roster_signed)
    assert field is None or told.field == field, told
    assert [(name, ledger.documents.get(name)) for name in ledger.documents.names()] == before
    assert digests == [
        roster_area.RosterArea(flash[name]).digest for name in ("roster_a", "roster_b") if holds(flash[name])
    ]
    note_event(ledger)


def holds(area):
    try:
        roster_area.RosterArea(area)
        return True
    except roster_area.RosterMissing:
        return False


def test_a_roster_or_policy_comes_with_the_grants_that_name_it():
    ledger, flash = terminal()
    made = flow.documents()
    missing = provisioning.DocumentsIncomplete
    refused(ledger, flash, missing, {}, made["roster"])
    refused(ledger, flash, missing, {document_area.POLICY: made["policy"]})
    one = {document_area.POLICY: made["policy"], GRANT_FIRST + 1: made["bound"][0]}
    refused(ledger, flash, missing, one, made["roster"])
    # Grants of another roster do not verify.
    other = both_grants(2, make_roster(7, 2), make_policy())
    refused(ledger, flash, AuthenticationFailed, other, made["roster"])
    swapped = {GRANT_FIRST + 1: made["bound"][1], GRANT_FIRST + 2: made["bound"][0]}
    swapped[document_area.POLICY] = made["policy"]
    refused(ledger, flash, OutOfRange, swapped, made["roster"], "programme")


def test_nothing_signed_comes_back_once_it_was_replaced():
    ledger, flash = renewed()
    now = make_roster(flow.LATER_FAMILIES, 2)
    old = make_roster(flow.FAMILIES)
    given = both_grants(3, old, make_policy(2))
    refused(ledger, flash, OutOfRange, given, flow.signed_roster(1, flow.FAMILIES), "roster number")
    smaller = make_roster(flow.FAMILIES, 3)
    given = both_grants(3, smaller, make_policy(2))
    refused(ledger, flash, OutOfRange, given, flow.signed_roster(3, flow.FAMILIES), "count")
    given = both_grants(3, now, make_policy(1))
    given[document_area.POLICY] = flow.signed_policy(1)
    refused(ledger, flash, OutOfRange, given, b"", "number")
    refused(ledger, flash, OutOfRange, both_grants(2, now, make_policy(2)), b"", "grant number")
    refused(ledger, flash, OutOfRange, both_grants(3, now, make_policy(2), PERIOD - 1), b"", "period")
    provisioning.renew(flash, ledger, both_grants(3, now, make_policy(2), PERIOD + 1))
    assert open_ledger(flash).grants[1].period == PERIOD + 1


def test_forged_and_foreign_documents_are_refused():
    ledger, flash = terminal()
    made = flow.documents()
    given = {GRANT_FIRST + number: made["bound"][number - 1] for number in flow.PROGRAMMES}
    given[document_area.POLICY] = made["policy"]
    for name in sorted(given):
        spoiled = dict(given)
        spoiled[name] = spoiled[name][:-1] + bytes((spoiled[name][-1] ^ 1,))
        refused(ledger, flash, ProtocolError, spoiled, made["roster"])
    refused(ledger, flash, ProtocolError, given, made["roster"][:-1] + bytes((made["roster"][-1] ^ 1,)))
    for section in (
        document_area.KID,
        document_area.SEAL_PRIVATE,
        document_area.AUTHORITY_KEY,
        document_area.CHAIN_START,
    ):
        refused(ledger, flash, provisioning.DocumentsIncomplete, {section: bytes(32)})
    refused(ledger, flash, provisioning.DocumentsIncomplete, {document_area.POLICY: b""})
    refused(ledger, flash, settings.SettingsError, {document_area.SETTINGS: b"broker=x"})
    refused(ledger, flash, OutOfRange, {document_area.OPERATORS: bytes(15)})


def test_a_roster_that_grows_keeps_what_every_family_has_drawn():
    ledger, _ = terminal()
    spent = [ledger.remaining_rupiah(1, family) for family in range(flow.FAMILIES)]
    ledger, _ = renewed()
    assert [ledger.remaining_rupiah(1, family) for family in range(flow.FAMILIES)] == spent
    assert ledger.roster.digest == roster.digest(make_roster(flow.LATER_FAMILIES, 2))


def test_the_same_roster_once_more_cures_flash_that_lost_some_of_it():
    for place in (0, roster_area.DATA_AT + roster.HEADER_OCTETS + 2 * roster.ENTRY_OCTETS + 40):
        ledger, flash = terminal()
        remaining = [ledger.remaining_rupiah(1, family) for family in range(flow.FAMILIES)]
        flash["roster_a"].program(place, bytes(40))
        ill = open_ledger(flash)
        while ill.prepare():
            pass
        assert not ill.findings.is_sound, place
        provisioning.renew(flash, ill, {}, flow.signed_roster(1, flow.FAMILIES))
        well = open_ledger(flash)
        while well.prepare():
            pass
        assert well.findings.is_sound, place
        assert [well.remaining_rupiah(1, family) for family in range(flow.FAMILIES)] == remaining
        assert well.roster.entry(2).hamlet == 2
        note_event(well)


class Cable:
    """What a `Console` is to a command."""

    def __init__(self, octets=b""):
        self.octets = octets
        self.sent = []

    async def receive(self):
        return self.octets

    async def send(self, octets):
        self.sent.append(octets)


def section(name, octets):
    return bytes((name,)) + len(octets).to_bytes(2, "big") + octets


def test_settings_change_by_cable_and_the_terminal_restarts():
    ledger, flash = terminal()
    restarts = []
    commands = BookCommands(ledger, flash, lambda: restarts.append(1)).commands
    octets = section(document_area.SETTINGS, flow.SETTINGS)
    assert asyncio.run(commands["renew"](Cable(octets), [])) == [("sections", 1)]
    assert restarts == [1]
    raises(FlashError, note_event, ledger)
    again = open_ledger(flash)
    assert again.documents.get(document_area.SETTINGS) == flow.SETTINGS
    note_event(again)


def test_what_a_cable_brings_is_refused_by_name_and_changes_nothing():
    ledger, flash = terminal()
    restarts = []
    commands = BookCommands(ledger, flash, lambda: restarts.append(1)).commands
    for octets, code in (
        (b"\x0d", errors.BAD_WORDS),
        (b"\x0d\x00\x05abc", errors.BAD_WORDS),
        (section(13, b"") + section(13, b""), errors.BAD_WORDS),
        (section(13, b"broker=x"), errors.REFUSED),
        (section(document_area.KID, bytes(4)), errors.REFUSED),
        (section(GRANT_FIRST + 1, bytes(90)), errors.REFUSED),
    ):
        assert raises(CommandError, asyncio.run, commands["renew"](Cable(octets), [])).code == code
    assert restarts == []
    note_event(ledger)
    assert sections(b"") == {}


def test_findings_are_told_by_cable():
    ledger, flash = terminal()
    ledger.journal.retired = [5]
    cable = Cable()
    commands = BookCommands(ledger, flash, None).commands
    assert asyncio.run(commands["flash"](cable, [])) == [("findings", 1), ("checked", 0)]
    assert cable.sent == [b"sector-retired 5 5 journal 0x5000\n"]
