"""What a transfer needs of the two ends it moves bytes between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol, runtime_checkable

from kitfast._core import Meter


class Borrowed(Protocol):
    """A connection to read the rest of a body from, and what came of it before."""

    @property
    def first(self) -> bytes: ...
    def carry(self, landing: Arrival, offset: int, length: int, meter: Meter) -> int: ...
    def complete(self) -> None: ...


class Stream(Protocol):
    """The body of one blob answer; `whole` when a range was answered with everything."""

    @property
    def whole(self) -> bool: ...
    @property
    def start(self) -> int: ...
    def chunks(self) -> AsyncIterator[bytes]: ...
    def lend(self) -> AbstractContextManager[Borrowed] | None: ...


class BlobSource(Protocol):
    """The part of a registry that downloads need."""

    @property
    def host(self) -> str: ...
    def get_blob(
        self,
        repository: str,
        digest: str,
        *,
        start: int | None = None,
        end: int | None = None,
        size: int,
    ) -> AbstractAsyncContextManager[Stream]: ...


class UploadSession(Protocol):
    """One upload that a registry has opened."""

    @property
    def offset(self) -> int: ...
    @property
    def monolithic(self) -> bool: ...
    @property
    def min_chunk(self) -> int: ...
    async def patch(self, body: AsyncIterator[bytes], length: int) -> None: ...
    async def put(
        self, digest: str, body: AsyncIterator[bytes] | None = None, length: int = 0
    ) -> None: ...
    async def status(self) -> int: ...
    async def cancel(self) -> None: ...


class BlobSink(Protocol):
    """The part of a registry that uploads need."""

    @property
    def host(self) -> str: ...
    async def blob_size(self, repository: str, digest: str) -> int | None: ...
    async def start_upload(
        self, repository: str, *, mount: str | None = None, source: str | None = None
    ) -> UploadSession | None: ...


class Arrival(Protocol):
    """Where the bytes of one incoming blob go; the core's `Landing` is one."""

    @property
    def size(self) -> int: ...
    @property
    def received(self) -> int: ...
    @property
    def hashed(self) -> int: ...
    def missing(self) -> list[tuple[int, int]]: ...
    def wanted_header(self) -> tuple[int, int] | None: ...
    def write(self, offset: int, data: bytes | bytearray, length: int | None = None) -> None: ...
    def receive(self, socket: int, offset: int, length: int, meter: Meter | None = None) -> int: ...


class Content(Protocol):
    """Where the bytes of one outgoing blob come from; the core's `Blob` is one."""

    @property
    def size(self) -> int: ...
    def read(self, offset: int, length: int) -> bytes: ...


@runtime_checkable
class Sends(Protocol):
    """Content that can write itself to a socket, as the core's does."""

    def send(self, socket: int, offset: int, length: int, meter: Meter | None = None) -> None: ...


class Departing(Content, Protocol):
    """Content that is hashed as it is sent for the first time; a core's `Departure` is one."""

    @property
    def digest(self) -> str | None: ...
    @property
    def hashed(self) -> int: ...
    def hash(self, meter: Meter | None = None) -> None: ...


class Squeezing(Content, Protocol):
    """Content that is compressed as it goes, a piece in memory; a core's `Squeeze` is one."""

    @property
    def file_bytes(self) -> int: ...
    @property
    def digest(self) -> str | None: ...
    @property
    def window(self) -> tuple[int, int, bool]: ...
    def seek(self, offset: int, meter: Meter | None = None) -> None: ...
    def files(self, offset: int) -> int: ...
    def stop(self) -> None: ...


class Named(Protocol):
    """The digest and the size of a blob; a descriptor is one."""

    @property
    def digest(self) -> str: ...
    @property
    def size(self) -> int: ...
