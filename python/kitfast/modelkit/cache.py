"""`cache`: says what the home holds, checks it, and frees what nothing needs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kitfast import _core, offload, settings
from kitfast.errors import InvalidArgument
from kitfast.progress import Callback, Reporter
from kitfast.store.home import Home, opened

#: What each folder of a home is for, in the order it is shown.
FOLDERS = ("contents", "recipes", "manifests", "references", "landing", "cache", "trees")


@dataclass(frozen=True)
class Folder:
    """One folder of the home: its files, and the bytes they take on the disk."""

    name: str
    files: int
    size: int


@dataclass(frozen=True)
class CacheInfo:
    """What a home holds; `size` in bytes on the disk."""

    home: str
    kits: int
    folders: tuple[Folder, ...]
    size: int


@dataclass(frozen=True)
class Freed:
    """Bytes that are free again."""

    size: int


@dataclass(frozen=True)
class Damage:
    """One blob that is not what its name says, and the kits it belongs to."""

    digest: str
    why: str
    kits: tuple[str, ...]


@dataclass(frozen=True)
class CacheVerified:
    """What was checked; sizes in bytes."""

    blobs: int
    size: int
    damaged: tuple[Damage, ...]


async def cache_info(*, home: Path | None = None) -> CacheInfo:
    """Counts the files and bytes of a home."""
    folder = home or settings.home()
    if not folder.exists():
        return CacheInfo(str(folder), 0, tuple(Folder(name, 0, 0) for name in FOLDERS), 0)
    async with opened(folder) as store:
        kits = len({held.digest for held in store.references.held()})
        folders = tuple([await offload.run(_measure, folder, name) for name in FOLDERS])
    return CacheInfo(str(folder), kits, folders, sum(one.size for one in folders))


async def cache_prune(*, home: Path | None = None) -> Freed:
    """Drops what no reference reaches; partial transfers are kept, so they can go on.

    So are the folders that `resolve` made, and those it was killed making.

    Raises:
        InvalidArgument: another process is using the home.
    """
    return Freed(await _prune(home or settings.home()))


async def cache_clear(*, home: Path | None = None) -> Freed:
    """Drops partial transfers and remembered digests, and what no reference reaches.

    Kits stay: `kitfast remove --all --force` removes those. So do whole folders that
    `resolve` made, which `forget` removes.

    Raises:
        InvalidArgument: another process is using the home.
    """
    folder = home or settings.home()
    before = sum([(await offload.run(_measure, folder, name)).size for name in FOLDERS])
    await offload.run(Home(folder).try_clear)
    await _prune(folder)
    after = sum([(await offload.run(_measure, folder, name)).size for name in FOLDERS])
    return Freed(max(0, before - after))


async def cache_verify(
    *, home: Path | None = None, progress: Callback | None = None
) -> CacheVerified:
    """Reads and hashes every blob of the store, many at once.

    Damage is reported, not repaired: removing and pulling the kits named heals them.
    """
    async with opened(home or settings.home()) as store:
        owners: dict[str, set[str]] = {}
        for held in store.references.held():
            name = f"{held.registry}/{held.repository}".removeprefix("localhost/")
            for digest in store.blobs_of(held.digest):
                owners.setdefault(digest, set()).add(f"{name}@{held.digest}")
        digests = sorted(store.blobs.digests())
        meter = _core.Meter()
        total = sum(store.blobs.size(digest) or 0 for digest in digests)
        reporter = Reporter(progress, "verify", "store", total)
        damaged = await offload.run(
            store.blobs.verify_all,
            digests,
            meter=meter,
            tick=lambda: reporter.at(meter.done),
        )
        reporter.finish()
    found = (
        Damage(digest, why, tuple(sorted(owners.get(digest, ()))))
        for digest, why in sorted(damaged)
    )
    return CacheVerified(len(digests), total, tuple(found))


async def _prune(folder: Path) -> int:
    meter = _core.Meter()
    freed = await offload.run(Home(folder).try_prune, meter=meter)
    if freed is None:
        raise InvalidArgument(
            f"{folder}: another process is using it", hint="try again when it has ended"
        )
    return freed


def _measure(home: Path, name: str) -> Folder:
    files = size = 0
    for parent, _, names in os.walk(home / name):
        for each in names:
            try:
                status = os.lstat(Path(parent, each))
            except FileNotFoundError:
                continue  # another process has just moved it into place
            files += 1
            size += status.st_blocks * 512
    return Folder(name, files, size)
