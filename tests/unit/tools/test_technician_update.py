"""An update over the console: the laptop's client against the terminal's real console, on MicroPython, over pipes."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess

import pytest
from click.testing import CliRunner

from protocol import release
from tools.authority.signing import SigningKey
from tools.carry import Console, ConsoleError
from tools.setup import checkout
from tools.technician import build, updating
from tools.technician.__main__ import main
from tools.technician.errors import BundleError, CableError

DRIVER = checkout.ROOT / "tests/unit/tools/drivers/release_console.py"
FILES = {"firmware/main.mpy": b"M" * 3000, "firmware/app.mpy": bytes(range(256)) * 30, "protocol/x.mpy": b"x"}


class Pipes:
    """A terminal's cable: what is written goes to its console, what it says is read."""

    def __init__(self, process):
        self._process = process
        self.lines_left = -1

    def write(self, octets):
        """Octets to the terminal."""
        self._process.stdin.write(octets)
        self._process.stdin.flush()
        return len(octets)

    def readline(self):
        """Nothing more comes once the cable is pulled."""
        if self.lines_left == 0:
            return b""
        self.lines_left -= 1
        return self._process.stdout.readline()


@pytest.fixture
def cable():
    environment = {"MICROPYPATH": f"{checkout.ROOT}:.frozen"}
    command = [str(checkout.BIN / "micropython64"), "-X", "heapsize=16m", str(DRIVER)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=checkout.ROOT, env=environment
    ) as process:
        yield Pipes(process)
        process.kill()


@pytest.fixture(scope="module")
def bundle():
    return b"".join(build.sign_bundle(FILES, 5, 2, SigningKey.generate()))


class Says:
    """A console that answers `release` so."""

    def __init__(self, **told):
        self._told = {"slot": "a", "release": "4", "other": "5", "trial": "-1"} | told

    def fetch(self, command):
        """Its answer."""
        assert command == "release"
        return b"", self._told


def chosen(cable):
    return Console(cable).fetch("chosen")[1]


def test_a_release_is_sent_and_tried(cable, bundle):
    heard = []
    opened = updating.opened(bundle)
    assert updating.running(Console(cable)) == updating.Running("a", 0, 0, -1)
    assert updating.update(Console(cable), opened, lambda *told: heard.append(told)) == 5
    assert heard[-1] == ("sending", sum(map(len, FILES.values())), sum(map(len, FILES.values())))
    assert chosen(cable) == {"slot": "b", "release": "5", "restarts": "1"}


def test_after_a_pulled_cable_the_same_command_goes_on(cable, bundle):
    cable.lines_left = 90
    opened = updating.opened(bundle)
    with pytest.raises(CableError, match="does not answer"):
        updating.update(Console(cable), opened)
    cable.lines_left = -1
    heard = []
    Console(cable).settle()  # as opening the port does
    assert updating.update(Console(cable), opened, lambda *told: heard.append(told)) == 5
    assert heard[0][1] > updating.PIECE_OCTETS, "not from the beginning"
    assert chosen(cable)["slot"] == "b"


def test_what_the_terminal_refuses_is_said_in_its_words(cable):
    older = b"".join(build.sign_bundle(FILES, 4, 0, SigningKey.generate()))
    with pytest.raises(updating.RefusedError, match="not newer than 4"):
        updating.update(Console(cable), updating.opened(older))
    assert chosen(cable) == {"slot": "a", "release": "0", "restarts": "0"}


@pytest.mark.parametrize(
    "spoil",
    [lambda octets: octets[:-1], lambda octets: octets + b"x", lambda _: b"PK\x03\x04", lambda _: b""],
)
def test_what_is_no_bundle_is_not_sent(bundle, spoil):
    with pytest.raises(BundleError):
        updating.opened(spoil(bundle))


def test_a_spoiled_file_is_named_before_it_is_sent(cable, bundle, monkeypatch):
    _, _, _, offset = release.decode(bundle)
    spoiled = bytearray(bundle)
    spoiled[offset + 10] ^= 1
    with pytest.raises(BundleError, match=r"firmware/app\.mpy") as refused:
        updating.opened(bytes(spoiled))
    assert "copy it again" in refused.value.advice

    # And never tried, whatever laptop sends it.
    monkeypatch.setattr(updating, "_require_whole", lambda *_: None)
    with pytest.raises(updating.RefusedError, match=r"firmware/app\.mpy"):
        updating.update(Console(cable), updating.opened(bytes(spoiled)))
    assert chosen(cable)["slot"] == "a"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"release": "5", "other": "4"}, "release 5 runs already and has proved itself"),
        ({"release": "5", "other": "4", "trial": "2"}, "release 5 runs already and is on trial"),
    ],
)
def test_the_same_release_once_more_is_nothing_to_do(told, words, bundle, monkeypatch, tmp_path):
    @contextlib.contextmanager
    def answers(_port):
        yield Says(**told)

    path = tmp_path / "release.lum"
    path.write_bytes(bundle)
    monkeypatch.setattr("tools.technician.commands.release.open_console", answers)
    done = CliRunner().invoke(main, ["update", str(path), "--port", "x"])
    assert done.exit_code == 0
    assert words in done.output


def test_a_release_that_did_not_start_well_is_told(monkeypatch):
    @contextlib.contextmanager
    def answers(_port):
        yield Says(failed="1")

    monkeypatch.setattr("tools.technician.commands.release.open_console", answers)
    said = CliRunner().invoke(main, ["release", "--port", "x"]).output
    assert "slot b holds release 5, which did not start well: the terminal went back by itself" in said


def test_a_release_that_comes_in_is_not_one_that_is_held(monkeypatch):
    @contextlib.contextmanager
    def answers(_port):
        yield Says(taking="5", taken="10", of="30")

    monkeypatch.setattr("tools.technician.commands.release.open_console", answers)
    said = CliRunner().invoke(main, ["release", "--port", "x"]).output
    assert "slot b takes release 5: 10 of 30 octets are there" in said
    assert "holds" not in said


def test_what_comes_over_mqtt_is_told_in_words(monkeypatch):
    told = {
        "taking": "5",
        "taken": "8192",
        "of": "420000",
        "offered": "5",
        "waits": "records",
        "failures": "2",
    }

    @contextlib.contextmanager
    def answers(_port):
        yield Says(**told)

    monkeypatch.setattr("tools.technician.commands.release.open_console", answers)
    said = CliRunner().invoke(main, ["release", "--port", "x"]).output
    for words in ("release 4 runs", "8192 of 420000", "offers release 5", "records go out first", "2 times"):
        assert words in said
    as_json = json.loads(CliRunner().invoke(main, ["release", "--port", "x", "--json"]).output)
    assert (as_json["taking"], as_json["octets"], as_json["waits"]) == (5, 420000, "records")
    told.clear()
    assert updating.running(Says()) == updating.Running("a", 4, 5, -1)
    assert "MQTT" not in CliRunner().invoke(main, ["release", "--port", "x"]).output


def test_every_word_that_the_terminal_says_is_explained():
    relay = checkout.ROOT / "firmware/relay"
    source = "".join((relay / f"{name}_fetch.py").read_text("utf-8") for name in ("kept", "release"))
    words = set(re.findall(r'^[A-Z]+ = "([a-z]+)"$', source, re.MULTILINE))
    assert words == set(updating.WAITS)


def test_a_bundle_that_is_none_is_told_before_the_port_is_opened(tmp_path):
    path = tmp_path / "release.lum"
    path.write_bytes(b"PK")
    done = CliRunner().invoke(main, ["update", str(path), "--port", "nowhere://", "--json"])
    assert done.exit_code == BundleError.code
    assert "no release bundle" in json.loads(done.stdout)["error"]


def test_a_terminal_without_slots_is_told_what_renews_it():
    class Without:
        def fetch(self, command):
            raise ConsoleError("no such command, try help", 1)

    with pytest.raises(updating.RefusedError, match="in no slot") as refused:
        updating.running(Without())
    assert "lumbung flash" in refused.value.advice
