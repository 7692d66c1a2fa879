"""The same sales in other people's formats, each in its own idiom and by a library that others keep.

Every rival signs with ECDSA P-256 as ours does, but for ISO 8583, whose idiom is a MAC of 8 octets (nobody but the two ends
can check it). None of them encrypts, which ours does. Amounts are in rupiah, times in seconds, and values that are zero are
left out where the format's users would leave them out.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from typing import Any

import cbor2
import iso8583
from cryptography.hazmat.primitives import cmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import algorithms
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from iso8583 import specs
from joserfc import jws
from joserfc.jwk import ECKey
from pycose.headers import KID, Algorithm
from pycose.keys.ec2 import EC2Key
from pycose.messages.sign1message import Sign1Message

from gateway import signatures
from protocol import civil_date
from tests.bench.sale import METHODS, TENDERS, Sale

MONTHS = 12
LOCAL_S = 7 * 3600
TERMINAL_DIGITS = 8
MAC_OCTETS = 8
MAC_KEY = bytes(16)
PAN_DIGITS = 16


@functools.cache
def signing_key() -> ec.EllipticCurvePrivateKey:
    """One P-256 key for all of them."""
    secret = int.from_bytes(hashlib.sha256(b"bench").digest(), "big") >> 1
    return ec.derive_private_key(secret, ec.SECP256R1())


def _numbers() -> tuple[bytes, bytes, bytes]:
    """(x, y, d) of the key."""
    public = signatures.public_octets(signing_key())
    secret = signing_key().private_numbers().private_value.to_bytes(32, "big")
    return public[:32], public[32:], secret


def _text(octets: bytes) -> str:
    """Octets as JSON has them (base64url without padding)."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


class Rival(ABC):
    """A format: `alone` is one sale as a message that stands for itself, `together` all of a day under one signature."""

    name: str
    idiom: str
    can_batch = True

    @abstractmethod
    def alone(self, sale: Sale) -> bytes:
        """One signed message."""

    @abstractmethod
    def together(self, sales: list[Sale]) -> bytes:
        """One signed batch."""

    @abstractmethod
    def read(self, message: bytes) -> Any:
        """The values of one sale's message, its signature verified; raises where that fails."""


class JsonJws(Rival):
    """JSON with short English names, octets in base64url, JWS in compact form."""

    name = "JSON + JWS"
    idiom = "compact JSON, card data as one TLV string in base64url, compact JWS with ES256 (joserfc)"

    def alone(self, sale: Sale) -> bytes:
        """See `Rival`."""
        return self._sign({"terminal": f"{sale.kid:08x}", **self.values(sale)}, sale.kid)

    def together(self, sales: list[Sale]) -> bytes:
        """See `Rival`."""
        kid = sales[0].kid
        return self._sign({"terminal": f"{kid:08x}", "sales": [self.values(sale) for sale in sales]}, kid)

    def values(self, sale: Sale) -> dict[str, Any]:
        """A sale as an object."""
        year, month = divmod(sale.period, MONTHS)
        values = {
            "seq": sale.sequence,
            "time": sale.time_s,
            "clock": sale.time_trust,
            "programme": sale.programme,
            "period": f"{year}-{month + 1:02d}",
            "tender": TENDERS[sale.tender],
            "amount": sale.amount_rupiah,
            "card": _text(sale.card_key),
            "lease": sale.lease,
            "method": METHODS[sale.method],
            "application": sale.application_index,
            "items": [list(item) for item in sale.items],
            "emv": _text(sale.field_55),
        }
        optional = {"flags": sale.flags, "reason": sale.reason}
        return values | {name: value for name, value in optional.items() if value}

    def _sign(self, values: dict[str, Any], kid: int) -> bytes:
        x, y, d = (_text(part) for part in _numbers())
        key = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": d})
        header = {"alg": "ES256", "kid": f"{kid:08x}"}
        return jws.serialize_compact(header, self.pack(values), key).encode()

    def pack(self, values: dict[str, Any]) -> bytes:
        """The payload."""
        return json.dumps(values, separators=(",", ":")).encode()

    def unpack(self, payload: bytes) -> Any:
        """What was packed."""
        return json.loads(payload)

    def read(self, message: bytes) -> Any:
        """See `Rival`."""
        x, y, _ = (_text(part) for part in _numbers())
        key = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y})
        return self.unpack(jws.deserialize_compact(message, key).payload)


class DeflatedJws(JsonJws):
    """The same, with the payload compressed before it is signed."""

    name = "JSON + JWS, deflated"
    idiom = "the same with the payload through zlib at level 9 before it is signed"

    def pack(self, values: dict[str, Any]) -> bytes:
        """See `JsonJws`."""
        return zlib.compress(super().pack(values), 9)

    def unpack(self, payload: bytes) -> Any:
        """See `JsonJws`."""
        return super().unpack(zlib.decompress(payload))


class CborCose(Rival):
    """CBOR maps with small integers as names, as COSE and CWT do it."""

    name = "CBOR + COSE_Sign1"
    idiom = "maps with integer keys, card data as EMV tags to octets, COSE_Sign1 with ES256 (cbor2, pycose)"

    def alone(self, sale: Sale) -> bytes:
        """See `Rival`."""
        return self._sign(self.values(sale), sale.kid)

    def together(self, sales: list[Sale]) -> bytes:
        """See `Rival`."""
        return self._sign([self.values(sale) for sale in sales], sales[0].kid)

    def values(self, sale: Sale) -> dict[int, Any]:
        """A sale as a map."""
        plain = (
            sale.sequence, sale.time_s, sale.time_trust, sale.programme, sale.period, sale.tender, sale.amount_rupiah,
            sale.card_key, sale.lease, sale.method, sale.application_index, [list(item) for item in sale.items],
            dict(sale.emv),
        )  # fmt: skip
        values: dict[int, Any] = dict(enumerate(plain, 1))
        optional = {20: sale.flags, 21: sale.reason}
        return values | {name: value for name, value in optional.items() if value}

    def _sign(self, values: Any, kid: int) -> bytes:
        x, y, d = _numbers()
        message = Sign1Message(
            phdr={Algorithm: "ES256"}, uhdr={KID: kid.to_bytes(4, "big")}, payload=cbor2.dumps(values)
        )
        message.key = EC2Key(crv="P_256", x=x, y=y, d=d)
        return bytes(message.encode())

    def read(self, message: bytes) -> Any:
        """See `Rival`."""
        x, y, _ = _numbers()
        # pycose's own way in wants lists where cbor2 gives tuples by now.
        protected, unprotected, *rest = cbor2.loads(message).value
        decoded = Sign1Message.from_cose_obj([protected, dict(unprotected), *rest], True)
        decoded.key = EC2Key(crv="P_256", x=x, y=y)
        if not decoded.verify_signature():
            raise ValueError("the signature does not verify")
        return cbor2.loads(decoded.payload or b"")


_INTEGERS = (
    "sequence", "time_s", "time_trust", "programme", "period", "tender", "amount_rupiah", "lease", "method", "flags",
    "reason", "application_index",
)  # fmt: skip
_EMV = {
    0x9F26: "ac", 0x9F27: "cid", 0x9F10: "iad", 0x9F37: "unpredictable_number", 0x9F36: "atc", 0x95: "tvr", 0x9A: "date",
    0x9C: "transaction_type", 0x9F02: "amount", 0x5F2A: "currency", 0x82: "aip", 0x9F1A: "country", 0x9F34: "cvm_results",
    0x5F34: "pan_sequence",
}  # fmt: skip


@functools.cache
def _messages() -> dict[str, Any]:
    """Message classes of a schema that is described here, in place of generated code."""
    file = descriptor_pb2.FileDescriptorProto(name="sale.proto", package="bench", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    one, many = kinds.LABEL_OPTIONAL, kinds.LABEL_REPEATED

    def message(name: str, *fields: tuple[str, int, int, str]) -> None:
        made = file.message_type.add(name=name)
        for number, (field, label, kind, of) in enumerate(fields, 1):
            made.field.add(name=field, number=number, label=label, type=kind, type_name=of or None)

    item = ("commodity", "quantity_hundredths", "price_rupiah")
    message("Item", *((name, one, kinds.TYPE_UINT32, "") for name in item))
    message(
        "Sale",
        *((name, one, kinds.TYPE_UINT32, "") for name in _INTEGERS),
        ("card_key", one, kinds.TYPE_BYTES, ""),
        ("items", many, kinds.TYPE_MESSAGE, ".bench.Item"),
        *((name, one, kinds.TYPE_BYTES, "") for name in _EMV.values()),
    )
    message("Batch", ("kid", one, kinds.TYPE_FIXED32, ""), ("sales", many, kinds.TYPE_MESSAGE, ".bench.Sale"))
    message("Signed", ("payload", one, kinds.TYPE_BYTES, ""), ("signature", one, kinds.TYPE_BYTES, ""))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = ("Item", "Sale", "Batch", "Signed")
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"bench.{name}")) for name in names
    }


class Protobuf(Rival):
    """Protocol Buffers 3, and a message around it with the signature."""

    name = "Protocol Buffers + signature"
    idiom = (
        "proto3, numbers as varints, card data as a field for each tag, payload and raw signature (protobuf)"
    )

    def alone(self, sale: Sale) -> bytes:
        """See `Rival`."""
        return self.together([sale])

    def together(self, sales: list[Sale]) -> bytes:
        """See `Rival`."""
        kinds = _messages()
        batch = kinds["Batch"](kid=sales[0].kid)
        for sale in sales:
            made = batch.sales.add(card_key=sale.card_key)
            for name in _INTEGERS:
                setattr(made, name, getattr(sale, name))
            for commodity, quantity, price in sale.items:
                made.items.add(commodity=commodity, quantity_hundredths=quantity, price_rupiah=price)
            for tag, value in sale.emv:
                setattr(made, _EMV[tag], value)
        payload = batch.SerializeToString()
        signature = signatures.sign(signing_key(), payload)
        return bytes(kinds["Signed"](payload=payload, signature=signature).SerializeToString())

    def read(self, message: bytes) -> Any:
        """See `Rival`."""
        kinds = _messages()
        signed = kinds["Signed"].FromString(message)
        if not signatures.verify(signing_key().public_key(), signed.signature, signed.payload):
            raise ValueError("the signature does not verify")
        return kinds["Batch"].FromString(signed.payload)


_NUMERIC = {
    "2": (2, 19), "3": (0, 6), "4": (0, 12), "7": (0, 10), "11": (0, 6), "12": (0, 6), "13": (0, 4), "22": (0, 4),
    "23": (0, 4), "25": (0, 2), "49": (0, 4),
}  # fmt: skip


def _spec() -> dict[str, dict[str, Any]]:
    """ISO 8583 (1987) with packed digits and binary lengths, as terminals speak it to their host."""
    spec: dict[str, dict[str, Any]] = {name: dict(field) for name, field in specs.default.items()}
    spec["t"] |= {"data_enc": "b", "max_len": 2}
    for name, (length_octets, digits) in _NUMERIC.items():
        length = min(1, length_octets)
        spec[name] |= {"data_enc": "b", "len_enc": "b", "len_type": length, "max_len": (digits + 1) // 2}
    spec["48"] |= {"data_enc": "b", "len_enc": "b", "len_type": 2, "max_len": 255}
    spec["55"] |= {"data_enc": "b", "len_enc": "b", "len_type": 2, "max_len": 255}
    spec["64"] |= {"data_enc": "b", "max_len": MAC_OCTETS}
    return spec


class Iso8583(Rival):
    """A financial advice for each sale; the format knows no batch."""

    name = "ISO 8583 0220, field 55"
    idiom = (
        "a financial advice for each sale: packed digits, card data in field 55, what else a record says in field 48,"
        " an AES-CMAC of 8 octets in field 64 in place of a signature (pyiso8583)"
    )
    can_batch = False

    def alone(self, sale: Sale) -> bytes:
        """See `Rival`."""
        days, second = divmod(sale.time_s + LOCAL_S, civil_date.SECONDS_PER_DAY)
        _, month, day = civil_date.from_days(days)
        clock = f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"
        emv = dict(sale.emv)
        private = b"".join(
            number.to_bytes(width, "big")
            for number, width in (
                (sale.sequence, 3), (sale.time_trust, 1), (sale.programme, 1), (sale.period, 2), (sale.lease, 4),
                (sale.method, 1), (sale.flags, 1), (sale.reason, 1), (sale.application_index, 1), (len(sale.items), 1),
            )
        )  # fmt: skip
        for commodity, quantity, price in sale.items:
            private += bytes((commodity,)) + quantity.to_bytes(2, "big") + price.to_bytes(4, "big")
        fields = {
            "t": "0220",
            # The family's card, as a number of 16 digits in place of the 8 octets of its card key.
            "2": f"{int.from_bytes(sale.card_key, 'big') % 10**PAN_DIGITS:0{PAN_DIGITS}d}",
            "3": "000000",
            "4": f"{sale.amount_rupiah * 100:012d}",
            "7": f"{month:02d}{day:02d}{clock}",
            "11": f"{sale.sequence % 1_000_000:06d}",
            "12": clock,
            "13": f"{month:02d}{day:02d}",
            "22": "0510",
            "23": f"{emv[0x5F34][0]:04d}",
            "25": "00",
            "41": f"{sale.kid:0{TERMINAL_DIGITS}x}",
            "48": private.hex(),
            "49": "0360",
            "55": sale.field_55.hex(),
            "64": bytes(MAC_OCTETS).hex(),
        }
        unsigned, _ = iso8583.encode(fields, _spec())
        mac = cmac.CMAC(algorithms.AES(MAC_KEY))
        mac.update(bytes(unsigned[:-MAC_OCTETS]))
        return bytes(unsigned[:-MAC_OCTETS]) + mac.finalize()[:MAC_OCTETS]

    def together(self, sales: list[Sale]) -> bytes:
        """One after the other."""
        return b"".join(self.alone(sale) for sale in sales)

    def read(self, message: bytes) -> Any:
        """See `Rival`."""
        mac = cmac.CMAC(algorithms.AES(MAC_KEY))
        mac.update(message[:-MAC_OCTETS])
        if mac.finalize()[:MAC_OCTETS] != message[-MAC_OCTETS:]:
            raise ValueError("the MAC does not verify")
        return iso8583.decode(message, _spec())[0]


RIVALS: tuple[Rival, ...] = (JsonJws(), DeflatedJws(), CborCose(), Protobuf(), Iso8583())
