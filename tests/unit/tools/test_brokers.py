"""The brokers that tests and the demo start: ready when start() returns, same port over restarts."""

import socket
import threading

import paho.mqtt.client as paho
import pytest

from tools import brokers

PAYLOAD = bytes(range(256))


def client(broker, name):
    made = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
    made.username_pw_set("anyone")
    made.connect(broker.host, broker.port)
    made.loop_start()
    return made


def leave(made):
    made.disconnect()
    made.loop_stop()


def subscribe(broker, name):
    made = client(broker, name)
    is_done = threading.Event()
    made.on_subscribe = lambda *_: is_done.set()
    made.subscribe("up/#", qos=1)
    assert is_done.wait(10)
    return made


def is_open(broker):
    with socket.socket() as probe:
        return probe.connect_ex((broker.host, broker.port)) == 0


def test_mosquitto_keeps_messages_over_a_restart(mosquitto):
    broker = mosquitto(*brokers.MosquittoBroker.PERSISTENT)
    port = broker.port
    leave(subscribe(broker, "gateway"))
    sender = client(broker, "terminal")
    sender.publish("up/1", PAYLOAD, qos=1).wait_for_publish(10)
    leave(sender)
    broker.stop()
    assert not is_open(broker)
    broker.start()
    assert broker.port == port
    arrived = threading.Event()
    received = []
    late = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="gateway", clean_session=False)
    late.on_message = lambda _client, _data, message: (received.append(message.payload), arrived.set())
    late.connect(broker.host, broker.port)
    late.loop_start()
    assert arrived.wait(10)
    leave(late)
    assert received == [PAYLOAD]


def test_two_mosquittos_do_not_get_in_each_others_way(mosquitto):
    one, other = mosquitto(), mosquitto()
    assert one.port != other.port
    one.kill()
    assert not is_open(one)
    assert is_open(other)


def test_a_broken_configuration_is_reported_with_the_log(mosquitto):
    with pytest.raises(brokers.BrokerNotStartedError, match="no_such_option"):
        mosquitto("no_such_option true")


@pytest.mark.parametrize("starts", [1, 2])
def test_the_stand_in_passes_messages_on_and_comes_back_on_its_port(starts):
    broker = brokers.AmqttBroker()
    for _ in range(starts - 1):
        broker.start()
        broker.stop()
        assert not is_open(broker)
    broker.start()
    arrived = threading.Event()
    received = []
    listener = subscribe(broker, "gateway")
    listener.on_message = lambda _client, _data, message: (received.append(message.payload), arrived.set())
    sender = client(broker, "terminal")
    sender.publish("up/1", PAYLOAD, qos=1).wait_for_publish(10)
    assert arrived.wait(10)
    assert received == [PAYLOAD]
    leave(sender)
    leave(listener)
    broker.stop()
    assert not is_open(broker)
