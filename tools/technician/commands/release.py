"""`lumbung update` and `lumbung release`: the application of a terminal that runs, over its console."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tools.technician import updating
from tools.technician.commands.common import INPUT, JSON, PORT, bars, open_console, told
from tools.technician.updating import Running


@click.command()
@JSON
@PORT
@click.argument("bundle", type=INPUT)
@told
def update(port: str, bundle: Path) -> dict[str, Any]:
    """Renew the application of a terminal that runs; it falls back by itself if the new one does not start well."""
    release = updating.opened(bundle.read_bytes())
    with open_console(port) as console, bars(sys.stderr.isatty()) as progress:
        before = updating.running(console)
        if before.release == release.number:
            said = [f"release {release.number} runs already and {_state(before)}: nothing was sent"]
            return {"before": before.release, "release": release.number, "said": said}
        number = updating.update(console, release, progress)
    return {
        "before": before.release,
        "release": number,
        "said": [
            f"release {number} is on the terminal, which starts anew and tries it; it ran {before.release}",
            "next: `lumbung release` in two minutes tells whether it has proved itself",
        ],
    }


@click.command("release")
@JSON
@PORT
@told
def show_release(port: str) -> dict[str, Any]:
    """Tell which release a terminal runs, and whether it is on trial."""
    with open_console(port) as console:
        now = updating.running(console)
    said = [f"release {now.release} runs from slot {now.slot} and {_state(now)}; {_other(now)}"]
    if now.offered:
        said.append(f"the broker offers release {now.offered} to this terminal")
    if now.waits:
        said.append(f"over MQTT nothing is taken now: {updating.WAITS.get(now.waits, now.waits)}")
    if now.failures:
        said.append(
            f"{now.failures} times something of an offered release was refused; it is tried again later"
        )
    return asdict(now) | {"said": said}


def _state(now: Running) -> str:
    return "has proved itself" if now.trial < 0 else f"is on trial, {now.trial} starts are left"


def _other(now: Running) -> str:
    """What is in the slot that does not run."""
    slot = "b" if now.slot == "a" else "a"
    if now.taking:
        return f"slot {slot} takes release {now.taking}: {now.taken} of {now.octets} octets are there"
    if now.failed:
        return f"slot {slot} holds release {now.other}, which did not start well: the terminal went back by itself; report it"
    return f"slot {slot} holds release {now.other}" if now.other else "the other slot is empty"
