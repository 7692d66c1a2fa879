"""Cardholder verification: the card's CVM list and which of its rules applies (EMV Book 3, 10.5 and Annex C3)."""

from firmware.card.errors import VALUE_WRONG, CardProtocolError

FAIL = 0x00
PLAINTEXT_PIN = 0x01
NO_CVM = 0x1F
KNOWN = (0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x1E, 0x1F)
METHOD = 0x3F
APPLY_NEXT = 0x40

# What became of a list.
NONE_APPLIES = -1

# CVM Results (tag 9F34): "no CVM performed"; Book 4, 6.3.4.5.
NOT_PERFORMED = b"\x3f\x00\x00"
SUCCESSFUL = 2


def parse(cvm_list: bytes) -> tuple:
    """(amount X, amount Y, rules): rules are (CVM code, condition code). Raises for a list without a whole rule."""
    if len(cvm_list) < 10 or len(cvm_list) % 2:
        raise CardProtocolError(VALUE_WRONG, "tag 8E", len(cvm_list), "no whole rule")
    rules = [(cvm_list[i], cvm_list[i + 1]) for i in range(8, len(cvm_list), 2)]
    return int.from_bytes(cvm_list[:4], "big"), int.from_bytes(cvm_list[4:8], "big"), rules


def condition_holds(
    code: int, method: int, supported: tuple, is_cash: bool, amount: "int | None", x: int, y: int
) -> bool:
    """Whether a rule's condition is met (Book 3, table 40) at an attended terminal that hands out goods or cash.

    `amount`, `x` and `y` are in the currency's smallest unit; `amount` is None where the transaction is not in the application's currency. An unknown condition is not met.
    """
    if code == 0x00:
        return True
    if code == 0x02:
        return not is_cash
    if code == 0x03:
        return method in supported
    if code == 0x04:
        return is_cash
    if code in (0x06, 0x07, 0x08, 0x09):
        if amount is None:
            return False
        limit = x if code < 0x08 else y
        return amount > limit if code & 1 else amount < limit
    return False


def choose(cvm_list: bytes, supported: tuple, is_cash: bool, amount: "int | None") -> tuple:
    """(CVM code, condition code, whether a rule that applied names an unknown method) of the rule that decides.

    The code is as the list has it, its method one of `supported`; or FAIL, or NONE_APPLIES where the list just ends.
    """
    x, y, rules = parse(cvm_list)
    unknown = False
    for code, condition in rules:
        method = code & METHOD
        if not condition_holds(condition, method, supported, is_cash, amount, x, y):
            continue
        if method not in KNOWN:
            unknown = True
        if method in supported:
            return code, condition, unknown
        if method == FAIL or not code & APPLY_NEXT:
            return FAIL, condition, unknown
    return NONE_APPLIES, 0, unknown
