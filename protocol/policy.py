"""The policy: versioned programme rules that the authority signs and both ends read the same way.

It names applications with their exact CDOL1 and typical card answers, caps, commodities with posted prices, and the
baskets that the codec expects. Changing a rule is new data, never new firmware.
"""

import hashlib

from protocol import domains
from protocol.errors import OutOfRange, UnknownVersion
from protocol.octets import Reader, Writer
from protocol.records import AMOUNT_RUPIAH_MAX, ITEMS_MAX, METHOD_DELEGATE, METHOD_NONE

VERSION = 1
VERSION_WITH_CHANNELS = 2
APPLICATIONS_MAX = 8
BASKETS_MAX = 24
COMMODITIES_MAX = 32
PROGRAMMES_MAX = 8

# Kinds of card application: whose PIN is asked and which cryptogram is the proof.
KIND_PROGRAMME = 1
KIND_BANK = 2

# (name, octets) of the rules with a single number each, in order.
RULES = (
    ("number", 4),
    ("country_code", 2),
    ("currency_code", 2),
    ("utc_offset_minutes", 2),
    ("retap_window_s", 2),
    ("pin_tries", 1),
    ("clock_lost_cap_rupiah", 4),
    ("sda_cap_rupiah", 4),
    ("dda_cap_rupiah", 4),
    ("settlement_delay_s", 4),
    ("goods_tap_above_rupiah", 4),
    ("rapid_gap_s", 2),
    ("rapid_run", 1),
)

# (name, octets) of what version 2 adds at the end: when records leave by SMS, what a lost one may hold up. See `Channels`.
CHANNEL_RULES = (
    ("sms_after_s", 4),
    ("sms_fill", 2),
    ("sms_per_day", 1),
    ("sms_resend_s", 4),
    ("jitter_s", 2),
    ("provisional_cap_rupiah", 4),
)

# (name, octets) of an application's fixed fields; AID, CDOL1 and typical IAD follow, each behind a length octet.
APPLICATION_FIELDS = (
    ("kind", 1),
    ("method", 1),
    ("pan_sequence", 1),
    ("cid", 1),
    ("aip", 2),
    ("tvr", 5),
    ("cvm_results", 3),
    ("tac_default", 5),
    ("tac_denial", 5),
    ("tac_online", 5),
    ("floor_limit_rupiah", 4),
)
# Limits of numbers whose width would allow more; every other number may use its whole width.
LIMITS = {
    "utc_offset_minutes": (0, 840),
    "pin_tries": (1, 15),
    "kind": (KIND_PROGRAMME, KIND_BANK),
    "method": (METHOD_NONE, METHOD_DELEGATE),
    "pan_sequence": (0, 0x99),
    "sms_fill": (1, 0xFFFF),
}
_AID_OCTETS_MIN = 5
OCTET_FIELDS = ("aip", "tvr", "cvm_results", "tac_default", "tac_denial", "tac_online")


class Application:
    """One card application that terminals accept; `application_index` is its place in the policy.

    `aip`, `tvr`, `cvm_results`, `cid`, `pan_sequence`, `iad` are what its cards usually answer (EMV tags 82, 95, 9F34,
    9F27, 5F34, 9F10): the codec expects them, nothing else rests on them.
    """

    application_index: int
    kind: int
    method: int
    pan_sequence: int
    cid: int
    aip: bytes
    tvr: bytes
    cvm_results: bytes
    tac_default: bytes
    tac_denial: bytes
    tac_online: bytes
    floor_limit_rupiah: int
    aid: bytes
    cdol1: bytes
    iad: bytes
    # Terminal data that the kernel needs beside the application's own; copied from the policy's rules.
    country_code: int
    currency_code: int


class Channels:
    """When records leave by SMS, while MQTT is down: `sms_after_s`: as soon as the oldest waits for so long; `sms_fill`:
    or as soon as so many wait; `sms_per_day`: never more messages than that, 0 for none; `sms_resend_s`: how long an answer
    is awaited before anything goes again, doubled each time; `jitter_s`: the longest random wait before a terminal begins.

    `provisional_cap_rupiah`: how much of one terminal's records behind a gap may be settled before the gap closes, 0 for
    nothing.
    """

    sms_after_s = 10800
    sms_fill = 40
    sms_per_day = 24
    sms_resend_s = 14400
    jitter_s = 900
    provisional_cap_rupiah = 0


# What holds where a policy (version 1) says nothing.
DEFAULT_CHANNELS = Channels()


class Policy:
    """A decoded policy. `programmes`: (number, name); `commodities`: (code, name, unit, price_rupiah);
    `baskets`: (weight, items) as the codec expects them; `channels`: `DEFAULT_CHANNELS` in version 1, and only there.
    """

    number: int
    country_code: int
    currency_code: int
    utc_offset_minutes: int
    retap_window_s: int
    pin_tries: int
    clock_lost_cap_rupiah: int
    sda_cap_rupiah: int
    dda_cap_rupiah: int
    settlement_delay_s: int
    goods_tap_above_rupiah: int
    rapid_gap_s: int
    rapid_run: int
    programmes: tuple[tuple[int, str], ...]
    applications: tuple[Application, ...]
    commodities: tuple[tuple[int, str, str, int], ...]
    baskets: tuple[tuple[int, tuple[tuple[int, int, int], ...]], ...]
    digest: bytes
    channels = DEFAULT_CHANNELS


def encode(policy: Policy) -> bytes:
    """The canonical octets that the authority signs and both ends hash."""
    out = Writer()
    out.number("version", VERSION if policy.channels is DEFAULT_CHANNELS else VERSION_WITH_CHANNELS, 1)
    for name, width in RULES:
        _write_number(out, name, getattr(policy, name), width)
    out.number("programmes", len(policy.programmes), 1, 1, PROGRAMMES_MAX)
    for number, name in policy.programmes:
        out.number("programme", number, 1, 1)
        _write_text(out, "programme name", name, 20)
    out.number("applications", len(policy.applications), 1, 1, APPLICATIONS_MAX)
    for application in policy.applications:
        _encode_application(application, out)
    out.number("commodities", len(policy.commodities), 1, 0, COMMODITIES_MAX)
    for code, name, unit, price_rupiah in policy.commodities:
        out.number("commodity", code, 1, 1)
        _write_text(out, "commodity name", name, 16)
        _write_text(out, "commodity unit", unit, 8)
        out.number("commodity price", price_rupiah, 4, 0, AMOUNT_RUPIAH_MAX)
    out.number("baskets", len(policy.baskets), 1, 0, BASKETS_MAX)
    for weight, items in policy.baskets:
        out.number("basket weight", weight, 1, 1)
        out.number("basket items", len(items), 1, 0, ITEMS_MAX)
        for commodity, quantity_hundredths, price_rupiah in items:
            out.number("basket commodity", commodity, 1, 1)
            out.number("basket quantity", quantity_hundredths, 2, 1)
            out.number("basket price", price_rupiah, 4, 0, AMOUNT_RUPIAH_MAX)
    if policy.channels is not DEFAULT_CHANNELS:
        for name, width in CHANNEL_RULES:
            _write_number(out, name, getattr(policy.channels, name), width)
    _check_distinct(policy)
    return bytes(out.data)


def _write_number(out: Writer, name: str, value: int, width: int) -> None:
    """A number within its limits."""
    least, most = LIMITS.get(name, (0, -1))
    out.number(name, value, width, least, most)


def _read_number(source: Reader, name: str, width: int) -> int:
    """A number within its limits."""
    least, most = LIMITS.get(name, (0, -1))
    return source.number(name, width, least, most)


def _write_text(out: Writer, field: str, text: str, most: int) -> None:
    """Printable ASCII behind a length octet: what every display, printer and interpreter reads the same way."""
    raw = text.encode()
    if not _is_printable(raw):
        raise OutOfRange(field, len(out.data), "not printable ASCII")
    out.counted(field, raw, most)


def _is_printable(raw: bytes) -> bool:
    """Whether all octets are printable ASCII."""
    return not raw or (min(raw) >= 0x20 and max(raw) <= 0x7E)


def _check_distinct(policy: Policy) -> None:
    """A programme or commodity number means one thing."""
    for field, entries in (("programme", policy.programmes), ("commodity", policy.commodities)):
        numbers = [entry[0] for entry in entries]
        if len(set(numbers)) != len(numbers):
            raise OutOfRange(field, -1, "the same number twice")


def _encode_application(application: Application, out: Writer) -> None:
    """One application in the order of `APPLICATION_FIELDS`, then its three strings."""
    for name, width in APPLICATION_FIELDS:
        if name in OCTET_FIELDS:
            out.octets(name, getattr(application, name), width)
        else:
            _write_number(out, name, getattr(application, name), width)
    out.number("aid length", len(application.aid), 1, _AID_OCTETS_MIN, 16)
    out.data.extend(application.aid)
    out.counted("cdol1", application.cdol1, 64)
    out.counted("iad", application.iad, 32)


def decode(data: bytes) -> Policy:
    """The policy in `data`; raises a `ProtocolError` naming field and offset."""
    source = Reader(data)
    version = source.number("version", 1)
    if version not in (VERSION, VERSION_WITH_CHANNELS):
        raise UnknownVersion("version", 0, "unknown policy version")
    policy = Policy()
    for name, width in RULES:
        setattr(policy, name, _read_number(source, name, width))
    policy.programmes = tuple(
        [
            (source.number("programme", 1, 1), _text(source, "programme name", 20))
            for _ in range(source.number("programmes", 1, 1, PROGRAMMES_MAX))
        ]
    )
    policy.applications = tuple(
        [
            _decode_application(source, i, policy)
            for i in range(source.number("applications", 1, 1, APPLICATIONS_MAX))
        ]
    )
    policy.commodities = tuple(
        [
            (
                source.number("commodity", 1, 1),
                _text(source, "commodity name", 16),
                _text(source, "commodity unit", 8),
                source.number("commodity price", 4, 0, AMOUNT_RUPIAH_MAX),
            )
            for _ in range(source.number("commodities", 1, 0, COMMODITIES_MAX))
        ]
    )
    policy.baskets = tuple(
        [
            (source.number("basket weight", 1, 1), _decode_items(source))
            for _ in range(source.number("baskets", 1, 0, BASKETS_MAX))
        ]
    )
    if version == VERSION_WITH_CHANNELS:
        policy.channels = Channels()
        for name, width in CHANNEL_RULES:
            setattr(policy.channels, name, _read_number(source, name, width))
    source.end("policy")
    _check_distinct(policy)
    policy.digest = digest(data)
    return policy


def _text(source: Reader, field: str, most: int) -> str:
    """Printable ASCII behind a length octet."""
    start = source.offset
    raw = source.counted(field, most)
    if not _is_printable(raw):
        raise OutOfRange(field, start, "not printable ASCII")
    return raw.decode()


def _decode_application(source: Reader, index: int, policy: Policy) -> Application:
    """One application, with the terminal's country and currency beside it."""
    application = Application()
    application.application_index = index
    application.country_code = policy.country_code
    application.currency_code = policy.currency_code
    for name, width in APPLICATION_FIELDS:
        value = source.octets(name, width) if name in OCTET_FIELDS else _read_number(source, name, width)
        setattr(application, name, value)
    application.aid = source.octets("aid", source.number("aid length", 1, _AID_OCTETS_MIN, 16))
    application.cdol1 = source.counted("cdol1", 64)
    application.iad = source.counted("iad", 32)
    return application


def _decode_items(source: Reader) -> tuple[tuple[int, int, int], ...]:
    """The items of one basket."""
    return tuple(
        [
            (
                source.number("basket commodity", 1, 1),
                source.number("basket quantity", 2, 1),
                source.number("basket price", 4, 0, AMOUNT_RUPIAH_MAX),
            )
            for _ in range(source.number("basket items", 1, 0, ITEMS_MAX))
        ]
    )


def digest(data: bytes) -> bytes:
    """SHA-256 of the canonical octets, 32 octets: what adoption records and grants name."""
    return hashlib.sha256(data).digest()


def signed_message(data: bytes) -> bytes:
    """What the authority signs: domain and digest."""
    return domains.POLICY + digest(data)
