"""`open`: one file of a kit as a seekable file, from the store or the registry."""

from __future__ import annotations

import asyncio
import logging
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import _core, offload, settings
from kitfast.errors import InternalError
from kitfast.kitfile.filter import Filters
from kitfast.kitfile.match import Unpackable
from kitfast.kitfile.names import clean
from kitfast.modelkit.fetch import Arrivals, Source, land
from kitfast.modelkit.file import KitFile, Read
from kitfast.modelkit.kit import Kit, fetch, find_local, not_here
from kitfast.modelkit.members import Extent, candidates, compressed, find, missing
from kitfast.modelkit.parents import chain, parent_of
from kitfast.modelkit.ranges import RangesRefused, read_paced, registry_of
from kitfast.modelkit.remote import connected, limits_for
from kitfast.modelkit.resolve import parse_address
from kitfast.modelkit.space import require_room
from kitfast.modelkit.worker import Worker
from kitfast.oci.reference import Reference
from kitfast.progress import Callback
from kitfast.settings import Network
from kitfast.store import locks
from kitfast.store.home import Home, opened, opened_if_there

if TYPE_CHECKING:
    from kitfast.modelkit.filelist import ListedFile, ListedLayer
    from kitfast.oci.descriptor import Descriptor
    from kitfast.registry.client import Registry

__all__ = ["KitFile", "open"]

log = logging.getLogger("kitfast")


async def open(
    reference: str,
    path: str,
    *,
    unverified: bool = False,
    file_digests: bool | None = None,
    home: Path | None = None,
    network: Network | None = None,
    progress: Callback | None = None,
) -> KitFile:
    """Opens one file of a kit for reading, without unpacking anything.

    A file that the kit lacks is looked for in the kits its model comes from.

    A layer of the store is read in place. Of a layer that only the registry has, a file of
    more than 4 MiB is read by groups of 4 MiB, each held against what was published for
    it. A smaller file, or one whose groups were not published, is fetched into the store
    and held against its digest; where that is missing, too, its whole layer is. With
    `unverified` the ranges that are read are fetched, and nothing is held against a digest.

    Args:
        reference: the kit, with or without `oci://` in front.
        path: the file's path in the kit, with `/`.
        unverified: accept bytes of the registry without having seen the whole layer.
        file_digests: whether digests published beside the kit are used, as in `unpack`.

    Raises:
        NotFound, NotInRegistry: no such kit, or no such file in it.
        InvalidArgument: the file is in a compressed layer; nothing of it was fetched.
        NoSpace: what has to be fetched does not fit into the store; told before it is.
        DigestMismatch: the layer that was fetched is not what the manifest says, or the
            file is not what was published of it.

    Reading raises `Corrupt` where a group is not what was published of it.
    """
    folder, network = home or settings.home(), network or settings.network()
    asked, worker = parse_address(reference), Worker()
    job = _Opening(worker, asked, folder, network, progress, unverified, file_digests)
    try:
        return await asyncio.to_thread(job.run, clean(path))
    except BaseException:
        await asyncio.to_thread(worker.close)
        raise


@dataclass
class _Opening:
    """One call of `open`; `run` is called on a thread of its own."""

    worker: Worker
    asked: Reference
    folder: Path
    network: Network
    progress: Callback | None
    unverified: bool
    file_digests: bool | None
    _store: Home | None = None
    _lists: dict[str, dict[str, ListedLayer]] = field(default_factory=dict)

    def run(self, path: str) -> KitFile:
        kit, source = self.worker.run(self._enter())
        found = self._in_layers(kit, source, candidates(kit, path), path)
        if found is None and parent_of(kit) is not None:
            found = self._in_parents(kit, path)
        if found is None:
            raise missing(kit, path)
        return found

    def _in_parents(self, child: Kit, path: str) -> KitFile | None:
        """Looks for a file where the kit's model comes from: of those kits the model is taken."""
        model = Filters().for_parent() or Filters()
        for kit, source in self.worker.run(self._parents(child)):
            items = [
                item
                for item in candidates(kit, path)
                if model.matches(item.kind, item.entry, item.name)
            ]
            found = self._in_layers(kit, source, items, path)
            if found is not None:
                return found
        return None

    async def _parents(self, child: Kit) -> list[tuple[Kit, Source | None]]:
        found: list[tuple[Kit, Source | None]] = []

        async def resolve(one: Reference) -> Kit:
            if one == self.asked:
                return child
            found.append(await self._resolve(one))
            return found[-1][0]

        async for _ in chain(self.asked, resolve):
            pass
        return found

    def _in_layers(
        self, kit: Kit, source: Source | None, items: Sequence[Unpackable], path: str
    ) -> KitFile | None:
        packed = None
        for item in items:
            if item.compression != "none":
                packed = packed or item.compression
                continue
            found = self._in_layer(kit, source, item, path)
            if found is not None:
                return found
        if packed is not None:
            # Told by the manifest alone, unless the file might have been in another layer.
            raise compressed(kit, path, packed)
        return None

    def _in_layer(
        self, kit: Kit, source: Source | None, item: Unpackable, path: str
    ) -> KitFile | None:
        layer = item.descriptor
        verified = True
        if source is None or self._has(layer):
            read = self._from_store(layer)
        elif self.unverified:
            read, verified = self._ranges(source, layer), False
        else:
            single = self.worker.run(self._single(kit, source, item, path))
            if single is not None:
                return KitFile(path, *single, True, self.worker.close)
            self.worker.run(self._fetch(source, item, path))
            read = self._from_store(layer)
        found = find(item, path, read)
        if found is None:
            return None
        return KitFile(path, found, read, verified, self.worker.close)

    async def _enter(self) -> tuple[Kit, Source | None]:
        # Held as long as the file is open: nothing it reads is pruned. Only the store can hold
        # a local kit; others can do without one.
        store_of = opened if self.asked.is_local else opened_if_there
        self._store = await self.worker.stack.enter_async_context(store_of(self.folder))
        return await self._resolve(self.asked)

    async def _resolve(self, reference: Reference) -> tuple[Kit, Source | None]:
        """A kit, and where its layers come from; None where that is the store alone."""
        kit = find_local(self._store, reference) if self._store is not None else None
        if kit is not None:
            return kit, None
        if reference.is_local:
            raise not_here(reference)
        connection = connected(reference, self.folder, self.network)
        registry = await self.worker.stack.enter_async_context(connection)
        return await fetch(registry, reference), self._source(registry, reference.repository)

    def _source(self, registry: Registry, repository: str) -> Source:
        limits = limits_for(self.network)
        return Source(registry, repository, limits, self.network, self.progress, Arrivals())

    async def _home(self) -> Home:
        """The store, to keep something in; only then is it made."""
        if self._store is None:
            self._store = await self.worker.stack.enter_async_context(opened(self.folder))
        return self._store

    def _has(self, layer: Descriptor) -> bool:
        return self._store is not None and self._store.blobs.size(layer.digest) == layer.size

    def _from_store(self, layer: Descriptor) -> Read:
        if self._store is None:
            raise InternalError("a layer of the store, and no store")
        return self._store.blobs.blob(layer.digest).read

    def _content(self, file: ListedFile) -> Read | None:
        if self._store is None:
            return None
        content = self._store.blobs.content(file.digest, file.size)
        return None if content is None else content.read

    async def _single(
        self, kit: Kit, source: Source, item: Unpackable, path: str
    ) -> tuple[Extent, Read] | None:
        """The file alone, by groups or fetched into the store; None if it cannot be."""
        from kitfast.modelkit.parts import is_worth_it

        listed = await self._listed(kit, source, item)
        name = posixpath.relpath(path, item.under) if item.under else path
        files = listed.files if listed is not None else ()
        file = next((one for one in files if one.name == name), None)
        if listed is None or file is None:
            return None
        extent, layer = Extent(item, 0, file.size), item.descriptor
        content = self._content(file)
        if content is not None:
            return extent, content
        by_groups = await self._by_groups(source, layer, listed, file)
        if by_groups is not None:
            return extent, by_groups
        if not is_worth_it(layer, file.size) or not await self._fetch_file(source, layer, file):
            return None
        # An empty file has no content, and is never read.
        return extent, self._content(file) or (lambda offset, length: b"")

    async def _listed(self, kit: Kit, source: Source, item: Unpackable) -> ListedLayer | None:
        from kitfast.modelkit.published import find as find_lists
        from kitfast.modelkit.published import takes_lists

        # As the caller named the kit, and not as kits name the ones their models come from.
        if item.core_shape != "tar" or not takes_lists(self.asked, self.file_digests):
            return None
        if kit.digest not in self._lists:
            where = (registry_of(source), source.repository)
            lists, warnings = await find_lists(*where, kit.digest, kit.manifest.layers)
            for warning in warnings:
                log.warning("%s", warning)
            self._lists[kit.digest] = lists
        return self._lists[kit.digest].get(item.descriptor.digest)

    async def _by_groups(
        self, source: Source, layer: Descriptor, listed: ListedLayer, file: ListedFile
    ) -> Read | None:
        """Reads a file by groups, from the first one on; None where that cannot be done."""
        from kitfast.modelkit.groups import GroupReader, known_groups

        groups = await known_groups(source, listed, file)
        if groups is None:
            return None
        reader = GroupReader(source, layer, file, groups, self.worker.submit)
        try:
            # Most files begin with what tells the rest; and the registry shows its ranges.
            await reader.fetch_first()
        except RangesRefused:
            return None
        return reader.read

    async def _fetch_file(self, source: Source, layer: Descriptor, file: ListedFile) -> bool:
        """Brings a file into the store; False where the registry serves no parts of layers."""
        from kitfast.modelkit.parts import land_file

        store = await self._home()

        def landing_of() -> _core.Landing:
            return _core.Landing.into_store(store.blobs, file.digest, file.size, "whole")

        async with locks.exclusive(store.blob_lock(file.digest)):
            if self._content(file) is None:
                require_room(store.folder, file.digest, file.size, f"for {file.name}")
                try:
                    await land_file(source, layer, file, landing_of)
                except RangesRefused:
                    # The layer comes whole; the room of what was begun is needed for it.
                    await offload.run(lambda: landing_of().discard())
                    return False
        return True

    async def _fetch(self, source: Source, item: Unpackable, path: str) -> None:
        """Brings a whole layer into the store."""
        layer, store = item.descriptor, await self._home()
        shape = "tar" if item.core_shape == "tar" else "whole"

        def landing_of() -> _core.Landing:
            return _core.Landing.into_store(store.blobs, layer.digest, layer.size, shape)

        async with locks.exclusive(store.blob_lock(layer.digest)):
            if not self._has(layer):
                require_room(store.folder, layer.digest, layer.size, f"for the layer of {path}")
                await land(source, layer, landing_of)

    def _ranges(self, source: Source, layer: Descriptor) -> Read:
        def read(offset: int, length: int) -> bytes:
            return self.worker.run(read_paced(source, layer, offset, length))

        return read
