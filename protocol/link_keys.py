"""Names of the keys that terminal and gateway derive from their link secret: one label per direction and purpose."""

import hashlib

from protocol.octets import fixed, number

# (label, octets). Uplink and UN keys stay for the kid's life (epoch 0); downlink keys take the gateway's epoch.
UP_CCM = (b"up ccm", 16)
UP_SALT = (b"up salt", 32)
UNPREDICTABLE_NUMBER = (b"un", 16)
DOWN_CCM = (b"down ccm", 16)
DOWN_SALT = (b"down salt", 32)

LASTING = (UP_CCM, UP_SALT, UNPREDICTABLE_NUMBER)
PER_EPOCH = (DOWN_CCM, DOWN_SALT)


def salt(terminal_agreement_key: bytes, gateway_agreement_key: bytes) -> bytes:
    """HKDF's salt: SHA-256 over the protocol's name and both public keys."""
    return hashlib.sha256(
        b"lumbung/1"
        + fixed("terminal agreement key", terminal_agreement_key, 64)
        + fixed("gateway agreement key", gateway_agreement_key, 64)
    ).digest()


def info(label: bytes, kid: int, gateway_key_id: int, epoch: int) -> bytes:
    """HKDF's info: label ‖ 00 ‖ kid ‖ gateway key id ‖ epoch."""
    return (
        label
        + b"\x00"
        + number("kid", kid, 4)
        + number("gateway key id", gateway_key_id, 4)
        + number("epoch", epoch, 2)
    )
