"""What every command says of a port: none, nothing on it, something else on it, one in use, one that goes away."""

import contextlib
import errno
import json
import os
import pty
import socket
import threading

import click
import pytest
from click.testing import CliRunner

from tools.technician import consoles, updating
from tools.technician.__main__ import main
from tools.technician.commands.common import JSON, open_console, told
from tools.technician.errors import INTERRUPTED_CODE, LAPTOP_CODE, CableError, WrongDeviceError
from tools.virtual_terminal.cable import Cable

COMMANDS = (["release"], ["self-test"], ["diagnose"], ["rescue", "--to"], ["provision", "--kid", "0000a001"])


@contextlib.contextmanager
def speaker(answer, *, hangs_up_after=None):
    """A port that answers each line with `answer`, and is pulled after so many."""

    def serve():
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            for number, _line in enumerate(lines):
                connection.sendall(answer)
                if number + 1 == hangs_up_after:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(consoles, "PROBE_S", 0.1)
    monkeypatch.setattr(consoles, "LOOK_S", 0.1)


def until_pulled(console):
    for _ in range(3):
        console.fetch("help")


def lumbung(*words):
    done = CliRunner().invoke(main, [*map(str, words), "--json"])
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("port", ["nothing://here", "socket://here", "/dev/there-is-none"])
def test_a_port_that_is_none_is_a_sentence(command, port, tmp_path):
    folder = [tmp_path] if command[0] in ("rescue", "provision") else []
    code, answer = lumbung(*command, *folder, "--port", port)
    assert code == CableError.code
    assert f"{port} cannot be opened" in answer["error"]
    assert answer["advice"]


def test_every_command_tells_something_else_from_nothing(hasty):
    with speaker(b"$GPGGA,1,2\r\n") as port:
        code, answer = lumbung("diagnose", "--port", port)
    assert code == WrongDeviceError.code
    assert "is no Lumbung terminal" in answer["error"]


@pytest.mark.parametrize(
    "words",
    [
        ["nothing"],
        ["build"],
        ["release", "--por", "x"],
        ["update", "there-is-none"],
        ["provision", "x", "--kid", "zz"],
        [],
    ],
    ids=" ".join,
)
def test_a_line_that_is_not_understood_is_json_too(words):
    code, answer = lumbung(*words)
    assert code == 2
    assert answer["error"]
    assert "--help` tells what there is" in answer["advice"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["provision", "--software", "--atecc"], "--software and --atecc"),
        (["provision", "--atecc", "--software"], "--software and --atecc"),
        (["provision", "--request", "a", "--certificate", __file__], "--request and --certificate"),
        (["rescue", "--dump", __file__, "--port", "x", "--to"], "--port and --dump"),
        (["rescue", "--dump", __file__, "--by", "flash", "--to"], "--by and --dump"),
        (["diagnose", "--dump", __file__, "--live", "--keep"], "--live and --dump"),
        (
            ["replace", "--old", "00000001", "--new", "00000002", "--rescue", __file__, "--last-record", "0"],
            "--rescue and --last-record",
        ),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else words,
)
def test_of_options_that_rule_each_other_out_none_is_left_out_silently(words, names, tmp_path):
    code, answer = lumbung(*words, tmp_path)
    assert code == 2
    assert answer["error"] == f"{names} rule each other out: give one of them"
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_is_interrupted_says_so(monkeypatch):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(consoles.serial, "serial_for_url", interrupted)
    code, answer = lumbung("release", "--port", "x")
    assert code == INTERRUPTED_CODE
    assert answer == {"error": "interrupted", "advice": "run the same command again"}


def test_a_full_disk_is_a_sentence_where_the_system_names_no_file():
    @click.command()
    @JSON
    @told
    def fills():
        raise OSError(errno.ENOSPC, "No space left on device")

    done = CliRunner().invoke(fills, [])
    assert done.exit_code == LAPTOP_CODE
    assert "error: a file of this laptop cannot be used (No space left on device)" in done.stderr
    assert "what to do: make room" in done.stderr


def test_a_key_file_that_others_may_read_is_told_with_what_to_do(tmp_path):
    key = tmp_path / "key.pem"
    key.write_bytes(b"no key")
    for mode, why in ((0o644, "others may read it"), (0o600, "no private key")):
        key.chmod(mode)
        code, answer = lumbung("provision", tmp_path, "--kid", "0000a001", "--authority-key", key)
        assert code == LAPTOP_CODE
        assert why in answer["error"]
        assert "chmod 600" in answer["advice"]


def test_something_else_on_the_port_is_told_from_nothing(hasty):
    with (
        speaker(b"+CSQ: 21,99\r\n") as port,
        pytest.raises(WrongDeviceError, match="no Lumbung terminal"),
        open_console(port),
    ):
        raise AssertionError
    with speaker(b"") as port, pytest.raises(CableError, match="no terminal answers"), open_console(port):
        raise AssertionError


def test_a_file_of_the_laptop_is_not_the_cables_fault(hasty):
    with (
        speaker(b"OK commands=help\r\n") as port,
        pytest.raises(OSError, match="No space"),
        open_console(port),
    ):
        raise OSError(28, "No space left on device")


def test_a_port_that_goes_away_is_told_at_once(hasty):
    with (
        speaker(b"OK commands=help\r\n", hangs_up_after=3) as port,
        pytest.raises(CableError, match="broke off"),
        open_console(port) as console,
    ):
        until_pulled(console)


def test_a_serial_server_is_a_port_like_any_other(hasty):
    def refused(typed):
        return 'ERROR 1 "no such command, try help"\r\n' * typed.count("\n")

    with Cable(refused, lambda _dtr, _rts: None) as cable:
        assert cable.url.startswith("rfc2217://")
        code, answer = lumbung("release", "--port", cable.url)
    assert (code, answer["error"]) == (
        updating.RefusedError.code,
        "this terminal's application is in no slot that could be renewed",
    )


def test_two_commands_do_not_share_a_port(hasty):
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    try:
        with consoles.console_at(name) as nothing:
            assert nothing is None
            code, answer = lumbung("release", "--port", name)
    finally:
        os.close(ours)
        os.close(theirs)
    assert code == CableError.code
    assert "end whatever else uses the port" in answer["advice"]


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path):
    below = tmp_path / "file" / "below"
    below.parent.write_bytes(b"")
    command = click.command()(JSON(told(lambda: below.mkdir(parents=True))))
    done = CliRunner().invoke(command, ["--json"])
    assert done.exit_code == LAPTOP_CODE
    assert json.loads(done.stdout)["error"] == f"{below} cannot be used (Not a directory)"
