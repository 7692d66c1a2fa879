"""Plays a script of keys against the conversation: JSON in, what happened as JSON out."""

import json

from firmware.refusals import Refusal
from tests.property.drivers.ui_fakes import Counter, card_view, receipt, violations

AFTER_SALE = ("void", "goods_received", "give_back", "close_period")
# Longer than any chain of waits that nobody answers, and shorter than the logout.
ALONE = "-" * 700


def answers(prepared: list) -> list:
    """`[number, detail]` as refusals, anything else as it is."""
    return [Refusal(*answer) if isinstance(answer, list) else answer for answer in prepared]


def handle(request: bytes) -> bytes:
    """Play `script` with nobody there afterwards."""
    wanted = json.loads(request)
    recent = receipt(126, wanted["recent_rupiah"]) if wanted["recent_rupiah"] else None
    view = card_view(
        wanted["remaining_rupiah"], wanted["pin_kind"], wanted["tries_left"], recent, wanted["asks_reason"]
    )
    identified = answers(wanted["before_view"]) + [view]
    counter = Counter(
        wanted["script"] + ALONE,
        failures=wanted["printer_failures"],
        views=identified,
        outcomes=answers(wanted["outcomes"]),
        card_waits=wanted["card_waits"],
        stored=[receipt(n, state=n % 5) for n in range(wanted["stored"], 0, -1)],
    )
    counter.terminal.goods_tap = wanted["goods_tap"]
    if wanted["hasty"]:
        counter.be_hasty(wanted["hasty"])
    counter.play()
    return json.dumps(
        {
            "shown": counter.shown(),
            "wrong": violations(counter, wanted["pin_kind"]),
            "amounts": [call[2] for call in counter.redeemed()],
            "item_sums": [[item[1] * item[2] for item in call[3]] for call in counter.redeemed()],
            "committed": len(counter.terminal.stored) - wanted["stored"],
            "granted": counter.signals().count("granted"),
            "after_sale": sum([len(counter.asked(name)) for name in AFTER_SALE]),
            "done": [list(one) for one in counter.terminal.done],
        }
    ).encode()
