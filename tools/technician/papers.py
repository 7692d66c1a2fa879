"""What the authority issued for a terminal, read from a folder and checked before a cable sees it.

| file | what |
|---|---|
| `authority.pub` | the authority's public key, 64 octets |
| `epoch.cert` | the gateway's keys, certified |
| `policy.bin`, `roster.bin` | signed |
| `roster.key` | the programme's key that card keys are made with, 32 octets; a secret |
| `ca-keys.bin` | the card CAs (`firmware/ledger/ca_key_list.py`) |
| `terminal-KID.cert`, `grant-KID-PROGRAMME.bin` | this terminal's own |
| `operators.bin`, `broker-ca.pem`, `settings.txt` | where there are any: operators' codes, the broker's CA, settings that all share |
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from firmware import settings
from firmware.ledger import document_area
from gateway import documents, signatures
from gateway.documents import Document
from gateway.errors import GatewayError
from protocol import certificates
from tools.technician import laptop
from tools.technician.errors import TechnicianError

REQUEST_OCTETS = 4 + 1 + 2 * certificates.KEY_OCTETS
STORAGE_WORDS = {certificates.STORAGE_SOFTWARE: "software", certificates.STORAGE_ATECC608: "ATECC608"}
_ROSTER_KEY_OCTETS = 32
T = TypeVar("T")
_OPTIONAL = {document_area.OPERATORS: "operators.bin", document_area.BROKER_CA: "broker-ca.pem"}


class PapersError(TechnicianError):
    """A paper is missing, spoiled, or somebody else's."""

    code = 12


class RegisteredElsewhereError(TechnicianError):
    """The kid belongs to other keys."""

    code = 13


@dataclass(frozen=True, slots=True)
class Request:
    """What a terminal asks the authority to certify: kid (4) ‖ storage (1) ‖ seal key (64) ‖ agreement key (64)."""

    octets: bytes

    @property
    def kid(self) -> int:
        """The generation."""
        return int.from_bytes(self.octets[:4], "big")

    @property
    def storage(self) -> str:
        """Where its keys are."""
        return STORAGE_WORDS.get(self.octets[4], "unknown")

    def fits(self, certificate: certificates.TerminalCertificate) -> bool:
        """Whether this is what was certified."""
        head = certificate.kid.to_bytes(4, "big") + bytes((certificate.storage,))
        return bool(self.octets == head + certificate.seal_key + certificate.agreement_key)


@dataclass(frozen=True, slots=True)
class Papers:
    """Sections of documents by number, the signed roster, when the newest certificate was issued, and the programmes that
    there are grants for.
    """

    sections: dict[int, bytes]
    roster: bytes
    issued_s: int
    programmes: tuple[int, ...]

    @property
    def manifest(self) -> str:
        """As the terminal works it out from its flash (`firmware/provisioning.py`), in hexadecimal digits."""
        told = hashlib.sha256()
        for name in sorted(self.sections):
            told.update(bytes((name,)) + hashlib.sha256(self.sections[name]).digest())
        told.update(hashlib.sha256(self.roster).digest())
        return told.hexdigest()


class Folder:
    """The folder with the papers."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def certificate_path(self, kid: int) -> Path:
        """Where a terminal's certificate is."""
        return self.path / f"terminal-{kid:08x}.cert"

    def request_path(self, kid: int) -> Path:
        """Where its request is kept."""
        return self.path / f"terminal-{kid:08x}.req"

    def grant_paths(self, kid: int) -> list[Path]:
        """Its grants."""
        return sorted(self.path.glob(f"grant-{kid:08x}-*.bin"))

    def authority(self) -> ec.EllipticCurvePublicKey:
        """The authority's public key."""
        path = self.path / "authority.pub"
        octets = laptop.fetch(path, "the authority's public key")
        try:
            return signatures.load_public(octets)
        except GatewayError as error:
            raise PapersError(f"{path}: {error}", "copy it from the authority again") from error

    def certificate(self, request: Request) -> bytes | None:
        """The terminal's certificate, None before there is one; `RegisteredElsewhereError` where it is for other keys."""
        path = self.certificate_path(request.kid)
        return self.check_certificate(path, request) if path.exists() else None

    def check_certificate(self, path: Path, request: Request) -> bytes:
        """The certificate in a file, if it is the authority's and for this request."""
        octets = laptop.fetch(path, "the terminal's certificate")
        try:
            _, certificate = documents.read_terminal(self.authority(), octets)
        except GatewayError as error:
            raise PapersError(f"{path}: {error}", "let the authority certify the request again") from error
        if not request.fits(certificate):
            raise RegisteredElsewhereError(
                f"{path} is for other keys than this terminal's: kid {certificate.kid:08x} was certified for another one, "
                "or this one made its keys anew",
                "is this the right terminal? If it is, give it a new kid with --anew; a kid is never used twice",
            )
        return octets

    def papers(self, request: Request, certificate: bytes, given: Mapping[str, str]) -> Papers:
        """Everything for a terminal, each signature checked; `given`: settings beside those that all share."""
        authority = self.authority()
        epoch, gateway_keys = self._read("epoch.cert", lambda octets: documents.read_epoch(authority, octets))
        policy = self._read("policy.bin", lambda octets: documents.read_policy(authority, octets))
        roster = self._read("roster.bin", lambda octets: documents.read_roster(authority, octets))
        roster_key = laptop.fetch(self.path / "roster.key", "the roster key")
        if len(roster_key) != _ROSTER_KEY_OCTETS:
            raise PapersError(
                f"roster.key has {len(roster_key)} octets, not {_ROSTER_KEY_OCTETS}", "copy it again"
            )
        sections = {
            document_area.TERMINAL_CERTIFICATE: certificate,
            document_area.EPOCH_CERTIFICATE: epoch.octets,
            document_area.AUTHORITY_KEY: _octets(authority),
            document_area.ROSTER_KEY: roster_key,
            document_area.POLICY: policy.octets,
            document_area.CA_KEYS: laptop.fetch(self.path / "ca-keys.bin", "the list of card CAs"),
            document_area.SETTINGS: self.settings(given),
        }
        for section, name in _OPTIONAL.items():
            if (self.path / name).exists():
                sections[section] = laptop.fetch(self.path / name, name)
        programmes = []
        if not sections[document_area.SETTINGS]:
            del sections[document_area.SETTINGS]
        for path in self.grant_paths(request.kid):
            grant = self._grant(authority, path, request.kid, roster, policy)
            sections[document_area.GRANT_FIRST + grant.programme] = grant.octets
            programmes.append(grant.programme)
        _, own = documents.read_terminal(authority, certificate)
        issued_s = max(own.issued_s, gateway_keys.issued_s)
        return Papers(sections, roster.octets, issued_s, tuple(programmes))

    def _read(self, name: str, read: Callable[[bytes], T]) -> T:
        path = self.path / name
        octets = laptop.fetch(path, name)
        try:
            return read(octets)
        except GatewayError as error:
            raise PapersError(f"{path}: {error}", "copy it from the authority again") from error

    def _grant(
        self, authority: ec.EllipticCurvePublicKey, path: Path, kid: int, roster: Document, policy: Document
    ) -> Document:
        octets = laptop.fetch(path, "a grant")
        try:
            grant = documents.read_grant(authority, octets, kid, [(roster.digest, policy.digest)])
        except GatewayError as error:
            raise PapersError(
                f"{path}: {error}", "it must be signed for this terminal under this very roster and policy"
            ) from error
        if path.name != f"grant-{kid:08x}-{grant.programme}.bin":
            raise PapersError(
                f"{path} is the grant for programme {grant.programme}",
                "give it the name of its programme back",
            )
        return grant

    def settings(self, given: Mapping[str, str]) -> bytes:
        """`settings.txt` with what was given in the place of its lines, or after them; each is checked."""
        for name in sorted(given):
            if len(given[name].splitlines()) > 1 or given[name] != given[name].rstrip("\r\n"):
                raise PapersError(
                    f"the setting {name!r} cannot be used (it has a line break)", "give it in one line"
                )
        path = self.path / "settings.txt"
        shared = (
            laptop.fetch(path, "the settings").decode("utf-8", "replace").splitlines()
            if path.exists()
            else []
        )
        lines = [
            (line, f"{path}, line {number}")
            for number, line in enumerate(shared, 1)
            if line.partition("=")[0] not in given
        ]
        lines += [(f"{name}={given[name]}", f"the setting {name!r}") for name in sorted(given)]
        octets = "".join(f"{line}\n" for line, _ in lines).encode()
        try:
            settings.parse(octets)
        except settings.SettingsError as error:
            where = lines[error.line - 1][1] if error.line <= len(lines) else "a setting"
            raise PapersError(
                f"{where} cannot be used ({str(error).partition(': ')[2]})",
                "the settings that there are: " + ", ".join(sorted(settings.KNOWN)),
            ) from error
        return octets


def _octets(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as x ‖ y."""
    numbers = key.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
