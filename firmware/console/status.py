"""The console's commands that tell how a terminal is; each gives what is known, of a stopped or blank one less.

status            OK with everything, as name=value; the names are a stable contract (README)
crashes           DATA: a line "code uptime_s after_record detail" for each crash in the journal, oldest first
log               DATA: a line "number uptime_s name detail" for each event since the start that is still held
live              DATA: each second a line "uptime_s name=value ..." with what changed, and events as in `log`; a line that
                  comes in ends it
"""

import asyncio
import gc

from firmware import event_log
from firmware.hal.flash_area import FlashError
from firmware.ledger import document_area, slots
from firmware.ledger.journal import JournalFull
from firmware.supervisor import decode_crash
from firmware.updater import release_of
from protocol.errors import ProtocolError

CRASHES_MAX = 8
LIVE_MS = 1000
_LOOK_MS = 50
# What changes with every second is told once.
_RUNNING_ON = ("uptime_s", "time_s", "age_s")
_NOT_READABLE = (FlashError, ProtocolError, JournalFull)
# A terminal without documents has nothing to start from (firmware/stopping, START_FAILURES).
_NEVER_PROVISIONED = 302


class StatusCommands:
    """`app`: the application, or what there is of it: parts that it has not (yet) are left out; `running`: (root, slot) or ();
    `log`: a `firmware.event_log.EventLog`.
    """

    def __init__(self, app, running: tuple, log) -> None:
        self._app = app
        self._running = running
        self._log = log
        self._release = None
        self.commands = {
            "status": self.status,
            "crashes": self.crashes,
            "log": self.log,
            "live": self.live,
        }

    async def status(self, console, _words: list) -> list:
        """Everything."""
        told = self._light(console)
        ledger = getattr(self._app, "ledger", None)
        if ledger is not None:
            told += await _waiting_rupiah(ledger, console)
        if not self._is_busy():
            gc.collect()  # never between PIN and commit
        return told + [("heap_free", gc.mem_free()), ("heap_used", gc.mem_alloc())]

    async def crashes(self, console, _words: list) -> list:
        """OK with how many lines; the newest of more than `CRASHES_MAX` are told."""
        ledger = getattr(self._app, "ledger", None)
        found = []
        if ledger is not None:
            found = await _crashes(ledger.journal, console)
            last = ledger.last_crash
            if last and not [payload for _, payload in found if payload == last]:
                found.insert(0, (0, last))  # its slot was let go; the checkpoint has it
        for sequence, payload in found:
            code, uptime_s, detail = decode_crash(payload)
            await console.send(b"%d %d %d %s\n" % (code, uptime_s, sequence, detail))
        return [("crashes", len(found))]

    async def log(self, console, _words: list) -> list:
        """OK with how many events there were since the start."""
        for event in self._log.since(0):
            await console.send(_line(event))
        return [("events", self._log.count)]

    async def live(self, console, _words: list) -> list:
        """OK with how many lines were sent."""
        before = {}
        seen = self._log.count
        count = 0
        while True:
            for event in self._log.since(seen):
                await console.send(_line(event))
            seen = self._log.count
            if not self._is_busy():
                count += 1
                await console.send(self._changes(console, before))
            for _ in range(0, LIVE_MS, _LOOK_MS):
                if console.is_spoken_to:
                    return [("lines", count)]
                console.check_in()
                await asyncio.sleep_ms(_LOOK_MS)

    def _is_busy(self) -> bool:
        """Whether a card is being served: then nobody looks, and nothing is allocated for it."""
        terminal = getattr(self._app, "terminal", None)
        return terminal is not None and terminal.busy and not self._app.stopped_code

    def _changes(self, console, before: dict) -> bytes:
        """The line with what is not as `before` has it, which is brought up to date."""
        words = ["%d" % self._log.uptime_s()]
        for name, value in self._light(console):
            if before.get(name) != value and not (name in _RUNNING_ON and name in before):
                before[name] = value
                words.append("%s=%s" % (name, value))
        return (" ".join(words) + "\n").encode()

    def _light(self, console) -> list:
        """All that is known without reading flash."""
        app = self._app
        told = self._of_start()
        told.append(("uptime_s", self._log.uptime_s()))
        ledger = getattr(app, "ledger", None)
        if ledger is not None:
            told += _of_ledger(ledger)
        for name, tell in (
            ("relay", _of_relay),
            ("links", _of_links),
            ("terminal", _of_terminal),
            ("upkeep", _of_upkeep),
            ("new_rosters", _of_new_rosters),
        ):
            part = getattr(app, name, None)
            if part is not None:
                told += tell(part)
        return told + [("events", self._log.count)] + _of_console(console)

    def _of_start(self) -> list:
        app = self._app
        told = [("stopped", app.stopped_code)]
        documents = getattr(app, "documents", None)
        kid = documents.get(document_area.KID) if documents is not None else b""
        if kid:
            told.append(("kid", "%08x" % int.from_bytes(kid, "big")))
            told.append(("keys", "chip" if documents.get(document_area.KEY_CHIP) else "software"))
        if self._running:
            root, slot = self._running
            if self._release is None:
                self._release = release_of(root, slot)
            told += [("slot", slot), ("release", self._release)]
        if app.stopped_code == _NEVER_PROVISIONED:
            told.append(("state", "unprovisioned"))
        else:
            told.append(("state", "stopped" if app.stopped_code else "running"))
        return told


def _of_ledger(ledger) -> list:
    """Journal, clock, what the gateway has, crash."""
    journal, marks = ledger.journal, ledger.marks
    told = [
        ("boots", journal.boots),
        ("time_s", ledger.now_s()),
        ("trust", ledger.time_trust),
        ("head", journal.sequence),
        ("first", journal.first_sequence),
        ("sealed", marks.sealed_through),
        ("reclaim", marks.reclaim_through),
        ("sectors_free", journal.free_sectors()),
        ("full", int(journal.is_full())),
        ("retired", len(journal.retired)),
        ("waiting", journal.sequence - marks.sealed_through),
        ("heard_s", marks.time_s),
        ("epoch", marks.epoch),
        ("counter", marks.counter),
        ("roster", ledger.roster.number),
        ("locked", int(ledger.is_locked)),
        ("findings", len(ledger.findings.all())),
        ("checked", int(ledger.findings.is_done)),
        ("unkept", ledger.unkept_marks),
        ("unrecorded", ledger.unrecorded_events),
    ]
    if ledger.last_crash:
        code, uptime_s, _ = decode_crash(ledger.last_crash)
        told += [("crash", code), ("crash_uptime_s", uptime_s)]
    return told


def _of_relay(relay) -> list:
    told = [
        ("link", relay.state),
        ("way", relay.way or "-"),
        ("sessions", relay.sessions),
        ("link_failures", relay.failures),
        ("link_error", type(relay.last_error).__name__ if relay.last_error is not None else "-"),
        ("mqtt_carried", relay.mqtt.carried_through),
    ]
    if relay.sms is not None:
        told += [
            ("sms_carried", relay.sms.carried_through),
            ("sms_sent", relay.sms.sent),
            ("sms_failures", relay.sms.failures),
            ("sms_left", relay.sms_left_today),
        ]
    return told


def _of_links(links) -> list:
    told = [("ways", ",".join(list(links.ways) + (["SMS"] if links.sms is not None else [])) or "-")]
    modem = links.modem
    if modem is not None:
        service = modem.service
        told += [
            ("modem", modem.state.replace(" ", "-")),
            ("registration", service.circuit.stat),
            ("registration_data", service.packet.stat),
            ("signal", service.signal),
            ("modem_error", type(modem.last_error).__name__ if modem.last_error is not None else "-"),
        ]
    return told


def _of_terminal(terminal) -> list:
    counts = terminal.refusal_counts
    refusals = ",".join(["%d:%d" % (number, counts[number]) for number in sorted(counts)])
    try:
        notices = ",".join(["%d" % number for number in terminal.notices()])
        age_s = terminal.link_state().age_s
    except _NOT_READABLE:
        return [("refusals", refusals or "-")]
    return [
        ("notices", notices or "-"),
        ("refusals", refusals or "-"),
        ("age_s", age_s),
        ("closings_failed", terminal.failed_closings),
    ]


def _of_upkeep(upkeep) -> list:
    return [
        ("verified", upkeep.verified_through),
        ("broken_seals", upkeep.broken_seals),
        ("flash_error", type(upkeep.last_error).__name__ if upkeep.last_error is not None else "-"),
    ]


def _of_new_rosters(rosters) -> list:
    taken, octets = rosters.progress()
    return [
        ("roster_taken", taken),
        ("roster_of", octets),
        ("roster_waits", rosters.fetch.waits or "-"),
        ("roster_failures", rosters.failures + rosters.fetch.failures),
    ]


def _of_console(console) -> list:
    error = console.last_error
    return [
        ("console_failures", console.failures),
        ("console_error", type(error).__name__ if error is not None else "-"),
    ]


async def _waiting_rupiah(ledger, console) -> list:
    """What was redeemed in records that the gateway has not; it takes reading them."""
    steps = ledger.pending_steps()
    while True:
        console.check_in()
        try:
            next(steps)
        except StopIteration as end:
            return [("waiting_rupiah", end.value)]
        except _NOT_READABLE:
            return []
        await asyncio.sleep_ms(0)


async def _crashes(journal, console) -> list:
    """(last record before it, payload) of the newest crashes in the journal, oldest first."""
    found = []
    sequence = 0
    for number in range(journal.oldest, journal.head + 1):
        console.check_in()
        await asyncio.sleep_ms(0)
        try:
            _, octets, _, is_passed = journal.sector(number)
        except FlashError:
            continue
        if is_passed:
            continue
        for at in slots.whole_slots(octets, slots.SECTOR_HEADER_OCTETS):
            if octets[at] == slots.CLASS_CHAIN:
                sequence = slots.sequence_at(octets, at)
            elif octets[at + 1] == slots.LOCAL_CRASH:
                crash = sequence, slots.payload_at(octets, at)
                if crash in found[-1:]:
                    continue  # the copy that a start makes of what it found last
                found.append(crash)
                if len(found) > CRASHES_MAX:
                    found.pop(0)
    return found


def _line(event: tuple) -> bytes:
    """An event as its line."""
    number, uptime_s, code, detail = event
    name = event_log.NAMES.get(code, "event-%d" % code)
    return ("%d %d %s %d\n" % (number, uptime_s, name, detail)).encode()
