"""Records carried over USB and as QR codes: all that is not sealed leaves, and what comes back is applied as ever."""

import asyncio
from binascii import a2b_base64, b2a_base64

from firmware import main

main.load()

from firmware.carry.codes import CODES_MAX, Codes  # noqa: E402
from firmware.carry.usb import CarryCommands  # noqa: E402
from firmware.console.console import Console  # noqa: E402
from firmware.console.lines import Lines  # noqa: E402
from protocol import carry, frame, parts, status  # noqa: E402
from tests.support.mp_books import make_grant  # noqa: E402
from tests.support.mp_gateway import acknowledgement_frame, grant_frame, uplink_cipher  # noqa: E402
from tests.support.mp_line import Line  # noqa: E402
from tests.unit.micropython.relay_bench import Bench  # noqa: E402


class Carried(Bench):
    """A bench with a laptop on its cable."""

    def plug_in(self, is_ready=True):
        """The console, as the application makes it."""
        self.cable = Line()
        work = CarryCommands(self.ledger, self.relay, lambda: is_ready)
        return asyncio.create_task(Console(Lines(self.cable, self.time), work.commands).run(lambda: None))

    async def say(self, line):
        """A command; lines up to the one that ends or asks."""
        self.cable.incoming += line + b"\n"
        ends = (
            ("OK", "ERROR", "PROGRESS")
            if line[:5] in (b"DATA ", b"carry") and line[-3:] != b"out"
            else ("OK", "ERROR")
        )
        found = []
        for _ in range(3000):
            await asyncio.sleep_ms(20)
            found += self.cable.answers()
            if found and found[-1].split()[0] in ends:
                return found
        raise AssertionError(found)

    async def fetch(self):
        """(file, last line) of carry-out."""
        found = await self.say(b"carry-out")
        return b"".join([a2b_base64(line[5:]) for line in found if line[:5] == "DATA "]), found[-1]

    async def deliver(self, octets):
        """The last line of carry-in."""
        assert await self.say(b"carry-in") == ["PROGRESS 0 0"]
        for at in range(0, len(octets), 57):
            await self.say(b"DATA " + b2a_base64(octets[at : at + 57]).strip())
        return (await self.say(b"END"))[-1]


def opened(bench, frames):
    """(sequence, octets) of the records in frames, decoded as the gateway does."""
    found = []
    for octets in frames:
        header = frame.read_header(octets)
        if header.frame_class == frame.CLASS_RECORDS:
            records = frame.open_records(octets, [bench.ledger.context], uplink_cipher()).records
            found += [(header.first + place, records[place]) for place in range(header.count)]
    return found


def held(bench):
    return [(slot.sequence, slot.payload) for slot in bench.ledger.records_from(1, 999)]


def away(sales):
    """A bench whose broker is out of reach."""
    bench = Carried(sales)
    bench.opens = False
    return bench


def test_all_that_is_not_sealed_leaves_as_a_carry_file():
    bench = away(60)

    async def story(bench):
        bench.plug_in()
        octets, outcome = await bench.fetch()
        entries = carry.read(octets)
        assert [entry[2] for entry in entries] == [None] * len(entries)
        frames = [entry[1] for entry in entries]
        report = status.decode(frame.open_counter(frames[0], uplink_cipher())[1])
        assert (report.head, report.sealed_through) == (63, 0)
        assert outcome == "OK frames=%d records=63" % len(frames)
        assert all(frame.read_header(octets).sealed for octets in frames[1:])
        return opened(bench, frames)

    assert bench.run(story) == held(bench)


def test_who_was_interrupted_goes_on_from_a_record():
    bench = away(60)

    async def story(bench):
        bench.plug_in()
        bench.ledger.marks.sealed_through = 40
        found = await bench.say(b"carry-out 30")
        octets = b"".join([a2b_base64(line[5:]) for line in found if line[:5] == "DATA "])
        assert found[-1] == "OK frames=3 records=34"
        for words in (b"0", b"x", b"3 4", b"99999999", b"-1"):
            assert (await bench.say(b"carry-out " + words))[-1] == 'ERROR 5 "takes no words"', words
        return opened(bench, [entry[1] for entry in carry.read(octets)])

    assert bench.run(story) == held(bench)[29:]


def test_the_answer_comes_back_by_the_same_cable():
    bench = away(20)

    async def story(bench):
        bench.plug_in()
        await bench.fetch()
        told = carry.pack(acknowledgement_frame(bench.ledger, 1, 23, 2)) + carry.pack(
            grant_frame(bench.ledger, make_grant(2))
        )
        assert await bench.deliver(told) == "OK applied=2 stale=0 refused=0 later=0 damaged=0"
        assert (bench.ledger.marks.sealed_through, bench.ledger.grants[1].number) == (23, 2)
        assert await bench.deliver(told) == "OK applied=0 stale=2 refused=0 later=0 damaged=0"
        _, outcome = await bench.fetch()
        assert outcome == "OK frames=2 records=1", "the adoption of the grant"

    bench.run(story)


def test_what_is_cut_forged_or_somebody_elses_is_counted():
    bench = away(5)

    async def story(bench):
        bench.plug_in()
        good = acknowledgement_frame(bench.ledger, 1, 8)
        forged = acknowledgement_frame(bench.ledger, 2, 8, private=0x9999)
        other = good[:1] + b"\xff\xff\xff\xff" + good[5:]
        octets = (
            carry.pack(forged) + b"rubbish" + carry.pack(other) + carry.pack(good) + carry.pack(good)[:-5]
        )
        return await bench.deliver(octets), bench.ledger.marks.sealed_through

    assert bench.run(story) == ("OK applied=1 stale=0 refused=2 later=0 damaged=2", 8)


def test_a_full_journal_asks_for_the_file_once_more():
    bench = away(5)

    async def story(bench):
        bench.plug_in()
        bench.ledger.journal.is_exhausted = True
        told = carry.pack(grant_frame(bench.ledger, make_grant(2)))
        assert await bench.deliver(told) == "OK applied=0 stale=0 refused=0 later=1 damaged=0"
        _, outcome = await bench.fetch()
        assert outcome == "OK frames=2 records=8", "without the status report, which needs a counter"

    bench.run(story)


def test_before_the_keys_are_there_nothing_is_carried():
    bench = away(1)

    async def story(bench):
        bench.plug_in(False)
        return await bench.say(b"carry-out"), await bench.say(b"carry-in x")

    assert bench.run(story) == (['ERROR 6 "still starting"'], ['ERROR 5 "takes no words"'])


def test_codes_hold_all_that_is_not_sealed_and_the_last_one_is_sealed():
    bench = away(40)

    async def story(bench):
        return await Codes(bench.ledger, bench.relay.frames, lambda: True).make()

    found = bench.run(story)
    frames = [carry.from_qr_text(code.text) for code in found]
    assert opened(bench, frames) == held(bench)
    assert [frame.read_header(octets).sealed for octets in frames] == [False] * (len(frames) - 1) + [True]
    assert max([len(code.text) for code in found]) <= 213
    assert [code.first for code in found[1:]] == [code.last + 1 for code in found[:-1]]


def whole_frames(codes):
    """The frames that codes show, those that went in parts put together."""
    assembly = parts.Assembly()
    found = []
    for code in codes:
        octets = carry.from_qr_text(code.text)
        if frame.read_header(octets).frame_class == frame.CLASS_RECORDS:
            found.append(octets)
        else:
            whole = assembly.take(parts.decode_up(frame.open_counter(octets, uplink_cipher())[1]))
            if whole is not None:
                found.append(whole[1])
    return found


def test_what_is_too_much_for_one_walk_ends_sealed_too():
    """Or the next walk would begin with the same codes."""
    bench = away(70)
    bench.ledger.context = None  # literally, a record to a code

    async def story(bench):
        codes = Codes(bench.ledger, bench.relay.frames, lambda: True)
        found = await codes.make()
        bench.ledger.marks.sealed_through = found[-1].last
        return found, await codes.make()

    for found in bench.run(story):
        assert CODES_MAX <= len(found) <= CODES_MAX + parts.UP_PARTS_MAX
        sealed = [frame.read_header(octets).sealed for octets in whole_frames(found)]
        assert sealed == [False] * (len(sealed) - 1) + [True]


def test_without_keys_there_are_no_codes():
    bench = away(3)

    async def story(bench):
        return await Codes(bench.ledger, bench.relay.frames, lambda: False).make()

    assert bench.run(story) == []
