"""Uploads one blob: not at all where it is there, else in chunks or in one piece.

The chunks of one blob go in order (distribution specification 1.1, "Pushing a
blob in chunks"), so uploads are parallel across blobs only. A registry that
loses an upload, or proves unable to take chunks, gets the blob from its start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Literal

from kitfast.errors import NotInRegistry, ProtocolError, RegistryError
from kitfast.transfer.account import Account
from kitfast.transfer.ends import BlobSink, Content, Named, UploadSession
from kitfast.transfer.limits import Limits
from kitfast.transfer.plan import MIB
from kitfast.transfer.rate import Bucket
from kitfast.transfer.trouble import Trouble, may_retry

# A chunk border is where a broken upload goes on; each costs the registry a
# round trip and, on object storage, the end of a multipart part.
CHUNK = 128 * MIB

# One slice is read and handed to the socket at a time: the memory of an upload.
SLICE = MIB

# A slice takes 0.1 ms from the page cache. From a disk that is slower than this
# the next ones are read on a thread, and the loop stays free.
SLOW_READ_SECONDS = 0.004
READS_ON_A_THREAD = 64

RESUMES = "run the same command again: blobs the registry has are not sent again"


@dataclass(frozen=True)
class Uploaded:
    """How a blob came to be in the registry, and the bytes that were sent for it."""

    how: Literal["present", "mounted", "sent"]
    sent: int = 0


async def upload(
    registry: BlobSink,
    repository: str,
    blob: Named,
    content: Content,
    *,
    limits: Limits,
    on_bytes: Callable[[int], None] | None = None,
    mount_from: str | None = None,
    chunk: int = CHUNK,
    account: Account | None = None,
) -> Uploaded:
    """Brings a blob into a repository; the registry has verified it when this returns.

    Args:
        registry: where it goes.
        repository: the repository in it.
        blob: its digest and size.
        content: its bytes.
        limits: the budget it shares with other transfers.
        on_bytes: called with the number of bytes that were sent for the first time.
        mount_from: another repository of the registry that may hold the blob.
        chunk: bytes of one PATCH; more when the registry asks for it.
        account: where the time it takes is entered.

    Raises:
        AuthenticationFailed, RegistryError: the registry refused.
        ConnectionFailed: retries did not help.
        ProtocolError: the registry holds a blob of that digest and another size.
    """
    async with limits.uploads:
        entered = account or Account()
        task = _Upload(registry, repository, blob, content, limits, on_bytes, entered)
        return await task.run(mount_from, chunk)


class _Upload:
    """One blob on its way out."""

    def __init__(
        self,
        registry: BlobSink,
        repository: str,
        blob: Named,
        content: Content,
        limits: Limits,
        on_bytes: Callable[[int], None] | None,
        account: Account,
    ) -> None:
        self._registry, self._repository, self._blob = registry, repository, blob
        self._reader = _Reader(content, self._read, limits.rate)
        self._account = account
        self._limits, self._on_bytes = limits, on_bytes
        self._counted = 0
        self._sent = 0
        self._resumed = False
        self._lost = False
        self._trouble = Trouble(
            f"{registry.host}/{repository}",
            blob,
            limits,
            done=lambda: self._counted,
            hint=RESUMES,
        )

    async def run(self, mount_from: str | None, chunk: int) -> Uploaded:
        if await self._is_there():
            return Uploaded("present")
        session = await self._open(mount_from)
        if session is None:
            return Uploaded("mounted")
        while session is not None:
            before = self._counted
            try:
                await self._send(session, chunk)
                break
            except (RegistryError, ConnectionError) as error:
                session = await self._after(error, session, before)
        if not self._lost:
            self._limits.upload_done()
        return Uploaded("sent", self._sent)

    async def _is_there(self) -> bool:
        with self._account.during("registry"):
            size = await self._registry.blob_size(self._repository, self._blob.digest)
        if size is not None and size != self._blob.size:
            raise ProtocolError(
                f"{self._registry.host}/{self._repository}: holds {self._blob.digest} with "
                f"{size} bytes instead of {self._blob.size}",
                hint="the registry's blob is broken: delete it there, then push again",
            )
        return size is not None

    async def _open(self, mount_from: str | None = None) -> UploadSession | None:
        """Opens an upload; None when the blob was mounted instead."""
        while True:
            try:
                async with self._limits.connections:
                    with self._account.during("registry"):
                        return await self._registry.start_upload(
                            self._repository,
                            mount=self._blob.digest if mount_from else None,
                            source=mount_from,
                        )
            except (RegistryError, ConnectionError) as error:
                await self._trouble.after(error, progress=0)

    async def _send(self, session: UploadSession, chunk: int) -> None:
        """Sends what the session lacks, and closes it."""
        size = self._blob.size
        chunk = max(chunk, session.min_chunk)
        async with self._limits.connections:
            if self._in_one_piece(session) or (size <= chunk and session.offset == 0):
                body = self._reader.slices(0, size)
                await self._entered(session.put(self._blob.digest, body, size))
                return
            while session.offset < size:
                length = min(chunk, size - session.offset)
                body = self._reader.slices(session.offset, length)
                await self._entered(session.patch(body, length))
            await self._entered(session.put(self._blob.digest))

    async def _entered(self, request: Awaitable[None]) -> None:
        """Makes a request and enters where its time went."""
        begun = monotonic()
        self._reader.begin()
        try:
            await request
        finally:
            self._reader.enter(self._account, begun)

    async def _after(
        self, error: RegistryError | ConnectionError, session: UploadSession, before: int
    ) -> UploadSession | None:
        """Pauses, then finds where to go on; None when the blob is there after all."""
        lost = isinstance(error, NotInRegistry)
        if not (lost or may_retry(error) or self._out_of_step(error)):
            raise error
        if lost:
            self._lose()
        counted = error if may_retry(error) else _transient(error)
        with self._account.during("registry"):
            await self._trouble.after(counted, progress=self._counted - before)
        if await self._is_there():
            return None
        if lost or self._in_one_piece(session) or self._out_of_step(error):
            return await self._open()
        return await self._resume(session)

    def _lose(self) -> None:
        """Takes note that the registry lost this upload: it may have had too many at once."""
        self._lost = True
        self._limits.upload_lost()

    def _in_one_piece(self, session: UploadSession) -> bool:
        """Whether the blob must go in one PUT; remembered once a PATCH has shown it."""
        if session.monolithic:
            self._limits.lacks_chunks(self._registry.host)
        return session.monolithic or not self._limits.has_chunks(self._registry.host)

    def _out_of_step(self, error: BaseException) -> bool:
        """Whether a refusal says that the registry lost count, so that a new upload helps.

        Distribution 2.8 appends a chunk that is out of order without a word; what
        shows it is the digest at the end.
        """
        if not isinstance(error, RegistryError):
            return False
        return error.status == 416 or (error.code == "DIGEST_INVALID" and self._resumed)

    async def _resume(self, session: UploadSession) -> UploadSession | None:
        """Goes on where the registry says it is, or opens a new upload."""
        try:
            with self._account.during("registry"):
                offset = await session.status()
        except NotInRegistry:
            self._lose()
            return await self._open()
        self._resumed = True
        return session if offset <= self._blob.size else await self._open()

    def _read(self, start: int, end: int) -> None:
        """Counts bytes on their way out, each only once however often it is sent."""
        self._sent += end - start
        new = max(end - self._counted, 0)
        self._counted += new
        if self._on_bytes is not None and new:
            self._on_bytes(new)


def _transient(error: RegistryError | ConnectionError) -> RegistryError:
    """The same failure as one that may be tried again."""
    return RegistryError(
        str(error),
        status=getattr(error, "status", None),
        code=getattr(error, "code", None),
        transient=True,
    )


class _Reader:
    """Reads a blob slice by slice, on the loop while that is quick, else on a thread."""

    def __init__(
        self, content: Content, on_slice: Callable[[int, int], None], rate: Bucket | None
    ) -> None:
        self._content = content
        self._on_slice = on_slice
        self._rate = rate
        self._slice = SLICE if rate is None else min(SLICE, rate.piece)
        self._on_thread = 0
        self.begin()

    def begin(self) -> None:
        """Begins to measure: when slices are asked for, and what each of them waits for."""
        self._first: float | None = None
        self._last = 0.0
        self._full = self._reading = self._held = 0.0

    def enter(self, account: Account, begun: float) -> None:
        """Enters a request: what is before the first slice and after the last is an answer's."""
        end = monotonic()
        if self._first is None:
            account.add(begun, end, {"registry": end - begun})
            return
        account.add(begun, self._first, {"registry": self._first - begun})
        account.add(
            self._first,
            self._last,
            {"network": self._full, "disk": self._reading, "max-rate": self._held},
        )
        account.add(self._last, end, {"registry": end - self._last})

    async def slices(self, start: int, length: int) -> AsyncIterator[bytes]:
        """Yields `length` bytes from `start` on."""
        end = start + length
        self._first = self._last = monotonic()
        while start < end:
            count = min(self._slice, end - start)
            if self._rate is not None:
                self._held += await self._rate.take(count)
            begun = monotonic()
            data = await self._read(start, count)
            read = monotonic()
            self._reading += read - begun
            yield data
            # The next one is asked for when the socket has taken this one.
            self._last = monotonic()
            self._full += self._last - read
            self._on_slice(start, start + len(data))
            start += len(data)

    async def _read(self, offset: int, length: int) -> bytes:
        if self._on_thread:
            self._on_thread -= 1
            return await asyncio.to_thread(self._content.read, offset, length)
        begun = perf_counter()
        data = self._content.read(offset, length)
        if perf_counter() - begun > SLOW_READ_SECONDS:
            self._on_thread = READS_ON_A_THREAD
        return data
