"""Tests how artifacts and layers of every family are told apart."""

from __future__ import annotations

import pytest

from kitfast.errors import InvalidArgument, UnsupportedArtifact
from kitfast.oci import digest
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.manifest import Manifest
from kitfast.oci.mediatypes import Family, LayerType, family, layer_type

HASH = digest.of(b"")


def described(media_type: str, **annotations: str) -> Descriptor:
    return Descriptor(media_type, HASH, 0, annotations)


@pytest.mark.parametrize(
    ("artifact_type", "config", "expected"),
    [
        (None, "application/vnd.kitops.modelkit.config.v1+json", "modelkit"),
        ("application/vnd.kitops.modelkit.manifest.v1+json", "x/y", "modelkit"),
        (None, "application/vnd.jozu.model.config.v1+json", "modelkit"),
        ("application/vnd.cncf.model.manifest.v1+json", "x/y", "modelpack"),
        (None, "application/vnd.cncf.model.config.v1+json", "modelpack"),
        ("application/vnd.cnai.model.manifest.v1+json", "x/y", "modelpack"),
        (None, "application/vnd.docker.ai.model.config.v0.1+json", "docker"),
        (None, "application/vnd.docker.ai.model.config.v0.2+json", "docker"),
    ],
)
def test_family_by_types(artifact_type: str | None, config: str, expected: str) -> None:
    assert family(Manifest(described(config), (), {}, artifact_type)) == expected


def test_family_by_titles() -> None:
    titled = Descriptor("x/y", HASH, 0, {"org.opencontainers.image.title": "a"})
    assert family(Manifest(described("x/z"), (titled, titled))) == "oras"
    for layers in ((titled, described("x/y")), ()):
        with pytest.raises(UnsupportedArtifact, match="x/z"):
            family(Manifest(described("x/z"), layers))


def test_image_is_named_and_refused() -> None:
    image = Manifest(
        described("application/vnd.docker.container.image.v1+json"), (described("x/y"),)
    )
    with pytest.raises(UnsupportedArtifact, match=r"container\.image"):
        family(image)


KIT = "application/vnd.kitops.modelkit."
LAYERS: list[tuple[Family, str, tuple[str, str, str] | None]] = [
    ("modelkit", KIT + "model.v1.tar", ("model", "tar", "none")),
    ("modelkit", KIT + "modelpart.v1.tar+gzip", ("modelpart", "tar", "gzip")),
    ("modelkit", KIT + "dataset.v1.raw", ("dataset", "raw", "none")),
    ("modelkit", KIT + "docs.v1.tar+zstd", ("docs", "tar", "zstd")),
    ("modelkit", KIT + "docs.v1.tar+lzma", None),
    ("modelkit", KIT + "docs.v2.tar", None),
    ("modelkit", KIT + "docs.v1.tar+gzip ", None),
    (
        "modelkit",
        "application/vnd.jozu.model.content.v1.tar+gzip",
        ("model", "tar", "gzip"),
    ),
    ("modelkit", "application/vnd.jozu.model.code.v1.tar+gzip", ("code", "tar", "gzip")),
    (
        "modelkit",
        "application/vnd.jozu.dataset.content.v1.tar+gzip",
        ("dataset", "tar", "gzip"),
    ),
    (
        "modelpack",
        "application/vnd.cncf.model.weight.config.v1.raw",
        ("weight.config", "raw", "none"),
    ),
    ("modelpack", "application/vnd.cnai.model.doc.v1.tar+zstd", ("doc", "tar", "zstd")),
    ("modelpack", "application/vnd.cncf.model.weight.v1.raw+gzip", None),
    ("modelpack", "application/vnd.docker.ai.safetensors", ("safetensors", "raw", "none")),
    ("docker", "application/vnd.docker.ai.gguf.v3", ("gguf", "raw", "none")),
    ("docker", "application/vnd.docker.ai.license", ("license", "raw", "none")),
    ("docker", "application/vnd.cncf.model.weight.v1.raw", ("weight", "raw", "none")),
    ("docker", "application/vnd.cncf.model.weight.v1.raw+gzip", None),
    ("docker", "application/vnd.docker.ai.vllm.config.tar", ("vllm.config", "tar", "none")),
    ("docker", "application/vnd.docker.ai.dir.tar", ("dir", "tar", "none")),
    ("docker", "application/vnd.docker.ai.new.thing", None),
    ("oras", "application/vnd.oci.image.layer.v1.tar", ("file", "raw", "none")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "media_type", "expected"), LAYERS)
def test_layer_types(kind: Family, media_type: str, expected: tuple[str, str, str] | None) -> None:
    if expected is None:
        with pytest.raises(UnsupportedArtifact, match="not known"):
            layer_type(kind, described(media_type))
        return
    found = layer_type(kind, described(media_type))
    assert (found.kind, found.shape, found.compression) == expected


def test_annotations_decide_where_types_do_not() -> None:
    prompt = Descriptor(
        KIT + "code.v1.tar", HASH, 0, {"ml.kitops.modelkit.layer-subtype": "prompt"}
    )
    found = layer_type("modelkit", prompt)
    assert found.kind == "prompt"
    assert found.media_type == KIT + "code.v1.tar"
    folder = Descriptor("x/y", HASH, 0, {"io.deis.oras.content.unpack": "true"})
    assert layer_type("oras", folder) == LayerType("oras", "dir", "tar", "gzip")


def test_only_written_families_have_types_to_write() -> None:
    with pytest.raises(InvalidArgument, match="oras"):
        _ = LayerType("oras", "file", "raw").media_type
