"""`lumbung provision`: make a terminal on the cable one of the programme's; goes on wherever it stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from firmware.ledger import document_area
from tools.authority.__main__ import Kid
from tools.authority.issue import Authority
from tools.authority.signing import SigningKey
from tools.technician import label as labels
from tools.technician import laptop, provisioning, registering
from tools.technician.commands.common import INPUT, JSON, PORT, bars, open_console, require_one, told
from tools.technician.kids import KidBlock
from tools.technician.papers import Folder, Papers, Request
from tools.technician.provisioning import NotConfirmedError, Office, Terminal, Wish

OUTPUT = click.Path(dir_okay=False, path_type=Path)

_OPTIONS = (
    click.option("--kid", type=Kid(), help="The terminal's number, eight hexadecimal digits."),
    click.option(
        "--kids", type=INPUT, help="This laptop's block of numbers: the next free one is taken, none twice."
    ),
    click.option("--software", is_flag=True, help="Keys in flash, chip or not."),
    click.option("--atecc", is_flag=True, help="Keys in the ATECC608, or not at all."),
    click.option("--lock", default="", help="`yes` closes the key chip's configuration for ever, unasked."),
    click.option("--anew", is_flag=True, help="New keys in the place of those that wait for papers."),
    click.option(
        "--discard-records", "discards", type=Kid(), help="The generation whose records are safe elsewhere."
    ),
    click.option("--authority-key", type=INPUT, help="The authority's private key: certifies at once."),
    click.option("--request", "request_out", type=OUTPUT, help="Leave the request there and stop."),
    click.option("--certificate", "certificate_in", type=INPUT, help="What the authority answered to it."),
    click.option("--gateway-config", type=INPUT, help="The gateway's configuration: registers at once."),
    click.option("--label", "label_out", type=OUTPUT, help="Where the label goes, if not to the folder."),
    click.option("--print-label", is_flag=True, help="Let the terminal's own printer make one, too."),
    click.option("--apn", help="The mobile network's access point; there is a modem then."),
    click.option("--wifi-ssid", help="The shop's Wi-Fi."),
    click.option(
        "--wifi-password", help="Its password; better a line of settings.txt, which nobody looks over."
    ),
    click.option("--broker", help="HOST or HOST:PORT of the MQTT broker."),
    click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Any other setting."),
)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@JSON
@PORT
@_options
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@told
def provision(
    port: str,
    folder: Path,
    kid: int | None,
    kids: Path | None,
    software: bool,
    atecc: bool,
    lock: str,
    anew: bool,
    discards: int | None,
    authority_key: Path | None,
    request_out: Path | None,
    certificate_in: Path | None,
    gateway_config: Path | None,
    label_out: Path | None,
    print_label: bool,
    **given: Any,
) -> dict[str, Any]:
    """Make the terminal on the cable one of the programme's. FOLDER has the authority's papers
    (tools/technician/README.md).

    The same command goes on wherever it stopped: keys are made once, what is done is not done again.
    """
    require_one(software=software, atecc=atecc)
    require_one(request=request_out, certificate=certificate_in)
    papers = Folder(folder)
    papers.settings(_settings(kid or 0, given))
    office = Office(
        papers,
        KidBlock(kids) if kids else None,
        Authority(SigningKey.load(authority_key)) if authority_key else None,
        registering.registered(gateway_config) if gateway_config else frozenset(),
    )
    warnings: list[str] = []
    with open_console(port) as console, bars(sys.stderr.isatty()) as progress:
        terminal = Terminal(console)
        storage = provisioning.SOFTWARE if software else provisioning.CHIP if atecc else None
        request = provisioning.prepare(terminal, office, Wish(kid, storage, anew, discards), _asker(lock))
        if certificate_in is not None:
            laptop.keep(
                papers.certificate_path(request.kid), papers.check_certificate(certificate_in, request)
            )
        if request_out is not None:
            laptop.keep(request_out, request.octets)
        is_in_use = terminal.identity().state == provisioning.READY
        certificate = (
            None if request_out is not None else provisioning.certify(office, request, is_in_use=is_in_use)
        )
        if certificate is None:
            return _waits(request, request_out or papers.request_path(request.kid), papers)
        if not is_in_use:
            issued = papers.papers(request, certificate, _settings(request.kid, given))
            warnings += _lacking(issued)
            provisioning.set_clock(terminal, issued.issued_s, warnings.append)
            if print_label:
                provisioning.print_label(terminal, warnings.append)
            provisioning.install(terminal, issued, progress)
        else:
            provisioning.resume(terminal)
        if is_in_use and any(given.values()):
            warnings.append(
                "it is in use and keeps the settings that it has: those of this line were not sent"
            )
        provisioning.require_serving(terminal, request.kid)
    label = label_out or papers.path / f"label-{request.kid:08x}.png"
    laptop.keep(label, labels.draw(request.kid, request.storage, time.strftime("%Y-%m-%d")))
    if gateway_config is not None:
        registering.register(
            gateway_config, papers.certificate_path(request.kid), papers.grant_paths(request.kid)
        )
    return _done(request, papers, label, is_registered=gateway_config is not None, warnings=warnings)


def _asker(lock: str) -> provisioning.Ask:
    """Ask the person at the laptop, unless the answer stands in the command."""

    def ask(question: str, wanted: str) -> bool:
        click.echo(question, err=True)
        if lock:
            return lock == wanted
        try:
            return bool(click.prompt(f"Type {wanted} to go on", err=True) == wanted)
        except click.Abort as error:
            click.echo(err=True)
            raise NotConfirmedError("nobody answered", f"give --lock {wanted}") from error

    return ask


def _lacking(issued: Papers) -> list[str]:
    """What a terminal starts without, and serves nobody."""
    warnings = []
    if not issued.programmes:
        warnings.append("there is no grant for it in the folder: it will sell nothing until one comes")
    if document_area.OPERATORS not in issued.sections:
        warnings.append("there is no operators.bin in the folder: nobody can log in on it")
    return warnings


def _settings(kid: int, given: dict[str, Any]) -> dict[str, str]:
    """Settings from the options; only those that were given."""
    if not all("=" in setting for setting in given["sets"]):
        raise click.BadParameter("it is not NAME=VALUE", param_hint="--set")  # nor told: it may be a password
    found = dict(setting.partition("=")[::2] for setting in given["sets"])
    if given["apn"] is not None:
        found |= {"apn": given["apn"], "modem": "1"}
    for name in ("wifi_ssid", "wifi_password"):
        if given[name] is not None:
            found[name] = given[name]
    if given["broker"] is not None:
        host, colon, number = given["broker"].rpartition(":")
        found |= {"broker_host": host, "broker_port": number} if colon else {"broker_host": number}
        found.setdefault("username", f"{kid:08x}")
    return found


def _waits(request: Request, path: Path, papers: Folder) -> dict[str, Any]:
    """The keys are made, and the authority is somewhere else."""
    return {
        "stage": "request",
        "kid": f"{request.kid:08x}",
        "storage": request.storage,
        "request": str(path),
        "said": [
            f"terminal {request.kid:08x} has its keys ({request.storage}); its request is {path}",
            f"next: the authority certifies it (python -m tools.authority terminal) and signs its grants; put both into {papers.path} and run the same command again",
        ],
    }


def _done(
    request: Request, papers: Folder, label: Path, *, is_registered: bool, warnings: list[str]
) -> dict[str, Any]:
    certificate = papers.certificate_path(request.kid)
    registration = (
        "it is registered at the gateway"
        if is_registered
        else f"next: carry {certificate} to the gateway (python -m gateway register)"
    )
    return {
        "stage": "done",
        "kid": f"{request.kid:08x}",
        "storage": request.storage,
        "certificate": str(certificate),
        "label": str(label),
        "registered": is_registered,
        "warnings": warnings,
        "said": [
            f"terminal {request.kid:08x} is one of the programme's and serves; keys: {request.storage}; all of it was read back",
            *(f"warning: {warning}" for warning in warnings),
            f"label: {label}",
            registration,
        ],
    }
