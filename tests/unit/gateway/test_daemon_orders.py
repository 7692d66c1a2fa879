"""No order and no full disk ends a gateway: what fails is answered, and what cannot be written is told."""

from __future__ import annotations

import json
from types import SimpleNamespace

from gateway import spool
from gateway.config import HEALTH_FILE
from gateway.daemon import Daemon
from gateway.errors import UnknownTerminalError
from gateway.publish import Order


def daemon(data, obey):
    """As much of a gateway as works orders."""
    return SimpleNamespace(
        _config=SimpleNamespace(data=data), _obey=obey, health=lambda is_running: {"running": is_running}
    )


def test_an_order_that_makes_the_gateway_fail_is_answered_and_gone(tmp_path):
    """Else every gateway that starts would find it in its spool, and end."""
    paths = [spool.put(tmp_path, Order.REVOKE, b"", kid, kid) for kid in (1, 2, 3)]
    faults = {1: OverflowError("secret"), 2: UnknownTerminalError(kid="00000002")}

    def obey(spooled):
        if spooled.kid in faults:
            raise faults[spooled.kid]
        return {"kid": spooled.kid}

    Daemon._work_spool(daemon(tmp_path, obey))
    told = [spool.answered(path) for path in paths]
    assert told[0] == {"error": "OverflowError: see the gateway's log", "exit_status": 1}
    assert told[1]["exit_status"] == UnknownTerminalError.exit_status
    assert told[2] == {"kid": 3}
    assert spool.waiting(tmp_path) == []


def test_an_answer_that_cannot_be_written_comes_when_it_can(tmp_path):
    path = spool.put(tmp_path, Order.REVOKE, b"", 1, 1)
    in_the_way = path.with_suffix(".part")
    in_the_way.mkdir()
    made = daemon(tmp_path, lambda spooled: {"kid": spooled.kid})
    Daemon._work_spool(made)
    assert [each.path for each in spool.waiting(tmp_path)] == [path]
    in_the_way.rmdir()
    Daemon._work_spool(made)
    assert spool.answered(path) == {"kid": 1}


def test_health_that_cannot_be_written_ends_nothing(tmp_path):
    path = tmp_path / HEALTH_FILE
    in_the_way = path.with_suffix(".part")
    in_the_way.mkdir()
    made = daemon(tmp_path, None)
    Daemon._write_health(made, is_running=True)
    assert not path.exists()
    in_the_way.rmdir()
    Daemon._write_health(made, is_running=False)
    assert json.loads(path.read_text()) == {"running": False}
