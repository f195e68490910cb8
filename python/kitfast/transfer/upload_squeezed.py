"""Uploads a blob that is compressed as it goes, its size and digest known last.

The chunk on its way is in memory. A registry that took a part of it gets the rest; one
that holds less than what lies before it gets the blob compressed once more.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from kitfast import offload
from kitfast._core import Meter
from kitfast.errors import InvalidArgument
from kitfast.transfer.account import Account
from kitfast.transfer.ends import BlobSink, Squeezing, UploadSession
from kitfast.transfer.limits import Limits
from kitfast.transfer.plan import MIB
from kitfast.transfer.upload import BlobUpload, Label, Uploaded

# Bytes of one PATCH. Two are in memory for every layer on its way: one is sent, the next is
# made. Object storage wants parts of 5 MiB or more.
PIECE = 16 * MIB

PACK_FIRST = "run `kitfast pack --compression` first, then push the kit"


async def upload_squeezed(
    registry: BlobSink,
    repository: str,
    content: Squeezing,
    *,
    label: str,
    limits: Limits,
    on_bytes: Callable[[int], None] | None = None,
    account: Account | None = None,
) -> Uploaded:
    """Brings a blob into a repository that is compressed while it is sent.

    One that is a single piece is compressed first, then asked for. Any other is asked for
    only where its digest was recalled.

    Args:
        label: what errors call the blob.
        content: its bytes; has a digest when this returns, and holds no memory.
        on_bytes: called with the number of the files' bytes that were sent compressed.

    Raises:
        InvalidArgument: the registry takes no chunks of this size.
        SourceChanged: a file changed on the way; the registry was told to forget the upload.
        Else as `upload`.
    """
    async with limits.uploads:
        entered = account or Account()
        task = _Squeezed(registry, repository, content, label, limits, on_bytes, entered)
        try:
            return await task.run(None, 0)
        finally:
            await offload.run(content.stop)


class _Squeezed(BlobUpload):
    """A blob that is compressed on its way out."""

    def __init__(
        self,
        registry: BlobSink,
        repository: str,
        content: Squeezing,
        label: str,
        limits: Limits,
        on_bytes: Callable[[int], None] | None,
        account: Account,
    ) -> None:
        named = Label(label, content.file_bytes)
        super().__init__(registry, repository, named, content, limits, None, account)
        self._content = content
        self._on_file_bytes = on_bytes
        self._told = 0

    async def run(self, mount_from: str | None, chunk: int) -> Uploaded:
        if self._digest is None:
            await self._seek(0)
        return await super().run(mount_from, chunk)

    @property
    def _digest(self) -> str | None:
        return self._content.digest

    @property
    def _size(self) -> int:
        return self._content.size

    @property
    def _done(self) -> int:
        return self._told

    async def _is_ready(self, session: UploadSession) -> bool:
        await self._seek(session.offset)
        start, end, last = self._content.window
        if start == 0 and last:
            return True
        where = f"{self._registry.host}/{self._repository}"
        if self._in_one_piece(session):
            raise InvalidArgument(
                f"{where}: takes no blob in chunks, and a layer that is compressed on its way "
                "has no other",
                hint=PACK_FIRST,
            )
        if not last and session.min_chunk > end - start:
            raise InvalidArgument(
                f"{where}: wants chunks of {session.min_chunk} bytes, and a layer that is "
                f"compressed on its way has chunks of {end - start}",
                hint=PACK_FIRST,
            )
        return True

    async def _send(self, session: UploadSession, chunk: int) -> None:
        start, end, last = self._content.window
        if start == 0 and last and session.offset == 0:
            assert self._digest is not None, "all of it has been compressed"
            async with self._limits.unmeasured:
                body = self._outflow.body(0, end)
                await self._entered(session.put(self._digest, body, end))
            return
        while session.offset < end or not last:
            async with self._limits.unmeasured:
                length = end - session.offset
                body = self._outflow.body(session.offset, length)
                await self._entered(session.patch(body, length))
            await self._seek(session.offset)
            start, end, last = self._content.window
        assert self._digest is not None, "all of it has been compressed"
        async with self._limits.unmeasured:
            await self._entered(session.put(self._digest))

    async def _seek(self, offset: int) -> None:
        """Has the bytes from `offset` on in memory; what it waits for but files is the CPU."""
        await self._outflow.settled()
        meter = Meter()
        begun = monotonic()
        try:
            await offload.run(self._content.seek, offset, meter=meter)
        finally:
            self._account.add(begun, monotonic(), {"disk": meter.writing})

    def _sendable(self) -> int:
        return self._content.window[1]

    def _went_out(self, start: int, end: int) -> None:
        super()._went_out(start, end)
        new = self._content.files(end) - self._told
        if new > 0:
            self._told += new
            if self._on_file_bytes is not None:
                self._on_file_bytes(new)
