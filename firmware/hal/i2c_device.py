"""One chip on the I2C bus: register access that frees a held bus, tries once more, and then says what failed where."""


class BusError(Exception):
    """A chip did not answer, twice; `chip`, `register` and `errno` say which access it was."""

    def __init__(self, chip: str, register: int, operation: str, errno: int):
        super().__init__("%s register 0x%02x: %s failed, error %d" % (chip, register, operation, errno))
        self.chip = chip
        self.register = register
        self.errno = errno


class I2cDevice:
    """Registers of the chip at a 7-bit `address`.

    `recover()` frees a bus that a chip holds after an interrupted read (UM10204, 3.1.16). `failures` counts accesses
    that failed at first, `errors` those that failed for good.
    """

    def __init__(self, i2c, address: int, chip: str, recover):
        self._i2c = i2c
        self._address = address
        self._recover = recover
        self.chip = chip
        self.failures = 0
        self.errors = 0

    def read_into(self, register: int, buffer) -> None:
        """Fill `buffer` from `register` on; BusError if the chip stays silent."""
        self._access(self._i2c.readfrom_mem_into, register, buffer, "read")

    def write(self, register: int, data) -> None:
        """Write `data` from `register` on; BusError if the chip stays silent. May be sent twice: the last value counts."""
        self._access(self._i2c.writeto_mem, register, data, "write")

    def _access(self, transfer, register: int, buffer, operation: str) -> None:
        try:
            transfer(self._address, register, buffer)
            return
        except OSError:
            self.failures += 1
        self._recover()
        try:
            transfer(self._address, register, buffer)
        except OSError as error:
            self.errors += 1
            raise BusError(self.chip, register, operation, error.errno or 0)
