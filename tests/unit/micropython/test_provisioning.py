"""A terminal becomes the programme's by what verifies, all of it or nothing, whenever power fails; and only once."""

from firmware import main

main.load()

from firmware import provisioning, settings  # noqa: E402
from firmware.card.errors import AuthenticationError  # noqa: E402
from firmware.crypto.p256_curve import N  # noqa: E402
from firmware.ledger import document_area  # noqa: E402
from firmware.ledger.document_area import DocumentsMissing  # noqa: E402
from firmware.ledger.roster_area import RosterArea, RosterMissing  # noqa: E402
from hardware.nor_faults import FaultPlan, cut  # noqa: E402
from hardware.nor_flash import NorFlash, PowerCut  # noqa: E402
from protocol.errors import ProtocolError  # noqa: E402
from tests.support.mp import raises  # noqa: E402
from tests.support.mp_terminal import (  # noqa: E402
    KID,
    Bench,
    Draws,
    copy_of,
    documents_of_the_world,
    provision,
    provisioned_flash,
    signer_of,
)
from tools.virtual_board import VirtualBoard  # noqa: E402

HEAP = "24m"
TIMEOUT_S = 240
REFUSALS = (ProtocolError, AuthenticationError, settings.SettingsError)


def new_flash():
    return NorFlash(8 << 20)


def areas_of(flash):
    return VirtualBoard(flash=flash).board.flash


def with_keys(flash):
    """(areas, documents) of a terminal that has made its keys, which the world's certificate names."""
    areas = areas_of(flash)
    opened = provisioning.open_documents(areas)
    draws = [bytes.fromhex(draw) for draw in documents_of_the_world()["draws"]]
    provisioning.make_keys(opened, KID, Draws(draws))
    return areas, opened


def given():
    world = documents_of_the_world()
    sections = {}
    for name in world["sections"]:
        sections[int(name)] = bytes.fromhex(world["sections"][name])
    return sections, bytes.fromhex(world["roster"])


def install(areas, opened, sections, roster):
    provisioning.install(areas, opened, sections, roster, signer_of(opened))


def test_keys_are_made_on_the_terminal_and_only_their_public_halves_leave():
    opened = provisioning.open_documents(areas_of(new_flash()))
    pairs = [provisioning.make_keys(opened, KID, Draws()) for _ in range(2)]
    assert pairs[0] == pairs[1]  # what repeats is the entropy of this test
    other = provisioning.make_keys(opened, KID, Draws([bytes(40), b"\xff" * 40]))
    assert other != pairs[0] and len(other[0]) == len(other[1]) == 64
    for name in (document_area.SEAL_PRIVATE, document_area.AGREEMENT_PRIVATE):
        assert 1 <= int.from_bytes(opened.get(name), "big") < N
    # The smallest draw is the generator itself.
    assert other[0][:4].hex() == "6b17d1f2"


def test_what_the_world_issued_installs_and_starts():
    bench = Bench()
    assert bench.ledger.kid == KID and bench.ledger.journal.sequence == 4
    assert bench.sell("programme", 10_000).sequence == 5


def test_each_document_is_refused_when_one_bit_is_wrong_and_nothing_is_stored():
    flash = new_flash()
    areas, opened = with_keys(flash)
    before = opened.names()
    sections, roster = given()
    # These are not signed: the programme's key and codes, the technician's settings.
    unsigned = (document_area.ROSTER_KEY, document_area.OPERATORS, document_area.SETTINGS)
    names = [name for name in sorted(sections) if name not in unsigned]
    for name in names:
        octets = sections[name]
        for at in (0, len(octets) // 2, len(octets) - 1):
            spoiled = dict(sections)
            spoiled[name] = octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]
            try:
                install(areas, opened, spoiled, roster)
                raise AssertionError((name, at, "installed"))
            except REFUSALS:
                pass
            assert opened.names() == before, (name, at)
    for at in (0, 16, 24, len(roster) // 2, len(roster) - 1):
        raises(
            ProtocolError,
            install,
            areas,
            opened,
            sections,
            roster[:at] + bytes((roster[at] ^ 1,)) + roster[at + 1 :],
        )
    for area in ("roster_a", "roster_b"):
        raises(RosterMissing, RosterArea, areas[area])
    assert provisioning.open_documents(areas).names() == before
    install(areas, opened, sections, roster)


def test_documents_of_another_terminal_are_refused():
    flash = new_flash()
    areas, opened = with_keys(flash)
    sections, roster = given()
    provisioning.make_keys(opened, KID, Draws())  # other keys than the certificate names
    raises(ProtocolError, install, areas, opened, sections, roster)
    provisioning.make_keys(
        opened, KID + 1, Draws([bytes.fromhex(d) for d in documents_of_the_world()["draws"]])
    )
    raises(ProtocolError, install, areas, opened, sections, roster)


def test_what_is_missing_or_not_for_the_authority_to_give_is_refused():
    areas, opened = with_keys(new_flash())
    sections, roster = given()
    for name in provisioning.REQUIRED:
        fewer = {section: sections[section] for section in sections if section != name}
        error = raises(provisioning.DocumentsIncomplete, install, areas, opened, fewer, roster)
        assert "section %d " % name in str(error)
    for name in (document_area.KID, document_area.SEAL_PRIVATE, document_area.CHAIN_START, 31):
        more = dict(sections)
        more[name] = bytes(32)
        raises(provisioning.DocumentsIncomplete, install, areas, opened, more, roster)
    for name, octets in (
        (document_area.ROSTER_KEY, bytes(31)),
        (document_area.OPERATORS, bytes(15)),
        (document_area.GRANT_FIRST + 7, sections[document_area.GRANT_FIRST + 1]),
    ):
        other = dict(sections)
        other[name] = octets
        raises(ProtocolError, install, areas, opened, other, roster)
    other = dict(sections)
    other[document_area.SETTINGS] = b"broker=somewhere\n"
    raises(settings.SettingsError, install, areas, opened, other, roster)
    assert opened.get(document_area.CHAIN_START) == b""


def test_power_may_fail_at_every_step_and_the_steps_be_repeated():
    count = None
    at = 0
    while count is None or at < count:
        flash = new_flash()
        flash.arm(FaultPlan(at, [cut(at, 60, "random")]))
        try:
            provision(flash)
            count = flash.operations()
        except PowerCut:
            flash.power_on()
            flash.arm(None)
            opened = provisioning.open_documents(areas_of(flash))
            if opened.get(document_area.CHAIN_START):
                assert Bench(flash).sell("bank", 10_000).sequence == 5
            else:
                provision(flash)
                assert Bench(flash).sell("bank", 10_000).sequence == 5, at
        at += 9
    assert count > 20


def test_a_terminal_in_use_is_not_begun_anew_by_mistake():
    flash = copy_of(provisioned_flash())
    bench = Bench(flash)
    bench.sell("one", 10_000)
    opened = provisioning.open_documents(bench.board.board.flash)
    raises(provisioning.AlreadyProvisioned, provisioning.make_keys, opened, KID + 1, Draws())
    bench.power_cycle()
    assert bench.spent("one") == 10_000


def test_a_new_generation_leaves_nothing_of_the_old_one():
    flash = copy_of(provisioned_flash())
    bench = Bench(flash)
    bench.sell("one", 10_000)
    areas = areas_of(flash)
    opened = provisioning.open_documents(areas)
    draws = [bytes.fromhex(draw) for draw in documents_of_the_world()["draws"]]
    provisioning.make_keys(opened, KID, Draws(draws), True)
    assert opened.names() == sorted(
        (document_area.KID, document_area.SEAL_PRIVATE, document_area.AGREEMENT_PRIVATE)
    )
    raises(DocumentsMissing, bench.power_cycle)
    sections, roster = given()
    install(areas, opened, sections, roster)
    assert RosterArea(areas["roster_a"]).digest == opened.get(document_area.ROSTER_SIGNATURE)[:32]


def test_a_roster_in_use_is_not_overwritten():
    flash = copy_of(provisioned_flash())
    areas = areas_of(flash)
    opened = provisioning.open_documents(areas)
    sections, roster = given()
    install(areas, opened, sections, roster)
    digests = [RosterArea(areas[name]).digest for name in ("roster_a", "roster_b")]
    assert digests[0] == digests[1]
