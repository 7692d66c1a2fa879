"""Which way records leave by now: a pure decision from the policy's channel rules and how things stand."""

MQTT = "MQTT"
SMS = "SMS"
# SMS, but not before the terminal's random wait is over, so that a region coming back does not come at once.
SOON = "soon"


class Situation:
    """`is_mqtt_up`; `can_send`: the modem would take a message; `sms_left`: of today's; `waiting`: records that no message
    has carried; `oldest_age_s`: of the oldest of them; `is_ordered`: the operator wants to send now; `is_asked`: the
    gateway asked for records again, or owes an answer for too long; `has_begun`: a run of messages began and is not
    through; `waited_ms` of `wait_ms`, the random wait.
    """

    is_mqtt_up = False
    can_send = False
    sms_left = 0
    waiting = 0
    oldest_age_s = 0
    is_ordered = False
    is_asked = False
    has_begun = False
    waited_ms = 0
    wait_ms = 0


def choose(rules, situation: Situation):
    """MQTT, SMS, SOON or None (nothing is to be done, or no way is open). `rules`: `protocol.policy.Channels`."""
    if situation.is_mqtt_up:
        return MQTT
    if not situation.can_send or situation.sms_left <= 0:
        return None
    if situation.is_ordered or situation.is_asked:
        return SMS
    if not situation.waiting:
        return None
    if situation.has_begun:
        return SMS
    if situation.oldest_age_s < rules.sms_after_s and situation.waiting < rules.sms_fill:
        return None
    return SMS if situation.waited_ms >= situation.wait_ms else SOON
