"""Reads the artifacts other tools made, down to every layer's type."""

from __future__ import annotations

import pytest
from tests.support.golden import Artifact, artifacts

from kitfast.oci import manifest as manifests
from kitfast.oci.manifest import Index
from kitfast.oci.mediatypes import family, layer_type

FAMILIES = {
    "kit17-tar": "modelkit",
    "kithead-gzip": "modelkit",
    "kithead-tar": "modelkit",
    "modctl-raw-false": "modelpack",
    "modctl-raw-true": "modelpack",
    "oras-files": "oras",
}


@pytest.mark.parametrize("artifact", artifacts(), ids=lambda artifact: artifact.name)
def test_manifest_and_layers_are_known(artifact: Artifact) -> None:
    index = manifests.parse((artifact.folder / "index.json").read_bytes())
    assert isinstance(index, Index)
    assert index.only().digest == artifact.digest
    manifest = manifests.parse_manifest(artifact.manifest, index.only().media_type)
    assert family(manifest) == FAMILIES[artifact.name]
    for layer in manifest.layers:
        found = layer_type(family(manifest), layer)
        assert len(artifact.blob(layer.digest)) == layer.size
        if found.family in ("modelkit", "modelpack"):
            assert found.media_type == layer.media_type


@pytest.mark.parametrize(
    "name", ["kit17-tar", "kithead-gzip", "modctl-raw-true"], ids=lambda name: name
)
def test_manifest_is_written_back_byte_for_byte(name: str) -> None:
    artifact = next(artifact for artifact in artifacts() if artifact.name == name)
    assert manifests.parse_manifest(artifact.manifest).to_bytes() == artifact.manifest
