"""Gets the Kitfile of any artifact: read where one is kept, made up where none is."""

from __future__ import annotations

from typing import Any

from kitfast.kitfile import json as kitfile_json
from kitfast.kitfile.filetypes import file_type
from kitfast.kitfile.match import docker_names, entry_kind
from kitfast.kitfile.model import (
    MANIFEST_VERSION,
    Code,
    Dataset,
    Docs,
    EntryKind,
    Kitfile,
    Model,
    ModelPart,
    Package,
    Prompt,
)
from kitfast.oci.document import load_object, optional, optional_text
from kitfast.oci.manifest import Manifest
from kitfast.oci.mediatypes import FILEPATHS, TITLE, Family, family, layer_type

KITFILE_ANNOTATION = "ml.kitops.modelkit.kitfile"
_EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
_BY_TYPE: dict[str, EntryKind] = {
    "model": "model",
    "metadata": "modelpart",
    "docs": "docs",
    "dataset": "dataset",
    "unknown": "code",
}


def kitfile_of(manifest: Manifest, config: bytes) -> Kitfile:
    """Returns the Kitfile of an artifact, whose config blob is `config`.

    A ModelKit's config is its Kitfile; a ModelPack may carry one in an annotation; for
    anything else one is made up from the layers' names. Raises `Corrupt` when it cannot
    be read and `UnsupportedArtifact` as `family` does.
    """
    kind = family(manifest)
    if kind == "modelkit":
        return kitfile_json.from_bytes(config)
    kept = manifest.annotations.get(KITFILE_ANNOTATION)
    if kept:
        return kitfile_json.from_bytes(kept.encode("utf-8"), "the Kitfile in the manifest")
    is_described = kind == "modelpack" and manifest.config.media_type != _EMPTY_CONFIG
    described = load_object(config, "the model's config") if is_described else {}
    return _made_up(manifest, kind, described)


def _made_up(manifest: Manifest, kind: Family, described: dict[str, Any]) -> Kitfile:
    paths = _paths(manifest, kind)
    package, model_format = _package(described)
    of_kind: dict[EntryKind, list[str]] = {}
    for path, word in paths.items():
        of_kind.setdefault(word, []).append(path)
    weights = of_kind.get("model", [])
    parts = weights[1:] + of_kind.get("modelpart", [])
    model = None
    if weights or parts:
        model = Model(
            path=weights[0] if weights else "",
            format=model_format,
            parts=tuple(ModelPart(path=path) for path in parts),
        )
    return Kitfile(
        manifest_version=MANIFEST_VERSION,
        package=package,
        model=model,
        code=tuple(Code(path=path) for path in of_kind.get("code", [])),
        datasets=tuple(Dataset(path=path) for path in of_kind.get("dataset", [])),
        docs=tuple(Docs(path=path) for path in of_kind.get("docs", [])),
        prompts=tuple(Prompt(path=path) for path in of_kind.get("prompt", [])),
    )


def _paths(manifest: Manifest, kind: Family) -> dict[str, EntryKind]:
    """Returns where layers go and what they are; a layer without a path makes no entry."""
    names = docker_names(manifest) if kind == "docker" else {}
    found: dict[str, EntryKind] = {}
    for index, layer in enumerate(manifest.layers):
        keys = (layer.annotations.get(key) for key in (*FILEPATHS, TITLE))
        path = next(filter(None, keys), names.get(index))
        if path:
            word = entry_kind(layer_type(kind, layer))
            found.setdefault(path, _BY_TYPE[file_type(path)] if kind == "oras" else word)
    return found


def _package(described: dict[str, Any]) -> tuple[Package, str]:
    """Reads name and origin from a ModelPack's config; some writers leave it empty."""
    where = "the model's config"
    about = optional(described, "descriptor", dict, where) or {}
    technical = optional(described, "config", dict, where) or {}
    licenses = optional(about, "licenses", list, where) or []
    authors = optional(about, "authors", list, where) or []
    package = Package(
        name=optional_text(about, "name", where),
        version=optional_text(about, "version", where),
        description=optional_text(about, "description", where),
        license=" AND ".join(text for text in licenses if isinstance(text, str)),
        authors=tuple(text for text in authors if isinstance(text, str)),
    )
    return package, optional_text(technical, "format", where)
