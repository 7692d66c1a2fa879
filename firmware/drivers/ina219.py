"""The supply monitor: millivolts of the terminal's 12 V input, behind its polarity diode."""

# Registers and bits of the INA219 (Texas Instruments SBOS448, table "summary of register set"); 16 bits, high octet first.
_CONFIGURATION = 0x00
_BUS_VOLTAGE = 0x02
# The chip starts measuring by itself: 32 V range, 12 bits, shunt and bus without end. Nothing else is needed here.
_POWER_ON = 0x399F
_RESET = b"\x80\x00"
_CONVERTED = 0x02
_STEP_MV = 4
_MOST_MV = 26000


class SupplyError(Exception):
    """The monitor answers, but not with a voltage; `field` says which register, `value` what it held."""

    def __init__(self, field: str, value: int):
        super().__init__("INA219 %s: 0x%04x" % (field, value))
        self.field = field
        self.value = value


class Ina219:
    """`device` is an I2cDevice, whose BusError every method may raise."""

    def __init__(self, device):
        self._device = device

    def read_millivolts(self) -> int:
        """The voltage at the 12 V rail, 0 to 26000 mV in steps of 4; the battery has a diode's 0.3 to 0.5 V more.

        SupplyError("configuration") where the chip is not set as it starts: it is reset, so that the next read is good
        unless it is another chip. SupplyError("conversion") in the first millisecond after that.
        SupplyError("bus voltage") for more than the chip bears.
        """
        configuration = self._word(_CONFIGURATION)
        if configuration != _POWER_ON:
            self._device.write(_CONFIGURATION, _RESET)
            raise SupplyError("configuration", configuration)
        raw = self._word(_BUS_VOLTAGE)
        if not raw & _CONVERTED:
            raise SupplyError("conversion", raw)
        millivolts = (raw >> 3) * _STEP_MV
        if millivolts > _MOST_MV:
            raise SupplyError("bus voltage", raw)
        return millivolts

    def _word(self, register: int) -> int:
        octets = bytearray(2)
        self._device.read_into(register, octets)
        return octets[0] << 8 | octets[1]
