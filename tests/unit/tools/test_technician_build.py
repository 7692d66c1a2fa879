"""A build holds every file once, is the same every time, is signed, and takes no runtime that is damaged or another's.

The runtime is a synthetic image that esptool wrote: the real one was never at hand here.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from protocol import release
from tools import pinmap
from tools.authority.signing import SigningKey
from tools.lint.compile import compile_file
from tools.technician import build, filesystem, partitions, runtime
from tools.technician.__main__ import main
from tools.technician.errors import LAPTOP_CODE, RuntimeImageError, TooLargeError
from tools.virtual_terminal import esp_image

BOARD = pinmap.load()


@pytest.fixture(scope="module")
def key():
    return SigningKey.generate()


@pytest.fixture(scope="module")
def application():
    return build.compile_application()


@pytest.fixture(scope="module")
def built(key, application):
    return build.build(runtime.cut(esp_image.merged(), BOARD), application, BOARD, 7, 3, key)


def piece(built, name):
    return next(piece for piece in built.pieces if piece.name == name)


def test_the_same_inputs_give_the_same_octets(built, key, application):
    """To the last one, signatures too."""
    again = build.build(runtime.cut(esp_image.merged(), BOARD), application, BOARD, 7, 3, key)
    assert again == built
    assert build.manifest_of(again, BOARD) == build.manifest_of(built, BOARD)


def test_the_compiler_gives_the_same_octets_wherever_it_writes_them(tmp_path):
    source = pinmap.ROOT / "firmware" / "loader.py"
    for name in ("one", "a/longer/other"):
        assert compile_file(source, target=tmp_path / name)
    one, other = (tmp_path / name / "firmware/loader.mpy" for name in ("one", "a/longer/other"))
    assert one.read_bytes() == other.read_bytes()


def test_the_file_system_is_the_same_octet_by_octet():
    files = {"main.py": b"x" * 5000, "a/firmware/y.mpy": b"y", "a/release.head": b"z" * 99}
    assert filesystem.make(files, 1 << 20) == filesystem.make(dict(reversed(files.items())), 1 << 20)
    assert filesystem.read(filesystem.make(files, 1 << 20)) == files


def test_slot_a_holds_what_the_signed_bundle_holds_and_the_loader_stands_beside_it(built, key):
    """REL-01."""
    files = filesystem.read(piece(built, "vfs").octets)
    manifest, signed, signature, offset = release.decode(built.bundle)
    for entry in manifest.files:
        octets = built.bundle[offset : offset + entry.size]
        assert hashlib.sha256(octets).digest() == entry.digest
        assert files.pop(f"a/{entry.path}") == octets
        offset += entry.size
    assert offset == len(built.bundle)
    assert files.pop("a/release.head") == signed + signature
    assert files.pop("main.py") == (pinmap.ROOT / "firmware/loader.py").read_bytes()
    assert files == {}
    names = {entry.path for entry in manifest.files}
    assert {"firmware/main.mpy", "firmware/app.mpy", "protocol/records.mpy", "firmware/updater.mpy"} <= names
    assert not any(name.startswith("protocol/schema") for name in names)


def test_every_piece_is_inside_its_part_of_the_flash(built):
    parts = {part["name"]: part for part in BOARD["partition"]}
    for name, part in (("runtime", parts["factory"]), ("vfs", parts["vfs"])):
        assert piece(built, name).offset == part["offset"]
        assert len(piece(built, name).octets) <= part["size"]
    ends = {entry.offset: entry.offset + len(entry.octets) for entry in built.pieces}
    for begin, end in ends.items():
        assert not any(begin < other < end for other in ends)
    journal = parts["journal"]
    for begin, end in ends.items():
        assert end <= journal["offset"] or begin >= journal["offset"] + journal["size"]


def test_the_table_is_ours_not_the_runtime_s(built):
    table = piece(built, "partition-table").octets
    assert len(table) == 0xC00
    assert partitions.decode(table) == partitions.of_board(BOARD)
    assert [entry.name for entry in partitions.decode(table)][:4] == ["nvs", "phy_init", "factory", "journal"]
    for place in range(0, 32 * (len(BOARD["partition"]) + 1), 7):
        damaged = bytearray(table)
        damaged[place] ^= 1
        assert partitions.decode(bytes(damaged)) != partitions.of_board(BOARD), place
    assert partitions.decode(b"\xff" * 0xC00) == ()
    assert partitions.decode(b"") == ()


def test_the_runtime_is_cut_where_its_images_end():
    merged = esp_image.merged(seed=5)
    got = runtime.cut(merged + b"\xff" * 999, BOARD)
    assert merged.startswith(got.bootloader)
    assert merged.endswith(got.application)
    assert len(got.bootloader) < 0x7000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: image[: len(image) - 1],
        lambda image: image[:100] + bytes((image[100] ^ 1,)) + image[101:],
        lambda image: image[: 0xF000 + 500] + b"?" + image[0xF000 + 501 :],
        lambda image: image[1:],
        lambda image: image[:0xF000],
        lambda _: b"",
        lambda _: b"GIF89a" * 20_000,
    ],
)
def test_a_damaged_runtime_is_refused(spoil):
    with pytest.raises(RuntimeImageError):
        runtime.cut(spoil(esp_image.merged()), BOARD)


def test_another_chip_s_runtime_is_refused():
    with pytest.raises(RuntimeImageError, match="another chip"):
        runtime.cut(esp_image.merged(chip_id=9), BOARD)


def test_a_runtime_that_does_not_fit_is_refused():
    with pytest.raises(TooLargeError, match="factory partition"):
        runtime.cut(esp_image.merged(application_octets=0x1F0000), BOARD)


def test_a_download_is_used_only_with_its_digest(tmp_path):
    octets = esp_image.merged()
    (tmp_path / "image.bin").write_bytes(octets)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/image.bin"
        with pytest.raises(RuntimeImageError, match="neither given nor pinned"):
            runtime.fetch(address, "")
        with pytest.raises(RuntimeImageError, match="its SHA-256 is"):
            runtime.fetch(address, "00" * 32)
        digest = hashlib.sha256(octets).hexdigest()
        assert runtime.fetch(address, digest.upper()) == octets
        assert runtime.fetch(address, "", {"image.bin": digest}) == octets
        with pytest.raises(RuntimeImageError, match="cannot be read"):
            runtime.fetch(address + "x", "00" * 32)
        server.shutdown()


def test_a_pinned_name_takes_no_other_file(tmp_path):
    image = tmp_path / "image.bin"
    image.write_bytes(b"an image")
    pins = tmp_path / "pins"
    pins.write_text(f"# a comment\n\n{hashlib.sha256(b'an image').hexdigest().upper()}  image.bin\n")
    pinned = runtime.read_pins(pins)
    assert runtime.fetch(str(image), "", pinned) == b"an image"
    image.write_bytes(b"another one")
    with pytest.raises(RuntimeImageError, match="its SHA-256 is"):
        runtime.fetch(str(image), "", pinned)
    with pytest.raises(RuntimeImageError, match="its SHA-256 is"):
        runtime.fetch(str(image), hashlib.sha256(b"another one").hexdigest(), pinned)
    pins.write_text("# a comment\n12ab  image.bin\n")
    with pytest.raises(RuntimeImageError, match="line 2"):
        runtime.read_pins(pins)


def test_the_project_s_own_pins_can_be_read():
    assert isinstance(runtime.read_pins(runtime.PINS), dict)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_ends_in_a_sentence(tmp_path, key):
    (tmp_path / "runtime.bin").write_bytes(esp_image.merged())
    key.save(tmp_path / "release.pem")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/manifest.py").symlink_to("/dev/full")
    done = CliRunner().invoke(
        main,
        ["build", "--runtime", str(tmp_path / "runtime.bin"), "--release", "7", "--key", str(tmp_path / "release.pem"),
         "--to", str(tmp_path / "out")],
    )  # fmt: skip
    assert done.exit_code == LAPTOP_CODE
    assert "No space left on device" in done.output
    assert "what to do:" in done.output


def test_the_command_builds_signs_and_reports(tmp_path, key, application):
    (tmp_path / "runtime.bin").write_bytes(esp_image.merged())
    key.save(tmp_path / "release.pem")
    arguments = [
        "build",
        "--runtime",
        str(tmp_path / "runtime.bin"),
        "--release",
        "7",
        "--key",
        str(tmp_path / "release.pem"),
    ]
    done = CliRunner().invoke(main, [*arguments, "--to", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert "is not pinned" in " ".join(told["said"])
    assert told["files"] == len(application.files)
    assert told["code_heap_octets_estimated"] < told["code_heap_octets_budget"]
    manifest = (tmp_path / "out/manifest.json").read_bytes()
    for entry in json.loads(manifest)["pieces"]:
        octets = (tmp_path / "out" / entry["file"]).read_bytes()
        assert (len(octets), hashlib.sha256(octets).hexdigest()) == (entry["octets"], entry["sha256"])
    assert b"/" not in manifest.replace(b"ESP32/", b""), "no path of the machine that built it"
    signature = (tmp_path / "out/manifest.sig").read_bytes()
    assert verifies(key.public, build.image_message(manifest), signature)
    frozen = (tmp_path / "out/manifest.py").read_text()
    compile(frozen, "manifest.py", "exec")
    assert '"app.py"' in frozen


def verifies(public, message, signature):
    from gateway import signatures

    return signatures.verify(signatures.load_public(public), signature, message)


def test_a_refusal_is_a_sentence_with_advice_and_a_code_of_its_own(tmp_path, key):
    (tmp_path / "runtime.bin").write_bytes(b"no image")
    key.save(tmp_path / "release.pem")
    arguments = [
        "build",
        "--runtime",
        str(tmp_path / "runtime.bin"),
        "--release",
        "7",
        "--key",
        str(tmp_path / "release.pem"),
    ]
    done = CliRunner().invoke(main, [*arguments, "--to", str(tmp_path / "out")])
    assert done.exit_code == RuntimeImageError.code
    assert "error: no ESP32 bootloader" in done.output
    assert "what to do:" in done.output
    assert not (tmp_path / "out/manifest.json").exists()
