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
}


class SettingsError(Exception):
    """A line that is not `name=value` of a known name; `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__("settings line %d: %s" % (line, reason))
        self.line = line


def parse(octets: bytes) -> dict:
    """All known settings as strings; what is absent has its default. Raises `SettingsError`."""
    values = {}
    for name in KNOWN:  # lumbung: order-free, a copy
        values[name] = KNOWN[name]
    number = 0
    for line in octets.decode().split("\n"):
        number += 1
        if not line or line[0] == "#":
            continue
        name, mark, value = line.partition("=")
        if not mark:
            raise SettingsError(number, "no '='")
        if name not in KNOWN:
            raise SettingsError(number, "unknown name")
        if name == "broker_port" and not value.isdigit():
            raise SettingsError(number, "port is no number")
        values[name] = value
    return values
