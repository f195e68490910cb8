"""Layers of one kit with a file of one name: as if unpacked one after the other."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast
from tests.support.faults import Fault, FaultyRegistry, Seen

SIZE = 300_000


@pytest.fixture
def overlapping(kitfast: Kitfast, tmp_path: Path) -> Iterator[tuple[FaultyRegistry, str]]:
    """A kit of two layers that both hold `same`, in a registry where the first one is late."""
    source = tmp_path / "source"
    for name in ("one", "two"):
        folders.write(source / name / "same", name.encode() * (SIZE // 3))
    entries = "code: [{path: one}, {path: two}]\n"
    folders.write(source / "Kitfile", f"manifestVersion: '1.0'\n{entries}".encode())
    with FaultyRegistry() as registry:
        reference = f"{registry.host}/some/kit:v1"
        kitfast.run("push", source, reference, "--plain-http", "--no-file-digests")
        _rename(registry)
        yield registry, reference


def _rename(registry: FaultyRegistry) -> None:
    """Gives both files one name, as tars of any origin may, and the kit new digests."""
    kind, data = registry.manifests["v1"]
    manifest = json.loads(data)
    config = registry.blobs[manifest["config"]["digest"]]
    for layer, letter in zip(manifest["layers"], (b"1", b"2"), strict=True):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
            member = tarfile.TarInfo("same")
            member.size, member.mode = SIZE, 0o644
            archive.addfile(member, io.BytesIO(letter * SIZE))
        before = layer["digest"]
        layer |= _put(registry, tar.getvalue())
        config = config.replace(before.encode(), layer["digest"].encode())
    manifest["config"] |= _put(registry, config)
    data = json.dumps(manifest).encode()
    registry.manifests |= {"v1": (kind, data), _digest(data): (kind, data)}


def _put(registry: FaultyRegistry, data: bytes) -> dict[str, object]:
    registry.blobs[_digest(data)] = data
    return {"digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize(("flag", "winner"), [("--overwrite", b"2"), ("--ignore-existing", b"1")])
def test_the_order_of_the_layers_decides(
    other: Kitfast,
    overlapping: tuple[FaultyRegistry, str],
    tmp_path: Path,
    late: int,
    flag: str,
    winner: bytes,
) -> None:
    registry, reference = overlapping
    slow = json.loads(registry.manifests["v1"][1])["layers"][late]["digest"]

    def script(seen: Seen) -> Fault | None:
        is_slow = seen.kind == "blob" and seen.headers[":path"].endswith(slow)
        return Fault(wait=1.0) if is_slow else None

    registry.script = script
    other.run("unpack", reference, "--plain-http", "--dir", tmp_path / "out", flag)
    assert (tmp_path / "out" / "same").read_bytes() == winner * SIZE
    other.run("pull", reference, "--plain-http")
    other.run("unpack", reference, "--dir", tmp_path / "local", flag)
    assert (tmp_path / "local" / "same").read_bytes() == winner * SIZE
