"""`release offer`, `withdraw` and `show` against a real Mosquitto: what it keeps, over restarts and against its own rules."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gateway.channels.shelf import Shelf
from gateway.cli import main
from gateway.config import Mqtt
from protocol import offer
from tests.support import tls
from tools.authority.signing import SigningKey
from tools.brokers import MosquittoBroker, free_port
from tools.setup import checkout
from tools.technician import build

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif("mosquitto" in checkout.missing(), reason="Mosquitto could not be had"),
]
FILES = {"firmware/main.mpy": b"M" * 5000, "firmware/app.mpy": bytes(range(256)) * 400}
FOLDER = "lumbung/1/release"
ACL = """
topic read lumbung/1/release/#
user gateway
topic readwrite lumbung/1/#
user stranger
topic readwrite elsewhere/#
"""


class Office:
    """The gateway's command line at a broker."""

    def __init__(self, folder, *settings):
        self.folder = folder
        self.key = SigningKey.generate()
        (folder / "authority.pub").write_bytes(self.key.public)
        self.settings = [f"files.authority_public_key={folder / 'authority.pub'}", *settings]

    def bundle(self, number, files=FILES, key=None):
        """A release bundle in a file, made once: each signature is drawn anew."""
        path = self.folder / f"release-{number}.lum"
        if not path.exists():
            path.write_bytes(b"".join(build.sign_bundle(files, number, 0, key or self.key)))
        return str(path)

    def run(self, *words, code=0):
        """What a command prints."""
        flags = [flag for setting in self.settings for flag in ("--set", setting)]
        done = CliRunner().invoke(main, [*flags, "release", *words])
        assert done.exit_code == code, done.output
        return done.output

    def json(self, *words):
        """The same, read."""
        return json.loads(self.run(*words, "--json"))


@pytest.fixture
def brokers(tmp_path):
    """A factory of started brokers, all stopped at the end."""
    made = []

    def start(*lines):
        broker = MosquittoBroker(lines, folder=tmp_path)
        made.append(broker)
        broker.start()
        return broker

    yield start
    for broker in made:
        broker.stop()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_release_is_offered_widened_replaced_and_withdrawn(tmp_path, brokers, protocol):
    """REL-05, REL-06."""
    broker = brokers(*MosquittoBroker.PERSISTENT)
    office = Office(tmp_path, f"mqtt.port={broker.port}", f"mqtt.protocol={protocol}")
    assert office.json("show") == {"release": 0, "messages": 0}
    first = office.json("offer", office.bundle(5), "--kid", "2a")
    assert (first["release"], first["share_permille"], first["kids"]) == (5, 0, ["0000002a"])
    assert first["published"] == first["messages"] > 25
    assert first["pieces_lacking"] == 0
    broker.stop()
    broker.start()
    assert office.json("show") == {name: value for name, value in first.items() if name != "published"}
    assert office.json("offer", office.bundle(5), "--share", "100")["published"] == 1
    second = office.json("offer", office.bundle(6, FILES | {"firmware/x.mpy": b"x"}), "--share", "1000")
    assert second["release"] == 6
    with Shelf(Mqtt(port=broker.port), FOLDER) as shelf:
        kept = shelf.look()
    assert len(kept) == second["messages"]
    assert offer.decode(kept[offer.offer_topic()]).release == 6
    assert office.json("withdraw") == {"withdrawn": 6, "removed": second["messages"]}
    assert office.json("withdraw") == {"withdrawn": 0, "removed": 0}
    assert office.json("show")["release"] == 0


def test_a_broker_that_lost_pieces_gets_them_again(tmp_path, brokers):
    broker = brokers()
    office = Office(tmp_path, f"mqtt.port={broker.port}")
    told = office.json("offer", office.bundle(5), "--share", "1000")
    topics = [offer.piece_topic(bytes.fromhex(told["head"]), offset) for offset in (4096, 8192)]
    with Shelf(Mqtt(port=broker.port), FOLDER) as shelf:
        shelf.keep([(topics[0], b""), (topics[1], b"rubbish"), (f"{FOLDER}/0/0", b"left over")])
    assert office.json("show")["pieces_lacking"] == 2
    assert office.json("offer", office.bundle(5), "--share", "1000") == told | {"published": 3}


def test_a_bundle_that_no_terminal_takes_is_refused_and_an_offer_to_nobody_is_a_mistake(tmp_path):
    office = Office(tmp_path, f"mqtt.port={free_port()}")
    path = tmp_path / "spoiled.lum"
    path.write_bytes((tmp_path / "authority.pub").read_bytes())
    assert "no release bundle" in office.run("offer", str(path), "--share", "1000", code=4)
    forged = office.bundle(7, key=SigningKey.generate())
    assert "signature" in office.run("offer", forged, "--share", "9", code=4)
    assert "for whom" in office.run("offer", office.bundle(5), code=2)


def test_a_broker_that_is_not_there_or_refuses_is_said(tmp_path, brokers):
    office = Office(tmp_path, f"mqtt.port={free_port()}")
    assert "broker" in office.run("show", code=6)
    (tmp_path / "acl").write_text(ACL)
    broker = brokers(f"acl_file {tmp_path / 'acl'}")
    office.settings.append(f"mqtt.port={broker.port}")
    office.settings.append("mqtt.username=stranger")
    assert "broker" in office.run("offer", office.bundle(5), "--share", "1000", code=6)
    office.settings.append("mqtt.username=gateway")
    assert office.json("offer", office.bundle(5), "--share", "1000")["pieces_lacking"] == 0
    # Whoever has no name there, as a terminal, may read and nothing else.
    with Shelf(Mqtt(port=broker.port, protocol="3.1.1"), FOLDER, timeout_s=1) as shelf:
        shelf.keep([(offer.offer_topic(), b"")])
    assert office.json("show")["release"] == 5


def test_a_broker_that_keeps_nothing_is_told_of(tmp_path, brokers):
    broker = brokers("retain_available false")
    office = Office(tmp_path, f"mqtt.port={broker.port}")
    assert "broker" in office.run("offer", office.bundle(5), "--share", "1000", code=6)


def test_over_tls_with_the_brokers_certificate(tmp_path, brokers):
    tls.certify(tmp_path)
    broker = brokers(f"certfile {tmp_path / 'ca.pem'}", f"keyfile {tmp_path / 'key.pem'}")
    settings = (f"mqtt.port={broker.port}", "mqtt.tls=true", f"mqtt.tls_ca_file={tmp_path / 'ca.pem'}")
    office = Office(tmp_path, *settings)
    assert office.json("offer", office.bundle(5), "--share", "1000")["release"] == 5
