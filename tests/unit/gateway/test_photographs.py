"""QR codes on photographs: whatever state they are in, all that can be read is read, and the rest is named."""

from __future__ import annotations

import random

import pytest
from PIL import Image

from gateway import photographs
from gateway.errors import PictureError
from protocol import carry, frame
from tests.support import photographs as taken

SEED = 20261121
FRAMES = [random.Random(number).randbytes(frame.SMS_OCTETS_MAX) for number in range(3)]
TEXTS = [carry.qr_text(octets) for octets in FRAMES]


@pytest.fixture(scope="module")
def receipt() -> Image.Image:
    """Three of the largest symbols, as the printer prints them."""
    return taken.receipt(FRAMES)


STATES = {
    "from above": lambda picture, _: picture,
    "a little from aside": lambda picture, rng: taken.skewed(picture, rng, 0.05),
    "from aside": lambda picture, rng: taken.skewed(picture, rng, 0.2),
    "turned by 7 degrees": lambda picture, _: taken.turned(picture, 7),
    "turned by 38 degrees": lambda picture, _: taken.turned(picture, 38),
    "lying": lambda picture, _: taken.turned(picture, 90),
    "upside down": lambda picture, _: taken.turned(picture, 180),
    "in dusk": lambda picture, _: taken.dim(picture, 0.2),
    "at night": lambda picture, _: taken.dim(picture, 0.06),
    "half in the shadow": lambda picture, _: taken.shaded(picture),
    "out of focus": lambda picture, _: taken.blurred(picture, 3),
    "grainy": lambda picture, rng: taken.grainy(picture, rng, 0.4),
    "very grainy": lambda picture, rng: taken.grainy(picture, rng, 0.6),
    "with holes": lambda picture, rng: taken.torn(picture, rng, 45, 9),
    "from afar": lambda picture, _: picture.resize((picture.width // 4, picture.height // 4)),
    "everything at once": lambda picture, rng: taken.grainy(
        taken.dim(taken.turned(taken.skewed(taken.blurred(picture, 2), rng, 0.1), 11), 0.4), rng, 0.2
    ),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_all_codes_of_a_photograph_are_read(receipt: Image.Image, state: str) -> None:
    """Printed at correction level M, version 10; the photograph is compressed as messengers do it."""
    picture = STATES[state](receipt, random.Random(SEED))
    found = photographs.read(taken.jpeg(picture))
    assert set(found.texts) == set(TEXTS), f"seed {SEED}"
    assert found.damaged == []


def test_codes_are_told_from_the_top_down(receipt: Image.Image) -> None:
    assert photographs.read(taken.png(receipt)).texts == TEXTS


def test_a_code_with_too_large_a_hole_is_told_with_its_place_and_costs_no_other(receipt: Image.Image) -> None:
    hurt = receipt.copy()
    high = receipt.height // 3
    hurt.paste(taken.TABLE, (receipt.width // 2, high * 3 // 2, receipt.width, 2 * high - 40))
    found = photographs.read(taken.png(hurt))
    assert found.texts == [TEXTS[0], TEXTS[2]]
    ((x, y),) = found.damaged
    assert high < y < 2 * high
    assert 0 < x < receipt.width


def test_the_same_code_on_a_picture_twice_counts_once() -> None:
    assert photographs.read(taken.png(taken.receipt([FRAMES[0], FRAMES[0]]))).texts == [TEXTS[0]]


def test_a_picture_without_a_code_has_none() -> None:
    noise = taken.grainy(Image.new("L", (600, 400), 128), random.Random(SEED), 0.9)
    assert photographs.read(taken.png(noise)) == photographs.Found()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0garbage",
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
        taken.png(Image.new("L", (50, 50)))[:-20],
        taken.jpeg(Image.new("L", (50, 50)))[:300],
    ],
    ids=["empty", "no more than a signature", "garbage", "another format", "cut PNG", "cut JPEG"],
)
def test_what_is_no_picture_is_refused(octets: bytes) -> None:
    with pytest.raises(PictureError, match="cannot be opened"):
        photographs.read(octets)


def test_a_picture_of_enormous_size_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "PIXELS_MAX", 10_000)
    with pytest.raises(PictureError, match="dots 10201"):
        photographs.read(taken.png(Image.new("L", (101, 101))))


def test_pages_hold_every_code_readable_and_in_order() -> None:
    """Also the largest frames that go down: an epoch certificate has 216 octets."""
    rng = random.Random(SEED)
    texts = [carry.qr_text(rng.randbytes(size)) for size in (216, 140, 140, 60, 140, 300, 140, 90)]
    pages = photographs.pages("0000002a", texts)
    assert [page.size for page in pages] == [(1240, 1754)] * 2
    read = [photographs.read(taken.jpeg(taken.dim(taken.turned(page, 4), 0.5))) for page in pages]
    assert [set(each.texts) for each in read] == [set(texts[:6]), set(texts[6:])]
