"""A new roster for a terminal in use, piece by piece: the delta or the whole, verified before it counts, in force at once."""

import asyncio

from firmware import main

main.load()

from firmware.ledger.roster_area import RosterArea, RosterMissing  # noqa: E402
from firmware.relay.downlink import APPLIED, PART, STALE  # noqa: E402
from protocol import records, roster, roster_delta  # noqa: E402
from protocol.errors import OutOfRange  # noqa: E402
from tests.support.mp import raises  # noqa: E402
from tests.support.mp_books import (  # noqa: E402
    KID,
    PERIOD,
    card_key,
    flash_of,
    make_chip,
    make_roster,
    note_event,
    open_ledger,
    provision,
    redeem,
)
from tests.support.mp_gateway import GATEWAY, certify  # noqa: E402
from tests.support.mp_rosters import (  # noqa: E402
    Taker,
    frames_of,
    grants_for,
    later,
    remember_verifications,
    signature_of,
    unit_of,
)

TIMEOUT_S = 120
FAMILIES = 40
BASE = make_roster(FAMILIES)
NEW = later(FAMILIES + 2, 2, removed=(3,), taken=(7,))

remember_verifications()


def terminal(families=FAMILIES, programmes=(1, 2)):
    """(flash, ledger) of a certified terminal that has sold to family 3."""
    flash = flash_of(make_chip())
    provision(flash, families, programmes)
    ledger = open_ledger(flash)
    certify(ledger)
    redeem(ledger, 3, 50_000)
    return flash, ledger


def rosters_of(flash):
    """Digests that the areas hold."""
    found = []
    for name in ("roster_a", "roster_b"):
        try:
            found.append(RosterArea(flash[name]).digest)
        except RosterMissing:
            pass
    return found


def in_force(flash, new):
    """The ledger after the restart, with the new roster adopted and nothing lost by it."""
    ledger = open_ledger(flash)
    assert ledger.roster.digest == roster.digest(new)
    assert ledger.context is not None
    assert ledger.entitlements.spent_rupiah(1, 3) == 50_000
    adopted = [records.decode(slot.payload) for slot in ledger.records_from(1, 99)]
    found = [record.digest for record in adopted if record.kind == records.ADOPTION]
    assert found[-3:] == [ledger.roster.digest] + [ledger.grants[number].digest for number in (1, 2)]
    return ledger


def taken_by_a_delta():
    flash, ledger = terminal()
    taker = Taker(flash, ledger)
    assert taker.take(frames_of(unit_of(ledger, BASE, NEW, programmes=(1, 2)))) == [APPLIED]
    return flash, taker


def test_a_delta_brings_the_new_roster_with_its_grants():
    """RSD-02, RSD-03, RNW-04, RNW-06."""
    flash, taker = taken_by_a_delta()
    ledger = taker.ledger
    assert (taker.wholes, taker.renewal.is_ready) == (1, True)
    assert ledger.roster.digest == roster.digest(BASE), "the old one is in force until the switch"
    redeem(ledger, 5, 20_000)
    taker.renewal.switch()
    assert raises(Exception, note_event, ledger) is not None, "nothing is committed before the restart"
    ledger = in_force(flash, NEW)
    assert (ledger.roster.count, ledger.roster.number) == (FAMILIES + 2, 2)
    assert ledger.entitlements.spent_rupiah(1, 5) == 20_000
    # The new family draws; the removed one, whose lease is open, draws the rest; the new card is found, the old one not.
    assert ledger.remaining_rupiah(1, FAMILIES + 1) == 200_000
    assert ledger.remaining_rupiah(1, 3) == 150_000
    assert ledger.roster.entry(3).state == roster.REMOVED
    assert ledger.roster.find_card(card_key(1007)) == (7, 0)
    assert ledger.roster.find_card(card_key(7)) == (-1, 0)
    assert ledger.roster.find_card(card_key(FAMILIES + 1)) == (FAMILIES + 1, 0)
    for index in range(FAMILIES):
        assert ledger.roster.holds(index, ledger.roster.entry_octets(index))


def test_a_whole_roster_serves_a_terminal_that_is_many_versions_behind():
    """RSD-04, RNW-04: pieces in order, each any number of times, over more than one of them."""
    flash, ledger = terminal()
    taker = Taker(flash, ledger)
    new = later(FAMILIES + 9, 7, removed=(0, 1, 2, 3))
    frames = frames_of(unit_of(ledger, b"", new, 5, (1, 2)))
    assert len(frames) > 2
    assert taker.take([frames[0], frames[0], frames[1], frames[0], frames[1]]) == [PART] * 5
    assert taker.take(frames) == [PART] * (len(frames) - 1) + [APPLIED]
    assert taker.take(frames) == [APPLIED] * len(frames)
    assert taker.wholes == 1
    taker.renewal.switch()
    ledger = in_force(flash, new)
    assert ledger.grants[2].number == 5
    # What is in force is not taken again.
    assert Taker(flash, ledger).take(frames) == [STALE] * len(frames)


def refused(change, error, families=FAMILIES):
    """A unit that `change(ledger)` makes is refused, counted, and changes nothing."""
    flash, ledger = terminal(families)
    taker = Taker(flash, ledger)
    before = rosters_of(flash)
    for octets in frames_of(change(ledger)):
        (outcome,) = taker.take([octets])
        if outcome != PART:
            break
    assert outcome == error, outcome
    assert taker.downlink.counts[error] == 1
    assert not taker.renewal.is_ready
    raises(OutOfRange, taker.renewal.switch)
    assert rosters_of(flash) == before
    note_event(ledger)
    redeem(ledger, 4, 5_000)
    return taker


def test_a_delta_of_another_base_is_refused():
    """RSD-02."""
    other = later(FAMILIES, 1, taken=(2,))
    taker = refused(lambda ledger: unit_of(ledger, other, NEW, programmes=(1, 2)), "OutOfRange")
    assert taker.downlink.last_error.field == "base"


def test_an_older_or_smaller_roster_is_refused():
    """RSD-02: neither as a delta nor as a whole one."""
    for new in (later(FAMILIES, 1, taken=(1,)), later(FAMILIES - 1, 2)):
        taker = refused(lambda ledger, new=new: unit_of(ledger, b"", new, programmes=(1, 2)), "OutOfRange")
        assert taker.downlink.last_error.field == "number"


def test_a_delta_that_was_tampered_with_is_refused():
    """RSD-03: whatever comes out is not what was signed."""
    tampered = roster_delta.between(BASE, later(FAMILIES + 2, 2, removed=(3,), taken=(8,)))

    def change(ledger):
        return unit_of(ledger, BASE, NEW, programmes=(1, 2), delta=tampered)

    taker = refused(change, "AuthenticationFailed")
    assert taker.downlink.last_error.field == "roster digest"


def test_a_roster_that_the_authority_did_not_sign_is_refused():
    """RSD-03, RNW-04: nor is anything written for grants that it did not sign."""
    forged = signature_of(GATEWAY, roster.signed_message(roster.digest(NEW)))
    taker = refused(
        lambda ledger: unit_of(ledger, BASE, NEW, programmes=(1, 2), signature=forged), "AuthenticationFailed"
    )
    assert taker.downlink.last_error.field == "roster signature"

    def change(ledger):
        return unit_of(ledger, BASE, NEW, grants=grants_for(ledger, NEW, 2, (1, 2), private=GATEWAY))

    taker = refused(change, "AuthenticationFailed")
    assert taker.downlink.last_error.field == "grant signature"


def test_grants_that_do_not_go_forward_are_refused():
    """RNW-05: a programme in force has a later grant, of no earlier month."""
    for number, programmes, period, field in (
        (2, (1,), PERIOD, "grants"),
        (1, (1, 2), PERIOD, "grant number"),
        (2, (1, 2), PERIOD - 1, "grant number"),
    ):

        def change(ledger, number=number, programmes=programmes, period=period):
            return unit_of(ledger, BASE, NEW, grants=grants_for(ledger, NEW, number, programmes, period))

        assert refused(change, "OutOfRange").downlink.last_error.field == field


def test_a_roster_with_a_card_twice_or_too_many_families_is_refused():
    twice = later(FAMILIES + 2, 2)
    at = roster.octets(9)
    twice = twice[: at + 8] + twice[roster.octets(4) + 8 : roster.octets(4) + 16] + twice[at + 16 :]
    taker = refused(lambda ledger: unit_of(ledger, BASE, twice, programmes=(1, 2)), "OutOfRange")
    assert taker.downlink.last_error.field == "card key"
    many = make_roster(140, 2)
    taker = refused(lambda ledger: unit_of(ledger, b"", many, programmes=(1, 2)), "OutOfRange")
    assert taker.downlink.last_error.field == "count"


def test_every_changed_octet_of_a_unit_is_refused_or_changes_nothing():
    """RNW-04, RSD-03."""
    flash, ledger = terminal(6)
    taker = Taker(flash, ledger)
    unit = unit_of(ledger, make_roster(6), later(7, 2, removed=(1,)), programmes=(1, 2))
    before = rosters_of(flash)
    for at in range(0, len(unit), 7):
        bent = bytearray(unit)
        bent[at] ^= 0x11
        outcome = taker.take(frames_of(bytes(bent)))[-1]
        assert outcome not in (APPLIED, STALE, PART), (at, outcome)
        assert rosters_of(flash) == before
    for end in range(0, len(unit) - 1, 11):
        if end:
            outcome = taker.take(frames_of(unit[:end]))[-1]
            assert outcome not in (APPLIED, STALE, PART), (end, outcome)
    assert taker.take(frames_of(unit)) == [APPLIED]


def test_a_piece_before_its_time_is_refused_and_the_others_go_on():
    """RNW-04."""
    flash, ledger = terminal()
    taker = Taker(flash, ledger)
    frames = frames_of(unit_of(ledger, b"", NEW, programmes=(1, 2)))
    assert taker.take([frames[1]]) == ["OutOfRange"]
    assert taker.take([frames[0], frames[-1]] + frames[1:])[1] == "OutOfRange"
    assert taker.renewal.is_ready
    # Another unit begins anew.
    other = frames_of(unit_of(ledger, BASE, NEW, 3, (1, 2)))
    assert taker.take(other) == [APPLIED]
    taker.renewal.switch()
    assert in_force(flash, NEW).grants[1].number == 3


def test_what_came_into_force_meanwhile_stays():
    """RNW-05, RNW-06."""
    flash, taker = taken_by_a_delta()
    ledger = taker.ledger
    from protocol import grant

    (signed,) = grants_for(ledger, BASE, 9, (1,))
    digests = (ledger.roster.digest, ledger.policy.digest)
    ledger.adopt_grant(signed, grant.decode(signed[:-64], KID, digests[0], digests[1]))
    assert raises(OutOfRange, taker.renewal.switch).field == "grant number"
    note_event(ledger)
    assert open_ledger(flash).roster.digest == roster.digest(BASE)


def test_what_was_written_for_nothing_is_not_written_again_before_the_next_start():
    """It comes again with every answer of the gateway: that would wear flash out, and hold up what comes behind it."""
    chip = make_chip()
    flash = flash_of(chip)
    provision(flash, FAMILIES, (1, 2))
    ledger = open_ledger(flash)
    certify(ledger)
    redeem(ledger, 3, 50_000)
    # An entry rots that the delta does not name.
    flash["roster_a"].program(ledger.roster.address_of(9) + 40, bytes(16))
    taker = Taker(flash, ledger)
    frames = frames_of(unit_of(ledger, BASE, NEW, programmes=(1, 2)))
    assert taker.take(frames) == ["RosterDamaged"]
    assert taker.downlink.last_error.area == "roster_a"
    before = chip.operations()
    assert taker.take(frames + frames) == ["OutOfRange"] * 2
    assert chip.operations() == before
    note_event(ledger)
    # The whole of it needs no base.
    whole = frames_of(unit_of(ledger, b"", NEW, programmes=(1, 2)))
    assert taker.take(whole)[-1] == APPLIED
    taker.renewal.switch()
    in_force(flash, NEW)


def test_a_locked_terminal_takes_none():
    flash, ledger = terminal()
    taker = Taker(flash, ledger)
    ledger.is_behind = True
    assert taker.take(frames_of(unit_of(ledger, BASE, NEW, programmes=(1, 2)))) == ["TerminalLocked"]
    assert len(rosters_of(flash)) == 1


def test_it_waits_while_a_card_is_served():
    flash, ledger = terminal()
    taker = Taker(flash, ledger)
    taker.busy = True
    frames = frames_of(unit_of(ledger, BASE, NEW, programmes=(1, 2)))

    async def story():
        task = asyncio.create_task(taker.downlink.apply(frames[0]))
        await asyncio.sleep_ms(150)
        # Signatures are worked out meanwhile; what is written to is the area that is free.
        assert rosters_of(flash) == [roster.digest(BASE)]
        taker.busy = False
        return await task

    asyncio.new_event_loop()
    assert asyncio.run(story())[0] == APPLIED


def test_little_of_it_is_ever_in_memory():
    import gc

    families = 100
    flash, ledger = terminal(families)
    taker = Taker(flash, ledger)
    new = later(families, 2, removed=(3,))
    # Once before, so that the modelled flash and what is remembered of signatures do not count.
    assert taker.take(frames_of(unit_of(ledger, b"", new, programmes=(1, 2))))[-1] == APPLIED
    frames = frames_of(unit_of(ledger, b"", new, 3, (1, 2)))
    taker.take([frames[0]])
    taker.renewal.drop()
    gc.collect()
    before = gc.mem_alloc()
    for octets in frames[:-1]:
        assert taker.take([octets]) == [PART]
        gc.collect()
        assert gc.mem_alloc() - before < 4096
    assert taker.take(frames[-1:]) == [APPLIED]
