"""Settings are read or refused by line; the error never shows a value."""

from firmware.settings import KNOWN, SettingsError, parse, read
from tests.support.mp import raises


def test_what_is_absent_has_its_default():
    assert parse(b"") == KNOWN
    assert parse(b"\n# nothing\n\n") == KNOWN
    assert parse(b"") is not KNOWN


def test_lines_are_read_whatever_they_end_with():
    for end in (b"\n", b"\r\n"):
        got = parse(b"broker_host=b.example" + end + b"broker_port=8883" + end + b"password=a=b #c" + end)
        assert (got["broker_host"], got["broker_port"], got["password"]) == ("b.example", "8883", "a=b #c")
        assert got["broker_tls"] == "0"
    assert parse(b"wifi_ssid=Warung \xe2\x98\x95")["wifi_ssid"] == "Warung \u2615"
    assert parse(b"password=")["password"] == ""
    assert parse(b"modem_broker_port=")["modem_broker_port"] == ""
    for number in ("", "+6281112345678", "3344", "+123"):
        assert parse(b"gateway_number=" + number.encode())["gateway_number"] == number


def test_what_is_wrong_is_refused_with_its_line():
    for octets, line, word in (
        (b"nonsense", 1, "no '='"),
        (b"\n# c\nno_such=1", 3, "unknown"),
        (b"broker_port=abc", 1, "broker_port"),
        (b"broker_port=0", 1, "broker_port"),
        (b"broker_port=65536", 1, "broker_port"),
        (b"broker_port=999999999999", 1, "broker_port"),
        (b"broker_port=", 1, "broker_port"),
        (b"broker_port=-1", 1, "broker_port"),
        (b"broker_tls=yes", 1, "broker_tls"),
        (b"modem=2", 1, "modem"),
        (b"modem=", 1, "modem"),
        (b"modem_broker_port=0", 1, "modem_broker_port"),
        (b"modem_broker_port=x", 1, "modem_broker_port"),
        (b"gateway_number=+", 1, "gateway_number"),
        (b"gateway_number=12", 1, "gateway_number"),
        (b"gateway_number=+62 811", 1, "gateway_number"),
        (b"gateway_number=LUMBUNG", 1, "gateway_number"),
        (b"gateway_number=123456789012345678901", 1, "gateway_number"),
        (b"username=a\nusername=b", 2, "before"),
        (b"username=" + b"a" * 300, 1, "longer"),
        (b"wifi_ssid=" + b"\xe2\x98\x95" * 11, 1, "32 octets"),
        (b"wifi_password=7letter", 1, "8 to 63"),
        (b"wifi_password=" + b"a" * 64, 1, "8 to 63"),
        (b"=1", 1, "unknown"),
        (b"wifi_ssid=\xff\xfe", 1, "UTF-8"),
    ):
        error = raises(SettingsError, parse, octets)
        assert error.line == line, octets
        assert word in str(error), (octets, str(error))


def test_an_error_never_shows_the_value():
    secret = b"password=secret1\npassword=secret2"
    assert "secret" not in str(raises(SettingsError, parse, secret))
    assert "secret" not in str(raises(SettingsError, parse, b"broker_tls=secret"))
    assert "secret" not in str(raises(SettingsError, parse, b"wifi_password=secret"))


def test_what_can_be_used_of_a_damaged_file_is_used_and_the_rest_is_told_by_line():
    octets = b"broker_host=b.example\nbroker_port=x\n\xff\xfe=1\nmodem=1\nmodem=0\nnonsense\nwifi_ssid=Warung"
    values, faults = read(octets)
    assert (values["broker_host"], values["modem"], values["wifi_ssid"]) == ("b.example", "1", "Warung")
    assert values["broker_port"] == KNOWN["broker_port"]
    assert [fault.line for fault in faults] == [2, 3, 5, 6]
    for count in range(256):
        values, faults = read(bytes((count,)) * 40)
        assert sorted(values) == sorted(KNOWN)
    assert read(b"") == (KNOWN, [])
