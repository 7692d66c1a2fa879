"""The shape of a terminal's hardware, as everything above the HAL sees it."""


class Board:
    """One terminal: real (`firmware.hal.esp32_board`) or virtual (`tools.virtual_board`), the same attributes.

    Buses and pins have the methods of `machine.SPI`, `machine.I2C`, `machine.UART` and `machine.Pin`.

    spi                shared by display and card reader: whoever pulls a select pin low lets go before it yields
    i2c, recover_i2c   the bus, and a function that frees it when a chip holds it
    printer_uart, printer_busy, modem_uart, technician_uart
    display_select, display_data, display_reset
    pn532_select, pn532_reset, pn532_irq
    expander_interrupt low while the keypad expander has something to tell
    flash              dict of FlashArea: journal, roster_a, roster_b, identity_a, identity_b
    flash_octets       of the whole chip, as the runtime knows it; 0 where it does not tell
    entropy            entropy(size) -> bytes from the hardware generator
    clock              firmware.hal.clock.Clock or its equal
    start_watchdog     start_watchdog(timeout_ms) -> object with feed(); once started it cannot be stopped
    network            firmware.hal.network.WlanNetwork or its equal
    """

    FLASH_AREAS = ("journal", "roster_a", "roster_b", "identity_a", "identity_b")

    def __init__(
        self,
        *,
        spi,
        i2c,
        recover_i2c,
        printer_uart,
        printer_busy,
        modem_uart,
        technician_uart,
        display_select,
        display_data,
        display_reset,
        pn532_select,
        pn532_reset,
        pn532_irq,
        expander_interrupt,
        flash,
        entropy,
        clock,
        start_watchdog,
        network,
        flash_octets=0,
    ):
        for name in self.FLASH_AREAS:
            if name not in flash:
                raise ValueError("board without flash area " + name)
        self.spi = spi
        self.i2c = i2c
        self.recover_i2c = recover_i2c
        self.printer_uart = printer_uart
        self.printer_busy = printer_busy
        self.modem_uart = modem_uart
        self.technician_uart = technician_uart
        self.display_select = display_select
        self.display_data = display_data
        self.display_reset = display_reset
        self.pn532_select = pn532_select
        self.pn532_reset = pn532_reset
        self.pn532_irq = pn532_irq
        self.expander_interrupt = expander_interrupt
        self.flash = flash
        self.flash_octets = flash_octets
        self.entropy = entropy
        self.clock = clock
        self.start_watchdog = start_watchdog
        self.network = network
