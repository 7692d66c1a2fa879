"""What a terminal is owed when its newest grants are under another roster: a delta of what it has, or the whole, with them."""

from __future__ import annotations

import pytest

from gateway import renewals
from gateway.documents import Kind
from protocol import carry, frame, grant, parts, renewal, roster_delta
from tests.support.frames import sample_roster
from tests.support.gateway_rosters import KID, Office, changed

TOPIC = "lumbung/1/renewal/0000002a/"


@pytest.fixture
def office(tmp_path):
    """Its terminal has adopted roster 1 with 40 families and a grant under it, and all of it is sealed."""
    made = Office(tmp_path)
    terminal = made.open()
    made.deliver(terminal.frame(1, 3))
    return made


def test_a_terminal_whose_grants_are_under_its_roster_is_owed_none(office):
    assert office.owed() == renewals.Owed(b"", renewals.UP_TO_DATE)


def test_of_a_terminal_that_has_told_nothing_nothing_follows(tmp_path):
    office = Office(tmp_path)
    office.open()
    office.roster(changed(2, 41))
    assert office.owed().why == renewals.NEVER


def test_a_later_roster_is_owed_as_what_is_new_in_it(office):
    """RNW-01: with the grant under it and the signature of the whole."""
    new = changed(2, 41)
    digest = office.roster(new)
    found = office.owed()
    assert (found.number, found.names, found.is_whole, found.why) == (2, 2, False, "")
    made = renewal.decode(found.unit)
    assert made.roster_digest == digest
    assert roster_delta.apply(sample_roster(), made.delta) == new
    assert made.signature == office.documents(Kind.ROSTER)[0].octets[-64:]
    (signed,) = made.grants
    assert grant.decode(signed[:-64], KID, digest, bytes(32)).number == 2
    assert len(renewal.pieces(found.unit)) == 1


def test_a_terminal_two_versions_behind_gets_both_steps_in_one(office):
    office.roster(changed(2, 41), number=2)
    new = changed(3, 42, indices=(3, 5))
    office.roster(new, number=3)
    found = office.owed()
    assert (found.number, found.names) == (3, 4)
    assert roster_delta.apply(sample_roster(), renewal.decode(found.unit).delta) == new


def test_where_nothing_of_it_is_left_the_whole_roster_goes(office):
    """RSD-04."""
    new = changed(2, 60, salt="another village")
    office.roster(new)
    found = office.owed()
    assert (found.names, found.is_whole) == (60, True)
    delta = renewal.decode(found.unit).delta
    assert delta.base == roster_delta.NO_BASE
    assert roster_delta.apply(sample_roster(), delta) == new


@pytest.mark.parametrize(
    ("new", "programmes", "why"),
    [
        (changed(1, 40), (1,), renewals.LATER),
        (changed(2, 39), (1,), renewals.LATER),
        (changed(2, 41), (2,), renewals.GRANTS),
        (changed(2, 41), tuple(range(1, 10)), renewals.TOO_MUCH),
    ],
)
def test_what_the_terminal_would_refuse_is_not_sent(office, new, programmes, why):
    """RSD-02, RNW-05."""
    office.roster(new, programmes=programmes)
    assert office.owed().why == why


def test_a_roster_that_is_issued_anew_unchanged_goes_whole(office):
    """RSD-04: a delta that names nobody is none."""
    new = changed(2, 40, indices=())
    office.roster(new)
    found = office.owed()
    assert (found.names, found.is_whole) == (40, True)
    assert roster_delta.apply(sample_roster(), renewal.decode(found.unit).delta) == new


def test_grants_under_two_new_rosters_are_no_renewal(office):
    office.roster(changed(2, 41), programmes=(1,))
    office.roster(changed(3, 41), programmes=(2,))
    assert office.owed().why == renewals.GRANTS


def test_who_is_revoked_gets_none(office):
    office.roster(changed(2, 41))
    office.run("revoke", "2a")
    assert office.owed().why == renewals.WITHDRAWN


def test_the_answer_file_brings_it(office):
    """RNW-02: as whole pieces behind everything else, which no QR page has room for."""
    new = changed(2, 60, salt="another village")
    office.roster(new)
    path = office.folder / "answer.lmb"
    told = office.json("export", "2a", "--to", path, "--qr", office.folder / "answer.png")
    entries = carry.read(path.read_bytes())
    assert told["frames"] == len(entries)
    cipher = office.cipher()
    found = [
        renewals.piece_in(octets, cipher)
        for _, octets, _ in entries
        if frame.read_header(octets).codec == frame.DOWN_ROSTER_DELTA
        and frame.read_header(octets).frame_class == frame.CLASS_DOWN
    ]
    unit = b"".join(piece.octets for piece in found)
    assert unit == office.owed().unit
    assert [piece.offset for piece in found] == list(range(0, len(unit), 1024))
    assert frame.read_header(entries[-1][1]).codec == frame.DOWN_ROSTER_DELTA


def test_a_small_one_by_sms_is_in_numbered_parts(office):
    """RNW-02, PRT-01."""
    office.roster(changed(2, 41))
    unit = office.owed().unit
    counters = iter(range(100))
    cipher = office.cipher()
    made = renewals.frames(KID, unit, cipher, lambda: next(counters), frame.SMS_OCTETS_MAX)
    assert all(len(octets) <= frame.SMS_OCTETS_MAX for octets in made)
    assembly = parts.Assembly()
    whole = [assembly.take(parts.decode(frame.open_counter(octets, cipher)[1])) for octets in made][-1]
    assert whole is not None
    assert whole[0] == frame.DOWN_ROSTER_DELTA
    assert renewal.decode_piece(whole[1]).octets == unit


def test_the_broker_is_told_in_an_order_that_misleads_no_terminal():
    """RNW-03: the first piece comes when the others are there, and goes before them."""
    first = f"{TOPIC}0"
    before = {first: b"a", f"{TOPIC}1024": b"b", f"{TOPIC}2048": b"c"}
    wanted = {first: b"d", f"{TOPIC}1024": b"e"}
    assert renewals.changes(before, wanted, first) == [
        (f"{TOPIC}1024", b"e"),
        (first, b"d"),
        (f"{TOPIC}2048", b""),
    ]
    assert renewals.changes(before, {}, first)[0] == (first, b"")
    assert renewals.changes({}, {}, first) == []
