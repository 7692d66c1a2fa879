"""What the modem went through since the terminal was switched on, for the service screen and the status report."""


class Counters:
    """Whole numbers that only rise."""

    NAMES = (
        "silent", "refused", "malformed", "restarts", "switched_on", "resyncs", "radio_cycles", "resets", "power_cycles",
        "line_failures", "received", "undecodable", "handed_over", "hand_over_failures", "deleted", "delete_failures",
        "nearly_full", "reports", "sent", "not_sent", "opened", "open_failures", "lost_connections",
    )  # fmt: skip

    def __init__(self) -> None:
        for name in self.NAMES:
            setattr(self, name, 0)

    def add(self, name: str) -> None:
        """One more."""
        setattr(self, name, getattr(self, name) + 1)
