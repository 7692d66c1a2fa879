"""What comes down: only what is signed, newer and about our own chain is applied; all else is named, counted and done with."""

import asyncio

from firmware import main

main.load()

from firmware.hal.flash_area import FlashError  # noqa: E402
from firmware.relay.downlink import APPLIED, PART, STALE, Downlink  # noqa: E402
from protocol import acknowledgement, certificates, frame, grant, parts  # noqa: E402
from tests.support.mp import seed  # noqa: E402
from tests.support.mp_books import (  # noqa: E402
    KID,
    PERIOD,
    flash_of,
    make_acknowledgement,
    make_chip,
    make_epoch,
    make_grant,
    open_ledger,
    provision,
    redeem,
)
from tests.support.mp_gateway import (  # noqa: E402
    AUTHORITY,
    GATEWAY,
    NEXT_GATEWAY,
    acknowledgement_frame,
    certify,
    cipher_of,
    down,
    epoch_frame,
    grant_frame,
    public,
    sign,
    signed_epoch,
)

TIMEOUT_S = 120
SALES = 5


def terminal(sales=SALES):
    """(downlink, ledger, flash) of a certified terminal that has sold; its records are 1 to 3 and 4 to 3 + sales."""
    flash = flash_of(make_chip(8))
    provision(flash)
    ledger = open_ledger(flash)
    certify(ledger)
    for family in range(sales):
        redeem(ledger, family, 1_000)
    return Downlink(ledger, cipher_of), ledger, flash


def apply(downlink, octets):
    """(outcome, done) of one frame; the outcome must have been counted."""
    before = downlink.counts.get
    counted = dict(downlink.counts)
    outcome, done = asyncio.run(downlink.apply(octets))
    assert before(outcome) == counted.get(outcome, 0) + 1
    return outcome, done


def refused(downlink, octets, error, field=None):
    """The frame is refused with that error and is done with; nothing was written."""
    ledger = downlink._ledger
    written = ledger.journal.slots_written
    assert apply(downlink, octets) == (error, True)
    assert ledger.journal.slots_written == written
    if field is not None:
        assert downlink.last_error.field == field, downlink.last_error.field


def test_an_acknowledgement_moves_the_marks_and_names_gaps_once():
    downlink, ledger, _ = terminal()
    octets = acknowledgement_frame(ledger, 4, 6, 2, gaps=((7, 2, True),), states_first=4, states=(1, 2))
    assert apply(downlink, octets) == (APPLIED, True)
    marks = ledger.marks
    assert (marks.sealed_through, marks.reclaim_through, marks.epoch, marks.counter) == (6, 2, 1, 4)
    assert downlink.take_gaps() == [(7, 2, True)]
    assert downlink.take_gaps() is None


def test_the_same_or_an_older_acknowledgement_is_stale():
    downlink, ledger, _ = terminal()
    octets = acknowledgement_frame(ledger, 4, 6)
    apply(downlink, octets)
    assert apply(downlink, octets) == (STALE, True)
    assert apply(downlink, acknowledgement_frame(ledger, 3, 7)) == (STALE, True)
    assert ledger.marks.sealed_through == 6


def test_an_acknowledgement_of_another_gateway_is_refused():
    downlink, ledger, _ = terminal()
    refused(downlink, acknowledgement_frame(ledger, 4, 6, private=NEXT_GATEWAY), "AuthenticationFailed")
    octets = bytearray(acknowledgement_frame(ledger, 4, 6))
    for place in (0, 5, 9, 13, 40, len(octets) - 1):
        changed = bytearray(octets)
        changed[place] ^= 0x04
        outcome, done = apply(downlink, bytes(changed))
        assert outcome not in (APPLIED, STALE) and done, place
    assert ledger.marks.sealed_through == 0


def test_an_acknowledgement_signed_for_another_counter_is_refused():
    downlink, ledger, _ = terminal()
    body = make_acknowledgement(ledger, 6)

    signature = sign(GATEWAY, acknowledgement.signed_message(KID, 4, body))
    refused(downlink, down(frame.DOWN_ACKNOWLEDGEMENT, 5, body + signature), "AuthenticationFailed")


def test_an_acknowledgement_of_an_epoch_that_is_not_certified_is_refused():
    downlink, ledger, _ = terminal()
    body = make_acknowledgement(ledger, 6, epoch=2)

    signature = sign(GATEWAY, acknowledgement.signed_message(KID, 5, body))
    refused(downlink, down(frame.DOWN_ACKNOWLEDGEMENT, 5, body + signature), "OutOfRange", "epoch")


def test_an_acknowledgement_of_another_chain_is_refused():
    downlink, _ledger, _ = terminal()
    _other, fork, _ = terminal(0)
    for family in range(SALES):
        redeem(fork, family, 2_000)
    refused(downlink, acknowledgement_frame(fork, 4, 6), "OutOfRange", "chain digest")


def test_reclaiming_more_than_is_sealed_is_refused():
    downlink, ledger, _ = terminal()
    body = bytearray(make_acknowledgement(ledger, 5, 5))
    body[27] = 6
    signature = sign(GATEWAY, acknowledgement.signed_message(KID, 4, bytes(body)))
    octets = down(frame.DOWN_ACKNOWLEDGEMENT, 4, bytes(body) + signature)
    refused(downlink, octets, "OutOfRange", "reclaim through")


def test_an_acknowledgement_ahead_of_the_head_is_marked_once_and_ignored():
    """A mark and no record: where this flash was put back, one record more would be the fork."""
    downlink, ledger, flash = terminal()
    head = ledger.journal.sequence
    assert apply(downlink, acknowledgement_frame(ledger, 4, head + 5)) == ("OutOfRange", True)
    written = ledger.journal.slots_written
    apply(downlink, acknowledgement_frame(ledger, 5, head + 5))
    apply(downlink, acknowledgement_frame(ledger, 6, head + 4))
    assert (ledger.journal.sequence, ledger.journal.slots_written) == (head, written)
    assert ledger.entitlements.ahead == head + 5
    # It stays over a restart.
    again = open_ledger(flash)
    assert again.entitlements.ahead == head + 5
    written = again.journal.slots_written
    apply(Downlink(again, cipher_of), acknowledgement_frame(again, 7, head + 5))
    assert (again.journal.sequence, again.journal.slots_written) == (head, written)
    assert again.marks.sealed_through == 0


def test_an_acknowledgement_waits_for_no_sale_not_even_one_from_ahead():
    downlink, ledger, _ = terminal()
    head = ledger.journal.sequence

    async def story():
        _, attempt = ledger.burn_un_attempt()
        await downlink.apply(acknowledgement_frame(ledger, 4, 6))
        assert ledger.marks.sealed_through == 6
        await downlink.apply(acknowledgement_frame(ledger, 5, head + 9))
        assert (ledger.journal.sequence, ledger.entitlements.un_attempts) == (head, attempt + 1)
        ledger.abandon()

    asyncio.run(story())


def test_a_journal_that_is_full_takes_acknowledgements_all_the_same():
    downlink, ledger, _ = terminal()
    ledger.journal.is_exhausted = True
    assert apply(downlink, acknowledgement_frame(ledger, 4, 6)) == (APPLIED, True)
    assert ledger.marks.sealed_through == 6


def test_a_grant_comes_into_force_before_it_is_done_with():
    downlink, ledger, flash = terminal()
    octets = grant_frame(ledger, make_grant(2, period=PERIOD + 1, rupiah=300_000))
    assert apply(downlink, octets) == (APPLIED, True)
    assert ledger.grants[1].number == 2
    assert ledger.remaining_rupiah(1, 0) == 300_000
    assert open_ledger(flash).grants[1].number == 2
    assert apply(downlink, octets) == (STALE, True)
    assert apply(downlink, grant_frame(ledger, make_grant(1))) == (STALE, True)


def test_a_grant_for_a_new_programme_comes_into_force():
    downlink, ledger, _ = terminal()
    assert apply(downlink, grant_frame(ledger, make_grant(1, programme=2, rupiah=70_000))) == (APPLIED, True)
    assert ledger.remaining_rupiah(2, 3) == 70_000


def test_a_grant_that_the_authority_did_not_sign_is_refused():
    downlink, ledger, _ = terminal()
    refused(downlink, grant_frame(ledger, make_grant(2), private=GATEWAY), "AuthenticationFailed")
    assert ledger.grants[1].number == 1


def test_a_grant_under_another_roster_is_refused_and_remembered():
    downlink, ledger, _ = terminal()
    octets = grant_frame(ledger, make_grant(7), roster_digest=bytes(32))
    refused(downlink, octets, "AuthenticationFailed")
    assert downlink.unmatched_grant == 7
    assert ledger.grants[1].number == 1
    apply(downlink, grant_frame(ledger, make_grant(7)))
    assert downlink.unmatched_grant == 0


def test_a_grant_for_an_earlier_period_is_refused():
    downlink, ledger, _ = terminal()
    refused(downlink, grant_frame(ledger, make_grant(2, period=PERIOD - 1)), "OutOfRange", "period")


def test_a_grant_that_does_not_decode_is_refused():
    downlink, _ledger, _ = terminal()
    for body in (b"", b"\x00" * 64, make_grant(2)[:9] + bytes(64), make_grant(2) + b"\x00" + bytes(64)):
        outcome, done = apply(downlink, down(frame.DOWN_GRANT, 1, body))
        assert outcome not in (APPLIED, STALE) and done, body


def test_a_grant_that_flash_cannot_take_now_must_come_again():
    downlink, ledger, _ = terminal()
    octets = grant_frame(ledger, make_grant(2))
    ledger.journal.is_exhausted = True
    assert apply(downlink, octets) == ("JournalFull", False)
    ledger.journal.is_exhausted = False
    save = ledger.documents.save

    def failing(changes):
        raise FlashError("identity_a", 0, "program failed")

    ledger.documents.save = failing
    assert apply(downlink, octets) == ("FlashError", False)
    assert ledger.grants[1].number == 1
    ledger.documents.save = save
    assert apply(downlink, octets) == (APPLIED, True)


def test_a_grant_waits_for_the_sale_under_way():
    downlink, ledger, _ = terminal()

    async def story():
        sequence, _ = ledger.burn_un_attempt()
        waiting = asyncio.create_task(downlink.apply(grant_frame(ledger, make_grant(2))))
        for _ in range(3000):
            await asyncio.sleep(0)
        assert not waiting.done()
        assert ledger.journal.sequence == sequence - 1
        assert redeem(ledger, 1, 1_000) == sequence
        assert await waiting == (APPLIED, True)

    asyncio.run(story())
    assert ledger.grants[1].number == 2


def grant_in_parts(ledger, number, private=AUTHORITY):
    """(grant, frames of its numbered parts): twenty exceptions with amounts of their own."""
    document = grant.decode(make_grant(number), KID, bytes(32), bytes(32))
    document.exceptions = tuple([(i, 1000 * (8192 + 61 * i % 8000)) for i in range(60) if i % 3 == 0])
    octets = grant.encode(document)
    message = grant.signed_message(KID, ledger.roster.digest, ledger.policy.digest, octets)
    cut = parts.split(frame.DOWN_GRANT, octets + sign(private, message))
    frames = [down(frame.DOWN_PART, 10 + i, parts.encode(cut[i])) for i in range(len(cut))]
    return document, frames


def test_a_grant_in_parts_comes_into_force_with_the_last_of_them():
    """PRT-03: whatever order they come in, all or nothing."""
    downlink, ledger, flash = terminal(0)
    document, frames = grant_in_parts(ledger, 2)
    assert len(frames) > 1
    for octets in frames[1:] + frames[1:]:
        assert apply(downlink, octets) == (PART, True)
        assert ledger.grants[1].number == 1
    assert apply(downlink, frames[0]) == (APPLIED, True)
    for books in (ledger, open_ledger(flash)):
        assert books.grants[1].number == 2
        assert books.grants[1].exceptions == document.exceptions
    for octets in frames[:-1]:
        assert apply(downlink, octets) == (PART, True)
    assert apply(downlink, frames[-1]) == (STALE, True)


def test_parts_of_a_grant_that_the_authority_did_not_sign_come_to_nothing():
    """PRT-03: what they are is judged when they are whole."""
    downlink, ledger, _ = terminal(0)
    _, frames = grant_in_parts(ledger, 2, private=GATEWAY)
    for octets in frames[:-1]:
        assert apply(downlink, octets) == (PART, True)
    refused(downlink, frames[-1], "AuthenticationFailed")
    assert ledger.grants[1].number == 1


def test_new_gateway_keys_are_taken_from_the_authority_alone():
    downlink, ledger, flash = terminal()
    apply(downlink, acknowledgement_frame(ledger, 4, 6, 5))
    refused(downlink, epoch_frame(signed_epoch(2, NEXT_GATEWAY, GATEWAY)), "AuthenticationFailed")
    assert apply(downlink, epoch_frame(signed_epoch(1, NEXT_GATEWAY))) == (STALE, True)
    assert apply(downlink, epoch_frame(signed_epoch(2, NEXT_GATEWAY))) == (APPLIED, True)
    # What the old keys' holder may have lost is sent again, and only the new keys acknowledge.
    assert ledger.marks.sealed_through == 5
    old = acknowledgement_frame(ledger, 9, 6)
    assert apply(downlink, old)[0] == "AuthenticationFailed"
    new = acknowledgement_frame(ledger, 0, 7, 5, epoch=2, private=NEXT_GATEWAY)
    assert apply(downlink, new) == (APPLIED, True)
    again = open_ledger(flash)
    assert (again.marks.sealed_through, again.marks.epoch) == (7, 2)


def test_gateway_keys_that_are_no_points_are_refused():
    downlink, _, _ = terminal(0)

    for keys in ((bytes(64), public(GATEWAY)), (public(GATEWAY), b"\xff" * 64)):
        body = make_epoch(2, keys[0], keys[1])
        signed = body + sign(AUTHORITY, certificates.epoch_message(body))
        refused(downlink, epoch_frame(signed), "OutOfRange")


def test_what_is_not_for_this_terminal_is_refused():
    downlink, _ledger, _ = terminal(0)
    refused(downlink, down(frame.DOWN_GRANT, 1, bytes(90), kid=KID + 1), "OutOfRange", "kid")
    refused(downlink, down(9, 1, bytes(90)), "UnknownVersion", "codec")
    refused(downlink, frame.encode_clear(9, KID, 1, bytes(90)), "UnknownVersion", "codec")
    up = frame.encode_counter(
        frame.CLASS_UP, 1, KID, 1, bytes(30), asyncio.run(cipher_of(downlink._held_epoch()))
    )
    refused(downlink, up, "UnknownVersion", "class")
    refused(downlink, b"", "Truncated", "header")
    refused(downlink, bytes(70000), "OutOfRange", "frame")


def test_noise_is_refused_whatever_it_is():
    downlink, _, _ = terminal(0)
    state = seed() % 65536 + 1
    for length in list(range(40)) + [100, 139, 140, 141, 300]:
        octets = bytearray()
        for _ in range(length):
            state = state * 75 % 65537
            octets.append(state & 0xFF)
        for front in (b"", b"\x81" + KID.to_bytes(4, "big"), b"\xc1" + KID.to_bytes(4, "big")):
            outcome, done = apply(downlink, front + bytes(octets))
            assert outcome not in (APPLIED, STALE) and done, (length, front)
