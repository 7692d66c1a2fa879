"""The card is pulled before and after every APDU of a sale, spoiled on the air, or another one comes: no debit without a
record, no record without a receipt, no PIN try lost, and the next sale works."""

from firmware import refusals
from firmware.refusals import Refusal
from hardware.emv_card import hostile
from hardware.pn532_faults import FaultPlan
from protocol import records
from tests.support.mp import seed
from tests.support.mp_terminal import Bench, family

HEAP = "16m"
TIMEOUT_S = 240
# The sweeps are of conversations, not of numbers; whole taps run on the 32-bit port in tests/unit/micropython.
VARIANTS = ("unix64",)
AMOUNT = 10_000
VERIFY = 0x20
BANK = ("bank", "bank_dda", "bank_sda", "bank_limits", "bank_pin", "bound")


def attempt(bench, name, **more):
    """(receipt, refusal), one of them None."""
    try:
        return bench.sell(name, AMOUNT, **more), None
    except Refusal as refusal:
        bench.run(bench.settling())
        return None, refusal


def check(bench, name, receipts, told):
    """What the family was told is what the books say, now and after a power cut."""
    for _ in range(2):
        sold = [sequence for sequence, record in bench.records(records.REDEMPTION)]
        assert sold == [receipt.sequence for receipt in receipts], told
        assert bench.spent(name) == len(receipts) * AMOUNT, told
        assert bench.tries(name) == 0, told
        assert not bench.board.pn532.field_on, told
        assert bench.ledger.quiet.is_set(), told
        bench.check_conservation()
        bench.power_cycle()


def apdus_of(name, lift):
    """How many APDUs an undisturbed sale has."""
    bench = Bench()
    bench.sell(name, AMOUNT, lift=lift)
    return bench.board.pn532.apdu_count


def pull_everywhere(name, lift):
    for fault in ("pull_before_apdu", "pull_after_apdu"):
        last = apdus_of(name, lift)
        assert last > 8
        for place in range(1, last + 1):
            told = (name, lift, fault, place)
            bench = Bench(faults=FaultPlan(**{fault: place}))
            receipt, refusal = attempt(bench, name, lift=lift)
            if refusal is not None:
                assert refusal.number == refusals.CARD_REMOVED, (told, refusal)
            receipts = [receipt] if receipt is not None else []
            if name in BANK:
                # Only the closing GENERATE AC, which decides nothing, comes after the commit.
                assert (receipt is not None) == (place == last), told
                assert [header for header in bench.card(name).commands if header[1] == VERIFY] == [], told
            bench.mend()
            check(bench, name, receipts, told)
            # The family tries again, and another one after it.
            again, refusal = attempt(bench, name)
            assert refusal is None, (told, refusal)
            check(bench, name, receipts + [again], told)
            assert attempt(bench, "five")[0] is not None, told


def test_pulled_at_every_apdu_with_the_card_resting():
    for name in ("programme", "bank"):
        pull_everywhere(name, False)


def test_pulled_at_every_apdu_with_the_card_laid_on_again_for_the_pin():
    for name in ("programme", "bank"):
        pull_everywhere(name, True)


def test_pulled_at_every_apdu_of_weaker_cards():
    for name in ("programme_dda", "bank_sda"):
        pull_everywhere(name, False)


def test_a_wrong_pin_on_a_card_that_is_pulled_costs_one_try_at_most():
    """One only if the card was there to be recognised; and then the programme's tries are the card's own count."""
    last = apdus_of("bank", True)
    costs = []
    for place in range(1, last + 1):
        bench = Bench(faults=FaultPlan(pull_after_apdu=place))
        _, refusal = attempt(bench, "bank", pin="000000", lift=True)
        assert refusal.number in (refusals.CARD_REMOVED, refusals.PIN_WRONG)
        assert bench.tries("bank") == (refusal.number == refusals.PIN_WRONG)
        costs.append(bench.tries("bank"))
        bench.faults = None
        bench.power_cycle()
        assert bench.tries("bank") == costs[-1]
    assert costs == sorted(costs) and costs[-1] == 1


def test_errors_on_the_air_are_repaired_or_end_the_sale_cleanly():
    for name in ("programme", "bank"):
        for place in range(1, 60, 5):
            for kind in ("crc", "timeout"):
                for length in (1, 4):
                    told = (name, place, kind, length)
                    air = {}
                    for block in range(place, place + length):
                        air[block] = kind
                    bench = Bench(faults=FaultPlan(air=air))
                    receipt, refusal = attempt(bench, name)
                    if refusal is not None:
                        assert refusal.number in (refusals.CARD_REMOVED, refusals.CARD_UNREADABLE), told
                    bench.mend()
                    check(bench, name, [receipt] if receipt is not None else [], told)


def test_noise_between_processor_and_reader_never_costs_anything():
    for number in range(30):
        told = "seed %d" % (seed() + number)
        faults = FaultPlan(seed() + number, drop_permille=4, flip_permille=4)
        bench = Bench()
        bench.board.pn532.faults = faults
        receipts = []
        for name in ("programme", "bank", "one"):
            receipt, _ = attempt(bench, name)
            if receipt is not None:
                receipts.append(receipt.sequence)
        sold = [sequence for sequence, _ in bench.records(records.REDEMPTION)]
        assert sold == receipts, told
        assert bench.tries("bank") == 0, told
        bench.check_conservation()
        bench.mend()
        assert attempt(bench, "two")[0] is not None, told
        bench.power_cycle()
        bench.check_conservation()


def test_two_cards_and_another_card_at_the_second_tap():
    for other, number in (("four", refusals.OTHER_CARD), ("one", refusals.OTHER_CARD)):
        bench = Bench()
        bench.run(bench.tapping("bank"))
        bench.board.remove_card()
        bench.run(bench.terminal.wait_for_card(80))
        bench.board.place_card(bench.card("bank"))
        bench.board.place_card(bench.card(other))
        try:
            bench.run(bench.terminal.wait_for_card(500))
            raise AssertionError("two cards taken for one")
        except Refusal as refusal:
            assert refusal.number == refusals.TWO_CARDS
        # The session still stands: with the right card alone on the reader it goes on.
        bench.board.remove_card()
        bench.board.place_card(bench.card(other))
        digits = bytearray(family("bank")["pin"].encode())
        assert bench.run(bench.terminal.wait_for_card(500))
        try:
            bench.run(bench.terminal.redeem(1, 0, AMOUNT, [], digits))
            raise AssertionError("sold on another card")
        except Refusal as refusal:
            assert refusal.number == number
        assert bench.spent("bank") == bench.spent(other) == 0 and bench.tries("bank") == 0
        receipt = bench.run(bench.redeeming("bank", AMOUNT, lift=True))
        check(bench, "bank", [receipt], other)


def test_no_card_that_lies_is_debited_or_recorded_as_if_it_had_told_the_truth():
    """Every trick at identification and at redemption; evidence may be recorded, a redemption never."""
    harmless = ("wrong_cryptogram", "replayed_signature")
    for trick in sorted(set(hostile.TRICKS) | set(hostile.ANSWERS)):
        for name in ("programme", "bank"):
            bench = Bench()
            receipt, _ = attempt(bench, name, trick=trick)
            if trick == "pdol_asks_for_255" and name == "programme":
                assert receipt is not None  # this profile has no PDOL to spoil
                continue
            assert trick not in harmless and receipt is None, (trick, name)
            assert bench.records(records.REDEMPTION) == [], (trick, name)
            bench.check_conservation()
            assert attempt(bench, "one")[0] is not None, (trick, name)


def test_a_replayed_cryptogram_is_refused():
    for name in ("programme", "bank"):
        bench = Bench()
        receipt, _ = attempt(bench, name, trick="replayed_signature")
        assert receipt is not None
        bench.wait_s(3600)
        again, refusal = attempt(bench, name, trick="replayed_signature")
        assert again is None and refusal.number == refusals.CARD_NOT_AUTHENTIC
        assert bench.spent(name) == AMOUNT
        bench.check_conservation()
