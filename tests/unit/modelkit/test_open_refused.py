"""What cannot be opened is refused before a byte of a layer is fetched for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

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


def push(
    registry: FaultyRegistry, folder: Path, compression: str = "none", *, listed: bool = False
) -> str:
    reference, home = f"{registry.host}/some/kit:v1", folder.parent / "packed"
    kitfast.pack(folder, tags=[reference], compression=compression, home=home)
    kitfast.push(reference, home=home, network=PLAIN, file_digests=listed)
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


@pytest.mark.parametrize("listed", [False, True], ids=["layer", "file"])
def test_what_does_not_fit(
    tmp_path: Path,
    registry: FaultyRegistry,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    listed: bool,
) -> None:
    if listed:
        (folder / "a/rest.bin").write_bytes(os.urandom(2 << 20))
    reference, home = push(registry, folder, listed=listed), tmp_path / "home"
    disk = SimpleNamespace(f_blocks=1 << 30, f_bavail=SIZE - 1, f_frsize=1)
    monkeypatch.setattr("kitfast.modelkit.space.os.statvfs", lambda folder: disk)
    with pytest.raises(errors.NoSpace) as told:
        kitfast.open(reference, "a/one.bin", home=home, network=PLAIN)
    what = "" if listed else "the layer of "
    assert re.search(rf"needed \(for {what}a/one.bin\), but only 299,999 are free", str(told.value))
    assert (told.value.needed == SIZE) is listed  # type: ignore[attr-defined]
    assert sum(registry.sent.values()) < 2_000
    disk.f_bavail *= 10
    with kitfast.open(reference, "a/one.bin", home=home, network=PLAIN) as file:
        assert file.read() == (folder / "a/one.bin").read_bytes()
