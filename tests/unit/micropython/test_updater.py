"""A signed bundle goes into the other slot, is tried, and proves itself or falls back; everything else is refused."""

import os
import sys

from firmware import loader
from firmware.crypto import p256
from firmware.updater import Updater, UpdateRefused, release_of
from protocol.errors import AuthenticationFailed, OutOfRange, ProtocolError
from tests.support.mp import raises
from tests.support.mp_release import PUBLIC, ROOT, bundle, get, mount, new_flash, put, unmount

TIMEOUT_S = 120
FILES = {"firmware/main.mpy": b"M" * 700, "firmware/app.mpy": bytes(range(256)) * 3, "protocol/x.mpy": b"x"}
HEAD, OCTETS = bundle(5, FILES, 2)
PIECE = 300


def shop(running=4):
    """A terminal that runs `running` from slot a."""
    mount(new_flash())
    put("a/firmware/main.mpy", b"old")
    return updater(running)


def updater(running=4, slot="a"):
    return Updater(ROOT, slot, running, PUBLIC, p256.verify_steps)


def send(update, octets=OCTETS):
    while not update.is_complete:
        offset = update.next_offset
        update.write(offset, octets[offset : offset + PIECE])


def test_a_release_goes_into_the_other_slot_and_is_tried():
    update = shop()
    update.begin(HEAD)
    assert update.next_offset == 0
    send(update)
    assert loader.choose(ROOT) == "a"
    update.finish()
    for path in FILES:
        assert get("b/" + path) == FILES[path]
    assert release_of(ROOT, "b") == 5
    assert release_of(ROOT, "a") == 0
    assert loader.choose(ROOT) == "b"
    loader.confirm(ROOT, "b")
    for _ in range(9):
        assert loader.choose(ROOT) == "b"
    unmount()


def test_a_release_that_never_proves_itself_falls_back():
    update = shop()
    update.begin(HEAD)
    send(update)
    update.finish()
    started = [loader.choose(ROOT) for _ in range(loader.STARTS_ON_TRIAL + 3)]
    assert started == ["b"] * loader.STARTS_ON_TRIAL + ["a"] * 3
    unmount()


def test_nobody_begins_while_the_running_release_is_on_trial():
    update = shop()
    update.begin(HEAD)
    send(update)
    update.finish()
    assert loader.choose(ROOT) == "b"
    newer = updater(5, "b")
    head, _ = bundle(6, FILES)
    assert "on trial" in str(raises(UpdateRefused, newer.begin, head))
    loader.confirm(ROOT, "b")
    newer.begin(head)
    assert loader.choose(ROOT) == "b"
    unmount()


def test_a_newer_bundle_over_one_that_waits_for_its_start_takes_the_trial_back():
    update = shop()
    update.begin(HEAD)
    send(update)
    update.finish()
    head, octets = bundle(6, FILES)
    update.begin(head)
    assert loader.choose(ROOT) == "a"
    send(update, octets)
    update.finish()
    assert (loader.choose(ROOT), release_of(ROOT, "b")) == ("b", 6)
    unmount()


def test_what_is_whole_is_not_asked_for_again():
    update = shop()
    update.begin(HEAD)
    first = len(FILES["firmware/app.mpy"])
    update.write(0, OCTETS[: first + 10])
    again = updater()
    again.begin(HEAD)
    assert again.next_offset == first
    send(again)
    again.finish()
    unmount()


def test_another_bundle_empties_the_slot_first():
    update = shop()
    update.begin(HEAD)
    send(update)
    head, octets = bundle(6, {"firmware/main.mpy": b"new"})
    update.begin(head)
    assert update.next_offset == 0
    send(update, octets)
    update.finish()
    assert get("b/firmware/main.mpy") == b"new"
    raises(OSError, os.stat, ROOT + "b/protocol/x.mpy")
    unmount()


def test_only_the_release_key_s_bundles_for_this_chip_upwards():
    """REL-04."""
    update = shop()
    wrong = bytearray(HEAD)
    wrong[-1] ^= 1
    raises(AuthenticationFailed, update.begin, bytes(wrong))
    wrong = bytearray(HEAD)
    wrong[9] = 200  # a greater release under the old signature
    raises(AuthenticationFailed, update.begin, bytes(wrong))
    for head, word in (
        (bundle(5, FILES, chip=9)[0], "another chip"),
        (bundle(4, FILES)[0], "not newer"),
        (bundle(3, FILES)[0], "not newer"),
        (bundle(9, FILES, 5)[0], "needs at least 5"),
    ):
        assert word in str(raises(UpdateRefused, update.begin, head)), word
    raises(ProtocolError, update.begin, b"LMBU")
    raises(OSError, os.stat, ROOT + "b")
    assert loader.choose(ROOT) == "a"
    unmount()


def test_pieces_out_of_turn_spoiled_or_too_many_are_refused_with_the_place_to_go_on():
    update = shop()
    raises(UpdateRefused, update.write, 0, b"x")
    update.begin(HEAD)
    assert "begins at 0" in str(raises(OutOfRange, update.write, 5, b"x"))
    raises(UpdateRefused, update.finish)
    first = len(FILES["firmware/app.mpy"])
    update.write(0, OCTETS[:100])
    error = raises(OutOfRange, update.write, 100, b"?" * (first - 100))
    assert "firmware/app.mpy" in str(error)
    assert update.next_offset == 0
    send(update)
    raises(OutOfRange, update.write, len(OCTETS), b"x")
    update.finish()
    unmount()


def test_a_file_that_changed_on_flash_is_sent_again():
    update = shop()
    update.begin(HEAD)
    send(update)
    put("b/firmware/main.mpy", b"N" * 700)
    assert "on flash" in str(raises(OutOfRange, update.finish))
    assert loader.choose(ROOT) == "a"
    again = updater()
    again.begin(HEAD)
    send(again)
    again.finish()
    assert loader.choose(ROOT) == "b"
    unmount()


def test_the_loader_starts_something_whatever_its_line_says():
    mount(new_flash())
    put("a/firmware/main.mpy", b"a")
    for line in (b"", b"c ok", b"a", b"a b c", b"\xff\xfe", b"a maybe", b"b ok", b"b 2", b"b 0", b"a -3"):
        put("slot.txt", line)
        assert loader.choose(ROOT) == "a", line
    put("b/firmware/main.mpy", b"b")
    os.remove(ROOT + "a/firmware/main.mpy")
    for line in (b"", b"a ok", b"a 0", b"b 1"):
        put("slot.txt", line)
        assert loader.choose(ROOT) == "b", line
    unmount()


def test_a_terminal_without_the_authoritys_key_takes_none():
    shop()
    update = Updater(ROOT, "a", 4, b"", p256.verify_steps)
    assert "no authority key" in str(raises(UpdateRefused, update.begin, HEAD))
    assert loader.choose(ROOT) == "a"
    unmount()


def test_a_release_that_failed_its_trial_is_remembered_until_another_is_begun():
    update = shop()
    update.begin(HEAD)
    send(update)
    update.finish()
    assert not update.has_failed(HEAD)
    for _ in range(loader.STARTS_ON_TRIAL + 1):
        loader.choose(ROOT)
    again = updater()
    assert again.has_failed(HEAD)
    other = bundle(6, FILES)[0]
    assert not again.has_failed(other)
    again.begin(HEAD)
    again.finish()
    assert not again.has_failed(HEAD), "a technician may try it again"
    for _ in range(loader.STARTS_ON_TRIAL + 1):
        loader.choose(ROOT)
    again.begin(other)
    assert not again.has_failed(other) and not again.has_failed(HEAD)
    unmount()


def test_a_file_system_that_takes_no_mark_does_not_stop_the_way_back():
    shop()
    put("b/firmware/main.mpy", b"new")
    put("b/release.failed/x", b"a folder in the mark's place")
    put("slot.txt", b"b 0")
    assert loader.choose(ROOT) == "a"
    assert loader.read_state(ROOT) == ("a", -1)
    unmount()


def test_of_two_bundles_that_are_begun_the_last_counts_at_whatever_step():
    """A technician's cable comes in while one is begun over the air, which gives way between its steps."""
    other, octets = bundle(6, {"firmware/main.mpy": b"N" * 500, "firmware/new.mpy": b"n"})

    def believe(public, digest, signature):
        yield
        return True

    steps = 1
    is_over = False
    while not is_over:
        mount(new_flash())
        put("a/firmware/main.mpy", b"old")
        put("b/protocol/x.mpy", b"left from before")
        update = Updater(ROOT, "a", 4, PUBLIC, believe)
        first = update.begin_steps(HEAD)
        try:
            for _ in range(steps):
                next(first)
        except StopIteration:
            is_over = True
        update.begin(other)
        update.write(0, octets[:100])
        if not is_over:
            assert "another bundle" in str(raises(UpdateRefused, list, first))
        assert update.release == 6 and update.next_offset == 100
        send(update, octets)
        update.finish()
        assert release_of(ROOT, "b") == 6
        unmount()
        steps += 1
    assert steps > 4


def started():
    """How `loader.start` ends in a process of its own, where nothing of the firmware is loaded yet."""
    held = {}
    for name in list(sys.modules):
        if name.split(".")[0] == "firmware":
            held[name] = sys.modules.pop(name)
    path = list(sys.path)
    try:
        loader.start(ROOT)
        return None
    except (SystemExit, ValueError, RuntimeError) as error:
        return type(error)
    finally:
        for name in list(sys.modules):
            if name.split(".")[0] == "firmware":
                sys.modules.pop(name)
        sys.modules.update(held)
        sys.path[:] = path


def test_a_release_on_trial_that_does_not_load_or_fails_restarts_until_the_one_before_runs():
    for broken in (
        {"firmware/main.mpy": b"no bytecode"},
        {"firmware/main.mpy": b"", "firmware/main.py": b"import nothing_of_that_name"},
        {"firmware/main.mpy": b"", "firmware/main.py": b"def start(root, slot):\n    raise RuntimeError"},
    ):
        mount(new_flash())
        put("a/firmware/main.mpy", b"")
        put("a/firmware/main.py", b"def start(root, slot):\n    global ran\n    ran = (root, slot)")
        for path in broken:
            put("b/" + path, broken[path])
        loader.write_state(ROOT, "b", loader.STARTS_ON_TRIAL)
        for _ in range(loader.STARTS_ON_TRIAL):
            assert started() is SystemExit, broken
        assert started() is None
        assert loader.read_state(ROOT) == ("a", -1)
        assert get("b/" + loader.FAILED) == b""
        unmount()


def test_the_error_of_a_proved_release_is_left_to_whoever_looks():
    mount(new_flash())
    put("a/firmware/main.mpy", b"no bytecode")
    assert started() is ValueError
    unmount()
