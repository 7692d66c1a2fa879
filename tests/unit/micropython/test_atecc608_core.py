"""The ATECC608's groups on the firmware's side: what is sent, and what is made of whatever comes back."""

from firmware.drivers import atecc608_core as core
from hardware import atecc608_commands, atecc608_frames
from tests.support.mp import raises, vectors
from tests.unit.micropython.atecc608_twin import operations

INFO = core.info()[0]


def test_crc_of_known_octets():
    for octets, crc in (
        ("", "0000"),
        ("01", "0383"),
        ("0411", "3343"),
        ("0407", "40c2"),
        ("0730000000", "035d"),
    ):
        assert core.crc16(bytes.fromhex(octets)) == bytes.fromhex(crc)


def test_crc_is_the_models():
    octets = bytes(range(256)) + bytes(range(255, -1, -1))
    for size in (0, 1, 2, 5, 64, 151, 512):
        assert core.crc16(octets[:size]) == atecc608_frames.crc16(octets[:size])


def test_frames_of_the_commands():
    assert core.info()[0].frame.hex() == "030730000000035d"
    assert core.random()[0].frame.hex() == "03071b00000024cd"
    assert core.create_key(5)[0].frame.hex() == "0307400405008947"
    assert core.public_key(0)[0].frame.hex() == "0307400000000005"
    assert core.sign(0, bytes(32))[1].frame.hex() == "030741a000007b85"
    assert core.sign(0, bytes(32))[0].frame[:6].hex() == "032716430000"
    assert core.lock_config(b"\xaa\x55")[0].frame.hex()[:12] == "03071700aa55"
    assert core.read_config()[1].frame.hex() == "0307028008000a4d"
    assert core.write_config_word(20, b"\x01\x02\x03\x04")[0].frame[:10].hex() == "030b1200050001020304"


def test_shared_vectors():
    given = vectors("atecc_frames_crc.json")
    for case in given["crc_vectors"]:
        assert core.crc16(bytes.fromhex(case["data"])) == bytes.fromhex(case["crc_le"])
    frames = {}
    for case in given["request_payloads"]:
        frames[case["name"]] = case.get("frame_no_data")
    assert core.read_config()[0].frame.hex() == "03" + frames["read config 32 @0"]
    assert core.read_config()[1].frame.hex() == "03" + frames["read config 32 @block8"]
    assert core.random()[0].frame.hex() == "03" + frames["random"]
    assert core.create_key(0)[0].frame.hex() == "03" + frames["genkey create slot0"]
    assert core.create_key(5)[0].frame.hex() == "03" + frames["genkey create slot5"]
    assert core.public_key(0)[0].frame.hex() == "03" + frames["genkey public only slot0"]
    assert core.sign(0, bytes(32))[1].frame.hex() == "03" + frames["sign external slot0"]
    assert core.lock_config(b"\xaa\x55")[0].frame.hex() == "03" + frames["lock config with crc AA55"]


def test_shared_answers_of_devices():
    for case in vectors("atecc_frames_crc.json")["frames"]:
        octets = bytes.fromhex(case["frame"])
        if not case["dir"].startswith("device"):
            continue
        command = core.Command("any", 0, 0, 0, b"", len(octets) - 3, (1, 1, 1))
        if not case["verified"]:
            raises(
                core.AnswerDamaged, core.read_answer, command, octets
            )  # its CRC is wrong: special at wake only
            assert raises(core.CommandFailed, core.check_wake, octets).status == 7
        elif case["name"] == "wake/status after wake":
            core.check_wake(octets)
        elif "status" in case and case["status"] != "00":
            assert raises(core.CommandFailed, core.read_answer, command, octets).status == int(
                case["status"], 16
            )
        else:
            assert core.read_answer(command, octets) == octets[1:-2]


def test_shared_malformed_answers():
    for case in vectors("atecc_frames_crc.json")["malformed"]:
        octets = bytes.fromhex(case["frame"])
        raises(core.AnswerDamaged, core.check_wake, octets)
        for size in (1, 4, 64):
            buffer = octets + b"\xff" * max(0, size + 3 - len(octets))
            command = core.Command("any", 0, 0, 0, b"", size, (1, 1, 1))
            raises(core.AnswerDamaged, core.read_answer, command, buffer[: size + 3])


def test_the_wake_answer():
    core.check_wake(bytes.fromhex("04113343"))
    for broken in ("0407c440", "040740c2"):
        error = raises(core.CommandFailed, core.check_wake, bytes.fromhex(broken))
        assert error.status == 0x07 and "self-test" in str(error) and not error.again
    for other in ("04000340", "04113344", "ffffffff", "041133"):
        raises(core.AnswerDamaged, core.check_wake, bytes.fromhex(other))


def test_errors_name_command_and_status():
    for status, text in ((0x0F, "locked"), (0x03, "parse"), (0x05, "ECC"), (0x99, "unknown")):
        group = atecc608_frames.status(status) + bytes(3)
        error = raises(core.CommandFailed, core.read_answer, INFO, group)
        assert error.status == status and error.command == "Info"
        assert "Info" in str(error) and "0x%02x" % status in str(error) and text in str(error)


def test_only_what_may_help_is_sent_again():
    for status in range(256):
        error = core.CommandFailed("any", status)
        assert error.again is (status in (0x05, 0xEE, 0xFF))
    assert core.ChipSilent("any", "").again and core.AnswerDamaged("any", "").again
    assert not core.OutcomeUnknown("any", "").again and not core.WrongChip("any", "").again


def test_success_is_no_answer_where_octets_belong():
    raises(core.AnswerDamaged, core.read_answer, INFO, atecc608_frames.status(0) + bytes(3))


def test_verify_and_self_test_answer_with_codes_of_their_own():
    verify = core.verify(bytes(64), bytes(32), bytes(64))[1]
    assert core.read_answer(verify, atecc608_frames.status(0)) == b"\x00"
    assert core.read_answer(verify, atecc608_frames.status(1)) == b"\x01"
    for status in (0x03, 0x05, 0x0F, 0xEE, 0xFF):
        raises(core.CommandFailed, core.read_answer, verify, atecc608_frames.status(status))
    self_test = core.self_test()[0]
    assert core.read_answer(self_test, atecc608_frames.status(0x21)) == b"\x21"
    raises(core.CommandFailed, core.read_answer, self_test, atecc608_frames.status(0x0F))
    raises(core.CommandFailed, core.read_answer, core.lock_data()[0], atecc608_frames.status(0x01))


def test_times_are_those_of_the_model():
    """Both were written down from the vendor's table; this finds a slip in either."""
    rest = (core.write_config_word(16, bytes(4)), core.lock_config(bytes(2)), core.lock_data())
    seen = set()
    for operation in [operation for operation, _ in operations()] + list(rest):
        for command in operation:
            opcode = command.frame[2]
            seen.add(opcode)
            assert command.ms == atecc608_commands.TIMES_MS[opcode]
    assert seen == set(atecc608_commands.TIMES_MS)
