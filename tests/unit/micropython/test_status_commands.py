"""What a terminal tells of itself at the cable: running, stopped, never provisioned; its crashes, its log, live."""

import asyncio
from binascii import a2b_base64

from firmware import main

main.load()

from firmware import event_log, refusals, stopping, supervisor  # noqa: E402
from firmware.event_log import EventLog  # noqa: E402
from firmware.hal.flash_area import FlashError  # noqa: E402
from firmware.watch import Watch  # noqa: E402
from tests.support.mp_cable import Laptop  # noqa: E402
from tests.support.mp_shop import Shop, empty_flash  # noqa: E402
from tests.support.mp_terminal import KID  # noqa: E402

HEAP = "24m"
TIMEOUT_S = 120


def values(lines):
    """The words of an OK."""
    assert lines[-1][:3] == "OK ", lines
    found = {}
    for word in lines[-1][3:].split():
        name, value = word.split("=")
        found[name] = value
    return found


def text(lines):
    """What the DATA lines say, line by line."""
    octets = b"".join([a2b_base64(line[5:]) for line in lines if line[:5] == "DATA "])
    return octets.decode().split("\n")[:-1]


def laptop_of(shop):
    return Laptop(shop.board.technician_uart, shop.time)


def test_a_terminal_that_serves_tells_everything():
    shop = Shop()
    found = []

    async def story(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        await shop.hand_over()
        laptop = laptop_of(shop)
        found.append(values(await laptop.ask("status")))
        found.append(text(await laptop.ask("log")))

    shop.open(story)
    told, log = found
    assert told["kid"] == "%08x" % KID
    assert (told["state"], told["stopped"], told["keys"]) == ("running", "0", "software")
    assert int(told["waiting"]) == int(told["head"]) == shop.app.ledger.journal.sequence
    assert (told["sealed"], told["waiting_rupiah"], told["link"]) == ("0", "50000", "down")
    assert int(told["sectors_free"]) == shop.app.ledger.journal.free_sectors()
    assert int(told["heap_free"]) > 0
    for name in (
        "boots",
        "trust",
        "notices",
        "refusals",
        "findings",
        "checked",
        "locked",
        "verified",
        "ways",
    ):
        assert name in told, name
    assert [line.split()[2:] for line in log if "started" in line] == [["started", told["boots"]]]


def test_what_is_told_holds_no_secret():
    shop = Shop()
    found = []

    async def story(shop):
        await shop.begin()
        laptop = laptop_of(shop)
        for command in ("status", "log", "crashes"):
            found.extend(await laptop.ask(command))

    shop.open(story)
    everything = "\n".join(found + text(found))
    for name in sorted(shop.app.documents.names()):
        octets = shop.app.documents.get(name)
        if len(octets) > 8:
            assert octets.hex() not in everything, name
    assert shop.app.settings["broker_host"] not in everything or not shop.app.settings["broker_host"]


def test_a_terminal_that_was_never_provisioned_says_so():
    shop = Shop(flash=empty_flash())
    found = []

    async def story(shop):
        await shop.see_stopped(302)
        laptop = laptop_of(shop)
        for command in ("status", "crashes", "log"):
            found.append(await laptop.ask(command))

    shop.open(story)
    told = values(found[0])
    assert (told["state"], told["stopped"]) == ("unprovisioned", "302")
    assert "kid" not in told
    assert found[1] == ["OK crashes=0"]
    assert [line.split()[2:] for line in text(found[2])] == [["stopped", "302"]]


def test_crashes_stay_and_are_told_in_order():
    shop = Shop()

    async def broken(check_in):
        check_in()
        raise KeyError("whose text is nobody's business")

    async def first(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        await shop.hand_over()
        shop.app.supervisor.add("relay", 1, 60000, broken)
        await shop.until(lambda: shop.app.stopped_code, "a code")
        found.append(values(await laptop_of(shop).ask("status")))
        found.append(text(await laptop_of(shop).ask("log")))

    found = []
    shop.open(first)
    assert (found[0]["state"], found[0]["stopped"], found[0]["crash"]) == ("stopped", "101", "101")
    assert [line.split()[2:] for line in found[1]][-2:] == [["crashed", "101"], ["stopped", "101"]]

    async def second(shop):
        await shop.see("last_transaction")
        payload = supervisor.encode_crash(205, 3600, b"silent")
        shop.app.ledger.record_crash(payload)
        found.append(text(await laptop_of(shop).ask("crashes")))

    shop.open(second)
    lines = [line.split() for line in found[2]]
    assert [line[0] for line in lines] == ["101", "205"], found[2]
    assert lines[0][3] == "KeyError"
    assert "business" not in found[2][0]
    assert int(lines[0][2]) > 0, "which record came before it"
    assert lines[1][1] == "3600"


def test_live_tells_what_changes_until_somebody_types():
    shop = Shop()
    found = []

    async def story(shop):
        await shop.begin()
        laptop = laptop_of(shop)
        await laptop.type("live")
        await asyncio.sleep_ms(2500)
        await shop.cash("programme", "50*")
        await shop.hand_over()
        shop.app.terminal._count(refusals.Refusal(refusals.TWO_CARDS))
        await asyncio.sleep_ms(3000)
        shop.board.technician_uart.deliver(b"END\n")
        found.extend(await laptop.answer())

    shop.open(story)
    lines = text(found)
    assert "kid=" in lines[0]
    assert "head=" in lines[0]
    later = [line for line in lines[1:] if "head=" in line]
    assert len(later) == 1, lines
    assert "waiting=" in later[0]
    assert "kid=" not in later[0], "only what changed"
    assert [line for line in lines if "refused %d" % refusals.TWO_CARDS in line]
    assert [line for line in lines[1:] if len(line.split()) == 1], "a line each second, whatever happens"


class Ticks:
    """A clock whose ticks wrap as those of MicroPython do."""

    def __init__(self):
        self.now = (1 << 30) - 5000

    def ticks_ms(self):
        return self.now & ((1 << 30) - 1)

    def ticks_diff(self, later, earlier):
        return ((later - earlier + (1 << 29)) & ((1 << 30) - 1)) - (1 << 29)


def test_the_log_keeps_the_newest_and_its_numbers_go_on():
    clock = Ticks()
    log = EventLog(clock, 4)
    for number in range(10):
        clock.now += 1500
        log.note(event_log.REFUSED, number)
    assert [(event[0], event[3]) for event in log.since(0)] == [(6, 6), (7, 7), (8, 8), (9, 9)]
    assert [event[1] for event in log.since(0)] == [10, 12, 13, 15]
    assert [event[0] for event in log.since(8)] == [8, 9]
    assert log.since(10) == []
    log.note(event_log.REFUSED, -1)
    assert log.since(10)[0][3] == (1 << 30) - 1


def test_writing_an_event_allocates_nothing():
    import gc

    log = EventLog(Ticks(), 4)
    log.note(event_log.LINK, 1)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    log.note(event_log.LINK, 2)
    spent = gc.mem_alloc() - before
    gc.enable()
    assert spent <= 64, spent  # the question itself takes some


def test_every_event_has_a_name_and_every_name_is_one_word():
    codes = [
        getattr(event_log, name)
        for name in dir(event_log)
        if name.upper() == name and name not in ("SIZE", "NAMES") and name[0] != "_"
    ]
    assert sorted(codes) == sorted(event_log.NAMES)
    assert len(set(codes)) == len(codes)
    for code in codes:
        assert " " not in event_log.NAMES[code]


def test_the_code_of_a_blank_terminal_is_the_one_that_status_knows():
    from firmware.console import status
    from firmware.ledger.document_area import DocumentsMissing

    assert (status._NEVER_PROVISIONED, DocumentsMissing) in stopping.START_FAILURES


class Parts:
    """As much of an application as `Watch` looks at."""

    def __init__(self, **parts):
        for name in parts:
            setattr(self, name, parts[name])


def looked_at(notices):
    """A running application whose notices are `notices()`."""
    return Parts(
        stopped_code=0,
        ledger=Parts(
            journal=Parts(boots=3, retired=[]),
            marks=Parts(sealed_through=0),
            time_trust=1,
        ),
        relay=Parts(state="down", sms=None),
        links=Parts(modem=None),
        console=Parts(failures=0),
        terminal=Parts(busy=False, failed_closings=0, refusal_counts={}, notices=notices),
    )


def test_a_change_is_noted_once_and_its_end_too():
    notices = [3]
    app = looked_at(lambda: list(notices))
    log = EventLog(Ticks())
    watch = Watch(app, log)
    for _ in range(3):
        watch.look()
    app.relay.state = "up"
    app.ledger.marks.sealed_through = 17
    app.terminal.refusal_counts = {11: 2}
    notices[:] = [12]
    for _ in range(3):
        watch.look()
    app.relay.state = "down"
    app.terminal.refusal_counts = {11: 3}
    watch.look()
    assert [(event[2], event[3]) for event in log.since(0)] == [
        (event_log.STARTED, 3),
        (event_log.CLOCK, 1),
        (event_log.NOTICE, 3),
        (event_log.LINK, 2),
        (event_log.ACKNOWLEDGED, 17),
        (event_log.REFUSED, 11),
        (event_log.NOTICE, 12),
        (event_log.NOTICE_OVER, 3),
        (event_log.LINK, 0),
        (event_log.REFUSED, 11),
    ]


def test_flash_that_fails_ends_no_looking():
    def fails():
        raise FlashError("journal", 0, "worn")

    log = EventLog(Ticks())
    Watch(looked_at(fails), log).look()
    assert [event[2] for event in log.since(0)] == [event_log.STARTED, event_log.CLOCK]


def test_nobody_looks_while_a_card_is_served():
    app = looked_at(list)
    app.terminal.busy = True
    log = EventLog(Ticks())
    turns = []

    class Clock:
        async def sleep_ms(self, _duration_ms):
            turns.append(log.count)
            app.terminal.busy = len(turns) < 3
            app.stopped_code = 0 if len(turns) < 4 else 101

    asyncio.run(Watch(app, log).run(Clock()))
    assert turns == [0, 0, 0, 2]
