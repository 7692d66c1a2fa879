"""How the terminal is: what waits for the gateway and by which way, and what operator or technician should know."""

from firmware import settings, states
from firmware.ledger.document_area import SETTINGS
from protocol import acknowledgement, notice, records

JOURNAL_NEARLY_FULL_SECTORS = 32
NO_LINK_NOTICE_S = 24 * 3600
LEASE_NOTICE_S = 3 * 24 * 3600


class LinkState:
    """`word`: the relay's state; `way`: by which link records leave now (a short word), None when by none or not told;
    `waiting`: records that the gateway has not acknowledged, the oldest made `age_s` seconds ago; `heard_s`: time of the
    last acknowledgement, unsigned seconds since 1970, 0 for none.
    """

    def __init__(self, word: str, way: "str | None", waiting: int, age_s: int, heard_s: int) -> None:
        self.word = word
        self.way = way
        self.waiting = waiting
        self.age_s = age_s
        self.heard_s = heard_s


class Health:
    """`relay` may be None; `day`: the `DayBook`; `signer`: the key maker of the seals."""

    def __init__(self, ledger, relay, day, signer) -> None:
        self._ledger = ledger
        self._relay = relay
        self._day = day
        self._signer = signer
        self._settled_counter = (0, 0)
        self._settled_notices = []
        self._settings_faults = settings.read(ledger.documents.get(SETTINGS))[1]

    def link_state(self) -> LinkState:
        """What waits for the gateway, and by which way it goes."""
        ledger = self._ledger
        waiting = ledger.journal.sequence - ledger.marks.sealed_through
        since_s = self._day.waiting_since_s()
        age_s = max(0, ledger.now_s() - since_s) if since_s else 0
        relay = self._relay
        word = relay.state if relay is not None else "down"
        # A relay with one link only has no way to choose.
        way = getattr(relay, "way", None)
        return LinkState(word, way, waiting, age_s, ledger.marks.time_s)

    def notices(self, reader_failed: bool, printer_failed: bool, case_was_opened: bool) -> list:
        """What operator or technician should know, by number (firmware.states)."""
        ledger = self._ledger
        ends_s = min([ledger.grants[programme].expiry_s for programme in ledger.grants], default=0)
        is_true = (
            (states.NOTICE_CLOCK, ledger.time_trust == records.TRUST_UNSET),
            (states.NOTICE_JOURNAL, ledger.journal.free_sectors() < JOURNAL_NEARLY_FULL_SECTORS),
            (states.NOTICE_LEASE_ENDS, 0 < ends_s < ledger.now_s() + LEASE_NOTICE_S),
            (states.NOTICE_LOCKED, ledger.is_locked and not ledger.withdrawn),
            (states.NOTICE_REPLACED, ledger.withdrawn == notice.REPLACED),
            (states.NOTICE_REVOKED, ledger.withdrawn == notice.REVOKED),
            (states.NOTICE_PRINTER, printer_failed),
            # A relay with one link only has no downlink of grants.
            (states.NOTICE_ROSTER, getattr(self._relay, "awaits_roster", False)),
            (states.NOTICE_TAMPER, case_was_opened),
            (states.NOTICE_ACKNOWLEDGEMENT, ledger.entitlements.ahead > ledger.journal.sequence),
            (states.NOTICE_READER, reader_failed),
            (states.NOTICE_NO_LINK, self.link_state().age_s > NO_LINK_NOTICE_S),
            (states.NOTICE_FLASH, not ledger.findings.is_sound or self._day.unreadable > 0),
            (states.NOTICE_SECTORS, bool(ledger.journal.retired)),
            (states.NOTICE_SETTINGS, bool(self._settings_faults)),
            (states.NOTICE_SEAL, ledger.seal_fault),
            (states.NOTICE_ENTROPY, not self._signer.entropy_ok),
        )
        return [number for number, holds in is_true if holds] + self._of_settlement()

    def _of_settlement(self) -> list:
        """Whether records are refused or under review; looked through once for each acknowledgement."""
        marks = self._ledger.marks
        if self._settled_counter != (marks.epoch, marks.counter):
            self._settled_counter = (marks.epoch, marks.counter)
            self._settled_notices = [
                number
                for state, number in (
                    (acknowledgement.DISPUTED, states.NOTICE_DISPUTED),
                    (acknowledgement.REFUSED, states.NOTICE_REFUSED),
                )
                if marks.holds(state)
            ]
        return self._settled_notices
