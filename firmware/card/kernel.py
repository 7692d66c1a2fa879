"""The EMV kernel: from a card in the field to an authenticated session, and from there to a proof (Book 3, 10).

Two phases, so that the family can key a PIN with the card resting on the reader or taken away: `authenticate` reads
and checks everything that does not change; `generate_proof` asks for the cryptogram, after making sure that it is
still the same card. What differs between programme and bank applications is data in `firmware.card.ways`.
"""

from firmware.card import apdu, cryptogram, cvm, dol, oda, records, risk, selection, tlv
from firmware.card.errors import (
    AUTHENTICATION_TOO_WEAK,
    CDOL1_UNKNOWN,
    COMMAND_REFUSED,
    PIN_BLOCKED,
    PIN_FORBIDDEN,
    PIN_REQUIRED,
    PIN_UNSUPPORTED,
    PIN_WRONG,
    SIGNATURE_INVALID,
    AuthenticationError,
    CardError,
    CardProtocolError,
    CardRefused,
    OtherCard,
    PinError,
    TerminalDeclined,
)
from firmware.card.session import CardProof, CardSession
from firmware.card.ways import HUNDREDTHS, UNABLE_TO_GO_ONLINE, WAYS, Way, terminal_values
from protocol.records import TENDER_CASH, TENDER_GOODS

SW_CONDITIONS_NOT_SATISFIED = 0x6985
AIP_CVM = 0x10
# What INTERNAL AUTHENTICATE is given where the card names no DDOL: the Unpredictable Number (Book 2, 6.5.1).
DEFAULT_DDOL = b"\x9f\x37\x04"


def _check_pin(way: Way, pin: "bytes | None", decline: bool) -> None:
    """Refuse a PIN that must not be sent, and a missing or shapeless one that would cost the card a try."""
    if pin and not way.cvms:
        raise PinError(PIN_FORBIDDEN, "a bank's application gets no PIN")
    if not pin and way.cvms and not decline:
        raise PinError(PIN_REQUIRED, "no PIN for the programme's application")
    if pin and not (4 <= len(pin) <= 12 and min(pin) >= 0x30 and max(pin) <= 0x39):
        raise PinError(PIN_REQUIRED, "the PIN is not 4 to 12 digits")


class CardKernel:
    """`applications`: the policy's entries, the first choice first; `trust`: an `oda.Trust`; `random_bytes(count)`:
    for challenges outside the cryptogram; `environment`: the directory's name where the reader does not tell.
    """

    def __init__(
        self, applications: tuple, trust: oda.Trust, random_bytes, environment: bytes = selection.PPSE
    ) -> None:
        self._applications = applications
        self._trust = trust
        self._random_bytes = random_bytes
        self._environment = environment

    async def authenticate(
        self, reader, transaction_date: bytes, amount_rupiah: int = 0, tender: int = TENDER_GOODS
    ) -> CardSession:
        """Select, read and authenticate the card in the field; raises a `CardError`.

        The amount matters only to cards that ask for it in their PDOL; where it is not known yet, `generate_proof`
        starts such a card anew.
        """
        session = await self._start(reader, transaction_date, amount_rupiah, tender)
        application = session.application
        if session.data[0x8C] != application.cdol1:
            raise CardProtocolError(CDOL1_UNKNOWN, "tag 8C", -1, "not the CDOL1 that policy names")
        least = getattr(application, "require_oda", oda.SDA)
        if session.oda_level < least:
            raise AuthenticationError(
                AUTHENTICATION_TOO_WEAK, "tag 82", 0, "the card offers no better method"
            )
        session.chain = oda.check_chain(
            self._trust,
            session.oda_level,
            session.df_name[:5],
            session.data,
            session.static,
            session.pan,
            transaction_date,
        )
        session.forget_spent()
        if session.oda_level == oda.DDA:
            await self._dynamic_authentication(reader, session)
        session.live = True
        return session

    async def generate_proof(
        self,
        reader,
        session: CardSession,
        amount_rupiah: int,
        tender: int,
        transaction_date: bytes,
        draw_unpredictable_number,
        pin: "bytes | None" = None,
        decline: bool = False,
        previous_rupiah: int = 0,
    ) -> CardProof:
        """Ask the card for the proof of one transaction; raises a `CardError`, after which no proof exists.

        `pin` (ASCII digits) is for the programme's application only. `decline` asks for an AAC: the second tap of a
        void or of goods received, with amount 0. `draw_unpredictable_number()` burns the attempt before it returns 4
        octets and is called just before GENERATE AC, when nothing else can refuse. `previous_rupiah` is what this
        card took here just before (floor limit). The card may have been away (`session.live` false): it is then
        recognised first. What `draw_unpredictable_number` raises leaves the card ready for the next call.
        """
        way = WAYS[session.application.kind]
        _check_pin(way, pin, decline)
        await self._present(reader, session, transaction_date, amount_rupiah, tender)
        if decline and session.oda_level == oda.CDA and session.aip[0] & oda.AIP_DDA:
            # EMV lets a card leave an AAC unsigned (Book 2, 6.6.1): then this shows that it is the card itself.
            await self._dynamic_authentication(reader, session)
            proved = True
        else:
            proved = session.oda_level < oda.CDA
        session.live = True
        tvr = session.tvr()
        self._note_risk(session, tvr, amount_rupiah, tender, transaction_date, previous_rupiah)
        cvm_results = await self._verify_cardholder(reader, session, pin or None, amount_rupiah, tender, tvr)
        if not decline:
            denied = risk.denied_by(tvr, session.data, session.application, way.action_codes)
            if denied:
                raise TerminalDeclined(denied, bytes(tvr))
        number = draw_unpredictable_number()
        values = terminal_values(session.application, amount_rupiah, tender, transaction_date, number)
        values[0x95] = bytes(tvr)
        values[0x9F34] = cvm_results
        return await self._first_generate_ac(
            reader, session, values, apdu.AAC if decline else way.cryptogram, proved
        )

    async def close(self, reader, session: CardSession) -> int:
        """Tell a bank's card that its issuer was not reached: second GENERATE AC, asking for an AAC.

        Best effort, to be called after the record is committed: returns the card's CID, or -1 where there was nothing
        to close or the card did not answer well. Decides nothing.
        """
        values, session.closing = session.closing, {}
        if not values:
            return -1
        values[0x8A] = UNABLE_TO_GO_ONLINE
        try:
            response = await apdu.generate_ac(reader, apdu.AAC, dol.build(session.data[0x8D], values))
            return cryptogram.parse(response).cid
        except CardError:
            return -1

    async def _start(self, reader, date: bytes, amount_rupiah: int, tender: int) -> CardSession:
        """Select the best application whose conditions of use hold, and read it."""
        environment = getattr(reader, "environment", self._environment)
        names = await selection.read_directory(reader, environment)
        applications = list(self._applications)
        while True:
            selected = await selection.select_application(reader, applications, names)
            try:
                return await self._read(reader, selected, date, amount_rupiah, tender)
            except CardRefused as refusal:
                if refusal.command != "GPO" or refusal.sw != SW_CONDITIONS_NOT_SATISFIED:
                    raise
                applications.remove(selected.application)  # the next one, as Book 3, 10.1 says

    async def _read(
        self, reader, selected: selection.Selected, date: bytes, amount_rupiah: int, tender: int
    ) -> CardSession:
        """GPO, records and counters of a selected application."""
        number = self._random_bytes(4)
        pdol_data = self._pdol_data(selected, amount_rupiah, tender, date, number)
        aip, afl = records.parse_options(await apdu.get_processing_options(reader, pdol_data))
        data, static = await records.read_records(reader, afl)
        session = CardSession(selected, aip, data, static)
        session.pdol_data = pdol_data
        session.pdol_number = number
        if 0x9F14 in data and 0x9F23 in data:
            atc = await records.read_counter(reader, 0x9F36)
            last_online_atc = await records.read_counter(reader, 0x9F13)
            tvr = bytearray(5)
            risk.velocity(tvr, data[0x9F14][0], data[0x9F23][0], atc, last_online_atc)
            session.velocity = bytes(tvr)
        return session

    def _pdol_data(self, selected, amount_rupiah: int, tender: int, date: bytes, number: bytes) -> bytes:
        """What the PDOL asks for; most cards have none."""
        if not selected.pdol:
            return b""
        values = terminal_values(selected.application, amount_rupiah, tender, date, number)
        return dol.build(selected.pdol, values)

    async def _present(
        self, reader, session: CardSession, date: bytes, amount_rupiah: int, tender: int
    ) -> None:
        """Make sure that the session's card is in the field, fresh for one cryptogram.

        Leaves `live` false, so that a card that goes wrong here has to be recognised again.
        """
        if not session.identity:
            raise ValueError("the session was wiped")
        live, session.live = session.live, False
        if live:
            number = session.pdol_number
            if self._pdol_data(session, amount_rupiah, tender, date, number) == session.pdol_data:
                return
        session.closing = {}
        selected, _ = await selection.select_one(reader, session.application, session.df_name, False)
        if selected is None or selected.df_name != session.df_name:
            raise OtherCard("application")
        session.pdol = selected.pdol
        again = await self._read(reader, selected, date, amount_rupiah, tender)
        if again.identity != session.identity or again.data[0x8C] != session.application.cdol1:
            again.wipe()
            raise OtherCard("card data")
        again.forget_spent()
        session.reopen(again)
        if session.oda_level == oda.DDA:
            await self._dynamic_authentication(reader, session)

    async def _dynamic_authentication(self, reader, session: CardSession) -> None:
        """DDA: the card signs a challenge (Book 2, 6.5)."""
        challenge = {0x9F37: self._random_bytes(4)}
        ddol = session.data.get(0x9F49, DEFAULT_DDOL)
        if not [tag for tag, length in dol.entries(ddol) if tag == 0x9F37 and length >= 4]:
            raise AuthenticationError(
                SIGNATURE_INVALID, "tag 9F49", -1, "DDOL without the Unpredictable Number"
            )
        ddol_data = dol.build(ddol, challenge)
        response = await apdu.internal_authenticate(reader, ddol_data)
        form = response[0] if len(response) else 0
        start, end = tlv.only(response, 0x77 if form == 0x77 else 0x80)
        sdad = response[start:end]
        if form == 0x77:
            found = {}
            tlv.collect(response, start, end, (0x9F4B,), found)
            sdad = oda.needed(found, 0x9F4B)
        oda.dda(session.chain.icc_key, sdad, ddol_data)

    def _note_risk(
        self,
        session: CardSession,
        tvr: bytearray,
        amount_rupiah: int,
        tender: int,
        date: bytes,
        previous_rupiah: int,
    ) -> None:
        """Processing restrictions and floor limit."""
        application = session.application
        version = getattr(application, "application_version", None)
        country = application.country_code.to_bytes(2, "big")
        risk.restrictions(tvr, session.data, country, tender == TENDER_CASH, date, version)
        risk.floor_limit(tvr, amount_rupiah, previous_rupiah, application.floor_limit_rupiah)

    async def _verify_cardholder(
        self,
        reader,
        session: CardSession,
        pin: "bytes | None",
        amount_rupiah: int,
        tender: int,
        tvr: bytearray,
    ) -> bytes:
        """The card's own PIN check where the way has one; returns CVM Results (tag 9F34).

        Without a PIN nothing was verified in EMV's sense, and TVR and CVM Results say so.
        """
        if pin is None:
            if session.aip[0] & AIP_CVM:
                risk.note(tvr, risk.CVM_NOT_SUCCESSFUL)
            return cvm.NOT_PERFORMED
        application = session.application
        if not session.aip[0] & AIP_CVM:
            raise PinError(PIN_UNSUPPORTED, "the card supports no cardholder verification")
        own_currency = session.data.get(0x9F42) == application.currency_code.to_bytes(2, "big")
        code, condition, unknown = cvm.choose(
            oda.needed(session.data, 0x8E),
            WAYS[application.kind].cvms,
            tender == TENDER_CASH,
            amount_rupiah * HUNDREDTHS if own_currency else None,
        )
        if code & cvm.METHOD != cvm.PLAINTEXT_PIN:
            raise PinError(PIN_UNSUPPORTED, "the CVM list does not lead to the card's offline PIN")
        if unknown:
            risk.note(tvr, risk.CVM_UNKNOWN)
        session.live = False
        sw = await apdu.verify(reader, pin)
        session.live = True  # whatever it said about the PIN, the card is where it was
        if sw == apdu.OK:
            return bytes((code, condition, cvm.SUCCESSFUL))
        if sw & 0xFFF0 == 0x63C0 and sw & 0x0F:
            raise PinError(PIN_WRONG, "the card refused the PIN", sw & 0x0F)
        if sw in (0x63C0, 0x6983, 0x6984):
            raise PinError(PIN_BLOCKED, "the card takes no more PIN tries", 0)
        raise CardRefused(COMMAND_REFUSED, "VERIFY", sw)

    async def _first_generate_ac(
        self, reader, session: CardSession, values: dict, asked: int, proved: bool
    ) -> CardProof:
        """First GENERATE AC, its signature, and the proof. `proved`: an unsigned cryptogram will do."""
        application = session.application
        signs = session.oda_level == oda.CDA
        cdol1_data = dol.build(application.cdol1, values)
        session.live = False  # one cryptogram for each start of the card
        response = await apdu.generate_ac(reader, asked | apdu.SIGNED if signs else asked, cdol1_data)
        answer = cryptogram.parse(response)
        if WAYS[application.kind].closes and answer.cid & 0xC0 == apdu.ARQC:
            session.closing = values
        cryptogram.check_type(answer.cid, asked)
        proof = CardProof()
        proof.ac = answer.ac
        proof.icc_dynamic_number = b""
        proof.is_signed = signs and bool(answer.sdad)
        if proof.is_signed:
            hashed = (session.pdol_data, cdol1_data) + answer.hashed
            number, ac = oda.cda(session.chain.icc_key, answer.sdad, values[0x9F37], answer.cid, hashed)
            if answer.ac and answer.ac != ac:
                raise AuthenticationError(
                    SIGNATURE_INVALID, "tag 9F26", -1, "not the cryptogram that was signed"
                )
            proof.icc_dynamic_number = number
            proof.ac = ac
        elif not proved or not answer.ac:
            raise AuthenticationError(SIGNATURE_INVALID, "tag 9F4B", -1, "no signature over the cryptogram")
        proof.application_index = application.application_index
        proof.pan_sequence = session.pan_sequence
        proof.transaction_date = values[0x9A]
        proof.cid = answer.cid
        proof.atc = answer.atc
        proof.tvr = values[0x95]
        proof.aip = session.aip
        proof.cvm_results = values[0x9F34]
        proof.iad = answer.iad
        proof.unpredictable_number = values[0x9F37]
        proof.oda_level = session.oda_level
        return proof
