"""What cannot be opened is refused before a byte of a layer is fetched for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.faults import FaultyRegistry

import kitfast
from kitfast import errors
from kitfast.settings import Network

PLAIN = Network(plain_http=True)
SIZE = 300_000


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    with FaultyRegistry() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    for name in ("a/one.bin", "b/two.bin"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.urandom(SIZE))
    entries = "model: {path: a}\ndatasets: [{name: b, path: b}]\n"
    (folder / "Kitfile").write_text(f"manifestVersion: 1.0.0\n{entries}")
    return folder


def push(registry: FaultyRegistry, folder: Path, compression: str) -> str:
    reference, home = f"{registry.host}/some/kit:v1", folder.parent / "packed"
    kitfast.pack(folder, tags=[reference], compression=compression, home=home)
    kitfast.push(reference, home=home, network=PLAIN, file_digests=False)
    registry.sent.clear()
    return reference


@pytest.mark.parametrize("unverified", [False, True])
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_compressed_layer(
    tmp_path: Path, registry: FaultyRegistry, folder: Path, compression: str, unverified: bool
) -> None:
    reference, home = push(registry, folder, compression), tmp_path / "home"
    with pytest.raises(errors.InvalidArgument, match=f"compressed with {compression}") as told:
        kitfast.open(reference, "a/one.bin", unverified=unverified, home=home, network=PLAIN)
    assert f"kitfast unpack {reference} --include a/one.bin" in str(told.value.hint)
    # The config, with the Kitfile in it, is all that came.
    assert sum(registry.sent.values()) < 2_000
