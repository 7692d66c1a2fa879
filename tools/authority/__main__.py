"""The authority's desk: python -m tools.authority makes its key and signs what is brought to it in files."""

import re
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from protocol import certificates, grant, policy, roster, takeover, write_off
from protocol.errors import ProtocolError
from protocol.records import SEQUENCE_MAX
from tools.authority import takeover_folder
from tools.authority.issue import Authority, RequestRefusedError, changed_families
from tools.authority.programme import COMMANDS as PROGRAMME_COMMANDS
from tools.authority.signing import KeyFileError, SigningKey
from tools.authority.takeover import Decision, take_over

INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)
SEQUENCE = click.IntRange(1, SEQUENCE_MAX)
REASONS = {
    "terminal-lost": write_off.REASON_TERMINAL_LOST,
    "flash-damaged": write_off.REASON_FLASH_DAMAGED,
    "other": write_off.REASON_OTHER,
}
TAKEOVER_REASONS = {
    "terminal-lost": takeover.REASON_TERMINAL_LOST,
    "terminal-broken": takeover.REASON_TERMINAL_BROKEN,
    "rolled-back": takeover.REASON_ROLLED_BACK,
    "other": takeover.REASON_OTHER,
}


class Kid(click.ParamType[int]):
    """A kid as eight hexadecimal digits, which is how it stands on every label."""

    name = "kid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        digits = str(value)
        if not re.fullmatch("[0-9a-fA-F]{8}", digits):
            self.fail(f"{digits!r} is not eight hexadecimal digits", param, ctx)
        return int(digits, 16)


def _told(command: Callable[..., None]) -> Callable[..., None]:
    """Let refusals end the command with their sentence."""

    @wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except (ProtocolError, RequestRefusedError, KeyFileError) as error:
            raise click.ClickException(str(error)) from error

    return wrapped


def _write(path: Path, octets: bytes) -> None:
    """Write a signed unit and say so."""
    path.write_bytes(octets)
    click.echo(f"{path}: {len(octets)} octets")


KEY = click.option("--key", type=INPUT, required=True, help="The authority's private key (PEM).")
OUT = click.option("--out", type=OUTPUT, required=True, help="Where the signed unit goes.")
FOLDER = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where the signed unit goes, under the name that everybody expects.",
)


@click.group()
def main() -> None:
    """Make the authority's key, and sign what it answers for. The key belongs on no gateway and on no terminal."""


@main.command()
@click.option("--key", type=OUTPUT, required=True, help="New file for the private key (PEM, mode 0600).")
@click.option("--public", type=OUTPUT, required=True, help="File for the public key (authority.pub).")
@_told
def init(key: Path, public: Path) -> None:
    """Make the authority's key; a key that is there is never replaced."""
    made = SigningKey.generate()
    made.save(key)
    _write(public, made.public)


@main.command()
@KEY
@FOLDER
@click.argument("request", type=INPUT)
@_told
def terminal(key: Path, folder: Path, request: Path) -> None:
    """Certify a terminal's keys (request: kid, storage, seal key, agreement key; 133 octets)."""
    kid, signed = Authority(SigningKey.load(key)).terminal_request(request.read_bytes(), int(time.time()))
    _write(folder / f"terminal-{kid:08x}.cert", signed)


@main.command()
@KEY
@OUT
@click.option("--epoch", type=click.IntRange(1, 0xFFFF), required=True, help="Greater than any before.")
@click.argument("request", type=INPUT)
@_told
def gateway(key: Path, out: Path, epoch: int, request: Path) -> None:
    """Certify a gateway's keys under an epoch (request: key id, agreement and acknowledgement key; 132 octets)."""
    _write(out, Authority(SigningKey.load(key)).epoch(request.read_bytes(), epoch, int(time.time())))


@main.command("policy")
@KEY
@OUT
@click.argument("body", type=INPUT)
@_told
def sign_policy(key: Path, out: Path, body: Path) -> None:
    """Sign a policy's canonical octets."""
    octets = body.read_bytes()
    signed = Authority(SigningKey.load(key)).policy(policy.decode(octets))
    if signed[: -certificates.SIGNATURE_OCTETS] != octets:
        raise RequestRefusedError("policy: not in canonical form")
    _write(out, signed)


@main.command("roster")
@KEY
@OUT
@click.option("--after", type=INPUT, default=None, help="The signed roster before it, which terminals have.")
@click.argument("octets", type=INPUT)
@_told
def sign_roster(key: Path, out: Path, after: Path | None, octets: Path) -> None:
    """Sign a roster. With --after it is signed only if it follows that one: terminals in use take what is new in it, once the
    gateway has it and later grants under it (python -m gateway publish roster, grant).
    """
    before, new = b"" if after is None else after.read_bytes(), octets.read_bytes()
    _write(out, Authority(SigningKey.load(key)).roster(new, before))
    if before:
        changed = changed_families(certificates.split_signature(before, "roster")[0], new)
        click.echo(f"families that are new or stand otherwise: {len(changed)}")


@main.command("grant")
@KEY
@FOLDER
@click.option("--kid", type=Kid(), required=True, help="The terminal, eight hexadecimal digits.")
@click.option("--roster", "roster_file", type=INPUT, required=True, help="The signed roster it is for.")
@click.option("--policy", "policy_file", type=INPUT, required=True, help="The signed policy it is under.")
@click.argument("body", type=INPUT)
@_told
def sign_grant(key: Path, folder: Path, kid: int, roster_file: Path, policy_file: Path, body: Path) -> None:
    """Sign a grant's body for one terminal, under a roster and a policy."""
    octets, _ = certificates.split_signature(roster_file.read_bytes(), "roster")
    rules, _ = certificates.split_signature(policy_file.read_bytes(), "policy")
    roster_digest, policy_digest = roster.digest(octets), policy.digest(rules)
    document = grant.decode(body.read_bytes(), kid, roster_digest, policy_digest)
    if grant.encode(document) != body.read_bytes():
        raise RequestRefusedError("grant: not in canonical form")
    families = roster.decode_header(octets[: roster.HEADER_OCTETS]).count
    if document.exceptions and document.exceptions[-1][0] >= families:
        raise RequestRefusedError(f"exceptions: index {document.exceptions[-1][0]} of {families} families")
    programmes = {number for number, _ in policy.decode(rules).programmes}
    if document.programme not in programmes:
        raise RequestRefusedError("programme: not in the policy")
    signed = Authority(SigningKey.load(key)).grant(kid, roster_digest, policy_digest, document)
    _write(folder / f"grant-{kid:08x}-{document.programme}.bin", signed)


@main.command("write-off")
@KEY
@FOLDER
@click.option("--kid", type=Kid(), required=True, help="The terminal, eight hexadecimal digits.")
@click.option("--first", type=SEQUENCE, required=True, help="First record that is given up.")
@click.option("--last", type=SEQUENCE, required=True, help="Last record that is given up.")
@click.option(
    "--chain", required=True, help="Chain value at the last one, 64 hexadecimal digits, from the gateway."
)
@click.option(
    "--exposure", type=click.IntRange(0), required=True, help="Rupiah that may have been spent in them."
)
@click.option("--reason", type=click.Choice(list(REASONS)), required=True)
@_told
def sign_write_off(
    key: Path, folder: Path, kid: int, first: int, last: int, chain: str, exposure: int, reason: str
) -> None:
    """Give up records that will never arrive: the terminal's chain goes on behind them."""
    if not re.fullmatch("[0-9a-fA-F]{64}", chain):
        raise RequestRefusedError("chain: not 64 hexadecimal digits")
    document = write_off.WriteOff()
    document.kid, document.first, document.last = kid, first, last
    document.chain, document.exposure_rupiah = bytes.fromhex(chain), exposure
    document.issued_s, document.reason = int(time.time()), REASONS[reason]
    signed = Authority(SigningKey.load(key)).write_off(document)
    _write(folder / f"write-off-{kid:08x}-{first}.bin", signed)


@main.command("takeover")
@KEY
@click.option("--old", type=Kid(), required=True, help="The terminal that is replaced.")
@click.option("--new", type=Kid(), required=True, help="Who gets what is left of its leases.")
@click.option(
    "--last-record",
    type=click.IntRange(0, SEQUENCE_MAX),
    default=None,
    help="The last record in the old one's flash, as its rescue says: nothing is missing if it counts.",
)
@click.option(
    "--exposure",
    type=click.IntRange(0),
    default=None,
    help="Rupiah that may have been spent in records that do not count; needed where such may exist.",
)
@click.option("--reason", type=click.Choice(list(TAKEOVER_REASONS)), required=True)
@click.option("--to", "target", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_told
def sign_takeover(
    key: Path,
    old: int,
    new: int,
    last_record: int | None,
    exposure: int | None,
    reason: str,
    target: Path,
    source: Path,
) -> None:
    """Give what is left of a retired terminal's leases to a new one. SOURCE is what the gateway's takeover wrote.

    The grants and what they are signed under go to the folder --to, from which the new terminal is provisioned; the
    takeover goes to the gateway too (python -m gateway publish takeover FILE).
    """
    papers = takeover_folder.read(source, old)
    decision = Decision(new, TAKEOVER_REASONS[reason], exposure, last_record)
    issued = take_over(Authority(SigningKey.load(key)), papers, decision, int(time.time()))
    for path in takeover_folder.write(source, target, new, papers, issued):
        click.echo(str(path))
    click.echo(f"left on the leases: Rp {issued.left_rupiah}")
    for programme in issued.expired:
        click.echo(f"programme {programme}: its lease has expired, nothing was granted")


for command in PROGRAMME_COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    main()
