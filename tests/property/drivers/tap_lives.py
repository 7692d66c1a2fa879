"""Driver: one terminal's life of sales, what follows them, pulled cards, power cuts and waits on MicroPython; JSON in and out.

The request is a list of operations, the answer what each of them led to, as it can be seen from outside.
"""

import json

from firmware import main

main.load()

from firmware.refusals import Refusal  # noqa: E402
from hardware.nor_faults import FaultPlan, cut  # noqa: E402
from hardware.nor_flash import PowerCut  # noqa: E402
from hardware.pn532_faults import FaultPlan as CardFaults  # noqa: E402
from protocol import records  # noqa: E402
from tests.support.mp_terminal import Bench, copy_of, family, provisioned_flash  # noqa: E402

_made = {}


def fresh():
    """A terminal that was switched on once."""
    if "flash" not in _made:
        _made["flash"] = Bench(provisioned_flash()).flash
    return Bench(copy_of(_made["flash"]))


def attempt(bench, operation, outcome, work):
    """Do `work()` with the power cut that the operation asks for; what it returns is a receipt. The outcome gets the
    receipt's sequence, a refusal's number or a power cut; None where there is no receipt.
    """
    at = operation["cut_at"]
    if at >= 0:
        bench.flash.arm(FaultPlan(at, [cut(at, operation["torn"], operation["tear"])]))
    receipt = None
    try:
        receipt = work()
        outcome["receipt"] = receipt.sequence
    except Refusal as refusal:
        bench.run(bench.settling())
        outcome["refused"] = [refusal.number, refusal.detail]
    except PowerCut:
        outcome["cut"] = True
        while True:
            try:
                bench.power_cycle()
                break
            except PowerCut:
                pass
    bench.flash.arm(None)
    bench.mend()
    return receipt


def sell(bench, operation):
    """One sale, with what goes wrong in it."""
    name = operation["family"]
    pin = family(name)["pin"] if operation["pin_is_right"] else "000000"
    if operation["pull_at"]:
        at = bench.board.pn532.apdu_count + operation["pull_at"]
        bench.board.pn532.faults = CardFaults(**{operation["pull"]: at})

    def work():
        return bench.sell(
            name, operation["amount"], pin=pin, programme=operation["programme"], lift=operation["lift"]
        )

    outcome = {}
    receipt = attempt(bench, operation, outcome, work)
    if receipt is not None:
        outcome["remaining"] = receipt.remaining_rupiah
    return outcome


def after_sale(bench, operation):
    """Void, goods received or return."""
    name = operation["family"]
    held = bench.terminal.receipts(operation["back"], 1, (records.REDEMPTION,))
    sequence = held[0].sequence if held else 0

    def work():
        if operation["do"] == "void":
            return bench.void(name, sequence)
        if operation["do"] == "receive":
            return bench.receive(name, sequence, operation["with_card"])
        return bench.give_back(name, operation["programme"])

    outcome = {"of": sequence}
    attempt(bench, operation, outcome, work)
    return outcome


def do(bench, operation):
    """One operation; afterwards the books must agree with themselves."""
    outcome = {}
    if operation["do"] == "sell":
        outcome = sell(bench, operation)
    elif operation["do"] == "wait":
        bench.run(bench.settling())
        bench.wait_s(operation["seconds"])
    elif operation["do"] == "power":
        bench.power_cycle()
    else:
        outcome = after_sale(bench, operation)
    bench.check_conservation()
    name = operation.get("family", "bank")
    outcome["spent"] = [bench.spent(name, 1), bench.spent(name, 2)]
    outcome["tries"] = bench.tries(name)
    outcome["after"] = [
        [sequence, record.kind, getattr(record, "reference_sequence", 0), record.card_key.hex()]
        for sequence, record in bench.records()
        if record.kind in (records.VOID, records.GOODS_RECEIVED, records.RETURN)
    ]
    outcome["sales"] = [
        [sequence, record.card_key.hex(), record.programme, record.amount_rupiah]
        for sequence, record in bench.records(records.REDEMPTION)
    ]
    outcome["now_s"] = bench.ledger.now_s()
    return outcome


def handle(request):
    """Live through all operations."""
    bench = fresh()
    return json.dumps([do(bench, operation) for operation in json.loads(request)]).encode()
