"""The command: python -m tools.forensics DUMP [--json] [--export FOLDER] [--certificate FILE]; exit codes in README.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from tools.forensics import dump, export, proof, render, report

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("dump_file", metavar="DUMP", type=FILE)
@click.option("--json", "is_json", is_flag=True, help="Print JSON; its shape is stable.")
@click.option(
    "--export", "folder", type=click.Path(file_okay=False, path_type=Path), help="Save all records there."
)
@click.option("--certificate", "certificate_file", type=FILE, help="The terminal's certificate.")
@click.option("--chain-start", default="", metavar="HEX", help="The chain's value before the first record.")
def main(
    dump_file: Path, is_json: bool, folder: Path | None, certificate_file: Path | None, chain_start: str
) -> None:
    """Read a raw flash dump (whole chip or journal partition): what is whole, torn or missing, and is it proved.

    Exit code: 0 every record proved; 1 something missing, damaged or unproved; 2 wrong usage or no dump;
    3 no journal in it; 4 all linked, but no key to verify seals with.
    """
    try:
        certificate = proof.read_certificate(certificate_file.read_bytes()) if certificate_file else None
        reading = report.read(dump.load(dump_file), certificate, bytes.fromhex(chain_start))
    except (dump.DumpError, proof.KeyFileError, OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    told = report.of(reading)
    if is_json:
        print(json.dumps(told, indent=1, sort_keys=True))
    else:
        render.show(told, Console())
    if folder is not None:
        written = export.write(reading, folder)
        print(f"{len(written)} files written to {folder}", file=sys.stderr)
    sys.exit(told["verdict"])


if __name__ == "__main__":
    main()
