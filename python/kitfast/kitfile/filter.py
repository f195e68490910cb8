"""Filters, `types[:names-or-paths]`: which parts of a kit are meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kitfast.errors import InvalidArgument
from kitfast.kitfile.model import Entry, EntryKind, Kitfile
from kitfast.kitfile.names import clean

# The words of the command line and the kinds they stand for.
_TYPES: dict[str, frozenset[str]] = {
    "kitfile": frozenset({"kitfile"}),
    "model": frozenset({"model", "modelpart"}),
    "datasets": frozenset({"dataset"}),
    "code": frozenset({"code"}),
    "docs": frozenset({"docs"}),
    "prompts": frozenset({"prompt"}),
}


@dataclass(frozen=True)
class Filter:
    """One filter: kinds, and names or paths of which one must fit (none: all fit)."""

    kinds: frozenset[str]
    names: tuple[str, ...] = ()

    def matches(self, kind: str, *names: str) -> bool:
        """Tells whether something of `kind`, called one of `names`, is meant."""
        if kind not in self.kinds:
            return False
        return not self.names or any(name and name in self.names for name in names)


@dataclass(frozen=True)
class Filters:
    """Several filters: what any of them means. None at all mean everything."""

    each: tuple[Filter, ...] = ()

    @property
    def kitfile(self) -> bool:
        """Whether the Kitfile itself is meant."""
        return not self.each or any("kitfile" in one.kinds for one in self.each)

    def matches(self, kind: EntryKind, entry: Entry | None, path: str | None = None) -> bool:
        """Tells whether a layer is meant, by its entry's name or path or by its own `path`."""
        names = [path] if path else []
        if entry is not None:
            names += [getattr(entry, "name", ""), entry.path, clean(entry.path)]
        return not self.each or any(one.matches(kind, *names) for one in self.each)

    def for_parent(self) -> Filters | None:
        """Returns what is meant of a parent kit, of which only the model is taken.

        None when nothing is.
        """
        if not self.each:
            return Filters((Filter(_TYPES["model"]),))
        kept = tuple(
            replace(one, kinds=_TYPES["model"]) for one in self.each if "model" in one.kinds
        )
        return Filters(kept) if kept else None

    def apply(self, kitfile: Kitfile) -> Kitfile:
        """Returns the Kitfile with only the entries that are meant."""
        if not self.each:
            return kitfile
        model = kitfile.model
        if model is not None:
            parts = tuple(part for part in model.parts if self.matches("modelpart", part))
            if self.matches("model", model):
                model = replace(model, parts=parts)
            else:
                model = replace(model, path="", parts=parts) if parts else None
        return replace(
            kitfile,
            model=model,
            code=tuple(item for item in kitfile.code if self.matches("code", item)),
            datasets=tuple(item for item in kitfile.datasets if self.matches("dataset", item)),
            docs=tuple(item for item in kitfile.docs if self.matches("docs", item)),
            prompts=tuple(item for item in kitfile.prompts if self.matches("prompt", item)),
        )


def parse_filters(texts: Sequence[str]) -> Filters:
    """Reads the values of `--filter`; raises `InvalidArgument` with the grammar as a hint."""
    return Filters(tuple(_parse(text) for text in texts))


def _parse(text: str) -> Filter:
    types, colon, names = text.partition(":")
    kinds: set[str] = set()
    for word in types.split(","):
        if word not in _TYPES:
            raise InvalidArgument(
                f"filter {text!r}: {word!r} is not a type",
                hint=f"write it as types[:names-or-paths]; types are {', '.join(_TYPES)}",
            )
        kinds |= _TYPES[word]
    if ":" in names:
        raise InvalidArgument(
            f"filter {text!r} has more than one `:`", hint="repeat --filter for a second rule"
        )
    return Filter(frozenset(kinds), tuple(names.split(",")) if colon else ())
