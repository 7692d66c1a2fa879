"""The command line without a running gateway: exit statuses, JSON, and that nothing secret is printed."""

import json
import sqlite3

import pytest

from gateway import cli_parts, spool
from gateway.errors import DaemonSilentError
from gateway.publish import Order
from gateway.store.interface import Changes, EvidenceRow
from gateway.store.lock import WriterLock
from gateway.store.sqlite import LOCK_NAME, SqliteReader, SqliteStore
from gateway.verdicts import Fault
from gateway.writer import RESTORED
from protocol import carry, frame
from tests.support.frames import Authority, Terminal
from tests.support.gateway_desk import Desk
from tests.support.gateway_rig import NOW_MS


@pytest.fixture
def desk(tmp_path):
    """Before `init`."""
    return Desk(tmp_path)


@pytest.fixture
def furnished(desk):
    """Keys, epoch, policy, roster, one registered terminal with a grant; its records are sealed."""
    terminal = desk.open()
    for _ in range(3):
        terminal.redeem()
    desk.deliver(terminal.frame(1, 3), terminal.frame(4, 5), terminal.frame(6, 6)[:-1], terminal.report())
    return desk


def test_init_makes_private_keys_and_a_request_once(desk):
    told = desk.json("init")
    assert len(desk.request) == 132
    assert desk.request[:4].hex() == told["key_id"]
    assert "has keys already" in desk.run("init", status=3)
    second = desk.json("init", "--another")
    assert second["key_id"] != told["key_id"]


def test_config_show_is_commented_toml_without_secrets(desk):
    text = desk.run("--set", "mqtt.password=hunter2", "config", "show")
    assert "hunter2" not in text
    assert "# Broker host.\nhost = " in text
    assert desk.json("config", "show")["mqtt"]["port"] == 1883


def test_an_unknown_key_is_named_and_ends_with_status_2(desk):
    assert "mqtt.hots" in desk.run("--set", "mqtt.hots=x", "config", "show", status=2)


def test_documents_are_refused_with_status_4(desk):
    desk.run("init")
    stranger = Authority("stranger")
    policy = desk.file("policy.bin", stranger.policy())
    assert "signature does not verify" in desk.run("publish", "policy", policy, status=4)
    terminal = Terminal(7, stranger, desk.request)
    assert "terminal" in desk.run("register", desk.file("t.cert", terminal.certificate), status=4)
    desk.run("register", desk.file("short.cert", b"short"), status=4)
    assert "No certificate" in desk.run("revoke", "7", status=4)
    desk.run("publish", "grant", desk.file("grant-00000007-1.bin", bytes(90)), status=4)


def test_an_epoch_for_other_keys_is_refused(desk):
    desk.run("init")
    other = Desk(desk.folder / "other") if (desk.folder / "other").mkdir() is None else None
    other.run("init")
    foreign = bytearray(desk.authority.epoch(other.request))
    assert "no such key" in desk.run("publish", "epoch", desk.file("e", bytes(foreign)), status=3)
    mixed = desk.request[:4] + other.request[4:]
    assert "gateway's keys" in desk.run(
        "publish", "epoch", desk.file("e", desk.authority.epoch(mixed)), status=4
    )


def test_an_older_epoch_is_refused(desk):
    desk.run("init")
    desk.run("publish", "epoch", desk.file("e2", desk.authority.epoch(desk.request, 2)))
    assert "held" in desk.run(
        "publish", "epoch", desk.file("e1", desk.authority.epoch(desk.request, 1)), status=4
    )
    desk.run("publish", "epoch", desk.file("e2", desk.authority.epoch(desk.request, 2)))


def test_a_kid_is_registered_with_one_certificate_only(furnished):
    assert furnished.json("register", furnished.folder / "terminal-0000002a.cert")["already"] is True
    other = Terminal(42, furnished.authority, furnished.request, seed="other")
    text = furnished.run("register", furnished.file("other.cert", other.certificate), status=4)
    assert "another one is registered" in text


def test_a_number_is_registered_checked_and_never_repeated(furnished):
    number = "+6281234567890"
    for wrong in ("6281234567890", "+62", "+62812345678901234", "+62-812-3456", "+62812345678\n", "BANK"):
        text = furnished.run("telephone", "2a", wrong, status=2)
        assert wrong.strip() not in text
    assert furnished.json("status")["terminals"][0]["reached_by_sms"] is False
    assert number not in furnished.run("telephone", "2a", number)
    text = furnished.run("status", "--json")
    assert json.loads(text)["terminals"][0]["reached_by_sms"] is True
    assert number[1:] not in text + furnished.run("status")
    furnished.run("telephone", "2a", status=2)
    furnished.run("telephone", "2a", number, "--erase", status=2)
    furnished.run("telephone", "2a", "--erase")
    assert furnished.json("status")["terminals"][0]["reached_by_sms"] is False
    furnished.run("telephone", "2b", number, status=4)


def test_a_grant_needs_to_know_for_whom(furnished):
    path = furnished.file("july.bin", (furnished.folder / "grant-0000002a-1.bin").read_bytes())
    assert "--kid" in furnished.run("publish", "grant", path, status=2)
    assert furnished.json("publish", "grant", path, "--kid", "2a")["programme"] == 1


def test_status_tells_money_marks_and_counters(furnished):
    told = furnished.json("status")
    assert told["health"]["running"] is False
    terminal = told["terminals"][0]
    assert (terminal["kid"], terminal["state"], terminal["sealed_through"]) == ("0000002a", "active", 5)
    assert terminal["report"]["head"] == 6
    assert told["totals"]["pending_rupiah"] == terminal["totals"]["pending_rupiah"] == 400_000
    assert told["counters"]["frames_invalid"] == 1
    assert told["outbox_runs"] == 2
    text = furnished.run("status")
    assert "0000002a" in text
    assert "400.000" in text


def test_status_shows_revoked_frozen_and_stopped(furnished):
    furnished.run("revoke", "0000002a")
    assert furnished.json("status")["terminals"][0]["state"] == "revoked"


def test_status_alarms_where_the_database_is_older_than_what_terminals_heard(furnished):
    """Also while no gateway runs."""
    assert furnished.json("status")["restored"] is False
    store = SqliteStore.create(furnished.data)
    store.apply(Changes(values={RESTORED: 1}))
    store.close()
    assert furnished.json("status")["restored"] is True
    assert "acknowledging is STOPPED" in furnished.run("status")


def test_resume_clears_a_stop(furnished):
    store = SqliteStore.create(furnished.data)
    store.apply(Changes(stopped=[(42, "seal")]))
    store.close()
    assert furnished.json("status")["terminals"][0]["state"] == "stopped"
    assert furnished.json("resume", "2a")["was"] == "seal"
    assert furnished.json("status")["terminals"][0]["state"] == "active"


def test_records_newest_first_and_in_full(furnished):
    told = furnished.json("records", "--limit", "2")
    assert [(row["sequence"], row["kind"], row["state"]) for row in told] == [
        (5, "redemption", "pending"), (4, "redemption", "pending"),
    ]  # fmt: skip
    full = furnished.json("records", "--kid", "2a", "--full")
    assert full[0]["octets"] == furnished.terminal.octets[5].hex()
    assert full[0]["fields"]["amount_rupiah"] == 200_000
    assert "redemption" in furnished.run("records")


def test_evidence_is_listed_and_taken_apart(furnished):
    listed = furnished.json("evidence", "list")
    assert [(row["outcome"], row["fault"]["field"]) for row in listed] == [("invalid", "tag")]
    shown = furnished.json("evidence", "show", listed[0]["id"])
    assert shown["decoded"]["error"]["field"] == "tag"
    assert "invalid" in furnished.run("evidence", "list", "--kid", "2a")
    assert "no such id" in furnished.run("evidence", "show", "999", status=1)


def test_decode_with_keys_prints_the_records(furnished):
    raw = furnished.terminal.frame(4, 6)
    told = furnished.json("decode", raw.hex())
    assert [row["sequence"] for row in told["records"]] == [4, 5, 6]
    assert told["records"][0]["proof"]["atc"] > 0
    assert told["error"] is None
    text = furnished.run("decode", furnished.file("frame.bin", raw))
    assert "predicted" in text
    assert "redemption" in text
    assert furnished.json("decode", furnished.file("frame.hex", raw.hex().encode() + b"\n")) == told


def test_decode_without_keys_prints_the_header(desk):
    told = desk.json("decode", "00" + "0000002a" + "800004" + "02" + "aabbccdd" + "00" * 80)
    assert [each["field"] for each in told["fields"]] == [
        "class and codec", "kid", "sealed and first sequence", "count", "salt", "seal",
    ]  # fmt: skip
    assert "no keys" in told["note"]


@pytest.mark.parametrize("count", range(13))
def test_decode_of_a_truncated_header_says_what_there_was(desk, count):
    raw = bytes.fromhex("000000002a800004020a0b0c0d")[:count]
    if not raw:
        raw = b"\x00"
    told = desk.json("decode", raw.hex(), status=4)
    assert told["error"]["field"] == "header"
    assert sum(each["octets"] for each in told["fields"]) <= len(raw)


def test_decode_says_what_was_decoded_before_the_error(furnished):
    good, bad = furnished.terminal.octets[4], bytearray(furnished.terminal.octets[5])
    bad[10] = 9
    plaintext = b"".join(bytes((len(each),)) + bytes(each) for each in (good, bad))
    head = bytes((0,)) + (42).to_bytes(4, "big") + (4).to_bytes(3, "big") + b"\x01"
    raw = frame._close(head, frame.NO_CONTEXT_DIGEST, plaintext, furnished.terminal.up)
    told = furnished.json("decode", raw.hex(), status=4)
    assert (told["error"]["field"], [row["sequence"] for row in told["records"]]) == ("tender", [4])


def test_decode_reads_reports_and_downlinks(furnished):
    assert furnished.json("decode", furnished.terminal.report().hex())["body"]["head"] == 6
    down = frame.encode_counter(frame.CLASS_DOWN, 9, 42, 5, b"x" * 70, furnished.terminal.down(1))
    assert furnished.json("decode", down.hex())["body"]["grant"] == "78" * 6
    clear = frame.encode_clear(1, 42, 5, (furnished.folder / "epoch.cert").read_bytes())
    assert furnished.json("decode", clear.hex())["body"]["epoch"] == 1


def test_decode_reads_the_text_of_a_qr_code(furnished):
    raw = furnished.terminal.frame(4, 5)
    assert furnished.json("decode", carry.qr_text(raw)) == furnished.json("decode", raw.hex())
    assert "group" in furnished.run("decode", "L1:A", status=2)


def test_decode_refuses_what_is_neither_hex_nor_a_file(desk):
    desk.run("decode", "no such thing", status=2)
    desk.run("decode", "abc", status=2)


def test_a_missing_database_is_status_5(desk):
    assert "database" in desk.run("status", status=5)


def test_without_authority_or_keys_nothing_is_published(desk):
    desk.run("publish", "policy", desk.file("p", desk.authority.policy()), status=3)
    desk.run("init")
    (desk.folder / "authority.pub").unlink()
    desk.run("publish", "policy", desk.folder / "p", status=1)
    desk.file("authority.pub", b"short")
    assert "point" in desk.run("publish", "policy", desk.folder / "p", status=4)


def test_an_exposed_key_is_status_3(desk):
    desk.run("init")
    next((desk.data / "keys").iterdir()).chmod(0o644)
    assert "0600" in desk.run("publish", "policy", desk.file("p", desk.authority.policy()), status=3)


def test_while_a_gateway_runs_orders_go_through_its_spool(furnished, monkeypatch):
    monkeypatch.setattr(cli_parts, "ANSWER_TIMEOUT_S", 0.0)
    running = SqliteStore.create(furnished.data)
    assert "did not answer" in furnished.run("revoke", "2a", status=6)
    waiting = spool.waiting(furnished.data)
    assert [(each.order, each.kid) for each in waiting] == [(Order.REVOKE, 42)]
    running.close()


def test_an_order_is_carried_out_here_as_soon_as_who_held_the_database_is_gone(furnished, monkeypatch):
    """Another command, or a gateway that ended without a look at its spool."""
    running = SqliteStore.create(furnished.data)
    monkeypatch.setattr(cli_parts.time, "sleep", lambda _: running.close())
    furnished.run("revoke", "2a")
    assert furnished.json("status")["terminals"][0]["state"] == "revoked"
    assert spool.waiting(furnished.data) == []


def test_what_a_gateway_answered_before_it_ended_is_not_done_again(furnished, monkeypatch):
    running = SqliteStore.create(furnished.data)

    def ends_with_an_answer(_):
        (order,) = spool.waiting(furnished.data)
        spool.answer(order, {"kid": "0000002a", "already": "answered"})
        running.close()

    monkeypatch.setattr(cli_parts.time, "sleep", ends_with_an_answer)
    assert furnished.json("revoke", "2a")["already"] == "answered"
    assert furnished.json("status")["terminals"][0]["state"] == "active"


def test_an_order_that_failed_here_is_not_carried_out_later(furnished):
    database = sqlite3.connect(furnished.data / "gateway.sqlite3")
    with database:
        database.execute("UPDATE schema_version SET version = 99")
    database.close()
    assert "newer" in furnished.run("revoke", "2a", status=5)
    assert spool.waiting(furnished.data) == []


def test_an_order_that_cannot_be_left_says_why(desk):
    desk.data.write_bytes(b"no directory")
    assert str(desk.data) in desk.run("revoke", "2a", status=1)
    assert spool.waiting(desk.data) == []


def test_a_gateway_that_starts_waits_for_a_command_at_the_database(furnished):
    command = SqliteStore.create(furnished.data)
    slept = []

    def ends(seconds):
        slept.append(seconds)
        command.close()

    lock = WriterLock(furnished.data / LOCK_NAME)
    lock.acquire(30.0, ends)
    lock.release()
    assert len(slept) == 1


def test_one_more_pair_of_keys_can_be_made_while_a_gateway_runs(furnished):
    running = SqliteStore.create(furnished.data)
    assert len(furnished.json("init", "--another")["key_id"]) == 8
    running.close()


def test_the_spool_carries_orders_and_answers(tmp_path):
    first = spool.put(tmp_path, Order.ROSTER, b"octets", 0, 1)
    second = spool.put(tmp_path, Order.REVOKE, b"", 42, 2)
    (tmp_path / "spool" / "00-broken.order").write_text("{")
    (tmp_path / "spool" / "01-not-to-be-read.order").mkdir()
    waiting = spool.waiting(tmp_path)
    assert [(each.path, each.order, each.octets, each.kid) for each in waiting] == [
        (first, Order.ROSTER, b"octets", 0), (second, Order.REVOKE, b"", 42),
    ]  # fmt: skip
    slept = []
    with pytest.raises(DaemonSilentError):
        spool.wait(first, 1.0, lambda: None, slept.append)
    assert slept
    spool.answer(waiting[0], {"digest": "ab"})
    assert spool.wait(first, 1.0, lambda: None, slept.append) == {"digest": "ab"}
    assert [each.path for each in spool.waiting(tmp_path)] == [second]


def test_an_order_that_was_answered_by_a_gateway_that_was_killed_behind_it_is_done(tmp_path):
    def killed():
        path = spool.put(tmp_path, Order.REVIEW, b"why", 42, 1)
        (order,) = spool.waiting(tmp_path)
        spool.answer(order, {"kid": "0000002a"})
        return spool.put(tmp_path, Order.REVIEW, b"why", 42, 1) == path and path

    path = killed()
    assert spool.answered(path) == {"kid": "0000002a"}
    assert spool.waiting(tmp_path) == []
    killed()
    assert spool.waiting(tmp_path) == [], "also where nobody has read the answer yet"


def test_evidence_without_a_fault_is_shown(furnished):
    store = SqliteStore.create(furnished.data)
    rows = [
        EvidenceRow(90, 7, "unknown_terminal", None, NOW_MS, "mqtt", b""),
        EvidenceRow(91, 7, "invalid", Fault("Truncated", "header", 0, "short"), NOW_MS, "mqtt", b""),
    ]
    store.apply(Changes(evidence=rows))
    store.close()
    assert len(furnished.json("evidence", "list", "--kid", "7")) == 2
    furnished.json("evidence", "show", "90")
    reader = SqliteReader.open(furnished.data)
    assert reader.evidence_ids(7) == [90, 91]
    reader.close()
