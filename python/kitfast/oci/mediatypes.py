"""Media types: which family an artifact is of, and what each layer of it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kitfast.errors import InvalidArgument, UnsupportedArtifact

if TYPE_CHECKING:
    from kitfast.oci.descriptor import Descriptor
    from kitfast.oci.manifest import Manifest

Family = Literal["modelkit", "modelpack", "docker", "oras"]
Shape = Literal["tar", "raw"]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
# What a registry is asked for: some answer 404 to a kind that is not named.
ACCEPT = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)

MODELKIT_ARTIFACT = "application/vnd.kitops.modelkit.manifest.v1+json"
MODELKIT_CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
MODELPACK_ARTIFACT = "application/vnd.cncf.model.manifest.v1+json"
MODELPACK_CONFIG = "application/vnd.cncf.model.config.v1+json"

TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"
FILEPATHS = ("org.cncf.model.filepath", "org.cnai.model.filepath")
FILE_METADATA = ("org.cncf.model.file.metadata+json", "org.cnai.model.file.metadata+json")
UNTESTED = "org.cncf.model.file.mediatype.untested"
ORAS_UNPACK = "io.deis.oras.content.unpack"
LAYER_SUBTYPE = "ml.kitops.modelkit.layer-subtype"

_PREFIXES: tuple[tuple[str, Family], ...] = (
    ("application/vnd.kitops.modelkit.", "modelkit"),
    ("application/vnd.jozu.", "modelkit"),
    ("application/vnd.cncf.model.", "modelpack"),
    ("application/vnd.cnai.model.", "modelpack"),
    ("application/vnd.docker.ai.model.config.", "docker"),
)
# Texts and not patterns: a kit's layers need one or two of them.
_MODELKIT = (
    r"application/vnd\.kitops\.modelkit\.(model|modelpart|dataset|code|docs|prompt)"
    r"\.v1\.(tar|raw)(?:\+(gzip|zstd))?"
)
_JOZU = r"application/vnd\.jozu\.(model|dataset)\.(content|code)\.v1\.tar(?:\+(gzip))?"
_MODELPACK = (
    r"application/vnd\.(?:cncf|cnai)\.model\.(weight\.config|weight|doc|code|dataset)"
    r"\.v1\.(tar|raw)(?:\+(gzip|zstd))?"
)
_DOCKER_RAW = (
    r"application/vnd\.docker\.ai\.(gguf|safetensors|dduf|license|mmproj|chat\.template\.jinja"
    r"|model\.file)(?:\.v\d+(?:\.\d+)?)?(?:\+json)?"
)
_DOCKER_TAR = r"application/vnd\.docker\.ai\.(vllm\.config|dir)\.tar"


@dataclass(frozen=True)
class LayerType:
    """What a layer's media type says.

    `kind` is the family's own word: model, modelpart, dataset, code, docs or prompt of a
    ModelKit; weight, weight.config, doc, code or dataset of a ModelPack; and so on.
    `compression` is none, gzip or zstd.
    """

    family: Family
    kind: str
    shape: Shape
    compression: str = "none"

    @property
    def media_type(self) -> str:
        """The media type of a layer of this type, for the families kitfast writes.

        Raises `InvalidArgument` for the others.
        """
        roots = {"modelkit": "kitops.modelkit", "modelpack": "cncf.model"}
        if self.family not in roots:
            raise InvalidArgument(f"kitfast does not write {self.family} layers")
        root = roots[self.family]
        # A prompt is a code layer with an annotation, so that older readers can take it.
        kind = "code" if self.kind == "prompt" else self.kind
        suffix = "" if self.compression == "none" else f"+{self.compression}"
        return f"application/vnd.{root}.{kind}.v1.{self.shape}{suffix}"


def family(manifest: Manifest) -> Family:
    """Tells the family of an artifact: by artifactType, else by config.mediaType.

    Raises `UnsupportedArtifact`, naming what was found, for anything kitfast cannot unpack.
    """
    for found in (manifest.artifact_type, manifest.config.media_type):
        for prefix, name in _PREFIXES:
            if found is not None and found.startswith(prefix):
                return name
    if manifest.layers and all(layer.annotations.get(TITLE) for layer in manifest.layers):
        return "oras"
    found = manifest.artifact_type or manifest.config.media_type
    raise UnsupportedArtifact(
        f"an artifact of type {found!r} is neither a ModelKit nor a ModelPack",
        hint="kitfast reads ModelKits, ModelPacks, Docker models and plain ORAS files",
    )


def layer_type(family: Family, layer: Descriptor) -> LayerType:
    """Reads what one layer of an artifact of `family` holds.

    Raises `UnsupportedArtifact` for a media type kitfast does not know: guessing would put
    wrong bytes on disk.
    """
    found = _PARSERS[family](layer.media_type, layer.annotations)
    if found is None:
        raise UnsupportedArtifact(
            f"a layer of type {layer.media_type!r} is not known in a {family} artifact",
            hint="a newer kitfast may read it",
        )
    return found


def _modelkit(media_type: str, annotations: Mapping[str, str]) -> LayerType | None:
    if match := re.fullmatch(_MODELKIT, media_type):
        kind, shape, compression = match.groups()
        if annotations.get(LAYER_SUBTYPE) == "prompt":
            kind = "prompt"
        return LayerType("modelkit", kind, _shape(shape), compression or "none")
    if match := re.fullmatch(_JOZU, media_type):
        kind = "code" if match[2] == "code" else match[1]
        return LayerType("modelkit", kind, "tar", match[3] or "none")
    return None


def _modelpack(media_type: str, annotations: Mapping[str, str]) -> LayerType | None:
    return _specified(media_type, "modelpack") or _runner(media_type)


def _docker(media_type: str, annotations: Mapping[str, str]) -> LayerType | None:
    return _runner(media_type) or _specified(media_type, "docker")


def _specified(media_type: str, name: Family) -> LayerType | None:
    """Reads a layer type of the ModelPack specification, which Docker takes as well."""
    match = re.fullmatch(_MODELPACK, media_type)
    if match is None:
        return None
    kind, shape, compression = match.groups()
    # A compressed raw layer is not in the specification: its file name would lie.
    if shape == "raw" and compression is not None:
        return None
    return LayerType(name, kind, _shape(shape), compression or "none")


def _runner(media_type: str) -> LayerType | None:
    """Reads a layer type of Docker Model Runner."""
    if match := re.fullmatch(_DOCKER_RAW, media_type):
        return LayerType("docker", match[1], "raw")
    if match := re.fullmatch(_DOCKER_TAR, media_type):
        return LayerType("docker", match[1], "tar")
    return None


def _oras(media_type: str, annotations: Mapping[str, str]) -> LayerType | None:
    # oras calls every file a tar: only this annotation tells a packed folder.
    if annotations.get(ORAS_UNPACK) == "true":
        return LayerType("oras", "dir", "tar", "gzip")
    return LayerType("oras", "file", "raw")


def _shape(text: str) -> Shape:
    return "raw" if text == "raw" else "tar"


_PARSERS = {"modelkit": _modelkit, "modelpack": _modelpack, "docker": _docker, "oras": _oras}
