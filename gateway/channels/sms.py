"""The SMS links that the configuration asks for: modems on serial ports, a link to an SMS centre, both or neither."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway.channels.smpp import SmppChannel
from gateway.channels.sms_bounds import SenderBounds
from gateway.channels.sms_message import LineSettings
from gateway.channels.sms_modem import SmsModemChannel
from gateway.config import Config, Modems

_LOG = structlog.get_logger("sms")
_POWER_S = 30.0


@dataclass(frozen=True, slots=True)
class SmsLinks:
    """What there is of them; one number may send so much over both together."""

    modems: SmsModemChannel | None
    smpp: SmppChannel | None

    @property
    def channels(self) -> list[SmsModemChannel | SmppChannel]:
        """Those that there are."""
        return [channel for channel in (self.modems, self.smpp) if channel is not None]

    def health(self) -> dict[str, object]:
        """What `status` says about them."""
        modems, smpp = self.modems, self.smpp
        return {
            "modems": modems.health() if modems else [],
            "modem_pool": dict(sorted(dict(modems.counts).items())) if modems else {},
            "smpp": smpp.health() if smpp else None,
        }


def make(config: Config, deliver: Callable[..., None]) -> SmsLinks:
    """Links that hand frames to `deliver`; none of them has begun."""
    bounds = SenderBounds(config.sms.received_per_hour_max)
    modems = config.modems
    pool: SmsModemChannel | None = None
    if ports := modems.ports.split():
        line = LineSettings(
            sends_per_minute=modems.sends_per_minute,
            queue_max=modems.queue_max,
            look_s=modems.look_ms / 1000,
            quarantine_s=modems.quarantine_s,
        )
        pool = SmsModemChannel(ports, line, bounds, deliver, _power_cycle(modems))
    return SmsLinks(pool, SmppChannel(config.smpp, bounds, deliver) if config.smpp.host else None)


def _power_cycle(modems: Modems) -> Callable[[str], None] | None:
    """Run the operator's program for it; it is given the port and nothing else, and there is no shell in between."""
    if not modems.power_program:
        return None

    def run(path: str) -> None:
        try:
            done = subprocess.run(
                [modems.power_program, path], check=False, timeout=_POWER_S, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as failure:
            _LOG.error("no new power for a modem", port=path, error=type(failure).__name__)
        else:
            _LOG.warning("new power for a modem", port=path, exit_status=done.returncode)

    return run
