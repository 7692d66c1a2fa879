"""What may follow a redemption at the counter: void, goods received, return of a card's lease, period close.

Each is one record, committed before anybody is told. None is made twice: whoever asks again, say after a power cut, is
refused by number with the record that stands. Where a card is needed it proves itself by a zero-amount GENERATE AC that
asks for an AAC (design 5); no PIN is keyed, and no entitlement is spent.
"""

from firmware import refusals, spending_rules
from firmware.failures import FAILURES, refusal_of
from firmware.ledger import slots
from firmware.references import References, at_once, finish
from firmware.refusals import Refusal
from protocol import records, unpredictable_number

# How goods received were confirmed (protocol/README.md, REC-09).
ON_SCREEN = 0
BY_CARD = 1


class Redemption:
    """An own redemption as the journal holds it: `sequence`, `record`, the family's roster `index`, and its `fate`."""

    def __init__(self, sequence: int, index: int, record, fate) -> None:
        self.sequence = sequence
        self.index = index
        self.record = record
        self.fate = fate


class Done:
    """What was committed: `sequence`, roster `index` (slots.NO_INDEX for none) and `record`."""

    def __init__(self, sequence: int, index: int, record) -> None:
        self.sequence = sequence
        self.index = index
        self.record = record


class AfterSale:
    """`kernel`, `reader`, `encrypt_un` as the authorizer has them; `today()` gives tag 9A."""

    def __init__(self, ledger, kernel, reader, encrypt_un, today) -> None:
        self._ledger = ledger
        self._kernel = kernel
        self._reader = reader
        self._encrypt_un = encrypt_un
        self._today = today
        self._references = References(ledger)

    # Looking, before anything is asked of the family.

    async def redemption(self, sequence: int) -> Redemption:
        """An own redemption with what later records say of it; raises `Refusal` where the journal holds none."""
        try:
            found = self._references.redemption(sequence)
            if found is None:
                raise Refusal(refusals.NO_SUCH_RECORD)
            index, record = found
            fate = await finish(self._references.fate_steps(sequence, record))
        except FAILURES as failure:
            raise refusal_of(failure)
        return Redemption(sequence, index, record, fate)

    async def check_void(self, sequence: int) -> None:
        """Raise what speaks against a void, before the card is asked for."""
        found = await self.redemption(sequence)
        try:
            spending_rules.require_void(self._ledger, sequence, found.record, found.fate)
        except FAILURES as failure:
            raise refusal_of(failure)

    async def return_of(self, tap, programme: int) -> "Done | None":
        """The return that handed back the card's lease of the period in force, None if there was none."""
        grant = self._ledger.grants.get(programme)
        period = grant.period if grant is not None else 0

        def is_it(record) -> bool:
            return (record.card_key, record.programme, record.period) == (tap.card_key, programme, period)

        return await self._newest(records.RETURN, is_it)

    async def close_of(self, programme: int) -> "Done | None":
        """The close of the period in force, None while it is open."""
        grant = self._ledger.grants.get(programme)
        if grant is None or (programme, grant.period) not in self._ledger.entitlements.closed:
            return None

        def is_it(record) -> bool:
            return (record.programme, record.period) == (programme, grant.period)

        return await self._newest(records.PERIOD_CLOSE, is_it)

    async def _newest(self, kind: int, is_it) -> "Done | None":
        try:
            found = await finish(self._references.newest_steps(kind, is_it))
        except FAILURES as failure:
            raise refusal_of(failure)
        return Done(*found) if found is not None else None

    async def tells_of_lock(self, card_key: bytes) -> bool:
        """Whether the chain (still) holds an event of that card's locked PIN."""

        def is_it(record) -> bool:
            return record.code == records.EVENT_PIN_LOCKED and record.detail == card_key

        return await finish(self._references.newest_steps(records.EVENT, is_it)) is not None

    # Doing.

    async def void(self, tap, redemption: Redemption, reason: int) -> Done:
        """Take a redemption back; `tap` is of the card that was debited."""

        def require() -> None:
            self._renew(redemption)
            spending_rules.require_void(self._ledger, redemption.sequence, redemption.record, redemption.fate)
            _require_card(tap, redemption)

        def record(proof):
            taken = redemption.record
            return self._ledger.record(
                records.VOID,
                programme=taken.programme,
                period=taken.period,
                amount_rupiah=taken.amount_rupiah,
                reference_sequence=redemption.sequence,
                card_key=taken.card_key,
                reason=reason,
                proof=proof,
            )

        return await self._by_card(tap, require, record, redemption.index)

    async def goods_received(self, tap, redemption: Redemption) -> Done:
        """The family has its goods; `tap` None: confirmed on the screen, where policy does not want the card."""

        def require() -> None:
            self._renew(redemption)
            spending_rules.require_goods_received(self._ledger, redemption.record, redemption.fate)
            if tap is not None:
                _require_card(tap, redemption)
            elif spending_rules.wants_goods_tap(self._ledger, redemption.record):
                raise Refusal(refusals.CARD_REMOVED)

        def record(proof):
            return self._ledger.record(
                records.GOODS_RECEIVED,
                reference_sequence=redemption.sequence,
                card_key=redemption.record.card_key,
                method=ON_SCREEN if proof is None else BY_CARD,
                proof=proof,
            )

        if tap is None:
            return self._commit(require, record, redemption.index)
        return await self._by_card(tap, require, record, redemption.index)

    async def give_back(self, tap, programme: int) -> Done:
        """Hand back what is left of the card's lease. The record has no place for the card's proof; it is asked for all the
        same, so that nobody gives away a lease with a card's copied data.
        """

        def require() -> None:
            spending_rules.require_return(self._ledger, programme, tap.index)

        def record(_):
            # What was burned for the proof is no longer used: a return is no answer to a number.
            self._ledger.abandon()
            grant = self._ledger.grants[programme]
            return self._ledger.record(
                records.RETURN,
                programme=programme,
                period=grant.period,
                amount_rupiah=spending_rules.require_return(self._ledger, programme, tap.index),
                card_key=tap.card_key,
                lease=grant.number,
            )

        return await self._by_card(tap, require, record, tap.index)

    async def close_period(self, programme: int) -> Done:
        """Close the programme's period: its figures into the chain, no redemption, void or return of it any more."""

        def require() -> None:
            spending_rules.require_reserve(self._ledger)
            spending_rules.require_open(self._ledger, programme)

        def record(_):
            period = self._ledger.grants[programme].period
            figures = self._ledger.period_figures(programme, period)
            return self._ledger.record(
                records.PERIOD_CLOSE,
                programme=programme,
                period=period,
                redeemed_count=figures[0],
                redeemed_rupiah=figures[1],
                voided_count=figures[2],
                voided_rupiah=figures[3],
                returned_count=figures[4],
                returned_rupiah=figures[5],
            )

        return self._commit(require, record, slots.NO_INDEX)

    def _renew(self, redemption: Redemption) -> None:
        """What was committed since the redemption was looked at; seldom anything."""
        steps = self._references.fate_steps(redemption.sequence, redemption.record)
        redemption.fate = at_once(steps)

    def _commit(self, require, record, index: int) -> Done:
        """The one point of no return, without a card."""
        try:
            require()
            made = record(None)
            return Done(self._ledger.commit(made, index), index, made)
        except FAILURES as failure:
            raise refusal_of(failure)

    async def _by_card(self, tap, require, record, index: int) -> Done:
        """The same with the card's AAC, which is asked for when nothing else can refuse."""
        burned = []

        def draw_unpredictable_number() -> bytes:
            require()
            sequence, attempt = self._ledger.burn_un_attempt()
            burned.append(attempt)
            return unpredictable_number.derive(self._encrypt_un, sequence, attempt)

        try:
            require()
            proof = await self._kernel.generate_proof(
                self._reader,
                tap.session,
                0,
                records.TENDER_GOODS,
                self._today(),
                draw_unpredictable_number,
                decline=True,
            )
            proof.un_attempt = burned[0]
            made = record(proof)
            return Done(self._ledger.commit(made, index), index, made)
        except FAILURES as failure:
            raise refusal_of(failure)
        finally:
            self._ledger.abandon()


def _require_card(tap, redemption: Redemption) -> None:
    """The card that was debited, and no other of the family."""
    if tap.card_key != redemption.record.card_key:
        raise Refusal(refusals.NOT_THE_CARD, redemption.sequence)
