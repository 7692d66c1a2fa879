"""Configuration: what overrides what, and that nothing unknown passes."""

import tomllib

import pytest

from gateway import config
from gateway.errors import ConfigError, UnknownKeyError, ValueTypeError


def write(tmp_path, text):
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return path


def test_file_is_overridden_by_environment_and_that_by_flags(tmp_path):
    path = write(tmp_path, '[mqtt]\nhost = "file"\nport = 1\nkeepalive_s = 7\n')
    environment = {
        "LUMBUNG_GATEWAY_MQTT_HOST": "environment",
        "LUMBUNG_GATEWAY_MQTT_PORT": "2",
        "PATH": "/bin",
    }
    loaded = config.load(path, environment, ["mqtt.port=3"])
    assert (loaded.mqtt.host, loaded.mqtt.port, loaded.mqtt.keepalive_s) == ("environment", 3, 7)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[mqtt]\nhots = 1\n", "mqtt.hots"),
        ("[mptt]\n", "mptt"),
        ("port = 1\n", "port"),
        ("[mqtt.host]\nx = 1\n", "mqtt.host"),
    ],
)
def test_an_unknown_key_in_the_file_is_named(tmp_path, text, named):
    with pytest.raises(ConfigError, match=named):
        config.load(write(tmp_path, text), {})


def test_an_unknown_key_in_environment_or_flags_is_named():
    with pytest.raises(UnknownKeyError, match=r"mqtt\.hots"):
        config.load(None, {"LUMBUNG_GATEWAY_MQTT_HOTS": "x"})
    with pytest.raises(UnknownKeyError, match=r"mqtt\.hots"):
        config.load(None, {}, ["mqtt.hots=x"])
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        config.load(None, {}, ["mqtt.host"])


@pytest.mark.parametrize(
    "flag", ["mqtt.port=many", "mqtt.tls=yes", "mqtt.protocol=4", "mqtt.port=0", "acknowledge.octets_max=139"]
)
def test_a_value_of_the_wrong_type_or_range_is_refused(flag):
    with pytest.raises(ValueTypeError, match=flag.partition("=")[0]):
        config.load(None, {}, [flag])


@pytest.mark.parametrize("text", ['[mqtt]\nport = "1"\n', "[mqtt]\ntls = 1\n", "[mqtt]\nport = true\n"])
def test_types_in_the_file_are_strict(tmp_path, text):
    with pytest.raises(ValueTypeError, match="mqtt"):
        config.load(write(tmp_path, text), {})


def test_a_broken_or_missing_file_is_a_typed_error(tmp_path):
    with pytest.raises(ConfigError):
        config.load(write(tmp_path, "[mqtt\n"), {})
    with pytest.raises(ConfigError):
        config.load(tmp_path / "absent.toml", {})


def test_show_prints_a_commented_file_that_says_the_same(tmp_path):
    loaded = config.load(None, {}, ['mqtt.host=broker ‖ "x"', "settlement.retry_ms_max=9"])
    text = config.show(loaded)
    path = write(tmp_path, text)
    assert config.load(path, {}) == loaded
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# "), f"no comment above {line}"


def test_secrets_are_never_shown():
    loaded = config.load(None, {}, ["mqtt.password=hunter2", "settlement.token=hunter2"])
    assert "hunter2" not in config.show(loaded)
    assert "hunter2" not in str(config.effective(loaded))
    assert tomllib.loads(config.show(loaded))["mqtt"]["password"] == config.REDACTED


def test_a_secret_file_wins_and_only_its_first_line_counts(tmp_path):
    path = tmp_path / "token"
    path.write_text("from file\nsecond line\n")
    assert config.secret("text", str(path)) == "from file"
    assert config.secret("text", "") == "text"
    with pytest.raises(ConfigError):
        config.secret("", str(tmp_path / "absent"))
