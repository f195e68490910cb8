"""Tests which layer goes where: ModelKits, ModelPacks, Docker models, ORAS files."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.support.golden import Artifact, artifacts

from kitfast.errors import Corrupt, UnsafeMember, UnsupportedArtifact
from kitfast.kitfile.match import Unpackable, match
from kitfast.kitfile.model import Code, Dataset, Docs, Entry, Kitfile, Model, ModelPart, Prompt
from kitfast.kitfile.origin import kitfile_of
from kitfast.oci import digest
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.manifest import Manifest, parse_manifest

KIT = "application/vnd.kitops.modelkit."
PACK = "application/vnd.cncf.model."
ONE, TWO = digest.of(b"1"), digest.of(b"2")
PATH = "org.cncf.model.filepath"


def layer(media_type: str, hash: str = ONE, **annotations: str) -> Descriptor:
    return Descriptor(media_type, hash, 1, annotations)


def at(path: str, media_type: str, hash: str = ONE, **metadata: int) -> Descriptor:
    annotations = {PATH: path}
    if metadata:
        annotations["org.cncf.model.file.metadata+json"] = json.dumps(metadata)
    return Descriptor(media_type, hash, 1, annotations)


def kit(*layers: Descriptor) -> Manifest:
    return Manifest(layer(KIT + "config.v1+json"), layers)


def pack(*layers: Descriptor, config: str = PACK + "config.v1+json", **notes: str) -> Manifest:
    return Manifest(layer(config), layers, notes)


def test_layers_meet_entries_in_order() -> None:
    kitfile = Kitfile(
        model=Model(path="m", digest=ONE, parts=(ModelPart(path="p", digest=TWO),)),
        code=(Code(path="a", digest=ONE), Code(path="b", digest=TWO)),
        docs=(Docs(path="d", digest=ONE),),
        prompts=(Prompt(path="q", digest=ONE),),
    )
    subtype = {"ml.kitops.modelkit.layer-subtype": "prompt"}
    manifest = kit(
        layer(KIT + "code.v1.tar"),
        layer(KIT + "model.v1.tar+gzip"),
        layer(KIT + "code.v1.tar", **subtype),
        layer(KIT + "modelpart.v1.tar", TWO),
        layer(KIT + "docs.v1.tar+zstd"),
        layer(KIT + "code.v1.tar", TWO),
    )
    found = [(u.kind, u.entry and u.entry.path, u.core_shape) for u in match(manifest, kitfile)]
    assert found == [
        ("code", "a", "tar"),
        ("model", "m", "tar+gzip"),
        ("prompt", "q", "tar"),
        ("modelpart", "p", "tar"),
        ("docs", "d", "tar+zstd"),
        ("code", "b", "tar"),
    ]


def test_digest_of_entry_and_layer_must_agree() -> None:
    with pytest.raises(Corrupt, match=r"layer 1 \(code\) is .* but its Kitfile entry says"):
        match(kit(layer(KIT + "code.v1.tar")), Kitfile(code=(Code(path="a", digest=TWO),)))


def test_layer_without_entry_and_entry_without_layer() -> None:
    with pytest.raises(Corrupt, match="has no entry"):
        match(kit(layer(KIT + "code.v1.tar")), Kitfile())
    with pytest.raises(Corrupt, match="'a' has no layer"):
        match(kit(), Kitfile(code=(Code(path="a", digest=ONE),)))
    remote = Dataset(path="d", digest=ONE, remote_path="s3://bucket/d")
    assert match(kit(), Kitfile(datasets=(remote,))) == []


def test_tar_of_an_old_kit_is_relative_to_its_entrys_parent() -> None:
    def under(entry: Entry) -> str:
        kitfile = Kitfile(code=(entry,)) if isinstance(entry, Code) else Kitfile()
        return match(kit(layer(KIT + "code.v1.tar")), kitfile)[0].under

    assert under(Code(path="a/b/c")) == "a/b"
    assert under(Code(path="./c")) == ""
    assert under(Code(path="a/b/c", digest=ONE)) == ""
    for path in ("../a/b", "/etc/x"):
        with pytest.raises(UnsafeMember):
            under(Code(path=path))


def test_raw_layer_is_named_by_annotation_then_entry() -> None:
    kitfile = Kitfile(code=(Code(path="./a", digest=ONE), Code(path="b", digest=ONE)))
    manifest = kit(
        layer(KIT + "code.v1.raw"), at("x/b", KIT + "code.v1.raw", mode=0o100755, typeflag=48)
    )
    assert [(u.name, u.mode, u.core_shape) for u in match(manifest, kitfile)] == [
        ("a", 0o644, "whole"),
        ("x/b", 0o755, "whole"),
    ]


def test_files_belong_to_the_nearest_entry() -> None:
    kitfile = Kitfile(
        model=Model(path="m/w"),
        code=(Code(path="."), Code(path="src")),
        docs=(Docs(path="src/docs"),),
    )
    names = ["m/w", "src/a", "src/docs/b", "src2", "src"]
    manifest = pack(*(at(name, PACK + "code.v1.raw") for name in names))
    found = [u.entry and u.entry.path for u in match(manifest, kitfile)]
    assert found == ["m/w", "src", "src/docs", ".", "src"]


HOSTILE = ["/etc/passwd", "../x", "a/../../x", "a\\..\\..\\x", "\\x", "C:x", "c:/x", "", ".", "a/"]


@pytest.mark.parametrize("name", [*HOSTILE, "a\0b", "a/" * 2100 + "b"])
@pytest.mark.parametrize("make", [pack, kit])
def test_hostile_names_are_refused(name: str, make: Callable[..., Manifest]) -> None:
    if make is pack:
        manifest, kitfile = pack(at(name, PACK + "code.v1.raw")), Kitfile()
    else:
        manifest, kitfile = kit(at(name, KIT + "code.v1.raw")), Kitfile(code=(Code(path=name),))
    with pytest.raises((UnsafeMember, Corrupt)):
        match(manifest, kitfile)


def test_two_files_of_one_name_are_refused() -> None:
    same = pack(at("a", PACK + "code.v1.raw"), at("./a", PACK + "doc.v1.raw"))
    assert [u.name for u in match(same, Kitfile())] == ["a", "a"]
    other = pack(at("a", PACK + "code.v1.raw"), at("a", PACK + "doc.v1.raw", TWO))
    with pytest.raises(Corrupt, match="two layers are the file 'a'"):
        match(other, Kitfile())


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ('{"mode": "420"}', "not a whole number"),
        ('{"typeflag": 2}', "link or a folder"),
        ('{"typeflag": 53}', "link or a folder"),
        ('{"typeflag": 7}', "unknown type 7"),
    ],
)
def test_metadata_that_lies_is_refused(metadata: str, what: str) -> None:
    notes = {PATH: "a", "org.cncf.model.file.metadata+json": metadata}
    with pytest.raises(Corrupt, match=what):
        match(pack(layer(PACK + "code.v1.raw", **notes)), Kitfile())


def test_modes_lose_all_but_permissions() -> None:
    for mode, expected in ((420, 0o644), (0o4755, 0o755), (2**31 + 0o700, 0o700), (-1, 0o644)):
        manifest = pack(at("a", PACK + "code.v1.raw", mode=mode))
        assert match(manifest, Kitfile())[0].mode == expected


def test_file_without_a_name_is_refused_but_docker_makes_one_up() -> None:
    with pytest.raises(Corrupt, match="a file without a name"):
        match(pack(layer(PACK + "weight.v1.raw")), Kitfile())
    docker = "application/vnd.docker.ai."
    config = docker + "model.config.v0.1+json"
    kinds = ["gguf.v3", "gguf.v3", "mmproj", "license", "chat.template.jinja"]
    manifest = pack(*(layer(docker + kind) for kind in kinds), config=config)
    kitfile = kitfile_of(manifest, b"{}")
    assert [u.name for u in match(manifest, kitfile)] == [
        "model-00001-of-00002.gguf",
        "model-00002-of-00002.gguf",
        "mmproj.gguf",
        "LICENSE",
        "template.jinja",
    ]
    assert kitfile.model is not None
    assert kitfile.model.path == "model-00001-of-00002.gguf"
    assert [entry.path for entry in kitfile.docs] == ["LICENSE"]
    one = pack(layer(docker + "gguf.v3"), config=config)
    assert match(one, kitfile_of(one, b"{}"))[0].name == "model.gguf"


def test_old_modelpack_annotations_and_titles_name_files() -> None:
    old = layer(PACK + "doc.v1.raw", **{"org.cnai.model.filepath": "a"})
    titled = layer(PACK + "doc.v1.raw", TWO, **{"org.opencontainers.image.title": "b"})
    assert [u.name for u in match(pack(old, titled), Kitfile())] == ["a", "b"]


def test_unknown_layers_are_refused() -> None:
    with pytest.raises(UnsupportedArtifact, match=r"weights\.v1\.raw"):
        match(pack(at("a", PACK + "weights.v1.raw")), Kitfile())


def test_kitfile_is_taken_from_the_manifest_or_made_up() -> None:
    kept = pack(**{"ml.kitops.modelkit.kitfile": '{"manifestVersion":"1.0","code":[{"path":"c"}]}'})
    assert kitfile_of(kept, b"{}") == Kitfile(manifest_version="1.0", code=(Code(path="c"),))
    config = {
        "descriptor": {"name": "n", "authors": ["a"], "licenses": ["MIT", "Apache-2.0"]},
        "config": {"format": "gguf"},
    }
    manifest = pack(at("b", PACK + "weight.v1.raw"), at("d", PACK + "dataset.v1.tar"))
    made = kitfile_of(manifest, json.dumps(config).encode())
    assert made.package.name == "n"
    assert made.package.license == "MIT AND Apache-2.0"
    assert made.model == Model(path="b", format="gguf")
    assert made.datasets == (Dataset(path="d"),)
    assert kitfile_of(manifest, b"{}").package.name == ""
    for broken in (b"[]", b'{"descriptor": 1}', b"{"):
        with pytest.raises(Corrupt):
            kitfile_of(manifest, broken)
    with pytest.raises(Corrupt, match="Kitfile in the manifest"):
        kitfile_of(pack(**{"ml.kitops.modelkit.kitfile": "{"}), b"{}")


EXPECTED = {
    "kithead-gzip": [("model", "tar+gzip", None), ("modelpart", "tar+gzip", None)],
    "modctl-raw-true": [("modelpart", "whole", "config.json")],
    "modctl-raw-false": [("modelpart", "tar", None)],
    "oras-files": [("model", "whole", "model.safetensors"), ("modelpart", "whole", "config.json")],
    "kit17-tar": [("model", "tar", None)],
    "kithead-tar": [("model", "tar", None)],
}


@pytest.mark.parametrize("artifact", artifacts(), ids=lambda artifact: artifact.name)
def test_recorded_artifacts_are_matched(artifact: Artifact) -> None:
    manifest = parse_manifest(artifact.manifest)
    kitfile = kitfile_of(manifest, artifact.blob(manifest.config.digest))
    found: list[Unpackable] = match(manifest, kitfile)
    assert len(found) == len(manifest.layers)
    assert all(layer.entry is not None for layer in found)
    begun = [(u.kind, u.core_shape, u.name) for u in found]
    assert begun[: len(EXPECTED[artifact.name])] == EXPECTED[artifact.name]
