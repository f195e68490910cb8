"""The programs kitfast is measured against, and how each one does the same work.

Peers are looked for on PATH and in the folder `$KITFAST_PEERS`; one that is missing is
skipped, and said to be. Every command writes into a fresh folder, except where a row
says that it overwrites a file.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from links import Link

HERE = Path(__file__).parent
REPOSITORY = "bench/model"


@dataclass(frozen=True)
class Work:
    """What is to be done: fetch the kit `tag`, whose layers are `layers` (digest, size)."""

    link: Link
    tag: str
    layers: tuple[tuple[str, int], ...]
    into: Path

    @property
    def reference(self) -> str:
        """The kit's reference."""
        return f"{self.link.host}/{REPOSITORY}:{self.tag}"

    def blob(self, digest: str) -> str:
        """The address of a blob."""
        scheme = "http" if self.link.plain_http else "https"
        return f"{scheme}://{self.link.host}/v2/{REPOSITORY}/blobs/{digest}"


@dataclass(frozen=True)
class Peer:
    """A program; `verifies` says whether it checks what it fetched."""

    name: str
    verifies: bool
    found: Callable[[], str | None]
    command: Callable[[str, Work], list[str]]
    env: Callable[[Work], dict[str, str]] = lambda work: {}
    #: It is run twice, and only the second run counts, which finds the files of the first.
    overwrites: bool = False
    #: Fewer layers than this give it nothing to do side by side.
    least_layers: int = 1


def program(name: str) -> Callable[[], str | None]:
    """Looks for a program in $KITFAST_PEERS, then on PATH."""

    def look() -> str | None:
        folder = os.environ.get("KITFAST_PEERS")
        return (shutil.which(name, path=folder) if folder else None) or shutil.which(name)

    return look


def module(name: str) -> Callable[[], str | None]:
    """Looks for a Python module."""
    return lambda: sys.executable if importlib.util.find_spec(name) else None


def _kit_flags(work: Work) -> list[str]:
    if work.link.plain_http:
        return ["--plain-http"]
    return [f"--tls-cert={work.link.authority}"] if work.link.authority else []


def _authority(work: Work) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(work.link.authority)} if work.link.authority else {}


def _two_threads(work: Work) -> dict[str, str]:
    return {**_authority(work), "BLOCKING_THREADS": "2"}


def _python() -> str | None:
    return sys.executable


def kitfast() -> str | None:
    """The kitfast of the Python that runs the bench."""
    return str(Path(sys.executable).with_name("kitfast"))


def _kitfast_command(verb: list[str]) -> Callable[[str, Work], list[str]]:
    def command(path: str, work: Work) -> list[str]:
        home = ["--config", str(work.into / "home"), "--progress", "none"]
        into = ["-d", str(work.into / "out")] if verb[0] == "unpack" else []
        # The parallel peers are told 16; so is kitfast, where connections are what is scarce.
        more = ["--connections", "16"] if work.link.name == "capped" else []
        return [path, verb[0], work.reference, *into, *more, *home, *_kit_flags(work)]

    return command


def _kit_command(verb: str) -> Callable[[str, Work], list[str]]:
    def command(path: str, work: Work) -> list[str]:
        into = ["-d", str(work.into / "out")] if verb == "unpack" else []
        home = ["--config", str(work.into / "home"), "--progress", "none"]
        flags = [
            flag if flag == "--plain-http" else "--tls-verify=false" for flag in _kit_flags(work)
        ]
        return [path, verb, work.reference, *into, *home, *flags]

    return command


def _kit_twice(path: str, work: Work) -> list[str]:
    """What kit users do who want their bytes verified: every byte is written twice."""
    local = [path, "unpack", work.reference, "-d", str(work.into / "out"), "--progress", "none"]
    local += ["--config", str(work.into / "home")]
    both = f"{shlex.join(_kit_command('pull')(path, work))} && {shlex.join(local)}"
    return ["sh", "-c", both]


def _oras(path: str, work: Work) -> list[str]:
    flags = ["--plain-http"] if work.link.plain_http else ["--ca-file", str(work.link.authority)]
    # A kit's layers carry no titles: copying into a layout is oras's way to fetch them.
    layout = f"{work.into / 'layout'}:{work.tag}"
    source = ["--from-plain-http"] if work.link.plain_http else ["--from-ca-file", flags[-1]]
    return [path, "cp", *source, "--to-oci-layout", work.reference, layout]


def _script(name: str) -> Callable[[str, Work], list[str]]:
    def command(path: str, work: Work) -> list[str]:
        blobs = [f"{work.blob(digest)}={digest}={size}" for digest, size in work.layers]
        return [path, str(HERE / name), str(work.into), *blobs]

    return command


def curl(path: str, work: Work) -> list[str]:
    """What every curl here begins with: quiet, following redirects, failing on an error."""
    trust = ["--cacert", str(work.link.authority)] if work.link.authority else []
    return [path, "--silent", "--fail", "--location", *trust]


def _curl(path: str, work: Work) -> list[str]:
    command = [*curl(path, work), "--parallel", "--parallel-max", "8"]
    for digest, _ in work.layers:
        command += ["-o", str(work.into / digest[7:]), work.blob(digest)]
    return command


def _aria2(path: str, work: Work) -> list[str]:
    listing = work.into / "list"
    listing.write_text(
        "".join(f"{work.blob(digest)}\n  out={digest[7:]}\n" for digest, _ in work.layers)
    )
    flags = ["-q", "-x", "16", "-s", "16", "-k", "8M", "-j", "8", "--file-allocation=none"]
    if work.link.authority:
        flags.append(f"--ca-certificate={work.link.authority}")
    return [path, *flags, "-d", str(work.into), "-i", str(listing)]


def _skopeo(path: str, work: Work) -> list[str]:
    return [
        path,
        "copy",
        "--quiet",
        "--src-tls-verify=false",
        f"docker://{work.reference}",
        f"oci:{work.into / 'layout'}:{work.tag}",
    ]


def _crane(path: str, work: Work) -> list[str]:
    flags = ["--insecure"]
    return [path, "pull", *flags, "--format", "oci", work.reference, str(work.into / "layout")]


PEERS = (
    Peer("kitfast pull", True, kitfast, _kitfast_command(["pull"]), env=_authority),
    Peer("kitfast unpack", True, kitfast, _kitfast_command(["unpack"]), env=_authority),
    Peer("kit pull", True, program("kit"), _kit_command("pull")),
    Peer("kit unpack", False, program("kit"), _kit_command("unpack")),
    Peer("kit pull + unpack", True, program("kit"), _kit_twice),
    Peer("blocking", True, _python, _script("blocking.py"), env=_authority),
    Peer("blocking x2", True, _python, _script("blocking.py"), env=_two_threads, least_layers=2),
    Peer(
        "blocking, old files",
        True,
        _python,
        _script("blocking.py"),
        env=_authority,
        overwrites=True,
    ),
    Peer("oras", True, program("oras"), _oras),
    Peer("crane", True, program("crane"), _crane, env=_authority),
    Peer("skopeo", True, program("skopeo"), _skopeo),
    Peer("curl", False, program("curl"), _curl),
    Peer("aria2c x16", False, program("aria2c"), _aria2),
    Peer("hf_transfer x16", False, module("hf_transfer"), _script("with_hf_transfer.py")),
    Peer("python-dxf", True, module("dxf"), _script("with_dxf.py")),
    Peer("oras-py", False, module("oras"), _script("with_oras_py.py")),
)
