"""EMV's Unpredictable Number (tag 9F37) from sequence and attempt, so that the gateway recomputes it unsent.

A ten-round Feistel network over 32 bits whose round function is one AES-128 block: a permutation, so no two
(sequence, attempt) of a kid share a UN. Whoever holds the UN key can predict it (threat model, protocol/README.md).
"""

from protocol.errors import OutOfRange

ROUNDS = 10
ATTEMPT_MAX = 254


def derive(encrypt_block: object, sequence: int, attempt: int) -> bytes:
    """The 4-octet UN for `attempt` (0..254) at `sequence` (24 bits).

    `encrypt_block(block16) -> block16` is AES-128-ECB under the UN key.
    """
    if sequence < 0 or sequence >> 24:
        raise OutOfRange("sequence", -1, "not in 24 bits")
    if attempt < 0 or attempt > ATTEMPT_MAX:
        raise OutOfRange("un_attempt", -1, "not in 0..%d" % ATTEMPT_MAX)
    left = sequence >> 8
    right = (sequence & 0xFF) << 8 | attempt
    block = bytearray(16)
    for number in range(ROUNDS):
        block[0] = number
        block[1] = right >> 8
        block[2] = right & 0xFF
        out = encrypt_block(bytes(block))  # type: ignore[operator]
        left, right = right, left ^ (out[0] << 8 | out[1])
    return left.to_bytes(2, "big") + right.to_bytes(2, "big")
