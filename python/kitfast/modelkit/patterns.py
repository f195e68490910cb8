"""Which layers the patterns of an unpack may want anything of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from kitfast.errors import InvalidArgument
from kitfast.kitfile.match import Unpackable
from kitfast.kitfile.names import clean


class Chooser(Protocol):
    """What knows the patterns: the core's `Target`, or its `Patterns` alone."""

    def wants(self, name: str, below: bool = False) -> bool: ...
    def check_names(self, files: Sequence[str], folders: Sequence[str]) -> None: ...


def refuse_empty(patterns: Iterable[str]) -> None:
    """Refuses a pattern that fits nothing, as an unset variable makes it.

    Raises:
        InvalidArgument: one is empty.
    """
    if any(not pattern.strip("/") for pattern in patterns):
        raise InvalidArgument(
            "a pattern to include or exclude is empty, and fits no file",
            hint="leave it out, or write one such as '*.json'",
        )


def may_want(chooser: Chooser, item: Unpackable) -> bool:
    """Whether the patterns may want anything of a layer: others need not be fetched."""
    if item.name is not None:
        return chooser.wants(item.name)
    if item.entry is None or item.under or clean(item.entry.path) == ".":
        return True
    return chooser.wants(clean(item.entry.path), below=True)
