"""A new roster on its way while flash fails or a cable brings another one: what is in force is never written to."""

from firmware import main

main.load()

from firmware import provisioning  # noqa: E402
from firmware.ledger.document_area import GRANT_FIRST  # noqa: E402
from firmware.relay.downlink import APPLIED  # noqa: E402
from hardware.nor_faults import FaultPlan, stuck  # noqa: E402
from protocol import roster  # noqa: E402
from protocol.errors import OutOfRange  # noqa: E402
from tests.support.mp import raises  # noqa: E402
from tests.support.mp_books import (  # noqa: E402
    flash_of,
    make_chip,
    make_roster,
    note_event,
    open_ledger,
    provision,
    redeem,
)
from tests.support.mp_gateway import AUTHORITY, certify  # noqa: E402
from tests.support.mp_rosters import (  # noqa: E402
    Taker,
    frames_of,
    grants_for,
    later,
    remember_verifications,
    signature_of,
    unit_of,
)
from tests.support.mp_verify import remember_p256  # noqa: E402

TIMEOUT_S = 120
FAMILIES = 20
BASE = make_roster(FAMILIES)
NEW = later(FAMILIES + 1, 2, removed=(3,))
OF_THE_CABLE = later(FAMILIES + 2, 3, taken=(5,))

remember_verifications()


def terminal():
    """(chip, flash, ledger) of a certified terminal that has sold to family 3."""
    chip = make_chip()
    flash = flash_of(chip)
    provision(flash, FAMILIES, (1, 2))
    ledger = open_ledger(flash)
    certify(ledger)
    redeem(ledger, 3, 50_000)
    return chip, flash, ledger


def by_cable(flash, ledger, octets):
    """What a technician brings: a roster with its grants."""
    grants = grants_for(ledger, octets, 5, (1, 2))
    given = {GRANT_FIRST + number: grants[number - 1] for number in (1, 2)}
    signed = octets + signature_of(AUTHORITY, roster.signed_message(roster.digest(octets)))
    provisioning.renew(flash, ledger, given, signed)


def meeting(octets, moment):
    """A cable brings `octets` when it is looked for the `moment`-th time whether somebody is served, while another roster is
    taken; (flash, taker, outcome), outcome "" where nobody looks so often.
    """
    _, flash, ledger = terminal()
    looks = [0]

    def is_busy():
        looks[0] += 1
        if looks[0] == moment:
            by_cable(flash, ledger, octets)
        return False

    taker = Taker(flash, ledger)
    taker.renewal._is_busy = is_busy
    (outcome,) = taker.take(frames_of(unit_of(ledger, BASE, NEW, programmes=(1, 2))))
    return flash, taker, outcome if looks[0] >= moment else ""


def test_a_cable_may_bring_another_roster_at_any_moment():
    """Both write to the area that is free; once the cable's is in force, the other leaves it alone. A cable may bring the
    roster in force anew, too, where flash lost some of it.
    """
    remember_p256()
    for octets in (OF_THE_CABLE, BASE):
        moment = 1
        while True:
            flash, taker, outcome = meeting(octets, moment)
            if not outcome:
                break
            assert (outcome, taker.wholes) == ("OutOfRange", 0), moment
            ledger = open_ledger(flash)
            assert (ledger.roster.digest, ledger.roster.count) == (roster.digest(octets), len_of(octets)), (
                moment
            )
            for index in range(ledger.roster.count):
                assert ledger.roster.holds(index, ledger.roster.entry_octets(index)), (moment, index)
            assert ledger.entitlements.spent_rupiah(1, 3) == 50_000
            note_event(ledger)
            moment += 1
        assert moment > 5


def len_of(octets):
    """Entries of a roster."""
    return roster.decode_header(octets).count


def test_a_header_that_does_not_read_back_is_no_roster():
    """Whoever hears of a whole roster restarts into it: a terminal must not do that again and again for nothing."""
    chip, flash, ledger = terminal()
    taker = Taker(flash, ledger)
    free = provisioning.free_area(flash, ledger.documents)
    start = free._partition._offset
    # One bit of the digest in the header stays as an erase leaves it.
    digest = roster.digest(NEW)
    at = next(place for place in range(32) if digest[place] != 0xFF)
    chip.arm(FaultPlan(1, [stuck(start + 16 + at, ~digest[at] & 0xFF, 1)]))
    assert taker.take(frames_of(unit_of(ledger, BASE, NEW, programmes=(1, 2)))) == ["RosterDamaged"]
    assert taker.wholes == 0
    note_event(ledger)


def test_a_roster_that_is_gone_from_flash_is_not_put_in_force():
    _, flash, ledger = terminal()
    taker = Taker(flash, ledger)
    assert taker.take(frames_of(unit_of(ledger, BASE, NEW, programmes=(1, 2)))) == [APPLIED]
    provisioning.free_area(flash, ledger.documents).erase(0)
    raises(OutOfRange, taker.renewal.switch)
    note_event(ledger)
    assert open_ledger(flash).roster.digest == roster.digest(BASE)
