"""A file of a kit as Python knows files: raw, seekable, to be read only."""

from __future__ import annotations

import io
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitfast.modelkit.members import Extent

#: What gives bytes of the layer, or whatever the file lies in: `read(offset, length)`.
Read = Callable[[int, int], bytes]

#: Bytes of one ranged request when a file is read from its start to its end.
BUFFER = 4 << 20


class KitFile(io.RawIOBase):
    """One file of a kit, to be read at any place; thread-safe like any raw file is not.

    Attributes:
        name: its path in the kit.
        size: its bytes.
        verified: every byte was held against a digest before it is given out: the layer's,
            or the file's own that was published beside the kit.
    """

    def __init__(
        self, name: str, extent: Extent, read: Read, verified: bool, close: Callable[[], None]
    ) -> None:
        super().__init__()
        self.name, self.size, self.verified = name, extent.size, verified
        self._start, self._read, self._close = extent.offset, read, close
        self._at = 0

    def readable(self) -> bool:
        """Always: it is what the file is for."""
        self._require_open()
        return True

    def seekable(self) -> bool:
        """Always, also from a registry: reads are ranges."""
        self._require_open()
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a place, which may be behind the end."""
        self._require_open()
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}
        if whence not in bases:
            raise ValueError(f"{self.name}: no place is counted from {whence!r}")
        place = bases[whence] + operator.index(offset)
        if place < 0:
            raise ValueError(f"{self.name}: no place before the start")
        self._at = place
        return place

    def tell(self) -> int:
        """The place the next read starts at."""
        self._require_open()
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer, of items of any size, as far as there are bytes."""
        self._require_open()
        with memoryview(buffer) as view:
            length = max(0, min(view.nbytes, self.size - self._at))
        data = self._read(self._start + self._at, length) if length else b""
        # It takes what a file of Python's own takes; a cast refuses some types and shapes.
        count = io.BytesIO(data).readinto(buffer)
        self._at += count
        return count

    def readall(self) -> bytes:
        """All that is left: Python's own way would ask for every 8 KiB of it."""
        self._require_open()
        return b"".join(iter(lambda: self.read(BUFFER) or b"", b""))

    def close(self) -> None:
        """Lets go of the store and the registry."""
        if not self.closed:
            super().close()
            self._close()

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError(f"{self.name}: the file is closed")
