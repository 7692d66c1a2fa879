"""Why a technician's command stopped: a sentence, and what to do next."""

# Exit code where a file of the laptop cannot be read or written. Codes of commands that name no error of their own begin
# at 11; click takes 2 for a line that it does not understand.
LAPTOP_CODE = 10
# What a rescue came to, where not every record that the gateway lacks could be had.
SOMETHING_MISSING_CODE = 20
NOTHING_READABLE_CODE = 21
# What a self-test came to where not all parts passed.
SOME_PART_FAILED_CODE = 22
# Of a command that was ended by Ctrl-C, as shells have it.
INTERRUPTED_CODE = 130


class TechnicianError(Exception):
    """`advice` is what the technician can do; `code` the command's exit code."""

    code = 1

    def __init__(self, sentence: str, advice: str = "") -> None:
        super().__init__(sentence)
        self.advice = advice


class RuntimeImageError(TechnicianError):
    """The MicroPython runtime cannot be used."""

    code = 3


class TooLargeError(TechnicianError):
    """Something does not fit the flash map."""

    code = 4


class WrongDeviceError(TechnicianError):
    """What hangs on the cable is not what this was made for."""

    code = 5


class CableError(TechnicianError):
    """The cable or the device stopped answering."""

    code = 6


class HoldsRecordsError(TechnicianError):
    """The terminal may hold records that nobody else has."""

    code = 7


class BundleError(TechnicianError):
    """What was built is not whole, or not signed by whom it should be."""

    code = 8
