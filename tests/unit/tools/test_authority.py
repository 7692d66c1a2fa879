"""The authority signs what it can answer for, in the form that everybody reads; its key stays where it is."""

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from protocol import certificates, grant, policy, roster, write_off
from protocol.errors import OutOfRange
from tests.unit.tools import till
from tools import district
from tools.authority.__main__ import main
from tools.authority.issue import Authority, RequestRefusedError, changed_families
from tools.authority.signing import CURVE_ORDER, KeyFileError, SigningKey, is_on_curve
from tools.settlement.evidence import certified, verify

NOW_S = till.START_S


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def authority(key) -> Authority:
    return Authority(key)


def split(signed: bytes) -> tuple[bytes, bytes]:
    body, signature = certificates.split_signature(signed, "unit")
    return body, signature


# Keys.


def test_signatures_are_low_s_and_verify_for_their_message_only(key):
    for number in range(40):
        message = number.to_bytes(4, "big")
        signature = key.sign(message)
        assert len(signature) == 64
        assert 0 < int.from_bytes(signature[32:], "big") <= CURVE_ORDER // 2
        assert verify(key.public, message, signature)
        assert not verify(key.public, message + b"\x00", signature)
        high = signature[:32] + (CURVE_ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
        assert not verify(key.public, message, high)


def test_a_key_comes_back_from_its_file_which_only_its_owner_reads(tmp_path, key):
    path = tmp_path / "authority.key"
    key.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.load(path).public == key.public
    with pytest.raises(KeyFileError, match="is there already"):
        SigningKey.generate().save(path)
    assert SigningKey.load(path).public == key.public


def test_files_that_are_no_key_are_refused_without_their_content(tmp_path, key):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    def pem(private) -> bytes:
        return private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    contents = (
        b"secret",
        b"",
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP384R1())),
    )
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.key"
        path.touch(mode=0o600)
        path.write_bytes(content)
        with pytest.raises(KeyFileError, match=path.name) as caught:
            SigningKey.load(path)
        assert "secret" not in str(caught.value)
    readable = tmp_path / "readable.key"
    key.save(readable)
    readable.chmod(0o640)
    with pytest.raises(KeyFileError, match="0600"):
        SigningKey.load(readable)


def test_only_points_of_the_curve_are_keys(key):
    assert is_on_curve(key.public)
    for wrong in (
        bytes(64),
        b"\xff" * 64,
        key.public[:63] + bytes((key.public[63] ^ 1,)),
        key.public[:32],
        b"",
    ):
        assert not is_on_curve(wrong)


# Certificates.


def test_a_terminal_is_certified_from_its_request(authority):
    seal, agreement = SigningKey.generate().public, SigningKey.generate().public
    request = bytes.fromhex("0000beef") + bytes((certificates.STORAGE_ATECC608,)) + seal + agreement
    kid, signed = authority.terminal_request(request, NOW_S)
    made = certified(signed, authority.public)
    assert kid == made.kid == 0xBEEF
    assert (made.storage, made.issued_s) == (certificates.STORAGE_ATECC608, NOW_S)
    assert (made.seal_key, made.agreement_key) == (seal, agreement)


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda r: r[:-1], "terminal request"),
        (lambda r: r + b"\x00", "terminal request"),
        (lambda r: r[:4] + b"\x09" + r[5:], "storage"),
        (lambda r: r[:5] + bytes(64) + r[69:], "seal key"),
        (lambda r: r[:69] + bytes(64), "agreement key"),
        (lambda r: r[:69] + r[5:69], "agreement key: the same"),
    ],
)
def test_a_terminal_request_that_is_wrong_is_not_certified(authority, spoil, field):
    request = bytes(4) + b"\x01" + SigningKey.generate().public + SigningKey.generate().public
    with pytest.raises(RequestRefusedError, match=field):
        authority.terminal_request(spoil(request), NOW_S)


def test_a_gateway_is_certified_under_its_epoch(authority):
    agreement, acknowledgement = SigningKey.generate().public, SigningKey.generate().public
    signed = authority.epoch(b"\x00\x00\x00\x07" + agreement + acknowledgement, 3, NOW_S)
    body, signature = split(signed)
    made = certificates.decode_epoch(body)
    assert verify(authority.public, certificates.epoch_message(body), signature)
    assert (made.gateway_key_id, made.epoch, made.issued_s) == (7, 3, NOW_S)
    assert (made.agreement_key, made.acknowledgement_key) == (agreement, acknowledgement)


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda r: r[:-1], "gateway request"),
        (lambda r: r[:4] + bytes(64) + r[68:], "agreement key"),
        (lambda r: r[:68] + bytes(64), "acknowledgement key"),
        (lambda r: r[:68] + r[4:68], "acknowledgement key: the same"),
    ],
)
def test_a_gateway_request_that_is_wrong_is_not_certified(authority, spoil, field):
    request = bytes(4) + SigningKey.generate().public + SigningKey.generate().public
    with pytest.raises(RequestRefusedError, match=field):
        authority.epoch(spoil(request), 1, NOW_S)


def test_a_signature_of_one_type_stands_for_no_other(authority):
    """A roster's digest, signed as such, must not pass for a policy, nor a terminal for a gateway."""
    octets = district.make_roster(till.families(), till.ROSTER_KEY)
    _, signature = split(authority.roster(octets))
    assert verify(authority.public, roster.signed_message(roster.digest(octets)), signature)
    assert not verify(authority.public, policy.signed_message(octets), signature)
    body, signature = split(
        authority.terminal(1, SigningKey.generate().public, SigningKey.generate().public, 1, 5)
    )
    assert not verify(authority.public, certificates.epoch_message(body), signature)


# Rosters.


def test_a_roster_that_names_a_card_twice_is_not_signed(authority):
    families = till.families()
    with pytest.raises(RequestRefusedError, match="entry 12: its card stands elsewhere"):
        authority.roster(district.make_roster([*families, families[3]], till.ROSTER_KEY))


def test_a_roster_that_is_cut_is_not_signed(authority):
    octets = district.make_roster(till.families(), till.ROSTER_KEY)
    for wrong in (octets[:-1], octets + b"\x00", octets[:-64]):
        with pytest.raises(RequestRefusedError, match="do not hold 12 entries"):
            authority.roster(wrong)


def later_roster(change=lambda entries: None, number=2, families=None):
    """The sample's roster again, under a later number, and changed."""
    octets = district.make_roster(till.families() if families is None else families, till.ROSTER_KEY)
    _, entries = roster.decode(octets)
    change(entries)
    return roster.encode(number, entries)


def test_a_roster_follows_the_one_before_it(authority):
    """RSD-02, ROS-02: or terminals in use could not take it."""
    before = authority.roster(later_roster(number=1))

    def removed(entries):
        entries[3].state = roster.REMOVED
        entries[5].cards = ()

    def swapped(entries):
        entries[3].cards, entries[4].cards = entries[4].cards, entries[3].cards

    good = later_roster(removed)
    assert authority.roster(good, before)[:-64] == good
    assert changed_families(before[:-64], good) == [3, 5]
    with pytest.raises(RequestRefusedError, match="number is not greater"):
        authority.roster(later_roster(removed, number=1), before)
    with pytest.raises(RequestRefusedError, match="entry 3: none of its cards"):
        authority.roster(later_roster(swapped), before)
    with pytest.raises(OutOfRange, match="count"):
        authority.roster(later_roster(families=till.families()[:-1]), before)


# The desk.


class Desk:
    """The command line in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> str:
        """A file in the folder."""
        return str(self.folder / name)

    def call(self, *arguments: str) -> Result:
        """One command."""
        return CliRunner().invoke(main, list(arguments))

    def does(self, *arguments: str) -> str:
        """A command that must succeed; what it said."""
        result = self.call(*arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def refuses(self, *arguments: str) -> str:
        """A command that must end with a sentence."""
        result = self.call(*arguments)
        assert result.exit_code == 1, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.output


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.does("init", "--key", made.path("authority.key"), "--public", made.path("authority.pub"))
    return made


def public_of(desk: Desk) -> bytes:
    return (desk.folder / "authority.pub").read_bytes()


def test_init_makes_a_key_and_never_another_in_its_place(desk):
    assert len(public_of(desk)) == 64
    before = (desk.folder / "authority.key").read_bytes()
    said = desk.refuses("init", "--key", desk.path("authority.key"), "--public", desk.path("other.pub"))
    assert "is there already" in said
    assert (desk.folder / "authority.key").read_bytes() == before
    assert not (desk.folder / "other.pub").exists()


def test_terminal_and_gateway_are_certified_from_files(desk):
    seal, agreement = SigningKey.generate().public, SigningKey.generate().public
    (desk.folder / "terminal.req").write_bytes(bytes.fromhex("0000002a01") + seal + agreement)
    (desk.folder / "gateway.req").write_bytes(bytes.fromhex("00000001") + seal + agreement)
    key = ("--key", desk.path("authority.key"))
    desk.does("terminal", *key, "--folder", str(desk.folder), desk.path("terminal.req"))
    made = certified((desk.folder / "terminal-0000002a.cert").read_bytes(), public_of(desk))
    assert made.seal_key == seal
    epoch = ("--epoch", "4", "--out", desk.path("epoch.cert"))
    desk.does("gateway", *key, *epoch, desk.path("gateway.req"))
    body, _ = split((desk.folder / "epoch.cert").read_bytes())
    assert certificates.decode_epoch(body).epoch == 4
    (desk.folder / "gateway.req").write_bytes(b"short")
    assert "gateway request" in desk.refuses("gateway", *key, *epoch, desk.path("gateway.req"))


def papers(desk: Desk) -> tuple[str, ...]:
    """Sign policy and roster; the arguments that name them."""
    key = ("--key", desk.path("authority.key"))
    (desk.folder / "policy").write_bytes(policy.encode(district.make_policy()))
    (desk.folder / "roster").write_bytes(district.make_roster(till.families(), till.ROSTER_KEY))
    desk.does("policy", *key, "--out", desk.path("policy.bin"), desk.path("policy"))
    desk.does("roster", *key, "--out", desk.path("roster.bin"), desk.path("roster"))
    return (*key, "--roster", desk.path("roster.bin"), "--policy", desk.path("policy.bin"))


def make_grant(**changes) -> grant.Grant:
    made = district.make_grant(1, district.PROGRAMME_PKH, till.PERIOD, NOW_S + 86400, 750_000)
    made.exceptions = ((7, 1_500_000),)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_later_roster_is_signed_after_the_one_that_terminals_have(desk):
    papers(desk)
    _, entries = roster.decode((desk.folder / "roster").read_bytes())
    entries[1].hamlet += 1
    (desk.folder / "later").write_bytes(roster.encode(2, entries))
    sign = ("roster", "--key", desk.path("authority.key"), "--after", desk.path("roster.bin"), "--out")
    assert "stand otherwise: 1" in desk.does(*sign, desk.path("later.bin"), desk.path("later"))
    assert "number is not greater" in desk.refuses(*sign, desk.path("again.bin"), desk.path("roster"))
    unsigned = ("roster", "--key", desk.path("authority.key"), "--after", desk.path("roster"), "--out")
    assert "is not signed" in desk.refuses(*unsigned, desk.path("again.bin"), desk.path("later"))
    assert not (desk.folder / "again.bin").exists()


def test_policy_roster_and_grant_are_signed_from_files(desk):
    named = papers(desk)
    octets = (desk.folder / "roster").read_bytes()
    rules = (desk.folder / "policy").read_bytes()
    body, signature = split((desk.folder / "policy.bin").read_bytes())
    assert body == rules
    assert verify(public_of(desk), policy.signed_message(rules), signature)
    body, signature = split((desk.folder / "roster.bin").read_bytes())
    assert body == octets
    assert verify(public_of(desk), roster.signed_message(roster.digest(octets)), signature)
    given = grant.encode(make_grant())
    (desk.folder / "grant").write_bytes(given)
    arguments = ("--kid", "0000002A", "--folder", str(desk.folder), desk.path("grant"))
    desk.does("grant", *named, *arguments)
    body, signature = split((desk.folder / "grant-0000002a-2.bin").read_bytes())
    assert body == given
    message = grant.signed_message(42, roster.digest(octets), policy.digest(rules), body)
    assert verify(public_of(desk), message, signature)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exceptions": ((12, 0),)}, "index 12 of 12 families"),
        ({"programme": 9}, "programme: not in the policy"),
    ],
    ids=str,
)
def test_a_grant_that_the_papers_do_not_bear_is_not_signed(desk, changes, said):
    named = papers(desk)
    (desk.folder / "grant").write_bytes(grant.encode(make_grant(**changes)))
    arguments = ("--kid", "0000002a", "--folder", str(desk.folder), desk.path("grant"))
    assert said in desk.refuses("grant", *named, *arguments)
    assert not list(desk.folder.glob("grant-*"))


@pytest.mark.parametrize("command", ["policy", "roster"])
@pytest.mark.parametrize("content", [b"", b"\x07" * 40])
def test_octets_that_are_no_document_are_not_signed(desk, command, content):
    (desk.folder / "octets").write_bytes(content)
    key = ("--key", desk.path("authority.key"), "--out", desk.path("signed"))
    desk.refuses(command, *key, desk.path("octets"))
    assert not (desk.folder / "signed").exists()


@pytest.mark.parametrize("kid", ["42", "0x00002a", "0000002g", "-000002a"])
def test_a_kid_has_eight_hexadecimal_digits(desk, kid):
    named = papers(desk)
    (desk.folder / "grant").write_bytes(grant.encode(make_grant()))
    result = desk.call("grant", *named, "--kid", kid, desk.path("grant"))
    assert result.exit_code == 2
    assert "eight hexadecimal digits" in result.output


def test_a_write_off_is_signed_for_one_gap(desk):
    """WOF-01."""
    named = ("--key", desk.path("authority.key"), "--folder", str(desk.folder), "--kid", "0000002a")
    gap = ("--first", "4", "--last", "7", "--exposure", "600000", "--reason", "flash-damaged")
    desk.does("write-off", *named, *gap, "--chain", "ab" * 32)
    body, signature = split((desk.folder / "write-off-0000002a-4.bin").read_bytes())
    decoded = write_off.decode(body)
    assert (decoded.kid, decoded.first, decoded.last, decoded.chain) == (42, 4, 7, b"\xab" * 32)
    assert (decoded.exposure_rupiah, decoded.reason) == (600_000, write_off.REASON_FLASH_DAMAGED)
    assert verify(public_of(desk), write_off.signed_message(body), signature)
    assert "chain: not 64" in desk.refuses("write-off", *named, *gap, "--chain", "ab")
    upside_down = ("--first", "7", "--last", "4", *gap[4:], "--chain", "ab" * 32)
    assert "last" in desk.refuses("write-off", *named, *upside_down)
