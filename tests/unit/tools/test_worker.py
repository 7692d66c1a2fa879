"""The worker that lets CPython tests drive code on real MicroPython."""

import hypothesis
import hypothesis.strategies as st
import pytest

from tests.support.process import ChildError
from tests.support.worker import DriverError, MicroPythonWorker

DRIVER = "tests/unit/tools/drivers/echo.py"


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def worker(request):
    with MicroPythonWorker(DRIVER, request.param, timeout_s=5) as worker:
        yield worker


@hypothesis.given(data=st.binary(max_size=300))
def test_bytes_go_there_and_back(worker, data):
    hypothesis.assume(data not in {b"fail", b"crash", b"hang"})
    assert worker.call(data) == data[::-1]


def test_an_exception_arrives_with_its_type_and_text(worker):
    with pytest.raises(DriverError) as caught:
        worker.call(b"fail")
    assert (caught.value.type_name, caught.value.text) == ("ValueError", "no: such thing")
    assert worker.call(b"ab") == b"ba"


def test_what_the_driver_prints_does_not_disturb_its_answers(worker):
    assert worker.call(b"talk") == b"klat"
    assert "a line of its own" in worker.take_log()


def test_a_crash_is_reported_and_the_next_call_starts_anew(worker):
    with pytest.raises(ChildError, match="exit code 7"):
        worker.call(b"crash")
    assert worker.call(b"ab") == b"ba"


def test_silence_is_reported():
    with (
        MicroPythonWorker(DRIVER, timeout_s=0.5) as worker,
        pytest.raises(ChildError, match="no answer within"),
    ):
        worker.call(b"hang")
