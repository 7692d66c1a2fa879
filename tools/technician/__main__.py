"""The `lumbung` command: what a technician does with a laptop and a cable, each job a sub-command."""

import click

from tools.technician.commands.build import build
from tools.technician.commands.diagnose import diagnose
from tools.technician.commands.flash import erase, flash
from tools.technician.commands.provision import provision
from tools.technician.commands.release import show_release, update
from tools.technician.commands.replace import replace
from tools.technician.commands.rescue import rescue
from tools.technician.commands.self_test import self_test


@click.group()
def main() -> None:
    """Build, flash and look after Lumbung terminals. No network is needed."""


for command in (
    build,
    flash,
    erase,
    provision,
    self_test,
    update,
    show_release,
    diagnose,
    rescue,
    replace,
):
    main.add_command(command)


if __name__ == "__main__":
    main(prog_name="lumbung")
