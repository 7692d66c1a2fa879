"""The card model's cryptograms satisfy pyemv, and its certificates and signatures a reading of their own."""

import hashlib
import os

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from pyemv import ac, cvn, kd

from hardware.emv_card import crypto, des, keys, personalise, profiles
from tests.unit.hardware.emv_card_terminal import PAN, PIN, PSN, TERMINAL_DATA, make_session, recover, tlv

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
AAC, TC, ARQC = b"\x00", b"\x40", b"\x80"
CDA_PROFILES = [name for name, profile in profiles.PROFILES.items() if profile["oda"] == profiles.CDA]


def octets(size: int, *purpose: str) -> bytes:
    return keys.sub_stream(b"proofs", *purpose).octets(size)


def pyemv_cryptogram(issuer: dict, session, answer: dict, terminal: dict[str, str]) -> bytes:
    """The cryptogram as the issuer computes it."""
    key = bytes.fromhex(issuer["master_key"])
    values = {f"tag_{tag.lower()}": bytes.fromhex(terminal[tag]) for tag in crypto.MACED_TAGS}
    values |= {"tag_82": session.data["82"], "tag_9f36": answer["9F36"]}
    iad = answer["9F10"]
    if iad[2] == 10:
        return cvn.VisaCVN10(key, key, key, PAN, PSN).generate_ac(**values, cvr=iad[3:7])
    return cvn.VisaCVN18(key, key, key, PAN, PSN).generate_ac(**values, tag_9f10=iad)


def test_des_agrees_with_cryptography():
    for number in range(64):
        key, block = octets(16, "key", str(number)), octets(8, "block", str(number))
        expected = Cipher(TripleDES(key), modes.ECB()).encryptor().update(block)
        assert des.TripleDes(key).encrypt(block) == expected


@pytest.mark.parametrize("size", range(1, 50, 7))
def test_mac_and_session_key_agree_with_pyemv(size):
    key, data = kd.derive_icc_mk_a(octets(16, "issuer"), PAN, PSN), octets(size, "data")
    cipher = des.TripleDes(key)
    assert cipher.retail_mac(des.pad_method_2(data)) == ac.generate_ac(key, data, ac.PaddingType.EMV, 8)
    assert cipher.retail_mac(des.pad_method_1(data)) == ac.generate_ac(key, data, ac.PaddingType.VISA, 8)
    expected = kd.derive_common_sk(key, size.to_bytes(2, "big") + bytes(6))
    assert crypto.session_key(key, size) == expected


@pytest.mark.parametrize("pan", ["6013010000000017", "601301000000017", "6013010000000000017"])
def test_icc_master_key_is_option_a(pan):
    key = crypto.with_odd_parity(octets(16, "issuer"))
    assert crypto.icc_master_key(key, pan, "02") == kd.derive_icc_mk_a(key, pan, "02")


def test_bad_des_input_is_refused():
    with pytest.raises(ValueError, match="15 octets"):
        des.TripleDes(bytes(15))
    with pytest.raises(ValueError, match="whole blocks"):
        des.TripleDes(bytes(16)).retail_mac(bytes(9))


@pytest.mark.parametrize("icc_bits", [1024, 1088, 1152])
@pytest.mark.parametrize("profile", CDA_PROFILES)
def test_cda_signature_and_cryptogram_hold(profile, icc_bits):
    """Issuer, card and transaction verify from the CA key down; the cryptogram inside is the one pyemv computes."""
    session, ca, issuer = make_session(profile, icc_bits=icc_bits)
    if profile.startswith("programme"):
        session.ok("00200080", bytes.fromhex(f"26{PIN}FFFFFFFF"))
    asked, expected = ("50", TC) if profile.startswith("programme") else ("90", ARQC)
    answer, cdol1, hashed = session.generate_ac(asked)
    modulus, exponent = session.icc_key(ca)
    assert len(modulus) * 8 == icc_bits
    plain = recover(answer["9F4B"], modulus, exponent)
    assert plain[:3] == b"\x6a\x05\x01"
    unpredictable = bytes.fromhex(TERMINAL_DATA["9F37"])
    assert hashlib.sha1(plain[1:-21] + unpredictable).digest() == plain[-21:-1]
    dynamic = plain[4 : 4 + plain[3]]
    number_length = dynamic[0]
    cid, cryptogram, transaction_hash = (
        dynamic[1 + number_length : 2 + number_length],
        dynamic[2 + number_length : 10 + number_length],
        dynamic[10 + number_length :],
    )
    assert cid == answer["9F27"] == expected
    assert transaction_hash == hashlib.sha1(session.pdol_data + cdol1 + hashed).digest()
    assert cryptogram == pyemv_cryptogram(issuer, session, answer, TERMINAL_DATA)
    assert plain[4 + plain[3] : -21].strip(b"\xbb") == b""


@pytest.mark.parametrize("version", [10, 18])
@pytest.mark.parametrize("asked", ["00", "40", "80"])
def test_unsigned_cryptograms_agree_with_pyemv(version, asked, monkeypatch):
    monkeypatch.setitem(
        profiles.PROFILES, "nsiccs_online", profiles.PROFILES["nsiccs_online"] | {"cvn": version}
    )
    session, _, issuer = make_session("nsiccs_online")
    answer, _, _ = session.generate_ac(asked, t9F02="000000150050", t9F37="00000001")
    assert "9F4B" not in answer
    terminal = TERMINAL_DATA | {"9F02": "000000150050", "9F37": "00000001"}
    assert answer["9F26"] == pyemv_cryptogram(issuer, session, answer, terminal)


def test_second_cryptogram_covers_the_second_data():
    session, _, issuer = make_session("nsiccs_online")
    first, _, _ = session.generate_ac("90")
    second, _, _ = session.generate_ac("00", second=True, t95="0000018000")
    assert second["9F36"] == first["9F36"]
    assert second["9F26"] == pyemv_cryptogram(issuer, session, second, TERMINAL_DATA | {"95": "0000018000"})


def test_requested_aac_is_signed_and_a_decline_is_not():
    """The programme's second tap is a signed AAC; an AAC that the card gives against the request is not signed."""
    session, ca, _ = make_session("programme")
    answer, _, _ = session.generate_ac("10", t9F02="000000000000")
    assert answer["9F27"] == AAC
    assert recover(answer["9F4B"], *session.icc_key(ca))[:3] == b"\x6a\x05\x01"
    session.start()
    answer, _, _ = session.generate_ac("50")
    assert answer["9F27"] == AAC
    assert "9F4B" not in answer


def test_dda_signature_holds():
    session, ca, _ = make_session("nsiccs_dda")
    signed = dict(tlv(dict(tlv(session.ok("00880000", b"\x01\x02\x03\x04")))["77"]))["9F4B"]
    plain = recover(signed, *session.icc_key(ca))
    assert hashlib.sha1(plain[1:-21] + b"\x01\x02\x03\x04").digest() == plain[-21:-1]
    answer, _, _ = session.generate_ac("90")
    assert "9F4B" not in answer


def test_sda_signature_holds_and_covers_the_static_data():
    session, ca, _ = make_session("programme_sda")
    plain = recover(session.data["93"], *session.issuer_key(ca))
    assert plain[:3] == b"\x6a\x03\x01"
    assert hashlib.sha1(plain[1:-21] + session.static_data).digest() == plain[-21:-1]
    assert session.send("00880000", b"\x01\x02\x03\x04") == b"\x6d\x00"


def test_keys_repeat_from_a_seed_and_differ_without():
    one, two = (personalise.make_ca(512, seed=b"a")["key"]["n"] for _ in range(2))
    assert one == two
    assert personalise.make_ca(512)["key"]["n"] != personalise.make_ca(512)["key"]["n"]


@pytest.mark.parametrize("bits", [512, 1024, 1408, 1984])
def test_rsa_key_is_one(bits):
    from cryptography.hazmat.primitives.asymmetric import rsa

    raw = keys.make_key(bits, keys.sub_stream(b"k", str(bits)))
    key = {name: int(value, 16) for name, value in raw.items()}
    assert key["n"].bit_length() == bits
    private_exponent = keys.inverse(3, (key["p"] - 1) * (key["q"] - 1))
    public = rsa.RSAPublicNumbers(key["e"], key["n"])
    # cryptography checks primality and consistency when it loads the key
    if bits >= 1024:
        rsa.RSAPrivateNumbers(
            key["p"], key["q"], private_exponent, key["dp"], key["dq"], key["qinv"], public
        ).private_key()
    message = b"\x00" + os.urandom(bits // 8 - 1)
    signed = crypto.RsaKey({name: bytes.fromhex(value) for name, value in raw.items()}).sign(message)
    assert recover(signed, bytes.fromhex(raw["n"]), b"\x03") == message
