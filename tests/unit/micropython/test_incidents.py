"""What happens beside the sales, in a terminal that runs for weeks: milliseconds go round every 12.4 days."""

from firmware import main

main.load()

from firmware.incidents import EVIDENCE_MAX, EVIDENCE_WINDOW_MS, Incidents  # noqa: E402
from firmware.stopping import STOPPED_AGAIN_MS, STOPPED_MS, Stopping  # noqa: E402
from firmware.supervisor import encode_crash  # noqa: E402
from protocol import records  # noqa: E402
from tests.support.mp_books import flash_of, make_chip, open_ledger, provision  # noqa: E402
from tests.support.mp_time import ModelTime  # noqa: E402

DAY_MS = 86_400_000


def opened():
    flash = flash_of(make_chip())
    provision(flash, 4)
    return open_ledger(flash)


def test_what_anybody_can_bring_about_is_kept_so_often_an_hour_and_again_later():
    for later_ms in [EVIDENCE_WINDOW_MS + 1] + [days * DAY_MS for days in (1, 5, 7, 10, 12, 20)]:
        time = ModelTime()
        incidents = Incidents(opened(), time)
        kept = [incidents._commit_evidence(records.EVENT_TAMPER, b"") for _ in range(EVIDENCE_MAX + 1)]
        assert all(kept[:-1])
        assert kept[-1] == 0
        time._start_ms += later_ms
        assert incidents._commit_evidence(records.EVENT_TAMPER, b""), later_ms


class Board:
    def __init__(self):
        self.clock = ModelTime(start_ms=1000)


class Released:
    releases = None


def pause_of(uptime_ms, before_s):
    """For how long the code of a crash is shown."""
    ledger = opened()
    ledger.record_crash(encode_crash(101, before_s, b""))
    board = Board()
    stopping = Stopping(board, None, Released(), None, None, None)
    stopping.begin(ledger, None, None)
    board.clock._start_ms += uptime_ms
    return stopping._pause_ms()


def test_a_code_is_shown_long_only_where_it_comes_back_at_once():
    assert pause_of(60_000, 60) == STOPPED_AGAIN_MS
    assert pause_of(60_000, 4000) == STOPPED_MS
    for days in (1, 5, 7, 10, 12):
        assert pause_of(days * DAY_MS, 60) == STOPPED_MS, days
