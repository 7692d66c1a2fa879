"""The card model answers any command with a response APDU, and no order of commands gives away a proof it should not."""

import functools

from hypothesis import given
from hypothesis import strategies as st

from hardware.emv_card import personalise, profiles
from hardware.emv_card.card import Card

PAN, PSN, EXPIRY, PIN = "6013010000000017", "01", "281231", "482913"


@functools.cache
def card_data(profile: str) -> dict:
    """A card with short keys."""
    ca = personalise.make_ca(896, rid=profiles.PROFILES[profile]["aid"][:10], seed=b"property")
    issuer = personalise.make_issuer(ca, bits=768, seed=b"property")
    pin = PIN if profiles.PROFILES[profile]["verifies_pin"] else None
    return personalise.make_card(issuer, PAN, PSN, EXPIRY, profile, pin, 768, seed=b"property")


CDOL1_DATA = bytes.fromhex("0000200000000000000000000360000000800003602511210052000001220000" + "1F0302")
assert len(CDOL1_DATA) == sum(size for _, size in profiles.CDOL1_ITEMS)
CDOL2_DATA = b"Z1" + CDOL1_DATA[:29]
steps = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            bytes.fromhex("00A4040006F04C554D420100"),
            bytes.fromhex("00A4040007A000000602101000"),
            bytes.fromhex("80A8000002830000"),
            bytes.fromhex("80A80000058303036022") + b"\x00",
            bytes.fromhex("002000800826482914FFFFFFFF"),
            bytes.fromhex("00880000040102030400"),
            bytes.fromhex("80CA9F1700"),
        ]
    ),
    st.builds(
        lambda p1, first: (
            bytes([0x80, 0xAE, p1, 0])
            + bytes([len(CDOL1_DATA if first else CDOL2_DATA)])
            + (CDOL1_DATA if first else CDOL2_DATA)
            + b"\x00"
        ),
        st.sampled_from([0x00, 0x10, 0x40, 0x50, 0x80, 0x90]),
        st.booleans(),
    ),
)


@given(
    profile=st.sampled_from(["programme", "nsiccs_online", "nsiccs_limits"]),
    apdus=st.lists(steps, max_size=14),
)
def test_every_command_is_answered_and_no_tc_comes_without_a_pin(profile, apdus):
    card = Card(card_data(profile))
    card.activate()
    for apdu in apdus:
        response = card.exchange(apdu)
        assert 2 <= len(response) <= 258
        at = response.find(b"\x9f\x27\x01")
        if len(apdu) > 4 and apdu[1] == 0xAE and at >= 0 and profile != "nsiccs_limits":
            assert response[at + 3] != 0x40
    assert card.applications[0].atc <= sum(apdu[:2] == b"\x80\xa8" for apdu in apdus)
