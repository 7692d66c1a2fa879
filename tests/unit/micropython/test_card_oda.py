"""Offline data authentication: real certificate chains, CA keys, and everything that must not verify."""

import hashlib

from firmware.card import certificates, oda, tlv
from firmware.card.ca_keys import CaKey, CaKeys
from firmware.card.certificates import IssuerCache
from firmware.card.errors import (
    AUTHENTICATION_TOO_WEAK,
    CA_KEY_INVALID,
    CA_KEY_UNKNOWN,
    CERTIFICATE_EXPIRED,
    CERTIFICATE_INVALID,
    CERTIFICATE_REVOKED,
    DATA_MISSING,
    SIGNATURE_INVALID,
    AuthenticationError,
    CardError,
    CardProtocolError,
)
from firmware.card.rsa import PublicKey
from tests.property.drivers import card_model
from tests.property.drivers.card_model import (
    CA_INDEX,
    CDA,
    DATE,
    DDA,
    NONE,
    SDA,
    Card,
    Persona,
    Reader,
    kernel_for,
    run,
)
from tests.support.mp import raises, vectors

H = bytes.fromhex
# A day on which none of the chains' certificates had expired.
CHAIN_DATE = H("060501")


def chains():
    return vectors("emv_oda_chains.json")["chains"]


def ca_key(chain):
    key = chain["ca_key"]
    return CaKey(H(key["rid"]), int(key["index"], 16), H(key["modulus"]), H(key["exponent"]), H(key["sha1"]))


def padded(pan):
    return H((pan + "F" * 20)[:20])


def issuer_of(chain):
    return certificates.issuer_key(
        ca_key(chain),
        H(chain["tag_90_issuer_pk_cert"]),
        H(chain["tag_92_issuer_pk_remainder"]),
        H(chain["tag_9F32_issuer_pk_exponent"]),
    )


def icc_of(chain, **changes):
    value = dict(chain)
    value.update(changes)
    return certificates.icc_key(
        issuer_of(chain),
        H(value["tag_9F46_icc_pk_cert"]),
        H(value["tag_9F48_icc_pk_remainder"]),
        H(value["tag_9F47_icc_pk_exponent"]),
        H(value["static_data_to_authenticate"]),
        padded(value["pan"]),
        CHAIN_DATE,
    )


def test_issuer_keys_of_real_chains():
    for chain in chains():
        issuer, expected = issuer_of(chain), chain["expected"]
        assert issuer.modulus == int(expected["issuer_modulus"], 16), chain["id"]
        assert issuer.octets == len(expected["issuer_modulus"]) // 2
        assert issuer.subject.hex() == expected["issuer_identifier"]
        assert issuer.expiry.hex() == expected["issuer_cert_expiry_mmyy"]
        assert issuer.serial.hex() == expected["issuer_cert_serial"]
        ca = ca_key(chain)
        certificates.check_issuer(issuer, ca.rid, ca.index, padded(chain["pan"]), CHAIN_DATE, ())


def test_icc_keys_of_real_chains():
    done = 0
    for chain in chains():
        if "icc" not in chain["expected"]:
            continue
        expected = chain["expected"]["icc"]
        if expected["hash_ok"] is None:
            # The source of this chain lacks the static data: everything but the hash must fit, and the hash must not.
            error = raises(AuthenticationError, icc_of, chain, static_data_to_authenticate="")
            assert (error.code, error.field, error.offset) == (CERTIFICATE_INVALID, "tag 9F46", 91)
            continue
        key = icc_of(chain)
        assert key.modulus == int(expected["modulus"], 16), chain["id"]
        assert (key.expiry.hex(), key.serial.hex()) == (expected["cert_expiry_mmyy"], expected["cert_serial"])
        done += 1
    assert done == 3


def test_sda_of_real_chains():
    done = 0
    for chain in chains():
        if "sda" in chain["expected"]:
            static = H(chain["static_data_to_authenticate"])
            dac = oda.sda(issuer_of(chain), H(chain["tag_93_ssad"]), static)
            assert dac.hex() == chain["expected"]["sda"]["dac"]
            broken = bytes((static[0] ^ 1,)) + static[1:]
            assert (
                raises(AuthenticationError, oda.sda, issuer_of(chain), H(chain["tag_93_ssad"]), broken).code
                == 135
            )
            done += 1
    assert done == 3


def test_dda_of_a_real_chain():
    chain = [c for c in chains() if c["id"] == "contact-upi"][0]
    sdad, challenge = H(chain["tag_9F4B_sdad"]), H(chain["terminal_dynamic_data"])
    assert oda.dda(icc_of(chain), sdad, challenge).hex() == chain["expected"]["icc_dynamic_number"]
    error = raises(AuthenticationError, oda.dda, icc_of(chain), sdad, b"\x78\x63\xaf\xc7")
    assert (error.code, error.field) == (SIGNATURE_INVALID, "tag 9F4B")


def test_cda_of_a_real_chain():
    chain = [c for c in chains() if c["id"] == "pm3-cda"][0]
    expected = chain["expected"]["cda"]
    key, sdad, un = icc_of(chain), H(chain["tag_9F4B_sdad"]), H(chain["terminal_dynamic_data"])
    data = H(chain["cda_transaction_data"])
    number, ac = oda.cda(key, sdad, un, 0x40, (data[:29], data[29:]))
    assert (number.hex(), ac.hex()) == (expected["icc_dynamic_number"], expected["application_cryptogram"])
    # Another cryptogram type, other transaction data, another Unpredictable Number.
    for wrong in ((un, 0x80, (data,)), (un, 0x40, (data[:-1],)), (b"\x00\x00\x00\x00", 0x40, (data,))):
        assert raises(AuthenticationError, oda.cda, key, sdad, *wrong).code == SIGNATURE_INVALID


def test_cda_of_a_chain_whose_transaction_data_is_not_known():
    chain = [c for c in chains() if c["id"] == "emvutils-cda"][0]
    modulus = chain["expected"]["icc"]["modulus"]
    key = PublicKey(int(modulus, 16), 3, len(modulus) // 2)
    un = H(chain["terminal_dynamic_data"])
    # The signature itself verifies: only the hash over the transaction data, the last check, does not.
    error = raises(AuthenticationError, oda.cda, key, H(chain["tag_9F4B_sdad"]), un, 0x00, ())
    assert error.offset == 4 + 18
    assert (
        raises(AuthenticationError, oda.cda, key, H(chain["negative"]["tag_9F4B"]), un, 0x00, ()).offset != 22
    )


def test_every_ca_key_with_a_right_checksum_and_no_other():
    refused = []
    for entry in vectors("emv_capk.json")["keys"]:
        parts = (
            H(entry["rid"]),
            int(entry["index"], 16),
            H(entry["modulus"]),
            H(entry["exponent"]),
            H(entry["sha1"]),
        )
        try:
            key = CaKey(*parts)
            assert entry["hash_ok"] and key.octets == entry["bits"] // 8
        except AuthenticationError as error:
            assert error.code == CA_KEY_INVALID
            refused.append(
                (entry["hash_ok"], "checksum" in str(error), entry["exponent"], entry["bits"] > 1984)
            )
    # Three with a wrong checksum; three more with the even exponent that EMV has given up; one longer than EMV allows.
    assert len([1 for ok, checksum, _, _ in refused if not ok and checksum]) == 3
    assert sorted([(exponent, long) for ok, _, exponent, long in refused if ok]) == [
        ("02", False), ("02", False), ("02", False), ("03", True),
    ]  # fmt: skip


def test_unknown_and_expired_ca_keys():
    card = Card()
    keys = CaKeys((card.ca_key(H("1226")),))
    rid = card.persona.aid[:5]
    assert keys.find(rid, CA_INDEX, H("261231")).index == CA_INDEX
    for wrong in (
        (rid, CA_INDEX + 1, DATE),
        (b"\xa0\x00\x00\x00\x03", CA_INDEX, DATE),
        (rid, CA_INDEX, H("270101")),
    ):
        assert raises(AuthenticationError, keys.find, *wrong).code == CA_KEY_UNKNOWN


def authenticate(card, date=DATE, **trust):
    return run(kernel_for(card, card_model.bank(require_oda=NONE), **trust).authenticate(Reader(card), date))


def refusal(card, date=DATE, **trust):
    try:
        authenticate(card, date, **trust)
    except CardError as error:
        return error
    raise AssertionError("authenticated")


def test_chains_of_all_levels_and_exponents():
    for level in (CDA, DDA, SDA, NONE):
        for exponents in ((3, 3, 3), (65537, 65537, 65537), (3, 65537, 3)):
            ca, issuer, icc = exponents
            card = Card(level=level, ca_exponent=ca, issuer_exponent=issuer, icc_exponent=icc)
            session = authenticate(card)
            assert session.oda_level == level
            assert session.chain.dac == (b"\xda\xc1" if level == SDA else b"")
            assert len(session.pin_binding) == (0 if level == NONE else 32)


def test_policy_decides_which_level_is_enough():
    for level in (CDA, DDA, SDA, NONE):
        for least in (CDA, DDA, SDA, NONE):
            card = Card(level=level)
            kernel = kernel_for(card, card_model.bank(require_oda=least))
            if level >= least:
                assert run(kernel.authenticate(Reader(card), DATE)).oda_level == level
            else:
                assert raises(AuthenticationError, run, kernel.authenticate(Reader(card), DATE)).code == (
                    AUTHENTICATION_TOO_WEAK
                )


def test_without_a_word_from_policy_static_authentication_is_the_least():
    card = Card(level=NONE)
    error = raises(
        AuthenticationError, run, kernel_for(card, card_model.bank()).authenticate(Reader(card), DATE)
    )
    assert error.code == AUTHENTICATION_TOO_WEAK


def test_certificates_end_with_their_month():
    card = Card(certificate_expiry="0626", expiry="301231")
    authenticate(card, H("260630"))
    error = refusal(card, H("260701"))
    assert (error.code, error.field) == (CERTIFICATE_EXPIRED, "tag 90")
    assert refusal(card, H("261301")).code == CERTIFICATE_EXPIRED  # no date at all


def test_an_icc_certificate_expires_by_itself_and_belongs_to_one_pan():
    card = Card(certificate_expiry="0126")
    parts = {}
    for place in ((1, 1), (1, 2), (2, 3)):
        start, end = tlv.only(card.records[place], 0x70)
        parts[place] = card.records[place][start:end]
    found = {}
    tlv.collect(parts[(2, 3)], 0, len(parts[(2, 3)]), (0x9F46, 0x9F47, 0x9F48), found)
    static = parts[(1, 1)] + parts[(1, 2)] + card.aip
    issuer = PublicKey(card.issuer.n, card.issuer.e, card.issuer.octets)

    def key(pan, date):
        remainder = found.get(0x9F48, b"")
        return certificates.icc_key(
            issuer, found[0x9F46], remainder, found[0x9F47], static, padded(pan), H(date)
        )

    assert key(card.persona.pan, "260131").modulus == card.icc.n
    assert raises(AuthenticationError, key, card.persona.pan, "260201").code == CERTIFICATE_EXPIRED
    error = raises(AuthenticationError, key, "6013019999999999", "260131")
    assert (error.code, error.offset) == (CERTIFICATE_INVALID, 2) and "9999" not in str(error)


def test_a_revoked_issuer_certificate_is_refused_also_from_the_cache():
    card = Card()
    cache = IssuerCache()
    authenticate(card, cache=cache)
    revoked = frozenset((card.persona.aid[:5] + bytes((CA_INDEX,)) + b"\x00\x00\x2a",))
    assert refusal(card, cache=cache, revoked=revoked).code == CERTIFICATE_REVOKED
    assert cache.hits == 1


def test_an_issuer_of_another_bank_is_refused():
    for issuer_id, good in (
        ("601301FF", True), ("60130101", True), ("6013FFFF", True), ("601FFFFF", True),
        ("601302FF", False), ("60130102", False), ("602FFFFF", False), ("60FFFFFF", False), ("FFFFFFFF", False),
    ):  # fmt: skip
        card = Card(issuer_id=issuer_id)
        if good:
            authenticate(card)
        else:
            error = refusal(card)
            assert (error.code, error.field) == (CERTIFICATE_INVALID, "tag 90"), issuer_id


def test_a_tag_list_may_name_the_aip_only():
    authenticate(Card(tag_list=""))
    for wrong in ("8284", "9F36", "84"):
        error = refusal(Card(tag_list=wrong))
        assert (error.code, error.field) == (SIGNATURE_INVALID, "tag 9F4A")


def test_missing_parts_are_named():
    for place, tag in (((2, 1), 0x90), ((2, 2), 0x9F32), ((2, 2), 0x8F), ((2, 3), 0x9F46), ((2, 3), 0x9F47)):
        card = Card()
        name = bytes.fromhex("%02X" % tag)
        record = card.records[place]
        at = record.find(name)
        # Another tag of the same length in its place.
        card.records[place] = (
            record[:at] + (b"\xdf\x01" if len(name) == 2 else b"\xc1") + record[at + len(name) :]
        )
        error = refusal(card)
        assert isinstance(error, CardProtocolError) and error.code == DATA_MISSING
        assert error.field == "tag %02X" % tag


def test_one_changed_bit_anywhere_in_the_authenticated_data_is_found():
    # Every 7th octet of every record, one bit each: nothing but typed errors, and no card passes.
    for place in ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3)):
        card = Card()
        good = card.records[place]
        for at in range(0, len(good), 7):
            card.records[place] = good[:at] + bytes((good[at] ^ 0x10,)) + good[at + 1 :]
            refusal(card)
        card.records[place] = good
        authenticate(card)


def test_the_cache_knows_keys_by_everything_they_came_from():
    cache = IssuerCache(2)
    card, other = Card(), Card(issuer=card_model.card_keys.OTHER_ISSUER_1408)
    third = Card(issuer_exponent=65537)
    for number, (one, hits) in enumerate(
        ((card, 0), (card, 1), (other, 1), (card, 2), (third, 2), (card, 3), (other, 3))
    ):
        authenticate(one, cache=cache)
        assert cache.hits == hits, number
    assert cache.misses == 4  # the least recently used one had to go
    # A certificate that does not verify is not remembered.
    good = card.records[(2, 1)]
    card.records[(2, 1)] = good[:-1] + bytes((good[-1] ^ 1,))
    for _ in range(2):
        assert refusal(card, cache=cache).code == CERTIFICATE_INVALID
    assert (cache.hits, cache.misses) == (3, 6)


def test_a_ca_key_replaced_under_its_index_finds_nothing_in_the_cache():
    cache = IssuerCache()
    card = Card()
    authenticate(card, cache=cache)
    kernel = kernel_for(card, cache=cache)
    old = card.ca_key()
    wrong = (old.modulus - 2).to_bytes(248, "big")
    checksum = hashlib.sha1(old.rid + bytes((CA_INDEX,)) + wrong + b"\x03").digest()
    kernel._trust.ca_keys.add(CaKey(old.rid, CA_INDEX, wrong, b"\x03", checksum))
    assert (
        raises(AuthenticationError, run, kernel.authenticate(Reader(card), DATE)).code == CERTIFICATE_INVALID
    )
    assert cache.hits == 0


def test_persona_defaults_stand_for_themselves():
    # The chain under test is the one that the measurements use: 1984-bit CA, 1408-bit issuer, 1152-bit card.
    persona = Persona()
    card = Card(persona)
    assert [8 * key.octets for key in (card.ca, card.issuer, card.icc)] == [1984, 1408, 1152]
