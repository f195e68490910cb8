"""Builds the manifest and config of a pack, the same bytes for the same files."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kitfast.errors import InvalidArgument
from kitfast.kitfile import json as kitfile_json
from kitfast.kitfile.filetypes import file_type, weights_format
from kitfast.kitfile.metadata import write_file_metadata
from kitfast.kitfile.model import EntryKind, Kitfile
from kitfast.kitfile.origin import KITFILE_ANNOTATION
from kitfast.oci import canonical, digest
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.manifest import Manifest
from kitfast.oci.mediatypes import (
    CREATED,
    FILE_METADATA,
    FILEPATHS,
    LAYER_SUBTYPE,
    MODELKIT_ARTIFACT,
    MODELKIT_CONFIG,
    MODELPACK_ARTIFACT,
    MODELPACK_CONFIG,
    TITLE,
    LayerType,
    Shape,
)

VERSION_ANNOTATION = "ml.kitops.modelkit.cli-version"
_FILEPATH = FILEPATHS[0]
_FILE_METADATA = FILE_METADATA[0]
_MODELPACK_KINDS: dict[EntryKind, str] = {
    "code": "code",
    "prompt": "code",
    "dataset": "dataset",
    "docs": "doc",
}


@dataclass(frozen=True)
class BuiltLayer:
    """A packed layer: whose it is, where it goes, and what it became.

    `path` is the entry's path, or a raw layer's file; `size` counts the blob's bytes;
    `mode` is set for raw layers, whose bytes cannot hold it. `compression` is none, gzip,
    gzip-fastest or zstd.
    """

    kind: EntryKind
    path: str
    digest: str
    diff_id: str
    size: int
    shape: Shape = "tar"
    compression: str = "none"
    mode: int | None = None


@dataclass(frozen=True)
class BuiltArtifact:
    """The two small blobs of a pack, and what they say."""

    config: bytes
    manifest: bytes
    descriptor: Descriptor
    kitfile: Kitfile


def build_modelkit(
    kitfile: Kitfile,
    layers: Sequence[BuiltLayer],
    *,
    version: str,
    created: int | None = None,
) -> BuiltArtifact:
    """Builds a ModelKit of `kitfile`, whose entries have become `layers`, in order.

    `version` is kitfast's; `created`, in seconds, is written only when given (from
    SOURCE_DATE_EPOCH), so that packing twice gives one digest. Raises `InvalidArgument`
    when layers and entries do not pair up.
    """
    kinds = [kind for kind, _ in kitfile.entries()]
    if kinds != [layer.kind for layer in layers]:
        raise InvalidArgument("the layers are not those of the Kitfile's entries")
    filled = kitfile.with_digests([(layer.digest, layer.diff_id) for layer in layers])
    return _built(
        filled,
        kitfile_json.to_bytes(filled),
        MODELKIT_CONFIG,
        MODELKIT_ARTIFACT,
        [_modelkit_layer(layer) for layer in layers],
        {VERSION_ANNOTATION: version, **_created(created)},
    )


def build_modelpack(
    kitfile: Kitfile,
    layers: Sequence[BuiltLayer],
    *,
    version: str,
    created: int | None = None,
) -> BuiltArtifact:
    """Builds a ModelPack (model-spec 0.0.7): raw layers, one file each.

    The Kitfile goes along in an annotation, from which kit and kitfast get it back.
    Arguments and errors as for `build_modelkit`.
    """
    if any(layer.shape != "raw" or layer.mode is None for layer in layers):
        raise InvalidArgument("a ModelPack is written as raw layers, one file each")
    written = kitfile.without_digests()
    annotations = {
        VERSION_ANNOTATION: version,
        KITFILE_ANNOTATION: canonical.dumps(kitfile_json.to_value(written)),
        **_created(created),
    }
    return _built(
        written,
        canonical.dump_bytes(_modelpack_config(kitfile, layers, created)),
        MODELPACK_CONFIG,
        MODELPACK_ARTIFACT,
        [_modelpack_layer(layer) for layer in layers],
        annotations,
    )


def _built(
    kitfile: Kitfile,
    config: bytes,
    config_type: str,
    artifact_type: str,
    layers: list[Descriptor],
    annotations: dict[str, str],
) -> BuiltArtifact:
    manifest = Manifest(
        Descriptor(config_type, digest.of(config), len(config)),
        tuple(layers),
        annotations,
        artifact_type,
    )
    data = manifest.to_bytes()
    descriptor = Descriptor(manifest.media_type, digest.of(data), len(data))
    return BuiltArtifact(config, data, descriptor, kitfile)


def _modelkit_layer(layer: BuiltLayer) -> Descriptor:
    annotations = {_FILEPATH: layer.path}
    if layer.kind == "prompt":
        annotations[LAYER_SUBTYPE] = "prompt"
    if layer.mode is not None:
        annotations[_FILE_METADATA] = write_file_metadata(layer.path, layer.mode, layer.size)
    # Both levels of gzip are one format.
    compression = "gzip" if layer.compression == "gzip-fastest" else layer.compression
    said = LayerType("modelkit", layer.kind, layer.shape, compression)
    return Descriptor(said.media_type, layer.digest, layer.size, annotations)


def _modelpack_layer(layer: BuiltLayer) -> Descriptor:
    annotations = {
        _FILEPATH: layer.path,
        # oras and CRI-O know this name only.
        TITLE: layer.path,
        _FILE_METADATA: write_file_metadata(layer.path, layer.mode or 0, layer.size),
    }
    if layer.kind == "prompt":
        annotations[LAYER_SUBTYPE] = "prompt"
    said = LayerType("modelpack", _modelpack_kind(layer), "raw")
    return Descriptor(said.media_type, layer.digest, layer.size, annotations)


def _modelpack_kind(layer: BuiltLayer) -> str:
    """Weights and what configures them are told apart by name: a Kitfile knows no difference."""
    if layer.kind in _MODELPACK_KINDS:
        return _MODELPACK_KINDS[layer.kind]
    return "weight.config" if file_type(layer.path) in ("metadata", "docs") else "weight"


def _modelpack_config(
    kitfile: Kitfile, layers: Sequence[BuiltLayer], created: int | None
) -> dict[str, Any]:
    package = kitfile.package
    about: dict[str, Any] = {
        "createdAt": _moment(created) if created is not None else None,
        "authors": list(package.authors),
        "name": package.name,
        "version": package.version,
        "licenses": _licenses(kitfile),
        "title": package.name,
        "description": package.description,
    }
    names = [layer.path for layer in layers if layer.kind in ("model", "modelpart")]
    stated = kitfile.model.format if kitfile.model is not None else ""
    model_format = stated or weights_format(names)
    return {
        "descriptor": {key: value for key, value in about.items() if value},
        "modelfs": {"type": "layers", "diffIds": [layer.diff_id for layer in layers]},
        "config": {"format": model_format} if model_format else {},
    }


def _licenses(kitfile: Kitfile) -> list[str]:
    found = {getattr(entry, "license", "") for _, entry in kitfile.entries()}
    found.add(kitfile.package.license)
    if kitfile.model is not None:
        found.add(kitfile.model.license)
    return sorted(found - {""})


def _created(created: int | None) -> dict[str, str]:
    return {} if created is None else {CREATED: _moment(created)}


def _moment(seconds: int) -> str:
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise InvalidArgument(
            f"{seconds} seconds since 1970 is no date", hint="check SOURCE_DATE_EPOCH"
        ) from None
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%SZ}"
