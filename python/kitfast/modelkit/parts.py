"""Fetches some files of a tar layer by ranges, each held to a digest of its own.

The list of files published beside the kit says where they are. Large ones land like
blobs: in parallel, resumable, verified before they have their names. Small ones come in
runs, with what little lies between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import _core, offload
from kitfast.errors import AlreadyExists, DigestMismatch, ProtocolError
from kitfast.modelkit.fetch import Source, land
from kitfast.modelkit.filelist import FILES, SMALLEST_LAYER, ListedFile, ListedFolder
from kitfast.modelkit.ranges import RangesRefused, Window, read_paced, registry_of
from kitfast.modelkit.space import Room, held
from kitfast.oci.descriptor import Descriptor
from kitfast.progress import Reporter
from kitfast.together import together

if TYPE_CHECKING:
    pass

#: The share of a layer that must be spared for it to be worth a weaker digest.
SPARED = 1 / 8
#: Files from this size on land on their own.
PLACED = 1 << 20
#: Bytes between two small files that are fetched rather than asked around.
GAP = 64 << 10
#: The longest run of small files, which is held in memory.
RUN = 8 << 20
#: Requests that one layer is worth, for files, or for headers where there is no list.
MOST_REQUESTS = 1000


@dataclass(frozen=True)
class Part:
    """What is wanted of one layer.

    `verified` says that the files have digests to be held against.
    """

    layer: Descriptor
    files: tuple[ListedFile, ...]
    folders: tuple[ListedFolder, ...]
    verified: bool

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.size for file in self.files)

    @property
    def requests(self) -> int:
        """Into how many pieces its files fall, each large one a piece of its own."""
        small = [file for file in self.files if file.size < PLACED]
        return len(self.files) - len(small) + len(runs(small))


@dataclass(frozen=True)
class Run:
    """Small files that lie close together."""

    files: tuple[ListedFile, ...]

    @property
    def start(self) -> int:
        """Where the first one begins in the layer."""
        return self.files[0].offset

    @property
    def length(self) -> int:
        """Bytes up to the end of the last one."""
        return self.files[-1].offset + self.files[-1].size - self.start


def is_worth_it(layer: Descriptor, size: int) -> bool:
    """Whether fetching `size` bytes of a layer alone spares enough to do without its digest."""
    return layer.size >= SMALLEST_LAYER and size <= layer.size * (1 - SPARED)


def runs(files: Iterable[ListedFile]) -> list[Run]:
    """Groups files, which must stand in the order of their offsets, into runs."""
    found: list[Run] = []
    for file in files:
        last = found[-1] if found else None
        if last is not None:
            gap = file.offset - (last.start + last.length)
            if gap <= GAP and file.offset + file.size - last.start <= RUN:
                found[-1] = Run((*last.files, file))
                continue
        found.append(Run((file,)))
    return found


def room_for_part(part: Part, target: _core.Target, staging: Path) -> Room:
    """What fetching a part needs of the disk; what an earlier try took is ours already."""

    def needed(file: ListedFile) -> int:
        if file.size < PLACED:
            return file.size if target.size_of(file.name) is None else 0
        if _has_published(target, file):
            return 0
        return max(0, file.size - held(staging, file.digest))

    return Room(sum(needed(file) for file in part.files))


async def fetch_part(
    source: Source, part: Part, target: _core.Target, *, vouch: bool = False
) -> None:
    """Fetches the wanted files of a layer into its target.

    Args:
        source: where the layer comes from.
        part: what is wanted of it.
        target: the folder.
        vouch: look at the bytes of small files that are there, also where these are kept.

    Raises:
        AlreadyExists: a file is there and must not be replaced.
        DigestMismatch: a file is not what the list says; it has not got its name.
        RangesRefused: the registry serves no parts; no file of the try is left.
        ProtocolError: the registry served parts, and files have their names, but then no
            more: the whole layer, coming after them, would seem to vouch for them.
    """
    here, small, large = await offload.run(_sort, part, target, vouch)
    # Of them no answer tells whether the registry serves parts: they have their names last.
    empty = [file for file in (*here, *small) if not file.size]
    left = list(part.folders)
    total = sum(file.size for file in (*here, *small))
    reporter = Reporter(source.progress, "download", part.layer.digest, total)
    at_once = max(1, source.network.concurrency)
    named: list[Run] = []

    def make_folders() -> None:
        # Not before the registry has served a part: whole layers bring their own.
        while left:
            target.folder(left[0].name, left[0].mode)
            del left[0]

    async def one_run(run: Run) -> None:
        data = await _fetch_run(source, part.layer, run)
        make_folders()
        named.append(run)
        await offload.run(_put, target, run, data)
        reporter.add(sum(file.size for file in run.files))

    placing = replace(source, before_commit=make_folders)
    try:
        # What may have to be refused comes before anything gets its name.
        for files in (here, small):
            some = runs(file for file in files if file.size)
            await together([one_run(run) for run in some], at_once=at_once)
        if here or small:
            reporter.finish()
        await together(
            [land_file(placing, part.layer, one, partial(_landing, target, one)) for one in large],
            at_once=at_once,
        )
        await together([one_run(Run((file,))) for file in empty], at_once=at_once)
        make_folders()
    except RangesRefused as error:
        published = [await offload.run(_has_published, target, file) for file in large]
        if named or any(published):
            raise _given_up(part, error) from error
        for file in large:
            landing = await offload.run(_landing, target, file)
            await offload.run(landing.discard)
        raise


def _has_published(target: _core.Target, file: ListedFile) -> bool:
    return _core.Landing.has_published(target, file.digest, file.size, "whole", file.name)


def _given_up(part: Part, error: RangesRefused) -> ProtocolError:
    """The error where some files have come by ranges, and the others cannot."""
    how = "--no-file-digests" if part.verified else "--unverified left out"
    return ProtocolError(
        f"{error} any more; some files of {part.layer.digest} came as parts before",
        hint=f"unpack into an empty folder with {how}: whole layers are then fetched",
    )


def _sort(
    part: Part, target: _core.Target, vouch: bool
) -> tuple[list[ListedFile], list[ListedFile], list[ListedFile]]:
    """Small files that are there, small ones that are not, large ones; kept ones are counted.

    A small file that is there may be an earlier try's: its bytes tell. A folder that cannot
    be made is an error.
    """
    for folder in part.folders:
        target.check_folder(folder.name)
    here: list[ListedFile] = []
    small: list[ListedFile] = []
    large: list[ListedFile] = []
    for file in part.files:
        if file.size >= PLACED and _has_published(target, file):
            large.append(file)
            continue
        try:
            written = target.would_write(file.name)
        except AlreadyExists:
            if file.size >= PLACED or target.size_of(file.name) != file.size:
                raise
            here.append(file)
            continue
        if written:
            (large if file.size >= PLACED else small).append(file)
        elif vouch and file.size < PLACED:
            here.append(file)
        else:
            target.count_kept(1)
    return here, small, large


def _landing(target: _core.Target, file: ListedFile) -> _core.Landing:
    return _core.Landing.into_target(target, file.digest, file.size, "whole", file.name, file.mode)


async def land_file(
    source: Source, layer: Descriptor, file: ListedFile, landing_of: Callable[[], _core.Landing]
) -> None:
    """Fetches one file of a layer into a landing of its own and commits it, verified.

    Raises:
        DigestMismatch: it is not what the list says.
        RangesRefused: the registry serves no parts.
    """
    window = Window(registry_of(source), layer, file.offset)
    blob = Descriptor(FILES, file.digest, file.size)
    through = replace(source, registry=window, name=file.name)
    try:
        await land(through, blob, landing_of)
    except DigestMismatch as error:
        raise _mismatch(file, getattr(error, "actual", "")) from error


async def _fetch_run(source: Source, layer: Descriptor, run: Run) -> bytes:
    """The bytes of a run, each of its files held against its digest."""
    data = await _read(source, layer, run)
    wrong = _first_wrong(run, data)
    if wrong is not None:
        blamed = source.registry.distrust_mirrors(layer.digest)
        if blamed:
            source.arrivals.warnings.append(
                f"{wrong.name}: what {', '.join(blamed)} sent was damaged; fetched again"
            )
            data = await _read(source, layer, run)
            wrong = _first_wrong(run, data)
    if wrong is not None:
        raise _mismatch(wrong, _core.blake3(_cut(run, data, wrong)))
    return data


async def _read(source: Source, layer: Descriptor, run: Run) -> bytes:
    if not run.length:
        return b""
    return await read_paced(source, layer, run.start, run.length)


def _cut(run: Run, data: bytes, file: ListedFile) -> bytes:
    at = file.offset - run.start
    return data[at : at + file.size]


def _first_wrong(run: Run, data: bytes) -> ListedFile | None:
    for file in run.files:
        named = file.digest.startswith("blake3:")
        if named and _core.blake3(_cut(run, data, file)) != file.digest:
            return file
    return None


def _put(target: _core.Target, run: Run, data: bytes) -> None:
    for file in run.files:
        target.put(file.name, _cut(run, data, file), file.mode)


def _mismatch(file: ListedFile, actual: str) -> DigestMismatch:
    return DigestMismatch(
        f"{file.name}: its bytes are {actual}, but the list of files beside the kit "
        f"says {file.digest}",
        what=file.name,
        expected=file.digest,
        actual=actual,
        hint="--no-file-digests fetches the whole layer, which the kit's own digest covers",
    )
