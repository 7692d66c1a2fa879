"""Offline data authentication: choosing SDA, DDA or CDA, and checking each (EMV Book 2, 5 and 6; Book 3, 10.3)."""

import hashlib

from firmware.card import certificates, tlv
from firmware.card.errors import DATA_MISSING, SIGNATURE_INVALID, AuthenticationError, CardProtocolError
from firmware.card.rsa import HASH_OCTETS, check_hash, recover

# What a card offers, the stronger the greater; policy asks for a least level.
NONE = 0
SDA = 1
DDA = 2
CDA = 3

AIP_SDA = 0x40
AIP_DDA = 0x20
AIP_CDA = 0x01

SSAD_FORM = 0x03
SDAD_FORM = 0x05
SSAD_FIELD = "tag 93"
SDAD_FIELD = "tag 9F4B"
_AC_OCTETS = 8


class Chain:
    """What the certificates proved: `level`, and by level the card's key (`icc_key`) or the Data Authentication Code
    of a card with static data only (`dac`, 2 octets).
    """

    def __init__(
        self, level: int, icc_key: "certificates.CertifiedKey | None" = None, dac: bytes = b""
    ) -> None:
        self.level = level
        self.icc_key = icc_key
        self.dac = dac


class Trust:
    """What the terminal holds against a card: CA keys, issuer cache, revoked issuer certificates."""

    def __init__(self, ca_keys, issuer_cache, revoked=()) -> None:
        self.ca_keys = ca_keys
        self.issuer_cache = issuer_cache
        self.revoked = revoked


def choose(aip: bytes) -> int:
    """The strongest method that the card offers; this terminal can do all three."""
    offers = aip[0]
    return CDA if offers & AIP_CDA else DDA if offers & AIP_DDA else SDA if offers & AIP_SDA else NONE


def needed(data: dict, tag: int) -> bytes:
    """The value of a mandatory data object."""
    value = data.get(tag)
    if value is None:
        raise CardProtocolError(DATA_MISSING, tlv.tag_name(tag), -1, "not on the card")
    return value


def static_data(records: bytearray, data: dict, aip: bytes) -> bytearray:
    """The static data to be authenticated: the records, then what the tag list 9F4A names, which may be AIP only."""
    tags = data.get(0x9F4A)
    if tags is not None:
        if tags != b"\x82":
            raise AuthenticationError(SIGNATURE_INVALID, "tag 9F4A", 0, "names more than the AIP")
        records.extend(aip)
    return records


def check_chain(
    trust: Trust, level: int, rid: bytes, data: dict, static: bytes, pan: bytes, date: bytes
) -> Chain:
    """Recover the certificates that `level` needs, from the card's data objects by tag.

    `pan` is 10 octets padded with F, `date` the transaction date YYMMDD. Raises `AuthenticationError`.
    """
    if level == NONE:
        return Chain(NONE)
    index = needed(data, 0x8F)
    if len(index) != 1:
        raise CardProtocolError(DATA_MISSING, "tag 8F", -1, "not one octet")
    ca_key = trust.ca_keys.find(rid, index[0], date)
    issuer = trust.issuer_cache.issuer_key(
        ca_key, needed(data, 0x90), data.get(0x92, b""), needed(data, 0x9F32)
    )
    certificates.check_issuer(issuer, rid, index[0], pan, date, trust.revoked)
    if level == SDA:
        return Chain(SDA, None, sda(issuer, needed(data, 0x93), static))
    key = certificates.icc_key(
        issuer, needed(data, 0x9F46), data.get(0x9F48, b""), needed(data, 0x9F47), static, pan, date
    )
    return Chain(level, key)


def sda(issuer, signed_data: bytes, static: bytes) -> bytes:
    """Check Signed Static Application Data (tag 93); returns the Data Authentication Code (2 octets)."""
    data = recover(issuer, signed_data, SSAD_FORM, SSAD_FIELD)
    if data[2] != 1:
        raise AuthenticationError(SIGNATURE_INVALID, SSAD_FIELD, 2, "hash algorithm is not SHA-1")
    check_hash(data, (static,), SSAD_FIELD)
    return data[3:5]


def _dynamic_data(icc_key, sdad: bytes, hashed_with: bytes) -> bytes:
    """The ICC Dynamic Data in Signed Dynamic Application Data (tag 9F4B), whose hash ends with `hashed_with`."""
    data = recover(icc_key, sdad, SDAD_FORM, SDAD_FIELD)
    if data[2] != 1:
        raise AuthenticationError(SIGNATURE_INVALID, SDAD_FIELD, 2, "hash algorithm is not SHA-1")
    check_hash(data, (hashed_with,), SDAD_FIELD)
    length = data[3]
    if length > len(data) - 25:
        raise AuthenticationError(SIGNATURE_INVALID, SDAD_FIELD, 3, "dynamic data longer than the signature")
    return data[4 : 4 + length]


def _dynamic_number(dynamic: bytes) -> bytes:
    """The ICC Dynamic Number (2 to 8 octets) at the start of the ICC Dynamic Data."""
    if len(dynamic) < 3 or not 2 <= dynamic[0] <= 8 or dynamic[0] >= len(dynamic):
        raise AuthenticationError(
            SIGNATURE_INVALID, SDAD_FIELD, 4, "ICC dynamic number of a length not allowed"
        )
    return dynamic[1 : 1 + dynamic[0]]


def dda(icc_key, sdad: bytes, ddol_data: bytes) -> bytes:
    """Check the answer to INTERNAL AUTHENTICATE over `ddol_data`; returns the ICC Dynamic Number."""
    return _dynamic_number(_dynamic_data(icc_key, sdad, ddol_data))


def cda(icc_key, sdad: bytes, unpredictable_number: bytes, cid: int, transaction_data: tuple) -> tuple:
    """Check the signed answer to GENERATE AC; returns (ICC Dynamic Number, Application Cryptogram of 8 octets).

    `cid` is the Cryptogram Information Data sent in clear; `transaction_data` are the parts of what Book 2, 6.6.2
    hashes: PDOL data, CDOL1 data (and CDOL2 data), the response without the signature.
    """
    dynamic = _dynamic_data(icc_key, sdad, unpredictable_number)
    number = _dynamic_number(dynamic)
    at = 1 + len(number)
    if len(dynamic) < at + 1 + _AC_OCTETS + HASH_OCTETS:
        raise AuthenticationError(
            SIGNATURE_INVALID, SDAD_FIELD, 4 + at, "cryptogram or transaction hash missing"
        )
    if dynamic[at] != cid:
        raise AuthenticationError(SIGNATURE_INVALID, SDAD_FIELD, 4 + at, "signed for another cryptogram type")
    digest = hashlib.sha1()
    for part in transaction_data:
        digest.update(part)
    end = at + 1 + _AC_OCTETS
    if dynamic[end : end + HASH_OCTETS] != digest.digest():
        raise AuthenticationError(
            SIGNATURE_INVALID, SDAD_FIELD, 4 + end, "transaction data hash does not fit"
        )
    return number, dynamic[at + 1 : end]
