"""Key files and link keys: what is refused, and that both ends derive the same."""

import hmac
import os

import pytest

from gateway import keys
from gateway.errors import KeyFileError, KeyFileExposedError
from protocol.errors import AuthenticationFailed
from tests.support.frames import Authority, Terminal
from tests.support.gateway_rig import Rig


def test_created_keys_are_private_and_come_back(tmp_path):
    made = keys.create(tmp_path / "keys")
    for path in (tmp_path / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert keys.load(tmp_path / "keys").get(made.key_id).request == made.request
    assert len(made.request) == 132


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_file_that_others_may_read_is_refused(tmp_path, mode):
    keys.create(tmp_path)
    exposed = min(tmp_path.iterdir())
    exposed.chmod(mode)
    with pytest.raises(KeyFileExposedError, match=f"mode 0{mode:o}"):
        keys.load(tmp_path)


def test_a_directory_without_keys_is_refused(tmp_path):
    with pytest.raises(KeyFileError, match="has no keys"):
        keys.load(tmp_path)


def test_a_pair_with_one_half_missing_is_refused(tmp_path):
    keys.create(tmp_path)
    next(tmp_path.glob("*-acknowledgement.pem")).unlink()
    with pytest.raises(KeyFileError, match="acknowledgement"):
        keys.load(tmp_path)


def test_rubbish_in_a_key_file_is_refused_without_printing_it(tmp_path):
    keys.create(tmp_path)
    path = next(tmp_path.glob("*-agreement.pem"))
    path.write_text("very secret rubbish")
    with pytest.raises(KeyFileError) as caught:
        keys.load(tmp_path)
    assert "secret" not in str(caught.value)


def test_a_second_pair_needs_an_epoch_to_choose(tmp_path):
    first = keys.create(tmp_path)
    second = keys.create(tmp_path)
    ring = keys.load(tmp_path)
    assert ring.get(first.key_id).key_id == first.key_id
    assert ring.get(second.key_id).key_id == second.key_id
    with pytest.raises(KeyFileError):
        _ = ring.only


def test_both_ends_derive_the_same_keys():
    rig = Rig()
    terminal = Terminal(7, Authority(), rig.key.request)
    lasting = keys.LastingKeys(rig.key, 7, terminal.agreement_public)
    assert lasting.un_key == terminal.un_key
    nonce = bytes(13)
    assert lasting.up.decrypt(nonce, terminal.up.encrypt(nonce, b"records", nonce), nonce) == b"records"
    for epoch in (1, 2):
        down = keys.down(rig.key, 7, terminal.agreement_public, epoch)
        sent = down.encrypt(nonce, b"ack", nonce)
        assert terminal.down(epoch).decrypt(nonce, sent, nonce) == b"ack"
        with pytest.raises(AuthenticationFailed):
            terminal.down(epoch + 1).decrypt(nonce, sent, nonce)


def test_uplink_and_downlink_keys_differ_between_terminals():
    rig = Rig()
    ends = [Terminal(kid, Authority(), rig.key.request) for kid in (1, 2)]
    assert len({end.un_key for end in ends}) == 2
    nonce = bytes(13)
    with pytest.raises(AuthenticationFailed):
        ends[0].up.decrypt(nonce, ends[1].up.encrypt(nonce, b"x", nonce), nonce)


@pytest.mark.parametrize("length", [0, 1, 55, 56, 63, 64, 65, 200])
@pytest.mark.parametrize("key_octets", [1, 32, 64])
def test_the_salt_is_hmac_sha256(length, key_octets):
    key, message = bytes(range(key_octets)), os.urandom(length)
    cipher = keys.GatewayCipher(bytes(16), key)
    assert cipher.salt(message) == hmac.digest(key, message, "sha256")[:4]
    assert cipher.salt(message) == cipher.salt(message), "the hash states are not used up"


def test_a_wrong_tag_names_its_place():
    cipher = keys.GatewayCipher(bytes(16), bytes(32))
    sent = bytearray(cipher.encrypt(bytes(13), b"abc", b""))
    sent[-1] ^= 1
    with pytest.raises(AuthenticationFailed) as caught:
        cipher.decrypt(bytes(13), bytes(sent), b"")
    assert (caught.value.field, caught.value.offset) == ("tag", 13 + 3)
