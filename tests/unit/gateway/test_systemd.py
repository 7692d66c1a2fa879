"""What systemd is told."""

import socket

import pytest

from gateway.systemd import Notifier


@pytest.mark.parametrize("is_abstract", [True, False])
def test_states_arrive_as_datagrams(tmp_path, is_abstract):
    name = str(tmp_path / "n") if not is_abstract else f"@lumbung-test-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if is_abstract else name)
        manager.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000000"})
        notifier.send("READY=1")
        assert manager.recv(100) == b"READY=1"
        assert notifier.watchdog_s == 20.0


def test_without_systemd_it_is_silent(tmp_path):
    Notifier({}).send("READY=1")
    assert Notifier({}).watchdog_s == 0.0
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).send("READY=1")
