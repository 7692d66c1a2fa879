"""A folder of papers as the authority fills it for `lumbung provision`, for a little district."""

from __future__ import annotations

import time
from functools import cache

from firmware.ledger import ca_key_list
from hardware.emv_card import personalise
from protocol import certificates, policy, roster
from tools import district
from tools.authority import programme
from tools.authority.issue import Authority
from tools.authority.signing import SigningKey
from tools.technician import papers, registering

KID = 0x0000A001
NAME = f"{KID:08x}"
ROSTER_KEY = b"K" * 32
FAMILIES = 8


@cache
def ca_keys():
    """The list of one card CA."""
    public = personalise.make_ca(rid=personalise.PROGRAMME_RID, seed=b"provision")["public"]
    octets = [bytes.fromhex(public[name]) for name in ("rid", "exponent", "modulus", "checksum")]
    return ca_key_list.encode([(octets[0], int(public["index"]), b"", *octets[1:])])


class Papers:
    """The folder at `path`, which is made, under an authority of its own."""

    def __init__(self, path):
        path.mkdir()
        key = SigningKey.generate()
        self.path = path
        self.key_path = path / "authority.pem"
        self.authority = Authority(key)
        key.save(self.key_path)
        self.policy = district.make_policy()
        self.roster = district.make_roster(district.make_families(b"provision", FAMILIES), ROSTER_KEY)
        gateway = SigningKey.generate().public, SigningKey.generate().public
        for name, octets in (
            ("authority.pub", key.public),
            ("policy.bin", self.authority.policy(self.policy)),
            ("roster.bin", self.authority.roster(self.roster)),
            ("roster.key", ROSTER_KEY),
            ("ca-keys.bin", ca_keys()),
            ("operators.bin", programme.operators(ROSTER_KEY, ["1234"])),
            ("epoch.cert", self.authority.epoch(b"\0\0\0\1" + gateway[0] + gateway[1], 1, int(time.time()))),
            ("settings.txt", b"printer_qr=0\napn=other\n"),
        ):
            (path / name).write_bytes(octets)

    def grant(self, kid=KID):
        """A grant's file."""
        now = int(time.time())
        document = district.make_grant(
            1, district.PROGRAMME_SEMBAKO, district.period_now(now), now + 86400, 200_000
        )
        document.exceptions = ()
        digests = roster.digest(self.roster), policy.digest(policy.encode(self.policy))
        path = self.path / f"grant-{kid:08x}-{district.PROGRAMME_SEMBAKO}.bin"
        path.write_bytes(self.authority.grant(kid, *digests, document))
        return path


def a_request():
    """Of some terminal with that kid."""
    keys = SigningKey.generate().public + SigningKey.generate().public
    return papers.Request(KID.to_bytes(4, "big") + bytes((certificates.STORAGE_SOFTWARE,)) + keys)


def gateway_with(folder, path):
    """Make a gateway below `path` that has the folder's papers, and certifies it there; its configuration."""
    config = path / "gateway.toml"
    config.write_text(
        f'[files]\ndata_directory = "{path}/gateway"\nauthority_public_key = "{folder.path}/authority.pub"\n'
    )
    registering._gateway(config, "init")
    request = (path / "gateway" / "gateway.req").read_bytes()
    (folder.path / "epoch.cert").write_bytes(folder.authority.epoch(request, 1, int(time.time())))
    for kind, name in (("epoch", "epoch.cert"), ("policy", "policy.bin"), ("roster", "roster.bin")):
        registering._gateway(config, "publish", kind, str(folder.path / name))
    return config
