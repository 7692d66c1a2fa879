"""The gateway's own errors: the docstring's first line is the message, the details say where.

Errors of the wire format are `protocol.errors`; they name field and offset themselves.
"""

from __future__ import annotations


class GatewayError(Exception):
    """The gateway cannot go on with this."""

    exit_status = 1

    def __init__(self, **details: object) -> None:
        self.details = details
        message = (type(self).__doc__ or "").partition("\n")[0].rstrip(".")
        told = ", ".join(f"{name} {value}" for name, value in details.items())
        super().__init__(f"{message}: {told}" if told else message)


class ConfigError(GatewayError):
    """The configuration is not usable."""

    exit_status = 2


class UnknownKeyError(ConfigError):
    """The configuration has a key that does not exist."""


class ValueTypeError(ConfigError):
    """A configuration value has the wrong type or range."""


class KeyFileError(GatewayError):
    """A key file is missing or not usable."""

    exit_status = 3


class KeyFileExposedError(KeyFileError):
    """A key file may be read by others; its mode must be 0600."""


class PublicKeyError(GatewayError):
    """A public key is no point on P-256."""

    exit_status = 4


class DocumentError(GatewayError):
    """A signed document is refused."""

    exit_status = 4


class BundleError(DocumentError):
    """This is no release bundle that terminals could take."""


class BrokerError(GatewayError):
    """The broker does not do what it is asked."""

    exit_status = 6


class TelephoneError(GatewayError):
    """This is no telephone number."""

    exit_status = 2


class SignatureError(DocumentError):
    """The authority's signature does not verify."""


class UnknownTerminalError(GatewayError):
    """No certificate of this terminal has been registered."""

    exit_status = 4


class PictureError(GatewayError):
    """A picture cannot be read."""

    exit_status = 4


class RecordsMissingError(GatewayError):
    """Records of this terminal are known to be missing: rescue and import them first, or say that it goes on without."""

    exit_status = 4


class NothingToSendError(GatewayError):
    """Nothing can be made for this terminal now."""

    exit_status = 4


class StoreError(GatewayError):
    """The database cannot be used."""

    exit_status = 5


class StoreContradictionError(StoreError):
    """The database refuses rows that contradict it."""


class StoreLockedError(StoreError):
    """Another process holds the database; exactly one may write."""


class StoreVersionError(StoreError):
    """The database was written by a newer gateway."""


class OrderRefusedError(GatewayError):
    """The running gateway refuses an order, in its own words."""

    def __init__(self, text: str, exit_status: int) -> None:
        super().__init__()
        self.args = (text,)
        self.exit_status = exit_status


class DaemonSilentError(GatewayError):
    """The running gateway did not answer in time; the request stays in its spool."""

    exit_status = 6


class SettlementRefusedError(GatewayError):
    """The settlement service refuses the request for good."""


class SettlementUnavailableError(GatewayError):
    """The settlement service gives no usable answer now."""
