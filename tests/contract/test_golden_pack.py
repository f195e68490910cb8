"""Packs every recorded tree and holds each layer to the digest kit gave it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.golden import Case, cases

from kitfast._core import LayerSource, Store
from kitfast.kitfile.artifact import BuiltLayer, build_modelkit
from kitfast.kitfile.match import match
from kitfast.kitfile.origin import kitfile_of
from kitfast.kitfile.parser import parse
from kitfast.modelkit.layers import plan
from kitfast.oci import digest
from kitfast.oci.manifest import parse_manifest

PACKED = [
    case for case in cases() if not case.refused and case.name != "same path twice, spelled apart"
]


def packed(case: Case, tmp_path: Path) -> list[BuiltLayer]:
    folder = case.lay_out(tmp_path / "tree")
    layers = plan(folder, parse(case.kitfile), allow_empty=True)
    store = Store(str(tmp_path / "home"))
    blobs = store.pack([LayerSource(layer.members, case.compression) for layer in layers])
    return [
        BuiltLayer(
            layer.kind,
            layer.path,
            blob.digest,
            blob.diff_id,
            blob.size,
            compression=case.compression,
        )
        for layer, blob in zip(layers, blobs, strict=True)
    ]


@pytest.mark.parametrize("case", PACKED, ids=lambda case: case.name)
def test_layers_and_config_have_kits_digests(case: Case, tmp_path: Path) -> None:
    layers = packed(case, tmp_path)
    built = build_modelkit(parse(case.kitfile), layers, version="1")
    manifest = parse_manifest(built.manifest)
    assert [layer.media_type for layer in manifest.layers] == [
        layer["mediaType"] for layer in case.kit["layers"]
    ]
    recorded = kitfile_of(parse_manifest(built.manifest), case.config)
    assert [entry.diff_id for _, entry in built.kitfile.entries()] == [
        entry.diff_id for _, entry in recorded.entries()
    ]
    if case.compression == "none":
        assert [(layer.digest, layer.size) for layer in manifest.layers] == [
            (layer["digest"], layer["size"]) for layer in case.kit["layers"]
        ]
        assert built.config == case.config
        assert digest.of(built.config) == case.kit["config"]["digest"]
    assert [found.descriptor for found in match(manifest, built.kitfile)] == list(manifest.layers)
