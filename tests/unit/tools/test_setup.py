"""The set-up: package sources are derived from the machine's own, wrappers work anywhere, locks hold no address."""

import os
import re
import subprocess

import pytest

from tools.lint.finding import repository_files
from tools.setup import checkout, debian
from tools.setup.checkout import ROOT

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://security.example/
Suites: bookworm-security
Components: main
"""


@pytest.fixture
def machine(monkeypatch):
    """A machine with the given files below /etc."""

    def with_files(files):
        monkeypatch.setattr(debian, "_read", lambda path: files.get(str(path), ""))
        monkeypatch.setattr(debian, "_codename", lambda: "bookworm")
        monkeypatch.setattr(
            debian,
            "_listed",
            lambda suffix: [p for p in map(debian.Path, files) if p.suffix == suffix and "list.d" in str(p)],
        )

    return with_files


def test_the_source_is_the_machines_own_with_another_suite(machine):
    machine({"/etc/apt/sources.list.d/debian.sources": DEB822})
    text = debian.rewritten_sources()
    assert "URIs: http://mirror.example/debian\nSuites: trixie\nComponents: main\n" in text
    assert "security.example" not in text
    assert re.search(
        r"^Signed-By: ?\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n \.\n abc\n", text, flags=re.MULTILINE
    )


def test_one_line_sources_are_understood(machine):
    machine(
        {
            "/etc/apt/sources.list": "# deb http://old.example x y\n"
            "deb http://security.example bookworm-security main\n"
            "deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://mirror.example/debian bookworm main\n"
        }
    )
    text = debian.rewritten_sources()
    assert "URIs: http://mirror.example/debian" in text
    assert "Signed-By: /usr/share/keyrings/a.gpg" in text


def test_a_machine_without_a_source_is_told_so(machine):
    machine({})
    with pytest.raises(checkout.StepFailedError, match="bookworm"):
        debian.rewritten_sources()


@pytest.mark.parametrize(
    "name", sorted(set(checkout.PROGRAMS) - {"mosquitto", "valgrind", "mpy-cross", "smsc"})
)
def test_interpreters_run_from_any_directory_and_find_the_checkout(name, tmp_path):
    if name in checkout.missing():
        pytest.skip(checkout.missing()[name])
    code = "import tests.support.mp; print(tests.support.mp.seed())"
    done = subprocess.run(
        [checkout.BIN / name, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr


def test_callgrind_counts_the_interpreter_and_not_a_shell(tmp_path):
    for name in ("valgrind", "micropython64deb"):
        if name in checkout.missing():
            pytest.skip(checkout.missing()[name])
    count = tmp_path / "callgrind.out"
    command = [
        checkout.BIN / "valgrind", "--tool=callgrind", f"--callgrind-out-file={count}",
        *checkout.direct_argv("micropython64deb"), "-c", "print(sum(range(1000)))",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "499500\n", done.stderr
    assert re.search(r"^summary: [1-9]\d{5,}", count.read_text(), flags=re.MULTILINE)


def test_lock_files_hold_a_hash_for_everything_and_no_address():
    locks = [path for path in repository_files() if re.fullmatch(r"requirements.*\.txt", path.name)]
    assert len(locks) == 4
    for path in locks:
        text = path.read_text()
        assert "://" not in text
        for entry in re.split(r"\n(?=[a-z])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)):
            assert "--hash=sha256:" in entry, f"{path.name}: {entry}"
    lock = (ROOT / "tools/setup/package-lock.json").read_text()
    assert '"integrity"' in lock
    assert '"resolved"' not in lock


def test_every_make_target_has_a_line_of_help():
    text = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: help (.*)$", text, flags=re.MULTILINE)[1].split())
    done = subprocess.run(
        ["make", "-s", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert targets <= set(re.findall(r"make (\S+)", done.stdout))
