"""Which ways out the settings name, and which of them a session takes."""

from firmware import links, settings
from firmware.links import MODEM, WLAN


def ways(**given):
    values = dict(settings.KNOWN)
    values.update(given)
    return links.ways_of(values)


def test_the_settings_name_the_ways_to_the_broker():
    assert ways() == (WLAN,)
    assert ways(wifi_ssid="Warung") == (WLAN,)
    assert ways(modem="1") == (MODEM,)
    assert ways(modem="1", wifi_ssid="Warung") == (WLAN, MODEM)


def test_the_modem_never_takes_the_way_to_a_port_that_speaks_tls():
    assert ways(modem="1", broker_tls="1") == ()
    assert ways(modem="1", broker_tls="1", wifi_ssid="Warung") == (WLAN,)
    assert ways(modem="1", broker_tls="1", modem_broker_port="1883") == (MODEM,)


def taken(both, came_up):
    """The ways of sessions, of which some came up."""
    way, found = "", []
    has_come_up = False
    for next_has in came_up:
        way = links.next_way(both, way, has_come_up)
        found.append(way)
        has_come_up = next_has
    return found


def test_what_does_not_come_up_is_followed_by_the_other_way():
    both = (WLAN, MODEM)
    assert taken(both, (False,) * 5) == [WLAN, MODEM, WLAN, MODEM, WLAN]
    assert taken(both, (True,) * 3) == [WLAN, WLAN, WLAN]


def test_after_a_session_over_the_modem_wlan_is_tried_first():
    assert taken((WLAN, MODEM), (False, True, False, True)) == [WLAN, MODEM, WLAN, MODEM]


def test_an_only_way_is_tried_again_and_again():
    assert taken((MODEM,), (False, True, False)) == [MODEM] * 3
