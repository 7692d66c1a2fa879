"""Power fails at every flash operation while a terminal in use gets new documents: each change is whole or not there, no
family loses or gains anything by it, and who begins again gets to the end.
"""

from firmware import main

main.load()

from firmware import provisioning, settings  # noqa: E402
from firmware.ledger import ca_key_list, document_area  # noqa: E402
from firmware.ledger.document_area import GRANT_FIRST  # noqa: E402
from hardware.nor_faults import TEARS, FaultPlan, cut  # noqa: E402
from hardware.nor_flash import PowerCut  # noqa: E402
from protocol import grant, policy, records, roster  # noqa: E402
from tests.support.mp import seed  # noqa: E402
from tests.support.mp_books import (  # noqa: E402
    KID,
    PERIOD,
    flash_of,
    make_acknowledgement,
    make_chip,
    make_grant,
    make_policy,
    make_roster,
    open_ledger,
    provision,
    redeem,
)
from tests.support.mp_gateway import AUTHORITY, certify, sign  # noqa: E402
from tests.support.mp_verify import remember_p256  # noqa: E402

TIMEOUT_S = 300
HEAP = "24m"
FAMILIES = 6
LATER_FAMILIES = 9
PROGRAMMES = (1, 2)
JOURNAL_SECTORS = 8
STARTS_MAX = 20

_made = {}


def signed_roster(number, families):
    octets = make_roster(families, number)
    return octets + sign(AUTHORITY, roster.signed_message(roster.digest(octets)))


def signed_policy(number):
    body = make_policy(number)
    return body + sign(AUTHORITY, policy.signed_message(body))


def signed_grant(number, programme, roster_octets, policy_octets, period=PERIOD):
    body = make_grant(number, programme, period)
    digests = (roster.digest(roster_octets), policy.decode(policy_octets).digest)
    return body + sign(AUTHORITY, grant.signed_message(KID, digests[0], digests[1], body))


def ca_keys():
    """A made-up CA key of 64 octets."""
    import hashlib

    rid, index, exponent, modulus = bytes.fromhex("a000000602"), 7, b"\x03", b"\xc1" * 64
    checksum = hashlib.sha1(rid + bytes((index,)) + modulus + exponent).digest()
    return ca_key_list.encode([(rid, index, b"\x12\x30", exponent, modulus, checksum)])


def documents():
    """Everything that the authority signs in this file, made once."""
    if not _made:
        later_roster, later_policy = make_roster(LATER_FAMILIES, 2), make_policy(2)
        _made["roster"] = signed_roster(2, LATER_FAMILIES)
        _made["policy"] = signed_policy(2)
        _made["bound"] = [signed_grant(2, number, later_roster, later_policy) for number in PROGRAMMES]
        _made["later"] = signed_grant(3, 1, later_roster, later_policy, PERIOD + 1)
        _made["ca"] = ca_keys()
    return _made


SETTINGS = b"broker_host=gateway.example\nbroker_port=8883\nbroker_tls=1\n"


class Renewals:
    """What a technician and the gateway bring, in order; each knows whether it is in force already."""

    def __init__(self, flash):
        self.flash = flash

    def settings(self, ledger):
        if ledger.documents.get(document_area.SETTINGS) == SETTINGS:
            return False
        provisioning.renew(self.flash, ledger, {document_area.SETTINGS: SETTINGS})
        return True

    def roster_policy_and_grants(self, ledger):
        if ledger.roster.number == 2:
            return False
        made = documents()
        given = {GRANT_FIRST + number: made["bound"][number - 1] for number in PROGRAMMES}
        given[document_area.POLICY] = made["policy"]
        provisioning.renew(self.flash, ledger, given, made["roster"])
        return True

    def card_cas(self, ledger):
        if ledger.documents.get(document_area.CA_KEYS) == documents()["ca"]:
            return False
        provisioning.renew(self.flash, ledger, {document_area.CA_KEYS: documents()["ca"]})
        return True

    def acknowledgement_and_reclaim(self, ledger):
        if ledger.marks.reclaim_through >= 8:
            return False
        ledger.apply_acknowledgement(make_acknowledgement(ledger, 9, 8), 1)
        while ledger.prepare():
            pass
        return False

    def grant(self, ledger):
        """As the relay hands it in."""
        signed = documents()["later"]
        if ledger.grants[1].number < 3:
            digests = (ledger.roster.digest, ledger.policy.digest)
            ledger.adopt_grant(signed, grant.decode(signed[:-64], KID, digests[0], digests[1]))
        return False

    STEPS = (settings, roster_policy_and_grants, card_cas, acknowledgement_and_reclaim, grant)


def terminal(chip_seed):
    """A certified terminal of one family's roster that has sold."""
    chip = make_chip(JOURNAL_SECTORS, chip_seed)
    flash = flash_of(chip)
    provision(flash, FAMILIES, PROGRAMMES)
    ledger = open_ledger(flash)
    certify(ledger)
    for family in range(FAMILIES):
        redeem(ledger, family, 1_000 * (family + 1))
    return chip


def money(ledger):
    """What families have drawn this month of the programme that gets no later grant."""
    return [ledger.entitlements.spent_rupiah(2, family) for family in range(FAMILIES)]


def check(ledger, when):
    """Whatever the cut left: the books are whole, and everything in force fits everything else."""
    assert ledger.journal.damage is None, (when, str(ledger.journal.damage))
    assert ledger.context is not None, when
    number = ledger.roster.number
    assert (ledger.roster.count, ledger.policy.number) == ((FAMILIES, 1), (LATER_FAMILIES, 2))[number - 1], (
        when
    )
    assert ledger.grants[2].number == number, when
    settings.parse(ledger.documents.get(document_area.SETTINGS))
    records_held = ledger.records_from(1, 9999)
    assert [slot.sequence for slot in records_held] == list(range(1, ledger.journal.sequence + 1)), when
    assert ledger.entitlements.redeemed_rupiah == 21_000, when
    if ledger.grants[1].period == PERIOD:
        spent = [ledger.entitlements.spent_rupiah(1, family) for family in range(FAMILIES)]
        assert spent == [1_000 * (family + 1) for family in range(FAMILIES)], when
    if number == 2:
        assert ledger.remaining_rupiah(2, LATER_FAMILIES - 1) == 200_000, when


def renew_all(chip):
    """Go through all of it from the beginning; what is in force already is passed over."""
    flash = flash_of(chip)
    work = Renewals(flash)
    ledger = open_ledger(flash)
    for step in Renewals.STEPS:
        if step(work, ledger):
            # A restart has to follow, and nothing is committed before it.
            assert ledger.journal.damage is not None
            ledger = open_ledger(flash)
    return ledger


def sweep(torn_bytes, tear):
    """Cut at operation 0, 1, 2, ... until all of it goes through; returns how many cuts were tried."""
    cuts = 0
    while True:
        chip = terminal(seed() + cuts)
        when = "cut(%d, %d, %r) seed %d" % (cuts, torn_bytes, tear, seed() + cuts)
        chip.arm(FaultPlan(seed() + cuts, [cut(cuts, torn_bytes, tear)]))
        try:
            renew_all(chip)
            return cuts
        except PowerCut:
            chip.power_on()
        for _ in range(2):
            ledger = open_ledger(flash_of(chip))
            check(ledger, when)
        ledger = renew_all(chip)
        check(ledger, when)
        assert (ledger.roster.number, ledger.grants[1].number, ledger.grants[1].period) == (
            2,
            3,
            PERIOD + 1,
        ), when
        assert ledger.documents.get(document_area.SETTINGS) == SETTINGS, when
        assert ledger.marks.reclaim_through == 8, when
        adopted = [records.decode(slot.payload) for slot in ledger.records_from(1, 9999)]
        numbers = [
            record.number
            for record in adopted
            if record.kind == records.ADOPTION and record.subject == records.SUBJECT_ROSTER
        ]
        assert numbers == [1, 2], when
        redeem(ledger, LATER_FAMILIES - 1, 5_000, 2)
        cuts += 1


def test_every_change_is_whole_or_not_there():
    remember_p256()
    assert sweep(0, TEARS[0]) > 60


def test_every_change_is_whole_or_not_there_when_the_cut_page_is_half_written():
    remember_p256()
    assert sweep(90, TEARS[2]) > 60


def test_every_change_is_whole_or_not_there_when_all_looks_written():
    remember_p256()
    assert sweep(4000, TEARS[4]) > 60
