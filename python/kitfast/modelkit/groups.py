"""Reads a file of a registry by groups of 4 MiB, each verified as it arrives.

The chaining values of the groups are published beside the list of a kit's files, see
docs/reference/file-list.md. Merged they must give the BLAKE3 that the list names.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from kitfast import _core
from kitfast.errors import Corrupt, KitfastError
from kitfast.modelkit.fetch import Source
from kitfast.modelkit.filelist import ListedFile, ListedLayer, values_of
from kitfast.modelkit.ranges import RangesRefused, read_paced
from kitfast.oci.descriptor import Descriptor

log = logging.getLogger("kitfast")

#: Bytes of a group.
SIZE = _core.Groups.SIZE
#: Groups that are kept in memory once they were read.
KEPT = 4
#: Groups that are fetched before they are asked for, when a file is read on and on.
AHEAD = 4
#: Bytes of chaining values that are read: those of a file of 4 TiB.
MOST_VALUES = 32 << 20


async def known_groups(source: Source, layer: ListedLayer, file: ListedFile) -> _core.Groups | None:
    """The groups of a file that is larger than one; None where they cannot be used.

    What is wrong with them is logged: the file can be fetched whole all the same.
    """
    at = values_of(layer, file)
    if at is None or not 0 < at.length <= MOST_VALUES:
        return None
    try:
        values = await read_paced(source, at.blob, at.offset, at.length)
        return _core.Groups(values, file.size, file.digest)
    except RangesRefused:
        return None
    except KitfastError as error:
        log.warning("%s: cannot be read by groups: %s", file.name, error)
        return None


@dataclass
class GroupReader:
    """The bytes of one file; `read` is called on one thread at a time, never on the loop's.

    Attributes:
        source: where the layer is read from.
        layer: the layer the file lies in.
        file: the file.
        groups: what its groups are held against.
        submit: starts a coroutine on the loop of the source.
    """

    source: Source
    layer: Descriptor
    file: ListedFile
    groups: _core.Groups
    submit: Callable[[Coroutine[Any, Any, bytes]], Future[bytes]]
    _kept: OrderedDict[int, bytes] = field(default_factory=OrderedDict)
    _coming: dict[int, Future[bytes]] = field(default_factory=dict)
    # The group that was read last, and how many are fetched ahead because of it.
    _before: int = -2
    _ahead: int = 0

    async def fetch_first(self) -> None:
        """Fetches the first group, on the loop; raises as `read`."""
        self._kept[0] = await self._fetch(0)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the file, all of which must exist.

        Raises:
            Corrupt: the registry sends others than the digest of the file is of.
            RangesRefused: it sends no parts any more.
            RegistryError, ConnectionFailed: as reading blobs does.
        """
        end = offset + length
        pieces: list[bytes] = []
        while offset < end:
            index, skip = divmod(offset, SIZE)
            piece = self._group(index, (end - 1) // SIZE)[skip : skip + end - offset]
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def _group(self, index: int, last: int) -> bytes:
        """One group; those up to `last`, and perhaps more, are then on their way."""
        onward, self._before = index == self._before + 1, index
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        self._ahead = min(2 * self._ahead or 1, AHEAD) if onward else 0
        stop = min(max(last, index + self._ahead), index + AHEAD, (self.file.size - 1) // SIZE)
        wanted = range(index, stop + 1)
        for stale in [one for one in self._coming if one not in wanted]:
            self._coming.pop(stale).cancel()
        for one in wanted:
            if one not in self._coming and one not in self._kept:
                self._coming[one] = self.submit(self._fetch(one))
        self._kept[index] = self._coming.pop(index).result()
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[index]

    async def _fetch(self, index: int) -> bytes:
        start = index * SIZE
        length = min(SIZE, self.file.size - start)
        where = (self.source, self.layer, self.file.offset + start, length)
        data = await read_paced(*where)
        try:
            self.groups.verify(index, data)
            return data
        except Corrupt as error:
            # Perhaps a mirror's fault, also where another group has found that out before.
            blamed = self.source.registry.distrust_mirrors(self.layer.digest)
            log.warning("%s: %s: fetched again", self.file.name, ", ".join(blamed) or error)
        data = await read_paced(*where)
        try:
            self.groups.verify(index, data)
        except Corrupt as error:
            raise Corrupt(
                f"{self.file.name}: {error}, says what was published beside the kit",
                what=self.file.name,
                hint="--no-file-digests fetches the whole layer, which the kit's own digest covers",
            ) from error
        return data
