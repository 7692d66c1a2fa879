"""`roster offer`, `show` and `withdraw` against a real Mosquitto: it keeps what terminals need, and nothing else."""

from __future__ import annotations

import pytest

from gateway import renewals
from gateway.channels.shelf import Shelf
from gateway.config import Mqtt
from gateway.documents import Kind
from protocol import renewal, roster
from tests.support.frames import sample_roster
from tests.support.gateway_rosters import KID, Office, changed
from tools.brokers import MosquittoBroker
from tools.setup import checkout

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif("mosquitto" in checkout.missing(), reason="Mosquitto could not be had"),
]
FOLDER = "lumbung/1/renewal"


@pytest.fixture
def broker(tmp_path):
    """A broker that is stopped at the end."""
    made = MosquittoBroker((), folder=tmp_path)
    made.start()
    yield made
    made.stop()


class Shop(Office):
    """An office at a broker; `asked` its roster commands."""

    def __init__(self, folder, broker):
        super().__init__(folder)
        self.port = broker.port
        self.made = self.open()
        self.deliver(self.made.frame(1, 3))

    def asked(self, *words):
        """What the terminal's line says."""
        told = self.json("--set", f"mqtt.port={self.port}", "roster", *words)["terminals"]
        assert [one["kid"] for one in told] == ["0000002a"]
        return told[0]

    def kept(self):
        """What the broker keeps, the first piece first."""
        with Shelf(Mqtt(port=self.port), FOLDER) as shelf:
            found = shelf.look()
        topics = sorted(found, key=lambda topic: int(topic.rpartition("/")[2]))
        return {topic: found[topic] for topic in topics}


def test_the_broker_keeps_what_a_terminal_needs_until_it_has_it(tmp_path, broker):
    """RNW-03."""
    shop = Shop(tmp_path, broker)
    assert shop.asked("show")["kept"] == 0
    assert shop.asked("offer") == {
        "kid": "0000002a", "roster": 0, "families": 0, "whole": False, "octets": 0,
        "reason": "its grants are under the roster that it has", "published": 0,
    }  # fmt: skip
    new = changed(2, 60, salt="another village")
    digest = shop.roster(new)
    first = shop.asked("offer")
    pieces = -(-first["octets"] // 1024)
    assert (first["roster"], first["families"], first["whole"], first["published"]) == (2, 60, True, pieces)
    kept = shop.kept()
    assert list(kept) == [f"{FOLDER}/0000002a/{place * 1024}" for place in range(pieces)]
    # The same again changes nothing, a broker that lost some gets it again.
    assert shop.asked("offer", "2a")["published"] == 0
    assert shop.kept() == kept
    with Shelf(Mqtt(port=shop.port), FOLDER) as shelf:
        shelf.keep([(f"{FOLDER}/0000002a/1024", b"rubbish")])
    assert shop.asked("offer")["published"] == pieces
    # A later one takes its place.
    later = changed(3, 41)
    later_digest = shop.roster(later, number=3)
    second = shop.asked("offer")
    assert (second["roster"], second["whole"]) == (3, False)
    assert len(shop.kept()) == 1
    assert second["published"] == 1 + pieces - 1
    # Then the terminal has it.
    signed = later + shop.authority.sign(roster.signed_message(later_digest))
    terminal = shop.made

    terminal.adopt(Kind.ROSTER, signed)
    policy = shop.documents(Kind.POLICY)[0].digest
    terminal.adopt(Kind.GRANT, shop.authority.grant(KID, later_digest, policy, 3), (later_digest, policy))
    shop.deliver(terminal.frame(4, 5))
    assert shop.asked("show")["kept"] == 1
    assert shop.asked("offer")["published"] == 1
    assert shop.kept() == {}
    assert digest != later_digest


def test_what_is_kept_is_what_is_owed_and_can_be_withdrawn(tmp_path, broker):
    """RNW-02, RNW-03: under a new epoch it is made anew, since no terminal could read it any more."""
    shop = Shop(tmp_path, broker)
    shop.roster(changed(2, 41))
    shop.asked("offer")
    (octets,) = shop.kept().values()

    assert renewals.piece_in(octets, shop.cipher()).octets == shop.owed().unit
    shop.run("publish", "epoch", shop.file("epoch.cert", shop.authority.epoch(shop.request, 2)))
    assert shop.asked("offer")["published"] == 1
    (octets,) = shop.kept().values()
    made = renewal.decode(renewals.piece_in(octets, shop.cipher()).octets)
    assert made.delta.base == roster.digest(sample_roster())[:4]
    text = shop.run("--set", f"mqtt.port={shop.port}", "roster", "show")
    assert text == f"0000002a: roster 2, 2 families, {len(shop.owed().unit)} octets; 1 kept at the broker\n"
    told = shop.json("--set", f"mqtt.port={shop.port}", "roster", "withdraw", "2a")
    assert told == {"removed": 1}
    assert shop.kept() == {}
    shop.run("--set", f"mqtt.port={shop.port}", "roster", "offer", "2b", status=4)
