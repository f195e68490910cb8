"""Tests the manifests and configs of packs: readable by all, always the same."""

from __future__ import annotations

import json

import pytest

from kitfast.errors import InvalidArgument
from kitfast.kitfile.artifact import BuiltLayer, build_modelkit, build_modelpack
from kitfast.kitfile.match import match
from kitfast.kitfile.model import Code, Dataset, Docs, Kitfile, Model, ModelPart, Package, Prompt
from kitfast.kitfile.origin import kitfile_of
from kitfast.oci import digest
from kitfast.oci.manifest import parse_manifest

KITFILE = Kitfile(
    manifest_version="1.0.0",
    package=Package(name="n", version="2", description="d", license="MIT", authors=("a",)),
    model=Model(path="m.gguf", license="Apache-2.0", parts=(ModelPart(path="config.json"),)),
    code=(Code(path="src"),),
    datasets=(Dataset(path="d.csv"),),
    docs=(Docs(path="README.md"),),
    prompts=(Prompt(path="p.txt"),),
)
NAMES = ["m.gguf", "config.json", "src/run.sh", "d.csv", "README.md", "p.txt"]


def built_layers(raw: bool, compression: str = "none") -> list[BuiltLayer]:
    paths = NAMES if raw else [entry.path for _, entry in KITFILE.entries()]
    return [
        BuiltLayer(
            kind,
            path,
            digest.of(path.encode()),
            digest.of(path.encode() + b"d"),
            index,
            shape="raw" if raw else "tar",
            compression=compression,
            mode=0o755 if raw else None,
        )
        for index, ((kind, _), path) in enumerate(zip(KITFILE.entries(), paths, strict=True))
    ]


def test_modelkit_reads_back() -> None:
    built = build_modelkit(KITFILE, built_layers(raw=False, compression="gzip"), version="9.9")
    manifest = parse_manifest(built.manifest)
    assert manifest.media_type == "application/vnd.oci.image.manifest.v1+json"
    assert manifest.artifact_type == "application/vnd.kitops.modelkit.manifest.v1+json"
    assert manifest.annotations == {"ml.kitops.modelkit.cli-version": "9.9"}
    assert built.descriptor.digest == digest.of(built.manifest)
    assert manifest.config.digest == digest.of(built.config)
    kitfile = kitfile_of(manifest, built.config)
    assert kitfile == built.kitfile
    assert kitfile.without_digests() == KITFILE
    found = match(manifest, kitfile)
    assert [(u.kind, u.core_shape) for u in found] == [
        (kind, "tar+gzip") for kind, _ in KITFILE.entries()
    ]
    assert [u.descriptor.annotations["org.cncf.model.filepath"] for u in found] == [
        entry.path for _, entry in KITFILE.entries()
    ]


@pytest.mark.parametrize(
    ("compression", "suffix"),
    [("none", ""), ("gzip", "+gzip"), ("gzip-fastest", "+gzip"), ("zstd", "+zstd")],
)
def test_compression_shows_in_the_media_type(compression: str, suffix: str) -> None:
    built = build_modelkit(KITFILE, built_layers(False, compression), version="1")
    for layer in parse_manifest(built.manifest).layers:
        assert layer.media_type.endswith(f".v1.tar{suffix}")


def test_packing_twice_gives_one_digest_but_for_a_given_date() -> None:
    for build, raw in ((build_modelkit, False), (build_modelpack, True)):
        layers = built_layers(raw)
        first = build(KITFILE, layers, version="1")
        assert build(KITFILE, layers, version="1") == first
        dated = build(KITFILE, layers, version="1", created=86400)
        created = parse_manifest(dated.manifest).annotations["org.opencontainers.image.created"]
        assert created == "1970-01-02T00:00:00Z"
        assert "created" not in first.manifest.decode()
        with pytest.raises(InvalidArgument, match="no date") as caught:
            build(KITFILE, layers, version="1", created=10**18)
        assert "SOURCE_DATE_EPOCH" in str(caught.value.hint)


def test_raw_modelkit_keeps_modes_and_names() -> None:
    built = build_modelkit(KITFILE, built_layers(raw=True), version="1")
    found = match(parse_manifest(built.manifest), built.kitfile)
    assert [(u.name, u.mode) for u in found] == [(name, 0o755) for name in NAMES]


def test_modelpack_follows_the_specification() -> None:
    layers = built_layers(raw=True)
    built = build_modelpack(KITFILE, layers, version="1")
    manifest = parse_manifest(built.manifest)
    assert manifest.artifact_type == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest.config.media_type == "application/vnd.cncf.model.config.v1+json"
    kinds = ["weight", "weight.config", "code", "dataset", "doc", "code"]
    assert [layer.media_type for layer in manifest.layers] == [
        f"application/vnd.cncf.model.{kind}.v1.raw" for kind in kinds
    ]
    for name, layer in zip(NAMES, manifest.layers, strict=True):
        assert layer.annotations["org.cncf.model.filepath"] == name
        assert layer.annotations["org.opencontainers.image.title"] == name
        metadata = json.loads(layer.annotations["org.cncf.model.file.metadata+json"])
        assert list(metadata) == ["name", "mode", "uid", "gid", "size", "mtime", "typeflag"]
        assert (metadata["mode"], metadata["size"]) == (0o755, layer.size)
    config = json.loads(built.config)
    assert list(config) == ["descriptor", "modelfs", "config"]
    assert config["modelfs"] == {"type": "layers", "diffIds": [layer.diff_id for layer in layers]}
    assert config["config"] == {"format": "gguf"}
    assert config["descriptor"]["licenses"] == ["Apache-2.0", "MIT"]
    assert kitfile_of(manifest, built.config) == KITFILE
    assert [(u.name, u.mode, u.entry and u.entry.path) for u in match(manifest, KITFILE)] == [
        (name, 0o755, entry.path) for name, (_, entry) in zip(NAMES, KITFILE.entries(), strict=True)
    ]


def test_layers_that_are_not_the_entries_are_refused() -> None:
    layers = built_layers(raw=False)
    for wrong in (layers[1:], list(reversed(layers))):
        with pytest.raises(InvalidArgument, match="not those of the Kitfile"):
            build_modelkit(KITFILE, wrong, version="1")
    with pytest.raises(InvalidArgument, match="raw layers"):
        build_modelpack(KITFILE, layers, version="1")
