"""The whole system on one machine: district, authority, broker, gateway, settlement sandbox and virtual terminals.

Every part is a real process that talks to the others as it would in the field; the terminal's chips and the bank are
modelled. Used by the demo and by whole-system tests.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from firmware.ledger import ca_key_list, document_area
from gateway import report
from gateway.store.sqlite import SqliteReader
from protocol import grant, policy, roster, takeover
from tools import brokers, district
from tools.authority.issue import Authority
from tools.authority.programme import operators
from tools.authority.signing import SigningKey
from tools.brokers import Broker
from tools.technician import replacing
from tools.technician.replacing import Office, Wish
from tools.virtual_terminal.control import VirtualTerminal, provision

OPERATOR_CODE = "1234"
SEMBAKO_RUPIAH = 200_000
PKH_RUPIAH = 750_000
GRANT_DAYS = 30
READY_TIMEOUT_S = 30.0


class StackError(Exception):
    """A part did not start or ended; the message names it and its log."""


class Stack:
    """One district with its services in `folder`. Nothing runs until the `start_` methods are called.

    `gateway_settings` are `section.key=value` as the gateway's command line takes them, for its SMS links for instance.
    """

    def __init__(
        self,
        folder: Path,
        seed: bytes = b"lumbung",
        settlement_delay_s: int = 0,
        gateway_settings: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.seed = seed
        self.families = district.make_families(seed)
        self.cards = district.make_card_world(seed)
        self.broker: Broker = brokers.best_broker(brokers.free_port())
        self.settlement_port = brokers.free_port()
        self.granted_rupiah = 0
        self._gateway_flags = [word for setting in gateway_settings for word in ("--set", setting)]
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._terminals: dict[int, VirtualTerminal] = {}
        self._flash: dict[int, Path] = {}
        self._fittings: dict[int, dict[str, Any]] = {}
        self._settings: dict[int, dict[str, str]] = {}
        self._now_s = int(time.time())
        self._roster_key = secrets.token_bytes(32)
        self.authority_key = SigningKey.generate()
        self._authority = Authority(self.authority_key)
        self._policy = district.make_policy(settlement_delay_s=settlement_delay_s)
        self._roster = district.make_roster(self.families, self._roster_key)

    # Papers.

    def issue_documents(self) -> None:
        """The authority signs policy and roster; the gateway makes its keys and gets them certified."""
        folder = self.folder
        (folder / "authority.pub").write_bytes(self._authority.public)
        (folder / "policy.bin").write_bytes(self._authority.policy(self._policy))
        (folder / "roster.bin").write_bytes(self._authority.roster(self._roster))
        issuer = district.issuer_file(self.cards, self.families, self._roster_key)
        district.save_json(folder / "issuer.json", issuer)
        token = folder / "settlement.token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_urlsafe(32))
        (folder / "gateway.toml").write_text(self._gateway_config())
        self.gateway_command("init")
        self.certify_epoch(1)
        for kind, name in (("epoch", "epoch.cert"), ("policy", "policy.bin"), ("roster", "roster.bin")):
            self.gateway_command("publish", kind, str(folder / name))

    def certify_epoch(self, epoch: int) -> Path:
        """The authority certifies the gateway's keys for an epoch; the certificate's file."""
        request = (self.folder / "gateway" / "gateway.req").read_bytes()
        path = self.folder / "epoch.cert"
        path.write_bytes(self._authority.epoch(request, epoch, self._now_s))
        return path

    def _gateway_config(self) -> str:
        """The gateway's TOML file."""
        return "\n".join(
            (
                "[files]",
                f'data_directory = "{self.folder / "gateway"}"',
                f'authority_public_key = "{self.folder / "authority.pub"}"',
                "[mqtt]",
                f'host = "{self.broker.host}"',
                f"port = {self.broker.port}",
                f'protocol = "{"5" if self.broker.name == "mosquitto" else "3.1.1"}"',
                'username = "gateway"',
                "reconnect_ms_max = 1000",
                "[acknowledge]",
                "interval_ms = 200",
                "[settlement]",
                f'url = "http://127.0.0.1:{self.settlement_port}"',
                f'token_file = "{self.folder / "settlement.token"}"',
                # A service that was away is found again within a second, not within a minute.
                "retry_ms_max = 1000",
                "poll_ms = 50",
                "",
            )
        )

    def _grants(self, kid: int) -> dict[int, bytes]:
        """This month's grants for a terminal, signed, by programme; published at the gateway too."""
        period = district.period_now(self._now_s)
        expiry_s = self._now_s + GRANT_DAYS * 86400
        signed = {}
        for programme, amount_rupiah in (
            (district.PROGRAMME_SEMBAKO, SEMBAKO_RUPIAH),
            (district.PROGRAMME_PKH, PKH_RUPIAH),
        ):
            document = district.make_grant(programme, programme, period, expiry_s, amount_rupiah)
            self.granted_rupiah += granted_rupiah(document, len(self.families))
            signed[programme] = self._sign_grant(kid, document)
        return signed

    def _sign_grant(self, kid: int, document: grant.Grant) -> bytes:
        """A grant of the authority, kept as a file."""
        digests = roster.digest(self._roster), policy.digest(policy.encode(self._policy))
        signed = self._authority.grant(kid, *digests, document)
        self._grant_path(kid, document.programme).write_bytes(signed)
        return signed

    def _grant_path(self, kid: int, programme: int) -> Path:
        return self.folder / f"grant-{kid:08x}-{programme}.bin"

    def _grants_left(self, kid: int, after: int, exposure_rupiah: int) -> dict[int, bytes]:
        """Grants for a new generation, as `lumbung replace` gets them: `after` is retired, and the authority gives on what is
        left of its leases.
        """
        office = Office(
            self.folder / f"takeover-{after:08x}",
            self.folder,
            gateway_config=self.folder / "gateway.toml",
            authority=self._authority,
        )
        replacing.go_on(office, Wish(after, kid, takeover.REASON_OTHER, None, exposure_rupiah))
        programmes = (district.PROGRAMME_SEMBAKO, district.PROGRAMME_PKH)
        return {programme: self._grant_path(kid, programme).read_bytes() for programme in programmes}

    def write_papers(self, folder: Path, kid: int) -> None:
        """What a technician needs for a terminal that is to be `kid` (tools/technician/papers), the authority's key with it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.authority_key.save(folder / "authority.pem")
        for name in ("authority.pub", "epoch.cert", "policy.bin", "roster.bin"):
            shutil.copyfile(self.folder / name, folder / name)
        (folder / "roster.key").write_bytes(self._roster_key)
        (folder / "operators.bin").write_bytes(operators(self._roster_key, [OPERATOR_CODE]))
        (folder / "ca-keys.bin").write_bytes(ca_key_list.encode(self.cards.ca_keys))
        broker = {"broker_host": self.broker.host, "broker_port": str(self.broker.port)}
        (folder / "settings.txt").write_text("".join(f"{name}={broker[name]}\n" for name in sorted(broker)))
        for number in self._grants(kid):
            shutil.copyfile(self._grant_path(kid, number), folder / self._grant_path(kid, number).name)

    # Terminals.

    def add_terminal(
        self, kid: int, fittings: dict[str, Any] | None = None, settings: dict[str, str] | None = None
    ) -> VirtualTerminal:
        """A new terminal: keys made on it, certified, everything installed, registered at the gateway.

        `fittings`: parts that not every terminal has; `settings`: more of them, or others than usual.
        """
        self._flash[kid] = self.folder / f"flash-{kid:08x}.bin"
        self._fittings[kid] = fittings or {}
        self._settings[kid] = settings or {}
        return self._furnish(kid, self._grants, discards_records=False)

    def new_generation(
        self, kid: int, after: int, *, discards_records: bool, exposure_rupiah: int = 0
    ) -> VirtualTerminal:
        """The terminal `after` with new keys under `kid` on its old flash, and what is left of its leases.

        `exposure_rupiah`: what may have been spent of them without our hearing of it.
        """
        for known in (after, kid):
            if known in self._terminals:
                self._terminals.pop(known).switch_off()
        return self._take_over(kid, after, self._flash[after], exposure_rupiah, discards_records)

    def replace(self, kid: int, after: int, *, exposure_rupiah: int = 0) -> VirtualTerminal:
        """Another terminal with what is left of the leases of `after`, which is switched off; its flash stays as it is."""
        self._terminals[after].switch_off()
        flash = self.folder / f"flash-{kid:08x}.bin"
        return self._take_over(kid, after, flash, exposure_rupiah, discards_records=False)

    def _take_over(
        self, kid: int, after: int, flash: Path, exposure_rupiah: int, discards_records: bool
    ) -> VirtualTerminal:
        """Fitted and set as the old one."""
        self._flash[kid] = flash
        self._fittings[kid] = self._fittings[after]
        self._settings[kid] = self._settings[after]
        return self._furnish(
            kid, lambda new: self._grants_left(new, after, exposure_rupiah), discards_records
        )

    def _furnish(
        self, kid: int, grants: Callable[[int], dict[int, bytes]], discards_records: bool
    ) -> VirtualTerminal:
        """Keys, certificate, documents, registration."""
        terminal = self._switch_on(kid)
        settings = {
            "broker_host": self.broker.host,
            "broker_port": str(self.broker.port),
            "username": f"{kid:08x}",
            **self._settings[kid],
        }
        sections = {
            document_area.EPOCH_CERTIFICATE: (self.folder / "epoch.cert").read_bytes(),
            document_area.POLICY: (self.folder / "policy.bin").read_bytes(),
            document_area.ROSTER_KEY: self._roster_key,
            document_area.CA_KEYS: ca_key_list.encode(self.cards.ca_keys),
            document_area.OPERATORS: operators(self._roster_key, [OPERATOR_CODE]),
            document_area.SETTINGS: "".join(f"{name}={settings[name]}\n" for name in settings).encode(),
        }
        roster_signed = (self.folder / "roster.bin").read_bytes()
        certificate = provision(
            terminal, self._authority, kid, self._now_s, sections, roster_signed, grants, discards_records
        )
        path = self.folder / f"terminal-{kid:08x}.cert"
        path.write_bytes(certificate)
        self.gateway_command("register", str(path))
        for grant_path in sorted(self.folder.glob(f"grant-{kid:08x}-*.bin")):
            self.gateway_command("publish", "grant", str(grant_path))
        return terminal

    def _switch_on(self, kid: int) -> VirtualTerminal:
        """A process for the terminal on its flash."""
        log = self.folder / f"terminal-{kid:08x}.log"
        terminal = VirtualTerminal(self._flash[kid], log, fittings=self._fittings[kid])
        self._terminals[kid] = terminal
        return terminal

    def power_cut(self, kid: int, flash: Path | None = None) -> VirtualTerminal:
        """Switch a terminal off in the middle of whatever it does, and on again with the same flash, or with a copy of
        `flash`, an image of it that was kept.
        """
        self._terminals[kid].switch_off()
        if flash is not None:
            shutil.copyfile(flash, self._flash[kid])
        return self._switch_on(kid)

    def keep_flash(self, kid: int) -> Path:
        """Switch a terminal off and copy its flash; `power_cut` brings it back."""
        self._terminals[kid].switch_off()
        kept = self._flash[kid].with_suffix(".kept")
        shutil.copyfile(self._flash[kid], kept)
        return kept

    def card_of(self, index: int) -> dict[str, Any]:
        """The card of the family at a roster index."""
        return self.cards.card(self.families[index], self.seed)

    # Services.

    def gateway_command(self, *arguments: str) -> str:
        """Run a gateway command to its end; returns what it printed."""
        command = [sys.executable, *self._gateway(), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=self._env(), check=False
        )
        if done.returncode:
            raise StackError(
                f"gateway {' '.join(arguments)}: exit {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done.stdout

    def _gateway(self) -> list[str]:
        """What the interpreter is told to run the gateway's command line."""
        return ["-m", "gateway", "--config", str(self.folder / "gateway.toml"), *self._gateway_flags]

    def reach_by_sms(self, kid: int, number: str) -> None:
        """Register the number of a terminal's SIM, so that it is answered by SMS where it speaks by SMS."""
        self.gateway_command("telephone", f"{kid:08x}", number)

    def start_gateway(self) -> None:
        """Start the daemon."""
        self._start("gateway", *self._gateway(), "run")

    def wait_for_gateway(self) -> None:
        """Until the gateway's own round trip through the broker says that it is ready."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self.gateway_status()["health"].get("broker", {}).get("ready"):
            if time.monotonic() > deadline:
                raise StackError(f"gateway: not ready, see {self.folder / 'gateway.log'}")
            time.sleep(0.1)

    def start_settlement(self) -> None:
        """Start the bank's sandbox and wait until it answers."""
        folder = self.folder
        self._start(
            "settlement",
            *("-m", "tools.settlement"),
            *("--authority", str(folder / "authority.pub")),
            *("--policy", str(folder / "policy.bin")),
            *("--issuer", str(folder / "issuer.json")),
            *("--token", str(folder / "settlement.token")),
            *("--books", str(folder / "settlement.db")),
            *("--granted", str(self.granted_rupiah)),
            *("--port", str(self.settlement_port)),
        )
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                self.settlement_get("/v1/health")
                return
            except OSError as error:
                if time.monotonic() > deadline or self._children["settlement"].poll() is not None:
                    raise StackError(f"settlement: not ready, see {folder / 'settlement.log'}") from error
                time.sleep(0.05)

    def settlement_get(self, path: str) -> dict[str, Any]:
        """One answer of the settlement service."""
        token = (self.folder / "settlement.token").read_text()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.settlement_port}{path}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            body: dict[str, Any] = json.load(answer)
            return body

    def gateway_status(self) -> dict[str, Any]:
        """What `status --json` says; asked often, so without a process of its own."""
        data = self.folder / "gateway"
        reader = SqliteReader.open(data)
        try:
            return report.overview(reader, data)
        finally:
            reader.close()

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, *arguments], stdout=log, stderr=log, cwd=self.folder, env=self._env()
            )

    def _env(self) -> dict[str, str]:
        """Children find the packages of this checkout wherever they run."""
        root = str(Path(__file__).resolve().parents[1])
        return {**os.environ, "PYTHONPATH": root}

    def stop_service(self, name: str) -> None:
        """End a service by its own process id."""
        child = self._children.pop(name, None)
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def kill_service(self, name: str, number: int) -> None:
        """End a service by a signal that it may not be able to handle."""
        child = self._children.pop(name)
        child.send_signal(number)
        child.wait()

    def stop(self) -> None:
        """End everything that was started here."""
        for terminal in self._terminals.values():
            terminal.switch_off()
        for name in list(self._children):
            self.stop_service(name)
        self.broker.stop()


def granted_rupiah(document: grant.Grant, families: int) -> int:
    """Sum of a grant over all families."""
    return sum(document.amount_rupiah(index) for index in range(families))
