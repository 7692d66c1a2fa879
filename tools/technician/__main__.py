"""The `lumbung` command: what a technician does with a laptop and a cable, each job a sub-command."""

from __future__ import annotations

import sys
from typing import Any

import click

from tools.technician.commands.build import build
from tools.technician.commands.common import refuse
from tools.technician.commands.diagnose import diagnose
from tools.technician.commands.flash import erase, flash
from tools.technician.commands.provision import provision
from tools.technician.commands.release import show_release, update
from tools.technician.commands.replace import replace
from tools.technician.commands.rescue import rescue
from tools.technician.commands.self_test import self_test


class Jobs(click.Group):
    """Lists its commands as a terminal's life goes, not by the alphabet; says what it did not understand as JSON, too, where that
    was asked for.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """All names, as they were added."""
        return list(self.commands)

    def main(self, args: Any = None, *rest: Any, **options: Any) -> Any:
        """Carry out a line of words; ends with its exit code."""
        words = list(sys.argv[1:] if args is None else args)
        if "--json" not in words:
            return super().main(words, *rest, **options)
        try:
            sys.exit(super().main(words, *rest, **(options | {"standalone_mode": False})) or 0)
        except click.ClickException as error:
            context = getattr(error, "ctx", None)
            path = context.command_path if context is not None else "lumbung"
            advice = f"`{path} --help` tells what there is"
            refuse(error.format_message(), advice, error.exit_code, as_json=True)


@click.group(cls=Jobs)
def main() -> None:
    """Build, flash and look after Lumbung terminals. No network is needed."""


for command, short_help in (
    (build, "Make the image of a new terminal, and an update."),
    (flash, "Put an image on a chip; records are never touched."),
    (provision, "Make a terminal one of the programme's."),
    (self_test, "Test a terminal's parts, with your hands."),
    (diagnose, "Tell what is wrong with one, and what to do."),
    (update, "Renew the application of a terminal that runs."),
    (show_release, "Tell which release a terminal runs."),
    (rescue, "Save a terminal's records, whatever its state."),
    (replace, "Let a new terminal take over from a dead one."),
    (erase, "Erase a terminal, once its records are safe."),
):
    command.short_help = short_help
    main.add_command(command)


if __name__ == "__main__":
    main(prog_name="lumbung")
