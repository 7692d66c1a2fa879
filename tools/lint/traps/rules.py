"""The rules of the trap lint: what goes wrong on MicroPython, how we know, and a proof that runs there.

`proof` is MicroPython code that leaves `holds` true where the claim is true; a test runs it on every unix build.
`mark` is the word with which a line may be exempted: `# lumbung: <mark> - <reason>`; a rule without one knows no
exemption. `source` says where the trap is documented; "measured" means that the proof is the source.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One trap."""

    code: str
    name: str
    reason: str
    source: str
    proof: str | None = None
    mark: str | None = None


ABSENT_MODULES = (
    "__future__", "abc", "base64", "collections.abc", "contextlib", "copy", "dataclasses", "datetime", "decimal",
    "enum", "fractions", "functools", "inspect", "itertools", "logging", "numbers", "operator", "pathlib", "pickle",
    "queue", "secrets", "string", "subprocess", "tempfile", "textwrap", "threading", "traceback", "types", "typing",
    "unittest", "uuid", "warnings", "weakref", "zlib",
)  # fmt: skip

# What both unix builds or the ESP32 have; anything else that is not ours is a finding of LB009.
PRESENT_MODULES = (
    "_thread", "array", "asyncio", "binascii", "cryptolib", "collections", "deflate", "errno", "framebuf", "gc",
    "hashlib", "heapq", "io", "json", "math", "micropython", "os", "platform", "re", "select", "socket", "struct",
    "sys", "time", "uctypes", "vfs",
)  # fmt: skip
TARGET_MODULES = ("esp", "esp32", "machine", "network", "ntptime", "ssl", "termios", "tls")
OUR_PACKAGES = ("firmware", "hardware", "protocol", "tests")

ABSENT_METHODS = (
    "add_note", "bit_count", "capitalize", "casefold", "expandtabs", "format_map", "isalnum", "isascii", "isdecimal",
    "isidentifier", "isnumeric", "isprintable", "iter_unpack", "ljust", "maketrans", "removeprefix", "removesuffix",
    "rjust", "swapcase", "with_traceback", "zfill", "_asdict", "_replace",
)  # fmt: skip

ABSENT_BUILTINS = (
    "BlockingIOError", "BrokenPipeError", "BufferError", "ChildProcessError", "ConnectionError",
    "ConnectionResetError", "EnvironmentError", "ExceptionGroup", "FileExistsError", "FileNotFoundError", "IOError",
    "InterruptedError", "IsADirectoryError", "ModuleNotFoundError", "NotADirectoryError", "PermissionError",
    "ProcessLookupError", "RecursionError", "TimeoutError", "UnicodeDecodeError", "UnicodeEncodeError", "aiter",
    "anext", "ascii", "breakpoint", "format", "vars",
)  # fmt: skip

ABSENT_ASYNCIO = (
    "Barrier", "Condition", "Queue", "Runner", "Semaphore", "TaskGroup", "as_completed", "ensure_future",
    "get_running_loop", "run_coroutine_threadsafe", "shield", "timeout", "timeout_at", "to_thread", "wait",
)  # fmt: skip


def _raises(statement: str, *types: str) -> str:
    body = "\n    ".join(statement.splitlines())
    return f"holds = False\ntry:\n    {body}\nexcept ({', '.join(types)},):\n    holds = True"


def _no_syntax(source: str) -> str:
    return _raises(f"exec({source!r})", "SyntaxError")


RULES = (
    Rule(
        "LB001",
        "negative exponent",
        "pow(a, -1, p) returns 0 without a word; use the project's own modular inverse",
        "MicroPython py/mpz.c, mpz_pow3_inpl",
        "holds = pow(3, -1, 7) == 0",
    ),
    Rule(
        "LB002",
        "random",
        "`random` is the Yasmarang generator, predictable from few outputs; take os.urandom through the signer or HAL",
        "MicroPython extmod/modrandom.c",
        "import random\nrandom.seed(1)\na = random.getrandbits(30)\nrandom.seed(1)\nholds = a == random.getrandbits(30)",
    ),
    Rule(
        "LB003",
        "hash object methods",
        "hash objects have no copy() or hexdigest(), and digest() works once; hash the previous digest with the record",
        "MicroPython issues 4488 and 7316",
        "import hashlib\nh = hashlib.sha256(b'')\n"
        "holds = not hasattr(h, 'copy') and not hasattr(h, 'hexdigest')\nh.digest()\n"
        "try:\n    h.digest()\n    holds = False\nexcept ValueError:\n    pass",
    ),
    Rule(
        "LB004",
        "hmac and secrets",
        "neither is in the stock runtime (micropython-lib's hmac has no compare_digest); use firmware's own",
        "measured",
        "holds = True\nfor name in ('hmac', 'secrets'):\n    try:\n        __import__(name)\n"
        "        holds = False\n    except ImportError:\n        pass",
    ),
    Rule(
        "LB005",
        "unordered iteration",
        "dicts, sets and ** arguments do not keep insertion order, json.dumps follows them; build bytes field by field",
        "measured",
        "import json\nholds = list({'z': 1, 'a': 2, 'm': 3}) != ['z', 'a', 'm'] and "
        "json.dumps({'z': 1, 'a': 2, 'm': 3})[2] != 'z'",
        mark="order-free",
    ),
    Rule(
        "LB006",
        "bit_length",
        "int has no bit_length() or bit_count()",
        "MicroPython issue 15399",
        "holds = not hasattr(5, 'bit_length') and not hasattr(5, 'bit_count')",
    ),
    Rule(
        "LB007",
        "signed integer bytes",
        "int.from_bytes ignores a third argument and refuses keywords; 1.25 writes negative numbers unsigned",
        "MicroPython issue 16798",
        "holds = int.from_bytes(b'\\xff\\x00', 'big', True) == 65280\n"
        "try:\n    int.from_bytes(b'\\xff', 'big', signed=True)\n    holds = False\nexcept TypeError:\n    pass",
    ),
    Rule(
        "LB008",
        "floating point",
        "floats are 32 bits wide on the ESP32, 64 on the unix port; money and time are whole numbers. time.time() is a "
        "float on the unix port and counts from 2000 on the ESP32",
        "MicroPython ports/esp32/mpconfigport.h",
        "import time\nholds = isinstance(time.time(), float) and isinstance(8 / 2, float)",
        mark="float-ok",
    ),
    Rule(
        "LB009",
        "absent module",
        "this module is not in the stock runtime (a `try` around the import, or `if False:` for type hints, is allowed)",
        "measured",
        "holds = True\nfor name in " + repr(list(ABSENT_MODULES)) + ":\n    try:\n        __import__(name)\n"
        "        holds = False\n        print(name)\n    except ImportError:\n        pass",
    ),
    Rule(
        "LB010",
        "absent method",
        "MicroPython's built-in types lack this method",
        "measured",
        "from collections import namedtuple\nimport struct\nholds = not any(hasattr(thing, name) for thing in "
        "('', b'', 5, ValueError(), namedtuple('A', 'x')(1), struct) for name in "
        + repr(list(ABSENT_METHODS))
        + ")",
    ),
    Rule(
        "LB011",
        "codec errors",
        "decode() refuses keywords, an error handler is ignored, and encode('ascii') lets everything through as UTF-8",
        "measured",
        _raises("b'a'.decode(errors='replace')", "TypeError")
        + "\nholds = holds and '\\u00e9'.encode('ascii') == b'\\xc3\\xa9'",
    ),
    Rule(
        "LB012",
        "exception chain",
        "exceptions carry no __cause__, __context__ or __traceback__ (`raise ... from` compiles and keeps nothing)",
        "measured",
        "try:\n    raise ValueError(1) from KeyError(2)\nexcept ValueError as exc:\n    found = exc\n"
        "holds = not any(hasattr(found, name) for name in ('__cause__', '__context__', '__traceback__'))",
    ),
    Rule(
        "LB013",
        "unsupported syntax",
        "MicroPython cannot parse this ({**a}, [*a], match, positional-only, except*, async comprehension) or ignores "
        "it (metaclass=, async generator)",
        "measured",
        _no_syntax("a = {}\nb = {**a}")
        + "\nif holds:\n    "
        + "\n    ".join(
            f"try:\n        exec({source!r})\n        holds = False\n    except SyntaxError:\n        pass"
            for source in (
                "a = []\nb = [*a]",
                "match 1:\n  case 1: pass",
                "def f(a, /): pass",
                "try: pass\nexcept* ValueError: pass",
                "async def f(): return [x async for x in y]",
            )
        ),
    ),
    Rule(
        "LB014",
        "blocking sleep",
        "time.sleep stops every task, the watchdog included; await, poll readiness, or name the datasheet's pulse",
        "design, rule on drivers; 120 ms per APDU in existing PN532 drivers",
        mark="pulse",
    ),
    Rule(
        "LB015",
        "swallowed exception",
        "a handler for everything must raise again, or say who records the failure",
        "thingsboard-gateway's write path, which drops batches this way",
        mark="catch-all",
    ),
    Rule(
        "LB016",
        "comparison of a secret",
        "== on bytes stops at the first difference, which tells how much was right; use the constant-time comparison",
        "MicroPython py/objstr.c compares with memcmp",
        mark="not-secret",
    ),
    Rule(
        "LB017",
        "print",
        "the console is the technician's port; what happened goes to the journal or the screen",
        "design, ports of the terminal",
        mark="console",
    ),
    Rule(
        "LB018",
        "silent truncation",
        "struct.pack and array cut values that do not fit and wrap negative ones; int.to_bytes raises",
        "measured",
        "import struct\nfrom array import array\nholds = struct.pack('>H', 70000) == b'\\x11\\x70' and "
        "struct.pack('>H', -1) == b'\\xff\\xff' and array('H', [70000])[0] == 4464",
        mark="fits",
    ),
    Rule(
        "LB019",
        "absent attribute",
        "functions and classes have no __doc__, __init_subclass__ is not called and __set_name__ only since 1.26",
        "measured",
        "def f():\n    'text'\nclass A:\n    def __init_subclass__(cls):\n        cls.seen = 1\nclass B(A):\n    pass\n"
        "holds = not hasattr(f, '__doc__') and not hasattr(B, 'seen')",
    ),
    Rule(
        "LB020",
        "absent built-in",
        "this name is not built in; OSError with its errno stands for all errors of the system",
        "measured",
        "import builtins\nholds = not any(hasattr(builtins, name) for name in "
        + repr(list(ABSENT_BUILTINS))
        + ")",
    ),
    Rule(
        "LB021",
        "slice with a step",
        "bytes, str and tuple refuse steps with NotImplementedError; only lists and ranges take them",
        "measured",
        _raises("b'abc'[::-1]", "NotImplementedError") + "\nholds = holds and [1, 2, 3][::-1] == [3, 2, 1]",
        mark="list-slice",
    ),
    Rule(
        "LB022",
        "keyword arguments of built-ins",
        "zip(strict=), sum(start=), split(maxsplit=) are refused; from_bytes and to_bytes take positions only",
        "measured",
        _raises("zip((), strict=True)", "TypeError")
        + "\ntry:\n    sum((), start=1)\n    holds = False\nexcept TypeError:\n    pass"
        + "\ntry:\n    'a b'.split(' ', maxsplit=1)\n    holds = False\nexcept TypeError:\n    pass",
    ),
    Rule(
        "LB023",
        "f-string",
        "1.25 refuses an f-string inside an f-string and the format `_`; the ESP32 may run it",
        "measured on 1.25; 1.28 takes both",
    ),
    Rule(
        "LB024",
        "repeated bytearray",
        "bytearray * n is refused; write bytearray(n) or bytes * n",
        "measured",
        _raises("bytearray(2) * 3", "TypeError"),
    ),
    Rule(
        "LB025",
        "arithmetic on ticks",
        "ticks wrap at 2**30 on the ESP32 (12.4 days in ms); only ticks_add and ticks_diff know that",
        "MicroPython docs, library/time",
        "import sys\nimport time\n"
        "holds = time.ticks_add(0, -1) > 0 and (sys.maxsize > 2**31 or time.ticks_add(0, -1) == 2**30 - 1)",
    ),
    Rule(
        "LB026",
        "absent part of asyncio",
        "MicroPython's asyncio has no such name",
        "measured",
        "import asyncio\nholds = True\nfor name in " + repr(list(ABSENT_ASYNCIO)) + ":\n    try:\n"
        "        getattr(asyncio, name)\n        holds = False\n        print(name)\n    except AttributeError:\n"
        "        pass",
    ),
)

BY_CODE = {rule.code: rule for rule in RULES}
MARKS = {rule.mark: rule.code for rule in RULES if rule.mark}
