"""What kitfast stores and compresses is checked by code that is not ours."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import urllib.request
from pathlib import Path

import blake3
import pytest
import zstandard
from tests.support import folders
from tests.support.commands import Kitfast
from tests.support.registries import Running


def test_contents_are_named_by_blake3(kitfast: Kitfast, tmp_path: Path) -> None:
    source = folders.awkward(tmp_path / "source")
    kitfast.run("pack", source, "--tag", "kit:v1")
    stored = [path for path in (kitfast.home / "contents").glob("??/*") if not path.suffix]
    names = {path.name for path in stored}
    for path in stored:
        assert path.name == blake3.blake3(path.read_bytes()).hexdigest()
        assert path.stat().st_mode & 0o222 == 0
    # Every file too big to stay in a recipe is there, once.
    for path in source.rglob("*"):
        if path.is_file() and path.stat().st_size >= 32 << 10:
            assert blake3.blake3(path.read_bytes()).hexdigest() in names


@pytest.mark.parametrize("compression", ["gzip", "gzip-fastest", "zstd"])
def test_compressed_layers(
    kitfast: Kitfast, plain_registry: Running, tmp_path: Path, compression: str
) -> None:
    source = folders.shards(tmp_path / "source", 2, 5 << 20)
    folders.sparse(source / "shards" / "zeros", 9 << 20)
    reference = f"{plain_registry.host}/eyes/{compression}:v1"
    kitfast.run("pack", source, "--tag", reference, "--compression", compression)
    kitfast.run("push", reference, "--plain-http")
    seen = json.loads(kitfast.run("inspect", reference).stdout)
    entry = seen["kitfile"]["model"]
    (layer,) = (one for one in seen["manifest"]["layers"] if one["digest"] == entry["digest"])
    url = f"http://{plain_registry.host}/v2/eyes/{compression}/blobs/{layer['digest']}"
    with urllib.request.urlopen(url) as answer:
        blob = answer.read()
    assert len(blob) == layer["size"] < 14 << 20
    tar = unzstd(blob) if compression == "zstd" else gzip.decompress(blob)
    assert "sha256:" + hashlib.sha256(tar).hexdigest() == entry["diffId"]
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        opened.extractall(tmp_path / "target", filter="fully_trusted")
    (tmp_path / "target" / "README.md").write_bytes((source / "README.md").read_bytes())
    assert folders.tree(tmp_path / "target") == folders.tree(source)


def unzstd(blob: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(blob, read_across_frames=True) as reader:
        return reader.read()
