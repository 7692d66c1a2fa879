"""One application on the card: its personalised data, its lasting state, and its commands after SELECT."""

from hardware.emv_card import crypto, profiles, risk, tlv

SW_OK = b"\x90\x00"
SW_WRONG_LENGTH = b"\x67\x00"
SW_SECURITY_NOT_SATISFIED = b"\x69\x82"
SW_BLOCKED = b"\x69\x83"
SW_CONDITIONS_NOT_SATISFIED = b"\x69\x85"
SW_WRONG_DATA = b"\x6a\x80"
SW_NOT_SUPPORTED = b"\x6a\x81"
SW_NOT_FOUND = b"\x6a\x82"
SW_RECORD_NOT_FOUND = b"\x6a\x83"
SW_WRONG_PARAMETERS = b"\x6a\x86"
SW_NO_DATA = b"\x6a\x88"
SW_WRONG_INSTRUCTION = b"\x6d\x00"

_ATC_MAX = 0xFFFF
_CDA_REQUESTED = 0x10
_STATE_FIELDS = ("atc", "pin_tries_left", "offline_count", "offline_rupiah", "verify_count")

# Where a transaction stands (Book 3, 6.2 and 6.5.5): each step only from the one before.
_SELECTED = 0
_INITIATED = 1
_AWAITING_SECOND = 2
_FINISHED = 3

_CDOL1 = bytes.fromhex(profiles.CDOL1)
_CDOL2 = bytes.fromhex(profiles.CDOL2)
_RSA_FIELDS = ("n", "p", "q", "dp", "dq", "qinv")


class Application:
    """Built from one entry of a card's `applications` (`personalise.py` makes them); answers are body and status."""

    def __init__(self, data: dict):
        self.data = data
        self.profile = data["profile"]
        self.aid = bytes.fromhex(data["aid"])
        self._aip = bytes.fromhex(data["aip"])
        self._afl = bytes.fromhex(data["afl"])
        self._pdol = bytes.fromhex(self.profile["pdol"])
        self._records = {}
        for name in data["records"]:
            self._records[name] = bytes.fromhex(data["records"][name])
        self._master_key = bytes.fromhex(data["master_key"])
        key = data["icc_key"]
        self._key = crypto.RsaKey({name: bytes.fromhex(key[name]) for name in _RSA_FIELDS}) if key else None
        # Lasting state, in the chip's own memory.
        self.atc = 0
        self.pin_tries_left = data["pin_tries"]
        self.offline_count = 0
        self.offline_rupiah = 0
        self.verify_count = 0  # VERIFY commands seen; not in a real chip, but tests ask for it
        self.begin()

    def begin(self) -> None:
        """What SELECT does to a transaction: forget it."""
        self.pin_verified = False
        self.pin_failed = False
        self._stage = _SELECTED
        self._pdol_data = b""
        self._first_data = b""
        self._first_values = {}
        self._first_answer = risk.AAC

    def state(self) -> dict:
        """The lasting state, for `load_state`."""
        return {name: getattr(self, name) for name in _STATE_FIELDS}

    def load_state(self, state: dict) -> None:
        for name in _STATE_FIELDS:
            setattr(self, name, state[name])

    def file_control_information(self) -> bytes:
        """The answer to SELECT (Book 1, table 45)."""
        inner = tlv.build("50", self.data["label"].encode()) + tlv.build("87", bytes([self.data["priority"]]))
        if self._pdol:
            inner += tlv.build("9F38", self._pdol)
        return tlv.build("6F", tlv.build("84", self.aid), tlv.build("A5", inner + tlv.build("5F2D", b"iden")))

    def directory_entry(self) -> bytes:
        """The entry in the proximity payment environment (61)."""
        return tlv.build(
            "61",
            tlv.build("4F", self.aid),
            tlv.build("50", self.data["label"].encode()),
            tlv.build("87", bytes([self.data["priority"]])),
        )

    def get_processing_options(self, p1: int, p2: int, data: bytes) -> bytes:
        """Book 3, 6.5.8; the ATC rises here."""
        if p1 or p2:
            return SW_WRONG_PARAMETERS
        if self._stage != _SELECTED or self.atc == _ATC_MAX:
            return SW_CONDITIONS_NOT_SATISFIED
        if len(data) < 2 or data[0] != 0x83 or data[1] != len(data) - 2:
            return SW_WRONG_DATA
        if len(data) - 2 != sum([size for _, size in tlv.dol_lengths(self._pdol)]):
            return SW_WRONG_LENGTH
        self._pdol_data = data[2:]
        self.atc += 1
        self._stage = _INITIATED
        return tlv.build("77", tlv.build("82", self._aip), tlv.build("94", self._afl)) + SW_OK

    def read_record(self, p1: int, p2: int, data: bytes) -> bytes:
        """Book 3, 6.5.11."""
        if p2 & 7 != 4:
            return SW_WRONG_PARAMETERS
        record = self._records.get("%d.%d" % (p2 >> 3, p1))
        return SW_RECORD_NOT_FOUND if record is None else record + SW_OK

    def verify(self, p1: int, p2: int, data: bytes) -> bytes:
        """Plaintext offline PIN (Book 3, 6.5.12); the try is spent before the digits are looked at."""
        self.verify_count += 1
        if not self.profile["verifies_pin"]:
            return SW_WRONG_INSTRUCTION
        if p1 or p2 != 0x80:
            return SW_WRONG_PARAMETERS
        if len(data) != 8:
            return SW_WRONG_LENGTH
        if self.pin_tries_left == 0:
            return SW_BLOCKED
        self.pin_tries_left -= 1
        pin = self.data["pin"]
        expected = bytes([0x20 | len(pin)]) + bytes.fromhex((pin + "F" * 14)[:14])
        if data == expected:
            self.pin_tries_left = self.data["pin_tries"]
            self.pin_verified = True
            self.pin_failed = False
            return SW_OK
        self.pin_verified = False
        self.pin_failed = True
        return bytes([0x63, 0xC0 | self.pin_tries_left])

    def get_data(self, p1: int, p2: int, data: bytes) -> bytes:
        """PIN Try Counter and ATC (Book 3, 6.5.7)."""
        if (p1, p2) == (0x9F, 0x17) and self.profile["verifies_pin"]:
            return tlv.build("9F17", bytes([self.pin_tries_left])) + SW_OK
        if (p1, p2) == (0x9F, 0x36):
            return tlv.build("9F36", self.atc.to_bytes(2, "big")) + SW_OK
        return SW_NO_DATA

    def internal_authenticate(self, p1: int, p2: int, data: bytes) -> bytes:
        """Dynamic data authentication (Book 2, 6.5; Book 3, 6.5.9)."""
        if self._key is None:
            return SW_WRONG_INSTRUCTION
        if p1 or p2:
            return SW_WRONG_PARAMETERS
        if self._stage != _INITIATED:
            return SW_CONDITIONS_NOT_SATISFIED
        if len(data) != 4:
            return SW_WRONG_LENGTH
        number = self._dynamic_number()
        signature = crypto.signed_dynamic_data(self._key, bytes([len(number)]) + number, data)
        return tlv.build("77", tlv.build("9F4B", signature)) + SW_OK

    def generate_ac(self, p1: int, p2: int, data: bytes) -> bytes:
        """GENERATE AC, first or second (Book 3, 6.5.5)."""
        asked = p1 & 0xC0
        if p2 or asked == 0xC0 or p1 & 0x2F:
            return SW_WRONG_PARAMETERS
        if self._stage not in (_INITIATED, _AWAITING_SECOND):
            return SW_CONDITIONS_NOT_SATISFIED
        first = self._stage == _INITIATED
        try:
            values = tlv.dol_values(_CDOL1 if first else _CDOL2, data)
        except ValueError:
            return SW_WRONG_LENGTH
        try:
            amount_rupiah = int(values["9F02"].hex()) // 100  # ISO 4217 gives the rupiah two decimals
        except ValueError:
            return SW_WRONG_DATA
        if first:
            answer = self._first_answer = risk.decide(self, asked, amount_rupiah)
            iad = risk.issuer_application_data(self, answer)
            self._first_data = data
            self._first_values = values
            self._stage = _AWAITING_SECOND if answer == risk.ARQC else _FINISHED
            if answer != risk.AAC:
                self.offline_count += 1
                self.offline_rupiah += amount_rupiah
            signed = self._first_data
        else:
            answer = risk.decide_second(self, asked)
            iad = risk.issuer_application_data(self, self._first_answer, answer)
            self._stage = _FINISHED
            signed = self._first_data + data
        return self._answer(answer, iad, values, bool(p1 & _CDA_REQUESTED), asked, signed)

    def _answer(
        self, answer: int, iad: bytes, values: dict, cda_asked: bool, asked: int, cdol_data: bytes
    ) -> bytes:
        """Body and status of a GENERATE AC, with CDA where it is due (Book 2, 6.6.1)."""
        cryptogram = crypto.application_cryptogram(self._master_key, values, self._aip, self.atc, iad)
        head = tlv.build("9F27", bytes([answer])) + tlv.build("9F36", self.atc.to_bytes(2, "big"))
        tail = tlv.build("9F10", iad)
        signs = answer != risk.AAC or (asked == risk.AAC and self.profile["signs_requested_aac"])
        if not (cda_asked and signs and self.profile["oda"] == profiles.CDA):
            return tlv.build("77", head, tlv.build("9F26", cryptogram), tail) + SW_OK
        number = self._dynamic_number()
        hashed = crypto.sha1(self._pdol_data + cdol_data + head + tail)
        dynamic_data = bytes([len(number)]) + number + bytes([answer]) + cryptogram + hashed
        signature = crypto.signed_dynamic_data(self._key, dynamic_data, values["9F37"])
        return tlv.build("77", head, tlv.build("9F4B", signature), tail) + SW_OK

    def _dynamic_number(self) -> bytes:
        """ICC Dynamic Number: eight octets that nobody without the card's key can predict, one for each ATC."""
        return self.seal(b"DYNAMIC" + self.atc.to_bytes(2, "big")) + self.seal(
            b"NUMBER" + self.atc.to_bytes(2, "big")
        )

    def seal(self, data: bytes) -> bytes:
        """Four octets of the chip's own MAC."""
        return crypto.chip_mac(self._master_key, data)[:4]
