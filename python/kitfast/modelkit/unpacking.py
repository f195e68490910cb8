"""The work behind `unpack`: one call, from the manifest to the last file's name."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import _core, offload
from kitfast.errors import AlreadyExists, InternalError, InvalidArgument, UnsafeMember
from kitfast.kitfile import yaml
from kitfast.kitfile.filter import Filters
from kitfast.kitfile.match import Unpackable
from kitfast.modelkit.collide import STAGING, has_to_come, open_target
from kitfast.modelkit.fetch import Arrivals, Source, land, whole_of
from kitfast.modelkit.kit import Kit, fetch, find_local, not_here
from kitfast.modelkit.parents import chain
from kitfast.modelkit.patterns import may_want
from kitfast.modelkit.remote import connected, limits_for
from kitfast.modelkit.space import Room, require_rooms, room_for
from kitfast.oci.reference import Reference
from kitfast.progress import Callback, Reporter, Whole
from kitfast.settings import Network
from kitfast.store.home import Home
from kitfast.together import together
from kitfast.transfer.account import Flow

if TYPE_CHECKING:
    from kitfast.modelkit.marker import Marked
    from kitfast.modelkit.parts import Part
    from kitfast.modelkit.voucher import Voucher


@dataclass(frozen=True)
class Unpacked:
    """What `unpack` did; sizes in bytes.

    `files` were written now, `kept` were there and stayed. `fetched` crossed the network;
    `reused` was left by an earlier try that broke. `flow` says how fast a kit came from a
    registry and what held it back. `verified` says what the weakest of the bytes were held
    against before they got their names: "layer", the digest in the kit's manifest; "file",
    one that was published beside the kit, which the kit's digest does not cover; "none".
    `unchanged` says that a marker vouched for everything, so that nothing was done.
    """

    digest: str
    directory: str
    files: int
    size: int
    kept: int
    fetched: int
    reused: int
    remote: bool
    warnings: tuple[str, ...] = ()
    flow: Flow | None = None
    verified: str = "layer"
    unchanged: bool = False


async def unchanged(said: Marked, directory: Path) -> Unpacked:
    """The outcome where a marker vouches for everything."""
    if (directory / STAGING).exists():
        # The run that wrote the marker was killed before it had tidied up.
        await offload.run(_core.Target(str(directory)).finish)
    return Unpacked(
        said.digest,
        str(directory),
        *(0, 0, said.files, 0, 0),
        remote=False,
        verified=said.verified,
        unchanged=True,
    )


class Job:
    """One call of `unpack`: where to, how, and what has arrived."""

    def __init__(
        self,
        store: Home | None,
        folder: Path,
        directory: Path,
        existing: str,
        link: bool,
        network: Network,
        progress: Callback | None,
    ) -> None:
        self.store = store
        self.folder = folder
        self.directory = directory
        self.existing = existing
        self.link = link
        self.network = network
        self.progress = progress
        self.arrivals = Arrivals()
        self.include: list[str] = []
        self.exclude: list[str] = []
        self.file_digests: bool | None = None
        self.unverified = False
        self.uses_lists = False
        self.ways: set[str] = set()
        self.voucher: Voucher | None = None
        self.whole: Whole | None = None
        self.targets: dict[str, _core.Target] = {}
        self.made: list[Path] = []
        self.layers = 0

    async def _target(self, under: str = "") -> _core.Target:
        """The folder that a layer's names are relative to, opened once."""
        if under not in self.targets:
            if not (self.directory / under).exists():
                self.made.append(self.directory / under)
            self.targets[under] = await offload.run(
                open_target,
                self.directory / under,
                self.existing,
                self.include,
                self.exclude,
            )
            if self.voucher is not None:
                self.targets[under].remember()
        return self.targets[under]

    async def run(self, reference: Reference, wanted: Filters, remote: bool | None) -> Unpacked:
        local: dict[str, bool] = {}

        async def resolve(one: Reference) -> Kit:
            kit = None if remote or self.store is None else find_local(self.store, one)
            local[str(one)] = kit is not None
            if kit is not None:
                return kit
            if remote is False or (one.is_local and not remote):
                raise not_here(one)
            async with connected(one, self.folder, self.network, mirrors=True) as registry:
                with self.arrivals.account.during("registry"):
                    return await fetch(registry, one)

        if self._is_choosy():
            from kitfast.modelkit.published import takes_lists

            # As the caller named the kit, and not as kits name the ones their models come from.
            self.uses_lists = takes_lists(reference, self.file_digests)
        kits = [kit async for kit in chain(reference, resolve)]
        digest, parents = kits[0].digest, tuple(kit.digest for kit in kits[1:])
        choices = [(kits[0], wanted)]
        for parent in kits[1:]:
            narrowed = wanted.for_parent()
            if narrowed is not None:
                choices.append((parent, narrowed))
        if self.voucher is not None:
            said = self.voucher.said
            if said and (said.digest, said.parents) == (digest, parents):
                return await unchanged(said, self.directory)
            self.voucher.refuse_known(choices, _core.Patterns(self.include, self.exclude))
            self.voucher.marker.clear()
        try:
            picked = [await self._pick(kit, chosen) for kit, chosen in choices]
            if self.voucher is not None:
                self.voucher.refuse_unverified()
            # How much comes of layers that are not wanted whole is known later.
            coming = [
                (item, local[str(kit.reference)])
                for (kit, _), items in zip(choices, picked, strict=True)
                if local[str(kit.reference)] or not self._is_choosy()
                for item in items
            ]
            require_rooms(self.directory, [await self._room(*one) for one in coming])
            fetched = [item.descriptor for item, is_local in coming if not is_local]
            self.whole = whole_of(fetched) if fetched else None
            for kit, chosen in reversed(choices):
                if chosen.kitfile:
                    await self._put_kitfile(kit)
            # A parent's model first, as in kit: the kit itself has the last word.
            for (kit, _), items in reversed(list(zip(choices, picked, strict=True))):
                for item in items:
                    (await self._target(item.under)).rank(item.descriptor.digest)
                if local[str(kit.reference)]:
                    await self._from_store(items)
                else:
                    await self._from_registry(kit, items)
        except (AlreadyExists, UnsafeMember):
            # The same again would end the same: nothing is worth keeping for it.
            for target in self.targets.values():
                await offload.run(target.abandon)
            self._tidy()
            raise
        except BaseException:
            self._tidy()
            raise
        targets = list(self.targets.values())
        files = sum(target.files for target in targets)
        kept = sum(target.kept for target in targets)
        if not files and not kept and (wanted.each or self._is_choosy()):
            self.arrivals.warnings.append(
                f"{reference}: no file in it fits what was asked for, and none was written"
            )
        try:
            if self.voucher is not None:
                await self.voucher.vouch(digest, parents, self._verified())
        except (AlreadyExists, InvalidArgument):
            await self._finish()
            raise
        await self._finish()
        return Unpacked(
            digest,
            str(self.directory),
            files,
            sum(target.bytes for target in targets),
            kept,
            self.arrivals.fetched,
            self.arrivals.reused,
            not local[str(reference)],
            tuple(self.arrivals.warnings),
            self._flow(),
            self._verified(),
        )

    def _verified(self) -> str:
        """What the weakest of the bytes were held against."""
        return next((way for way in ("none", "file") if way in self.ways), "layer")

    def _is_choosy(self) -> bool:
        """Whether less than whole layers may be wanted."""
        return bool(self.include or self.exclude)

    async def _put_kitfile(self, kit: Kit) -> None:
        # One that is there and the same to the byte is as good as ours.
        (await self._target()).put("Kitfile", yaml.to_bytes(kit.kitfile))

    async def _finish(self) -> None:
        for target in self.targets.values():
            await offload.run(target.finish)

    async def _room(self, item: Unpackable, is_local: bool) -> Room:
        """What a whole layer needs of the disk: a link to the store needs nothing."""
        if is_local:
            compressed = item.compression != "none"
            return Room(0 if self.link else item.descriptor.size, compressed)
        target = await self._target(item.under)
        return await offload.run(room_for, item, target, self._staging(item))

    def _staging(self, item: Unpackable) -> Path:
        return self.directory / item.under / STAGING

    def _flow(self) -> Flow | None:
        if not self.layers:
            return None
        return self.arrivals.account.flow(layers=self.layers, moved=self.arrivals.fetched)

    def _tidy(self) -> None:
        """After a failure, leaves folders of ours only where they hold what a retry can use."""
        if self.voucher is not None:
            self.voucher.give_way()
        staging = [self.directory / under / STAGING for under in self.targets]
        for folder in (*staging, *reversed(self.made)):
            with contextlib.suppress(OSError):
                folder.rmdir()

    async def _pick(self, kit: Kit, wanted: Filters) -> list[Unpackable]:
        """The layers that have to come; fails where one is known to be in the way."""
        target = await self._target()
        return [
            item
            for item in kit.unpackables()
            if wanted.matches(item.kind, item.entry, item.name)
            and may_want(target, item)
            and await offload.run(has_to_come, target, item)
        ]

    async def _from_store(self, items: list[Unpackable]) -> None:
        store = self.store
        if store is None:
            raise InternalError("a kit of the store, and no store")

        whole = whole_of([item.descriptor for item in items])

        async def one(item: Unpackable) -> None:
            target = await self._target(item.under)
            meter = _core.Meter()
            name = item.descriptor.digest
            size = item.descriptor.size
            reporter = Reporter(self.progress, "unpack", name, size, whole=whole)
            await offload.run(
                store.blobs.unpack,
                item.descriptor.digest,
                item.core_shape,
                target,
                item.name,
                item.mode,
                self.link,
                meter=meter,
                tick=lambda: reporter.at(meter.done),
            )
            reporter.finish()

        await together([one(item) for item in items], at_once=max(1, self.network.concurrency))

    async def _from_registry(self, kit: Kit, items: list[Unpackable]) -> None:
        reference = kit.reference
        self.layers += len(items)
        async with connected(reference, self.folder, self.network, mirrors=True) as registry:
            source = Source(
                registry,
                reference.repository,
                limits_for(self.network),
                self.network,
                self.progress,
                self.arrivals,
                whole=self.whole,
            )

            parts: Sequence[Part | None] = [None] * len(items)
            if self._is_choosy():
                from kitfast.modelkit.choose import choose
                from kitfast.modelkit.parts import room_for_part

                targets = [await self._target(item.under) for item in items]
                parts = await choose(
                    source,
                    kit,
                    list(zip(items, targets, strict=True)),
                    file_digests=self.uses_lists,
                    unverified=self.unverified,
                )
                rooms: list[Room] = []
                for item, part, target in zip(items, parts, targets, strict=True):
                    if part is not None and self.voucher is not None:
                        self.voucher.refuse(item.under, [file.name for file in part.files])
                    staging = self._staging(item)
                    rooms.append(
                        await offload.run(room_for_part, part, target, staging)
                        if part is not None
                        else await self._room(item, False)
                    )
                require_rooms(self.directory, rooms)

            async def one(item: Unpackable, part: Part | None) -> None:
                target = await self._target(item.under)
                if part is not None and await self._fetch_part(source, part, target):
                    return
                layer = item.descriptor
                await land(
                    source,
                    layer,
                    lambda: _core.Landing.into_target(
                        target, layer.digest, layer.size, item.core_shape, item.name, item.mode
                    ),
                )

            await together(
                [one(item, part) for item, part in zip(items, parts, strict=True)],
                at_once=max(1, self.network.concurrency),
            )

    async def _fetch_part(self, source: Source, part: Part, target: _core.Target) -> bool:
        """Fetches what is wanted of a layer; False where the registry serves no parts of it."""
        from kitfast.modelkit.parts import fetch_part
        from kitfast.modelkit.ranges import RangesRefused

        try:
            await fetch_part(source, part, target, vouch=self.voucher is not None)
        except RangesRefused as error:
            self.arrivals.warnings.append(f"{error}: {part.layer.digest} is fetched whole")
            return False
        # Also where it names no file: that there is none is then only the list's word.
        self.ways.add("file" if part.verified else "none")
        if part.files and not part.verified:
            many = "1 file" if len(part.files) == 1 else f"{len(part.files)} files"
            why = "no digest of them is published"
            if not self.uses_lists:
                why = "published digests of files are not used here"
            self.arrivals.warnings.append(f"{many} of {part.layer.digest}: NOT verified, as {why}")
        return True
