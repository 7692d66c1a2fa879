"""The card key: how a card is named in rosters and records without its PAN."""

CARD_KEY_OCTETS = 8


def derive(hmac_sha256, roster_key: bytes, pan: bytes, pan_sequence: int, expiry: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """The first 8 octets of HMAC-SHA-256 under the programme's roster key.

    `pan`: 10 octets, digits padded with F (tag 5A); `pan_sequence`: tag 5F34 as one octet; `expiry`: tag 5F24, YYMMDD.
    `hmac_sha256(key, message) -> 32 octets` is handed in. What was joined with the PAN is overwritten.
    """
    message = bytearray(b"card key")
    message.extend(pan)
    message.append(pan_sequence)
    message.extend(expiry)
    key = bytes(hmac_sha256(roster_key, message)[:CARD_KEY_OCTETS])
    for i in range(len(message)):
        message[i] = 0
    return key
