"""What all sub-commands share: their options, progress bars, a terminal's console, and how outcomes and refusals are told."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console as Screen
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tools.authority.signing import KeyFileError
from tools.carry import Console
from tools.technician import cable, consoles
from tools.technician.errors import INTERRUPTED_CODE, LAPTOP_CODE, TechnicianError

_KEY_ADVICE = (
    "give the file that `python -m tools.authority init` wrote, which only its owner may read (chmod 600)"
)

INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
JSON = click.option("--json", "as_json", is_flag=True, help="Print what happened as JSON.")


PORT = click.option(
    "--port", default="", help="Serial port, or any address that pyserial knows; left out: the only USB one."
)
BAUD = click.option(
    "--baud",
    default=460_800,
    show_default=True,
    help="Speed after the first handshake; lower it for a bad cable.",
)
STUB = click.option(
    "--no-stub", is_flag=True, help="Use the chip's own loader alone: slower, for chips that refuse the stub."
)


def require_one(**given: object) -> None:
    """Options of which one rules the others out; a line that has two is not understood, rather than one of them left out silently."""
    names = ["--" + name.replace("_", "-") for name, value in given.items() if value]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} rule each other out: give one of them")


def refuse(sentence: str, advice: str, code: int, *, as_json: bool) -> NoReturn:
    """End with a sentence, what to do, and an exit code."""
    if as_json:
        click.echo(json.dumps({"error": sentence, "advice": advice}))
    else:
        click.echo(f"error: {sentence}", err=True)
        if advice:
            click.echo(f"what to do: {advice}", err=True)
    sys.exit(code)


def told(command: Callable[..., dict[str, Any]]) -> Callable[..., None]:
    """Print what a command returns, as sentences or as JSON; a refusal is a sentence, advice and an exit code.

    `exit` in what it returns is the exit code of a command whose outcome has more than one.
    """

    @wraps(command)
    def wrapped(as_json: bool, **options: Any) -> None:
        try:
            result = command(**options)
        except TechnicianError as error:
            refuse(str(error), error.advice, error.code, as_json=as_json)
        except KeyFileError as error:
            refuse(str(error), _KEY_ADVICE, LAPTOP_CODE, as_json=as_json)
        except OSError as error:
            # Ports and sockets end as a CableError: this is a file of the laptop, on a full disk or without rights.
            what = error.filename or "a file of this laptop"
            sentence = f"{what} cannot be used ({error.strerror or error})"
            refuse(
                sentence,
                "make room or choose another folder, then run it again",
                LAPTOP_CODE,
                as_json=as_json,
            )
        except (KeyboardInterrupt, click.Abort):
            refuse("interrupted", "run the same command again", INTERRUPTED_CODE, as_json=as_json)
        if as_json:
            click.echo(json.dumps(result, sort_keys=True))
        else:
            for line in result["said"]:
                click.echo(line)
        if result.get("exit"):
            sys.exit(result["exit"])

    return wrapped


@contextlib.contextmanager
def bars(is_shown: bool) -> Iterator[cable.Progress]:
    """Progress bars on the error stream; none where nobody looks."""
    columns = (TextColumn("{task.description:<16}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Screen(stderr=True), disable=not is_shown) as progress:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        yield show


@contextlib.contextmanager
def open_console(port: str) -> Iterator[Console]:
    """The console of a terminal that runs, in step with it."""
    with consoles.terminal_at(port or cable.find_port()) as console:
        yield console
