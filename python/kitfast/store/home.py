"""kitfast's home on disk: one object that knows where everything is."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from kitfast import _core
from kitfast.errors import FileError
from kitfast.oci.manifest import parse_manifest
from kitfast.store import locks
from kitfast.store.files import file_error
from kitfast.store.manifests import Manifests
from kitfast.store.references import References
from kitfast.store.trees import Trees

log = logging.getLogger("kitfast")

# Not `lock`: that one is the core's own, and an flock of this process on another open
# file would keep the core's prune waiting for ever.
IN_USE = "in-use"


class Home:
    """Blobs, manifests and references of one home folder.

    Open it with `opened()`, which keeps other processes from pruning meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifests = Manifests(folder)
        self.references = References(folder)
        self.blobs = _core.Store(str(folder))

    def blob_lock(self, digest: str) -> Path:
        """The lock of whoever fetches the blob with this digest."""
        return self.folder / "locks" / digest.replace(":", "-")

    def try_prune(self, meter: _core.Meter | None = None) -> int | None:
        """Drops what no reference reaches; returns the bytes freed.

        Returns None, and does nothing, while another process uses this home: what is
        superfluous now is superfluous at the next call, too.
        """
        # The caller's own shared lock would be in the way: an flock belongs to an open file.
        with locks.alone(self.folder / IN_USE) as free:
            if not free:
                return None
            # Last, so that nothing in its way keeps the store from being pruned.
            return self._prune(meter) + Trees(self.folder).sweep()

    def _prune(self, meter: _core.Meter | None) -> int:
        keep: set[str] = set()
        for held in self.references.held():
            keep.add(held.digest)
            keep.update(self.blobs_of(held.digest))
        for digest in self.manifests.digests():
            if digest not in keep:
                self.manifests.remove(digest)
        return self.blobs.prune(sorted(keep), meter)

    def blobs_of(self, digest: str) -> list[str]:
        """The digests of a manifest's config and layers; none when it is not here.

        Raises:
            Corrupt: the manifest's bytes are damaged.
        """
        data = self.manifests.get(digest)
        if data is None:
            return []
        manifest = parse_manifest(data)
        return [manifest.config.digest, *(layer.digest for layer in manifest.layers)]

    def try_clear(self) -> bool:
        """Drops partial transfers and remembered digests, unless another process is at work.

        Also folders that are half-made: `resolve` is at work as long as it makes one.
        """
        with locks.alone(self.folder / IN_USE) as free:
            if free:
                Trees(self.folder).clear()
                for name in ("landing", "cache", "locks"):
                    shutil.rmtree(self.folder / name, ignore_errors=True)
            return free


@contextlib.asynccontextmanager
async def opened_if_there(folder: Path) -> AsyncIterator[Home | None]:
    """A home as `opened` gives it, or None where there is none, or none to be used.

    For verbs that can do without: nothing is made, nothing need be writable, and what may
    not be read is left alone.
    """
    async with contextlib.AsyncExitStack() as stack:
        home: Home | None = None
        if os.path.lexists(folder / IN_USE):
            try:
                home = await stack.enter_async_context(opened(folder))
            except FileError as error:
                if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                    raise
                log.debug("the store is not used: %s", error)
        yield home


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Home]:
    """A home that no other process prunes until the block ends.

    One that is there may be read only: its kits can be read, and nothing else be done.

    Raises:
        FileError: the folder cannot be made or read.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(error, folder) from error
    async with locks.shared(folder / IN_USE):
        yield Home(folder)
