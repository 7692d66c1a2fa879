"""Frames: what travels over MQTT, SMS, QR and USB alike; header, salted nonce, AES-128-CCM, seal.

```
records up   class|codec  kid(4)  sealed(1 bit)|first sequence(23)  count-1  salt(4)  CCM(records)+tag(8)  [seal(64)]
counter      class|codec  kid(4)  counter(4)                                 salt(4)  CCM(body)+tag(8)
clear        class|codec  kid(4)  counter(4)                                 body and the authority's signature
```
The 13 octets before the ciphertext are nonce and associated data at once. The cipher is handed in, since each end has
its own library for it.
"""

from protocol import codec as codecs
from protocol.context import NO_CONTEXT_DIGEST
from protocol.errors import AuthenticationFailed, OutOfRange, Truncated, UnknownContext, UnknownVersion
from protocol.octets import number
from protocol.records import SEQUENCE_MAX

CLASS_RECORDS = 0
CLASS_UP = 1
CLASS_DOWN = 2
CLASS_CLEAR = 3

# What the codec field says in the other classes.
UP_STATUS = 1
UP_BRIDGE = 2
UP_PART = 3
DOWN_ACKNOWLEDGEMENT = 1
DOWN_GRANT = 2
DOWN_NOTICE = 3
DOWN_PART = 4
DOWN_ROSTER_DELTA = 5
DOWN_STANDING = 6
CLEAR_EPOCH_CERTIFICATE = 1

HEADER_OCTETS = 13
SALTED_OCTETS = 9
TAG_OCTETS = 8
SEAL_OCTETS = 64
SMS_OCTETS_MAX = 140
MQTT_OCTETS_MAX = 65536


class LinkCipher:
    """AES-128-CCM and the salt's HMAC under one direction's keys; each end gives its own."""

    def salt(self, message: bytes) -> bytes:
        """The first 4 octets of HMAC-SHA-256 under the salt key."""
        raise NotImplementedError

    def encrypt(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """Ciphertext and 8-octet tag."""
        raise NotImplementedError

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """The plaintext, or `AuthenticationFailed`."""
        raise NotImplementedError


class Header:
    """The first 13 octets. `first` and `count` belong to records, `counter` to all other classes."""

    frame_class: int
    codec: int
    kid: int
    sealed: bool
    first: int
    count: int
    counter: int
    salt: bytes


def kid_of(frame: bytes) -> int:
    """The kid of a frame of any version, also of one that `read_header` does not know: whom to answer."""
    if len(frame) < HEADER_OCTETS:
        raise Truncated("header", len(frame), "needs %d octets" % HEADER_OCTETS)
    return int.from_bytes(frame[1:5], "big")


def read_header(frame: bytes) -> Header:
    """The header of any frame; raises `Truncated`, `OutOfRange` or `UnknownVersion`."""
    if len(frame) < HEADER_OCTETS:
        raise Truncated("header", len(frame), "needs %d octets" % HEADER_OCTETS)
    if len(frame) > MQTT_OCTETS_MAX:
        raise OutOfRange("frame", MQTT_OCTETS_MAX, "longer than %d octets" % MQTT_OCTETS_MAX)
    header = Header()
    header.frame_class = frame[0] >> 6
    header.codec = frame[0] & 0x3F
    header.kid = int.from_bytes(frame[1:5], "big")
    if header.frame_class == CLASS_RECORDS:
        if header.codec > codecs.PREDICTED:
            raise UnknownVersion("codec", 0, "unknown codec")
        header.sealed = frame[5] >= 0x80
        header.first = int.from_bytes(frame[5:8], "big") & 0x7FFFFF
        header.count = frame[8] + 1
        if header.first == 0:
            raise OutOfRange("first sequence", 5, "sequences start at 1")
        if header.first + header.count - 1 > SEQUENCE_MAX:
            raise OutOfRange("count", 8, "runs past the last sequence")
    else:
        header.counter = int.from_bytes(frame[5:9], "big")
    header.salt = bytes(frame[9:13])
    return header


def encode_records(
    kid: int, first: int, batch: list[bytes], seal: bytes, codec: int, context: object, cipher: LinkCipher
) -> bytes:
    """A records frame. `batch`: canonical records from sequence `first`; `seal`: the last one's seal or b"" (unsealed);
    `context`: the codec's context, None for codec 0.
    """
    if seal and len(seal) != SEAL_OCTETS:
        raise OutOfRange("seal", -1, "has not %d octets" % SEAL_OCTETS)
    if first < 1 or first + len(batch) - 1 > SEQUENCE_MAX:
        raise OutOfRange("first sequence", 5, "not in 23 bits")
    plaintext = codecs.encode(codec, batch, context, first)
    flagged = first | (0x800000 if seal else 0)
    head = (
        bytes((CLASS_RECORDS << 6 | codec,))
        + number("kid", kid, 4)
        + flagged.to_bytes(3, "big")
        + bytes((len(batch) - 1,))
    )
    return _close(head, context_digest(codec, context), plaintext, cipher) + seal


def context_digest(codec: int, context: object) -> bytes:
    """What the salt binds beside the octets: the context of codec 1, nothing for literal records."""
    return NO_CONTEXT_DIGEST if codec == codecs.LITERAL else context.digest  # type: ignore[attr-defined]


def _close(head: bytes, digest: bytes, plaintext: bytes, cipher: LinkCipher) -> bytes:
    """Header with its salt, then the ciphertext."""
    nonce = head + cipher.salt(head + digest + plaintext)
    return nonce + cipher.encrypt(nonce, plaintext, nonce)


class OpenedRecords:
    """A records frame whose tag was right: `records` (canonical octets), `seal` (64 octets or b"")."""

    header: Header
    records: list[bytes]
    seal: bytes


def open_records(frame: bytes, contexts: list, cipher: LinkCipher) -> OpenedRecords:  # type: ignore[type-arg]
    """Decrypt and decode a records frame with the held context whose salt fits.

    Raises `AuthenticationFailed` (tag, or codec 0's salt), `UnknownContext` (tag good, no context fits) or what the
    codec says.
    """
    header = read_header(frame)
    if header.frame_class != CLASS_RECORDS:
        raise UnknownVersion("class", 0, "not a records frame")
    end = len(frame) - (SEAL_OCTETS if header.sealed else 0)
    plaintext = _open(frame, end, cipher)
    opened = OpenedRecords()
    opened.header = header
    opened.seal = bytes(frame[end:])
    head = bytes(frame[:SALTED_OCTETS])
    if header.codec == codecs.LITERAL:
        if cipher.salt(head + NO_CONTEXT_DIGEST + plaintext) != header.salt:
            raise AuthenticationFailed("salt", SALTED_OCTETS, "does not fit the octets")
        opened.records = codecs.decode(header.codec, plaintext, header.count, None)
        return opened
    for context in contexts:
        if cipher.salt(head + context.digest + plaintext) == header.salt:
            opened.records = codecs.decode(header.codec, plaintext, header.count, context, header.first)
            return opened
    raise UnknownContext("salt", SALTED_OCTETS, "fits none of %d held contexts" % len(contexts))


def _open(frame: bytes, end: int, cipher: LinkCipher) -> bytes:
    """The plaintext between header and `end`."""
    if end < HEADER_OCTETS + TAG_OCTETS:
        raise Truncated("ciphertext", HEADER_OCTETS, "shorter than its tag")
    nonce = bytes(frame[:HEADER_OCTETS])
    return cipher.decrypt(nonce, bytes(frame[HEADER_OCTETS:end]), nonce)


def encode_counter(
    frame_class: int, kind: int, kid: int, counter: int, body: bytes, cipher: LinkCipher
) -> bytes:
    """A counter frame of class up or down: `kind` says what `body` is; a counter is never used twice under a key."""
    if frame_class not in (CLASS_UP, CLASS_DOWN):
        raise UnknownVersion("class", 0, "not a counter frame")
    head = _counter_head(frame_class, kind, kid, counter)
    return _close(head, NO_CONTEXT_DIGEST, body, cipher)


def _counter_head(frame_class: int, kind: int, kid: int, counter: int) -> bytes:
    """The first 9 octets of a frame without records."""
    if kind < 0 or kind >> 6:
        raise OutOfRange("codec", 0, "not in 6 bits")
    return bytes((frame_class << 6 | kind,)) + number("kid", kid, 4) + number("counter", counter, 4)


def open_counter(frame: bytes, cipher: LinkCipher) -> tuple[Header, bytes]:
    """(header, body) of a counter frame; raises `AuthenticationFailed`."""
    header = read_header(frame)
    if header.frame_class not in (CLASS_UP, CLASS_DOWN):
        raise UnknownVersion("class", 0, "not a counter frame")
    body = _open(frame, len(frame), cipher)
    if cipher.salt(bytes(frame[:SALTED_OCTETS]) + NO_CONTEXT_DIGEST + body) != header.salt:
        raise AuthenticationFailed("salt", SALTED_OCTETS, "does not fit the octets")
    return header, body


def encode_clear(kind: int, kid: int, counter: int, body: bytes) -> bytes:
    """An authority-signed unit in clear: `body` ends with its signature; the salt octets are zero."""
    head = _counter_head(CLASS_CLEAR, kind, kid, counter)
    return head + bytes(4) + body


def open_clear(frame: bytes) -> tuple[Header, bytes]:
    """(header, body) of a clear frame; the caller verifies the signature that ends the body."""
    header = read_header(frame)
    if header.frame_class != CLASS_CLEAR:
        raise UnknownVersion("class", 0, "not a clear frame")
    if header.salt != bytes(4):
        raise OutOfRange("salt", SALTED_OCTETS, "not zero in a clear frame")
    return header, bytes(frame[HEADER_OCTETS:])
