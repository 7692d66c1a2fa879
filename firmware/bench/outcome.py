"""What the test of one part found: passed, failed with a number, or not fitted."""

PASSED = "passed"
FAILED = "failed"
ABSENT = "absent"
_TEXT_MAX = 120


class Outcome:
    """`code`: one of `firmware.bench.codes`, 0 unless failed. `text`: short, printable ASCII, without secrets."""

    def __init__(self, verdict: str, code: int, text: str) -> None:
        self.verdict = verdict
        self.code = code
        self.text = text[:_TEXT_MAX]


def passed(text: str) -> Outcome:
    """The part does what it must; `text` tells what was measured."""
    return Outcome(PASSED, 0, text)


def failed(code: int, text: str) -> Outcome:
    """The part does not."""
    return Outcome(FAILED, code, text)


def absent(text: str) -> Outcome:
    """The part is not on this board, or nothing says that it should be."""
    return Outcome(ABSENT, 0, text)
