"""The list of normative sentences is complete, and so are the golden vectors."""

from __future__ import annotations

import json

from tests.bench import density, reference_digests
from tools import protocol_ids
from tools.golden_vectors import files

README = "- [REC-01] One.\n- [REC-02] Two, see [REC-01].\n- [UN-01] Three.\n"


def test_every_normative_sentence_has_a_test() -> None:
    """And no id is unknown or given twice."""
    assert not protocol_ids.findings(), protocol_ids.findings()


def test_a_sentence_without_a_test_is_found() -> None:
    found = protocol_ids.compare(README, {"test_a.py": "# REC-01, UN-01"})
    assert (found.untested, found.unknown, found.twice) == (["REC-02"], [], [])


def test_an_id_that_no_sentence_has_is_found() -> None:
    found = protocol_ids.compare(README + "See [CHN-09].", {"test_a.py": "REC-01 REC-02 UN-01 UN-02"})
    assert found.unknown == ["CHN-09 (protocol/README.md)", "UN-02 (test_a.py)"]


def test_an_id_given_twice_is_found() -> None:
    found = protocol_ids.compare(README + README, {"test_a.py": "REC-01 REC-02 UN-01"})
    assert found.twice == ["REC-01", "REC-02", "UN-01"]


def test_the_golden_vectors_are_what_the_code_makes() -> None:
    """COD-09: a change of the octets needs a new codec number."""
    assert files.stale() == []


def test_the_reference_days_encode_to_the_same_octets() -> None:
    """COD-09: 2,900 records in eight variants of the day."""
    assert reference_digests.digests() == json.loads(reference_digests.FILE.read_text(encoding="utf-8"))


def test_the_reference_day_meets_the_budgets_of_density() -> None:
    """8 redemptions per SMS, 40 SMS for the day, 4 in a self-standing sealed one."""
    figures = {row["name"]: row["value"] for row in density.run()}
    assert figures["redemptions per unsealed SMS"] >= 8
    assert figures["SMS for 300 redemptions, sealed"] <= 40
    assert figures["redemptions per self-standing sealed SMS"] >= 4
    assert figures["redemptions per unsealed SMS"] < figures["redemptions per unsealed SMS, entropy bound"]
