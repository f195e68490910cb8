"""Every layer kit packed in the golden cases gets kit's digest from the core."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.golden import Case, cases

from kitfast._core import Blob, LayerSource, Store

PACKED = [case for case in cases() if case.kit.get("layers")]


def source(layer: dict[str, Any], folder: Path, compression: str = "none") -> LayerSource:
    """A golden layer's members as a source."""
    members: list[tuple[str, str | None, int]] = []
    for name, mode, _size in layer["members"]:
        path = None if name.endswith("/") else str(folder / name)
        members.append((name, path, int(mode, 8)))
    return LayerSource(members, compression)


def expected(case: Case) -> list[str]:
    """The diff ids in the order of the layers, read from the config kit wrote."""
    config = json.loads(case.config)
    entries = [config[kind] for kind in ("model",) if kind in config]
    entries += [part for model in entries for part in model.get("parts", [])]
    for kind in ("code", "datasets", "docs"):
        entries += config.get(kind, [])
    by_digest = {entry["digest"]: entry["diffId"] for entry in entries if "digest" in entry}
    return [by_digest[layer["digest"]] for layer in case.kit["layers"]]


@pytest.mark.parametrize("case", PACKED, ids=lambda case: case.name)
def test_layers_have_kits_digests(case: Case, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    case.lay_out(tree)
    store = Store(str(tmp_path / "home"))
    layers = case.kit["layers"]
    packed = store.pack([source(layer, tree) for layer in layers])
    assert [one.diff_id for one in packed] == expected(case)
    for layer, one in zip(layers, packed, strict=True):
        if "+" not in layer["mediaType"]:
            assert (one.digest, one.size) == (layer["digest"], layer["size"])
        blob = store.blob(one.digest)
        virtual = Blob.of_source(source(layer, tree))
        assert blob.size == virtual.size == one.size
        data = blob.read(0, blob.size)
        assert data == virtual.read(0, virtual.size)
        assert "sha256:" + hashlib.sha256(data).hexdigest() == one.digest
        for offset in range(0, blob.size, 389):
            length = min(777, blob.size - offset)
            assert blob.read(offset, length) == data[offset : offset + length]
            assert virtual.read(offset, length) == data[offset : offset + length]


@pytest.mark.parametrize("case", PACKED, ids=lambda case: case.name)
def test_gzip_holds_the_same_tar(case: Case, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    case.lay_out(tree)
    store = Store(str(tmp_path / "home"))
    packed = store.pack([source(layer, tree, "gzip") for layer in case.kit["layers"]])
    assert [one.diff_id for one in packed] == expected(case)
    for one in packed:
        data = gzip.decompress(store.blob(one.digest).read(0, one.size))
        assert "sha256:" + hashlib.sha256(data).hexdigest() == one.diff_id
