"""The folders of a takeover: what a gateway wrote about an old generation, and what the authority leaves for the new one."""

import re
from pathlib import Path

from protocol import certificates, takeover
from tools.authority.issue import RequestRefusedError
from tools.authority.takeover import Issued, Papers

_STATEMENT = re.compile(r"takeover-([0-9a-f]{8})\.statement")
_GRANT = re.compile(r"grant-[0-9a-f]{8}-(\d+)\.bin")
SHARED = ("roster.bin", "policy.bin", "epoch.cert")


def statement_name(old: int) -> str:
    """The file of a gateway's statement."""
    return f"takeover-{old:08x}.statement"


def decision_name(old: int) -> str:
    """The file of the authority's takeover."""
    return f"takeover-{old:08x}.bin"


def olds_in(folder: Path) -> list[int]:
    """The generations that a folder has statements about."""
    names = (_STATEMENT.fullmatch(path.name) for path in sorted(folder.glob("takeover-*.statement")))
    return [int(named[1], 16) for named in names if named]


def read(folder: Path, old: int) -> Papers:
    """What the gateway's `takeover` command wrote; raises `RequestRefusedError` naming what is missing."""

    def octets(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise RequestRefusedError(f"{folder / name}: {error.strerror}") from error

    grants = {}
    for path in sorted(folder.glob(f"grant-{old:08x}-*.bin")):
        named = _GRANT.fullmatch(path.name)
        if named:
            grants[int(named[1])] = octets(path.name)
    roster, policy, epoch = map(octets, SHARED)
    return Papers(octets(statement_name(old)), epoch, roster, policy, grants)


def write(source: Path, target: Path, new: int, papers: Papers, issued: Issued) -> list[Path]:
    """Leave grants and takeover where a new terminal is made ready, with what they are signed under; the decision stands in
    the folder that it was made from, too, so that leases go to one terminal only.

    Signatures differ each time they are made: what says the same as a file that is there is not written again. Raises
    `RequestRefusedError` where something else was decided before.
    """
    decision = decision_name(issued.old)
    for folder in (source, target):
        issued.takeover = _as_decided(folder / decision, issued.takeover)
    files = {f"grant-{new:08x}-{programme}.bin": octets for programme, octets in issued.grants.items()}
    files |= dict(zip(SHARED, (papers.roster, papers.policy, papers.epoch), strict=True))
    try:
        target.mkdir(parents=True, exist_ok=True)
        (source / decision).write_bytes(issued.takeover)
        for name, octets in files.items():
            if not _says(target / name, octets):
                (target / name).write_bytes(octets)
        # Last, so that who finds it finds everything.
        (target / decision).write_bytes(issued.takeover)
    except OSError as error:
        raise RequestRefusedError(f"{error.filename}: {error.strerror}") from error
    return [target / name for name in [*files, decision]]


def _as_decided(path: Path, signed: bytes) -> bytes:
    """The decision in a file where there is one, which must say what is decided now; else what is decided now."""
    if not path.exists():
        return signed
    held = path.read_bytes()
    before, now = (
        takeover.decode_takeover(octets[: -certificates.SIGNATURE_OCTETS]) for octets in (held, signed)
    )
    if before.statement != now.statement or before.new != now.new:
        raise RequestRefusedError(f"{path}: the leases went to {before.new:08x} already")
    if (before.exposure_rupiah, before.reason) != (now.exposure_rupiah, now.reason):
        raise RequestRefusedError(
            f"{path}: decided before, for another reason or with Rp {before.exposure_rupiah} as the exposure"
        )
    return held


def _says(path: Path, signed: bytes) -> bool:
    """Whether a file holds the same body under another signature."""
    octets = path.read_bytes() if path.exists() else b""
    return octets[: -certificates.SIGNATURE_OCTETS] == signed[: -certificates.SIGNATURE_OCTETS]
