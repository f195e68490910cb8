"""`unpack`: puts the files of a kit into a folder, from the store or a registry."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import _core, offload, settings
from kitfast.errors import AlreadyExists, FileError, InvalidArgument, UnsafeMember
from kitfast.kitfile import yaml
from kitfast.kitfile.filter import Filters, parse_filters
from kitfast.kitfile.match import Unpackable
from kitfast.modelkit.collide import has_to_come, open_target
from kitfast.modelkit.fetch import Arrivals, Source, land
from kitfast.modelkit.kit import Kit, fetch, find_local, need_local
from kitfast.modelkit.parents import chain
from kitfast.modelkit.patterns import may_want
from kitfast.modelkit.remote import connected, limits_for
from kitfast.modelkit.space import require_space
from kitfast.oci import reference as references
from kitfast.oci.reference import Reference
from kitfast.progress import Callback, Reporter
from kitfast.settings import Network
from kitfast.store.home import Home, opened
from kitfast.together import together
from kitfast.transfer.account import Flow

if TYPE_CHECKING:
    from kitfast.modelkit.parts import Part

#: Where the core keeps files of a target that are not whole yet.
STAGING = ".kitfast-staging"


@dataclass(frozen=True)
class Unpacked:
    """What `unpack` did; sizes in bytes.

    `files` were written now, `kept` were there and stayed. `fetched` crossed the network;
    `reused` was left by an earlier try that broke. `flow` says how fast a kit came from a
    registry and what held it back. `verified` says what the weakest of the bytes were held
    against before they got their names: "layer", the digest in the kit's manifest; "file",
    one that was published beside the kit, which the kit's digest does not cover; "none".
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


async def unpack(
    reference: str,
    directory: str | Path = ".",
    *,
    overwrite: bool = False,
    ignore_existing: bool = False,
    filters: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    link: bool = False,
    remote: bool | None = None,
    file_digests: bool | None = None,
    unverified: bool = False,
    home: Path | None = None,
    network: Network | None = None,
    progress: Callback | None = None,
) -> Unpacked:
    """Puts the files of a kit into a folder; each layer is verified before its files appear.

    Args:
        reference: the kit.
        directory: the folder, made if it is not there.
        overwrite: replace files that are there.
        ignore_existing: keep files that are there.
        filters: what to unpack, `types[:names-or-paths]`; several are alternatives.
        include: patterns of the files to write, also inside of tars; none means all. `*` and
            `?` stop at `/`, `**` does not; a pattern without `/` is held against every part
            of a name, and one that fits a folder fits everything in it.
        exclude: patterns of files not to write, even if they are included.
        link: hard-link files of the store where that can be, instead of copying.
        remote: True asks the registry, False the store; None the store, then the registry.
        file_digests: fetch single files out of layers where their digests were published
            beside the kit, and hold them against those; False fetches whole layers. None
            asks the environment, which says yes for a tag, and no for a digest: what is
            published beside a kit is not covered by it.
        unverified: fetch single files also where no digest of them is known, and hold them
            against nothing.

    Raises:
        NotFound: neither the store nor the registry holds the kit.
        FileError: `directory`, or what should hold it, is no folder.
        AlreadyExists: a file is there, and neither option says what to do with it. Where
            the kit's manifest tells, nothing has been fetched or written by then.
        DigestMismatch: a layer is not what the manifest says; none of its files is left.
    """
    if overwrite and ignore_existing:
        raise InvalidArgument("overwrite and ignore_existing exclude each other")
    parsed = references.parse(reference)
    if len(parsed.each()) > 1:
        raise InvalidArgument(f"{reference}: unpack takes one tag", hint="name one tag only")
    wanted = parse_filters(filters)
    _require_folder(Path(directory))
    existing = "overwrite" if overwrite else "keep" if ignore_existing else "refuse"
    async with opened(home or settings.home()) as store:
        job = _Job(store, Path(directory), existing, link, network or settings.network(), progress)
        job.include, job.exclude = list(include), list(exclude)
        job.file_digests, job.unverified = file_digests, unverified
        return await job.run(parsed, wanted, remote)


def _require_folder(directory: Path) -> None:
    """Refuses a path that is a file, or lies in one, before anything is fetched for it."""
    there = next((path for path in (directory, *directory.parents) if os.path.lexists(path)), None)
    if there is not None and not os.path.isdir(there):  # noqa: PTH112 (never raises)
        raise FileError(
            f"{there}: is not a folder",
            path=str(there),
            errno=errno.ENOTDIR,
            hint="name a folder to unpack into, or one to be made",
        )


class _Job:
    """One call of `unpack`: where to, how, and what has arrived."""

    def __init__(
        self,
        store: Home,
        directory: Path,
        existing: str,
        link: bool,
        network: Network,
        progress: Callback | None,
    ) -> None:
        self.store = store
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
        self.ways: set[str] = set()
        self.targets: dict[str, _core.Target] = {}
        self.layers = 0

    async def _target(self, under: str = "") -> _core.Target:
        """The folder that a layer's names are relative to, opened once."""
        if under not in self.targets:
            self.targets[under] = await offload.run(
                open_target,
                self.directory / under,
                self.existing,
                self.include,
                self.exclude,
            )
        return self.targets[under]

    async def run(self, reference: Reference, wanted: Filters, remote: bool | None) -> Unpacked:
        local: dict[str, bool] = {}

        async def resolve(one: Reference) -> Kit:
            kit = None if remote else find_local(self.store, one)
            local[str(one)] = kit is not None
            if kit is not None:
                return kit
            if remote is False or one.is_local:
                return need_local(self.store, one)
            async with connected(one, self.store.folder, self.network, mirrors=True) as registry:
                with self.arrivals.account.during("registry"):
                    return await fetch(registry, one)

        kits = [kit async for kit in chain(reference, resolve)]
        choices = [(kits[0], wanted)]
        for parent in kits[1:]:
            narrowed = wanted.for_parent()
            if narrowed is not None:
                choices.append((parent, narrowed))
        try:
            picked = [await self._pick(kit, chosen) for kit, chosen in choices]
            # How much comes of layers that are not wanted whole is known later.
            whole = [
                items
                for (kit, _), items in zip(choices, picked, strict=True)
                if local[str(kit.reference)] or not self._is_choosy()
            ]
            needed = sum(item.descriptor.size for items in whole for item in items)
            require_space(self.directory, needed)
            for kit, chosen in reversed(choices):
                if chosen.kitfile:
                    (await self._target()).put("Kitfile", yaml.to_bytes(kit.kitfile))
            # A parent's model first, as in kit: the kit itself has the last word.
            for (kit, _), items in reversed(list(zip(choices, picked, strict=True))):
                if local[str(kit.reference)]:
                    await self._from_store(items)
                else:
                    await self._from_registry(kit, items)
        except (AlreadyExists, UnsafeMember):
            # The same again would end the same: nothing is worth keeping for it.
            for target in self.targets.values():
                await offload.run(target.abandon)
            raise
        except BaseException:
            self._tidy()
            raise
        targets = list(self.targets.values())
        for target in targets:
            await offload.run(target.finish)
        return Unpacked(
            kits[0].digest,
            str(self.directory),
            sum(target.files for target in targets),
            sum(target.bytes for target in targets),
            sum(target.kept for target in targets),
            self.arrivals.fetched,
            self.arrivals.reused,
            not local[str(reference)],
            tuple(self.arrivals.warnings),
            self._flow(),
            next((way for way in ("none", "file") if way in self.ways), "layer"),
        )

    def _is_choosy(self) -> bool:
        """Whether less than whole layers may be wanted."""
        return bool(self.include or self.exclude)

    def _flow(self) -> Flow | None:
        if not self.layers:
            return None
        return self.arrivals.account.flow(layers=self.layers, moved=self.arrivals.fetched)

    def _tidy(self) -> None:
        """After a failure, leaves a staging folder only where it holds what a retry can use."""
        for under in self.targets:
            with contextlib.suppress(OSError):
                (self.directory / under / STAGING).rmdir()

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
        async def one(item: Unpackable) -> None:
            target = await self._target(item.under)
            meter = _core.Meter()
            name = item.descriptor.digest
            reporter = Reporter(self.progress, "unpack", name, item.descriptor.size)
            await offload.run(
                self.store.blobs.unpack,
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
        async with connected(reference, self.store.folder, self.network, mirrors=True) as registry:
            source = Source(
                registry,
                reference.repository,
                limits_for(self.network),
                self.network,
                self.progress,
                self.arrivals,
            )

            parts: Sequence[Part | None] = [None] * len(items)
            if self._is_choosy():
                from kitfast.modelkit.parts import choose

                targets = [await self._target(item.under) for item in items]
                parts = await choose(
                    source,
                    kit,
                    list(zip(items, targets, strict=True)),
                    file_digests=settings.file_digests(
                        self.file_digests, otherwise=reference.digest is None
                    ),
                    unverified=self.unverified,
                )
                sizes = zip(items, parts, strict=True)
                needed = sum(part.size if part else item.descriptor.size for item, part in sizes)
                require_space(self.directory, needed)

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
            await fetch_part(source, part, target)
        except RangesRefused as error:
            self.arrivals.warnings.append(f"{error}: {part.layer.digest} is fetched whole")
            return False
        if part.files:
            self.ways.add("file" if part.verified else "none")
        if part.files and not part.verified:
            many = "1 file" if len(part.files) == 1 else f"{len(part.files)} files"
            self.arrivals.warnings.append(
                f"{many} of {part.layer.digest}: NOT verified, as no digest of them is published"
            )
        return True
