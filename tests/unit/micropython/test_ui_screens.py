"""Every screen draws inside its 128 x 64 dots, whatever it is given, and shows what it must."""

import framebuf

from firmware import refusals
from firmware.ui import bench_screens, draw, screens, strings
from tests.property.drivers import ui_samples

# Names in the module of the screens that draw none.
NO_SCREENS = (
    "draw",
    "fmt",
    "refusals",
    "refusal",
    "text",
    "notice_sentence",
    "finding_sentence",
    "detail_text",
    "foot_keys",
    "bench_part",
)


class Probe(framebuf.FrameBuffer):
    """A framebuffer that refuses to be drawn upon outside, which the real one silently allows."""

    def __init__(self):
        self.octets = bytearray(1024)
        super().__init__(self.octets, draw.WIDTH, draw.HEIGHT, framebuf.MONO_VLSB)
        self.outside = []

    def _look(self, x, y, width, height):
        if x < 0 or y < 0 or x + width > draw.WIDTH or y + height > draw.HEIGHT:
            self.outside.append((x, y, width, height))

    def fill_rect(self, x, y, width, height, colour):
        self._look(x, y, width, height)
        super().fill_rect(x, y, width, height, colour)

    def blit(self, picture, x, y, *more):
        wide, high = (26, 24) if picture is draw._barn else (5, 8)
        self._look(x, y, wide, high)
        super().blit(picture, x, y, *more)


def drawn(function, *values):
    """The octets of one screen."""
    probe = Probe()
    function(probe, *values)
    return probe.octets


def lit(octets):
    """How many dots are lit."""
    return sum([bin(octet).count("1") for octet in octets])


def test_every_screen_stays_inside():
    names = set()
    for name, function, values in ui_samples.samples():
        assert name not in names, name
        names.add(name)
        probe = Probe()
        function(probe, *values)
        assert not probe.outside, (name, probe.outside)
        assert 100 < lit(probe.octets) < 7000, (name, lit(probe.octets))


def test_every_public_screen_has_a_sample():
    sampled = {function for _, function, _ in ui_samples.samples()}
    for module in (screens, bench_screens):
        drawing = [
            name for name in dir(module) if name.islower() and name[0] != "_" and name not in NO_SCREENS
        ]
        missing = [name for name in drawing if getattr(module, name) not in sampled]
        assert drawing and not missing, missing


def test_every_screen_redraws_all_of_it():
    """What stood there before shows through nowhere: an old PIN screen must not haunt the next one."""
    for name, function, values in ui_samples.samples():
        clean = drawn(function, *values)
        used = Probe()
        used.fill(1)
        function(used, *values)
        assert used.octets == clean, name


def test_a_screen_gets_the_same_however_often_it_is_drawn():
    for name, function, values in ui_samples.samples():
        assert drawn(function, *values) == drawn(function, *values), name


def test_pictures_of_different_states_and_numbers_differ():
    seen = []
    for state in range(5):
        seen.append(bytes(drawn(screens.granted, "Sembako", 127, state, 200_000, 0)))
        seen.append(bytes(drawn(screens.record, "Sembako", 127, state, 200_000, 417, "-")))
    for number in range(1, refusals.LAST + 1):
        seen.append(bytes(drawn(screens.refused, number, 1, False)))
    assert len(set(seen)) == len(seen)


def test_the_pin_screen_knows_the_number_of_digits_only():
    pictures = [bytes(drawn(screens.pin, "Sembako", 200_000, count, 3)) for count in range(7)]
    assert len(set(pictures)) == 7


def test_the_family_sees_the_amount_at_every_step():
    for function, before, after in (
        (screens.amount, ("Tunai",), (600_000,)),
        (screens.tap_card, ("Sembako",), ()),
        (screens.hold_card, ("Sembako",), ()),
        (screens.confirm, ("Sembako", 417), (600_000,)),
        (screens.pin, ("Sembako",), (0, 3)),
        (screens.granted, ("Sembako", 127, 0), (600_000,)),
        (screens.recent, (127, 0), ("14:03",)),
        (screens.record, ("Sembako", 127, 0), (417, "-")),
    ):
        pictures = [bytes(drawn(function, *before, amount, *after)) for amount in (200_000, 300_000)]
        assert pictures[0] != pictures[1], function.__name__


def test_an_amount_is_never_cut():
    """With the longest label there still stand all its digits: drawn without label it gives the same dots there."""
    most = ui_samples.MOST_RUPIAH
    with_label = Probe()
    draw.money(with_label, "X" * 30, most, 20)
    alone = Probe()
    draw.money(alone, "", most, 20)
    digits = len("99.999.999") * draw.ADVANCE
    for x in range(draw.WIDTH - digits, draw.WIDTH):
        for y in range(20, 28):
            assert with_label.pixel(x, y) == alone.pixel(x, y), (x, y)


def test_large_letters_have_their_own_width():
    for string in ("TERCATAT", "Rp 99.999.999", "1", ".", "", " "):
        for scale in (1, 2, 3):
            probe = Probe()
            end = draw.large(probe, string, 0, 0, scale)
            if string:
                assert end == draw.large_width(string, scale), (string, scale)


def test_no_glyph_is_empty_but_the_blank():
    pictures = set()
    for code in range(32, 0x84):
        probe = Probe()
        draw.text(probe, chr(code), 0, 0)
        assert (lit(probe.octets) == 0) == (code == 32), code
        pictures.add(bytes(probe.octets[:6]))
    # "0" and "O" are the same on purpose: families read amounts, and no slash belongs there.
    assert len(pictures) == 0x84 - 32 - 1


def test_dark_text_is_the_lit_text_turned_round():
    one = Probe()
    draw.text(one, "Rp 200.000", 3, 8)
    other = Probe()
    other.fill(1)
    draw.text(other, "Rp 200.000", 3, 8, 0)
    assert bytes([octet ^ 0xFF for octet in other.octets]) == bytes(one.octets)


def test_keys_of_a_screen_never_overlap():
    """Caps and words of every last line end before the next begins."""
    for name, function, values in ui_samples.samples():
        feet = []

        def note(_, keys, feet=feet):
            feet.append(keys)

        kept, draw.foot = draw.foot, note
        try:
            function(Probe(), *values)
        finally:
            draw.foot = kept
        for keys in feet:
            wide = sum([draw.width(cap) + 4 + draw.width(word) for cap, word in keys])
            assert wide + 2 * (len(keys) - 1) <= draw.WIDTH, (name, wide)


def test_the_state_words_are_those_of_the_design():
    assert strings.STATE_WORDS[:3] == ("TERCATAT", "TERKIRIM", "DIBAYAR")
