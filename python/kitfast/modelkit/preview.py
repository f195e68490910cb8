"""Plans a pull or an unpack and fetches no layer: what is here, what would come."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kitfast import _core, offload, settings
from kitfast.kitfile.filter import parse_filters
from kitfast.kitfile.match import Unpackable
from kitfast.modelkit.choose import choose
from kitfast.modelkit.collide import left_to_fetch
from kitfast.modelkit.fetch import Arrivals, Source, landing_shapes
from kitfast.modelkit.kit import Kit, fetch, find_local, not_here
from kitfast.modelkit.marker import Choice, Marker
from kitfast.modelkit.parents import chain
from kitfast.modelkit.patterns import may_want, refuse_empty
from kitfast.modelkit.published import takes_lists
from kitfast.modelkit.remote import connected, limits_for
from kitfast.modelkit.unpack import already
from kitfast.oci import reference as references
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.reference import Reference
from kitfast.settings import Network
from kitfast.store.home import Home, opened, opened_if_there
from kitfast.transfer.plan import Plan

Missing = list[tuple[int, int]]


@dataclass(frozen=True)
class PreviewedLayer:
    """One layer of a plan; `here` bytes need not be fetched, the rest comes in `parts`.

    `size` is that of what would come of it: its files alone where not all are wanted.
    """

    digest: str
    media_type: str
    size: int
    here: int
    parts: int


@dataclass(frozen=True)
class Preview:
    """What a pull or an unpack would do; sizes in bytes.

    `connections` is how many the transfer goes on with, unless fewer do for its cores, and
    `most_connections` how many it may grow to; `parts` are counted for `connections`.
    """

    digest: str
    reference: str
    layers: tuple[PreviewedLayer, ...]
    size: int
    here: int
    fetch: int
    parts: int
    connections: int
    most_connections: int


async def preview(
    reference: str,
    *,
    unpack: bool = False,
    directory: str | os.PathLike[str] | None = None,
    filters: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    remote: bool | None = None,
    file_digests: bool | None = None,
    unverified: bool = False,
    marker: str | os.PathLike[str] | None = None,
    home: Path | None = None,
    network: Network | None = None,
) -> Preview:
    """Plans what `pull` would fetch, or `unpack`; reads manifests and configs, no layer.

    Args:
        reference: the kit.
        unpack: plan an unpack, which fetches into a folder and not into the store.
        directory: that folder; what an unpack that broke has left there is counted.
        filters, include, exclude, file_digests, unverified: as in `unpack`; without a
            published list, the headers of layers are read to find files `unverified`.
        marker: as in `unpack`; where it vouches for the kit, nothing would come.
        remote: as in `unpack`: True plans to fetch whatever the store has.

    Raises:
        NotInRegistry: there is no such kit.
        FileError: no marker can be written where it should be.
    """
    parsed = references.parse(reference)
    network = network or settings.network()
    folder = home or settings.home()
    refuse_empty((*include, *exclude))
    choice = Choice(tuple(filters), tuple(include), tuple(exclude))
    place = Path("." if directory is None else directory)
    vouching = None if marker is None else Marker(Path(marker), place, choice)
    said = await already(vouching, parsed, file_digests, unverified)
    # As the verbs: an unpack from a registry needs no store.
    needs_store = not unpack or parsed.is_local or remote is False
    async with (opened if needs_store else opened_if_there)(folder) as store:
        # As the caller named the kit, and not as kits name the ones their models come from.
        lists = takes_lists(parsed, file_digests)
        job = _Preview(store, folder, network, unpack, remote, lists, unverified)
        if directory is not None:
            job.left = partial(_left_behind, Path(directory), list(include), list(exclude))
        chooser = _core.Patterns(include, exclude) if include or exclude else None
        kits: list[Kit] = []
        for one in parsed.each():
            kits += [kit async for kit in chain(one, job.resolve)]
        wanted = parse_filters(filters)
        if said and (said.digest, *said.parents) == tuple(kit.digest for kit in kits):
            return job.sum_up(kits[0])
        for number, kit in enumerate(kits):
            chosen = wanted if not number else wanted.for_parent()
            if not unpack:
                await job.add(kit, kit.manifest.layers)
            elif chosen is not None:
                items = kit.unpackables()
                picked = [it for it in items if chosen.matches(it.kind, it.entry, it.name)]
                await job.add_chosen(kit, picked, chooser)
    return job.sum_up(kits[0])


class _Preview:
    """One plan in the making."""

    def __init__(
        self,
        store: Home | None,
        folder: Path,
        network: Network,
        unpack: bool,
        remote: bool | None,
        uses_lists: bool,
        unverified: bool,
    ) -> None:
        self.store, self.folder, self.network = store, folder, network
        self.uses_lists, self.unverified = uses_lists, unverified
        self.unpack, self.remote = unpack, remote
        self.limits = limits_for(network)
        self.layers: dict[str, PreviewedLayer] = {}
        self.local: set[str] = set()
        self.items: dict[str, Unpackable] = {}
        self.left: Callable[[Unpackable], Missing | None] | None = None

    async def resolve(self, one: Reference) -> Kit:
        """Reads a kit where the verb would: `pull` from the registry always."""
        if self.unpack and not self.remote:
            kit = None if self.store is None else find_local(self.store, one)
            if kit is None and (self.remote is False or one.is_local):
                raise not_here(one)
            if kit is not None:
                self.local.add(str(one))
                return kit
        async with connected(one, self.folder, self.network, mirrors=True) as registry:
            return await fetch(registry, one)

    async def add_chosen(
        self, kit: Kit, items: list[Unpackable], chooser: _core.Patterns | None
    ) -> None:
        """Plans what patterns leave of layers that would be unpacked."""
        self.items.update((item.descriptor.digest, item) for item in items)
        if chooser is None or str(kit.reference) in self.local:
            await self.add(kit, [item.descriptor for item in items])
            return
        wanted = [item for item in items if may_want(chooser, item)]
        async with connected(kit.reference, self.folder, self.network, mirrors=True) as registry:
            repository = kit.reference.repository
            source = Source(registry, repository, self.limits, self.network, None, Arrivals())
            parts = await choose(
                source,
                kit,
                [(item, chooser) for item in wanted],
                file_digests=self.uses_lists,
                unverified=self.unverified,
            )
        for item, part in zip(wanted, parts, strict=True):
            layer = item.descriptor
            if part is None:
                await self.add(kit, [layer])
            elif layer.digest not in self.layers:
                self.layers[layer.digest] = PreviewedLayer(
                    layer.digest, layer.media_type, part.size, 0, part.requests
                )

    async def add(self, kit: Kit, layers: Sequence[Descriptor]) -> None:
        """Plans layers, each digest once."""
        for layer in layers:
            if layer.digest in self.layers:
                continue
            missing = await self._missing(kit, layer)
            plan = Plan(missing, fixed=self.limits.part_size)
            parts = plan.use_up(self.limits.start)
            lacking = sum(end - start for start, end in missing)
            self.layers[layer.digest] = PreviewedLayer(
                layer.digest, layer.media_type, layer.size, layer.size - lacking, parts
            )

    async def _missing(self, kit: Kit, layer: Descriptor) -> Missing:
        everything = [(0, layer.size)]
        if self.unpack or self.store is None:
            if str(kit.reference) in self.local:
                return []
            if self.left is None:
                return everything
            left = await offload.run(self.left, self.items[layer.digest])
            return everything if left is None else left
        if self.store.blobs.size(layer.digest) == layer.size:
            return []
        shape = landing_shapes(kit).get(layer.digest, "whole")
        left = await offload.run(
            _core.Landing.left_in_store, self.store.blobs, layer.digest, layer.size, shape
        )
        return everything if left is None else left

    def sum_up(self, kit: Kit) -> Preview:
        """The finished plan."""
        layers = tuple(self.layers.values())
        size, here = sum(one.size for one in layers), sum(one.here for one in layers)
        return Preview(
            kit.digest,
            str(kit.reference),
            layers,
            size,
            here,
            size - here,
            sum(one.parts for one in layers),
            self.limits.start,
            self.limits.most_connections,
        )


def _left_behind(
    directory: Path, include: list[str], exclude: list[str], item: Unpackable
) -> Missing | None:
    """What an unpack into the folder that broke has left to fetch; None where it is all."""
    return left_to_fetch(directory / item.under, item, include, exclude)
