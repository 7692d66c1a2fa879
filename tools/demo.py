"""The demonstration: five families served while the broker is down, then all of it settled; see README.md.

Real are the firmware (on MicroPython), the broker, the gateway, its database and HTTP; modelled are the terminal's
chips, the families' cards and the bank.
"""

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from protocol.records import TENDER_CASH, TENDER_GOODS
from tools import district, screen
from tools.hands import Counter, Visit
from tools.stack import OPERATOR_CODE, Stack
from tools.virtual_terminal.control import VirtualTerminal

KID = 0x2A
FOLDER = Path("build/demo")
LINK_TIMEOUT_S = 60.0
RECORDED = "TERCATAT"
SENT = "TERKIRIM"
PAID = "DIBAYAR"

# What five families do: goods and cash, both programmes, both kinds of card, a wrong PIN, a card lifted for the PIN.
VISITS = (
    (
        "goods with the programme's own card, whose PIN the card checks",
        Visit(0, "1", TENDER_GOODS, goods=((0, "10"), (1, "1"), (3, "2"))),
    ),
    ("two months in arrears, all of it in cash", Visit(7, "1", TENDER_CASH)),
    (
        "PKH in cash with a bank's card and the aid PIN, the card lifted while the PIN is keyed",
        Visit(2, "2", TENDER_CASH, lifts_card=True),
    ),
    (
        "goods with a bank's card, a wrong PIN first",
        Visit(5, "1", TENDER_GOODS, goods=((0, "8"), (7, "1")), wrong_pins=("000000",)),
    ),
    ("part of the entitlement in cash", Visit(120, "1", TENDER_CASH, cash_keys="50*")),
)


class Demo:
    """One run of the demonstration in a fresh folder."""

    def __init__(self, folder: Path) -> None:
        self.console = Console(highlight=False)
        self.stack = Stack(folder)
        self.started = time.monotonic()
        self.receipts: list[str] = []
        self.states_seen: list[str] = []

    def say(self, text: str) -> None:
        """One step of the story, with the seconds since the start."""
        self.console.print(f"[bold]{time.monotonic() - self.started:6.1f} s[/bold]  {text}", soft_wrap=True)

    def run(self) -> bool:
        """The whole story; whether all sums agree."""
        terminal = self.prepare()
        counter = Counter(terminal)
        self.serve(counter)
        self.relay(terminal)
        return self.close(terminal)

    def prepare(self) -> VirtualTerminal:
        """District, documents, gateway, one terminal; then gateway and broker go down."""
        stack = self.stack
        stack.issue_documents()
        # The gateway's session lives at the broker from its first connection on, so that nothing is missed later.
        stack.broker.start()
        stack.start_gateway()
        stack.wait_for_gateway()
        stack.stop_service("gateway")
        stack.broker.stop()
        terminal = stack.add_terminal(KID)
        self.say(
            f"District with a roster of {len(stack.families)} families; authority and gateway have their keys."
        )
        self.say(
            f"Terminal {KID:08X} made its own keys and was certified. Broker ({stack.broker.name}) and gateway are DOWN."
        )
        return terminal

    def serve(self, counter: Counter) -> None:
        """Five families, no network."""
        counter.open_shop(OPERATOR_CODE)
        for story, visit in VISITS:
            family = self.stack.families[visit.family]
            result = counter.serve(visit, self.stack.card_of(visit.family), family.pin)
            rows = counter.terminal.ask("screen")["rows"]
            screen.save(rows, self.stack.folder / "screens" / f"family-{visit.family + 1}.png")
            self.say(f"Family {visit.family + 1}: {story}: {'granted' if result == 'granted' else 'REFUSED'}")
            self.collect_receipts(counter.terminal)
            counter.finish()
        self.show_screen(counter.terminal, "The terminal is idle, its records wait:")

    def collect_receipts(self, terminal: VirtualTerminal) -> None:
        """Wait for the paper of the visit and keep it."""
        before = len(self.receipts)

        def printed() -> bool:
            self.receipts.extend(terminal.ask("receipts")["receipts"])
            return len(self.receipts) > before

        terminal.wait_for(printed, "a printed receipt", 30)

    def show_screen(self, terminal: VirtualTerminal, text: str) -> None:
        """The display as it stands."""
        self.say(text)
        rows = terminal.ask("screen")["rows"]
        self.console.print("        ╭" + "─" * 64 + "╮")
        for line in screen.as_text(rows):
            self.console.print(f"        │{line}│")
        self.console.print("        ╰" + "─" * 64 + "╯")

    def relay(self, terminal: VirtualTerminal) -> None:
        """Broker up, gateway up; the newest record's own screen goes from TERCATAT over TERKIRIM to DIBAYAR."""
        self.stack.broker.start()
        self.say(f"The broker is UP on port {self.stack.broker.port}; the operator presses M, send now.")
        self.press_send_now(terminal)
        self.open_last_record(terminal)
        self.show_screen(terminal, "The newest record on the terminal's own screen; there is no gateway yet:")
        self.stack.start_gateway()
        self.say(
            "The gateway starts, verifies and stores; acknowledgements go down. The bank is still closed."
        )
        seen = [RECORDED]
        shown = terminal.ask("screen")["rows"]
        deadline = time.monotonic() + LINK_TIMEOUT_S
        while seen[-1] != PAID:
            rows = terminal.ask("screen")["rows"]
            if rows != shown:
                shown = rows
                seen.append(self.last_state(terminal))
                self.show_screen(terminal, f"The same screen, by itself: {seen[-1]}")
                if seen[-1] == SENT:
                    # Only now, so that what was sent is seen as sent however slow the computer is.
                    self.stack.start_settlement()
                    self.say("The bank opens and settles.")
            if time.monotonic() > deadline:
                self.say(f"Not paid within {LINK_TIMEOUT_S:.0f} s; states seen: {', '.join(seen)}")
                return
            time.sleep(0.05)
        self.say(f"States of the newest record on the terminal: {' → '.join(seen)}")
        self.states_seen = seen

    def press_send_now(self, terminal: VirtualTerminal) -> None:
        """Menu, "not sent yet", M."""
        terminal.press("M")
        terminal.wait_for_screen("choose")
        terminal.press("6")
        terminal.wait_for_screen("pending")
        self.show_screen(terminal, "What waits, on the terminal's own screen:")
        terminal.press("M")
        terminal.press("X")
        terminal.wait_for_screen("choose")
        terminal.press("X")
        terminal.wait_for_screen("idle")

    def open_last_record(self, terminal: VirtualTerminal) -> None:
        """The operator opens the list of records and the newest one in it."""
        terminal.press("M")
        terminal.wait_for_screen("choose")
        terminal.press("3")
        terminal.wait_for_screen("record_list")
        terminal.press("E")
        terminal.wait_for_screen("record")

    def last_state(self, terminal: VirtualTerminal) -> str:
        """The newest redemption's state as the terminal tells it."""
        redemptions = [entry for entry in terminal.ask("books")["records"] if entry["kind"] == "redemption"]
        return str(redemptions[-1]["state"])

    def close(self, terminal: VirtualTerminal) -> bool:
        """Receipts, the table of records, and the sums from all three sides."""
        self.print_receipts()
        books = terminal.ask("books")
        totals = self.stack.settlement_get("/v1/totals")
        status = self.stack.gateway_status()
        self.print_records(books)
        return self.print_sums(books, totals, status)

    def print_receipts(self) -> None:
        """All receipts, side by side where the window has room."""
        columns = max(1, self.console.width // 36)
        for place in range(0, len(self.receipts), columns):
            group = [receipt.split("\n") for receipt in self.receipts[place : place + columns]]
            for row in range(max(len(lines) for lines in group)):
                cells = [(lines[row] if row < len(lines) else "").ljust(34) for lines in group]
                self.console.print("  ".join(cells).rstrip(), markup=False)

    def print_records(self, books: dict[str, Any]) -> None:
        """Every record of the chain with its state."""
        table = Table(title=f"Records of terminal {KID:08X}")
        for heading in ("no.", "kind", "family", "tender", "amount", "card's cryptogram", "state"):
            table.add_column(heading, justify="right" if heading in ("no.", "family", "amount") else "left")
        for entry in books["records"]:
            if entry["kind"] == "redemption":
                tender = "cash" if entry["tender"] == TENDER_CASH else "goods"
                amount = rupiah(entry["amount_rupiah"])
                cells = (str(entry["family"]), tender, amount, entry["ac"])
            else:
                cells = ("", "", "", "")
            table.add_row(str(entry["sequence"]), entry["kind"], *cells, entry["state"])
        self.console.print(table)

    def print_sums(self, books: dict[str, Any], totals: dict[str, Any], status: dict[str, Any]) -> bool:
        """The closing line; True when terminal, gateway and bank agree and money is conserved."""
        redeemed = books["redeemed_rupiah"] - books["voided_rupiah"]
        paid = sum(
            entry["amount_rupiah"]
            for entry in books["records"]
            if entry["kind"] == "redemption" and entry["state"] == PAID
        )
        granted = books["granted_rupiah"]
        settled = totals["settled_rupiah"]
        pending = redeemed - settled - totals["refused_rupiah"] - totals["disputed_rupiah"]
        agree = (
            granted == totals["granted_rupiah"] == self.stack.granted_rupiah
            and granted >= redeemed
            and settled == paid == status["totals"]["settled_rupiah"]
            and pending == 0
            and self.states_seen == [RECORDED, SENT, PAID]
            and len([entry for entry in books["records"] if entry["kind"] == "redemption"]) == len(VISITS)
        )
        verdict = "they add up" if agree else "THEY DO NOT ADD UP"
        parts = (
            f"granted {rupiah(granted)} ≥ redeemed {rupiah(redeemed)} = settled {rupiah(settled)}",
            f" + refused {rupiah(totals['refused_rupiah'])} + disputed {rupiah(totals['disputed_rupiah'])}",
            f" + pending {rupiah(pending)}: {verdict} (terminal, gateway and bank)",
        )
        self.console.print("".join(parts), soft_wrap=True)
        return agree


def rupiah(amount: int) -> str:
    """An amount as people write it."""
    return "Rp " + f"{amount:,}".replace(",", ".")


@click.command()
@click.option("--keep-running", is_flag=True, help="Leave everything running afterwards, until Ctrl-C.")
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True)
def main(keep_running: bool, folder: Path) -> None:
    """Run the demonstration; exit 0 only if granted, redeemed, settled and pending rupiah add up."""
    shutil.rmtree(folder, ignore_errors=True)
    demo = Demo(folder.resolve())
    agree = False
    try:
        agree = demo.run()
        if keep_running:
            print_addresses(demo.stack, demo.console)
            while True:
                time.sleep(1)
    except KeyboardInterrupt:
        demo.say("Interrupted.")
    finally:
        demo.stack.stop()
    sys.exit(0 if agree else 1)


def print_addresses(stack: Stack, console: Console) -> None:
    """Where everything listens, and what can be asked."""
    folder = stack.folder
    console.print(
        f"Broker {stack.broker.host}:{stack.broker.port}, settlement http://127.0.0.1:{stack.settlement_port}"
    )
    console.print(f"Try: .venv/bin/python -m gateway --config {folder / 'gateway.toml'} status")
    console.print(f"Logs and screens are in {folder}. Ctrl-C ends everything. Families: {district.FAMILIES}.")


if __name__ == "__main__":
    main()
