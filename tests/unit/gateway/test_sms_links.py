"""Which SMS links the configuration makes, and that nothing of it goes through a shell."""

import stat

import pytest

from gateway import config
from gateway.channels import sms
from gateway.errors import ConfigError


def made(*flags):
    """The links of a configuration; frames go nowhere."""
    return sms.make(config.load(None, {}, flags), lambda *_: None)


def test_without_configuration_there_is_no_link():
    links = made()
    assert links.channels == []
    assert links.health() == {"modems": [], "modem_pool": {}, "smpp": None}


def test_each_port_is_a_modem_and_a_host_is_a_centre():
    links = made("modems.ports=/dev/ttyA  /dev/ttyB", "smpp.host=centre")
    assert [channel.name for channel in links.channels] == ["sms", "smpp"]
    told = links.health()
    assert [modem["port"] for modem in told["modems"]] == ["/dev/ttyA", "/dev/ttyB"]
    assert told["smpp"]["bound"] is False


def test_one_number_may_send_so_much_over_all_links_together():
    links = made("modems.ports=/dev/ttyA", "smpp.host=centre", "sms.received_per_hour_max=1")
    modems, smpp = links.channels
    assert modems._take(b"frame", "+628111", (1, 1))
    assert not smpp._bounds.allow("+628111")
    assert smpp._bounds.allow("+628222")


def test_a_password_that_would_be_cut_off_is_a_configuration_error():
    with pytest.raises(ConfigError, match="smpp"):
        made("smpp.host=centre", "smpp.password=nine chars")


def test_the_power_program_is_given_the_port_and_no_shell(tmp_path):
    program, told = tmp_path / "power", tmp_path / "told"
    program.write_text(f'#!/bin/sh\nprintf "%s|" "$#" "$@" > "{told}"\nexit 3\n')
    program.chmod(stat.S_IRWXU)
    modems = config.load(None, {}, [f"modems.power_program={program}"]).modems
    sms._power_cycle(modems)("/dev/tty; rm -rf x")
    assert told.read_text() == "1|/dev/tty; rm -rf x|"


def test_a_power_program_that_is_not_there_is_told_and_no_more(tmp_path):
    modems = config.load(None, {}, [f"modems.power_program={tmp_path / 'absent'}"]).modems
    sms._power_cycle(modems)("/dev/ttyA")
    assert sms._power_cycle(config.Modems()) is None
