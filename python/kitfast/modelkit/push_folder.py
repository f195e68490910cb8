"""Pushes a folder as a kit straight from its files, with no copy on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import _core, offload, settings
from kitfast.errors import FileError, InvalidArgument, KitfastError, NoSpace
from kitfast.modelkit.build import Choices, Piece, existing_folder, load_kitfile, plan
from kitfast.modelkit.filelist import ListedFolder, ListedLayer, Member, listed, named
from kitfast.modelkit.published import is_published, unpublished
from kitfast.modelkit.published import publish as publish_files
from kitfast.modelkit.push import Pushed, publish, send
from kitfast.modelkit.remote import connected, limits_for
from kitfast.oci import reference as references
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.manifest import parse_manifest
from kitfast.oci.mediatypes import OCI_MANIFEST
from kitfast.oci.reference import Reference
from kitfast.progress import Callback, Reporter
from kitfast.settings import Network
from kitfast.store.home import opened
from kitfast.together import together
from kitfast.transfer.account import Account

if TYPE_CHECKING:
    from kitfast.registry.client import Registry
    from kitfast.transfer.limits import Limits
    from kitfast.transfer.upload import Uploaded


async def push_folder(
    directory: Path,
    destination: str,
    kitfile: str | Path | None,
    choices: Choices,
    cache: bool,
    file_digests: bool | None,
    home: Path | None,
    network: Network | None,
    progress: Callback | None,
) -> Pushed:
    """Sends a folder's layers while they are hashed: each byte is read once, none is written.

    Where layers are compressed, this is done on the way, too.

    A layer whose files are as they were when it was packed or pushed before has a digest
    already, and is asked for first. Every file must stay as it was when the push began until
    it is sent: the core compares sizes and times at each read, and the registry the digest.

    Raises:
        As `push`.
    """
    context, target = existing_folder(directory), references.parse(destination)
    if target.digest is not None:
        raise InvalidArgument(
            f"{destination}: a kit is tagged with names, not with a digest",
            hint="write the destination as registry/repository:tag",
        )
    described = load_kitfile(context, kitfile)
    folder, network = home or settings.home(), network or settings.network()
    planned = await plan(context, described, choices, folder, network)
    async with connected(target, folder, network) as registry:
        listing = settings.file_digests(file_digests)
        limits = limits_for(network)
        job = _Push(registry, target, limits, progress, folder, cache, listing, choices.compression)
        done = await together([job.layer(piece) for piece in planned.pieces])
        made = planned.build(done)
        manifest = parse_manifest(made.manifest)
        media_type = manifest.media_type or OCI_MANIFEST
        await publish(
            registry,
            target,
            job.limits,
            manifest.config,
            made.config,
            media_type,
            made.manifest,
            job.account,
        )
        kit = Descriptor(media_type, made.descriptor.digest, len(made.manifest))
        warning = await job.publish_list(kit, manifest.layers)
    return Pushed(
        made.descriptor.digest,
        tuple(str(one) for one in target.each()),
        len(done),
        sum(layer.size for layer in done),
        job.sent,
        job.reused,
        (*planned.warnings, *(one for one in (job.forgotten, warning) if one)),
        job.account.flow(layers=len(done), moved=job.sent),
    )


# A layer is compressed on all cores. While one waits for the registry's last word, or has
# a slow connection, there is another; more would only need more memory.
SQUEEZED_AT_ONCE = 2


class _Push:
    """One push: what it may use, and what it has sent."""

    def __init__(
        self,
        registry: Registry,
        target: Reference,
        limits: Limits,
        progress: Callback | None,
        home: Path,
        cache: bool,
        listing: bool,
        compression: str,
    ) -> None:
        self.registry, self.target, self.limits = registry, target, limits
        self.progress = progress
        self.sent = self.reused = 0
        self.account = Account()
        self._home, self._cache = home, cache
        self._known: set[str] = set()
        #: Why the next push will know less than it could, if so.
        self.forgotten: str | None = None
        self._listing = listing
        # What is known of the files in each layer, and the layers of which that is nothing.
        self._listed: dict[str, ListedLayer] = {}
        self._unread: dict[str, _core.Departure] = {}
        self._compression = compression
        self._squeezing = asyncio.Semaphore(SQUEEZED_AT_ONCE)

    async def layer(self, piece: Piece) -> _core.PackedLayer:
        """Sends a layer, unless the registry has it or an equal one is on its way."""
        if self._compression != "none":
            async with self._squeezing:
                return await self._squeezed_layer(piece)
        from kitfast.transfer.upload_unnamed import upload_unnamed

        layer = await offload.run(_core.Departure, piece.source(), self._listing)
        if self._cache and await offload.run(layer.recall, self._home):
            packed = layer.packed()
            await self._note(layer, piece, packed)
            if packed.digest not in self._known:
                self._known.add(packed.digest)
                await self._send_named(layer, packed)
            return packed
        await self._send_unnamed(upload_unnamed, layer, piece, layer.size)
        packed = layer.packed()
        self._known.add(packed.digest)
        await self._note(layer, piece, packed)
        if self._cache:
            await self._remember(layer)
        return packed

    async def _squeezed_layer(self, piece: Piece) -> _core.PackedLayer:
        """Compresses a layer and sends it; nothing lists its files, which lie nowhere in it."""
        from kitfast.transfer.upload_squeezed import PIECE, upload_squeezed

        layer = await offload.run(_core.Squeeze, piece.source(self._compression), PIECE)
        recalled = self._cache and await offload.run(layer.recall, self._home)
        if recalled and layer.packed().digest in self._known:
            return layer.packed()
        await self._send_unnamed(upload_squeezed, layer, piece, layer.file_bytes)
        packed = layer.packed()
        self._known.add(packed.digest)
        if self._cache and not recalled:
            await self._remember(layer)
        return packed

    async def _remember(self, layer: _core.Departure | _core.Squeeze) -> None:
        """Notes a layer's digest for the next push, which can do without: the layer is sent."""
        try:
            await offload.run(layer.remember, self._home)
        except (FileError, NoSpace) as error:
            self.forgotten = f"the next push reads the files again: {error}"

    async def publish_list(self, kit: Descriptor, layers: Sequence[Descriptor]) -> str | None:
        """Publishes the list of the kit's files; returns what went wrong, as `publish_files`.

        Layers that were not read this time have been pushed before, and so has their list:
        only where it is missing are their files read for it.
        """
        if not self._listing:
            return None
        unread = [one for digest, one in self._unread.items() if digest not in self._listed]
        where = (self.registry, self.target.repository)
        with self.account.during("registry"):
            if unread and await is_published(*where, kit.digest):
                return None
        try:
            for layer in unread:
                self._list(layer, await self._read(layer))
        except KitfastError as error:
            return unpublished(error)
        # In the manifest's order: the list is the same for the same kit.
        known = [self._listed.pop(one.digest) for one in layers if one.digest in self._listed]
        with self.account.during("registry"):
            return await publish_files(*where, self.limits, kit, known)

    async def _note(self, layer: _core.Departure, piece: Piece, packed: _core.PackedLayer) -> None:
        """Lists a layer as far as no file must be read for it; else it is one of the unread."""
        if piece.mode is not None or not self._listing or self._list_by_name(piece, packed):
            return
        members = await offload.run(layer.members, meter=_core.Meter())
        if members is None:
            self._unread[packed.digest] = layer
        else:
            self._list(layer, members)

    def _list_by_name(self, piece: Piece, packed: _core.PackedLayer) -> bool:
        """Lists a layer of one file, and of one group at most; whether it is such a layer."""
        files = [name for name, source, _ in piece.members if source is not None]
        if len(files) > 1 or packed.size > _core.Groups.SIZE:
            return False
        folders = [
            ListedFolder(name.rstrip("/"), mode)
            for name, source, mode in piece.members
            if source is None
        ]
        one = named(_descriptor(packed), files, folders)
        if one is not None:
            self._listed[packed.digest] = one
        return True

    async def _read(self, layer: _core.Departure) -> Iterable[Member]:
        """The members of a layer, of which the store may know more than nothing."""
        packed, meter = layer.packed(), _core.Meter()
        async with opened(self._home) as store:
            if store.blobs.size(packed.digest) == packed.size:
                return await offload.run(store.blobs.blob(packed.digest).members, meter=meter)
        return await offload.run(layer.members, True, meter=meter) or ()

    def _list(self, layer: _core.Departure, members: Iterable[Member]) -> None:
        descriptor = _descriptor(layer.packed())
        one = listed(descriptor, members)
        if one is not None:
            self._listed[descriptor.digest] = one

    async def _send_named(self, layer: _core.Departure, packed: _core.PackedLayer) -> None:
        """Sends a layer whose digest an earlier run has found, where it is not there."""
        sent, reused = await send(
            layer,
            _descriptor(packed),
            self.registry,
            self.target,
            self.limits,
            None,
            self.progress,
            self.account,
        )
        self.sent += sent
        self.reused += reused

    async def _send_unnamed(
        self,
        upload: Callable[..., Awaitable[Uploaded]],
        layer: _core.Departure | _core.Squeeze,
        piece: Piece,
        total: int,
    ) -> None:
        """Sends a layer by `upload`, which finds its digest out; reports `total` bytes of it."""
        name = piece.path or "."
        reporter = Reporter(self.progress, "upload", name, total)
        uploaded = await upload(
            self.registry,
            self.target.repository,
            layer,
            label=name,
            limits=self.limits,
            on_bytes=reporter.add,
            account=self.account,
        )
        self.sent += uploaded.sent
        if uploaded.how != "sent":
            self.reused += layer.size
            reporter.reuse(total)
        reporter.finish()


def _descriptor(packed: _core.PackedLayer) -> Descriptor:
    return Descriptor("application/octet-stream", packed.digest, packed.size)
