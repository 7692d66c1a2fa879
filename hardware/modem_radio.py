"""SIM, registration, signal and network time of the modem model."""

# CME errors (TS 27.007, 9.2.1).
CME_NO_SIM = 10
CME_SIM_PIN = 11
CME_SIM_BUSY = 14

# Registration states (7.2).
NOT_SEARCHING, HOME, SEARCHING, DENIED = range(4)

_UNKNOWN_SIGNAL = 99
_NEVER_SET = b"80/01/06,00:00:22+00"


class Radio:
    """The bench sets `has_sim`, `sim_pin`, `in_reach`, `is_denied`, `signal` (0 to 31) and `knows_time`.

    `is_stuck`: it does not register again until it has been switched off and on with +CFUN or started anew.
    """

    def __init__(self, modem):
        self._modem = modem
        self.has_sim = True
        self.sim_pin = False
        self.in_reach = True
        self.is_denied = False
        self.signal = 18
        self.knows_time = True
        self.is_stuck = False
        self.forget()

    def forget(self) -> None:
        """Power went."""
        self._is_on = False
        self._started_us = 0
        self._registered_from_us = -1

    def boot(self, now_us: int) -> None:
        """The modem begins to work."""
        self._started_us = now_us
        self.is_stuck = False
        self._switch_on(now_us)

    def is_registered(self, now_us: int) -> bool:
        """Whether the network serves this modem now."""
        served = (
            self._is_on
            and self._sim_is_ready()
            and self.in_reach
            and not self.is_denied
            and not self.is_stuck
        )
        return served and 0 <= self._registered_from_us <= now_us

    def sim_line(self) -> bytes:
        """What +CPIN says of the SIM."""
        if not self.has_sim:
            return b"+CPIN: NOT INSERTED"
        return b"+CPIN: SIM PIN" if self.sim_pin else b"+CPIN: READY"

    def handlers(self) -> dict:
        handlers = {
            b"+CPIN": self._pin,
            b"+CFUN": self._functionality,
            b"+CSQ": self._strength,
            b"+CCLK": self._time,
        }
        for name in (b"+CREG", b"+CGREG", b"+CEREG"):
            handlers[name] = lambda mode, _argument, name=name: self._registration(name, mode)
        for name in (b"+CTZU", b"+CLTS", b"+CTZR", b"+CGDCONT"):
            handlers[name] = self._modem.accept
        return handlers

    def _switch_on(self, now_us: int) -> None:
        self._is_on = True
        self._registered_from_us = now_us + self._modem.dialect.register_ms * 1000

    def _sim_is_ready(self) -> bool:
        return self.has_sim and not self.sim_pin

    def _state(self) -> int:
        if not self._is_on or not self._sim_is_ready():
            return NOT_SEARCHING
        if self.is_denied:
            return DENIED
        return HOME if self.is_registered(self._modem.now_us()) else SEARCHING

    def _pin(self, _mode: str, _argument: bytes) -> None:
        modem = self._modem
        if not self.has_sim:
            modem.cme(CME_NO_SIM)
        elif modem.now_us() - self._started_us < modem.dialect.sim_ready_ms * 1000:
            modem.cme(CME_SIM_BUSY)
        else:
            modem.answer((self.sim_line(),))

    def _functionality(self, mode: str, argument: bytes) -> None:
        modem = self._modem
        now_us = modem.now_us()
        if mode == "?":
            modem.answer((b"+CFUN: %d" % self._is_on,))
        elif argument == b"0":
            self._is_on = self.is_stuck = False
            modem.sockets.drop()
            modem.answer((), b"OK", 500)
        elif argument == b"1":
            if not self._is_on:
                self._switch_on(now_us)
            modem.answer((), b"OK", 300)
        elif argument == b"1,1":
            modem.answer(())
            modem.later(100000, modem.start, now_us)
        else:
            modem.error()

    def _strength(self, _mode: str, _argument: bytes) -> None:
        strength = self.signal if self._is_on and self.in_reach else _UNKNOWN_SIGNAL
        self._modem.answer((b"+CSQ: %d,99" % strength,))

    def _registration(self, name: bytes, mode: str) -> None:
        self._modem.answer((name + b": 0,%d" % self._state(),) if mode == "?" else ())

    def _time(self, _mode: str, _argument: bytes) -> None:
        """The network's time once the modem is registered and the network tells it."""
        modem = self._modem
        known = self.knows_time and self.is_registered(modem.now_us())
        text = modem.network.clock_text() if known else _NEVER_SET
        modem.answer((b'+CCLK: "' + text + b'"',))
