"""Sets the bench up in an application: at rest from the beginning, in service once the books are open."""

from firmware.bench.bench import Bench
from firmware.bench.places import AtRest, InService, spare_modem
from firmware.console.self_test import SelfTestCommands
from firmware.ui.lease import Lease
from firmware.updater import release_of


def commands(board, parts, running: tuple, redraw) -> SelfTestCommands:
    """For a terminal that serves nobody yet; `redraw()` is awaited to show its code again."""
    return SelfTestCommands(
        lambda: AtRest(board, parts, redraw),
        lambda: release_of(running[0], running[1]) if running else 0,
    )


def in_service(board, parts, app):
    """What makes the place beside the conversation of `app`, which has opened its books."""
    terminal = app.terminal
    lease = Lease(board.clock, lambda: terminal.busy)
    app.flow.lease = lease

    def place() -> InService:
        bench = Bench(
            board,
            parts,
            app.flow.panel,
            app.links.modem,
            lambda: spare_modem(board, parts.expander),
            app.chip is not None,
        )
        return InService(bench, lease, terminal.record_self_test, app.ledger.kid)

    return place
