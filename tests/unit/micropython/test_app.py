"""The whole application with all its tasks: it starts or says why it cannot, sells, and ends with a code when it must."""

import asyncio

from firmware import main

main.load()

from firmware import provisioning, states, stopping, supervisor  # noqa: E402
from firmware.crypto import self_test  # noqa: E402
from firmware.hal import pins  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from firmware.ui import screens  # noqa: E402
from hardware.pn532_faults import NoFaults  # noqa: E402
from protocol import records  # noqa: E402
from tests.support.mp_shop import Shop, empty_flash  # noqa: E402
from tests.support.mp_terminal import (  # noqa: E402
    KID,
    Bench,
    Draws,
    copy_of,
    documents_of_the_world,
    family,
    provisioned_flash,
)
from tools.virtual_board import VirtualBoard  # noqa: E402

HEAP = "24m"
TIMEOUT_S = 240


def cannot_start(shop, code):
    """The code on the display, no restart for ten minutes, then one."""

    async def story(shop):
        await shop.see_stopped(code)
        await asyncio.sleep_ms(stopping.STOPPED_AGAIN_MS - 60_000)
        assert shop.restarts == []
        await asyncio.sleep_ms(120_000)
        assert shop.restarts == [code]

    shop.open(story)


def areas_of(flash):
    return VirtualBoard(flash=flash).board.flash


# Starting.


def test_it_starts_sells_prints_and_two_starts_keep_everything():
    shop = Shop()

    async def first(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        assert shop.shown == "granted"
        await shop.hand_over()
        await shop.cash("bank", "25*")
        assert shop.shown == "granted"
        await shop.hand_over()

    shop.open(first)
    papers = shop.papers()
    assert len(papers) == 2
    for paper, amount, name in ((papers[0], "50.000", "programme"), (papers[1], "25.000", "bank")):
        for words in ("BUKTI PENERIMAAN BANTUAN", amount, "TERCATAT", str(family(name)["index"] + 1)):
            assert words in paper, (words, paper)
        assert "Jam alat belum pasti" not in paper
        assert family(name)["pin"] not in paper

    async def second(shop):
        await shop.see("last_transaction")
        last = shop.app.terminal.last_receipt()
        assert shop.shows(
            screens.last_transaction,
            "Transaksi terakhir",
            last.sequence,
            last.state,
            25_000,
            shop.app.flow._last_values()[4],
        )
        assert [receipt.amount_rupiah for receipt in shop.app.terminal.receipts(0, 9)] == [25_000, 50_000]
        assert shop.app.ledger.journal.boots == 2

    shop.open(second)
    assert shop.restarts == []


def test_a_receipt_says_that_the_clock_is_uncertain():
    shop = Shop(rtc_epoch_s=0)

    async def story(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        await shop.hand_over()

    shop.open(story)
    assert "Jam alat belum pasti" in shop.papers()[0]


def test_a_wrong_pin_is_explained_and_keyed_anew():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        await shop.cash("bank", "25*", pin="000000")
        assert shop.shown == "refused"
        await shop.see("refused")
        await shop.press("E")
        await shop.see("pin")
        await shop.press(family("bank")["pin"] + "E")
        await shop.until(lambda: shop.shown == "granted", "granted")
        await shop.hand_over()
        assert shop.app.ledger.entitlements.tries(family("bank")["index"], 0) == 0

    shop.open(story)


def test_a_repeated_sale_offers_a_reprint_and_is_no_second_debit():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        await shop.hand_over()
        await shop.ask_for_card()
        shop.place("programme")
        await shop.see("amount")
        await shop.press("50*E")
        await shop.see("recent")
        await shop.press("E")
        await shop.see("idle")

    shop.open(story)
    assert len(shop.papers()) == 2 and "SALINAN" in shop.papers()[1]
    assert shop.app.ledger.entitlements.redeemed_rupiah == 50_000


def test_a_terminal_that_was_never_provisioned_says_302():
    cannot_start(Shop(empty_flash()), 302)


def test_keys_without_the_authoritys_documents_say_302():
    flash = empty_flash()
    provisioning.make_keys(provisioning.open_documents(areas_of(flash)), KID, Draws())
    cannot_start(Shop(flash), 302)


def test_documents_damaged_in_both_areas_say_302_and_in_one_area_do_no_harm():
    flash = copy_of(provisioned_flash())
    provisioning.open_documents(areas_of(flash)).save({document_area.BROKER_CA: b"newer"})
    places = [offset for name, offset, _ in pins.PARTITIONS if name in ("identity_a", "identity_b")]
    for number in range(2):
        for page in range(16):
            flash.page_program(places[number] + page * 256, bytes(256))
        if number == 0:

            async def story(shop):
                await shop.begin()

            Shop(flash).open(story)
    cannot_start(Shop(flash), 302)


def test_each_document_that_does_not_fit_has_its_own_code():
    for changes, code in (
        ({document_area.POLICY: bytes(100)}, 304),
        ({document_area.SEAL_PRIVATE: bytes(32)}, 304),
        ({document_area.CA_KEYS: spoiled_ca_keys()}, 307),
    ):
        flash = copy_of(provisioned_flash())
        provisioning.open_documents(areas_of(flash)).save(changes)
        cannot_start(Shop(flash), code)


def test_settings_that_cannot_be_read_cost_no_sale_and_are_told():
    flash = copy_of(provisioned_flash())
    changed = b"broker_host=\nbroker=x\nbroker_port=?\n"
    provisioning.open_documents(areas_of(flash)).save({document_area.SETTINGS: changed})
    shop = Shop(flash)

    async def story(shop):
        await shop.begin()
        assert shop.app.terminal.notices() == [states.NOTICE_SETTINGS]
        await shop.cash("programme", "50*")
        await shop.hand_over()

    shop.open(story)
    assert shop.app.settings["broker_port"] == "1883"
    assert [r.amount_rupiah for r in shop.app.terminal.receipts(0, 9)] == [50_000]


def test_a_terminal_whose_roster_is_gone_says_so_sells_nothing_and_goes_on():
    flash = copy_of(provisioned_flash())
    sold = Bench(flash)
    sold.sell("one", 10_000)
    for name, offset, _ in pins.PARTITIONS:
        if name in ("roster_a", "roster_b"):
            flash.page_program(offset, bytes(256))
    shop = Shop(flash)

    async def story(shop):
        await shop.begin()
        assert states.NOTICE_FLASH in shop.app.terminal.notices()
        assert [one.area for one in shop.app.terminal.findings()] == ["roster_a"]
        await shop.cash("programme", "50*")
        assert shop.shown == "refused"
        await shop.see("refused")

    shop.open(story)
    assert shop.restarts == []
    # What was sold before is there to be shown, printed and sent.
    assert [r.amount_rupiah for r in shop.app.terminal.receipts(0, 9)] == [10_000]
    assert shop.app.ledger.context is None


def test_new_documents_by_cable_come_into_force_with_a_restart():
    shop = Shop()
    changed = b"broker_host=\nmodem_broker_port=1884\n"

    async def story(shop):
        await shop.begin()
        commands = shop.app.console._commands
        octets = bytes((document_area.SETTINGS,)) + len(changed).to_bytes(2, "big") + changed

        class Cable:
            async def receive(self):
                return octets

        assert await commands["renew"](Cable(), []) == [("sections", 1)]
        assert shop.restarts == [], "the answer leaves first"
        await asyncio.sleep_ms(3000)
        assert shop.restarts == [0]

    shop.open(story)
    again = Shop(shop.flash)

    async def later(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        await shop.hand_over()

    again.open(later)
    assert again.app.settings["modem_broker_port"] == "1884"


def spoiled_ca_keys():
    octets = bytes.fromhex(documents_of_the_world()["sections"][str(document_area.CA_KEYS)])
    return octets[:-1] + bytes((octets[-1] ^ 1,))


def test_a_failed_self_test_says_301():
    tests = self_test._TESTS
    self_test._TESTS = tests[:-1] + ((tests[-1][0], lambda: False),)
    try:
        cannot_start(Shop(), 301)
    finally:
        self_test._TESTS = tests


def test_flash_that_cannot_be_read_says_306():
    def fail(*_):
        raise OSError(5)

    shop = Shop()
    shop.prepare = lambda shop: setattr(shop.board.board.flash["journal"]._partition, "readblocks", fail)
    cannot_start(shop, 306)


def test_a_keypad_that_is_not_there_says_308():
    shop = Shop()
    shop.prepare = lambda shop: shop.board.i2c.detach(pins.EXPANDER_ADDRESS)
    cannot_start(shop, 308)


def test_what_nobody_has_thought_of_says_300():
    def fail():
        raise KeyError("unthought of")

    shop = Shop()
    shop.prepare = lambda shop: setattr(shop.app, "assemble", fail)
    cannot_start(shop, 300)


class Dead(NoFaults):
    """A reader that hears nothing."""

    def goes_deaf(self, command_count):
        return True


def test_a_dead_reader_stops_sales_and_nothing_else():
    shop = Shop()
    shop.prepare = lambda shop: setattr(shop.board.pn532, "faults", Dead())

    async def story(shop):
        await shop.begin()
        assert states.NOTICE_READER in shop.app.terminal.notices()
        await shop.press("E")
        await shop.see("choose")
        await shop.press("1")
        await shop.see("choose")
        await shop.press("2")
        await shop.see("refused")
        await shop.press("E")
        await shop.see("idle")
        shop.board.pn532.faults = NoFaults()
        await shop.cash("programme", "50*")
        assert shop.shown == "granted"
        await shop.hand_over()
        assert states.NOTICE_READER not in shop.app.terminal.notices()

    shop.open(story)
    assert shop.restarts == []


def test_the_first_sale_finds_keys_and_a_nonce_ready():
    shop = Shop()

    async def story(shop):
        await shop.see("last_transaction")
        assert shop.app.keys.ready.is_set() and shop.app.signer.is_ready

    shop.open(story)


# Running and ending.


def test_the_watchdog_is_fed_while_all_tasks_check_in_and_never_starves():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        for _ in range(6):
            await asyncio.sleep_ms(60_000)
            assert not shop.board.watchdogs[0].expired()
        return shop.board.watchdogs[0].feeds

    assert shop.open(story) > 700
    assert shop.restarts == [] and len(shop.board.watchdogs) == 1


def crash_of(shop):
    return supervisor.decode_crash(shop.app.ledger.last_crash)


def test_a_task_that_ends_is_kept_shown_and_restarted_from():
    shop = Shop()

    async def story(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        await shop.hand_over()
        await asyncio.sleep_ms(400_000)

        def fail():
            raise RuntimeError("made up, and never shown")

        shop.app.keypad.scan = fail
        last = shop.app.terminal.last_receipt()
        await shop.see_stopped(103, (last.sequence, last.state))
        await shop.until(lambda: shop.restarts == [103], "restart")
        assert not shop.board.watchdogs[0].expired()

    shop.open(story)
    code, uptime_s, detail = crash_of(shop)
    assert (code, detail[:12]) == (103, b"RuntimeError") and 400 <= uptime_s < 600
    assert b"made up" not in detail

    async def again(shop):
        await shop.see("last_transaction")
        assert crash_of(shop)[0] == 103 and shop.app.terminal.last_receipt().amount_rupiah == 50_000

    shop.open(again)


def test_a_task_that_falls_silent_is_found_and_the_watchdog_is_not_fed_for_it():
    shop = Shop()

    async def silent(_check_in):
        while True:
            await asyncio.sleep_ms(1000)

    def prepare(shop):
        assemble = shop.app.assemble

        def assemble_and_silence():
            assemble()
            shop.app.keys.ready.set()
            shop.app.upkeep.run = silent

        shop.app.assemble = assemble_and_silence

    shop.prepare = prepare

    async def story(shop):
        await shop.until(lambda: shop.app.terminal is not None, "start")
        await asyncio.sleep_ms(20_000)
        await shop.see_stopped(202)
        await shop.until(lambda: shop.restarts == [202], "restart")

    shop.open(story)
    assert crash_of(shop)[0] == 202


def test_crashes_soon_after_each_start_are_given_time():
    shop = Shop()

    async def fail(_check_in):
        raise RuntimeError

    def prepare(shop):
        shop.app.signals.run = fail

    shop.prepare = prepare

    async def story(shop):
        await shop.see_stopped(104)
        await asyncio.sleep_ms(2 * stopping.STOPPED_MS)
        return list(shop.restarts)

    assert shop.open(story) == [104]
    shop.restarts = []
    assert shop.open(story) == []  # the second in a row is shown for longer


def test_a_task_without_a_name_that_ends_is_a_crash_like_any_other():
    shop = Shop()

    async def nameless():
        raise ValueError("nobody awaits this")

    async def story(shop):
        await shop.begin()
        shop.nameless = asyncio.create_task(nameless())
        await shop.see_stopped(100)
        await shop.until(lambda: shop.restarts == [100], "restart")

    shop.open(story)
    code, _, detail = crash_of(shop)
    assert code == 100 and detail[:10] == b"ValueError"


def test_flash_that_fails_during_a_sale_refuses_it_and_the_terminal_lives_on():
    shop = Shop()

    def fail(*_):
        raise OSError(5)

    async def story(shop):
        await shop.begin()
        await shop.cash("programme", "50*")
        await shop.hand_over()
        shop.board.board.flash["journal"]._partition.writeblocks = fail
        await shop.cash("one", "10*")
        assert shop.shown == "refused"
        await shop.see("refused")
        await shop.press("E")
        await shop.see("idle")
        assert states.NOTICE_FLASH in shop.app.terminal.notices()
        shop.board.remove_card()
        await asyncio.sleep_ms(60_000)
        await shop.press("M")
        await shop.see("choose")
        await shop.press("4")  # reprint
        await shop.until(lambda: len(shop.papers()) == 2, "a copy")

    shop.open(story)
    assert shop.restarts == []
    assert sum([r.amount_rupiah for r in shop.app.terminal.receipts(0, 9)]) == 50_000
    assert [r.kind for r in redemptions(shop)] == [records.REDEMPTION]


def redemptions(shop):
    ledger = shop.app.ledger
    return [
        slot for slot in ledger.records_from(1, ledger.journal.sequence) if slot.kind == records.REDEMPTION
    ]
