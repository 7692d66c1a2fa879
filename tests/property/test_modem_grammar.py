"""The AT parser against any octets, cut anywhere: never an error, always the same events, always back in the end."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.at_grammar import DATA_OCTETS_MAX
from tests.property.drivers import modem_grammar
from tests.property.drivers.chunks import cut, packed
from tests.support.worker import MicroPythonWorker

DRIVER = "tests/property/drivers/modem_grammar.py"

ways = st.integers(0, 5)
line_like = st.sampled_from(
    [
        b"OK", b"ERROR", b"+CME ERROR: 14", b"+CMS ERROR:", b"+CREG: 0,1", b'+CREG: 1,"4CA","81DE"', b'+CMTI: "SM",1',
        b"+CMT: ,23", b"+CDS: 25", b"0791848F", b"AT+CREG?", b"AT+CMGS=20", b"> ", b">", b"RDY", b"+CMGL: 1,0,,3",
        b"+CMGL: 2,1,,200", b"00AABBCC", b"+QIRD: 4", b"+QIRD: 1500", b"+QIRD: 9999", b"+IPD6", b"+RECEIVE,0,3:",
        b'+QIURC: "recv",0,9', b"SHUT OK", b"CONNECT OK", b'+CCLK: "26/11/14,15:30:40+28"', b'+X: "', b"+CPMS: (",
    ]
)  # fmt: skip
ends = st.sampled_from([b"\r\n", b"\r", b"\n", b"\r\r\n", b"", b"\r\n\r\n"])
streams = st.lists(
    st.one_of(
        st.tuples(line_like, ends).map(b"".join),
        st.binary(max_size=8),
        st.binary(min_size=1, max_size=1).map(lambda octet: octet * 1200),
    ),
    max_size=25,
).map(b"".join)
octets = st.one_of(streams, st.binary(max_size=200))


@pytest.fixture(scope="module", params=["unix64", "unix32"])
def worker(request: pytest.FixtureRequest) -> Iterator[MicroPythonWorker]:
    """One interpreter for the whole file."""
    with MicroPythonWorker(DRIVER, request.param) as running:
        yield running


@given(way=ways, data=octets, places=st.lists(st.integers(0, 10000), max_size=12))
def test_any_cutting_gives_the_same_events(worker, way, data, places):
    whole = worker.call(bytes([way]) + packed([data]))
    assert worker.call(bytes([way]) + packed(cut(data, places))) == whole
    assert modem_grammar.handle(bytes([way]) + packed([data])) == whole


@given(way=ways, data=octets)
def test_octet_by_octet_gives_the_same_events(way, data):
    single = [data[at : at + 1] for at in range(len(data))]
    assert modem_grammar.handle(bytes([way]) + packed(single)) == modem_grammar.handle(
        bytes([way]) + packed([data])
    )


@given(way=ways, data=octets)
def test_a_result_is_heard_behind_anything(worker, way, data):
    """At worst, garbage announces data: then that many octets are swallowed, and no more."""
    results = b"\r\nOK\r\n" * (DATA_OCTETS_MAX // 6 + 3)
    heard = worker.call(bytes([way]) + packed([data, results])).split(b"\n")
    assert heard[-1] == b"1 OK|"
