"""The modem driver under random faults, on MicroPython: no message is lost, none deleted too early, no data is wrong."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/modem_bench.py"

rates = st.tuples(
    st.integers(0, 60),  # pieces of answers that lose octets
    st.integers(0, 4),  # octets to the modem
    st.integers(0, 40),  # commands in trouble
    st.integers(0, 100),  # chatter
    st.integers(0, 100),  # deletions that do nothing
    st.integers(0, 25),  # messages lost by the network
    st.integers(0, 25),  # messages doubled by the network
)
events = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), min_size=1, max_size=20)


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def worker(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    """One interpreter for the whole file."""
    with MicroPythonWorker(DRIVER, request.param, heap="64m", timeout_s=60) as running:
        yield running


def life(family: int, seed: int, plan: tuple[int, ...], happenings: list[tuple[int, int]]) -> bytes:
    """The request that the driver reads."""
    return (
        bytes([family])
        + seed.to_bytes(2, "big")
        + bytes(plan)
        + bytes(number for happening in happenings for number in happening)
    )


@settings(max_examples=40, deadline=None)
@given(family=st.integers(0, 3), seed=st.integers(0, 65535), plan=rates, happenings=events)
@example(family=0, seed=1, plan=(60, 4, 40, 100, 100, 25, 25), happenings=[(10, 0), (5, 1), (5, 5)] * 6)
@example(family=3, seed=2, plan=(60, 4, 40, 100, 100, 25, 25), happenings=[(10, 0), (5, 1), (5, 5)] * 6)
@example(
    family=2, seed=3, plan=(0,) * 7, happenings=[(30, 0), (5, 3), (5, 0), (20, 2), (5, 1), (9, 4), (9, 4)]
)
def test_no_message_is_lost_or_deleted_too_early(worker, family, seed, plan, happenings):
    note(worker.call(life(family, seed, plan, happenings)).decode())
