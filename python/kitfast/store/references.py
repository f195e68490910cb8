"""Which repositories hold which manifests, and which tags name them.

One small file each, so that nothing has to be locked or rewritten as a whole:
`references/<registry>/<repository>/_tags/<tag>` holds a digest, and an empty
`…/_digests/<hex>` says that a repository holds a manifest, tagged or not. No
repository's name may begin with `_` (distribution specification 1.1, "Pulling
manifests"), so the two never meet.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kitfast.errors import Corrupt
from kitfast.store.files import read_bounded, write_atomically

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Held:
    """One manifest in one repository, with the tags that name it there (sorted)."""

    registry: str
    repository: str
    digest: str
    tags: tuple[str, ...]


class References:
    """The folder `references/` of a store."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "references"

    def _repository(self, registry: str, repository: str) -> Path:
        return self.folder.joinpath(registry, *repository.split("/"))

    def resolve(self, registry: str, repository: str, tag: str) -> str | None:
        """The digest a tag names; None when there is no such tag.

        Raises:
            Corrupt: the tag's file holds something else than a digest.
        """
        path = self._repository(registry, repository) / "_tags" / tag
        data = read_bounded(path, 1024)
        if data is None:
            return None
        digest = data.decode("ascii", "replace").strip()
        if not _DIGEST.fullmatch(digest):
            raise Corrupt(
                f"{path}: holds no digest", what=str(path), hint="remove that file, then tag again"
            )
        return digest

    def holds(self, registry: str, repository: str, digest: str) -> bool:
        """Whether a repository holds this manifest."""
        return self._digest(registry, repository, digest).is_file()

    def add(self, registry: str, repository: str, digest: str, *tags: str) -> None:
        """Puts a manifest into a repository and points `tags` at it."""
        path = self._digest(registry, repository, digest)
        if not path.is_file():
            write_atomically(path, b"")
        for tag in tags:
            write_atomically(
                self._repository(registry, repository) / "_tags" / tag, f"{digest}\n".encode()
            )

    def untag(self, registry: str, repository: str, tag: str) -> None:
        """Removes a tag; the manifest stays, nameless if it was the last one."""
        (self._repository(registry, repository) / "_tags" / tag).unlink(missing_ok=True)
        self._tidy(registry, repository)

    def drop(self, registry: str, repository: str, digest: str) -> None:
        """Removes a manifest from a repository, with all its tags there."""
        for tag in self.tags(registry, repository, digest):
            (self._repository(registry, repository) / "_tags" / tag).unlink(missing_ok=True)
        self._digest(registry, repository, digest).unlink(missing_ok=True)
        self._tidy(registry, repository)

    def tags(self, registry: str, repository: str, digest: str | None = None) -> tuple[str, ...]:
        """The tags of a repository (of one of its manifests, when `digest` is given), sorted."""
        folder = self._repository(registry, repository) / "_tags"
        if not folder.is_dir():
            return ()
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".new-"))
        if digest is None:
            return tuple(names)
        return tuple(n for n in names if self.resolve(registry, repository, n) == digest)

    def repositories(self) -> Iterator[tuple[str, str]]:
        """Every (registry, repository) that holds something, in no order."""
        if not self.folder.is_dir():
            return
        for digests in self.folder.rglob("_digests"):
            registry, *parts = digests.parent.relative_to(self.folder).parts
            yield registry, "/".join(parts)

    def held(self) -> list[Held]:
        """Every manifest of every repository, sorted by repository, then digest."""
        found = []
        for registry, repository in self.repositories():
            by_digest: dict[str, list[str]] = {}
            for path in (self._repository(registry, repository) / "_digests").iterdir():
                if len(path.name) == 64:
                    by_digest[f"sha256:{path.name}"] = []
            for tag in self.tags(registry, repository):
                digest = self.resolve(registry, repository, tag)
                if digest is not None:
                    by_digest.setdefault(digest, []).append(tag)
            found += [Held(registry, repository, d, tuple(t)) for d, t in by_digest.items()]
        return sorted(found, key=lambda held: (held.registry, held.repository, held.digest))

    def _digest(self, registry: str, repository: str, digest: str) -> Path:
        name = digest.removeprefix("sha256:")
        return self._repository(registry, repository) / "_digests" / name

    def _tidy(self, registry: str, repository: str) -> None:
        folder = self._repository(registry, repository)
        candidates = [folder / "_tags", folder / "_digests", folder, *folder.parents]
        for candidate in candidates:
            if not candidate.is_relative_to(self.folder) or candidate == self.folder:
                return
            # A folder that is not empty, or that another process just filled, stays.
            with contextlib.suppress(OSError):
                candidate.rmdir()
