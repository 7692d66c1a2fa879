"""The configuration: TOML file, overridden by environment, overridden by flags; every key documented where it stands.

`tomllib` and frozen dataclasses do it: the keys are few, unknown ones must be errors in all three sources, and a
compiled validation library would be one more thing to trust beside the keys.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError, UnknownKeyError, ValueTypeError

ENVIRONMENT_PREFIX = "LUMBUNG_GATEWAY_"
REDACTED = "(redacted)"
HEALTH_FILE = "health.json"
"""In the data directory: what the running daemon last said about itself."""


def _key(
    default: Any, doc: str, *, least: int | None = None, choices: tuple[str, ...] = (), secret: bool = False
) -> Any:
    """One configuration key with its default and the sentence that `config show` prints above it."""
    return field(default=default, metadata={"doc": doc, "least": least, "choices": choices, "secret": secret})


@dataclass(frozen=True, slots=True)
class Files:
    """Where things are on disk."""

    data_directory: str = _key(
        "gateway-data", "Database, spool and health file; only this gateway may write there."
    )
    key_directory: str = _key("", "Private keys, files of mode 0600; empty: `keys` in the data directory.")
    authority_public_key: str = _key("authority.pub", "The authority's public key, 64 octets x‖y.")


@dataclass(frozen=True, slots=True)
class Mqtt:
    """The broker."""

    host: str = _key("127.0.0.1", "Broker host.")
    port: int = _key(1883, "Broker port.", least=1)
    client_id: str = _key(
        "lumbung-gateway", "Name of the persistent session; never the same for two gateways."
    )
    username: str = _key("", "User name, empty for none.")
    password: str = _key("", "Password; better in `password_file`.", secret=True)
    password_file: str = _key("", "File with the password.")
    protocol: str = _key(
        "5", "MQTT version; with 3.1.1 the broker alone limits what is in flight.", choices=("5", "3.1.1")
    )
    tls: bool = _key(False, "Use TLS.")
    tls_ca_file: str = _key("", "CA certificates for TLS; empty: the system's.")
    tls_certificate_file: str = _key("", "Our certificate where the broker asks for one.")
    tls_key_file: str = _key("", "Its private key.")
    topic_prefix: str = _key("lumbung/1", "Topics are `<prefix>/up/<kid>` and `<prefix>/down/<kid>`.")
    keepalive_s: int = _key(60, "MQTT keep-alive.", least=5)
    session_expiry_s: int = _key(1_209_600, "How long the broker keeps our session (MQTT 5).", least=0)
    receive_maximum: int = _key(1000, "Frames in flight at most (MQTT 5); the bound of a batch.", least=1)
    down_expiry_s: int = _key(
        86_400, "How long the broker keeps a downlink for an absent terminal (MQTT 5).", least=1
    )
    reconnect_ms_max: int = _key(30_000, "Longest pause before a new connection; jittered.", least=100)
    round_trip_s: int = _key(15, "How often readiness is proved by a round trip.", least=1)


@dataclass(frozen=True, slots=True)
class Ingest:
    """Batches and bounds."""

    queue_frames_max: int = _key(
        4000, "Frames waiting for the writer at most; beyond it the socket is left unread.", least=1
    )
    batch_frames_max: int = _key(
        500, "Frames in one commit at most; a batch closes when nothing more is there.", least=1
    )
    verify_threads: int = _key(2, "Threads that verify seals.", least=1)
    open_processes: int = _key(
        -1,
        "Helper processes that open frames beside the gateway's own; 0: none, -1: as many as processors, if several.",
        least=-1,
    )
    waiting_frames_max: int = _key(
        256, "Frames of one terminal that wait for a seal or a gap at most.", least=1
    )
    terminals_cached_max: int = _key(8000, "Terminals whose keys and state are held in memory.", least=1)
    contexts_cached_max: int = _key(512, "Rosters and policies held decoded.", least=2)
    evidence_per_terminal_max: int = _key(
        200, "Refused frames kept per terminal; the oldest go first.", least=1
    )
    evidence_per_hour_max: int = _key(
        2000, "Refused frames kept per hour over all terminals; more are only counted.", least=1
    )


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Acknowledgements down."""

    interval_ms: int = _key(1000, "One acknowledgement per terminal in this time at most.", least=0)
    per_second_max: int = _key(500, "Acknowledgements per second at most, all terminals.", least=1)
    busy_per_second_max: int = _key(
        50, "The same while more than a batch of frames waits for the writer.", least=1
    )
    octets_max: int = _key(140, "Size of an acknowledgement frame; 140 fits one SMS.", least=140)
    grant_interval_s: int = _key(60, "Time until a grant that is not adopted yet is sent again.", least=1)
    notice_interval_s: int = _key(
        60, "Time until a terminal that strayed from its own seals is told again.", least=1
    )


@dataclass(frozen=True, slots=True)
class Sms:
    """Answers by SMS, whatever carries it, and what one number may send."""

    settle_s: int = _key(
        60, "How long an answer waits for what else comes from the terminal; varied by half.", least=0
    )
    interval_s: int = _key(600, "One answer per terminal in this time.", least=0)
    sent_per_day_max: int = _key(12, "Messages to one terminal in a day (UTC) at most.", least=1)
    grant_interval_s: int = _key(
        21_600, "Time until a grant that is not adopted yet is sent by SMS again.", least=1
    )
    mqtt_fresh_s: int = _key(900, "A terminal heard over MQTT in this time is answered there.", least=0)
    received_per_hour_max: int = _key(
        120, "Frames taken from one number in an hour at most; more are counted and cleared away.", least=1
    )


@dataclass(frozen=True, slots=True)
class Modems:
    """GSM or LTE modems on serial ports."""

    ports: str = _key("", "Serial ports, separated by spaces; empty: no modems.")
    sends_per_minute: int = _key(8, "Messages that one modem sends in a minute at most.", least=1)
    queue_max: int = _key(50, "Messages that wait for one modem at most.", least=1)
    look_ms: int = _key(10_000, "How often the store of a modem is listed, announced or not.", least=100)
    quarantine_s: int = _key(600, "Pause after everything else has failed to mend a modem.", least=1)
    power_program: str = _key(
        "", "Program that takes a modem's supply away for a moment; its one argument is the port."
    )


@dataclass(frozen=True, slots=True)
class Smpp:
    """A link to an operator's SMS centre (SMPP 3.4)."""

    host: str = _key("", "Host of the SMS centre; empty: no link.")
    port: int = _key(2775, "Its port.", least=1)
    tls: bool = _key(False, "Use TLS.")
    tls_ca_file: str = _key("", "CA certificates for TLS; empty: the system's.")
    system_id: str = _key("", "Name to bind with.")
    password: str = _key("", "Password; better in `password_file`.", secret=True)
    password_file: str = _key("", "File with the password.")
    system_type: str = _key("", "System type, where the operator wants one.")
    source: str = _key("", "Our number or short code as the sender; empty: the operator puts it in.")
    source_ton: int = _key(-1, "Type of that number; -1: by its form.", least=-1)
    source_npi: int = _key(-1, "Its numbering plan; -1: by its form.", least=-1)
    window: int = _key(10, "Messages sent and not answered yet at most.", least=1)
    queue_max: int = _key(1000, "Messages that wait for the link at most.", least=1)
    sends_per_second: int = _key(10, "Messages sent in a second at most.", least=1)
    enquire_s: int = _key(30, "How long a silent link is left alone before it is asked.", least=1)
    response_s: int = _key(30, "How long the centre may take to answer.", least=1)
    reconnect_ms_max: int = _key(60_000, "Longest pause before a new connection; jittered.", least=100)


@dataclass(frozen=True, slots=True)
class Settlement:
    """The settlement service."""

    url: str = _key("", "Base address of the service; empty: records wait in the outbox.")
    token: str = _key("", "Bearer token; better in `token_file`.", secret=True)
    token_file: str = _key("", "File with the bearer token.")
    batch_records_max: int = _key(
        500, "Records in one request at most, unless one sealed run has more.", least=1
    )
    timeout_s: int = _key(30, "Time limit of one request.", least=1)
    retry_ms_first: int = _key(500, "Pause after the first failure; doubles, with full jitter.", least=1)
    retry_ms_max: int = _key(60_000, "Longest pause between attempts.", least=1)
    poll_ms: int = _key(250, "How often the outbox is looked at.", least=10)


@dataclass(frozen=True, slots=True)
class Config:
    """The effective configuration."""

    files: Files = Files()
    mqtt: Mqtt = Mqtt()
    ingest: Ingest = Ingest()
    acknowledge: Acknowledge = Acknowledge()
    sms: Sms = Sms()
    modems: Modems = Modems()
    smpp: Smpp = Smpp()
    settlement: Settlement = Settlement()

    @property
    def data(self) -> Path:
        """The data directory."""
        return Path(self.files.data_directory)

    @property
    def keys(self) -> Path:
        """The directory of private keys."""
        return Path(self.files.key_directory) if self.files.key_directory else self.data / "keys"


_SECTIONS: dict[str, type] = {
    "files": Files,
    "mqtt": Mqtt,
    "ingest": Ingest,
    "acknowledge": Acknowledge,
    "sms": Sms,
    "modems": Modems,
    "smpp": Smpp,
    "settlement": Settlement,
}


def load(path: Path | None, environment: Mapping[str, str], flags: Iterable[str] = ()) -> Config:
    """The configuration from a TOML file, `LUMBUNG_GATEWAY_<SECTION>_<KEY>` and flags `section.key=value`."""
    values: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    if path is not None:
        _take_file(path, values)
    for name, text in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            section, _, key = name[len(ENVIRONMENT_PREFIX) :].lower().partition("_")
            _take_text(values, section, key, text, name)
    for flag in flags:
        name, equals, text = flag.partition("=")
        section, _, key = name.partition(".")
        if not equals:
            raise ConfigError(flag=flag, expected="section.key=value")
        _take_text(values, section, key, text, name)
    return Config(**{section: kind(**values[section]) for section, kind in _SECTIONS.items()})


def _take_file(path: Path, values: dict[str, dict[str, Any]]) -> None:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as failure:
        raise ConfigError(file=path, reason=failure.strerror) from failure
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise ConfigError(file=path, reason=failure) from failure
    for section, content in data.items():
        if section not in _SECTIONS or not isinstance(content, dict):
            raise UnknownKeyError(key=section, source=path)
        for key, value in content.items():
            values[section][key] = _checked(_field(section, key, path), value, f"{section}.{key}")


def _take_text(values: dict[str, dict[str, Any]], section: str, key: str, text: str, source: object) -> None:
    """A value that came as text: read it as the type that the key has."""
    known = _field(section, key, source)
    value: Any = text
    name = f"{section}.{key}"
    if known.type == "int":
        try:
            value = int(text)
        except ValueError:
            raise ValueTypeError(key=name, expected="int") from None
    elif known.type == "bool":
        if text not in ("true", "false"):
            raise ValueTypeError(key=name, expected="true or false")
        value = text == "true"
    values[section][key] = _checked(known, value, name)


def _field(section: str, key: str, source: object) -> Field[Any]:
    for known in fields(_SECTIONS[section]) if section in _SECTIONS else ():
        if known.name == key:
            return known
    raise UnknownKeyError(key=f"{section}.{key}", source=source)


def _checked(known: Field[Any], value: Any, name: str) -> Any:
    if type(value).__name__ != known.type:
        raise ValueTypeError(key=name, expected=known.type)
    least = known.metadata["least"]
    if least is not None and value < least:
        raise ValueTypeError(key=name, least=least)
    choices = known.metadata["choices"]
    if choices and value not in choices:
        raise ValueTypeError(key=name, expected=" or ".join(choices))
    return value


def show(config: Config) -> str:
    """The effective configuration as a commented TOML file, secrets left out."""
    lines = ["# Effective configuration of the gateway: file < environment < flags."]
    for section, kind in _SECTIONS.items():
        values = getattr(config, section)
        lines += ["", f"# {(kind.__doc__ or '').strip()}", f"[{section}]"]
        for known in fields(kind):
            value = getattr(values, known.name)
            if known.metadata["secret"] and value:
                value = REDACTED
            lines += [f"# {known.metadata['doc']}", f"{known.name} = {_toml(value)}"]
    return "\n".join(lines) + "\n"


def effective(config: Config) -> dict[str, dict[str, Any]]:
    """The effective configuration as plain values, secrets left out."""
    told: dict[str, dict[str, Any]] = {}
    for section, kind in _SECTIONS.items():
        values = getattr(config, section)
        told[section] = {
            known.name: REDACTED
            if known.metadata["secret"] and getattr(values, known.name)
            else getattr(values, known.name)
            for known in fields(kind)
        }
    return told


def _toml(value: object) -> str:
    # JSON's strings, numbers and booleans are TOML's as well.
    return json.dumps(value, ensure_ascii=False)


def secret(text: str, file: str) -> str:
    """A secret given as text or in a file (its first line); empty where there is neither."""
    if not file:
        return text
    try:
        return Path(file).read_text("utf-8").partition("\n")[0].strip()
    except OSError as failure:
        raise ConfigError(file=file, reason=failure.strerror) from failure
