"""The roster changes while a terminal is in use: over a real broker, or in the answer file where there is none. Who is new is served,
who was removed draws what is left of an open lease, and every rupiah is settled once.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from protocol import roster
from tests.sim.shop import (
    NEEDS_MICROPYTHON,
    NEEDS_MOSQUITTO,
    all_paid,
    cash,
    open_for_business,
    serve,
    wait_until,
)
from tests.sim.test_carried import Cable
from tools import district
from tools.carry import Console
from tools.hands import Counter
from tools.stack import GRANT_DAYS, OPERATOR_CODE, PKH_RUPIAH, SEMBAKO_RUPIAH, Stack
from tools.virtual_terminal.control import TerminalError, VirtualTerminal

KID = 0x72
NEW, REMOVED = 841, 0
PACES = {
    "firmware.relay.kept_fetch": {
        "FIRST_LOOK_MS": 500, "RESUME_MS": 100, "LOOK_MS": 1_000, "RETRY_FIRST_MS": 1_000, "PIECE_PAUSE_MS": 40,
        "WAIT_MS": 100, "FETCH_TIMEOUT_MS": 2_000,
    },
    "firmware.over_air": {"ROSTER_STILL_MS": 500, "_LOOK_MS": 100},
    "firmware.relay.mqtt_way": {"BACKOFF_FIRST_MS": 100},
}  # fmt: skip

pytestmark = [pytest.mark.timeout(300), NEEDS_MICROPYTHON]


def without_the_last(stack: Stack) -> None:
    """The district begins with one family less than there are."""
    stack._roster = district.make_roster(stack.families[:NEW], stack._roster_key)


def later(stack: Stack, number: int, moved: int) -> bytes:
    """All families; one is removed, and so many others live in another hamlet now."""
    _, entries = roster.decode(district.make_roster(stack.families, stack._roster_key))
    entries[REMOVED].state = roster.REMOVED
    for entry in entries[1 : moved + 1]:
        entry.hamlet += 1
    return roster.encode(number, entries)


def publish(stack: Stack, octets: bytes) -> None:
    """The authority signs a roster and later grants under it, and the gateway gets both."""
    stack._roster = octets
    path = stack.folder / "roster.bin"
    path.write_bytes(stack._authority.roster(octets))
    stack.gateway_command("publish", "roster", str(path))
    number = roster.decode_header(octets[: roster.HEADER_OCTETS]).number
    period = district.period_now(stack._now_s)
    for programme, amount_rupiah in (
        (district.PROGRAMME_SEMBAKO, SEMBAKO_RUPIAH),
        (district.PROGRAMME_PKH, PKH_RUPIAH),
    ):
        expiry_s = stack._now_s + GRANT_DAYS * 86400
        document = district.make_grant(10 * number, programme, period, expiry_s, amount_rupiah)
        stack._sign_grant(KID, document)
        stack.gateway_command("publish", "grant", str(stack._grant_path(KID, programme)))


def adoptions(terminal: VirtualTerminal) -> int:
    """Documents that its chain has adopted."""
    try:
        return sum(entry["kind"] == "adoption" for entry in terminal.ask("books")["records"])
    except TerminalError:
        return 0  # it is starting


def in_force(terminal: VirtualTerminal, counter: Counter, count: int) -> None:
    """A restart later so many documents are adopted, and the operator has logged in."""
    wait_until(lambda: adoptions(terminal) == count, "the new roster in force")
    counter.log_in(OPERATOR_CODE)


@NEEDS_MOSQUITTO
def test_a_roster_changes_over_mqtt_while_the_terminal_sells(stack: Stack) -> None:
    """RNW-02, RNW-03, RNW-06."""
    without_the_last(stack)
    open_for_business(stack)
    terminal = stack.add_terminal(KID, {"paces": PACES})
    counter = Counter(terminal)
    counter.open_shop(OPERATOR_CODE, stays=True)
    serve(stack, counter, cash(REMOVED, "50*"))
    serve(stack, counter, cash(NEW, "50*"), ends="refused")
    first = adoptions(terminal)

    # Little is new: it comes with the gateway's next answer.
    publish(stack, later(stack, 2, 0))
    in_force(terminal, counter, first + 3)
    serve(stack, counter, cash(NEW, "70*"))
    serve(stack, counter, cash(REMOVED, "60*"))

    # Much is new: it waits at the broker, where the terminal finds it. Nobody is served until it has started anew.
    publish(stack, later(stack, 3, 90))
    (offered,) = json.loads(stack.gateway_command("roster", "offer", "--json"))["terminals"]
    assert (offered["families"], offered["whole"], offered["reason"]) == (90, False, "")
    assert offered["published"] == -(-offered["octets"] // 1024) > 2
    in_force(terminal, counter, first + 6)
    serve(stack, counter, cash(2, "50*"))
    wait_until(lambda: all_paid(terminal, 4), "all sales paid")
    assert stack.settlement_get("/v1/totals")["settled_rupiah"] == 230_000
    (offered,) = json.loads(stack.gateway_command("roster", "offer", "--json"))["terminals"]
    assert offered["reason"] == "its grants are under the roster that it has"
    assert offered["published"] > 2, "what nobody needs any more is taken away"


def test_a_roster_changes_by_the_answer_file_where_there_is_no_network(stack: Stack, tmp_path: Path) -> None:
    """RNW-02, RNW-06."""
    without_the_last(stack)
    stack.issue_documents()
    terminal = stack.add_terminal(KID, {"paces": PACES})
    counter = Counter(terminal)
    counter.open_shop(OPERATOR_CODE, stays=True)
    serve(stack, counter, cash(REMOVED, "50*"))
    first = adoptions(terminal)
    console = Console(Cable(terminal))
    octets, _ = console.fetch("carry-out")
    carried, answer = tmp_path / "carried.lmb", tmp_path / "answer.lmb"
    carried.write_bytes(octets)
    stack.gateway_command("import", str(carried))

    publish(stack, later(stack, 2, 90))
    stack.gateway_command("export", f"{KID:08x}", "--to", str(answer))
    values = console.deliver("carry-in", answer.read_bytes())
    assert (values["refused"], values["later"], values["damaged"]) == ("0", "0", "0")
    in_force(terminal, counter, first + 3)
    serve(stack, counter, cash(NEW, "70*"))
    serve(stack, counter, cash(REMOVED, "60*"))
    assert terminal.ask("books")["redeemed_rupiah"] == 180_000
    # Carried once more it is taken for what it is: in force already.
    values = Console(Cable(terminal)).deliver("carry-in", answer.read_bytes())
    assert values["refused"] == "0"
