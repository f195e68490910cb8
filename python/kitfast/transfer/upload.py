"""Uploads one blob: not at all where it is there, else in chunks or in one piece.

The chunks of one blob go in order (distribution specification 1.1, "Pushing a
blob in chunks"), so uploads are parallel across blobs only. A registry that
loses an upload, or proves unable to take chunks, gets the blob from its start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from kitfast.errors import KitfastError, NotInRegistry, ProtocolError, RegistryError
from kitfast.transfer.account import Account
from kitfast.transfer.ends import BlobSink, Content, Named, UploadSession
from kitfast.transfer.limits import Limits
from kitfast.transfer.outflow import Outflow
from kitfast.transfer.plan import MIB
from kitfast.transfer.trouble import Trouble, may_retry

# A chunk border is where a broken upload goes on; each costs the registry a
# round trip and, on object storage, the end of a multipart part.
CHUNK = 128 * MIB
# Proxies before a registry may take smaller bodies only (100 MB are common). S3 takes no
# parts below this, and whoever takes less than that is meant to take no blobs.
SMALLEST_CHUNK = 5 * MIB

# Longer than that nobody waits for a registry to throw an upload away.
FORGET_SECONDS = 5.0
# After a Ctrl-C even less: the program has to end within a second.
CANCELLED_SECONDS = 0.5

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
        task = BlobUpload(registry, repository, blob, content, limits, on_bytes, entered)
        return await task.run(mount_from, chunk)


@dataclass(frozen=True)
class Label:
    """Stands for a blob that has no digest yet, in errors."""

    digest: str
    size: int


class BlobUpload:
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
        *,
        hashes: bool = False,
    ) -> None:
        self._registry, self._repository, self._blob = registry, repository, blob
        self._outflow = Outflow(content, self._went_out, limits.rate, hashes=hashes)
        self._account = account
        self._limits, self._on_bytes = limits, on_bytes
        self._counted = 0
        self._sent = 0
        self._resumed = False
        self._lost = False
        self._body = 0
        self._session: UploadSession | None = None
        self._trouble = Trouble(
            f"{registry.host}/{repository}",
            blob,
            limits,
            done=lambda: self._done,
            hint=RESUMES,
        )

    async def run(self, mount_from: str | None, chunk: int) -> Uploaded:
        if await self._is_there():
            return Uploaded("present")
        session = await self._open(mount_from)
        if session is None:
            return Uploaded("mounted")
        try:
            return await self._deliver(session, chunk)
        except asyncio.CancelledError:
            # No later push takes it up: what the registry lacks then goes in a new one.
            if self._session is not None:
                await self._forget_soon(self._session)
            raise

    async def _deliver(self, session: UploadSession | None, chunk: int) -> Uploaded:
        """Sends the blob by this upload, or by others in its place."""
        while session is not None:
            self._session = session
            before = self._counted
            try:
                if not await self._is_ready(session):
                    await self._forget(session)
                    return Uploaded("present", self._sent)
                await self._send(session, chunk)
                break
            except (RegistryError, ConnectionError) as error:
                old = session
                try:
                    session = await self._after(error, old, before)
                except (RegistryError, ConnectionError):
                    await self._forget(old)
                    raise
                if session is not old and not isinstance(error, NotInRegistry):
                    await self._forget(old)
            except KitfastError:
                # The blob itself is the trouble: no later try will want these bytes.
                await self._forget(session)
                raise
        if not self._lost:
            self._limits.upload_done()
        return Uploaded("sent", self._sent)

    @property
    def _digest(self) -> str | None:
        """The blob's digest, where it is known."""
        return self._blob.digest

    @property
    def _size(self) -> int:
        """The blob's size, where its digest is known."""
        return self._blob.size

    @property
    def _done(self) -> int:
        """How much of the blob went out, for the error when it is given up."""
        return self._counted

    async def _is_ready(self, session: UploadSession) -> bool:
        """Sees to what must be known before bytes go; False when none need to."""
        return True

    async def _is_there(self) -> bool:
        digest = self._digest
        if digest is None:
            return False
        with self._account.during("registry"):
            size = await self._registry.blob_size(self._repository, digest)
        if size is not None and size != self._size:
            raise ProtocolError(
                f"{self._registry.host}/{self._repository}: holds {digest} with "
                f"{size} bytes instead of {self._size}",
                hint="the registry's blob is broken: delete it there, then push again",
            )
        return size is not None

    async def _forget(self, session: UploadSession) -> None:
        """Tells the registry that an upload will not go on; it expires by itself otherwise."""
        with contextlib.suppress(RegistryError, ConnectionError, asyncio.TimeoutError):
            await asyncio.wait_for(session.cancel(), FORGET_SECONDS)

    async def _forget_soon(self, session: UploadSession) -> None:
        """Tells it while somebody waits for the program to end.

        A registry may still be at the bytes that were under way, and refuse until it has
        noticed that no more come.
        """

        async def insist() -> None:
            while True:
                try:
                    return await session.cancel()
                except RegistryError as error:
                    if error.status not in (409, 416):
                        raise
                await asyncio.sleep(CANCELLED_SECONDS / 10)

        with contextlib.suppress(RegistryError, ConnectionError, asyncio.TimeoutError):
            await asyncio.wait_for(insist(), CANCELLED_SECONDS)

    async def _open(self, mount_from: str | None = None) -> UploadSession | None:
        """Opens an upload; None when the blob was mounted instead."""
        while True:
            try:
                async with self._limits.unmeasured:
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
        chunk = min(chunk, self._limits.largest_chunk(self._registry.host) or chunk)
        chunk = max(chunk, session.min_chunk)
        self._body = min(chunk, size)
        async with self._limits.unmeasured:
            small = size <= chunk and session.offset == 0
            if self._digest is not None and (small or self._in_one_piece(session)):
                body = self._outflow.body(0, size)
                await self._entered(session.put(self._digest, body, size))
                return
            while session.offset < size:
                length = min(chunk, size - session.offset)
                body = self._outflow.body(session.offset, length)
                await self._entered(session.patch(body, length))
            assert self._digest is not None, "all of it has been sent, and so hashed"
            await self._entered(session.put(self._digest))

    async def _entered(self, request: Awaitable[None]) -> None:
        """Makes a request and enters where its time went."""
        begun = monotonic()
        self._outflow.begin()
        try:
            await request
        finally:
            self._outflow.enter(self._account, begun)

    async def _after(
        self, error: RegistryError | ConnectionError, session: UploadSession, before: int
    ) -> UploadSession | None:
        """Pauses, then finds where to go on; None when the blob is there after all."""
        if self._is_too_large(error, session):
            return await self._resume(session)
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

    def _is_too_large(self, error: BaseException, session: UploadSession) -> bool:
        """Whether a smaller body may be taken, which is then what is sent."""
        if getattr(error, "status", None) != 413 or self._in_one_piece(session):
            return False
        least = max(SMALLEST_CHUNK, session.min_chunk)
        if self._body <= least:
            return False
        self._limits.takes_less(self._registry.host, max(self._body // 2, least))
        return True

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
        return session if offset <= self._sendable() else await self._open()

    def _sendable(self) -> int:
        """The furthest a registry can be: nobody has what was never sent."""
        return self._blob.size

    def _went_out(self, start: int, end: int) -> None:
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
