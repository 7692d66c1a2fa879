"""What the modems of the market say and how long they take, as data for the modem model.

Words and orders are those of the vendors' AT command manuals and of logs that their users published; times are typical
ones, except where a manual bounds them.
"""


class Dialect:
    """One family. Times in milliseconds; `boot`: (after power-on, line) in order, the last line ends the start.

    `stores`: (name, places) with the one that messages go to first. `first_index`: of the first place. `sockets`: which
    set of commands. `power_down`: last words.
    """

    def __init__(
        self,
        *,
        manufacturer: bytes,
        model: bytes,
        boot: tuple,
        key_on_ms: int,
        key_off_ms: int,
        reset_ms: int,
        stores: tuple,
        first_index: int,
        sockets: str,
        power_down: bytes,
        autobaud: bool = False,
        sim_ready_ms: int = 3000,
        register_ms: int = 5000,
        reply_ms: int = 15,
        send_ms: int = 2500,
        connect_ms: int = 600,
    ):
        self.manufacturer = manufacturer
        self.model = model
        self.boot = boot
        self.key_on_ms = key_on_ms
        self.key_off_ms = key_off_ms
        self.reset_ms = reset_ms
        self.stores = stores
        self.first_index = first_index
        self.sockets = sockets
        self.power_down = power_down
        self.autobaud = autobaud
        self.sim_ready_ms = sim_ready_ms
        self.register_ms = register_ms
        self.reply_ms = reply_ms
        self.send_ms = send_ms
        self.connect_ms = connect_ms


SIM7600 = Dialect(
    manufacturer=b"SIMCOM INCORPORATED",
    model=b"SIMCOM_SIM7600E-H",
    boot=((9000, b"RDY"), (9300, b"+CPIN: READY"), (11000, b"SMS DONE"), (12000, b"PB DONE")),
    key_on_ms=100,
    key_off_ms=2500,
    reset_ms=100,
    stores=((b"ME", 23), (b"SM", 20)),
    first_index=0,
    sockets="simcom",
    power_down=b"POWERED DOWN",
)

A7670 = Dialect(
    manufacturer=b"INCORPORATED",
    model=b"A7670E-LASE",
    boot=((7000, b"*ATREADY: 1"), (7500, b"+CPIN: READY"), (8500, b"SMS DONE"), (9500, b"PB DONE")),
    key_on_ms=50,
    key_off_ms=2500,
    reset_ms=2000,
    stores=((b"ME", 50), (b"SM", 20)),
    first_index=0,
    sockets="simcom",
    power_down=b"POWERED DOWN",
)

EC25 = Dialect(
    manufacturer=b"Quectel",
    model=b"EC25",
    boot=(
        (10000, b"RDY"),
        (10200, b"+CFUN: 1"),
        (10400, b"+CPIN: READY"),
        (11500, b"+QUSIM: 1"),
        (12000, b"+QIND: SMS DONE"),
        (13000, b"+QIND: PB DONE"),
    ),
    key_on_ms=100,
    key_off_ms=650,
    reset_ms=150,
    stores=((b"ME", 255), (b"SM", 20)),
    first_index=0,
    sockets="quectel",
    power_down=b"POWERED DOWN",
)

SIM800 = Dialect(
    manufacturer=b"SIMCOM_Ltd",
    model=b"SIMCOM_SIM800L",
    boot=(
        (2500, b"RDY"),
        (2600, b"+CFUN: 1"),
        (3500, b"+CPIN: READY"),
        (7000, b"Call Ready"),
        (8000, b"SMS Ready"),
    ),
    key_on_ms=1000,
    key_off_ms=1000,
    reset_ms=105,
    stores=((b"SM", 20),),
    first_index=1,
    sockets="sim800",
    power_down=b"NORMAL POWER DOWN",
    autobaud=True,
    send_ms=4000,
    connect_ms=1500,
)

BY_NAME = {"SIM7600": SIM7600, "A7670": A7670, "EC25": EC25, "SIM800": SIM800}
