"""`lumbung update` and `lumbung release`: the application of a terminal that runs, over its console."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tools.technician import updating
from tools.technician.commands.common import INPUT, JSON, PORT, bars, open_console, told


@click.command()
@JSON
@PORT
@click.argument("bundle", type=INPUT)
@told
def update(port: str, bundle: Path) -> dict[str, Any]:
    """Renew the application of a terminal that runs; it falls back by itself if the new one does not start well."""
    octets = bundle.read_bytes()
    updating.opened(octets)
    with open_console(port) as console, bars(sys.stderr.isatty()) as progress:
        before = updating.running(console)
        number = updating.update(console, octets, progress)
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
    state = "has proved itself" if now.trial < 0 else f"is on trial, {now.trial} starts are left"
    other = (
        f"slot {'b' if now.slot == 'a' else 'a'} holds release {now.other}"
        if now.other
        else "the other slot is empty"
    )
    said = [f"release {now.release} runs from slot {now.slot} and {state}; {other}"]
    if now.taking:
        said.append(f"release {now.taking} comes in: {now.taken} of {now.octets} octets are there")
    if now.offered:
        said.append(f"the broker offers release {now.offered} to this terminal")
    if now.waits:
        said.append(f"over MQTT nothing is taken now: {updating.WAITS.get(now.waits, now.waits)}")
    if now.failures:
        said.append(
            f"{now.failures} times something of an offered release was refused; it is tried again later"
        )
    return asdict(now) | {"said": said}
