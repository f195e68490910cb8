"""`open`: one file of a kit as a seekable file, from the store or the registry."""

from __future__ import annotations

import asyncio
import logging
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import _core, offload, settings
from kitfast.kitfile.match import Unpackable
from kitfast.kitfile.names import clean
from kitfast.modelkit.fetch import Arrivals, Source, land
from kitfast.modelkit.file import KitFile, Read
from kitfast.modelkit.kit import Kit, fetch, find_local, need_local
from kitfast.modelkit.members import Extent, candidates, compressed, find, missing
from kitfast.modelkit.ranges import read_range
from kitfast.modelkit.remote import connected, limits_for
from kitfast.modelkit.resolve import parse_address
from kitfast.modelkit.space import require_room
from kitfast.modelkit.worker import Worker
from kitfast.progress import Callback
from kitfast.settings import Network
from kitfast.store import locks
from kitfast.store.home import Home, opened

if TYPE_CHECKING:
    from kitfast.modelkit.filelist import ListedFile, ListedLayer
    from kitfast.oci.descriptor import Descriptor
    from kitfast.registry.client import Registry

__all__ = ["KitFile", "open"]

log = logging.getLogger("kitfast")

#: Bytes of one ranged request when a file is read from its start to its end.
BUFFER = 4 << 20


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
    worker = Worker()
    job = _Opening(worker, folder, network, progress, unverified, file_digests)
    try:
        return await asyncio.to_thread(job.run, reference, clean(path))
    except BaseException:
        await asyncio.to_thread(worker.close)
        raise


@dataclass
class _Opening:
    """One call of `open`; `run` is called on a thread of its own."""

    worker: Worker
    folder: Path
    network: Network
    progress: Callback | None
    unverified: bool
    file_digests: bool | None
    _lists: dict[str, ListedLayer] | None = None

    def run(self, reference: str, path: str) -> KitFile:
        store, kit, registry = self.worker.run(self._enter(reference))
        packed = None
        for item in candidates(kit, path):
            if item.compression != "none":
                packed = packed or item.compression
                continue
            digest = item.descriptor.digest
            local = store.blobs.size(digest) == item.descriptor.size
            if not local and registry is not None and not self.unverified:
                single = self.worker.run(self._single(store, kit, item, registry, path))
                if single is not None:
                    extent, content = single
                    return KitFile(path, extent, content, True, self.worker.close)
                self.worker.run(self._fetch(store, kit, item, registry, path))
                local = True
            if local or registry is None:
                read: Read = store.blobs.blob(digest).read
            else:
                read = self._ranges(registry, kit, item)
            found = find(item, path, read)
            if found is not None:
                return KitFile(path, found, read, local, self.worker.close)
        # Told by the manifest alone, unless the file might have been in another layer.
        raise missing(kit, path) if packed is None else compressed(kit, path, packed)

    async def _enter(self, reference: str) -> tuple[Home, Kit, Registry | None]:
        stack = self.worker.stack
        parsed = parse_address(reference)
        # Held as long as the file is open: nothing it reads is pruned.
        store = await stack.enter_async_context(opened(self.folder))
        kit = find_local(store, parsed)
        if kit is not None or parsed.is_local:
            return store, kit or need_local(store, parsed), None
        connection = connected(parsed, self.folder, self.network)
        registry = await stack.enter_async_context(connection)
        return store, await fetch(registry, parsed), registry

    async def _single(
        self, store: Home, kit: Kit, item: Unpackable, registry: Registry, path: str
    ) -> tuple[Extent, Read] | None:
        """The file alone, by groups or fetched into the store; None if it cannot be."""
        from kitfast.modelkit.parts import is_worth_it, land_file
        from kitfast.modelkit.ranges import RangesRefused

        layer = item.descriptor
        listed = await self._listed(kit, item, registry)
        name = posixpath.relpath(path, item.under) if item.under else path
        files = listed.files if listed is not None else ()
        file = next((one for one in files if one.name == name), None)
        if listed is None or file is None:
            return None
        if store.blobs.content(file.digest, file.size) is None:
            by_groups = await self._by_groups(self._source(kit, registry), layer, listed, file)
            if by_groups is not None:
                return Extent(item, 0, file.size), by_groups
            if not is_worth_it(layer, file.size):
                return None
        async with locks.exclusive(store.blob_lock(file.digest)):
            content = store.blobs.content(file.digest, file.size)
            if content is None:
                require_room(store.folder, file.digest, file.size, f"for {path}")
                source = self._source(kit, registry)
                name_and_size = (file.digest, file.size)

                def landing_of() -> _core.Landing:
                    return _core.Landing.into_store(store.blobs, *name_and_size, "whole")

                try:
                    await land_file(source, layer, file, landing_of)
                except RangesRefused:
                    # The layer comes whole; the room of what was begun is needed for it.
                    await offload.run(lambda: landing_of().discard())
                    return None
                content = store.blobs.content(file.digest, file.size)
        # An empty file has no content, and is never read.
        read = (lambda offset, length: b"") if content is None else content.read
        return Extent(item, 0, file.size), read

    async def _listed(self, kit: Kit, item: Unpackable, registry: Registry) -> ListedLayer | None:
        from kitfast.modelkit.published import find as find_lists
        from kitfast.modelkit.published import takes_lists

        if item.core_shape != "tar" or not takes_lists(kit.reference, self.file_digests):
            return None
        if self._lists is None:
            repository, layers = kit.reference.repository, kit.manifest.layers
            self._lists, warnings = await find_lists(registry, repository, kit.digest, layers)
            for warning in warnings:
                log.warning("%s", warning)
        return self._lists.get(item.descriptor.digest)

    async def _by_groups(
        self, source: Source, layer: Descriptor, listed: ListedLayer, file: ListedFile
    ) -> Read | None:
        """Reads a file by groups, from the first one on; None where that cannot be done."""
        from kitfast.modelkit.groups import GroupReader, known_groups
        from kitfast.modelkit.ranges import RangesRefused

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

    def _source(self, kit: Kit, registry: Registry) -> Source:
        return Source(
            registry,
            kit.reference.repository,
            limits_for(self.network),
            self.network,
            self.progress,
            Arrivals(),
        )

    async def _fetch(
        self, store: Home, kit: Kit, item: Unpackable, registry: Registry, path: str
    ) -> None:
        layer = item.descriptor
        shape = "tar" if item.core_shape == "tar" else "whole"
        source = self._source(kit, registry)
        async with locks.exclusive(store.blob_lock(layer.digest)):
            if store.blobs.size(layer.digest) != layer.size:
                require_room(store.folder, layer.digest, layer.size, f"for the layer of {path}")
                await land(
                    source,
                    layer,
                    lambda: _core.Landing.into_store(store.blobs, layer.digest, layer.size, shape),
                )

    def _ranges(self, registry: Registry, kit: Kit, item: Unpackable) -> Read:
        layer = item.descriptor

        def read(offset: int, length: int) -> bytes:
            where = (registry, kit.reference.repository, layer)
            return self.worker.run(read_range(*where, offset, length))

        return read
