"""What an unpack owes its marker: its place kept free, and every file vouched for."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence

from kitfast import _core, offload
from kitfast.errors import KitfastError
from kitfast.kitfile.filter import Filters
from kitfast.kitfile.names import clean
from kitfast.modelkit.kit import Kit
from kitfast.modelkit.marker import Marked, Marker
from kitfast.modelkit.patterns import Chooser, may_want

log = logging.getLogger("kitfast")


class Voucher:
    """The marker of one unpack, and the folders whose files it is to vouch for.

    `said` is what the marker vouched for before; `targets` are the folders, by where they
    lie in the one that is unpacked into, as far as they are opened.
    """

    def __init__(
        self, marker: Marker, said: Marked | None, targets: Mapping[str, _core.Target]
    ) -> None:
        self.marker = marker
        self.said = said
        self.targets = targets

    def refuse_known(self, choices: Iterable[tuple[Kit, Filters]], chooser: Chooser) -> None:
        """Refuses kits of which it is known that a file would come to the marker's place.

        What is in a tar is known later; but where its Kitfile entry has a path, the marker
        cannot stand there, be it a file or a folder.

        Raises:
            InvalidArgument: one has such a file.
        """
        names: list[str] = []
        for kit, wanted in choices:
            if wanted.kitfile and chooser.wants("Kitfile"):
                names.append("Kitfile")
            for item in kit.unpackables():
                if not wanted.matches(item.kind, item.entry, item.name):
                    continue
                path = item.entry.path if item.entry is not None and not item.under else "."
                if may_want(chooser, item):
                    names.append(item.name or clean(path))
        self.marker.refuse(names)

    def refuse(self, under: str, names: Iterable[str]) -> None:
        """The same for files of one layer, once a list has told their names."""
        self.marker.refuse(_joined(under, names))

    def refuse_unverified(self) -> None:
        """Nobody can vouch for files that were there before.

        Raises:
            AlreadyExists: there are such files.
        """
        self.marker.refuse_unverified(sum(target.kept for target in self.targets.values()))

    def give_way(self) -> None:
        """After a failure: what a kit put in the marker's place must not pass for one."""
        try:
            self.marker.take_back(self._names())
        except KitfastError as error:
            # What failed before is what has to be told.
            log.warning("%s: is of the kit, and no marker: %s", self.marker.path, error)

    async def vouch(self, digest: str, parents: Sequence[str], verified: str) -> None:
        """Writes the marker, last of all but tidying up: a kill before that loses nothing.

        Raises:
            AlreadyExists: files were there before and kept.
            InvalidArgument: one of the files had the marker's own name.
        """
        try:
            for target in self.targets.values():
                await offload.run(target.settle)
            self.refuse_unverified()
            await offload.run(self.marker.write, digest, parents, self._names(), verified)
        except BaseException:
            self.give_way()
            raise

    def _names(self) -> list[str]:
        return [
            name
            for under, target in self.targets.items()
            for name in _joined(under, target.remembered())
        ]


def _joined(under: str, names: Iterable[str]) -> list[str]:
    return [os.path.join(under, name) for name in names]  # noqa: PTH118 (need not be text)
