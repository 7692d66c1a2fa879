"""The commands that offer a release of the terminals' application over MQTT, withdraw it, and look at what is offered."""

from __future__ import annotations

from pathlib import Path

import click

from gateway import publish, releases
from gateway.channels.shelf import Shelf
from gateway.cli_parts import Kid, as_json, guarded, tell
from gateway.config import Config
from gateway.errors import BrokerError
from gateway.releases import Kept
from protocol import offer


@click.group("release")
def release_group() -> None:
    """Renew the terminals' application over MQTT."""


@release_group.command("offer")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--share",
    type=click.IntRange(0, offer.SHARE_MAX),
    default=0,
    help="Permille of all terminals that take it; a greater share later keeps the smaller one's.",
)
@click.option("--kid", "kids", type=Kid(), multiple=True, help="This terminal takes it, too; repeatable.")
@as_json
@click.pass_obj
@guarded
def release_offer(config: Config, file: Path, share: int, kids: tuple[int, ...], is_json: bool) -> None:
    """Put a signed release bundle on the broker, and offer it to a share of the terminals, or to some by name.

    Doing it twice changes nothing; another share or other kids change the offer alone; another release takes its place.
    """
    if not share and not kids:
        raise click.UsageError("say for whom: --share, --kid or both")
    prefix = config.mqtt.topic_prefix
    authority = publish.authority_key(Path(config.files.authority_public_key))
    made = releases.offered(file.read_bytes(), authority, share, kids, prefix)
    with _shelf(config) as shelf:
        changed = releases.changes(shelf.look(), made.messages, prefix)
        shelf.keep(changed)
        kept = shelf.look()
    lacking = sum(kept.get(topic) != octets for topic, octets in made.messages.items())
    if lacking:
        raise BrokerError(reason="it does not keep what it took", messages=lacking)
    tell(_told(releases.look(kept, prefix)) | {"published": len(changed)}, is_json)


@release_group.command("withdraw")
@as_json
@click.pass_obj
@guarded
def release_withdraw(config: Config, is_json: bool) -> None:
    """Offer nothing any more: terminals that have not started it leave it, those that run it go on."""
    prefix = config.mqtt.topic_prefix
    with _shelf(config) as shelf:
        kept = shelf.look()
        shelf.keep(releases.changes(kept, {}, prefix))
        left = shelf.look()
    if left:
        raise BrokerError(reason="it still keeps what it was told to forget", messages=len(left))
    was = releases.look(kept, prefix).offer
    tell({"withdrawn": was.release if was else 0, "removed": len(kept)}, is_json)


@release_group.command("show")
@as_json
@click.pass_obj
@guarded
def release_show(config: Config, is_json: bool) -> None:
    """What is offered now, to whom, and whether the broker has all of it."""
    with _shelf(config) as shelf:
        kept = shelf.look()
    tell(_told(releases.look(kept, config.mqtt.topic_prefix)), is_json)


def _shelf(config: Config) -> Shelf:
    return Shelf(config.mqtt, f"{config.mqtt.topic_prefix}/release")


def _told(kept: Kept) -> dict[str, object]:
    """What people are told; its shape is stable."""
    found = kept.offer
    if found is None:
        return {"release": 0, "messages": kept.messages}
    return {
        "release": found.release,
        "octets": found.octets,
        "head": found.head_digest.hex(),
        "share_permille": found.share,
        "kids": [f"{kid:08x}" for kid in found.kids],
        "pieces_lacking": kept.lacking,
        "messages": kept.messages,
    }
