"""Making a terminal with an ATECC608 one of the programme's: the chip is locked for ever, and makes the keys itself."""

from firmware.drivers import atecc608_setup
from firmware.key_chip import encode_section
from firmware.ledger import document_area
from firmware.provisioning import AlreadyProvisioned


async def lock_configuration(chip) -> list:
    """Write the chip's configuration and close it for ever; the changes that it needed. A new part takes this first.

    Raises `SetupRefused` or `AteccError`; to be repeated then, or after a power cut.
    """
    changes = await atecc608_setup.write(chip)
    await atecc608_setup.lock_configuration(chip)
    return changes


async def make_keys(documents, kid: int, chip, discards_records: bool = False) -> tuple:
    """Let the chip make two key pairs for a new generation; returns (seal key, agreement key), 64 octets each.

    As `provisioning.make_keys`, with the same refusal. The documents forget the generation before first: its keys are gone
    as soon as the chip has new ones. Closes the chip's data zone for ever, without which it agrees on no secrets.
    """
    if documents.get(document_area.CHAIN_START) and not discards_records:
        raise AlreadyProvisioned
    changes = dict.fromkeys(documents.names(), b"")
    changes[document_area.KID] = kid.to_bytes(4, "big")
    documents.save(changes)
    seal_key, agreement_key, counts = await atecc608_setup.create_keys(chip)
    await atecc608_setup.lock_data(chip)
    documents.save({document_area.KEY_CHIP: encode_section(counts)})
    return seal_key, agreement_key
