"""The commands that put new rosters on the broker for the terminals that need them, take them back, and say who waits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from gateway import keys, owed, renewals
from gateway.channels.shelf import Shelf
from gateway.cli_parts import Kid, as_json, give_order, guarded, tell
from gateway.config import Config
from gateway.errors import BrokerError, UnknownTerminalError
from gateway.keys import GatewayCipher
from gateway.publish import Order
from gateway.releases import Message
from gateway.store.interface import Reader, TerminalRow
from gateway.store.sqlite import SqliteReader
from protocol import offer
from protocol.errors import ProtocolError
from protocol.renewal import PIECE_OCTETS

KIDS = click.argument("kids", type=Kid(), nargs=-1)


@click.group("roster")
def roster_group() -> None:
    """Bring new rosters, with the grants under them, to terminals in use over MQTT."""


@roster_group.command("offer")
@KIDS
@as_json
@click.pass_obj
@guarded
def roster_offer(config: Config, kids: tuple[int, ...], is_json: bool) -> None:
    """Keep at the broker what terminals need for the roster that their newest grants are under: of these, or of all.

    What a terminal has adopted meanwhile is taken away. Doing it again is no harm: publish rosters and grants, then run it.
    """
    prefix = config.mqtt.topic_prefix
    told = []
    with _shelf(config) as shelf:
        before = shelf.look()
        for kid, cipher in _terminals(config, kids):
            mine = _of(before, kid, prefix)
            answer = give_order(config, Order.RENEWAL, b"", kid)
            made = [bytes.fromhex(octets) for octets in answer.pop("frames")]
            name = answer.pop("name")
            if made and name == _name(mine, kid, len(made), cipher, prefix):
                told.append(answer | {"published": 0})
                continue
            messages = renewals.changes(
                mine, renewals.kept(kid, made, prefix), offer.renewal_topic(kid, 0, prefix)
            )
            _keep(shelf, messages)
            told.append(answer | {"published": len(messages)})
    _tell(told, is_json)


@roster_group.command("withdraw")
@KIDS
@as_json
@click.pass_obj
@guarded
def roster_withdraw(config: Config, kids: tuple[int, ...], is_json: bool) -> None:
    """Keep nothing any more for these terminals, or for all: those that have all of it go on."""
    prefix = config.mqtt.topic_prefix
    removed = 0
    with _shelf(config) as shelf:
        before = shelf.look()
        for kid, _ in _terminals(config, kids):
            messages = renewals.changes(_of(before, kid, prefix), {}, offer.renewal_topic(kid, 0, prefix))
            _keep(shelf, messages)
            removed += len(messages)
    tell({"removed": removed}, is_json)


@roster_group.command("show")
@KIDS
@as_json
@click.pass_obj
@guarded
def roster_show(config: Config, kids: tuple[int, ...], is_json: bool) -> None:
    """Who needs a new roster, why others do not, and how much of it the broker keeps."""
    prefix = config.mqtt.topic_prefix
    with _shelf(config) as shelf:
        before = shelf.look()
    terminals = [kid for kid, _ in _terminals(config, kids)]
    reader = SqliteReader.open(config.data)
    try:
        told = [
            renewals.owed(reader, kid).told(kid) | {"kept": len(_of(before, kid, prefix))}
            for kid in terminals
        ]
    finally:
        reader.close()
    _tell(told, is_json)


def _tell(told: list[dict[str, Any]], is_json: bool) -> None:
    if is_json:
        tell({"terminals": told}, is_json)
    for one in () if is_json else told:
        what = one["reason"] or (
            f"roster {one['roster']}, {'all ' if one['whole'] else ''}{one['families']} families,"
            f" {one['octets']} octets"
        )
        done = f"{one['kept']} kept" if "kept" in one else f"{one['published']} published"
        click.echo(f"{one['kid']}: {what}; {done} at the broker")


def _shelf(config: Config) -> Shelf:
    return Shelf(config.mqtt, f"{config.mqtt.topic_prefix}/renewal")


def _terminals(config: Config, kids: Iterable[int]) -> list[tuple[int, GatewayCipher | None]]:
    """Kids and what their frames are encrypted with, as far as there is an epoch; all terminals where none is named."""
    ring = keys.load(config.keys)
    reader = SqliteReader.open(config.data)
    try:
        rows = [_row(reader, kid) for kid in kids] or reader.terminals()
        epoch = owed.current_epoch(reader, ring)
        return [(row.kid, None if epoch is None else owed.down_cipher(row, epoch)) for row in rows]
    finally:
        reader.close()


def _row(reader: Reader, kid: int) -> TerminalRow:
    row = reader.terminal(kid)
    if row is None:
        raise UnknownTerminalError(kid=f"{kid:08x}")
    return row


def _of(before: dict[str, bytes], kid: int, prefix: str) -> dict[str, bytes]:
    """What is kept for one terminal."""
    folder = offer.renewal_topic(kid, 0, prefix)[:-1]
    return {topic: octets for topic, octets in before.items() if topic.startswith(folder)}


def _name(mine: dict[str, bytes], kid: int, count: int, cipher: GatewayCipher | None, prefix: str) -> str:
    """The name of the unit whose pieces are all kept and can be read now; empty for none."""
    topics = [offer.renewal_topic(kid, place * PIECE_OCTETS, prefix) for place in range(count)]
    if cipher is None or sorted(topics) != sorted(mine):
        return ""
    try:
        names = {renewals.piece_in(mine[topic], cipher).name for topic in topics}
    except ProtocolError:
        return ""
    return names.pop().hex() if len(names) == 1 else ""


def _keep(shelf: Shelf, messages: list[Message]) -> None:
    """Publish, and see that the broker keeps it."""
    if not messages:
        return
    shelf.keep(messages)
    after = shelf.look()
    lacking = sum(after.get(topic, b"") != octets for topic, octets in messages)
    if lacking:
        raise BrokerError(reason="it does not keep what it took", messages=lacking)
