"""How seldom the gateway's processes look for garbage: their batches make many objects, but hardly a cycle."""

import gc

_THRESHOLDS = (50_000, 20, 100)


def look_seldom() -> None:
    """From now on; what is loaded by now stays for good and is not looked at again."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
