"""A blob that is in memory already, such as a config."""

from __future__ import annotations


class MemoryBlob:
    """Small bytes with the face of the core's `Blob`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """Returns `length` bytes from `offset` on."""
        return self._data[offset : offset + length]
