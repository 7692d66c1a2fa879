"""The terminal's settings: `name=value` lines in its documents, read into known names with typed errors."""

# name -> what it is when absent
KNOWN = {
    "broker_host": "",
    "broker_port": "1883",
    "broker_tls": "0",
    "username": "",
    "password": "",
    "wifi_ssid": "",
    "wifi_password": "",
    "modem": "0",  # 1: there is one
    "apn": "internet",
    "modem_broker_port": "",  # the broker's port without TLS, which the modem's way has not; where TLS is off, broker_port
    "release_by_modem": "0",  # 1: a new release may come over the modem, too, which costs what its traffic costs
    "printer_qr": "1",  # 0: the printer has no QR command, symbols are sent as images
    "gateway_number": "",  # where short messages go; none go out without
}
VALUE_CHARACTERS_MAX = 255
# IEEE 802.11: an SSID in octets, a WPA passphrase in characters.
SSID_OCTETS_MAX = 32
PASSPHRASE_CHARACTERS = (8, 63)


class SettingsError(Exception):
    """A line that is not `name=value` of a known name with a value that it may have; `line` counts from 1.

    The message never holds the value, which may be a password.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__("settings line %d: %s" % (line, reason))
        self.line = line


def parse(octets: bytes) -> dict:
    """All known settings as strings; what is absent has its default. Raises `SettingsError`.

    Lines end with LF or CR LF; those that are empty or begin with `#` say nothing.
    """
    values, faults = read(octets)
    if faults:
        raise faults[0]
    return values


def read(octets: bytes) -> tuple:
    """(all known settings as strings, a `SettingsError` for each line that cannot be used): a terminal starts with what
    is left, since no sale depends on any of it.
    """
    values = dict(KNOWN)
    faults = []
    given = set()
    lines = octets.split(b"\n")
    for place in range(len(lines)):
        line = lines[place][:-1] if lines[place][-1:] == b"\r" else lines[place]
        if not line or line[:1] == b"#":
            continue
        try:
            name, value = _take(place + 1, line)
            if name in given:
                raise SettingsError(place + 1, name + " was given before")
            given.add(name)
            values[name] = value
        except SettingsError as fault:
            faults.append(fault)
    return values, faults


def _take(number: int, octets: bytes) -> tuple:
    """(name, value) of a line."""
    try:
        line = octets.decode()
    except UnicodeError:
        raise SettingsError(number, "not UTF-8")
    name, mark, value = line.partition("=")
    if not mark:
        raise SettingsError(number, "no '='")
    if name not in KNOWN:
        raise SettingsError(number, "unknown name")
    _check(number, name, value)
    return name, value


def _check(line: int, name: str, value: str) -> None:
    """What a value may be."""
    if len(value) > VALUE_CHARACTERS_MAX:
        raise SettingsError(line, name + " is longer than %d characters" % VALUE_CHARACTERS_MAX)
    if (name == "broker_port" or (name == "modem_broker_port" and value)) and not _is_port(value):
        raise SettingsError(line, name + " is not in 1..65535")
    if name in ("broker_tls", "modem", "printer_qr", "release_by_modem") and value not in ("0", "1"):
        raise SettingsError(line, name + " is neither 0 nor 1")
    if name == "wifi_ssid" and len(value.encode()) > SSID_OCTETS_MAX:
        raise SettingsError(line, "wifi_ssid is longer than %d octets" % SSID_OCTETS_MAX)
    least, most = PASSPHRASE_CHARACTERS
    if name == "wifi_password" and value and not least <= len(value) <= most:
        raise SettingsError(line, "wifi_password is not of %d to %d characters" % PASSPHRASE_CHARACTERS)
    if name == "gateway_number" and value and not _is_number(value):
        raise SettingsError(line, "gateway_number is not 3 to 20 digits, with + before an international one")


def _is_port(value: str) -> bool:
    return value.isdigit() and len(value) <= 5 and 1 <= int(value) <= 0xFFFF


def _is_number(value: str) -> bool:
    digits = value[1:] if value[:1] == "+" else value
    return digits.isdigit() and 3 <= len(digits) <= 20
