"""A descriptor: what a blob is, how large, and the digest its bytes must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kitfast.errors import Corrupt, InvalidArgument
from kitfast.oci import digest as digests
from kitfast.oci.document import optional, optional_text, texts

# What a 64-bit file offset can hold.
_MAX_SIZE = 2**63 - 1


@dataclass(frozen=True)
class Descriptor:
    """An OCI content descriptor (image-spec 1.1, descriptor.md)."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    urls: tuple[str, ...] = ()
    artifact_type: str | None = None
    platform: Mapping[str, Any] | None = field(default=None, hash=False)

    @classmethod
    def from_json(cls, value: object, where: str) -> Descriptor:
        """Reads a descriptor from parsed JSON; `where` names it in errors (`layers[3]`).

        Raises `Corrupt` when a field is missing, of the wrong kind, or out of bounds.
        """
        if not isinstance(value, dict):
            raise Corrupt(f"{where} is not a descriptor", what=where)
        size = optional(value, "size", int, where)
        if size is None or not 0 <= size <= _MAX_SIZE:
            raise Corrupt(f"{where}.size is {size}, not a size in bytes", what=where)
        try:
            digest = digests.check(value.get("digest"))
        except InvalidArgument as error:
            raise Corrupt(f"{where}: {error}", what=where) from None
        media_type = optional_text(value, "mediaType", where)
        if not media_type:
            raise Corrupt(f"{where}.mediaType is missing", what=where)
        return cls(
            media_type,
            digest,
            size,
            texts(value, "annotations", where),
            tuple(url for url in optional(value, "urls", list, where) or () if type(url) is str),
            optional(value, "artifactType", str, where),
            optional(value, "platform", dict, where),
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the descriptor as JSON-ready values, in the order kit writes them."""
        value: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
        }
        if self.urls:
            value["urls"] = list(self.urls)
        if self.annotations:
            # Sorted, as Go sorts its maps: one set of annotations has one spelling.
            value["annotations"] = dict(sorted(self.annotations.items()))
        if self.platform is not None:
            value["platform"] = dict(self.platform)
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        return value
