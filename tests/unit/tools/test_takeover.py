"""The authority gives what is left of a retired terminal's leases to a new one, and asks before it takes a risk."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

from protocol import certificates, grant, policy, roster, takeover
from tests.support.frames import EXPIRY_S, GRANT_RUPIAH, START_S, Authority, key_of
from tests.support.gateway_desk import Desk
from tools.authority import issue, takeover_folder
from tools.authority.__main__ import main
from tools.authority.issue import RequestRefusedError
from tools.authority.signing import SigningKey
from tools.authority.takeover import Decision, ExposureNeededError, take_over

OLD, NEW, FAMILIES = 42, 43, 40
BROKEN = takeover.REASON_TERMINAL_BROKEN
COMPLETE = Decision(NEW, BROKEN, last_record=5)


class Office(Desk):
    """A gateway's desk, and the authority's own one beside it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.signer = issue.Authority(SigningKey(self.authority.key))
        self.source = folder / "from gateway"

    def retire(self):
        """Retire the old terminal; what the gateway wrote."""
        self.json("takeover", f"{OLD:x}", "--incomplete", "--to", self.source)
        return takeover_folder.read(self.source, OLD)

    def take_over(self, papers, decision=COMPLETE, now_s=START_S):
        """What the authority signs."""
        return take_over(self.signer, papers, decision, now_s)


@pytest.fixture
def office(tmp_path):
    """Family 1 has spent all and family 2 half of its lease; both records are sealed."""
    made = Office(tmp_path)
    terminal = made.open()
    terminal.redeem(1)
    terminal.redeem(2, 100_000)
    made.deliver(terminal.frame(1, 3), terminal.frame(4, 5))
    return made


def digests(papers):
    """Of roster and policy."""
    return roster.digest(papers.roster[:-64]), policy.digest(papers.policy[:-64])


def decoded(papers, signed, kid=NEW):
    """A grant, its signature verified."""
    return grant.decode(signed[:-64], kid, *digests(papers))


def test_the_new_one_gets_what_the_old_one_had_left(office):
    """TKO-06, TKO-07: under the same roster, policy and number, for the new kid alone."""
    papers = office.retire()
    issued = office.take_over(papers)
    made = decoded(papers, issued.grants[1])
    old = decoded(papers, papers.grants[1], OLD)
    assert [made.amount_rupiah(index) for index in range(4)] == [GRANT_RUPIAH, 0, 100_000, GRANT_RUPIAH]
    for name in ("number", "programme", "period", "expiry_s", "hold"):
        assert getattr(made, name) == getattr(old, name)
    assert issued.left_rupiah == FAMILIES * GRANT_RUPIAH - GRANT_RUPIAH - 100_000
    told = takeover.decode_takeover(issued.takeover[:-64])
    assert (told.old, told.new, told.sealed_through, told.exposure_rupiah) == (OLD, NEW, 5, 0)
    assert told.chain == office.terminal.chains[5]
    file = office.file("takeover.bin", issued.takeover)
    assert office.json("publish", "takeover", file)["taken_over_by"] == f"{NEW:08x}"
    other = office.take_over(papers, replace(COMPLETE, new=NEW + 1)).takeover
    assert "another one" in office.run("publish", "takeover", office.file("other.bin", other), status=4)


@pytest.mark.parametrize(
    ("last_record", "sentence"),
    [(None, "nobody has said"), (6, "its last record is 6, the last one that counts 5")],
)
def test_what_may_have_been_spent_unseen_must_be_named(office, last_record, sentence):
    """TKO-08."""
    papers = office.retire()
    with pytest.raises(ExposureNeededError, match=sentence):
        office.take_over(papers, Decision(NEW, BROKEN, last_record=last_record))
    issued = office.take_over(papers, Decision(NEW, BROKEN, 300_000, last_record))
    assert takeover.decode_takeover(issued.takeover[:-64]).exposure_rupiah == 300_000


def test_gaps_forks_and_what_the_terminal_told_need_an_exposure(office):
    """TKO-08."""
    office.terminal.redeem(3)
    office.terminal.redeem(4)
    twin = office.terminal.fork(4)
    twin.redeem(9)
    office.deliver(office.terminal.frame(7), twin.frame(5))
    with pytest.raises(ExposureNeededError, match="missing or were not sealed; its seals fork"):
        office.take_over(office.retire())


def test_what_a_status_report_told_needs_an_exposure(office):
    """TKO-08: even where somebody says that its flash ends before."""
    office.terminal.redeem(3)
    office.deliver(office.terminal.report())
    with pytest.raises(ExposureNeededError, match="its last record is 6"):
        office.take_over(office.retire())


def test_foreign_papers_are_refused(office, tmp_path):
    papers = office.retire()
    other = Authority("elsewhere")
    changed = bytearray(papers.statement)
    changed[20] ^= 1
    foreign_roster, foreign_policy = office.authority.roster("other"), office.authority.policy(2)
    foreign = office.authority.grant(OLD, *digests(papers), number=2)
    forged = other.grant(OLD, *digests(papers))
    elsewhere = key_of("elsewhere", 1), key_of("elsewhere", 2)
    request = b"\0\0\0\1" + b"".join(SigningKey(key).public for key in elsewhere)
    for sentence, replaced in (
        ("not signed by the gateway", {"statement": bytes(changed)}),
        ("not signed by the gateway", {"epoch": office.authority.epoch(request)}),
        ("of another gateway or epoch", {"epoch": office.authority.epoch(office.request, 2)}),
        ("epoch certificate: not signed", {"epoch": other.epoch(office.request)}),
        ("another roster", {"roster": foreign_roster}),
        ("another policy", {"policy": foreign_policy}),
        ("is missing", {"grants": {}}),
        ("not the grant", {"grants": {1: foreign}}),
        ("old grant: not signed", {"grants": {1: forged}}),
    ):  # fmt: skip
        with pytest.raises(RequestRefusedError, match=sentence):
            office.take_over(replace(papers, **replaced))
    with pytest.raises(RequestRefusedError, match="new kid"):
        office.take_over(papers, replace(COMPLETE, new=OLD))


def test_a_lease_that_has_expired_goes_to_nobody(office):
    with pytest.raises(RequestRefusedError, match="no lease is in force"):
        office.take_over(office.retire(), now_s=EXPIRY_S)


@pytest.fixture
def key(office, tmp_path):
    """The authority's key in its file."""
    path = tmp_path / "authority.key"
    office.signer._key.save(path)
    return path


def signed(office, key, *options, status=0):
    """Run the authority's command."""
    made = CliRunner().invoke(
        main,
        ["takeover", "--key", str(key), "--old", f"{OLD:08x}", "--reason", "terminal-broken", "--to", str(office.folder / "new"),
         *options, str(office.source)],
    )  # fmt: skip
    assert made.exit_code == status, made.output
    return made.output


def test_the_command_leaves_a_folder_to_provision_from(office, key, monkeypatch):
    monkeypatch.setattr("tools.authority.__main__.time.time", lambda: START_S)
    office.retire()
    assert "nobody has said" in signed(office, key, "--new", f"{NEW:08x}", status=1)
    assert not (office.folder / "new").exists()
    text = signed(office, key, "--new", f"{NEW:08x}", "--last-record", "5")
    assert f"Rp {FAMILIES * GRANT_RUPIAH - 300_000}" in text
    new = office.folder / "new"
    assert sorted(path.name for path in new.iterdir()) == [
        "epoch.cert", f"grant-{NEW:08x}-1.bin", "policy.bin", "roster.bin", f"takeover-{OLD:08x}.bin",
    ]  # fmt: skip
    before = {path.name: path.read_bytes() for path in new.iterdir()}
    signed(office, key, "--new", f"{NEW:08x}", "--last-record", "5")
    assert {path.name: path.read_bytes() for path in new.iterdir()} == before, "again: nothing changes"
    text = signed(office, key, "--new", f"{NEW + 1:08x}", "--last-record", "5", status=1)
    assert f"went to {NEW:08x} already" in text
    assert not (new / f"grant-{NEW + 1:08x}-1.bin").exists()
    certificates.split_signature(before[f"takeover-{OLD:08x}.bin"], "takeover")


def test_the_command_names_what_is_missing(office, key):
    office.retire()
    (office.source / "policy.bin").unlink()
    assert "policy.bin" in signed(office, key, "--new", f"{NEW:08x}", status=1)
