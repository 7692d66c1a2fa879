"""Power fails anywhere in a sale of a terminal with a key chip: it is never locked for that, and one record put back is found."""

from firmware import refusals
from firmware.ledger.ledger import SealFault
from firmware.refusals import Refusal
from hardware.atecc608_commands import COUNTER
from hardware.atecc608_faults import FaultPlan, NoFaults
from hardware.nor_flash import PowerCut
from tests.support.mp import raises
from tests.support.mp_chip import ChipFitting, chip_flash
from tests.support.mp_terminal import Bench, copy_of

HEAP = "24m"
TIMEOUT_S = 240
VARIANTS = ("unix64",)
AMOUNT = 10_000


class Terminal:
    """A terminal with a chip, as it stands after its first sale."""

    _made = None

    def __init__(self):
        self.chip = ChipFitting()
        if Terminal._made is None:
            bench = Bench(chip_flash(), fittings=self.chip)
            bench.sell("bank", AMOUNT)
            Terminal._made = (bench.flash, bytes(self.chip.memory.config))
        self.chip.memory.config[:] = Terminal._made[1]
        self.bench = Bench(copy_of(Terminal._made[0]), fittings=self.chip)

    def cut_in_command(self, number, lands, extra=0):
        """The power fails in the chip's n-th command from now on; it had done its work already or not."""
        part = self.chip.part
        run = part.engine.run
        left = [number]

        def cutting(opcode, mode, key, data, wrong=False):
            left[0] -= 1
            if left[0] >= 0:
                return run(opcode, mode, key, data, wrong)
            if lands:
                run(opcode, mode, key, data, wrong, extra if opcode == COUNTER and mode else 0)
            self.bench.flash.power_cut_after(0)
            raise PowerCut

        part.engine.run = cutting
        return left

    def sell_until_shown(self):
        """As people do; returns how often the power failed."""
        cuts = 0
        while True:
            bench = self.bench
            try:
                if bench.ledger.entitlements.redeemed_rupiah == 2 * AMOUNT:
                    return cuts
                bench.sell("programme", AMOUNT)
            except PowerCut:
                cuts += 1
                bench.power_cycle()

    def check(self, told):
        """Honest all the time: not locked, counted to the head, one debit."""
        ledger = self.bench.ledger
        assert not ledger.is_locked and self.bench.app.chip.last_error is None, told
        assert ledger.entitlements.redeemed_rupiah == 2 * AMOUNT, told
        self.bench.check_conservation()
        assert self.bench.app.chip.look(), told
        assert not ledger.is_locked, told


def test_a_sale_is_sealed_counted_and_verifies():
    terminal = Terminal()
    bench = terminal.bench
    receipt = bench.sell("programme", AMOUNT)
    head = bench.ledger.journal.sequence
    assert receipt.sequence == head and terminal.chip.counts == (head, head)
    slot = bench.ledger.records_from(head, 1)[0]
    assert bench.app.signer.verify_own(bench.ledger.kid, head, bench.ledger.journal.chain, slot.seal)


def test_power_that_fails_at_any_flash_operation_of_a_sale_locks_nobody():
    cuts = 0
    for operation in range(40):
        terminal = Terminal()
        terminal.bench.flash.power_cut_after(operation, torn_bytes=operation * 7 % 64)
        done = terminal.sell_until_shown()
        terminal.check(operation)
        cuts += done
        if not done:
            break
    assert cuts == operation == 2  # the burned number, and the record


def test_power_that_fails_in_any_command_of_the_chip_locks_nobody():
    for lands, extra in ((False, 0), (True, 0), (True, 11)):
        number = 0
        while True:
            terminal = Terminal()
            left = terminal.cut_in_command(number, lands, extra)
            cuts = terminal.sell_until_shown()
            terminal.check((number, lands, extra))
            if not cuts:
                assert left[0] >= 0
                break
            number += 1
        assert number == 4  # digest, signature, two counters


def test_an_image_put_back_by_one_record_is_locked_at_boot_before_any_notice():
    terminal = Terminal()
    before = copy_of(terminal.bench.flash)
    terminal.bench.sell("programme", AMOUNT)
    after = copy_of(terminal.bench.flash)

    again = Bench(before, fittings=terminal.chip)
    assert again.ledger.is_locked
    refusal = raises(Refusal, again.sell, "programme", AMOUNT)
    assert refusal.number == refusals.TERMINAL_LOCKED
    assert again.ledger.entitlements.redeemed_rupiah == AMOUNT
    head = again.ledger.journal.sequence
    again.power_cycle()
    assert again.ledger.is_locked and again.ledger.journal.sequence == head

    # Nothing was made worse by it: the image that belongs to the chip starts, and sells.
    honest = Bench(after, fittings=terminal.chip)
    assert not honest.ledger.is_locked
    honest.sell("one", AMOUNT)
    assert honest.ledger.entitlements.redeemed_rupiah == 3 * AMOUNT


def test_a_chip_that_fails_at_the_seal_refuses_the_sale_and_the_next_is_good():
    terminal = Terminal()
    bench = terminal.bench
    head = bench.ledger.journal.sequence
    terminal.chip.part.faults = FaultPlan(refuse_permille=1000)
    assert raises(Refusal, bench.sell, "programme", AMOUNT).number == refusals.SEAL_FAULT
    assert bench.ledger.journal.sequence == head and bench.app.chip.last_error is not None
    raises(SealFault, bench.app.chip.seal, head + 1, bytes(32))
    terminal.chip.part.faults = NoFaults()
    bench.sell("programme", AMOUNT)
    assert bench.app.chip.last_error is None
    assert terminal.chip.counts == (bench.ledger.journal.sequence,) * 2
    bench.check_conservation()


def test_a_chip_that_fails_after_the_commit_leaves_the_sale_and_is_counted_later():
    terminal = Terminal()
    bench = terminal.bench
    part = terminal.chip.part
    part.faults = FaultPlan(deaf_at=part.commands + 3)  # behind digest and signature
    receipt = bench.sell("programme", AMOUNT)
    assert receipt.sequence == bench.ledger.journal.sequence
    assert bench.app.chip.last_error is not None
    assert raises(Refusal, bench.sell, "one", AMOUNT).number == refusals.SEAL_FAULT
    bench.power_cycle()
    assert not bench.ledger.is_locked and terminal.chip.counts == (receipt.sequence,) * 2
