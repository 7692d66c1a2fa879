"""A gateway as its operators have it: a data directory, an authority, and the commands run in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import structlog
from click.testing import CliRunner

from gateway import cli, keys
from gateway.store.sqlite import SqliteStore
from gateway.writer import Writer
from tests.support.frames import Authority, Terminal
from tests.support.gateway_rig import NOW_MS, NotingChannel, received, small


class Desk:
    """A data directory, an authority and the commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.authority = Authority()
        (folder / "authority.pub").write_bytes(self.authority.public)
        self.terminal: Terminal

    def run(self, *arguments: object, status: int = 0) -> str:
        """Run one command, check its exit status, return what it printed."""
        flags = [
            "--set", f"files.data_directory={self.data}",
            "--set", f"files.authority_public_key={self.folder / 'authority.pub'}",
        ]  # fmt: skip
        result = CliRunner().invoke(cli.main, [*flags, *[str(argument) for argument in arguments]])
        structlog.reset_defaults()  # a command's own log settings end with its process
        assert result.exit_code == status, (result.output, result.exception)
        return result.output

    def json(self, *arguments: object, status: int = 0) -> Any:
        """The same with --json."""
        return json.loads(self.run(*arguments, "--json", status=status))

    def file(self, name: str, octets: bytes) -> Path:
        """A file of the authority."""
        path = self.folder / name
        path.write_bytes(octets)
        return path

    @property
    def request(self) -> bytes:
        """The gateway's request for certification."""
        return (self.data / "gateway.req").read_bytes()

    def open(self) -> Terminal:
        """Keys, epoch, policy, roster, and one registered terminal with a grant that it has adopted."""
        self.run("init")
        self.run("publish", "epoch", self.file("epoch.cert", self.authority.epoch(self.request)))
        policy, roster = self.authority.policy(), self.authority.roster()
        self.run("publish", "policy", self.file("policy.bin", policy))
        self.run("publish", "roster", self.file("roster.bin", roster))
        self.terminal = Terminal(42, self.authority, self.request)
        self.run("register", self.file("terminal-0000002a.cert", self.terminal.certificate))
        grant = self.terminal.adopt_all(policy, roster, self.authority)
        self.run("publish", "grant", self.file("grant-0000002a-1.bin", grant))
        return self.terminal

    def deliver(self, *frames: bytes) -> None:
        """Have frames judged and stored as a running gateway would."""
        store = SqliteStore.create(self.data)
        channel = NotingChannel()
        writer = Writer(
            store, keys.load(self.data / "keys"), small(), lambda _: None, clock_ms=lambda: NOW_MS
        )
        writer.start()
        for number, raw in enumerate(frames):
            writer.deliver(received(raw, channel, number))
        assert channel.wait_for(len(frames))
        writer.stop()
        store.close()
