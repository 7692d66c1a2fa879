"""A terminal that its gateway has withdrawn: told under the certified key it locks for good and says why; nobody else can."""

import asyncio

from firmware import main

main.load()

from firmware import refusals, states  # noqa: E402
from firmware.ledger.ledger import TerminalLocked  # noqa: E402
from firmware.refusals import Refusal  # noqa: E402
from firmware.relay.downlink import Downlink  # noqa: E402
from protocol import frame, notice  # noqa: E402
from tests.support import mp_gateway  # noqa: E402
from tests.support.mp import raises  # noqa: E402
from tests.support.mp_books import KID, make_ledger, note_event, open_ledger, redeem  # noqa: E402
from tests.support.mp_gateway import GATEWAY, NEXT_GATEWAY, sign  # noqa: E402
from tests.support.mp_terminal import Bench  # noqa: E402

NUMBERS = {notice.REPLACED: states.NOTICE_REPLACED, notice.REVOKED: states.NOTICE_REVOKED}


def body_of(why=notice.REPLACED, epoch=1):
    """What is signed of a standing."""
    made = notice.Standing()
    made.epoch, made.why = epoch, why
    return notice.encode_standing(made)


def unit_of(counter, body, kid=KID, private=GATEWAY):
    """Body and signature, as the gateway makes them for a frame of that counter."""
    return body + sign(private, notice.standing_message(kid, counter, body))


class Heard:
    """A terminal's books with real gateway keys, and what hears for it."""

    def __init__(self):
        self.ledger, self.flash, _ = make_ledger()
        mp_gateway.certify(self.ledger)
        self.downlink = Downlink(self.ledger, mp_gateway.cipher_of)

    def hear(self, counter, unit, kind=frame.DOWN_STANDING):
        """The outcome of one frame."""
        octets = mp_gateway.down(kind, counter, unit)
        outcome, is_done = asyncio.run(self.downlink.apply(octets))
        assert is_done
        assert self.downlink.counts[outcome] > 0
        return outcome


def test_it_locks_for_good_and_keeps_why():
    """STD-01, STD-02."""
    for why in (notice.REPLACED, notice.REVOKED):
        heard = Heard()
        redeem(heard.ledger, 1, 1_000)
        head = heard.ledger.journal.sequence
        assert heard.ledger.withdrawn == 0
        assert heard.hear(9, unit_of(9, body_of(why))) == "applied"
        for ledger in (heard.ledger, open_ledger(heard.flash)):
            assert (ledger.is_locked, ledger.withdrawn) == (True, why)
            raises(TerminalLocked, note_event, ledger)
            assert ledger.journal.sequence == head
            assert ledger.next_counter() > 0, "it still sends"


def test_a_fork_locks_like_a_rollback():
    """STD-02: here too its chain is what is wrong, whoever made the other branch."""
    heard = Heard()
    assert heard.hear(9, unit_of(9, body_of(notice.FORKED))) == "applied"
    for ledger in (heard.ledger, open_ledger(heard.flash)):
        assert (ledger.is_locked, ledger.withdrawn) == (True, 0)


def test_again_older_or_with_another_reason_it_changes_nothing():
    """STD-02: whatever is played back to it, it is locked, as it was."""
    heard = Heard()
    assert heard.hear(9, unit_of(9, body_of())) == "applied"
    for counter, why in ((9, notice.REPLACED), (3, notice.REPLACED), (10, notice.REVOKED)):
        assert heard.hear(counter, unit_of(counter, body_of(why))) == "stale"
    assert heard.downlink.counts["stale"] == 3
    assert heard.ledger.withdrawn == notice.REPLACED
    acknowledged = mp_gateway.acknowledgement_frame(heard.ledger, 11, heard.ledger.journal.sequence)
    assert asyncio.run(heard.downlink.apply(acknowledged)) == ("applied", True), "it is acknowledged as ever"


def test_what_is_forged_foreign_or_of_another_frame_does_nothing():
    """STD-02, and each is counted."""
    heard = Heard()
    body = body_of()
    good = unit_of(9, body)
    for counter, unit, outcome in (
        (9, unit_of(9, body, private=NEXT_GATEWAY), "AuthenticationFailed"),
        (9, unit_of(9, body, kid=KID + 1), "AuthenticationFailed"),
        (10, good, "AuthenticationFailed"),
        (9, good[:-1] + bytes((good[-1] ^ 1,)), "AuthenticationFailed"),
        (9, body_of(notice.REVOKED) + good[len(body) :], "AuthenticationFailed"),
        (9, unit_of(9, body_of(epoch=2)), "OutOfRange"),
        (9, unit_of(9, b"\x00\x01\x04"), "OutOfRange"),
        (9, unit_of(9, body + b"\x00"), "TrailingData"),
        (9, good[:40], "Truncated"),
    ):
        before = heard.downlink.counts.get(outcome, 0)
        assert heard.hear(counter, unit) == outcome, (counter, outcome)
        assert heard.downlink.counts[outcome] == before + 1
    octets = frame.encode_counter(
        frame.CLASS_DOWN, frame.DOWN_STANDING, KID + 1, 9, unit_of(9, body, KID + 1), mp_gateway.cipher()
    )
    assert asyncio.run(heard.downlink.apply(octets))[0] == "OutOfRange"
    assert not heard.ledger.is_locked
    redeem(heard.ledger, 1, 1_000)


def test_its_frame_is_one_sms():
    """STD-01."""
    octets = mp_gateway.down(frame.DOWN_STANDING, 9, unit_of(9, body_of()))
    assert len(octets) <= 140


def test_the_screens_say_why_and_no_sale_begins():
    """STD-02, NOT-04: it shows what it has, and sells no more, also after a power cut."""
    for why in (notice.REPLACED, notice.REVOKED):
        bench = Bench()
        bench.sell("one", 10_000)
        bench.ledger.lock(body_of(why))
        for _ in range(2):
            told = bench.terminal.notices()
            assert NUMBERS[why] in told and states.NOTICE_LOCKED not in told
            try:
                bench.sell("two", 5_000)
            except Refusal as refusal:
                assert (refusal.number, refusal.detail) == (refusals.TERMINAL_WITHDRAWN, why)
            else:
                raise AssertionError("was sold")
            assert bench.terminal.last_receipt().amount_rupiah == 10_000
            bench.power_cycle()
