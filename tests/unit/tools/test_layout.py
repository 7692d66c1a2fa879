"""The layout and import checks: what the design allows passes, what it forbids is found."""

from pathlib import Path

import pytest

from tools.lint import imports, layout

PURPOSE = '"""What this file is for."""\n'


@pytest.mark.parametrize(
    ("path", "source", "code"),
    [
        ("firmware/authorize.py", "import gateway.ingest", "IM001"),
        ("firmware/authorize.py", "from hardware import pn532", "IM001"),
        ("firmware/authorize.py", "import machine", "IM002"),
        ("firmware/drivers/pn532.py", "from esp32 import Partition", "IM002"),
        ("gateway/ingest.py", "from firmware.card import tlv", "IM001"),
        ("gateway/ingest.py", "from tools import brokers", "IM001"),
        ("protocol/frame.py", "import firmware", "IM001"),
        ("hardware/flash.py", "from protocol import records", "IM001"),
        ("tools/demo.py", "from tests.support import mp", "IM001"),
        ("gateway/ingest.py", "from ..firmware import card", "IM001"),
    ],
)
def test_forbidden_imports_are_found(path, source, code):
    assert [finding.code for finding in imports.check_source(source, path)] == [code]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("firmware/authorize.py", "from protocol import records\nfrom firmware.card import tlv\nimport os"),
        ("firmware/hal/esp32_board.py", "import machine\nfrom esp32 import Partition\nimport network"),
        ("gateway/ingest.py", "from protocol import frame\nimport sqlite3"),
        ("gateway/ingest.py", "from . import store\nfrom .store import Store"),
        ("tools/demo.py", "import firmware.main\nimport hardware.twin\nimport gateway.daemon"),
        ("tests/sim/test_tap.py", "import firmware.main\nimport tools.demo"),
    ],
)
def test_allowed_imports_pass(path, source):
    assert imports.check_source(source, path) == []


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("firmware/main.py", True),
        (".ci/run", True),
        ("Makefile", True),
        ("scripts/run.sh", False),
        ("notes.txt", False),
        (".github/workflows/ci.yml", False),
    ],
)
def test_only_the_rooms_of_the_house(path, allowed):
    assert (layout.check_place(Path(path)) == []) is allowed


@pytest.mark.parametrize("source", ["", "x = 1\n", '"""Helpers."""\n', "# a comment\n"])
def test_a_file_must_say_what_it_is_for(source):
    assert [finding.code for finding in layout.check_text(source, "tools/a.py")] == ["LA003"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("index = 'https://" + "pypi" + ".org/simple'", "LA004"),
        ("deb http://" + "deb" + ".debian.org/debian bookworm main", "LA004"),
        ("path = '/" + "work/main'", "LA005"),
        ("path = '/" + "root/.cache'", "LA005"),
        ("-----BEGIN EC " + "PRIVATE KEY-----", "LA006"),
    ],
)
def test_text_that_must_not_be_here_is_found(text, code):
    assert [finding.code for finding in layout.check_text(text, "tools/a.toml")] == [code]


@pytest.mark.parametrize(
    "text", ["framework/main", "a/work/b", "$root/build", "chroot", "npm and PyPI", "${root}/x"]
)
def test_text_that_only_looks_like_it_passes(text):
    assert layout.check_text(text, "tools/a.toml") == []


def test_a_purpose_is_enough():
    assert layout.check_text(PURPOSE, "tools/a.py") == []
