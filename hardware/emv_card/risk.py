"""What the card answers to GENERATE AC: card risk management and the Issuer Application Data that tells of it."""

from hardware.emv_card import profiles

AAC = 0x00
TC = 0x40
ARQC = 0x80

_CVR_LENGTH = 3
# Second octet of the CVR, after its length: what was answered first and second, and the PIN.
_CVR_SECOND_NOT_ASKED = 0x80
_CVR_SECOND_TC = 0x40
_CVR_FIRST = {AAC: 0x00, TC: 0x10, ARQC: 0x20}
_CVR_PIN_PERFORMED = 0x04
_CVR_PIN_FAILED = 0x02
# Third octet.
_CVR_PIN_BLOCKED = 0x40
_CVR_LIMIT_EXCEEDED = 0x20


def decide(application, asked: int, amount_rupiah: int) -> int:
    """The first answer: AAC, TC or ARQC, never higher than asked (Book 3, 6.5.5.1 and 10.8)."""
    offline = application.profile["offline"]
    if asked == AAC:
        return AAC
    if offline == profiles.AFTER_PIN:
        if asked == TC and not application.pin_verified:
            return AAC
        return asked
    if offline == profiles.ONLINE_ONLY:
        return ARQC
    limits = application.profile["limits"]
    if application.offline_count >= limits["count_upper"]:
        return AAC
    if asked == ARQC or application.offline_count >= limits["count_lower"]:
        return ARQC
    if application.offline_rupiah + amount_rupiah > limits["amount_rupiah"]:
        return ARQC
    return TC


def decide_second(application, asked: int) -> int:
    """The second answer. No issuer was reached, so only a card that may go offline agrees to a TC."""
    if asked != TC or application.profile["offline"] == profiles.ONLINE_ONLY:
        return AAC
    if application.profile["offline"] == profiles.AFTER_PIN:
        return TC if application.pin_verified else AAC
    within = application.offline_count < application.profile["limits"]["count_upper"]
    return TC if within else AAC


def issuer_application_data(application, first: int, second=None) -> bytes:
    """IAD in the layout that public cryptogram versions 10 and 18 use: 06, key index, version, four octets of CVR.

    A static IAD tells only the answers. A dynamic one also tells the PIN and the counters and carries the amount spent
    offline with a MAC of the chip, so that it differs from one transaction to the next.
    """
    answers = _CVR_FIRST[first]
    if second is None:
        answers |= _CVR_SECOND_NOT_ASKED
    elif second == TC:
        answers |= _CVR_SECOND_TC
    head = bytes([6, application.data["dki"], application.profile["cvn"], _CVR_LENGTH])
    if not application.profile["dynamic_iad"]:
        return head + bytes([answers, 0, 0])
    if application.pin_verified:
        answers |= _CVR_PIN_PERFORMED
    if application.pin_failed:
        answers |= _CVR_PIN_PERFORMED | _CVR_PIN_FAILED
    flags = 0
    if application.pin_tries_left == 0:
        flags |= _CVR_PIN_BLOCKED
    limits = application.profile["limits"]
    if limits and application.offline_count >= limits["count_lower"]:
        flags |= _CVR_LIMIT_EXCEEDED
    counted = min(application.offline_count, 15) << 4
    spent = bytes.fromhex("%010d" % (application.offline_rupiah % 10000000000))
    discretionary = b"\x01" + spent
    seal = application.seal(discretionary)
    return head + bytes([answers, flags, counted, len(discretionary) + len(seal)]) + discretionary + seal
