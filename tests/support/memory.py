"""A landing and a registry in memory, the registry following a script of faults."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import select
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kitfast._core import Meter
from kitfast.errors import ConnectionFailed, NotInRegistry, RegistryError
from kitfast.transfer.download import download
from kitfast.transfer.limits import Limits, Patience
from kitfast.transfer.plan import MIB


@dataclass(frozen=True)
class MemoryBlob:
    """A blob's bytes with their digest; also readable as the source of an upload."""

    data: bytes

    @cached_property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.data).digest()

    @property
    def digest(self) -> str:
        return "sha256:" + self.sha256.hex()

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


def random_blob(size: int, seed: int = 1) -> MemoryBlob:
    return MemoryBlob(random.Random(seed).randbytes(size))


class MemoryLanding:
    """Takes ranges in any order and remembers which; the front follows at once."""

    def __init__(self, size: int, headers: list[tuple[int, int]] | None = None) -> None:
        self.size = size
        self.data = bytearray(size)
        self.writes: list[tuple[int, int]] = []
        self.hash_lags = False
        self._headers = headers or []
        self._down: list[tuple[int, int]] = []
        self._joining = threading.Lock()

    @property
    def received(self) -> int:
        return sum(end - start for start, end in self._down)

    @property
    def hashed(self) -> int:
        if self.hash_lags:
            return 0
        return self._down[0][1] if self._down and self._down[0][0] == 0 else 0

    def holds(self, blob: MemoryBlob) -> bool:
        """Whether every byte is right; a comparison of its own, or pytest prints them all."""
        return not self.missing() and hashlib.sha256(self.data).digest() == blob.sha256

    def missing(self) -> list[tuple[int, int]]:
        borders = [0, *(at for held in self._down for at in held), self.size]
        pairs = zip(borders[::2], borders[1::2], strict=True)
        return [(start, end) for start, end in pairs if start < end]

    def wanted_header(self) -> tuple[int, int] | None:
        for offset, length in self._headers:
            if any(start < offset + length and offset < end for start, end in self.missing()):
                return offset, length
        return None

    def write(self, offset: int, data: bytes | bytearray, length: int | None = None) -> None:
        data = bytes(data[:length])
        assert offset >= 0 and offset + len(data) <= self.size
        self.writes.append((offset, offset + len(data)))
        self.data[offset : offset + len(data)] = data
        # Writers come on threads of their own, as many as there are connections.
        with self._joining:
            merged: list[tuple[int, int]] = []
            for start, end in sorted([*self._down, (offset, offset + len(data))]):
                if merged and start <= merged[-1][1]:
                    merged[-1] = (merged[-1][0], max(merged[-1][1], end))
                else:
                    merged.append((start, end))
            self._down = merged

    def receive(self, socket: int, offset: int, length: int, meter: Meter | None = None) -> int:
        """Reads a socket as the core does."""
        meter = meter or Meter()
        done = 0
        while done < length and not meter.cancelled:
            if not select.select([socket], [], [], 0.05)[0]:
                continue
            try:
                piece = os.read(socket, min(256 * 1024, length - done))
            except OSError as error:
                raise ConnectionFailed(f"the connection: {error}") from error
            if not piece:
                break
            self.write(offset + done, piece)
            done += len(piece)
            meter.add(len(piece))
        return done


@dataclass
class Request:
    """One request for a blob, as a script sees it; `number` counts from 0."""

    number: int
    start: int | None
    end: int | None
    size: int

    @property
    def low(self) -> int:
        return self.start or 0

    @property
    def high(self) -> int:
        return self.size if self.end is None else self.end


@dataclass
class MemoryStream:
    """The body of one answer."""

    start: int
    whole: bool
    body: AsyncIterator[bytes]

    def chunks(self) -> AsyncIterator[bytes]:
        return self.body

    def lend(self) -> None:
        """There is no connection under it."""


Script = Callable[[Request, "MemoryRegistry"], AsyncIterator[bytes] | Exception | None]


@dataclass
class MemoryRegistry:
    """Serves one blob in slices of 256 KiB; `script` may answer a request differently."""

    blob: MemoryBlob
    script: Script | None = None
    host: str = "registry.test"
    ignores_ranges: bool = False
    slice_bytes: int = 256 * 1024
    requests: list[Request] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0

    @asynccontextmanager
    async def get_blob(
        self,
        repository: str,
        digest: str,
        *,
        start: int | None = None,
        end: int | None = None,
        size: int,
    ) -> AsyncIterator[MemoryStream]:
        assert (repository, digest, size) == ("r", self.blob.digest, self.blob.size)
        request = Request(len(self.requests), start, end, size)
        self.requests.append(request)
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            await asyncio.sleep(0)
            answer = self.script(request, self) if self.script else None
            if isinstance(answer, Exception):
                raise answer
            whole = self.ignores_ranges and start is not None
            low, high = (0, size) if whole else (request.low, request.high)
            yield MemoryStream(low, whole, answer or self.slices(low, high))
        finally:
            self.open_now -= 1

    async def slices(self, low: int, high: int) -> AsyncIterator[bytes]:
        for at in range(low, high, self.slice_bytes):
            await asyncio.sleep(0)
            yield self.blob.data[at : min(at + self.slice_bytes, high)]


QUICK = Patience(
    first_byte=0.6, stall=0.2, hedge=0.3, backoff=0.001, longest_backoff=0.01, attempts=4
)


def small_parts(**more: Any) -> Limits:
    """Parts of 1 MiB and short waits."""
    return Limits(part_size=MIB, patience=QUICK, cores=16, **more)


async def fetch(
    registry: MemoryRegistry, landing: MemoryLanding, limits: Limits | None = None
) -> list[int]:
    """Downloads the registry's blob; returns what was counted."""
    counts: list[int] = []
    blob, limits = registry.blob, limits or small_parts()
    await download(registry, "r", blob, landing, limits=limits, on_bytes=counts.append)
    return counts


async def hang(data: bytes = b"") -> AsyncIterator[bytes]:
    """A body that stops for good after `data`."""
    if data:
        yield data
    await asyncio.sleep(3600)


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    """A body of these pieces."""
    for piece in data:
        yield piece


@dataclass
class MemoryUpload:
    """An upload session that appends, as registries do."""

    sink: MemoryUploads
    monolithic: bool = False
    min_chunk: int = 0
    offset: int = 0
    held: bytearray = field(default_factory=bytearray)
    closed: bool = False

    async def patch(self, body: AsyncIterator[bytes], length: int) -> None:
        await self.sink.act("patch")
        taken = await self._take(body, length)
        self.offset += taken

    async def put(
        self, digest: str, body: AsyncIterator[bytes] | None = None, length: int = 0
    ) -> None:
        await self.sink.act("put" if body is None else "put whole")
        if body is not None:
            await self._take(body, length)
        found = MemoryBlob(bytes(self.held))
        if found.digest != digest:
            raise RegistryError("wrong digest", status=400, code="DIGEST_INVALID")
        self.sink.blobs[digest] = found.data
        self.closed = True

    async def status(self) -> int:
        await self.sink.act("status")
        if self.sink.loses_sessions:
            raise NotInRegistry("no such upload", status=404, code="BLOB_UPLOAD_UNKNOWN")
        self.offset = len(self.held)
        return self.offset

    async def cancel(self) -> None:
        await self.sink.act("cancel")
        self.sink.cancelled += 1

    async def _take(self, body: AsyncIterator[bytes], length: int) -> int:
        begun = len(self.held)
        async for chunk in body:
            await asyncio.sleep(0)
            self.held += chunk
            self.sink.longest_slice = max(self.sink.longest_slice, len(chunk))
            if self.sink.breaks_at is not None and len(self.held) >= self.sink.breaks_at:
                self.sink.breaks_at = None
                raise ConnectionFailed("broke", transient=True)
        assert len(self.held) - begun == length
        return length


@dataclass
class MemoryUploads:
    """Takes uploads; `fail` names the calls that fail next, and how."""

    host: str = "registry.test"
    blobs: dict[str, bytes] = field(default_factory=dict)
    mountable: set[str] = field(default_factory=set)
    fail: list[tuple[str, Exception]] = field(default_factory=list)
    monolithic: bool = False
    min_chunk: int = 0
    loses_sessions: bool = False
    breaks_at: int | None = None
    calls: list[str] = field(default_factory=list)
    sessions: list[MemoryUpload] = field(default_factory=list)
    longest_slice: int = 0
    cancelled: int = 0

    async def act(self, call: str) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        if self.fail and self.fail[0][0] == call:
            raise self.fail.pop(0)[1]

    async def blob_size(self, repository: str, digest: str) -> int | None:
        await self.act("head")
        return len(self.blobs[digest]) if digest in self.blobs else None

    async def start_upload(
        self, repository: str, *, mount: str | None = None, source: str | None = None
    ) -> MemoryUpload | None:
        await self.act("mount" if mount else "start")
        if mount in self.mountable:
            return None
        self.sessions.append(MemoryUpload(self, self.monolithic, self.min_chunk))
        return self.sessions[-1]
