"""The kinds of card, as data: what the issuer writes into the chip and how the chip then decides."""

# The one place where the programme's own application is named: a proprietary AID (ISO/IEC 7816-5, category F).
PROGRAMME_AID = "F04C554D4201"
NSICCS_DEBIT_AID = "A0000006021010"

# What every card here wants to have for its first GENERATE AC; the programme's policy names the same list.
CDOL1_ITEMS = (
    ("9F02", 6),  # Amount, Authorised
    ("9F03", 6),  # Amount, Other
    ("9F1A", 2),  # Terminal Country Code
    ("95", 5),  # Terminal Verification Results
    ("5F2A", 2),  # Transaction Currency Code
    ("9A", 3),  # Transaction Date
    ("9C", 1),  # Transaction Type
    ("9F37", 4),  # Unpredictable Number
    ("9F35", 1),  # Terminal Type
    ("9F45", 2),  # Data Authentication Code
    ("9F34", 3),  # CVM Results
)
CDOL2_ITEMS = (("8A", 2),) + CDOL1_ITEMS[:8]  # Authorisation Response Code, then what the cryptogram covers
DDOL_ITEMS = (("9F37", 4),)


def dol(items) -> str:
    """A data object list as hex."""
    return "".join([tag + "%02X" % size for tag, size in items])


CDOL1 = dol(CDOL1_ITEMS)
CDOL2 = dol(CDOL2_ITEMS)
DDOL = dol(DDOL_ITEMS)

# How a card answers when a Transaction Certificate is asked for (`decide` in risk.py).
AFTER_PIN = "after_pin"  # only after a right VERIFY
ONLINE_ONLY = "online_only"  # never
WITHIN_LIMITS = "within_limits"  # as long as the consecutive and amount limits last

CDA = "cda"
DDA = "dda"
SDA = "sda"
AIP_OF = {CDA: 0x21, DDA: 0x20, SDA: 0x40}  # first octet; CDA cards also do DDA (Book 3, C1)
AIP_CARDHOLDER_VERIFICATION = 0x10
AIP_TERMINAL_RISK_MANAGEMENT = 0x08

_CVM_NO_AMOUNTS = "0000000000000000"

_PROGRAMME = {
    "aid": PROGRAMME_AID,
    "label": "BANTUAN",
    "oda": CDA,
    "aip_flags": AIP_CARDHOLDER_VERIFICATION | AIP_TERMINAL_RISK_MANAGEMENT,
    "pdol": "",
    # Plaintext PIN by the card, if the terminal supports it; else cardholder verification has failed.
    "cvm_list": _CVM_NO_AMOUNTS + "0103",
    "iac_default": "DC50A00000",
    "iac_denial": "0010000000",
    "iac_online": "0000000000",
    "offline": AFTER_PIN,
    "limits": None,
    "verifies_pin": True,
    "signs_requested_aac": True,
    "cvn": 18,
    "dynamic_iad": False,
}
_NSICCS = {
    "aid": NSICCS_DEBIT_AID,
    "label": "DEBIT GPN",
    "oda": CDA,
    "aip_flags": AIP_CARDHOLDER_VERIFICATION,
    "pdol": "9F1A029F3501",
    # Online PIN, then signature, then none, each if the terminal supports it.
    "cvm_list": _CVM_NO_AMOUNTS + "42035E031F03",
    "iac_default": "DC4000A800",
    "iac_denial": "0010000000",
    "iac_online": "DC4004F800",
    "offline": ONLINE_ONLY,
    "limits": None,
    "verifies_pin": False,
    "signs_requested_aac": True,
    "cvn": 10,
    "dynamic_iad": False,
}


def _but(base: dict, **changes) -> dict:
    profile = dict(base)
    profile.update(changes)
    return profile


PROFILES = {
    "programme": _PROGRAMME,
    "programme_dynamic_iad": _but(_PROGRAMME, dynamic_iad=True),
    "programme_dda": _but(_PROGRAMME, oda=DDA),
    "programme_sda": _but(_PROGRAMME, oda=SDA),
    "nsiccs_online": _NSICCS,
    "nsiccs_dynamic_iad": _but(_NSICCS, dynamic_iad=True),
    "nsiccs_limits": _but(
        _NSICCS,
        offline=WITHIN_LIMITS,
        # From the lower count on it wants to go online, from the upper count on it declines.
        limits={"count_lower": 3, "count_upper": 5, "amount_rupiah": 1000000},
    ),
    "nsiccs_dda": _but(_NSICCS, oda=DDA),
    "nsiccs_sda": _but(_NSICCS, oda=SDA),
    # Tempts a careless terminal: its CVM list puts the bank's PIN, checked by the card, first, and VERIFY works.
    "nsiccs_offline_pin": _but(_NSICCS, cvm_list=_CVM_NO_AMOUNTS + "410342031F03", verifies_pin=True),
}
