"""The aid PIN: burned before it is looked at, locked after three, bound at first use; the card's own PIN is the card's."""

from firmware import refusals
from firmware.refusals import Refusal
from firmware.states import PIN_AID, PIN_CARD
from hardware.pn532_faults import FaultPlan, NoFaults
from protocol import aid_pin, records
from tests.support.mp_terminal import Bench, copy_of, family

HEAP = "16m"
TIMEOUT_S = 120
WRONG = "000000"


def refused(bench, name, amount_rupiah=10_000, **more):
    try:
        bench.sell(name, amount_rupiah, **more)
    except Refusal as refusal:
        return refusal.number, refusal.detail
    raise AssertionError("sold")


def events(bench, code):
    return [record for _, record in bench.records(records.EVENT) if record.code == code]


def test_a_wrong_pin_costs_a_try_and_a_right_one_clears_them():
    bench = Bench()
    assert refused(bench, "bank", pin=WRONG) == (refusals.PIN_WRONG, 2)
    assert refused(bench, "bank", pin=WRONG) == (refusals.PIN_WRONG, 1)
    assert bench.tries("bank") == 2
    bench.power_cycle()
    assert bench.tries("bank") == 2
    bench.sell("bank", 10_000)
    assert bench.tries("bank") == 0
    assert refused(bench, "bank", 11_000, pin=WRONG) == (refusals.PIN_WRONG, 2)


def test_the_third_wrong_pin_locks_the_card_is_recorded_and_stays_locked():
    bench = Bench()
    for _ in range(2):
        refused(bench, "bank", pin=WRONG)
    assert refused(bench, "bank", pin=WRONG)[0] == refusals.PIN_LOCKED
    (event,) = events(bench, records.EVENT_PIN_LOCKED)
    assert event.detail.hex() == family("bank")["card_keys"][0]
    for _ in range(2):
        assert refused(bench, "bank")[0] == refusals.PIN_LOCKED
        view = bench.run(bench.tapping("bank"))
        assert view.pin_tries_left == 0
        bench.power_cycle()
    assert len(events(bench, records.EVENT_PIN_LOCKED)) == 1
    assert bench.records(records.REDEMPTION) == []
    # Nobody else is touched.
    assert bench.sell("four", 10_000).amount_rupiah == 10_000


def test_the_try_is_in_flash_before_the_pin_is_looked_at():
    """What is looked at is the chip, as a start after a power cut at that very moment would find it."""
    bench = Bench()
    found = []
    compare = aid_pin.unbound

    def watching(*values):
        after_a_cut = Bench(copy_of(bench.flash))
        found.append(after_a_cut.tries("bank"))
        return compare(*values)

    aid_pin.unbound = watching
    try:
        bench.run(bench.tapping("bank"))
        tap = bench.terminal._tap
        bench.app.authorizer._aid_pin.check(tap, bytearray(family("bank")["pin"].encode()))
    finally:
        aid_pin.unbound = compare
    assert found == [1] and bench.tries("bank") == 0


def test_a_card_that_is_pulled_before_the_pin_is_looked_at_costs_no_try():
    """Pulled before and after every APDU up to the one that carries the Unpredictable Number."""
    bench = Bench()
    bench.run(bench.tapping("bank"))
    bench.run(bench.terminal.abandon())
    identify = len(bench.card("bank").commands)
    for lift in (False, True):
        for place in range(1, identify + 1):
            for fault in ("pull_before_apdu", "pull_after_apdu"):
                bench = Bench()
                # Laid on again, the card is read anew; resting, its very next command is GENERATE AC.
                bench.run(bench.tapping("bank"))
                at = bench.board.pn532.apdu_count + place
                bench.board.pn532.faults = FaultPlan(**{fault: at})
                try:
                    bench.run(bench.redeeming("bank", 10_000, pin=WRONG, lift=lift))
                except Refusal as refusal:
                    if refusal.number == refusals.CARD_REMOVED:
                        assert bench.tries("bank") == 0, (lift, place, fault)
                        continue
                    assert refusal.number == refusals.PIN_WRONG
                assert bench.tries("bank") == 1
                break
            else:
                continue
            break
        assert place > 1 if lift else place == 1


def test_a_missing_or_short_pin_costs_no_try():
    bench = Bench()
    for pin in ("", "1", "12345", "1234567"):
        assert refused(bench, "bank", pin=pin)[0] == refusals.PIN_MISSING
        assert bench.tries("bank") == 0


def test_first_use_binds_the_verifier_to_the_card_and_only_that_one_counts_afterwards():
    bench = Bench()
    bench.sell("bank", 10_000)
    ((sequence, enrolled),) = bench.records(records.ENROL)
    assert enrolled.card_key.hex() == family("bank")["card_keys"][0] and enrolled.application_index == 1
    assert sequence == bench.records(records.REDEMPTION)[0][0] + 1
    index = family("bank")["index"]
    unbound = bench.ledger.roster.entry(index).cards[0].verifier
    assert enrolled.verifier != unbound
    compare = aid_pin.unbound
    aid_pin.unbound = None  # the verifier of the roster must not be asked any more
    try:
        for _ in range(2):
            assert refused(bench, "bank", 11_000, pin=WRONG)[0] == refusals.PIN_WRONG
            bench.sell("bank", 11_000 + bench.lives)
            bench.power_cycle()
    finally:
        aid_pin.unbound = compare
    assert len(bench.records(records.ENROL)) == 1


def test_both_cards_of_a_family_keep_their_own_verifier_and_tries():
    bench = Bench()
    pin = family("old_and_new")["pin"]
    for round_number in range(2):
        bench.sell("old_and_new", 1_000 + round_number)
        bench.sell("old_and_new_2", 2_000 + round_number, pin=pin)
    assert len(bench.records(records.ENROL)) == 2
    assert refused(bench, "old_and_new_2", pin=WRONG) == (refusals.PIN_WRONG, 2)
    assert (bench.tries("old_and_new"), bench.tries("old_and_new", 1)) == (0, 1)
    bench.power_cycle()
    assert (bench.tries("old_and_new"), bench.tries("old_and_new", 1)) == (0, 1)


def test_a_verifier_that_the_roster_has_bound_is_used_and_not_enrolled_again():
    bench = Bench()
    assert refused(bench, "bound", pin=WRONG) == (refusals.PIN_WRONG, 2)
    bench.sell("bound", 10_000)
    assert bench.records(records.ENROL) == [] and bench.tries("bound") == 0


def test_a_verifier_that_another_application_keys_refuses_without_a_try():
    bench = Bench()
    for name in ("misbound", "no_verifier"):
        assert refused(bench, name)[0] == refusals.PIN_NOT_ASSIGNED
        assert bench.tries(name) == 0


def test_cards_without_a_certificate_are_bound_to_their_static_signature():
    bench = Bench()
    bench.sell("bank_sda", 10_000)
    assert len(bench.records(records.ENROL)) == 1
    bench.power_cycle()
    bench.sell("bank_sda", 11_000)
    assert refused(bench, "bank_sda", 12_000, pin=WRONG) == (refusals.PIN_WRONG, 2)


def test_the_programmes_card_checks_and_counts_its_own_pin():
    bench = Bench()
    view = bench.run(bench.tapping("programme"))
    assert view.pin_kind == PIN_CARD
    assert bench.run(bench.tapping("bank")).pin_kind == PIN_AID
    for left in (2, 1):
        assert refused(bench, "programme", pin=WRONG) == (refusals.PIN_WRONG, left)
        assert bench.card("programme").applications[0].pin_tries_left == left
    assert bench.tries("programme") == 0
    bench.sell("programme", 10_000)
    assert bench.card("programme").applications[0].pin_tries_left == 3
    for left in (2, 1):
        assert refused(bench, "programme", 11_000, pin=WRONG) == (refusals.PIN_WRONG, left)
    assert refused(bench, "programme", 11_000, pin=WRONG)[0] == refusals.PIN_LOCKED
    assert refused(bench, "programme", 11_000)[0] == refusals.PIN_LOCKED
    assert bench.records(records.ENROL) == []


def test_the_same_session_goes_on_after_a_wrong_pin():
    """The card stays on the reader; the family keys anew."""
    for name in ("bank", "programme"):
        bench = Bench()
        bench.run(bench.tapping(name))
        for pin, number in ((WRONG, refusals.PIN_WRONG), (WRONG, refusals.PIN_WRONG), (None, 0)):
            digits = bytearray((pin or family(name)["pin"]).encode())
            assert bench.run(bench.terminal.wait_for_card(1000))
            try:
                bench.run(bench.terminal.redeem(1, 0, 10_000, [], digits))
                assert number == 0
            except Refusal as refusal:
                assert refusal.number == number
        bench.run(bench.settling())
        assert bench.spent(name) == 10_000
        bench.check_conservation()


def test_the_pin_is_nowhere_in_flash():
    bench = Bench()
    for name in ("bank", "programme"):
        bench.sell(name, 10_000)
        pin = family(name)["pin"].encode()
        packed = bytes.fromhex(family(name)["pin"])
        for sector in bench.flash._store._sectors.values():
            assert pin not in bytes(sector)
            # Three octets may stand somewhere by chance: only with what surrounds a PIN block do they mean anything.
            assert b"\x26" + packed + b"\xff" not in bytes(sector)


def test_a_reader_without_faults_again_serves_everybody():
    bench = Bench()
    bench.board.pn532.faults = FaultPlan(pull_after_apdu=bench.board.pn532.apdu_count + 4)
    assert refused(bench, "bank")[0] == refusals.CARD_REMOVED
    bench.board.pn532.faults = NoFaults()
    assert bench.sell("bank", 10_000).amount_rupiah == 10_000


def test_no_copy_of_a_pin_is_left_in_the_reader():
    """Of the frames that VERIFY travels in: their octets, the parameters they were made of, the transport's buffer."""
    bench = Bench()
    reader = bench.app.reader.contactless
    held = []
    begin = reader.core.begin

    def keeping(command, parameters=b""):
        octets = begin(command, parameters)
        held.append((bytes(octets), octets, parameters))
        return octets

    reader.core.begin = keeping
    bench.sell("programme", 10_000)
    verify = bytes.fromhex("0020008008")
    carried = [entry for entry in held if verify in entry[0]]
    assert len(carried) == 1
    _, octets, parameters = carried[0]
    assert not any(octets) and isinstance(parameters, bytearray) and not any(parameters)
    pin = family("programme")["pin"]
    block = bytes.fromhex("26" + pin)
    assert block in carried[0][0], "this is what must not stay"
    for left in (bytes(reader._transport._buffer), turned(reader._transport._buffer)):
        assert block not in left and pin.encode() not in left


def turned(octets):
    """The same with the low bit first, as the bus has it."""
    return bytes([int("".join(reversed("%08d" % int(bin(octet)[2:]))), 2) for octet in octets])
