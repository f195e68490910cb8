"""A kit of some files in a registry behind a relay, to fetch single files of."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.registries import Running, plain_registry
from tests.support.relay import Relay, relaying

from kitfast import aio
from kitfast.settings import Network

__all__ = ["plain_registry"]

PLAIN = Network(plain_http=True)
SIZES = {
    "w/a.bin": 3_000_000,
    "w/b.bin": 5_000_001,
    "w/c/d.bin": 2_000_000,
    "w/config.json": 700,
    "w/c/empty": 0,
    "w/z.json": 40_000,
}
KITFILE = "manifestVersion: 1.0.0\nmodel: {path: w}\n"
#: Manifest, config, list of files and what asking for them costs.
CHANGE = 12_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    for name, size in SIZES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    (folder / "w/config.json").chmod(0o600)
    (folder / "Kitfile").write_text(KITFILE)
    return folder


@pytest.fixture
async def relay(plain_registry: Running) -> AsyncIterator[Relay]:
    async with relaying(plain_registry.host) as relay:
        yield relay


async def pushed(folder: Path, tmp_path: Path, relay: Relay, name: str, listed: bool) -> str:
    reference = f"{relay.host}/parts/{name}:v1"
    home = tmp_path / "packed"
    await aio.pack(folder, tags=[reference], home=home)
    await aio.push(reference, home=home, network=PLAIN, file_digests=listed)
    relay.sent = 0
    return reference


def found(out: Path) -> dict[str, bytes]:
    files = (path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def wanted(folder: Path, *names: str) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}
