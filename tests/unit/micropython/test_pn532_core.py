"""The driver's core builds and reads host frames as UM0701-02 says, and finds its way back from garbage."""

from firmware.card.errors import CARDS_COLLIDE, CardProtocolError, CardRemoved, ReaderError
from firmware.drivers import pn532_core as core
from hardware import pn532_frames
from tests.support.mp import raises, vectors

ACK = bytes.fromhex("0000ff00ff00")
VERSION_ANSWER = bytes.fromhex("0000ff06fad50332010607e800")


def polled(*chunks, command=core.GET_FIRMWARE_VERSION):
    """What one command hears: the events of polling after each chunk, and the core."""
    machine = core.Core()
    machine.begin(command)
    events = []
    for chunk in chunks:
        machine.feed(chunk)
        event = machine.poll()
        while event != core.PENDING:
            events.append(event)
            event = machine.poll()
    return events, machine


def test_frames_are_built_octet_for_octet():
    assert core.frame(0x02, b"") == bytes.fromhex("0000ff02fed4022a00")
    assert core.frame(0x14, b"\x01\x00\x01") == bytes.fromhex("0000ff05fbd4140100011600")
    # 253 octets of parameters just fit a normal frame, one more makes it extended
    assert core.frame(0x40, bytes(253))[:6] == bytes.fromhex("0000ffff01d4")
    assert core.frame(0x40, bytes(254))[:9] == bytes.fromhex("0000ffffff0100ffd4")
    assert len(core.frame(0x40, bytes(263))) == core.FRAME_OCTETS_MAX
    assert "266" in str(raises(ValueError, core.frame, 0x40, bytes(264)))


def test_acknowledgement_and_answer():
    events, machine = polled(ACK, VERSION_ANSWER)
    assert events == [core.ACKNOWLEDGED, core.ANSWERED]
    assert machine.answer == bytes.fromhex("32010607")


def test_everything_in_one_read_and_octet_by_octet():
    for chunks in ((ACK + VERSION_ANSWER,), [bytes([octet]) for octet in ACK + VERSION_ANSWER]):
        events, machine = polled(*chunks)
        assert events == [core.ACKNOWLEDGED, core.ANSWERED]
        assert machine.answer == bytes.fromhex("32010607")


def test_needed_is_never_too_much_and_ends_at_the_frame():
    """Reading just what is needed, as SPI does, takes each frame to its last octet and not beyond."""
    for size in (0, 1, 40, 252, 253, 254, 262):
        stream = pn532_frames.build(bytes([0x41]) + bytes(size))
        machine = core.Core()
        machine.begin(core.IN_DATA_EXCHANGE)
        machine.assume_acknowledged()
        at = 0
        while machine.poll() == core.PENDING:
            want = machine.needed()
            assert 0 < want <= len(stream) - at
            machine.feed(stream[at : at + want])
            at += want
        assert at == len(stream) and machine.answer == bytes(size)


def test_garbage_before_a_frame_is_skipped_and_counted():
    for garbage in (b"\x12\x34", b"\x00\x00\x00", b"\xff\xfe\x00", b"\x00\xff\x05\x01", b"RaspberryPi"):
        events, machine = polled(garbage + ACK + garbage + VERSION_ANSWER)
        assert events == [core.ACKNOWLEDGED, core.ANSWERED], garbage
        assert machine.skipped_octets > 0


def test_an_answer_before_the_acknowledgement_is_stale():
    events, machine = polled(VERSION_ANSWER, ACK, VERSION_ANSWER)
    assert events == [core.ACKNOWLEDGED, core.ANSWERED]
    assert machine.stale_answers == 1


def test_an_answer_to_another_command_is_stale():
    other = bytes.fromhex("0000ff02fed5151600")
    events, machine = polled(ACK, other, VERSION_ANSWER)
    assert events == [core.ACKNOWLEDGED, core.ANSWERED]
    assert machine.stale_answers == 1


def test_after_a_garbled_acknowledgement_the_answer_counts():
    machine = core.Core()
    machine.begin(core.GET_FIRMWARE_VERSION)
    machine.feed(b"\x00\x80")
    machine.assume_acknowledged()
    machine.feed(VERSION_ANSWER)
    assert machine.poll() == core.ANSWERED


def test_every_damaged_octet_of_an_answer_is_noticed():
    """One flipped bit, or one lost octet, never gives another answer."""
    good = VERSION_ANSWER
    for at in range(len(good)):
        variants = [good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :] for bit in range(8)]
        variants.append(good[:at] + good[at + 1 :])
        for bad in variants:
            machine = core.Core()
            machine.begin(core.GET_FIRMWARE_VERSION)
            machine.feed(ACK + bad)
            assert machine.poll() == core.ACKNOWLEDGED
            try:
                if machine.poll() == core.ANSWERED:
                    assert machine.answer == bytes.fromhex("32010607")
            except core.FrameDamaged:
                assert machine.damaged_frames == 1


def test_after_damage_the_repeated_frame_is_read():
    machine = core.Core()
    machine.begin(core.GET_FIRMWARE_VERSION)
    machine.feed(ACK + VERSION_ANSWER[:8] + b"\x00" + VERSION_ANSWER[9:])
    assert machine.poll() == core.ACKNOWLEDGED
    raises(core.FrameDamaged, machine.poll)
    machine.feed(VERSION_ANSWER)
    assert machine.poll() == core.ANSWERED


def test_error_frame_before_and_after_the_acknowledgement():
    machine = core.Core()
    for acknowledged in (False, True):
        machine.begin(core.RF_CONFIGURATION)
        if acknowledged:
            machine.feed(ACK)
            assert machine.poll() == core.ACKNOWLEDGED
        machine.feed(pn532_frames.ERROR)
        exc = raises(core.CommandRejected, machine.poll)
        assert exc.executed == acknowledged and "0x32" in str(exc)


def test_target_data_is_read_or_refused():
    found = bytes.fromhex("010100042004081122330678778002" + "00")
    target = core.parse_targets(found)
    assert (target.atqa, target.sak, target.uid) == (b"\x00\x04", 0x20, b"\x08\x11\x22\x33")
    assert core.parse_targets(b"\x00") is None
    assert raises(core.TwoCardsInField, core.parse_targets, b"\x02" + found[1:]).code == CARDS_COLLIDE
    for size in range(len(found)):
        raises((core.FrameDamaged, CardProtocolError), core.parse_targets, found[:size])
    raises(CardProtocolError, core.parse_targets, found + b"\x00")
    raises(CardProtocolError, core.parse_targets, bytes.fromhex("0101000408041122334400"))


def test_status_octets_become_typed_errors():
    expected = {
        CardRemoved: (0x01, 0x02, 0x03, 0x04, 0x05, 0x0A, 0x2B),
        core.TwoCardsInField: (0x06,),
        CardProtocolError: (0x0B, 0x12, 0x13),
        ReaderError: (0x07, 0x09, 0x0D, 0x0E, 0x10, 0x14, 0x23, 0x25, 0x26, 0x27, 0x29, 0x2D, 0x3F),
    }
    for exc_type in expected:
        for status in expected[exc_type]:
            for flags in (0x00, 0x40, 0x80):
                exc = raises(exc_type, core.parse_exchange, bytes([status | flags, 0x90, 0x00]), 0, 300)
                assert type(exc) is exc_type
    assert core.parse_exchange(b"\x00\x90\x00", 0, 300) == (b"\x90\x00", False)
    assert core.parse_exchange(b"\x40\x90\x00", 0, 300) == (b"\x90\x00", True)
    raises(core.FrameDamaged, core.parse_exchange, b"", 0, 300)
    raises(CardProtocolError, core.parse_exchange, b"\x40", 0, 300)
    raises(CardProtocolError, core.parse_exchange, b"\x00\x90\x00", 299, 300)


# ---------------------------------------------------------------------- recorded host frames


def all_steps():
    recorded = vectors("pn532_host_frames.json")
    yield "device_init_sequence", recorded["device_init_sequence"]
    for case in recorded["cases"]:
        yield case["id"], case["steps"]


def is_whole_answer(octets, command):
    """Judged by the manual's table alone, frame by frame, without the core's parser."""
    if octets[:3] != b"\x00\x00\xff" or octets[-1:] != b"\x00":
        return False
    extended = octets[3:5] == b"\xff\xff"
    size = octets[5] << 8 | octets[6] if extended else octets[3]
    head = octets[5:8] if extended else octets[3:5]
    body = octets[8:-1] if extended else octets[5:-1]
    right = not sum(head) & 0xFF and len(body) == size + 1 and not sum(body) & 0xFF
    return right and size >= 2 and body[:2] == bytes([0xD5, command + 1])


def test_recorded_commands_are_built_alike():
    built = 0
    for name, steps in all_steps():
        for step in steps:
            octets = bytes.fromhex(step.get("tx", ""))
            decoder = pn532_frames.FrameDecoder()
            decoder.feed(octets)
            frame = decoder.next()
            if frame and frame[0] == pn532_frames.GOT_COMMAND:
                lead = len(octets) - len(core.frame(frame[1][0], frame[1][1:]))
                assert octets[:lead] == bytes(lead), name  # the serial line's preamble
                assert octets[lead:] == core.frame(frame[1][0], frame[1][1:]), name
                built += 1
            elif frame:
                assert octets in (core.ACK_FRAME, core.NACK_FRAME), name
    assert built > 250, built


def test_recorded_answers_are_read_alike():
    """Each answer counts if and only if it is a whole answer to the command before it and was acknowledged."""
    read = refused = 0
    for name, steps in all_steps():
        machine, command, acknowledged = core.Core(), None, False
        for step in steps:
            if "tx" in step:
                octets = bytes.fromhex(step["tx"])
                at = octets.find(b"\xd4")
                command, acknowledged = (octets[at + 1] if at > 0 else None), False
                if command is not None:
                    machine.begin(command)
            if "rx" not in step or command is None:
                continue
            octets = bytes.fromhex(step["rx"])
            machine.feed(octets)
            try:
                event = machine.poll()
            except (core.FrameDamaged, core.CommandRejected):
                event = None
            if octets == ACK:
                assert event == core.ACKNOWLEDGED, name
                acknowledged = True
            elif acknowledged and is_whole_answer(octets, command):
                assert event == core.ANSWERED, name
                assert machine.answer == octets[10 if octets[3:5] == b"\xff\xff" else 7 : -2], name
                read += 1
            else:
                assert event != core.ANSWERED, name
                refused += 1
    assert read > 250 and refused > 5


def test_real_logs():
    logs = {log["id"]: log["steps"] for log in vectors("pn532_host_frames.json")["real_logs"]}
    steps = logs["node-pn532-issue12"]
    assert core.frame(core.SAM_CONFIGURATION, core.NORMAL_MODE_WITH_IRQ) == bytes.fromhex(steps[0]["tx"])
    events, _ = polled(bytes.fromhex(steps[1]["rx"]), command=core.SAM_CONFIGURATION)
    assert events == [core.ACKNOWLEDGED, core.ANSWERED]
    # A reader that had activated the card without RATS: no ATS, so no ISO-DEP, whatever the SAK promises.
    answer = bytes.fromhex(logs["libnfc-issue263"][1]["rx_payload"])[2:]
    assert "ATS" in str(raises(CardProtocolError, core.parse_targets, answer))
    events, machine = polled(ACK, bytes.fromhex(logs["pn532-readme-errors"][1]["rx"]), command=0x40)
    assert events == [core.ACKNOWLEDGED, core.ANSWERED] and machine.answer == b"\x00"
    machine.begin(0x40)
    machine.feed(ACK + bytes.fromhex(logs["pn532-readme-errors"][2]["rx"]))
    assert machine.poll() == core.ACKNOWLEDGED
    raises(core.CommandRejected, machine.poll)
