"""What commands have in common: how they end, how they print, what a KID is, and how an order reaches the gateway."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from gateway import carrier, decode, keys, loader, owed, publish, spool, tables
from gateway.config import Config
from gateway.contexts import Library
from gateway.errors import GatewayError, OrderRefusedError, StoreLockedError
from gateway.publish import Order, Publisher
from gateway.store.sqlite import SqliteReader, SqliteStore
from protocol import frame
from protocol.errors import ProtocolError

ANSWER_TIMEOUT_S = 30.0

F = TypeVar("F", bound=Callable[..., Any])


def _fail(error: GatewayError) -> NoReturn:
    click.echo(f"lumbung-gateway: {error}", err=True)
    sys.exit(error.exit_status)


def guarded(command: F) -> F:
    """Errors of the gateway end a command with their message and exit status."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except GatewayError as error:
            _fail(error)

    return run  # type: ignore[return-value]


as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON; its shape is stable.")


class Kid(click.ParamType[int]):
    """A kid in eight hex digits."""

    name = "KID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"[0-9a-fA-F]{1,8}", value):
            self.fail("expected up to eight hex digits", param, ctx)
        return int(value, 16)


def tell(told: Any, is_json: bool) -> None:
    """Print what came of a command."""
    if is_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for name, value in told.items():
            click.echo(f"{name}: {tables.plain(value)}")


def describe(config: Config, raw: bytes) -> decode.Description:
    """A frame, taken apart with the keys and contexts of this gateway, as far as it has them."""
    try:
        header = frame.read_header(raw)
        ring = keys.load(config.keys)
        reader = SqliteReader.open(config.data)
    except (ProtocolError, GatewayError):
        return decode.describe(raw)
    try:
        library = Library(reader.document, config.ingest.contexts_cached_max)
        view = loader.load(reader, library, ring, header.kid, config.ingest.waiting_frames_max)
        row, epoch = reader.terminal(header.kid), owed.current_epoch(reader, ring)
        down = owed.down_cipher(row, epoch) if row is not None and epoch is not None else None
        return decode.describe(raw, view, down)
    finally:
        reader.close()


def give_order(config: Config, order: Order, octets: bytes, kid: int) -> dict[str, Any]:
    """Have an order carried out by the running gateway, or here where none runs; what came of it.

    A gateway and other commands may start and end meanwhile: whoever holds the database works the order, once.
    """
    try:
        config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = spool.put(config.data, order, octets, kid, time.time_ns())
    except OSError as failure:
        raise GatewayError(file=failure.filename, reason=failure.strerror) from failure

    def here() -> dict[str, Any] | None:
        try:
            store = SqliteStore.create(config.data)
        except StoreLockedError:
            return None
        except GatewayError:
            spool.withdraw(path)
            raise
        with closing(store):
            # The gateway may have answered and ended between two looks.
            if (told := spool.answered(path)) is not None:
                return told
            spool.withdraw(path)
            return _carry_out(config, store, order, octets, kid)

    told = spool.wait(path, ANSWER_TIMEOUT_S, here, time.sleep)
    if "error" in told:
        raise OrderRefusedError(told["error"], int(told["exit_status"]))
    return told


def _carry_out(config: Config, store: SqliteStore, order: Order, octets: bytes, kid: int) -> dict[str, Any]:
    """Do here what the running gateway would do."""
    if order in carrier.ORDERS:
        with carrier.standing_in(config, store) as standing_in:
            return standing_in.obey(order, octets, kid)
    authority = publish.authority_key(Path(config.files.authority_public_key))
    publisher = Publisher(store, authority, keys.load(config.keys), time.time_ns() // 1_000_000)
    publication = publisher.check(order, octets, kid)
    return publish.carry_out(publication, lambda each: store.apply(each.changes))
