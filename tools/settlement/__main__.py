"""Runs the settlement sandbox: python -m tools.settlement --authority FILE --policy FILE --issuer FILE ..."""

import json
import warnings
from pathlib import Path

import click
import uvicorn
from cryptography.utils import CryptographyDeprecationWarning

from protocol import certificates, policy
from protocol.errors import ProtocolError
from protocol.policy import Policy
from tools.settlement import evidence
from tools.settlement.app import make_app
from tools.settlement.books import Books
from tools.settlement.cryptogram import Issuer, IssuerFileError
from tools.settlement.service import Settlement

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def load_policies(paths: tuple[Path, ...], authority_key: bytes) -> dict[bytes, Policy]:
    """Signed policies by digest; raises `ProtocolError`, or `EvidenceError` where a signature does not verify."""
    held = {}
    for path in paths:
        body, signature = certificates.split_signature(path.read_bytes(), "policy")
        if not evidence.verify(authority_key, policy.signed_message(body), signature):
            raise evidence.EvidenceError("policy", f"{path}: the authority's signature does not verify")
        decoded = policy.decode(body)
        held[decoded.digest] = decoded
    return held


@click.command()
@click.option("--authority", type=FILE, required=True, help="The authority's public key (authority.pub).")
@click.option(
    "--policy",
    "policies",
    type=FILE,
    required=True,
    multiple=True,
    help="A signed policy; once for each in use.",
)
@click.option("--issuer", type=FILE, required=True, help="The issuer's cards and master keys (JSON).")
@click.option("--token", type=FILE, required=True, help="File with the bearer token that clients must show.")
@click.option("--books", type=click.Path(path_type=Path), required=True, help="SQLite file of the books.")
@click.option("--granted", type=click.IntRange(0), default=0, help="Rupiah held for grants.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8460, show_default=True)
def main(
    authority: Path,
    policies: tuple[Path, ...],
    issuer: Path,
    token: Path,
    books: Path,
    granted: int,
    host: str,
    port: int,
) -> None:
    """Serve until interrupted. A sandbox: it plays the bank for demo and tests and holds made-up issuer keys."""
    # Card cryptograms are triple DES, whatever one thinks of it; pyemv calls it where it used to be.
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    authority_key = authority.read_bytes()
    try:
        held = load_policies(policies, authority_key)
        bank = Issuer(json.loads(issuer.read_text()))
    except (ProtocolError, evidence.EvidenceError, IssuerFileError, json.JSONDecodeError) as error:
        raise click.ClickException(str(error)) from error
    secret = token.read_text().strip()
    if not secret:
        raise click.ClickException(f"{token}: no token in it")
    opened = Books(books)
    if granted:
        with opened:
            opened.hold("command line", granted)
    app = make_app(Settlement(opened, authority_key, held, bank), opened, secret)
    uvicorn.run(app, host=host, port=port, log_level="warning")


if __name__ == "__main__":
    main()
