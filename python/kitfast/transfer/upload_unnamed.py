"""Uploads a blob whose digest comes out while it is sent."""

from __future__ import annotations

from collections.abc import Callable

from kitfast import offload
from kitfast._core import Meter
from kitfast.transfer.account import Account
from kitfast.transfer.ends import BlobSink, Departing, Named, UploadSession
from kitfast.transfer.limits import Limits
from kitfast.transfer.plan import MIB
from kitfast.transfer.upload import CHUNK, BlobUpload, Label, Uploaded

# Up to this size a blob without a digest is hashed before anything is asked: reading it
# twice costs less than sending what the registry may have.
HASHED_FIRST = MIB


async def upload_unnamed(
    registry: BlobSink,
    repository: str,
    content: Departing,
    *,
    label: str,
    limits: Limits,
    on_bytes: Callable[[int], None] | None = None,
    chunk: int = CHUNK,
    account: Account | None = None,
) -> Uploaded:
    """Brings a blob into a repository whose digest comes out while it is sent.

    Nothing can be asked about a blob without a name: it is sent even where the registry has
    it. One that is small, or that must go in one PUT, is hashed first and then asked for.

    Args:
        label: what errors call the blob.
        content: its bytes; has a digest when this returns.

    Raises:
        SourceChanged: a file changed on the way; the registry was told to forget the upload.
        Else as `upload`.
    """
    async with limits.uploads:
        entered = account or Account()
        named = Label(label, content.size)
        task = _Unnamed(registry, repository, named, content, limits, on_bytes, entered)
        return await task.run(None, chunk)


class _Unnamed(BlobUpload):
    """A blob whose digest comes out while it is sent."""

    def __init__(
        self,
        registry: BlobSink,
        repository: str,
        blob: Named,
        content: Departing,
        limits: Limits,
        on_bytes: Callable[[int], None] | None,
        account: Account,
    ) -> None:
        super().__init__(
            registry, repository, blob, content, limits, on_bytes, account, hashes=True
        )
        self._content = content

    async def run(self, mount_from: str | None, chunk: int) -> Uploaded:
        if self._content.size <= HASHED_FIRST:
            await self._hash()
        return await super().run(mount_from, chunk)

    @property
    def _digest(self) -> str | None:
        return self._content.digest

    async def _is_ready(self, session: UploadSession) -> bool:
        if self._digest is not None or not self._in_one_piece(session):
            return True
        await self._hash()
        return not await self._is_there()

    async def _hash(self) -> None:
        await self._outflow.settled()  # one call at a time hashes the content
        with self._account.during("hash"):
            await offload.run(self._content.hash, meter=Meter())

    def _sendable(self) -> int:
        return self._content.hashed if self._digest is None else self._blob.size
