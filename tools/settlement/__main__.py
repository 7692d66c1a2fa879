"""Runs the settlement sandbox: python -m tools.settlement --authority FILE --policy FILE --issuer FILE ..."""

import json
from pathlib import Path

import click
import uvicorn

from protocol import certificates, policy
from tools.settlement.app import make_app
from tools.settlement.books import Books
from tools.settlement.cryptogram import Issuer
from tools.settlement.service import Settlement


@click.command()
@click.option("--authority", type=click.Path(exists=True, path_type=Path), required=True, help="authority.pub")
@click.option("--policy", "policy_file", type=click.Path(exists=True, path_type=Path), required=True, help="policy.bin")
@click.option("--issuer", type=click.Path(exists=True, path_type=Path), required=True, help="cards and master keys")
@click.option("--token", type=click.Path(exists=True, path_type=Path), required=True, help="file with the bearer token")
@click.option("--books", type=click.Path(path_type=Path), default=":memory:", help="SQLite file of the books")
@click.option("--granted", type=int, default=0, help="rupiah held for grants")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, default=8460, show_default=True)
def main(
    authority: Path, policy_file: Path, issuer: Path, token: Path, books: Path, granted: int, host: str, port: int
) -> None:
    """Serve until interrupted. A sandbox: it plays the bank for demo and tests and holds made-up issuer keys."""
    body, _ = certificates.split_signature(policy_file.read_bytes(), "policy")
    bank = Issuer(json.loads(issuer.read_text()), policy.decode(body))
    opened = Books(books)
    if granted:
        with opened:
            opened.hold("command line", granted)
    settlement = Settlement(opened, authority.read_bytes(), bank)
    app = make_app(settlement, opened, token.read_text().strip())
    uvicorn.run(app, host=host, port=port, log_level="warning")


if __name__ == "__main__":
    main()
