"""`serve`: lets other machines pull from, and push to, the store of this one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import settings
from kitfast._core import Meter
from kitfast.errors import KitfastError, NotFound
from kitfast.modelkit.memory import MemoryBlob
from kitfast.oci.digest import is_digest
from kitfast.oci.manifest import Manifest, parse
from kitfast.oci.mediatypes import OCI_MANIFEST
from kitfast.oci.reference import LOCAL_REGISTRY, NO_REPOSITORY
from kitfast.store.home import Home, opened

if TYPE_CHECKING:
    from kitfast.registry.serve import StoredManifest
    from kitfast.registry.serve.shelf import StoredBlob

DEFAULT_PORT = 5050


@dataclass(frozen=True)
class Serving:
    """Where the store is served; `address` is the first part of references to it."""

    address: str
    home: str


async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    home: Path | None = None,
    ready: Callable[[Serving], None] | None = None,
) -> None:
    """Serves the store as an OCI registry, until cancelled.

    It speaks plain HTTP and asks nobody who they are: on another address than 127.0.0.1,
    put something in front of it that does. A kit pulled from `registry/repository` is
    served as `repository`; what is pushed is kept as a local kit.

    Args:
        host: the address to listen on.
        port: the port; 0 takes a free one.
        ready: called once it answers.

    Raises:
        InvalidArgument: the address or port cannot be listened on.
    """
    from kitfast.registry.serve import Server

    async with opened(home or settings.home()) as store:
        uploads = store.folder / "landing" / "uploads"
        shelf = _Shelf(store)
        async with Server(shelf, uploads, host=host, port=port) as server:
            try:
                if ready is not None:
                    ready(Serving(server.host, str(store.folder)))
                await asyncio.get_running_loop().create_future()
            finally:
                shelf.stop()


class _Shelf:
    """The store, as the embedded registry sees it; its methods run on threads."""

    def __init__(self, store: Home) -> None:
        self._store = store
        self._taking = Meter()

    def stop(self) -> None:
        """Ends the hashing of uploads: a thread that goes on would hold up the end."""
        self._taking.cancel()

    def manifest(self, repository: str, reference: str) -> StoredManifest | None:
        for registry in self._registries(repository):
            if is_digest(reference):
                held = self._store.references.holds(registry, repository, reference)
                digest = reference if held else None
            else:
                digest = self._store.references.resolve(registry, repository, reference)
            if digest is not None:
                return self._stored(digest)
        return None

    def manifests(self, repository: str) -> Iterable[StoredManifest]:
        found = (
            self._stored(held.digest)
            for held in self._store.references.held()
            if held.repository == repository
        )
        return [manifest for manifest in found if manifest is not None]

    def put_manifest(self, repository: str, tag: str | None, manifest: StoredManifest) -> None:
        parsed = parse(manifest.data, manifest.media_type)
        # Configs stand beside their manifests, where every verb looks for them. One that a
        # kit of this store shares is there already, and is no blob of its own.
        if isinstance(parsed, Manifest) and self._store.manifests.get(parsed.config.digest) is None:
            config = self._store.blobs.blob(parsed.config.digest)
            self._store.manifests.put(config.read(0, config.size))
        self._store.manifests.put(manifest.data)
        tags = () if tag is None else (tag,)
        self._store.references.add(LOCAL_REGISTRY, repository, manifest.digest, *tags)

    def remove_manifest(self, repository: str, reference: str) -> bool:
        for registry in self._registries(repository):
            references = self._store.references
            if is_digest(reference) and references.holds(registry, repository, reference):
                references.drop(registry, repository, reference)
                return True
            if references.resolve(registry, repository, reference) is not None:
                references.untag(registry, repository, reference)
                return True
        return False

    def tags(self, repository: str) -> list[str] | None:
        registries = self._registries(repository)
        if not registries:
            return None
        return sorted({t for r in registries for t in self._store.references.tags(r, repository)})

    def repositories(self) -> list[str]:
        names = {repository for _, repository in self._store.references.repositories()}
        return sorted(names - {NO_REPOSITORY})

    def blob(self, repository: str, digest: str) -> StoredBlob | None:
        config = self._store.manifests.get(digest)
        if config is not None:
            return MemoryBlob(config)
        try:
            return self._store.blobs.blob(digest)
        except NotFound:
            return None

    def take_blob(self, repository: str, digest: str, path: Path) -> None:
        # Uploads arrive on the store's own disk: the file that was written is the content.
        self._store.blobs.take(str(path), digest, self._taking)

    def mount_blob(self, repository: str, digest: str, source: str | None) -> bool:
        # One store holds the blobs of all repositories: what is here is mounted already.
        return self.blob(source or repository, digest) is not None

    def _stored(self, digest: str) -> StoredManifest | None:
        from kitfast.registry.serve import StoredManifest

        data = self._store.manifests.get(digest)
        if data is None:
            return None
        try:
            media_type = parse(data).media_type or OCI_MANIFEST
        except KitfastError:
            media_type = OCI_MANIFEST
        return StoredManifest(media_type, digest, data)

    def _registries(self, repository: str) -> list[str]:
        """The registries this repository was pulled from; kits of this machine come first."""
        found = {r for r, name in self._store.references.repositories() if name == repository}
        return sorted(found, key=lambda registry: (registry != LOCAL_REGISTRY, registry))
