"""A store in memory that can be served; each repository has blobs of its own."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.memory import MemoryBlob

from kitfast.errors import DigestMismatch
from kitfast.registry.serve import StoredManifest


@dataclass
class Repository:
    """What one repository holds."""

    manifests: dict[str, StoredManifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, MemoryBlob] = field(default_factory=dict)


class MemoryShelf:
    """A shelf in memory, to hold the server against the specification."""

    def __init__(self) -> None:
        self.held: defaultdict[str, Repository] = defaultdict(Repository)

    def add(self, repository: str, blob: MemoryBlob) -> None:
        self.held[repository].blobs[blob.digest] = blob

    def manifest(self, repository: str, reference: str) -> StoredManifest | None:
        held = self.held[repository]
        return held.manifests.get(held.tags.get(reference, reference))

    def manifests(self, repository: str) -> list[StoredManifest]:
        return list(self.held[repository].manifests.values())

    def put_manifest(self, repository: str, tag: str | None, manifest: StoredManifest) -> None:
        held = self.held[repository]
        held.manifests[manifest.digest] = manifest
        if tag is not None:
            held.tags[tag] = manifest.digest

    def remove_manifest(self, repository: str, reference: str) -> bool:
        held = self.held[repository]
        if held.tags.pop(reference, None) is not None:
            return True
        for tag in [tag for tag, digest in held.tags.items() if digest == reference]:
            del held.tags[tag]
        return held.manifests.pop(reference, None) is not None

    def tags(self, repository: str) -> list[str] | None:
        return list(self.held[repository].tags) if repository in self.repositories() else None

    def repositories(self) -> list[str]:
        return [name for name, held in self.held.items() if held.blobs or held.manifests]

    def blob(self, repository: str, digest: str) -> MemoryBlob | None:
        return self.held[repository].blobs.get(digest)

    def take_blob(self, repository: str, digest: str, path: Path) -> None:
        data = path.read_bytes()
        found = "sha256:" + hashlib.sha256(data).hexdigest()
        if found != digest:
            raise DigestMismatch(f"{found} instead of {digest}", expected=digest, actual=found)
        self.add(repository, MemoryBlob(data))

    def mount_blob(self, repository: str, digest: str, source: str | None) -> bool:
        sources = self.repositories() if source is None else [source]
        for name in sources:
            blob = self.held[name].blobs.get(digest)
            if blob is not None:
                self.add(repository, blob)
                return True
        return False
