"""Has a gateway that this laptop reaches register a new terminal, or retire an old one, by its own command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tools.setup import checkout
from tools.technician.errors import TechnicianError
from tools.technician.papers import RegisteredElsewhereError

TIMEOUT_S = 120
_OTHER_KEYS = "another one is registered"
_NOT_BEGUN = "nothing was done to the terminal; repair what the gateway names and run it again"
_DONE = "the terminal itself is done; repair what the gateway names and run it again"


class GatewayRefusedError(TechnicianError):
    """The gateway does not take it, or does not answer."""

    code = 17


def registered(config: Path) -> frozenset[int]:
    """The kids that the gateway knows."""
    told = json.loads(_gateway(config, "status", "--json", advice=_NOT_BEGUN))
    return frozenset(int(terminal["kid"], 16) for terminal in told["terminals"])


def sealed_through(config: Path, kid: int) -> int:
    """The last record that the gateway has of a terminal without a gap before it; 0 where it knows none."""
    told = json.loads(_gateway(config, "status", "--json", advice=_NOT_BEGUN))
    return max(
        (int(one["sealed_through"]) for one in told["terminals"] if int(one["kid"], 16) == kid), default=0
    )


def register(config: Path, certificate: Path, grants: list[Path]) -> None:
    """Register a certificate and publish the grants; what the gateway has already changes nothing."""
    _gateway(config, "register", str(certificate))
    for path in grants:
        _gateway(config, "publish", "grant", str(path))


def retire(config: Path, old: int, folder: Path, *, is_incomplete: bool) -> None:
    """Have a terminal retired, and what counts of it stated in `folder`; a second time gives the same.

    `is_incomplete`: somebody answers for what the gateway knows to be missing.
    """
    flags = ["--incomplete"] if is_incomplete else []
    advice = "have it import what was rescued, and run this again; or name what may have been spent with --exposure"
    _gateway(config, "takeover", f"{old:08x}", "--to", str(folder), *flags, advice=advice)


def publish_takeover(config: Path, path: Path) -> None:
    """Tell the gateway who has the leases now."""
    _gateway(config, "publish", "takeover", str(path), advice="repair it and run this again")


def _gateway(config: Path, *arguments: str, advice: str = _DONE) -> str:
    command = [sys.executable, "-m", "gateway", "--config", str(config), *arguments]
    known = os.environ.get("PYTHONPATH")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(checkout.ROOT), *([known] if known else [])])
    }
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise GatewayRefusedError("the gateway does not answer", "run it again when it does") from error
    if done.returncode == 0:
        return done.stdout
    reason = done.stderr.strip().rpartition("\n")[2]
    if _OTHER_KEYS in reason:
        raise RegisteredElsewhereError(
            f"the gateway has registered this kid for other keys ({reason})",
            "a kid is never used twice: provision the terminal with --anew and another one",
        )
    raise GatewayRefusedError(
        f"{reason or 'the gateway ended with an error'}",
        advice,
    )
