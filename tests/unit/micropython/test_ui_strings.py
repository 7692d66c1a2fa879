"""Every sentence is there, is used, and fits the room it has."""

import os

from firmware import refusals, states
from firmware.ui import draw, glyphs, screens, strings
from firmware.ui import format as fmt
from protocol import self_test
from tests.support import mp

# The longest value of a place in a sentence, where it is not a sequence number.
LONGEST = {"oldest": fmt.age(0xFFFFFFFF), "pin_tries": "15", "stopped_code": "4294967295"}
SENTENCE_LINES = 2
NOTICE_LINES = 3


def constants(module):
    """Numbers of a module that names one per reason."""
    return [
        getattr(module, name)
        for name in dir(module)
        if name.isupper() and isinstance(getattr(module, name), int)
    ]


def test_one_line_sentences_fit_one_line():
    for key, sentence in strings._LINES.items():
        assert len(sentence.replace("{}", LONGEST.get(key, "8388607"))) <= draw.COLUMNS, key


def test_paragraphs_fit_their_lines():
    for key, sentence in strings._PARAGRAPHS.items():
        assert len(fmt.wrap(sentence, draw.COLUMNS)) <= SENTENCE_LINES, key


def test_every_refusal_has_a_sentence_of_two_lines_and_an_advice_of_one():
    numbers = set(constants(refusals))
    assert numbers == set(range(1, refusals.LAST + 1)), numbers
    for number in range(1, refusals.LAST + 2):
        detail = screens.detail_text(number, 99_999_999 if screens.detail_text(number, 0) != "0" else 9)
        matter, advice = strings.refusal(number, detail)
        assert matter and len(fmt.wrap(matter, draw.COLUMNS)) <= SENTENCE_LINES, number
        assert advice and len(advice) <= draw.COLUMNS, (number, advice)


def test_no_two_refusals_say_the_same():
    sentences = [strings.refusal(number, "0")[0] for number in range(1, refusals.LAST + 1)]
    assert len(set(sentences)) == refusals.LAST


def test_every_notice_fits_three_lines():
    for number in range(1, states.NOTICE_LAST + 2):
        assert 1 <= len(fmt.wrap(strings.notice(number), draw.COLUMNS)) <= NOTICE_LINES, number


def test_every_part_of_a_terminal_has_a_word_of_one_line():
    assert set(strings._PARTS) == set(self_test.PARTS)
    for part in self_test.PARTS:
        assert len(strings.bench_part(part)) <= draw.COLUMNS, part


def test_every_state_has_a_word_a_meaning_and_a_sign():
    assert states.RECORDED == 0 and states.VOIDED == 5
    for table in (strings.STATE_WORDS, strings.STATE_MEANINGS, strings.STATE_PAPER):
        assert len(table) == 6
    for state in range(6):
        assert draw.large_width(strings.STATE_WORDS[state], 2) <= draw.WIDTH, state
        assert len(strings.STATE_MEANINGS[state]) <= draw.COLUMNS, state
    assert glyphs.FIRST + len(glyphs.GLYPHS) // glyphs.COLUMNS_PER_GLYPH == glyphs.SIGN_OF_STATE + 6


def test_everything_is_plain_letters():
    tables = (strings._LINES, strings._PARAGRAPHS, strings._PAPER, strings._NOTICES, strings._LINKS)
    sentences = [sentence for table in tables for sentence in table.values()]
    for matter, advice in strings._REFUSALS.values():
        sentences += [matter, advice]
    sentences += list(strings.STATE_WORDS + strings.STATE_MEANINGS + strings.STATE_PAPER)
    for sentence in sentences:
        assert fmt.plain(sentence) == sentence, sentence


def test_an_unknown_key_is_an_error():
    assert mp.raises(KeyError, strings.text, "no such key")


def test_every_key_is_used_and_none_is_missing():
    folder = mp.ROOT + "/firmware/ui"
    sources = ""
    for name in os.listdir(folder):
        if name.endswith(".py") and name != "strings.py":
            with open(folder + "/" + name) as file:
                sources += file.read()
    keys = set(list(strings._LINES) + list(strings._PARAGRAPHS) + list(strings._PAPER))
    unused = [key for key in keys if '"%s"' % key not in sources and '"%s"' % key not in _own_source(folder)]
    assert not unused, unused
    for part in sources.split('text("')[1:]:
        assert part.split('"')[0] in keys, part[:40]


def _own_source(folder):
    """What follows the tables in strings.py: its functions use two keys themselves."""
    with open(folder + "/strings.py") as file:
        return file.read().split("def text", 1)[1]
