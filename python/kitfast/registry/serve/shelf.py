"""What a store must be able to do to be served."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredManifest:
    """A manifest as it was pushed: its media type, digest and exact bytes."""

    media_type: str
    digest: str
    data: bytes


class StoredBlob(Protocol):
    """A blob that can be read from anywhere; the core's `Blob` is one."""

    @property
    def size(self) -> int: ...
    def read(self, offset: int, length: int) -> bytes: ...


class Shelf(Protocol):
    """The served store; every method may block, and is called on a thread.

    Names and digests that reach it have the shape the specification asks for.
    What is not there is None, never an exception.
    """

    def manifest(self, repository: str, reference: str) -> StoredManifest | None:
        """The manifest under a tag or digest."""

    def manifests(self, repository: str) -> Iterable[StoredManifest]:
        """Every manifest of a repository; where referrers are found."""

    def put_manifest(self, repository: str, tag: str | None, manifest: StoredManifest) -> None:
        """Keeps a manifest whose bytes have the digest it says, under a tag if there is one."""

    def remove_manifest(self, repository: str, reference: str) -> bool:
        """Removes a tag, or a manifest with its tags; False when it is not there."""

    def tags(self, repository: str) -> list[str] | None:
        """The tags of a repository; None when there is no such repository."""

    def repositories(self) -> list[str]:
        """Every repository that can be pulled from."""

    def blob(self, repository: str, digest: str) -> StoredBlob | None:
        """A blob of a repository."""

    def take_blob(self, repository: str, digest: str, path: Path) -> None:
        """Takes over the bytes of a file, which it may move away.

        Raises:
            DigestMismatch: the bytes do not have that digest; nothing was kept.
        """

    def mount_blob(self, repository: str, digest: str, source: str | None) -> bool:
        """Makes a blob of `source` (None: of any repository) one of `repository`, too."""
