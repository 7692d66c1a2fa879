"""Keys made in the chip: a blank part becomes a terminal's, whenever power fails; and a generation in use is not lost."""

from firmware import main

main.load()

from firmware import chip_provisioning, provisioning  # noqa: E402
from firmware.drivers import atecc608_setup as setup  # noqa: E402
from firmware.key_chip import KeyChip, decode_section, encode_section  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from firmware.ledger.document_area import DocumentsMissing  # noqa: E402
from firmware.provisioning import AlreadyProvisioned  # noqa: E402
from hardware.atecc608_commands import READ  # noqa: E402
from hardware.atecc608_memory import Memory  # noqa: E402
from hardware.nor_flash import NorFlash, PowerCut  # noqa: E402
from tests.support.mp import raises  # noqa: E402
from tests.support.mp_terminal import KID, copy_of, provisioned_flash  # noqa: E402
from tests.unit.micropython.atecc608_twin import Twin  # noqa: E402
from tools.virtual_board import VirtualBoard  # noqa: E402

TIMEOUT_S = 120
VARIANTS = ("unix64",)  # driver and set-up run on the 32-bit port in their own tests


def opened(flash):
    return provisioning.open_documents(VirtualBoard(flash=flash).board.flash)


def blank():
    return Twin(Memory(), speed_percent=5)


async def all_steps(documents, twin):
    await chip_provisioning.lock_configuration(twin.driver)
    return await chip_provisioning.make_keys(documents, KID, twin.driver)


def on_the_twins_time(twin, coroutine):
    """To its end; what it raises is raised here."""

    async def outcome():
        try:
            return await coroutine, None
        except Exception as error:
            return None, error

    result, error = twin.time.run(outcome())
    if error is not None:
        raise error
    return result


def test_a_blank_part_makes_keys_that_never_leave_it():
    flash, twin = NorFlash(8 << 20), blank()
    documents = opened(flash)
    seal_key, agreement_key = on_the_twins_time(twin, all_steps(documents, twin))
    assert (seal_key, agreement_key) == (twin.driver.public_key(0), twin.driver.public_key(1))
    assert twin.part.memory.config_locked() and twin.part.memory.data_locked()
    assert documents.names() == [document_area.KID, document_area.KEY_CHIP]
    assert decode_section(documents.get(document_area.KEY_CHIP)) == (0, 0)
    for slot in (setup.SEAL_SLOT, setup.AGREEMENT_SLOT):
        private = twin.part.memory.keys[slot].to_bytes(32, "big")
        for name in documents.names():
            assert private not in documents.get(name)


def test_a_generation_in_use_keeps_its_keys():
    twin = blank()
    documents = opened(copy_of(provisioned_flash()))
    on_the_twins_time(twin, chip_provisioning.lock_configuration(twin.driver))
    error = raises(
        AlreadyProvisioned,
        lambda: on_the_twins_time(twin, chip_provisioning.make_keys(documents, KID, twin.driver)),
    )
    assert isinstance(error, AlreadyProvisioned) and twin.part.memory.keys[0] == 0
    on_the_twins_time(twin, chip_provisioning.make_keys(documents, KID + 1, twin.driver, True))
    assert documents.names() == [document_area.KID, document_area.KEY_CHIP]


def test_a_new_generation_begins_where_the_counters_stand():
    twin = blank()
    documents = opened(NorFlash(8 << 20))
    on_the_twins_time(twin, all_steps(documents, twin))
    first = twin.part.memory.keys[0]
    for _ in range(3):
        twin.driver.increment(0)
    twin.driver.increment(1)
    on_the_twins_time(twin, chip_provisioning.make_keys(documents, KID, twin.driver))
    assert twin.part.memory.keys[0] != first
    assert decode_section(documents.get(document_area.KEY_CHIP)) == (3, 1)


def cut_in(twin, number, lands):
    """The power fails in the chip's n-th command from now on; readings change nothing, so they are not counted."""
    run_command = twin.part.engine.run
    left = [number]

    def cutting(*command):
        left[0] -= command[0] != READ
        if left[0] >= 0 or command[0] == READ:
            return run_command(*command)
        if lands:
            run_command(*command)
        raise PowerCut

    twin.part.engine.run = cutting
    return left


def finish_after_cut(flash, memory):
    """The technician begins again after the cut."""
    flash.power_on()
    twin = Twin(memory, speed_percent=5)
    documents = opened(flash)
    seal_key, _ = on_the_twins_time(twin, all_steps(documents, twin))
    assert seal_key == twin.driver.public_key(0)
    assert memory.config_locked() and memory.data_locked()
    assert documents.names() == [document_area.KID, document_area.KEY_CHIP]


def test_power_that_fails_in_any_command_is_made_up_for_by_beginning_again():
    for lands in (False, True):
        number = 0
        while True:
            flash, memory = NorFlash(8 << 20), Memory()
            twin = Twin(memory, speed_percent=5)
            left = cut_in(twin, number, lands)
            try:
                on_the_twins_time(twin, all_steps(opened(flash), twin))
            except PowerCut:
                finish_after_cut(flash, memory)
            if left[0] >= 0:
                break
            number += 1
        assert number == 10  # 2 words, 2 locks, 2 keys, 2 counters, 2 public keys, and none that fails


def test_power_that_fails_at_any_flash_operation_is_made_up_for_by_beginning_again():
    operation = 0
    while True:
        flash, memory = NorFlash(8 << 20), Memory()
        twin = Twin(memory, speed_percent=5)
        documents = opened(flash)
        flash.power_cut_after(operation, torn_bytes=operation * 5 % 200)
        try:
            on_the_twins_time(twin, all_steps(documents, twin))
            break
        except PowerCut:
            finish_after_cut(flash, memory)
        operation += 1
    assert operation >= 4


def test_a_section_that_is_none_is_no_provisioned_terminal():
    assert decode_section(encode_section((7, 2097151))) == (7, 2097151)
    for octets in (b"", b"\x02", b"\x01" + bytes(8), b"\x02" + bytes(7), b"\x02" + bytes(9)):
        raises(DocumentsMissing, decode_section, octets)
    documents = opened(copy_of(provisioned_flash()))
    documents.save({document_area.KEY_CHIP: b"\x02"})
    raises(DocumentsMissing, KeyChip, None, documents, None)
