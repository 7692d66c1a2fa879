"""Fetches Debian packages (32-bit MicroPython, Mosquitto, valgrind) and unpacks them under `build/debian`.

Nothing is installed: no root, no service left running, no change to the system. The package source is the machine's
own (its `sources.list`), with the suite rewritten to the one that has MicroPython; the generated list and apt's state
live in a temporary directory. The packages' own C library and loader are unpacked beside them, so they run on an
older Debian as well.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools.setup import checkout
from tools.setup.checkout import BUILD, StepFailedError

SUITE = "trixie"
TREES = BUILD / "debian"


@dataclass(frozen=True)
class Tree:
    """One architecture's packages, unpacked into one folder."""

    arch: str
    triplet: str
    loader: str
    packages: tuple[str, ...]
    programs: dict[str, str]


AMD64 = Tree(
    arch="amd64",
    triplet="x86_64-linux-gnu",
    loader="ld-linux-x86-64.so.2",
    packages=("micropython", "mosquitto", "valgrind"),
    programs={
        "micropython64deb": "usr/bin/micropython",
        "mosquitto": "usr/sbin/mosquitto",
        "valgrind": "usr/bin/valgrind.bin",
    },
)
I386 = Tree(
    arch="i386",
    triplet="i386-linux-gnu",
    loader="ld-linux.so.2",
    packages=("micropython",),
    programs={"micropython32": "usr/bin/micropython"},
)


def provide() -> bool:
    """Unpack both trees; return whether anything had to be done."""
    made_from = checkout.digest(SUITE, repr(AMD64), repr(I386))
    programs = [name for tree in (AMD64, I386) for name in tree.programs]
    if checkout.is_stamped("debian", made_from) and all((checkout.BIN / name).exists() for name in programs):
        _put_programs()
        return False
    try:
        _unpack_all()
    except StepFailedError as failure:
        for name in programs:
            checkout.note_missing(name, f"no Debian packages: {failure}")
        raise
    _put_programs()
    checkout.put_stamp("debian", made_from)
    return True


def _unpack_all() -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise StepFailedError(f"this machine has no {tool}")
    print("setup: fetching Debian packages into build/debian", flush=True)
    with tempfile.TemporaryDirectory(prefix="lumbung-apt-") as folder:
        apt = _PrivateApt(Path(folder))
        for tree in (AMD64, I386):
            _unpack(apt, tree)


class _PrivateApt:
    """An apt with its own state, whose package source is the machine's with the suite rewritten."""

    def __init__(self, folder: Path) -> None:
        for name in ("state/lists/partial", "sources", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources" / "lumbung.sources").write_text(rewritten_sources())
        self._folder = folder
        self._env = {
            "APT_CONFIG": str(folder / "apt.conf"),
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C",
        }
        (folder / "apt.conf").write_text(
            f'Dir::State "{folder}/state";\n'
            f'Dir::State::status "{folder}/status";\n'
            f'Dir::Cache "{folder}/cache";\n'
            'Dir::Etc::SourceList "/dev/null";\n'
            f'Dir::Etc::SourceParts "{folder}/sources";\n'
            f'Dir::Etc::Preferences "/dev/null";\n'
            f'Dir::Etc::PreferencesParts "{folder}/none";\n'
            'APT::Architecture "amd64";\n'
            'APT::Architectures { "amd64"; "i386"; };\n'
            'APT::Sandbox::User "";\n'
            'APT::Get::List-Cleanup "false";\n'
            'Acquire::Languages "none";\n'
            'Acquire::Retries "3";\n'
            "#clear APT::Update::Pre-Invoke;\n"
            "#clear APT::Update::Post-Invoke;\n"
            "#clear APT::Update::Post-Invoke-Success;\n"
            "#clear DPkg::Post-Invoke;\n"
            "#clear DPkg::Pre-Invoke;\n"
        )
        checkout.run("apt-get", "update", env=self._env, cwd=folder)

    def fetch(self, arch: str, packages: tuple[str, ...]) -> list[Path]:
        """Download packages with all they depend on and return the files."""
        wanted = [f"{package}:{arch}" for package in packages]
        archives = self._folder / "cache" / "archives"
        for old in archives.glob("*.deb"):
            old.unlink()
        checkout.run(
            "apt-get", "install", "--download-only", "--yes", "--no-install-recommends", *wanted,
            env=self._env, cwd=self._folder,
        )  # fmt: skip
        files = [deb for deb in archives.glob("*.deb") if deb.stem.endswith((f"_{arch}", "_all"))]
        if not files:
            raise StepFailedError(f"apt fetched nothing for {arch}")
        return files


def _unpack(apt: _PrivateApt, tree: Tree) -> None:
    target = TREES / tree.arch
    fresh = TREES / f"{tree.arch}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    debs = apt.fetch(tree.arch, tree.packages)
    for deb in debs:
        checkout.run("dpkg-deb", "-x", str(deb), str(fresh))
    (fresh / "packages.txt").write_text("".join(f"{deb.stem}\n" for deb in sorted(debs)))
    for waste in ("usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(fresh / waste, ignore_errors=True)
    for name, path in tree.programs.items():
        if not (fresh / path).exists():
            raise StepFailedError(f"the {tree.arch} package of {name} has no {path}")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def _put_programs() -> None:
    for tree in (AMD64, I386):
        folder = f"$root/build/debian/{tree.arch}"
        loader = f"{folder}/{_find(TREES / tree.arch, tree.loader)}"
        libraries = f"{folder}/usr/lib/{tree.triplet}:{folder}/lib/{tree.triplet}"
        for name, path in tree.programs.items():
            tools = f'VALGRIND_LIB="{folder}/usr/libexec/valgrind" ' if name == "valgrind" else ""
            checkout.put_program(
                name,
                f'"{loader}" --library-path "{libraries}" "{folder}/{path}"',
                environment=tools,
                micropython=name.startswith("micropython"),
            )


def _find(target: Path, name: str) -> str:
    found = [path for path in sorted(target.rglob(name)) if path.resolve().is_file()]
    if not found:
        raise StepFailedError(f"no loader {name} among the unpacked packages")
    return str(found[0].relative_to(target))


def rewritten_sources() -> str:
    """Return the machine's main package source, for the suite that we take packages from."""
    stanzas = _deb822_stanzas() + _one_line_entries()
    release = _codename()
    for stanza in stanzas:
        if release in re.split(r"\s+", stanza.get("Suites", "")):
            kept = {"Types": "deb", "URIs": stanza["URIs"], "Suites": SUITE, "Components": "main"}
            if "Signed-By" in stanza:
                kept["Signed-By"] = stanza["Signed-By"]
            return "".join(f"{key}: {value}\n" for key, value in kept.items())
    raise StepFailedError(f"no package source for Debian {release or '(unknown release)'} in /etc/apt")


def _codename() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return ""
    pairs = (line.partition("=") for line in lines)
    return next((value.strip('"') for key, _, value in pairs if key == "VERSION_CODENAME"), "")


def _deb822_stanzas() -> list[dict[str, str]]:
    stanzas = []
    for path in _listed(".sources"):
        text = "\n".join(line for line in _read(path).splitlines() if not line.startswith("#"))
        for block in re.split(r"\n\s*\n", text):
            # A continuation line (an embedded key) starts with a blank.
            fields = re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t]+.*)*)", block, flags=re.MULTILINE)
            stanza = {key: value.rstrip() for key, value in fields}
            if "deb" in stanza.get("Types", "").split() and stanza.get("Enabled", "yes").lower() != "no":
                stanzas.append(stanza)
    return stanzas


def _one_line_entries() -> list[dict[str, str]]:
    entries = []
    for path in [Path("/etc/apt/sources.list"), *_listed(".list")]:
        for line in _read(path).splitlines():
            match = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s", line.strip())
            if match:
                signed = re.search(r"signed-by=(\S+)", match[1] or "", flags=re.IGNORECASE)
                entry = {"Types": "deb", "URIs": match[2], "Suites": match[3]}
                entries.append(entry | ({"Signed-By": signed[1]} if signed else {}))
    return entries


def _listed(suffix: str) -> list[Path]:
    return sorted(Path("/etc/apt/sources.list.d").glob(f"*{suffix}"))


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() and os.access(path, os.R_OK) else ""
