"""A terminal with a contact reader, through its screens: a card pushed into the slot pays as one that is laid on does."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.sim.test_virtual_terminal import Bench, printed
from tools.setup import checkout
from tools.virtual_terminal.control import VirtualTerminal

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif("micropython64" in checkout.missing(), reason="MicroPython could not be had"),
]


class ContactBench(Bench):
    """The same bench, the contact reader fitted."""

    def switch_on(self) -> VirtualTerminal:
        """A process over the image; the firmware is not started yet."""
        return VirtualTerminal(
            self.folder / "flash.bin", self.folder / "log.txt", fittings={"contact_reader": True}
        )


def test_a_card_in_the_slot_is_redeemed_and_the_next_is_laid_on(tmp_path: Path) -> None:
    bench = ContactBench(tmp_path)
    try:
        counter = bench.opened()
        visit, card, pin = bench.visit("programme", "50*")
        assert counter.serve(replace(visit, inserts_card=True), card, pin) == "granted"
        receipt = printed(bench.terminal)
        assert "Rp 50.000" in receipt
        assert "TERCATAT" in receipt
        counter.finish()
        assert counter.serve(*bench.visit("bank", "25*")) == "granted"
        counter.finish()
        # Pulled for the PIN, put in again for the proof.
        visit, card, pin = bench.visit("bank", "30*")
        lifted = replace(visit, inserts_card=True, lifts_card=True)
        assert counter.serve(lifted, card, pin) == "granted"
        assert bench.sold() == [50_000, 25_000, 30_000]
    finally:
        bench.terminal.switch_off()
