"""One flipped bit in the registry's storage: nobody gets the file."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast, refused
from tests.support.registries import Running


@pytest.fixture
def damaged(
    request: pytest.FixtureRequest, kitfast: Kitfast, tmp_path: Path, plain_registry: Running
) -> str:
    """The reference of a kit whose model layer has one wrong bit in the registry."""
    # A size of its own, as the registry keeps equal blobs once: a second flip would mend it.
    odd = zlib.crc32(request.node.name.encode()) % 1000
    source = folders.shards(tmp_path / "source", 2, (20 << 20) + odd)
    reference = f"{plain_registry.host}/flipped/model:v1"
    kitfast.run("pack", source, "--tag", reference)
    kitfast.run("push", reference, "--plain-http")
    layers = json.loads(kitfast.run("inspect", reference).stdout)["manifest"]["layers"]
    model = next(layer["digest"] for layer in layers if ".model." in layer["mediaType"])
    flip_bit(plain_registry.root, model)
    return reference


def flip_bit(storage: Path, digest: str) -> None:
    """Flips one bit in the middle of a blob as Distribution stores it."""
    (blob,) = storage.rglob(f"{digest.removeprefix('sha256:')}/data")
    with blob.open("r+b") as file:
        file.seek(blob.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 0x10]))


def test_pull_refuses(other: Kitfast, damaged: str) -> None:
    refused(other.run("pull", damaged, "--plain-http", status=None), "expected sha256")
    assert len(other.run("list").stdout.splitlines()) == 1
    big = [
        path for path in other.home.rglob("*") if path.is_file() and path.stat().st_size > 1 << 20
    ]
    assert not big, "nothing of the layer is kept"


def test_unpack_remote_refuses(other: Kitfast, damaged: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    outcome = other.run("unpack", damaged, "--plain-http", "--dir", target, status=None)
    refused(outcome, "expected sha256")
    assert not list(target.rglob("*.safetensors"))
    left = [path for path in target.rglob("*") if path.is_file() and path.stat().st_size > 1 << 20]
    assert not left, "nothing of the layer is kept, under no name"


@pytest.mark.parametrize("finder", ["verify", "unpack"])
@pytest.mark.parametrize("part", ["contents", "recipes"])
def test_a_pull_mends_the_store_as_the_hint_says(
    kitfast: Kitfast, plain_registry: Running, tmp_path: Path, part: str, finder: str
) -> None:
    source = folders.shards(tmp_path / "source", 2, 3 << 20)
    reference = f"{plain_registry.host}/mended/{part}-{finder}:v1"
    kitfast.run("pack", source, "--tag", reference)
    kitfast.run("push", reference, "--plain-http")
    stored = [path for path in (kitfast.home / part).rglob("*") if path.is_file()]
    largest = max(stored, key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2 if part == "contents" else 100] ^= 1
    largest.chmod(0o644)
    largest.write_bytes(bytes(data))
    words = (
        ("cache", "verify") if finder == "verify" else ("unpack", reference, "-d", tmp_path / "a")
    )
    found = kitfast.run(*words, status=None)
    assert found.status == 1 and "pull it again" in found.stdout + found.stderr
    kitfast.run("pull", reference, "--plain-http")
    kitfast.run("cache", "verify")
    kitfast.run("unpack", reference, "-d", tmp_path / "target")
    assert folders.tree(tmp_path / "target") == folders.tree(source)
