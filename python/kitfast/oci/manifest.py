"""Manifests and indexes: read from strangers with every field checked, and built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kitfast.errors import Corrupt, UnsupportedArtifact
from kitfast.oci import canonical
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.document import load_object, objects, optional, optional_text, texts
from kitfast.oci.mediatypes import INDEXES, MANIFESTS, OCI_INDEX, OCI_MANIFEST

_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1"


@dataclass(frozen=True)
class Manifest:
    """An OCI image manifest, or a Docker one, whose fields mean the same (image-spec 1.1)."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str | None = None
    # Empty where the writer left it out, as kit up to 1.10 does.
    media_type: str = OCI_MANIFEST
    subject: Descriptor | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the manifest as JSON-ready values, in Go's field order."""
        value: dict[str, Any] = {"schemaVersion": 2}
        if self.media_type:
            value["mediaType"] = self.media_type
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        value["config"] = self.config.to_json()
        value["layers"] = [layer.to_json() for layer in self.layers]
        if self.subject is not None:
            value["subject"] = self.subject.to_json()
        if self.annotations:
            value["annotations"] = dict(sorted(self.annotations.items()))
        return value

    def to_bytes(self) -> bytes:
        """Returns the bytes to store and push; equal manifests have equal bytes."""
        return canonical.dump_bytes(self.to_json())


@dataclass(frozen=True)
class Index:
    """An OCI image index, or a Docker manifest list: several manifests under one name."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    media_type: str = OCI_INDEX
    artifact_type: str | None = None

    def only(self) -> Descriptor:
        """Returns the one manifest an index of a kit holds.

        Raises `UnsupportedArtifact` when there is a choice: weights are the same on every
        platform, so nothing says which of several is meant.
        """
        # Build tools add attestations, which are no platform's image.
        real = [entry for entry in self.manifests if not _is_attestation(entry)]
        if len(real) == 1:
            return real[0]
        digests = ", ".join(entry.digest for entry in real[:8])
        raise UnsupportedArtifact(
            f"the reference is an index of {len(real)} manifests",
            hint=f"name one by its digest: {digests}" if real else None,
        )


def parse(data: bytes, media_type: str | None = None) -> Manifest | Index:
    """Reads a manifest or an index.

    `media_type` is what the registry said it sends, if anything. Raises `Corrupt` for
    broken or ambiguous documents and `UnsupportedArtifact` for kinds kitfast does not read.
    """
    value = load_object(data, "the manifest")
    kind = _kind(value, media_type)
    version = value.get("schemaVersion")
    if type(version) is not int or version != 2:
        raise UnsupportedArtifact(f"the manifest has schemaVersion {str(version)[:20]}, not 2")
    return _index(value, kind) if kind in INDEXES else _manifest(value)


def parse_manifest(data: bytes, media_type: str | None = None) -> Manifest:
    """Reads a manifest as `parse` does; raises `UnsupportedArtifact` for an index."""
    found = parse(data, media_type)
    if isinstance(found, Index):
        raise UnsupportedArtifact("an index stands where a manifest is expected")
    return found


def _kind(value: dict[str, Any], sent_as: str | None) -> str:
    """Decides between manifest and index, and refuses documents that could be both.

    A document read one way by one tool and another way by the next can hide content
    (GHSA-77vh-xpmg-72qh), so what the document, the registry and its fields say must agree.
    """
    says = optional_text(value, "mediaType", "the manifest")
    sent_as = (sent_as or "").partition(";")[0].strip()
    known = MANIFESTS | INDEXES
    if says and sent_as in known and says != sent_as:
        raise Corrupt(f"the registry sent {sent_as!r} but the manifest says it is {says!r}")
    if says.startswith(_SCHEMA_1) or sent_as.startswith(_SCHEMA_1):
        raise UnsupportedArtifact("the manifest is of Docker's first schema")
    if says and says not in known:
        raise UnsupportedArtifact(f"a manifest of type {says!r} is not known")
    is_index = "manifests" in value
    if is_index and ("layers" in value or "config" in value):
        raise Corrupt("the manifest is both a manifest and an index")
    kind = says or (sent_as if sent_as in known else "")
    if not kind:
        return OCI_INDEX if is_index else OCI_MANIFEST
    if (kind in INDEXES) != is_index:
        raise Corrupt(f"the manifest is not the {kind!r} it says it is")
    return kind


def _manifest(value: dict[str, Any]) -> Manifest:
    where = "the manifest"
    subject = value.get("subject")
    return Manifest(
        Descriptor.from_json(value.get("config"), "config"),
        tuple(
            Descriptor.from_json(layer, f"layers[{index}]")
            for index, layer in enumerate(objects(value, "layers", where))
        ),
        texts(value, "annotations", where),
        optional(value, "artifactType", str, where) or None,
        optional_text(value, "mediaType", where),
        None if subject is None else Descriptor.from_json(subject, "subject"),
    )


def _index(value: dict[str, Any], kind: str) -> Index:
    where = "the index"
    return Index(
        tuple(
            Descriptor.from_json(entry, f"manifests[{number}]")
            for number, entry in enumerate(objects(value, "manifests", where))
        ),
        texts(value, "annotations", where),
        kind,
        optional(value, "artifactType", str, where) or None,
    )


def _is_attestation(entry: Descriptor) -> bool:
    platform = entry.platform or {}
    return platform.get("os") == "unknown" and platform.get("architecture") == "unknown"
