"""`import` and `export` without a running gateway: what is new, known and refused in each file, and what goes back."""

from __future__ import annotations

import hashlib

import pytest

from gateway import cli_carry, photographs, signatures
from gateway.store.interface import Changes, RecordState
from gateway.store.sqlite import SqliteReader, SqliteStore
from gateway.writer import RESTORED
from protocol import acknowledgement, carry, certificates, frame, notice, rescue
from tests.support import photographs as taken
from tests.support.frames import Authority, Terminal
from tests.support.gateway_desk import Desk


@pytest.fixture
def desk(tmp_path):
    """A gateway with one terminal that has adopted its documents and redeemed nine times."""
    made = Desk(tmp_path)
    terminal = made.open()
    for _ in range(9):
        terminal.redeem()
    return made


def packed(*frames):
    """A carry file."""
    return b"".join(map(carry.pack, frames))


def sums(told):
    """(new, duplicate, refused) of each file."""
    return [(one["new"], one["duplicate"], one["refused"]) for one in told["files"]]


def stored(desk):
    """Sequences that are sealed, and how often anything was stored of each."""
    reader = SqliteReader.open(desk.data)
    found = [row.sequence for row in reader.records(42, 1, 1000)]
    reader.close()
    return found


def frames_of(terminal):
    """Twelve records in four frames."""
    return [terminal.frame(1, 3), terminal.frame(4, 6), terminal.frame(7, 9), terminal.frame(10, 12)]


def test_a_carry_file_is_new_once_and_duplicate_ever_after(desk):
    path = desk.file("usb.lmb", packed(*frames_of(desk.terminal)))
    told = desk.json("import", path)
    assert sums(told) == [(4, 0, 0)]
    assert told["files"][0]["sort"] == "carry file"
    assert told["terminals"] == [
        {"kid": "0000002a", "state": "active", "sealed_through": 12, "booked_through": 0, "gaps": []}
    ]
    assert sums(desk.json("import", path, path)) == [(0, 4, 0), (0, 4, 0)]
    assert stored(desk) == list(range(1, 13))


def test_what_is_missing_is_named_until_it_is_brought(desk):
    first, second, third, last = frames_of(desk.terminal)
    told = desk.json("import", desk.file("some", packed(first, last)))
    assert [piece["outcome"] for piece in told["files"][0]["pieces"]] == ["sealed", "candidate"]
    assert told["terminals"][0]["gaps"] == [[4, 6, False]]
    text = desk.run("import", desk.file("more", packed(third)))
    assert "terminal 0000002a: active, sealed through 3, missing 4 to 6" in text
    text = desk.run("import", desk.file("rest", packed(second)))
    assert "1 new, 0 duplicate, 0 refused" in text
    assert "sealed through 12, nothing missing before that" in text
    assert stored(desk) == list(range(1, 13))


def test_a_cut_file_gives_what_came_before_the_cut(desk):
    path = desk.file("cut", packed(*frames_of(desk.terminal))[:-30])
    told = desk.json("import", path, status=4)
    assert sums(told) == [(3, 0, 1)]
    last = told["files"][0]["pieces"][-1]
    assert (last["outcome"], last["fault"]["error"]) == ("not_carried", "Truncated")
    assert stored(desk) == list(range(1, 10))
    assert "Truncated: frame at octet" in desk.run("import", path, status=4)


def test_damage_in_the_middle_costs_one_frame(desk):
    whole = bytearray(packed(*frames_of(desk.terminal)[:3]))
    whole[len(packed(desk.terminal.frame(1, 3))) + 20] ^= 1
    told = desk.json("import", desk.file("hurt", bytes(whole)), status=4)
    assert sums(told) == [(2, 0, 1)]
    assert stored(desk) == [1, 2, 3]


@pytest.mark.parametrize(
    "octets", [b"", b"garbage", bytes(5000), b"%PDF-1.7 ...", b"Beras 10 kg\n"], ids=range(5)
)
def test_something_else_is_refused_by_name(desk, octets):
    told = desk.json("import", desk.file("other", octets), status=4)
    (piece,) = told["files"][0]["pieces"]
    assert told["files"][0]["sort"] == "unknown"
    assert piece["fault"]["reason"] == "is nothing that a terminal carries out"


def test_of_many_refusals_the_first_are_printed_and_all_are_counted(desk):
    text = desk.run("import", desk.file("magic", carry.MAGIC * 100), status=4)
    assert "0 new, 0 duplicate, 100 refused" in text
    assert "and 80 more" in text
    assert len(text.splitlines()) < 30


def test_one_bad_file_stops_no_other(desk):
    good = desk.file("good", packed(*frames_of(desk.terminal)))
    told = desk.json("import", desk.file("bad", b"garbage"), good, status=4)
    assert sums(told) == [(0, 0, 1), (4, 0, 0)]


def test_a_file_too_large_is_not_read(desk, monkeypatch):
    monkeypatch.setattr(cli_carry, "OCTETS_MAX", 100)
    told = desk.json("import", desk.file("large", bytes(101)), status=4)
    assert told["files"][0]["pieces"][0]["fault"]["field"] == "size"


def test_photographs_of_a_receipt_bring_its_frames(desk):
    """Taken in two parts, with somebody else's code beside ours; taken again, nothing is new."""
    small = [desk.terminal.frame(number, number) for number in range(4, 13)]
    assert all(len(raw) <= frame.SMS_OCTETS_MAX for raw in small)
    first = desk.file("first.jpg", taken.jpeg(taken.turned(taken.receipt(small[:4]), 3)))
    second = desk.file("second.png", taken.png(taken.receipt(small[4:])))
    usb = desk.file("usb", packed(desk.terminal.frame(1, 3)))
    told = desk.json("import", usb, second, first)
    assert sums(told) == [(1, 0, 0), (5, 0, 0), (4, 0, 0)]
    assert [one["sort"] for one in told["files"]] == ["carry file", "photograph", "photograph"]
    assert told["terminals"][0]["sealed_through"] == 12
    assert sums(desk.json("import", first, second)) == [(0, 4, 0), (0, 5, 0)]


def test_a_code_of_somebody_else_is_counted_and_named(desk):
    foreign = photographs.symbol("https://example.org/menu", 6)
    told = desk.json("import", desk.file("menu.png", taken.png(foreign)), status=4)
    (piece,) = told["files"][0]["pieces"]
    assert (piece["place"], piece["fault"]["field"]) == ("code 1", "prefix")
    told = desk.json("import", desk.file("sky.png", taken.png(foreign.resize((5, 5)))), status=4)
    assert told["files"][0]["pieces"][0]["fault"]["reason"] == "shows no QR code"
    told = desk.json("import", desk.file("cut.png", taken.png(foreign)[:200]), status=4)
    assert "cannot be opened" in told["files"][0]["pieces"][0]["fault"]["reason"]


def test_scanned_texts_come_line_by_line(desk):
    lines = [carry.qr_text(raw) for raw in frames_of(desk.terminal)]
    text = "\r\n".join([*lines[:2], "", "https://example.org", lines[2][:-1], lines[3]])
    told = desk.json("import", desk.file("scanned.txt", text.encode()), status=4)
    assert sums(told) == [(3, 0, 2)]
    assert [piece["place"] for piece in told["files"][0]["pieces"] if piece["became"] == "refused"] == [
        "line 4", "line 5",
    ]  # fmt: skip


def test_a_saved_frame_is_known_by_its_name(desk):
    raw = desk.terminal.frame(1, 3)
    assert sums(desk.json("import", desk.file("0000002a-00000001-003.frame", raw))) == [(1, 0, 0)]
    assert sums(desk.json("import", desk.file("nameless", raw), status=4)) == [(0, 0, 1)]
    assert sums(desk.json("import", desk.file("short.frame", raw[:9]), status=4)) == [(0, 0, 1)]


def test_strangers_and_forgeries_are_refused_and_kept_as_evidence(desk):
    stranger = Terminal(77, Authority("stranger"), desk.request)
    stranger.event()
    forged = bytearray(desk.terminal.frame(1, 3))
    forged[-70] ^= 1
    told = desk.json("import", desk.file("odd", packed(stranger.frame(1, 1), bytes(forged))), status=4)
    pieces = told["files"][0]["pieces"]
    assert [piece["outcome"] for piece in pieces] == ["unknown_terminal", "invalid"]
    assert pieces[1]["fault"]["error"] == "AuthenticationFailed"
    assert [row["outcome"] for row in desk.json("evidence", "list")] == ["invalid", "unknown_terminal"]
    assert told["terminals"][0]["sealed_through"] == 0


def test_what_goes_down_is_not_taken_up(desk):
    desk.json("import", desk.file("usb", packed(*frames_of(desk.terminal))))
    desk.json("export", "2a", "--to", desk.folder / "down")
    told = desk.json("import", desk.folder / "down", status=4)
    assert {piece["fault"]["reason"] for piece in told["files"][0]["pieces"]} == {
        "is for terminal 0000002a, not from it"
    }


# Rescue bundles: records with their seals, without frames.


def bundle(terminal, *runs):
    """A bundle with runs of (first, last, whether the chain before is known)."""
    made = [
        rescue.Run(
            first,
            terminal.chains[first - 1] if is_known else b"",
            [(terminal.octets[number], terminal.seals[number]) for number in range(first, last + 1)],
        )
        for first, last, is_known in runs
    ]
    return rescue.Bundle(terminal.kid, terminal.certificate, made)


def test_a_rescue_bundle_is_sealed_without_any_frame_of_the_terminal(desk):
    path = desk.file("0000002a.rescue", rescue.encode(bundle(desk.terminal, (1, 12, True))))
    told = desk.json("import", path)
    assert told["files"][0]["sort"] == "rescue bundle"
    assert [piece["place"] for piece in told["files"][0]["pieces"]] == ["records 1 to 12"]
    assert stored(desk) == list(range(1, 13))
    assert sums(desk.json("import", path)) == [(0, 1, 0)]


def test_a_bundle_goes_on_where_frames_have_ended(desk):
    desk.json("import", desk.file("usb", packed(desk.terminal.frame(1, 3))))
    path = desk.file("it.rescue", rescue.encode(bundle(desk.terminal, (4, 7, False), (9, 12, True))))
    told = desk.json("import", path)
    assert told["terminals"][0]["sealed_through"] == 7
    assert told["terminals"][0]["gaps"] == [[8, 1, False]]


def test_a_torn_seal_or_record_in_a_bundle_costs_no_other(desk):
    torn = bundle(desk.terminal, (1, 12, True))
    records = torn.runs[0].records
    records[11] = (records[11][0], bytes(64))
    told = desk.json("import", desk.file("seal.rescue", rescue.encode(torn)))
    assert [piece["outcome"] for piece in told["files"][0]["pieces"]] == ["sealed", "candidate"]
    assert stored(desk) == list(range(1, 12))
    records[5] = (b"\xff" + records[5][0][1:], records[5][1])
    told = desk.json("import", desk.file("record.rescue", rescue.encode(torn)), status=4)
    refused = [piece for piece in told["files"][0]["pieces"] if piece["became"] == "refused"]
    assert [(piece["place"], piece["fault"]["error"]) for piece in refused[:1]] == [
        ("record 6", "UnknownVersion")
    ]


def test_a_bundle_that_is_damaged_or_of_a_stranger_is_refused_whole(desk):
    octets = rescue.encode(bundle(desk.terminal, (1, 12, True)))
    told = desk.json("import", desk.file("hurt.rescue", octets[:100] + b"x" + octets[101:]), status=4)
    assert told["files"][0]["pieces"][0]["fault"]["field"] == "digest"
    stranger = Terminal(77, desk.authority, desk.request)
    stranger.event()
    other = rescue.encode(bundle(stranger, (1, 1, True)))
    told = desk.json("import", desk.file("other.rescue", other), status=4)
    assert "not registered" in told["files"][0]["pieces"][0]["fault"]["reason"]
    assert stored(desk) == []


# What goes back.


def opened(desk, raw, epoch=1):
    """A frame as the terminal opens it: (kind, body)."""
    if raw[0] >> 6 == frame.CLASS_CLEAR:
        return "epoch", frame.open_clear(raw)[1]
    header, body = frame.open_counter(raw, desk.terminal.down(epoch))
    if header.codec != frame.DOWN_ACKNOWLEDGEMENT:
        return header.codec, body
    signed, signature = certificates.split_signature(body, "acknowledgement")
    key = signatures.load_public(desk.request[68:])
    assert signatures.verify(key, signature, acknowledgement.signed_message(42, header.counter, signed))
    return "acknowledgement", acknowledgement.decode(signed)


def exported(desk, *arguments):
    """Frames of an exported carry file."""
    told = desk.json("export", "2a", "--to", desk.folder / "down", *arguments)
    frames = [raw for _, raw, error in carry.read((desk.folder / "down").read_bytes()) if error is None]
    assert told["frames"] == len(frames)
    return frames


def apply(desk, changes):
    """Change the database behind the gateway's back."""
    store = SqliteStore.create(desk.data)
    store.apply(changes)
    store.close()


def test_the_answer_says_what_is_sealed_settled_and_missing(desk):
    first, second, _, last = frames_of(desk.terminal)
    desk.json("import", desk.file("usb", packed(first, second, last)))
    states = [(42, number, RecordState.SETTLED, "") for number in range(1, 6)]
    apply(desk, Changes(states=states, booked=[(42, 5)]))
    ((kind, told),) = [opened(desk, raw) for raw in exported(desk)]
    assert kind == "acknowledgement"
    assert (told.sealed_through, told.reclaim_through) == (6, 5)
    assert told.chain_digest == desk.terminal.chains[6][:16]
    assert (told.states_first, told.states) == (1, (acknowledgement.SETTLED,) * 5)
    assert told.gaps


def test_all_states_that_are_recalled_are_told_in_as_many_acknowledgements_as_it_takes(desk):
    for _ in range(300):
        desk.terminal.redeem()
    desk.json(
        "import",
        desk.file(
            "usb", packed(desk.terminal.frame(1, 3), desk.terminal.frame(4, 250), desk.terminal.frame(251))
        ),
    )
    states = [(42, number, RecordState.SETTLED, "") for number in range(1, 313)]
    apply(desk, Changes(states=states, booked=[(42, 312)]))
    frames = exported(desk)
    assert all(len(raw) <= frame.SMS_OCTETS_MAX for raw in frames), "each fits a QR code of the usual size"
    told = [opened(desk, raw)[1] for raw in frames]
    covered = {each.states_first + place for each in told for place in range(len(each.states))}
    assert covered == set(range(58, 313))


def test_counters_rise_from_one_export_to_the_next(desk):
    desk.json("import", desk.file("usb", packed(*frames_of(desk.terminal))))
    counters = [frame.read_header(raw).counter for _ in range(3) for raw in exported(desk)]
    assert counters == sorted(set(counters))


def test_a_grant_that_is_owed_goes_back_too_and_the_pages_say_the_same(desk):
    desk.json("import", desk.file("usb", packed(*frames_of(desk.terminal))))
    policy, roster = desk.authority.policy(), desk.authority.roster()
    under = (hashlib.sha256(roster[:-64]).digest(), hashlib.sha256(policy[:-64]).digest())
    signed = desk.authority.grant(42, *under, number=2)
    desk.run("publish", "grant", desk.file("grant-0000002a-1.bin", signed))
    told = desk.json("export", "2a", "--to", desk.folder / "down", "--qr", desk.folder / "down.png")
    frames = [raw for _, raw, _ in carry.read((desk.folder / "down").read_bytes())]
    assert [opened(desk, raw)[0] for raw in frames] == ["acknowledgement", frame.DOWN_GRANT]
    assert opened(desk, frames[1])[1] == signed
    assert told["files"] == [str(desk.folder / "down"), str(desk.folder / "down.png")]
    read = photographs.read((desk.folder / "down.png").read_bytes())
    assert [carry.from_qr_text(text) for text in read.texts] == frames


def test_a_new_epoch_goes_before_everything_else(desk):
    desk.json("import", desk.file("usb", packed(*frames_of(desk.terminal))))
    certificate = desk.authority.epoch(desk.request, 2)
    desk.run("publish", "epoch", desk.file("epoch2.cert", certificate))
    kinds = [opened(desk, raw, 2) for raw in exported(desk)]
    assert [kind for kind, _ in kinds] == ["epoch", "acknowledgement"]
    assert kinds[0][1] == certificate


def test_a_terminal_behind_its_own_seals_is_shown_them(desk):
    desk.json(
        "import",
        desk.file("usb", packed(*frames_of(desk.terminal), desk.terminal.fork(5).report())),
        status=4,
    )
    kinds = [opened(desk, raw) for raw in exported(desk)]
    assert [kind for kind, _ in kinds] == [frame.DOWN_NOTICE, "acknowledgement"]
    told = notice.decode(kinds[0][1])
    assert (told.sequence, told.seal) == (12, desk.terminal.seals[12])


def test_a_withdrawn_terminal_is_brought_that_it_was(desk):
    """STD-03: one that was replaced with its acknowledgement, one that was revoked alone."""
    desk.json("import", desk.file("usb", packed(*frames_of(desk.terminal))))
    desk.json("takeover", "2a", "--to", desk.folder / "takeover")
    kinds = [opened(desk, raw) for raw in exported(desk)]
    assert [kind for kind, _ in kinds] == [frame.DOWN_STANDING, "acknowledgement"]
    assert notice.decode_standing(kinds[0][1][:3]).why == notice.REPLACED
    desk.run("revoke", "2a")
    ((kind, unit),) = [opened(desk, raw) for raw in exported(desk)]
    assert (kind, notice.decode_standing(unit[:3]).why) == (frame.DOWN_STANDING, notice.REVOKED)


def test_export_refuses_where_nothing_may_be_signed(desk):
    to = ("--to", desk.folder / "down")
    assert "not registered" in desk.run("export", "99", *to, status=4)
    apply(desk, Changes(values={RESTORED: 1}))
    assert "publish a new epoch" in desk.run("export", "2a", *to, status=4)
    apply(desk, Changes(values={RESTORED: 0}))
    desk.run("export", "2a", status=2)
    assert not (desk.folder / "down").exists()


def test_a_file_that_cannot_be_written_is_named(desk):
    assert "down" in desk.run("export", "2a", "--to", desk.folder / "no such" / "down", status=1)
