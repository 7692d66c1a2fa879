"""The programme's unsigned papers: made once, in the form that terminals check, and nothing that is none."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from firmware.ledger import ca_key_list
from hardware.emv_card import personalise
from tools import district
from tools.authority import programme
from tools.authority.__main__ import main

KEY = b"K" * 32


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_roster_key_is_drawn_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "roster.key"
    assert run("roster-key", "--out", path).exit_code == 0
    drawn = path.read_bytes()
    assert len(drawn) == 32
    assert path.stat().st_mode & 0o077 == 0
    assert "there already" in run("roster-key", "--out", path).output
    assert path.read_bytes() == drawn


def test_operators_are_kept_as_the_terminal_looks_for_them(tmp_path):
    key, codes, out = tmp_path / "roster.key", tmp_path / "codes.txt", tmp_path / "operators.bin"
    key.write_bytes(KEY)
    codes.write_text("1234\n987654\n")
    assert run("operators", "--roster-key", key, "--out", out, codes).exit_code == 0
    verifiers = [district.hmac_sha256(KEY, b"operator" + code)[:16] for code in (b"1234", b"987654")]
    assert out.read_bytes() == b"".join(verifiers)
    for text, place in (("123", 1), ("1234\n123456789", 2), ("12a4", 1), ("1234\n1234", 2)):
        codes.write_text(text)
        told = run("operators", "--roster-key", key, "--out", out, codes)
        assert told.exit_code == 1
        assert f"line {place}" in told.output
        assert text not in told.output
    key.write_bytes(KEY[1:])
    assert "31 octets" in run("operators", "--roster-key", key, "--out", out, codes).output


def test_card_cas_are_taken_with_their_checksum_or_not_at_all(tmp_path):
    ca = personalise.make_ca(rid=personalise.PROGRAMME_RID, seed=b"programme")["public"]
    described, out = tmp_path / "cas.json", tmp_path / "ca-keys.bin"
    fields = {name: ca[name] for name in ("rid", "index", "exponent", "modulus", "checksum")}
    described.write_text(json.dumps([fields]))
    assert run("ca-keys", "--out", out, described).exit_code == 0
    assert ca_key_list.decode(out.read_bytes()) is not None
    before = out.read_bytes()
    for changes in (
        {"modulus": "00" + fields["modulus"][2:]},
        {"checksum": "00" * 20},
        {"rid": "F0"},
        {"exponent": "x"},
        {"index": None},
    ):
        described.write_text(json.dumps([fields | changes]))
        assert run("ca-keys", "--out", out, described).exit_code == 1, changes
    described.write_text("[")
    assert run("ca-keys", "--out", out, described).exit_code == 1
    with pytest.raises(ValueError, match="CA 2"):
        programme.ca_keys([fields, {}])
    assert out.read_bytes() == before
