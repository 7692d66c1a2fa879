"""A grant that does not decode is refused by itself; what was spent of it is still known when it reads again."""

from firmware import main

main.load()

from firmware.ledger.document_area import GRANT_FIRST  # noqa: E402
from protocol import grant  # noqa: E402
from tests.support.mp_books import (  # noqa: E402
    KID,
    flash_of,
    make_chip,
    make_grant,
    note_event,
    open_ledger,
    provision,
    redeem,
)
from tests.support.mp_gateway import certify  # noqa: E402

TURNS = 200


def idle(ledger):
    """Quiet moments, in which a checkpoint is due."""
    before = ledger.journal.checkpoints
    ledger._checkpointer._is_due = lambda: ledger.journal.checkpoints == before
    for _ in range(TURNS):
        ledger.prepare()
    return ledger.journal.checkpoints != before


def unread():
    """(flash, the good grant) of a terminal that has sold, and sees a grant as a release that does not know its version."""
    flash = flash_of(make_chip())
    provision(flash, 6, (1, 2))
    ledger = open_ledger(flash)
    certify(ledger)
    redeem(ledger, 3, 50_000)
    redeem(ledger, 3, 7_000, 2)
    good = ledger.documents.get(GRANT_FIRST + 1)
    ledger.documents.save({GRANT_FIRST + 1: b"\xee" + good[1:]})
    return flash, good


def test_no_checkpoint_forgets_what_was_spent_of_a_grant_that_cannot_be_read():
    """A checkpoint holds what was spent of grants in force; later starts would not look behind it."""
    flash, good = unread()
    ledger = open_ledger(flash)
    assert sorted(ledger.grants) == [2]
    assert len(ledger.findings.all()) == 1
    note_event(ledger)
    assert not idle(ledger)
    ledger.documents.save({GRANT_FIRST + 1: good})
    ledger = open_ledger(flash)
    assert ledger.entitlements.spent_rupiah(1, 3) == 50_000
    assert ledger.remaining_rupiah(1, 3) == 150_000
    assert ledger.entitlements.spent_rupiah(2, 3) == 7_000
    # With all grants read, checkpoints are written as ever.
    assert idle(ledger)
    assert open_ledger(flash).entitlements.spent_rupiah(1, 3) == 50_000


def test_a_later_grant_of_the_same_month_gives_nothing_twice():
    flash, good = unread()
    ledger = open_ledger(flash)
    body = make_grant(2)
    signed = body + good[-64:]
    digests = (ledger.roster.digest, ledger.policy.digest)
    for _ in range(2):
        ledger.adopt_grant(signed, grant.decode(body, KID, digests[0], digests[1]))
        assert 1 not in ledger.grants or ledger.remaining_rupiah(1, 3) == 150_000
    redeem(ledger, 4, 1_000, 2)
    assert not idle(ledger)
    ledger = open_ledger(flash)
    assert ledger.grants[1].number == 2
    assert ledger.context is not None
    assert ledger.remaining_rupiah(1, 3) == 150_000
    assert idle(ledger)
