"""What a terminal is owed, read from the store: the epoch in force, its grants, and all of it as frames to be carried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway import acknowledge, keys, renewals, signatures
from gateway.acknowledge import Signer
from gateway.documents import Document, Kind
from gateway.errors import NothingToSendError
from gateway.keys import GatewayCipher, GatewayKey, KeyRing
from gateway.renewals import Held
from gateway.store.interface import Changes, Reader, TerminalRow
from gateway.writer import RESTORED
from protocol import certificates, frame, notice, status
from protocol.errors import ProtocolError

_OLDER = "this database is older than what terminals heard; publish a new epoch"
STATES_RECALLED = 255
"""Sealed records whose state is told anew to a terminal that may have been told nothing yet."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The epoch certificate in force; `is_first` where there was none before it, so that terminals were made with it."""

    number: int
    issued_s: int
    octets: bytes
    key: GatewayKey
    is_first: bool


def current_epoch(reader: Reader, ring: KeyRing) -> Epoch | None:
    """The greatest epoch that the authority has certified."""
    published = reader.documents(Kind.EPOCH)
    if not published:
        return None
    newest = max(published, key=lambda document: document.number)
    certificate = certificates.decode_epoch(newest.body)
    key = ring.get(certificate.gateway_key_id)
    return Epoch(newest.number, certificate.issued_s, newest.octets, key, len(published) == 1)


def down_cipher(row: TerminalRow, epoch: Epoch) -> GatewayCipher:
    """What frames to a terminal are encrypted with."""
    body = row.certificate[: -signatures.SIGNATURE_OCTETS]
    agreement = certificates.decode_terminal(body).agreement_key
    return keys.down(epoch.key, row.kid, agreement, epoch.number)


def owed_grants(row: TerminalRow, has: Held) -> list[Document]:
    """Grants that fit the terminal's roster and policy and that it has not adopted yet; a retired one gets none."""
    if row.retired_through >= 0:
        return []
    return [
        grant
        for grant in has.newest.values()
        if grant.digest not in has.adopted
        and has.roster_digest in (b"", grant.roster_digest)
        and has.policy_digest in (b"", grant.policy_digest)
    ]


def withdrawn(row: TerminalRow) -> int:
    """Why nothing that a terminal sells from now on is paid: `notice.REVOKED`, REPLACED or FORKED, 0 where it is."""
    if row.revoked:
        return notice.REVOKED
    if row.retired_through >= 0:
        return notice.REPLACED
    return notice.FORKED if row.frozen_from else 0


def last_report(row: TerminalRow) -> status.Status | None:
    """What the terminal last said of itself; None where it never did, or in a version that is not known here."""
    try:
        return status.decode(row.status) if row.status else None
    except ProtocolError:
        return None


def first_state(row: TerminalRow) -> int:
    """The first record whose state is told to a terminal of which it is not known what it has heard."""
    return max(1, row.sealed_through - STATES_RECALLED + 1)


def unknown_from(reader: Reader, row: TerminalRow) -> int:
    """The first record whose state a terminal has not shown that it knows, as `known` kept it."""
    return min(first_state(row), max(1, reader.value(_known_name(row.kid))))


def known(kid: int, through: int) -> Changes:
    """Keep that a terminal knows all states up to a record."""
    return Changes(values={_known_name(kid): through + 1})


def _known_name(kid: int) -> str:
    return f"known/{kid:08x}"


def frames(
    reader: Reader, ring: KeyRing, kid: int, take_counter: Callable[[], int], now_s: int, octets_max: int
) -> list[bytes]:
    """All that a terminal is owed, in the order in which it must be taken in.

    That is: a new epoch's certificate, that it was withdrawn, its own last seal where it has fallen behind it,
    acknowledgements with all states that are recalled, grants, and a new roster, whose frames alone may be longer; nothing but the first two where it was revoked. Raises
    `NothingToSendError` where the gateway may not sign now.
    """
    row = reader.terminal(kid)
    epoch = current_epoch(reader, ring)
    if row is None:
        raise NothingToSendError(kid=f"{kid:08x}", reason="is not registered")
    if epoch is None:
        raise NothingToSendError(reason="no epoch certificate is published")
    if reader.value(RESTORED):
        raise NothingToSendError(reason=_OLDER)
    if now_s < epoch.issued_s:
        raise NothingToSendError(reason="the clock stands before the epoch certificate; set it")
    cipher = down_cipher(row, epoch)
    made = [] if epoch.is_first else [acknowledge.build_epoch(kid, epoch.octets, take_counter())]
    signer = Signer(epoch.number, epoch.key.acknowledgement)
    why = withdrawn(row)
    if why:
        made.append(acknowledge.build_standing(kid, why, signer, cipher, take_counter()))
    if row.revoked:
        return made
    report = last_report(row)
    if row.sealed_through and (row.frozen_from or (report and report.head < row.sealed_through)):
        made.append(acknowledge.build_notice(reader, row, cipher, take_counter()))
    cursor = first_state(row)
    while True:
        before = cursor
        octets, cursor = acknowledge.build(
            reader, row, signer, cipher, take_counter(), now_s, cursor, octets_max
        )
        made.append(octets)
        if cursor == before or cursor > row.booked_through:
            break
    has = renewals.held(reader, kid)
    for grant in owed_grants(row, has):
        made += acknowledge.build_grant(kid, grant.octets, cipher, take_counter, octets_max)
    unit = renewals.owed_to(reader, row, has).unit
    return made + renewals.frames(kid, unit, cipher, take_counter, frame.MQTT_OCTETS_MAX)


def renewal_frames(
    reader: Reader, ring: KeyRing, kid: int, take_counter: Callable[[], int]
) -> tuple[renewals.Owed, list[bytes]]:
    """The new roster that a terminal is owed, and its frames for the broker to keep."""
    row = reader.terminal(kid)
    epoch = current_epoch(reader, ring)
    if row is None or epoch is None:
        raise NothingToSendError(kid=f"{kid:08x}", reason="is not registered, or no epoch is published")
    if reader.value(RESTORED):
        raise NothingToSendError(reason=_OLDER)
    found = renewals.owed(reader, kid)
    cipher = down_cipher(row, epoch)
    return found, renewals.frames(kid, found.unit, cipher, take_counter, frame.MQTT_OCTETS_MAX)
