"""Manifests and configs, byte for byte, each under the digest of its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kitfast.errors import Corrupt
from kitfast.store.files import read_bounded, write_atomically


class Manifests:
    """The folder `manifests/sha256/` of a store; everything in it is checked when it is read."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "manifests" / "sha256"

    def path(self, digest: str) -> Path:
        """Where the bytes with this digest (`sha256:<hex>`) stand or would stand."""
        return self.folder / digest.removeprefix("sha256:")

    def put(self, data: bytes) -> str:
        """Stores `data`; returns its digest. Storing the same bytes again changes nothing."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if not self._holds(digest, data):
            write_atomically(self.path(digest), data)
        return digest

    def _holds(self, digest: str, data: bytes) -> bool:
        # What is there may have been damaged since: only the same bytes are left alone.
        try:
            return read_bounded(self.path(digest)) == data
        except Corrupt:
            return False

    def get(self, digest: str) -> bytes | None:
        """The bytes with this digest; None when they are not here.

        Raises:
            Corrupt: the file's bytes are not what its name says.
        """
        data = read_bounded(self.path(digest))
        if data is not None and hashlib.sha256(data).hexdigest() != self.path(digest).name:
            raise Corrupt(
                f"{self.path(digest)}: its bytes are not what its name says",
                what=digest,
                hint="remove that file, then pull or pack the kit again",
            )
        return data

    def digests(self) -> list[str]:
        """All digests here, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(
            f"sha256:{path.name}" for path in self.folder.iterdir() if len(path.name) == 64
        )

    def remove(self, digest: str) -> None:
        """Forgets the bytes with this digest, if they are here."""
        self.path(digest).unlink(missing_ok=True)
