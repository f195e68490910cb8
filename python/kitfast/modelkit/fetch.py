"""Fetches the layers of a kit into landings: into the store or into a folder."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING

from kitfast import _core, offload
from kitfast.errors import Busy, DigestMismatch
from kitfast.modelkit.kit import Kit
from kitfast.modelkit.space import held
from kitfast.oci.descriptor import Descriptor
from kitfast.progress import Callback, Reporter, Whole
from kitfast.settings import Network
from kitfast.store import locks
from kitfast.store.home import Home
from kitfast.together import together
from kitfast.transfer.account import Account

if TYPE_CHECKING:
    from kitfast.modelkit.ranges import Window
    from kitfast.registry.client import Registry
    from kitfast.transfer.limits import Limits

#: Seconds between two looks whether another process is done with a blob.
BUSY_SECONDS = 0.2


@dataclass
class Arrivals:
    """Bytes of a transfer as they are counted while it runs."""

    fetched: int = 0
    reused: int = 0
    warnings: list[str] = field(default_factory=list)
    account: Account = field(default_factory=Account)


@dataclass(frozen=True)
class Source:
    """Where layers come from, and what the transfer may use of network and memory.

    `registry` may be a window on a part of a layer; `name` is then what the part is called.
    `before_commit` is called when all of a blob is there, and nothing of it has its name yet.
    """

    registry: Registry | Window
    repository: str
    limits: Limits
    network: Network
    progress: Callback | None
    arrivals: Arrivals
    name: str = ""
    whole: Whole | None = None
    before_commit: Callable[[], None] | None = None


async def fetch_into_store(source: Source, home: Home, kit: Kit) -> None:
    """Brings every layer of a kit into the store; equal layers are fetched once.

    Raises:
        DigestMismatch: a layer is not what the manifest says, twice.
    """
    shapes = landing_shapes(kit)
    unique = {layer.digest: layer for layer in kit.manifest.layers}
    lacking = [one for one in unique.values() if home.blobs.size(one.digest) != one.size]
    source = replace(source, whole=whole_of(lacking))

    async def one(layer: Descriptor) -> None:
        shape = shapes.get(layer.digest, "whole")
        async with locks.exclusive(home.blob_lock(layer.digest)):
            if home.blobs.size(layer.digest) == layer.size:
                source.arrivals.reused += layer.size
                if layer in lacking:
                    # Another process has brought it meanwhile.
                    _reporter(source, layer, layer.size).finish()
                return
            await land(
                source,
                layer,
                lambda: _core.Landing.into_store(home.blobs, layer.digest, layer.size, shape),
            )

    await together(
        [one(layer) for layer in unique.values()], at_once=max(1, source.network.concurrency)
    )


def landing_shapes(kit: Kit) -> dict[str, str]:
    """How the store takes the layers it can take apart, by digest; the rest are "whole"."""
    return {
        item.descriptor.digest: "tar"
        for item in kit.unpackables()
        if item.shape == "tar" and item.compression == "none"
    }


async def land(source: Source, layer: Descriptor, landing_of: Callable[[], _core.Landing]) -> None:
    """Fetches one blob into a landing and commits it, verified.

    A blob that turns out wrong is fetched once more from the start when part of it had
    been left by an earlier try: a machine that lost power may have lost those bytes. The
    same when a mirror sent some of it, and then without any mirror.

    Raises:
        DigestMismatch: the bytes the registry sent are wrong.
    """
    landing = await _opened(layer, landing_of)
    resumed = landing.reused > 0
    try:
        await _fill(source, layer, landing)
        return
    except DigestMismatch:
        blamed = source.registry.distrust_mirrors(layer.digest)
        if not (resumed or blamed):
            raise
    why = f"what {', '.join(blamed)} sent" if blamed else "what an earlier try had left"
    what = source.name or layer.digest
    source.arrivals.warnings.append(f"{what}: {why} was damaged; fetched again")
    await _fill(source, layer, await _opened(layer, landing_of))


async def _opened(layer: Descriptor, landing_of: Callable[[], _core.Landing]) -> _core.Landing:
    """Opens a landing, after whoever receives the same blob into the same place.

    Two that unpack one kit into one folder may each have begun with another layer: if one
    gave up where the other was faster, both might.
    """
    waiting = locks.Waiting(layer.digest)
    while True:
        try:
            return await offload.run(landing_of)
        except Busy:
            waiting.goes_on()
            await asyncio.sleep(BUSY_SECONDS)


def _reporter(source: Source, layer: Descriptor, reused: int) -> Reporter:
    return Reporter(
        source.progress,
        "download",
        source.name or layer.digest,
        layer.size,
        reused=reused,
        whole=source.whole,
    )


async def _fill(source: Source, layer: Descriptor, landing: _core.Landing) -> None:
    from kitfast.transfer.download import download

    if landing.warning:
        source.arrivals.warnings.append(landing.warning)
    reporter = _reporter(source, layer, landing.reused)
    source.arrivals.reused += landing.reused

    def arrived(count: int) -> None:
        source.arrivals.fetched += count
        reporter.add(count)

    async with kept_unless_done(landing):
        await download(
            source.registry,
            source.repository,
            layer,
            landing,
            limits=source.limits,
            on_bytes=arrived,
            account=source.arrivals.account,
        )
        if source.before_commit is not None:
            source.before_commit()
        await _finish(landing, source.arrivals.account)
    reporter.finish()


async def _finish(landing: _core.Landing, account: Account) -> None:
    """Verifies and commits; what of it waits for the hash ends when all is hashed."""
    begun = hashed = monotonic()

    def look() -> None:
        nonlocal hashed
        if landing.hashed < landing.size:
            hashed = monotonic()

    try:
        await offload.run(landing.finish, meter=_core.Meter(), tick=look)
    finally:
        account.add(begun, hashed, {"hash": hashed - begun})
        ended = monotonic()
        account.add(hashed, ended, {"disk": ended - hashed})


@contextlib.asynccontextmanager
async def kept_unless_done(landing: _core.Landing) -> AsyncIterator[None]:
    """Writes down what a landing holds when the block fails, so that it can go on later."""
    try:
        yield
    except BaseException:
        # Also on Ctrl-C. A landing that has ended, well or not, ignores this.
        landing.keep()
        raise


def whole_of(layers: Sequence[Descriptor]) -> Whole:
    """What layers are together, for whoever watches."""
    return Whole(sum(layer.size for layer in layers), len(layers))


def missing_bytes(home: Home, layers: Sequence[Descriptor]) -> int:
    """Room the layers need that the store does not hold yet, each counted once.

    What an earlier try took for them is theirs already.
    """
    unique = {layer.digest: layer.size for layer in layers}
    return sum(
        max(0, size - held(home.folder / "landing", digest))
        for digest, size in unique.items()
        if home.blobs.size(digest) != size
    )
