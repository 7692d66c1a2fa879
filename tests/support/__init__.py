"""The test harness: runs test files and drivers on real MicroPython builds.

Tests on MicroPython. A file `test_*.py` in a directory named `micropython` (tests/unit/micropython/test_tlv.py) runs
on MicroPython, once per interpreter: `unix64`, `unix32`, and where it says so `deb64` (Debian's 64-bit build, the one
that callgrind measures) and `wasm` (32 bits, integer code only). Its tests are functions `test_*()`, plain or `async`,
with `assert`; `tests.support.mp` has `skip`, `raises`, `seed` and `vectors`. At its top it may say

    VARIANTS = ("unix64",)     which interpreters, by default unix64 and unix32
    HEAP = "200k"              the interpreter's heap, 16m by default
    TIMEOUT_S = 120            for each test, 60 by default

All tests of a file share one process per interpreter, so what one leaves in a module the next one finds.

CPython tests that drive MicroPython. `worker.MicroPythonWorker(driver, variant)` calls `handle(request: bytes)` of a
driver file on MicroPython; hypothesis searches on CPython, the code under test runs where it will run.

Randomness. One seed (LUMBUNG_SEED, printed in pytest's header) repeats a run, hypothesis included. LUMBUNG_EXAMPLES
asks hypothesis for more examples than the usual 60.

A real broker. The fixture `mosquitto` starts Mosquitto on a free loopback port: `broker = mosquitto("max_qos 1")`,
`broker.port`, `broker.stop()`, `broker.start()` on the same port, `broker.kill()` as a power cut.

What the machine lacks (`build/missing.txt`) makes tests skip with the reason, and pytest lists it at its end.
"""
