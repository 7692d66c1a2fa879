"""The MicroPython harness judges tests rightly: pass, fail, skip, crash, silence, files that do not load."""

import re
import shutil
import subprocess
import sys
import uuid

import pytest

from tests.support import collect, mp, process
from tools.setup.checkout import BUILD, ROOT

GOOD = '''"""Tests for the harness's own test."""
import sys
from tests.support.mp import raises, seed, skip, vectors

VARIANTS = ("unix64", "unix32")
HEAP = "300k"
TIMEOUT_S = 2

def test_passes():
    assert seed() == 4711

def test_fails():
    print("a word before")
    assert 1 == 2, "one is not two"

def test_skips():
    skip("no such chip")

def test_crashes():
    sys.exit(9)

def test_hangs():
    while True:
        pass

def test_has_the_heap_it_asked_for():
    import gc
    assert gc.mem_free() + gc.mem_alloc() < 310000

def test_runs_out_of_memory():
    bytearray(400000)

async def test_may_be_a_coroutine():
    import asyncio
    await asyncio.sleep_ms(1)

def test_lacks_vectors():
    vectors("no-such-file.json")

def test_raises_helper():
    assert raises(ValueError, int, "x").args
    raises(ValueError, int, "5")
'''


@pytest.fixture
def run():
    """Run pytest on a file of its own below `build`, in a process of its own."""
    folder = BUILD / f"harness-{uuid.uuid4().hex[:8]}" / "micropython"
    folder.mkdir(parents=True)

    def run(source, *options):
        path = folder / "test_sample.py"
        path.write_text(source)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.conftest",
            "-p",
            "no:randomly",
            "-v",
            *options,
            str(path),
        ]
        env = {"LUMBUNG_SEED": "4711", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=100, check=False
        )
        verdicts = dict(re.findall(r"test_sample\.py::(\S+) (PASSED|FAILED|SKIPPED|ERROR)", done.stdout))
        return verdicts, done.stdout

    yield run
    shutil.rmtree(folder.parent)


@pytest.mark.skipif(
    bool(process.missing_reason("unix64") or process.missing_reason("unix32")), reason="needs both"
)
def test_every_verdict(run):
    verdicts, output = run(GOOD)
    expected = {
        "test_passes": "PASSED",
        "test_fails": "FAILED",
        "test_skips": "SKIPPED",
        "test_crashes": "FAILED",
        "test_hangs": "FAILED",
        "test_has_the_heap_it_asked_for": "PASSED",
        "test_runs_out_of_memory": "FAILED",
        "test_may_be_a_coroutine": "PASSED",
        "test_lacks_vectors": "SKIPPED",
        "test_raises_helper": "FAILED",
    }
    assert verdicts == {
        f"{name}[{v}]": verdict for name, verdict in expected.items() for v in ("unix64", "unix32")
    }
    assert "one is not two" in output
    assert 'assert 1 == 2, "one is not two"' in output
    assert "a word before" in output
    assert "exit code 9" in output
    assert "no answer within 2 s" in output
    assert "MemoryError" in output
    assert "no ValueError raised, got 5" in output
    assert "tests/support/mp_run.py" in output


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_interpreters_share_a_sweep_case_by_case(monkeypatch, turns):
    """Each case has its turn once, and none of them has only every other one."""
    shares = []
    for turn in range(turns):
        monkeypatch.setenv("LUMBUNG_TURN", f"{turn}/{turns}")
        shares.append(mp.share(range(100)))
        assert {case % 2 for case in shares[-1]} == {case % 3 // 2 for case in shares[-1]} == {0, 1}
    assert sorted(case for share in shares for case in share) == list(range(100))


@pytest.mark.skipif(
    bool(process.missing_reason("unix64") or process.missing_reason("unix32")), reason="needs both"
)
def test_tests_can_be_chosen_by_a_word_in_their_names(run):
    verdicts, _ = run(GOOD, "-k", "passes")
    assert verdicts == {"test_passes[unix64]": "PASSED", "test_passes[unix32]": "PASSED"}


@pytest.mark.skipif(
    bool(process.missing_reason("unix64") or process.missing_reason("unix32")), reason="needs both"
)
def test_an_interpreter_that_is_alone_has_all_of_a_sweep(run):
    source = '"""A sweep."""\nfrom tests.support.mp import share\n%sdef test_a():\n    assert len(share(range(8))) == %d\n'
    verdicts, _ = run(source % ("", 4))
    assert verdicts == {"test_a[unix64]": "PASSED", "test_a[unix32]": "PASSED"}
    verdicts, _ = run(source % ('VARIANTS = ("unix32",)\n', 8))
    assert verdicts == {"test_a[unix32]": "PASSED"}


@pytest.mark.skipif(bool(process.missing_reason("unix64")), reason="needs the 64-bit build")
def test_a_file_that_does_not_load_fails_each_of_its_tests(run):
    verdicts, output = run(
        '"""Broken on purpose."""\nimport no_such_module\ndef test_a(): pass\ndef test_b(): pass\nVARIANTS = ("unix64",)\n'
    )
    assert verdicts == {"test_a[unix64]": "FAILED", "test_b[unix64]": "FAILED"}
    assert "no module named 'no_such_module'" in output


@pytest.mark.skipif(bool(process.missing_reason("wasm")), reason="needs the wasm build")
def test_the_wasm_build_runs_tests_as_well(run):
    source = '"""Wasm."""\nVARIANTS = ("wasm",)\ndef test_a():\n    import sys\n    assert sys.maxsize == 2**31 - 1\ndef test_b():\n    assert 0\n'
    verdicts, _ = run(source)
    assert verdicts == {"test_a[wasm]": "PASSED", "test_b[wasm]": "FAILED"}


def test_only_directories_named_micropython_are_taken(tmp_path):
    assert collect.is_micropython_test(tmp_path / "micropython" / "test_a.py")
    assert not collect.is_micropython_test(tmp_path / "micropython" / "helper.py")
    assert not collect.is_micropython_test(tmp_path / "micropython" / "drivers" / "test_a.py")
    assert not collect.is_micropython_test(tmp_path / "test_a.py")


def test_an_unknown_variant_is_refused(tmp_path):
    path = tmp_path / "test_a.py"
    path.write_text('VARIANTS = ("unix65",)\n')
    with pytest.raises(pytest.UsageError, match="unix65"):
        collect.read_settings(path)
