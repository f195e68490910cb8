"""Which layers the patterns of an unpack may want anything of."""

from __future__ import annotations

from typing import Protocol

from kitfast.kitfile.match import Unpackable
from kitfast.kitfile.validate import clean


class Chooser(Protocol):
    """What knows the patterns: the core's `Target`, or its `Patterns` alone."""

    def wants(self, name: str, below: bool = False) -> bool: ...


def may_want(chooser: Chooser, item: Unpackable) -> bool:
    """Whether the patterns may want anything of a layer: others need not be fetched."""
    if item.name is not None:
        return chooser.wants(item.name)
    if item.entry is None or item.under or clean(item.entry.path) == ".":
        return True
    return chooser.wants(clean(item.entry.path), below=True)
