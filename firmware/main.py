"""Starts the terminal on the ESP32; the loader (`firmware/loader.py`, the flash's `main.py`) imports this and calls `start`."""

import asyncio

# Loaded in this order before anything else: an import that leads to another takes stack, of which a task on the ESP32
# has 16 KB. So no chain of imports is longer than four.
LOAD_ORDER = (
    "protocol.octets",
    "protocol.records",
    "protocol.prediction_values",
    "protocol.codec",
    "protocol.frame",
    "firmware.crypto.p256",
    "firmware.crypto.signer",
    "firmware.crypto.atecc_signer",
    "firmware.card.kernel",
    "firmware.ledger.journal",
    "firmware.ledger.ledger",
    "firmware.key_chip",
    "firmware.relay.relay",
    "protocol.sms_user_data",
    "protocol.sms_pdu",
    "firmware.drivers.modem.modem",
    "firmware.links",
    "firmware.ui.screens",
    "firmware.ui.service",
    "firmware.authorize",
    "firmware.terminal",
    "firmware.provisioning",
    "firmware.parts",
    "firmware.bench.alone",
    "firmware.bench.bench",
    "firmware.bench.places",
    "firmware.workshop",
    "firmware.stopping",
)


def load() -> None:
    """Load everything that `firmware.app` needs."""
    for name in LOAD_ORDER:
        __import__(name)


def start(root: str, slot: str) -> None:
    """Build the board and run until a restart; the loader started this from `slot` below `root`."""
    load()
    # Only a real ESP32 has what the board needs.
    from firmware.app import App
    from firmware.hal import esp32_board

    asyncio.run(App(esp32_board.build(), esp32_board.restart, (root, slot)).run())
