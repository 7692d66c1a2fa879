"""Makes test CAs, issuers and cards: keys, certificates and records, as JSON-able data with hex strings.

A PAN here must be fictitious. Nothing this file makes is ever committed. Runs on MicroPython too, where keys of the real
lengths take seconds.
"""

from hardware.emv_card import crypto, profiles, tlv
from hardware.emv_card.keys import make_key, sub_stream

NSICCS_RID = profiles.NSICCS_DEBIT_AID[:10]
PROGRAMME_RID = profiles.PROGRAMME_AID[:10]
COUNTRY_INDONESIA = "0360"
CURRENCY_RUPIAH = "0360"
_RUPIAH_EXPONENT = "02"
_HASH_SHA1 = b"\x01"
_ALGORITHM_RSA = b"\x01"
_KEY_INDEX = 1

# Frames of up to 256 octets, frame waiting time 77 ms, no CID and no NAD (ISO/IEC 14443-4, 5.2).
DEFAULT_ATS = "067877800200"


def _sign(key: dict, message: bytes) -> bytes:
    return crypto.RsaKey(
        {name: bytes.fromhex(key[name]) for name in ("n", "p", "q", "dp", "dq", "qinv")}
    ).sign(message)


def make_ca(bits: int = 1984, *, rid: str = NSICCS_RID, index: int = 1, seed: bytes | None = None) -> dict:
    """A certification authority of ours for one RID: what a terminal needs (`public`) and its private key."""
    key = make_key(bits, sub_stream(seed, "ca", rid))
    checksum = crypto.sha1(bytes.fromhex(rid) + bytes([index]) + bytes.fromhex(key["n"] + key["e"]))
    public = {
        "rid": rid,
        "index": index,
        "modulus": key["n"],
        "exponent": key["e"],
        "checksum": checksum.hex(),
    }
    return {"public": public, "key": key}


def _certificate(
    key: dict, head: bytes, public: dict, room: int, hashed_with: bytes = b""
) -> tuple[str, str]:
    """Sign a public key certificate (Book 2, tables 2 and 12): (certificate, remainder of the key), as hex."""
    modulus = bytes.fromhex(public["n"])
    exponent = bytes.fromhex(public["e"])
    head += _HASH_SHA1 + _ALGORITHM_RSA + bytes([len(modulus), len(exponent)])
    inside, remainder = modulus[:room], modulus[room:]
    body = head + inside + b"\xbb" * (room - len(inside))
    digest = crypto.sha1(body + remainder + exponent + hashed_with)
    return _sign(key, b"\x6a" + body + digest + b"\xbc").hex(), remainder.hex()


def make_issuer(
    ca: dict,
    bin_digits: str = "601301",
    *,
    bits: int = 1408,
    expiry_mmyy: str = "1235",
    seed: bytes | None = None,
) -> dict:
    """An issuer certified by `ca`, with its card master key for cryptograms."""
    stream = sub_stream(seed, "issuer", bin_digits, ca["public"]["rid"])
    key = make_key(bits, stream)
    head = b"\x02" + bytes.fromhex((bin_digits + "FF")[:8] + expiry_mmyy) + b"\x00\x00\x01"
    certificate, remainder = _certificate(ca["key"], head, key, len(ca["key"]["n"]) // 2 - 36)
    return {
        "ca": ca["public"],
        "bin": bin_digits,
        "key": key,
        "certificate": certificate,
        "remainder": remainder,
        "master_key": crypto.with_odd_parity(stream.octets(16)).hex(),
    }


def _holder_records(profile: dict, pan: str, psn: str, expiry: str, effective: str) -> list[bytes]:
    """The two records under offline data authentication."""
    track2 = pan + "D" + expiry[:4] + "201" + "00000"
    who = [
        tlv.build("57", bytes.fromhex(track2 + "F" * (len(track2) % 2))),
        tlv.build("5A", bytes.fromhex(pan + "F" * (len(pan) % 2))),
        tlv.build("5F34", bytes.fromhex(psn)),
        tlv.build("5F24", bytes.fromhex(expiry)),
        tlv.build("5F25", bytes.fromhex(effective)),
        tlv.build("5F28", bytes.fromhex(COUNTRY_INDONESIA)),
        tlv.build("9F07", b"\xff\xc0"),  # valid everywhere but for cashback
        tlv.build("9F08", b"\x00\x01"),
        tlv.build("9F42", bytes.fromhex(CURRENCY_RUPIAH)),
        tlv.build("9F44", bytes.fromhex(_RUPIAH_EXPONENT)),
    ]
    how = [
        tlv.build("8C", bytes.fromhex(profiles.CDOL1)),
        tlv.build("8D", bytes.fromhex(profiles.CDOL2)),
        tlv.build("8E", bytes.fromhex(profile["cvm_list"])),
        tlv.build("9F0D", bytes.fromhex(profile["iac_default"])),
        tlv.build("9F0E", bytes.fromhex(profile["iac_denial"])),
        tlv.build("9F0F", bytes.fromhex(profile["iac_online"])),
        tlv.build("9F4A", b"\x82"),
    ]
    return [b"".join(who), b"".join(how)]


def _issuer_records(issuer: dict) -> list[bytes]:
    """The issuer certificate by itself (it nearly fills a record), and what belongs to it."""
    others = tlv.build("8F", bytes([issuer["ca"]["index"]])) + tlv.build(
        "9F32", bytes.fromhex(issuer["key"]["e"])
    )
    if issuer["remainder"]:
        others += tlv.build("92", bytes.fromhex(issuer["remainder"]))
    return [tlv.build("90", bytes.fromhex(issuer["certificate"])), others]


def _icc_record(issuer: dict, icc_key: dict, pan: str, expiry: str, static_data: bytes) -> bytes:
    head = b"\x04" + bytes.fromhex((pan + "F" * 20)[:20] + expiry[2:4] + expiry[:2]) + b"\x00\x00\x01"
    room = len(issuer["key"]["n"]) // 2 - 42
    certificate, remainder = _certificate(issuer["key"], head, icc_key, room, static_data)
    record = tlv.build("9F46", bytes.fromhex(certificate)) + tlv.build("9F47", bytes.fromhex(icc_key["e"]))
    if remainder:
        record += tlv.build("9F48", bytes.fromhex(remainder))
    return record + tlv.build("9F49", bytes.fromhex(profiles.DDOL))


def _static_record(issuer: dict, static_data: bytes) -> bytes:
    """Signed Static Application Data (Book 2, table 3)."""
    room = len(issuer["key"]["n"]) // 2 - 26
    body = b"\x03" + _HASH_SHA1 + b"\xda\xc1" + b"\xbb" * room
    return tlv.build("93", _sign(issuer["key"], b"\x6a" + body + crypto.sha1(body + static_data) + b"\xbc"))


def make_card(
    issuer: dict,
    pan: str,
    psn: str,
    expiry: str,
    profile: str,
    pin: str | None = None,
    icc_bits: int = 1152,
    *,
    effective: str = "240101",
    pin_tries: int = 3,
    seed: bytes | None = None,
) -> dict:
    """Personalise a card with one application.

    `expiry` and `effective` are YYMMDD, `psn` two digits, `profile` a name of `profiles.PROFILES`, `pin` 4 to 12 digits
    for the profiles whose card checks a PIN. Give the data to `card.Card`; `combine` makes a card of several.
    """
    chosen = profiles.PROFILES[profile]
    if chosen["verifies_pin"] != (pin is not None):
        raise ValueError("profile %s %s PIN" % (profile, "needs a" if chosen["verifies_pin"] else "takes no"))
    if chosen["aid"][:10] != issuer["ca"]["rid"]:
        raise ValueError("profile %s is not of the RID that the issuer's CA certifies" % profile)
    oda = chosen["oda"]
    aip = bytes([profiles.AIP_OF[oda] | chosen["aip_flags"], 0])
    holder = _holder_records(chosen, pan, psn, expiry, effective)
    static_data = b"".join(holder) + aip
    stream = sub_stream(seed, "card", pan, psn, profile)
    icc_key = None if oda == profiles.SDA else make_key(icc_bits, stream)
    if icc_key is None:
        proof = _static_record(issuer, static_data)
    else:
        proof = _icc_record(issuer, icc_key, pan, expiry, static_data)
    records = {}
    for sfi, group in ((1, holder), (2, _issuer_records(issuer) + [proof])):
        for index, value in enumerate(group):
            records["%d.%d" % (sfi, index + 1)] = tlv.build("70", value).hex()
    application = {
        "aid": chosen["aid"],
        "label": chosen["label"],
        "priority": 1,
        "profile": chosen,
        "aip": aip.hex(),
        "afl": "0801020210010300",
        "records": records,
        "icc_key": icc_key,
        "master_key": crypto.icc_master_key(bytes.fromhex(issuer["master_key"]), pan, psn).hex(),
        "dki": _KEY_INDEX,
        "pin": pin,
        "pin_tries": pin_tries,
    }
    uid = b"\x08" + stream.octets(3)  # 08: a random UID (ISO/IEC 14443-3, 6.4.4)
    return {"uid": uid.hex(), "ats": DEFAULT_ATS, "applications": [application]}


def combine(*cards: dict) -> dict:
    """One card with the applications of all, the first preferred."""
    combined = dict(cards[0])
    combined["applications"] = []
    for card in cards:
        for entry in card["applications"]:
            combined["applications"].append(dict(entry))
            combined["applications"][-1]["priority"] = len(combined["applications"])
    return combined
