"""The authority's unsigned papers: the programme's roster key, the operators' codes, and the card CAs, as terminals take them."""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

import click

from firmware.card.errors import AuthenticationError
from firmware.ledger import ca_key_list
from protocol.errors import ProtocolError

ROSTER_KEY_OCTETS = 32
OPERATOR_OCTETS = 16
# As many digits as the terminal's screen takes; fewer are guessed while its owner is at lunch.
_CODE = re.compile("[0-9]{4,8}")
_FIELDS = ("rid", "exponent", "modulus", "checksum")

INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)


def draw_roster_key() -> bytes:
    """A new key for card keys, 32 octets."""
    return secrets.token_bytes(ROSTER_KEY_OCTETS)


def operators(roster_key: bytes, codes: list[str]) -> bytes:
    """What terminals keep of operators' codes, 16 octets each, in their order: records name operators by their place.

    ValueError names the line of a code that is none, or stands twice.
    """
    for line, code in enumerate(codes, 1):
        if not _CODE.fullmatch(code) or code in codes[: line - 1]:
            raise ValueError(f"line {line}: not 4 to 8 digits, or there before")
    return b"".join(
        hmac.digest(roster_key, b"operator" + code.encode(), "sha256")[:OPERATOR_OCTETS] for code in codes
    )


def ca_keys(described: list[dict[str, Any]]) -> bytes:
    """The list of card CAs from their published descriptions: `rid`, `exponent`, `modulus` and `checksum` (SHA-1, EMV Book 2,
    table 24) in hexadecimal digits, `index` as a number. ValueError or a `ProtocolError` says what does not fit.
    """
    keys = []
    for place, one in enumerate(described, 1):
        try:
            rid, exponent, modulus, checksum = (bytes.fromhex(one[name]) for name in _FIELDS)
            keys.append((rid, int(one["index"]), b"", exponent, modulus, checksum))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"CA {place}: {type(error).__name__}: {error}") from error
    octets: bytes = ca_key_list.encode(keys)
    try:
        ca_key_list.decode(octets)
    except AuthenticationError as error:
        raise ValueError(f"a checksum does not fit its key: {error}") from error
    return octets


@click.command("roster-key")
@click.option("--out", type=OUTPUT, required=True, help="New file (roster.key, mode 0600); a secret.")
def roster_key_command(out: Path) -> None:
    """Draw the programme's key that card keys are made with; a key that is there is never replaced."""
    try:
        opened = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise click.ClickException(f"{out}: is there already") from error
    with os.fdopen(opened, "wb") as file:
        file.write(draw_roster_key())
        file.flush()
        os.fsync(file.fileno())
    click.echo(f"{out}: {ROSTER_KEY_OCTETS} octets")


@click.command("operators")
@click.option("--roster-key", type=INPUT, required=True, help="The programme's (roster.key).")
@click.option("--out", type=OUTPUT, required=True, help="File for the terminal (operators.bin).")
@click.argument("codes", type=INPUT)
def operators_command(roster_key: Path, out: Path, codes: Path) -> None:
    """Turn operators' codes (a file with 4 to 8 digits in each line) into what terminals keep of them."""
    key = roster_key.read_bytes()
    if len(key) != ROSTER_KEY_OCTETS:
        raise click.ClickException(f"{roster_key}: {len(key)} octets, not {ROSTER_KEY_OCTETS}")
    try:
        octets = operators(key, codes.read_text("ascii").split())
    except ValueError as error:
        raise click.ClickException(f"{codes}: {error}") from error
    out.write_bytes(octets)
    click.echo(f"{out}: {len(octets) // OPERATOR_OCTETS} operators")


@click.command("ca-keys")
@click.option("--out", type=OUTPUT, required=True, help="File for terminals (ca-keys.bin).")
@click.argument("described", type=INPUT)
def ca_keys_command(out: Path, described: Path) -> None:
    """Turn the card CAs' published keys (a JSON list; fields as in tools/authority/programme.py) into what terminals take."""
    try:
        octets = ca_keys(json.loads(described.read_text("utf-8")))
    except (ProtocolError, TypeError, ValueError) as error:
        raise click.ClickException(f"{described}: {error}") from error
    out.write_bytes(octets)
    click.echo(f"{out}: {len(octets)} octets")


COMMANDS = (roster_key_command, operators_command, ca_keys_command)
