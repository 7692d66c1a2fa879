"""The INA219 supply monitor (Texas Instruments SBOS448): bus and shunt voltage converted by the model's clock.

A conversion holds what lay at the pins when somebody next looks after its end, not the mean of its time: inputs of a
model change in steps. Times are the typical ones. Below 0 V and above 32 V the pins are not modelled: the reading stops
at the range's end, where the real chip would break.
"""

_CONFIGURATION = 0x00
_SHUNT = 0x01
_BUS = 0x02
_POWER = 0x03
_CURRENT = 0x04
_CALIBRATION = 0x05

_POWER_ON = 0x399F
_RESET = 0x8000
_RANGE_32V = 0x2000
_CONVERTED = 0x02
_OVERFLOW = 0x01

_BUS_STEP_MV = 4
_SHUNT_STEP_UV = 10
_GAIN_RANGE_UV = (40000, 80000, 160000, 320000)
_SINGLE_US = (84, 148, 276, 532)  # 9, 10, 11, 12 bits


class Ina219:
    """The chip; `millivolts` at VIN- against ground, and `microvolts` across the shunt, are what a test sets."""

    def __init__(self, clock, millivolts: int = 12300, microvolts: int = 0):
        self._clock = clock
        self.millivolts = millivolts
        self.microvolts = microvolts
        self._pointer = 0
        self._registers = [0] * 6
        self.power_lost()

    def power_lost(self) -> None:
        """The supply came back: registers as they start, first conversion begun."""
        self._configure(_RESET)

    def i2c_write(self, data) -> bool:
        if len(data) not in (1, 3) or data[0] > _CALIBRATION:
            return False  # what the real chip does with half a register is not published; nobody should learn to rely on it
        self._pointer = data[0]
        if len(data) == 3:
            value = data[1] << 8 | data[2]
            if self._pointer == _CONFIGURATION:
                self._configure(value)
            elif self._pointer == _CALIBRATION:
                self._registers[_CALIBRATION] = value & 0xFFFE
        return True

    def i2c_read(self, buffer) -> None:
        self._convert()
        value = self._registers[self._pointer]
        for index in range(len(buffer)):
            buffer[index] = value >> 8 if index % 2 == 0 else value & 0xFF
        if self._pointer == _POWER:
            self._registers[_BUS] &= ~_CONVERTED

    def _configure(self, value: int) -> None:
        if value & _RESET:
            value = _POWER_ON
            self._registers = [0] * 6
        self._registers[_CONFIGURATION] = value & ~0x4000
        self._registers[_BUS] &= ~_CONVERTED
        self._ready_us = self._clock.now_us() + self._duration_us()

    def _duration_us(self) -> int:
        """One conversion of what the mode asks for, averaging included; 0 where the mode measures nothing."""
        value = self._registers[_CONFIGURATION]
        duration_us = 0
        if value & 1:
            duration_us += _conversion_us(value >> 3 & 0x0F)
        if value & 2:
            duration_us += _conversion_us(value >> 7 & 0x0F)
        return duration_us

    def _convert(self) -> None:
        """Take over what was converted by now."""
        configuration = self._registers[_CONFIGURATION]
        measured = configuration & 3
        if not measured or self._clock.now_us() < self._ready_us:
            return
        if not configuration & 4 and self._registers[_BUS] & _CONVERTED:
            return  # triggered, not continuous: one conversion, which stays
        if measured & 1:
            most = _GAIN_RANGE_UV[configuration >> 11 & 3]
            shunt = max(-most, min(most, self.microvolts)) // _SHUNT_STEP_UV
            self._registers[_SHUNT] = shunt & 0xFFFF
        if measured & 2:
            most_mv = 32000 if configuration & _RANGE_32V else 16000
            millivolts = max(0, min(most_mv, self.millivolts))
            self._registers[_BUS] = millivolts // _BUS_STEP_MV << 3
        self._compute()
        self._registers[_BUS] |= _CONVERTED

    def _compute(self) -> None:
        """Current and power from the calibration (SBOS448, equations 4 and 5); too large sets the overflow bit."""
        shunt = self._registers[_SHUNT]
        if shunt & 0x8000:
            shunt -= 0x10000
        current = shunt * self._registers[_CALIBRATION] // 4096
        power = abs(current) * (self._registers[_BUS] >> 3) // 5000
        overflow = not -32768 <= current <= 32767 or power > 0xFFFF
        self._registers[_CURRENT] = current & 0xFFFF
        self._registers[_POWER] = power & 0xFFFF
        self._registers[_BUS] = self._registers[_BUS] & ~_OVERFLOW | (_OVERFLOW if overflow else 0)


def _conversion_us(setting: int) -> int:
    """Of one of the two ADC fields: a resolution, or 2 to 128 samples of 12 bits."""
    if setting & 8:
        return _SINGLE_US[3] << (setting & 7)
    return _SINGLE_US[setting & 3]
