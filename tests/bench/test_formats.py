"""The comparison is fair: every rival says all that a sale holds and can be checked; the figures follow from its octets."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tests.bench import formats, rivals
from tests.bench.rivals import Rival
from tests.bench.sale import Sale, sales

SALES = sales()
BASKET = next(sale for sale in SALES if len(sale.items) > 4)
CASH = next(sale for sale in SALES if sale.tender == 1)
FLAGGED = next(sale for sale in SALES if sale.flags)


def test_the_sales_are_those_of_the_reference_day() -> None:
    """300 of them, each with the tags that a cryptogram is checked with."""
    assert len(SALES) == 300
    assert [sale.sequence for sale in SALES] == list(range(4711, 5011))
    assert len({sale.emv[0] for sale in SALES}) == 300
    assert len({dict(sale.emv)[0x9F37] for sale in SALES}) == 300
    assert SALES[0].field_55.startswith(bytes.fromhex("9f2608"))


@pytest.mark.parametrize("sale", [BASKET, CASH, FLAGGED], ids=["basket", "cash", "flagged"])
@pytest.mark.parametrize("rival", rivals.RIVALS[:2], ids=lambda rival: rival.name)
def test_json_says_it_all(rival: rivals.JsonJws, sale: Sale) -> None:
    """As an object, beside the terminal."""
    assert rival.read(rival.alone(sale)) == {"terminal": "10203040", **rival.values(sale)}
    batch = rival.read(rival.together([sale, CASH]))
    assert batch == {"terminal": "10203040", "sales": [rival.values(sale), rival.values(CASH)]}


@pytest.mark.parametrize("sale", [BASKET, CASH, FLAGGED], ids=["basket", "cash", "flagged"])
def test_cbor_says_it_all(sale: Sale) -> None:
    """As maps with integer keys."""
    rival = rivals.CborCose()
    plain = rival.values(sale)
    found = dict(rival.read(rival.alone(sale)))
    assert [list(item) for item in found.pop(12)] == plain.pop(12)
    assert {**found, 13: dict(found[13])} == plain
    assert len(rival.read(rival.together([sale, CASH]))) == 2


@pytest.mark.parametrize("sale", [BASKET, CASH, FLAGGED], ids=["basket", "cash", "flagged"])
def test_protocol_buffers_say_it_all(sale: Sale) -> None:
    """Field by field."""
    rival = rivals.Protobuf()
    (found,) = rival.read(rival.alone(sale)).sales
    assert found.amount_rupiah == sale.amount_rupiah
    assert (found.card_key, found.sequence, found.flags) == (sale.card_key, sale.sequence, sale.flags)
    assert [(i.commodity, i.quantity_hundredths, i.price_rupiah) for i in found.items] == list(sale.items)
    assert [(tag, getattr(found, name)) for tag, name in rivals._EMV.items()] == list(sale.emv)
    assert len(rival.read(rival.together([sale, CASH])).sales) == 2


@pytest.mark.parametrize("sale", [BASKET, CASH, FLAGGED], ids=["basket", "cash", "flagged"])
def test_an_advice_says_it_all(sale: Sale) -> None:
    """Field 55 as TLV, the rest where it belongs."""
    found = rivals.Iso8583().read(rivals.Iso8583().alone(sale))
    assert found["t"] == "0220"
    assert found["55"].lower() == sale.field_55.hex()
    assert int(found["4"]) == 100 * sale.amount_rupiah
    assert found["41"] == "10203040"
    assert bytes.fromhex(found["48"])[:3] == sale.sequence.to_bytes(3, "big")
    assert len(bytes.fromhex(found["48"])) == 16 + 7 * len(sale.items)


@pytest.mark.parametrize("rival", rivals.RIVALS, ids=lambda rival: rival.name)
def test_a_changed_message_is_refused(rival: Rival) -> None:
    """So that what is compared is signed messages."""
    message = bytearray(rival.alone(BASKET))
    at = len(message) // 2
    message[at] = message[at] ^ 1 if message[at] ^ 1 in range(0x30, 0x7B) else 0x41
    with pytest.raises(Exception, match=r".*"):
        rival.read(bytes(message))


def test_the_figures_and_their_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row and a bar for each format; nobody is below the bound, and we are the nearest to it."""
    monkeypatch.setattr(formats, "TARGET", tmp_path / "deep" / "formats.png")
    figures = formats.run()
    names = [formats.OURS, *(rival.name for rival in rivals.RIVALS), formats.BOUND]
    by_name = {figure["name"]: figure["value"] for figure in figures}
    assert len(by_name) == 5 * len(names) == len(figures)
    for what in (formats.ALONE, formats.TOGETHER, formats.MESSAGES):
        values = {name: by_name[f"{what}: {name}"] for name in names}
        assert sorted(values, key=lambda name: values[name])[:2] == [formats.BOUND, formats.OURS]
    assert by_name[f"{formats.MESSAGES}: {formats.OURS}"] <= 40
    assert formats.TARGET.read_bytes().startswith(b"\x89PNG")
    console = Console(width=160, record=True)
    console.print(formats.table("formats", figures))
    text = console.export_text()
    assert all(name in text for name in names)
