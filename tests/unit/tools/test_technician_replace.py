"""`lumbung replace`: every step where it can be done, files in between, nothing twice, and no terminal retired unasked."""

from __future__ import annotations

import json
import stat

import pytest
from click.testing import CliRunner

from protocol import certificates
from tests.support.frames import GRANT_RUPIAH, START_S, Terminal
from tests.support.gateway_desk import Desk
from tools.authority.__main__ import main as authority_main
from tools.authority.signing import SigningKey
from tools.technician.__main__ import main
from tools.technician.papers import Folder, Request

OLD, NEW, FAMILIES = 42, 43, 40
LEFT = FAMILIES * GRANT_RUPIAH - GRANT_RUPIAH - 100_000


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A gateway with a configuration file; family 1 has spent all and family 2 half of its lease."""
    monkeypatch.setattr("tools.technician.replacing.time.time", lambda: START_S)
    monkeypatch.setattr("tools.authority.__main__.time.time", lambda: START_S)
    made = Desk(tmp_path)
    terminal = made.open()
    terminal.redeem(1)
    terminal.redeem(2, 100_000)
    made.deliver(terminal.frame(1, 3), terminal.frame(4, 5))
    made.file("gateway.toml", (
        f'[files]\ndata_directory = "{made.data}"\nauthority_public_key = "{tmp_path / "authority.pub"}"\n'
    ).encode())  # fmt: skip
    SigningKey(made.authority.key).save(tmp_path / "authority.key")
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "authority.pub").write_bytes(made.authority.public)
    (papers / "roster.key").write_bytes(b"K" * 32)
    made.file("rescue.json", json.dumps({"accounts": [{"kid": f"{OLD:08x}", "head": 5}]}).encode())
    return made


def replace(desk, *options, status=0, typed=None):
    """Run the command; its JSON."""
    done = CliRunner().invoke(
        main,
        ["replace", "--json", "--old", f"{OLD:08x}", "--new", f"{NEW:08x}", "--papers", str(desk.folder / "papers"),
         *map(str, options), str(desk.folder / "new")],
        input=typed,
    )  # fmt: skip
    assert done.exit_code == status, (done.output, done.exception)
    return json.loads(done.stdout)


def everything(desk):
    """Options of a laptop that reaches gateway and authority."""
    return (
        "--gateway-config",
        desk.folder / "gateway.toml",
        "--authority-key",
        desk.folder / "authority.key",
    )


def state(desk):
    """What the gateway says of the old terminal."""
    return desk.json("status")["terminals"][0]


def test_where_all_is_at_hand_one_command_does_it(desk):
    told = replace(desk, *everything(desk), "--rescue", desk.folder / "rescue.json", typed=f"{OLD:08x}\n")
    assert (told["stage"], told["sealed_through"], told["exposure_rupiah"]) == ("ready", 5, 0)
    assert told["left_rupiah"] == {"1": LEFT}
    assert (state(desk)["state"], state(desk)["taken_over_by"][0]["kid"]) == ("retired", f"{NEW:08x}")
    new = desk.folder / "new"
    assert sorted(path.name for path in new.iterdir()) == [
        "authority.pub", "epoch.cert", "from-gateway", f"grant-{NEW:08x}-1.bin", "policy.bin", "roster.bin", "roster.key",
        f"takeover-{OLD:08x}.bin",
    ]  # fmt: skip
    assert stat.S_IMODE((new / "roster.key").stat().st_mode) == 0o600
    before = {path.name: path.read_bytes() for path in new.iterdir() if path.is_file()}
    again = replace(desk, *everything(desk), "--rescue", desk.folder / "rescue.json")
    assert again == told
    assert {path.name: path.read_bytes() for path in new.iterdir() if path.is_file()} == before


def test_the_folder_is_what_provision_takes(desk):
    (desk.folder / "papers" / "ca-keys.bin").write_bytes(b"the card CAs")
    replace(desk, *everything(desk), "--last-record", 5, "--retire", f"{OLD:08x}")
    new = Terminal(NEW, desk.authority, desk.request)
    head = NEW.to_bytes(4, "big") + bytes((certificates.STORAGE_SOFTWARE,))
    request = Request(head + new.seal_public + new.agreement_public)
    papers = Folder(desk.folder / "new").papers(request, new.certificate, {})
    assert papers.programmes == (1,)


def test_without_a_network_files_go_to_gateway_and_authority_and_back(desk):
    told = replace(desk, "--last-record", 5)
    assert told["stage"] == "statement"
    assert "python -m gateway takeover 0000002a" in told["said"][0]
    desk.json("takeover", f"{OLD:x}", "--to", desk.folder / "new" / "from-gateway")
    told = replace(desk, "--last-record", 5)
    assert told["stage"] == "decision"
    assert "--last-record 5" in told["said"][1]
    words = told["said"][1].partition("tools.authority ")[2].split()
    words[words.index("KEY")], words[words.index("NEW")] = (
        str(desk.folder / "authority.key"),
        str(desk.folder / "new"),
    )
    signed = CliRunner().invoke(authority_main, words)
    assert signed.exit_code == 0, signed.output
    told = replace(desk)
    assert (told["stage"], told["left_rupiah"]) == ("ready", {"1": LEFT})
    assert "python -m gateway publish takeover" in told["said"][-1]
    assert f"lumbung provision --kid {NEW:08x}" in told["said"][-2]
    desk.json("publish", "takeover", desk.folder / "new" / f"takeover-{OLD:08x}.bin")


def test_nothing_is_retired_before_it_was_rescued_or_unasked(desk):
    told = replace(desk, *everything(desk), status=23)
    assert "lumbung rescue" in told["advice"]
    replace(desk, *everything(desk), "--last-record", 5, status=14, typed="0000002b\n")
    replace(desk, *everything(desk), "--last-record", 5, status=14)
    assert state(desk)["state"] == "active"
    assert not (desk.folder / "new").exists()
    replace(desk, *everything(desk), "--last-record", 5, "--retire", f"{OLD:08x}")
    assert state(desk)["state"] == "retired"


def test_what_the_gateway_lacks_must_be_named(desk):
    retire = ("--retire", f"{OLD:08x}")
    told = replace(desk, *everything(desk), "--last-record", 6, *retire, status=23)
    assert told["error"] == f"terminal {OLD:08x} has records through 6, and the gateway has them through 5"
    assert "python -m gateway import" in told["advice"]
    assert state(desk)["state"] == "active", "for ever is not before the money is safe"
    told = replace(desk, *everything(desk), "--last-record", 6, "--exposure", 150_000, *retire)
    assert told["exposure_rupiah"] == state(desk)["taken_over_by"][0]["exposure_rupiah"] == 150_000


def test_what_was_rescued_and_imported_in_time_is_paid(desk):
    desk.terminal.redeem(3, 1_000)
    options = (*everything(desk), "--last-record", 6, "--retire", f"{OLD:08x}")
    replace(desk, *options, status=23)
    desk.deliver(desk.terminal.frame(6))
    told = replace(desk, *options)
    assert (told["stage"], told["sealed_through"]) == ("ready", 6)
    assert state(desk)["totals"]["disputed_rupiah"] == 0


def test_what_the_gateway_knows_to_be_missing_stops_before_anything_is_retired(desk):
    for _ in range(2):
        desk.terminal.redeem(3, 1_000)
    desk.deliver(desk.terminal.frame(7))
    retire = ("--last-record", 5, "--retire", f"{OLD:08x}")
    told = replace(desk, *everything(desk), *retire, status=17)
    assert "missing" in told["error"]
    assert "import what was rescued" in told["advice"]
    assert state(desk)["state"] == "active"
    told = replace(desk, *everything(desk), *retire, "--exposure", 2_000)
    assert (told["stage"], told["sealed_through"], told["exposure_rupiah"]) == ("ready", 5, 2_000)


def test_leases_go_to_one_terminal_only(desk):
    retire = ("--retire", f"{OLD:08x}", "--last-record", 5)
    replace(desk, *everything(desk), *retire)
    done = CliRunner().invoke(
        main, ["replace", "--old", f"{OLD:08x}", "--new", "0000002c", "--from-gateway", str(desk.folder / "new" / "from-gateway"),
               *map(str, everything(desk)), "--last-record", "5", str(desk.folder / "other")],
    )  # fmt: skip
    assert done.exit_code == 24, done.output
    assert "went to 0000002b already" in done.output
    assert "what to do:" in done.output


@pytest.mark.parametrize("name", ["grant-0000002b-1.bin", "takeover-0000002a.bin"])
def test_a_spoiled_paper_is_named(desk, name):
    replace(desk, *everything(desk), "--retire", f"{OLD:08x}", "--last-record", 5)
    path = desk.folder / "new" / name
    octets = bytearray(path.read_bytes())
    octets[-1] ^= 1
    path.write_bytes(octets)
    assert "signature" in replace(desk, status=12)["error"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no json", "is not what a rescue tells"),
        (b'{"accounts": [{"kid": "00000007", "head": 1}]}', "tells nothing"),
    ],
)
def test_a_foreign_rescue_is_refused(desk, content, sentence):
    assert sentence in replace(desk, "--rescue", desk.file("other.json", content), status=12)["error"]


def test_the_same_number_is_no_other_terminal(desk):
    done = CliRunner().invoke(
        main, ["replace", "--old", "0000002a", "--new", "0000002a", str(desk.folder / "new")]
    )
    assert done.exit_code == 12
    assert "is the old terminal" in done.output


def test_an_unreachable_gateway_leaves_all_as_it_was(desk):
    path = desk.file("wrong.toml", b'[files]\ndata_directory = "/dev/null/nowhere"\n')
    told = replace(desk, "--gateway-config", path, "--last-record", 5, "--retire", f"{OLD:08x}", status=17)
    assert told["error"]
    assert state(desk)["state"] == "active"
    assert not (desk.folder / "new" / f"takeover-{OLD:08x}.bin").exists()
