"""Downloads and uploads against a faulty registry, with short waits."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.faults import Fault, FaultyRegistry, Script, Seen
from tests.support.memory import MemoryBlob, MemoryLanding, random_blob

from kitfast import _core
from kitfast.registry import Credentials, Registry
from kitfast.settings import Network
from kitfast.transfer.download import download
from kitfast.transfer.ends import Content, Departing, Squeezing
from kitfast.transfer.limits import Limits, Patience, forget_hosts
from kitfast.transfer.upload import Uploaded, upload
from kitfast.transfer.upload_squeezed import upload_squeezed
from kitfast.transfer.upload_unnamed import upload_unnamed

PART = 256 * 1024
BLOB = random_blob(8 * PART + 123, seed=7)
QUICK = Patience(
    first_byte=3.0, stall=1.0, hedge=60.0, backoff=0.01, longest_backoff=0.2, attempts=6
)


@dataclass
class Pull:
    """What a download did: where its bytes went and how they were counted."""

    landing: MemoryLanding
    counts: list[int] = field(default_factory=list)
    seconds: float = 0.0
    limits: Limits | None = None

    def is_right(self) -> bool:
        """Whether every byte is right and was counted once."""
        return self.landing.holds(BLOB) and sum(self.counts) == BLOB.size


def small_parts(patience: Patience = QUICK, **more: Any) -> Limits:
    """Parts of 256 KiB and short waits."""
    return Limits(part_size=PART, patience=patience, cores=16, **more)


async def pull(
    source: FaultyRegistry,
    *,
    into: MemoryLanding | None = None,
    limits: Limits | None = None,
    network: Network | None = None,
) -> Pull:
    """Downloads `BLOB` as a process that knows no host yet."""
    forget_hosts()
    done = Pull(into or MemoryLanding(BLOB.size), limits=limits or small_parts())
    network = network or Network(plain_http=True)
    begun = time.monotonic()
    assert done.limits is not None
    try:
        async with Registry(source.host, network, Credentials(environ={})) as registry:
            await download(
                registry, "r", BLOB, done.landing, limits=done.limits, on_bytes=done.counts.append
            )
    finally:
        done.seconds = time.monotonic() - begun
    return done


@asynccontextmanager
async def as_new(
    sink: FaultyRegistry, limits: Limits | None, knows: Callable[[Limits], None] | None = None
) -> AsyncIterator[tuple[Registry, Limits]]:
    """The sink to a process that knows no host yet, but for what `knows` tells the limits."""
    forget_hosts()
    limits = limits or small_parts()
    if knows is not None:
        knows(limits)
    async with Registry(sink.host, Network(plain_http=True), Credentials(environ={})) as registry:
        yield registry, limits


async def push(
    sink: FaultyRegistry,
    blob: MemoryBlob = BLOB,
    *,
    content: Content | None = None,
    limits: Limits | None = None,
    chunk: int = 2 * PART,
) -> Uploaded:
    """Uploads a blob in chunks of 512 KiB as a process that knows no host yet."""
    async with as_new(sink, limits) as (registry, limits):
        return await upload(registry, "r", blob, content or blob, limits=limits, chunk=chunk)


async def push_unnamed(
    sink: FaultyRegistry,
    departure: Departing,
    *,
    limits: Limits | None = None,
    chunk: int = 2 * PART,
    knows: Callable[[Limits], None] | None = None,
) -> Uploaded:
    """Uploads a blob whose digest is not known; `knows` may tell what is known of the host."""
    async with as_new(sink, limits, knows) as (registry, limits):
        return await upload_unnamed(
            registry, "r", departure, label="layer", limits=limits, chunk=chunk
        )


async def push_squeezed(
    sink: FaultyRegistry,
    squeeze: Squeezing,
    *,
    limits: Limits | None = None,
    on_bytes: Callable[[int], None] | None = None,
    knows: Callable[[Limits], None] | None = None,
) -> Uploaded:
    """Uploads a blob that is compressed on its way; `knows` may tell what is known of the host."""
    async with as_new(sink, limits, knows) as (registry, limits):
        return await upload_squeezed(
            registry, "r", squeeze, label="layer", limits=limits, on_bytes=on_bytes
        )


def layer_of(path: Path, blob: MemoryBlob = BLOB) -> _core.LayerSource:
    """A raw layer whose only file has the blob's bytes."""
    path.write_bytes(blob.data)
    return _core.LayerSource([("blob", path, 0o644)], raw=True)


def ahead(sink: Callable[[], FaultyRegistry], number: int, surplus: int) -> Script:
    """The registry holds more than it was sent when this PATCH comes, and cuts it off."""

    def script(seen: Seen) -> Fault | None:
        if (seen.kind, seen.number) != ("patch", number):
            return None
        for session in sink().sessions.values():
            session.held += bytes(surplus)
        return Fault(keep=10, cut_at=0)

    return script
