"""Reads YAML into nodes that keep their lines, bounded before anything is built.

The only module that knows PyYAML. It takes the parser's events, which come one by one
whatever the nesting, so that a hostile file meets a bound and not the end of the stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kitfast.errors import InvalidKitfile

# kit's own Kitfiles are a few KiB; one with ten thousand entries is about 1 MiB.
MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 250_000


@dataclass(frozen=True)
class Scalar:
    """A word; `plain` ones may stand for a number, a truth or nothing."""

    text: str
    plain: bool
    tag: str | None
    line: int


@dataclass(eq=False)
class Mapping:
    """Pairs in the order they stand, merge keys and repeated keys not yet looked at."""

    line: int
    tag: str | None = None
    pairs: list[tuple[Node, Node]] = field(default_factory=list)


@dataclass(eq=False)
class Sequence:
    """Items in the order they stand."""

    line: int
    tag: str | None = None
    items: list[Node] = field(default_factory=list)


Node = Scalar | Mapping | Sequence


def read(data: bytes, name: str) -> Node:
    """Returns the root of the one document in `data`; `name` names the file in errors.

    Anchors are followed: an alias is the very node it stands for, so the result may be
    shared or even contain itself, and whoever walks it must count. Raises `InvalidKitfile`
    for broken YAML, an empty document, or anything beyond the bounds.
    """
    if len(data) > MAX_BYTES:
        raise invalid(name, None, f"it is larger than {MAX_BYTES // 2**20} MiB")
    root = _Builder(name).build(_events(data, name))
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text.strip("~")):
        raise invalid(
            name, None, "it is empty", hint="`kitfast init` writes one for the files of a folder"
        )
    return root


def invalid(name: str, line: int | None, what: str, *, hint: str | None = None) -> InvalidKitfile:
    """Returns the error that names file, line and fault."""
    where = f"{name}:{line}" if line is not None else name
    return InvalidKitfile(f"{where}: {what}", hint=hint, path=name, line=line, what=what)


def _events(data: bytes, name: str) -> Iterator[Any]:
    # Imported here: most commands never read YAML, and PyYAML takes 15 ms to load.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(data, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else None
        raise invalid(name, line, f"it is not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        what = " ".join(str(error).split())
        raise invalid(name, None, f"it is not YAML: {what}") from None


class _Builder:
    """Puts events together; one instance reads one file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: list[Mapping | Sequence] = []
        self._keys: list[Node | None] = []
        self._anchors: dict[str, Node] = {}
        self._root: Node | None = None
        self._count = 0
        self._documents = 0

    def build(self, events: Iterator[Any]) -> Node | None:
        for event in events:
            kind = type(event).__name__
            line = event.start_mark.line + 1
            if kind == "DocumentStartEvent":
                self._documents += 1
                if self._documents > 1:
                    raise invalid(self._name, line, "a second document begins here")
            elif kind == "ScalarEvent":
                self._add(self._scalar(event, line), event.anchor, line)
            elif kind == "AliasEvent":
                self._add(self._aliased(event.anchor, line), None, line)
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                node_type = Mapping if kind[0] == "M" else Sequence
                self._enter(node_type(line, event.tag), event.anchor, line)
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                self._open.pop()
                self._keys.pop()
        return self._root

    def _scalar(self, event: Any, line: int) -> Scalar:
        try:
            event.value.encode("utf-8")
        except UnicodeEncodeError:
            raise invalid(self._name, line, "it holds text that is not Unicode") from None
        return Scalar(event.value, event.style in (None, ""), event.tag, line)

    def _enter(self, node: Mapping | Sequence, anchor: str | None, line: int) -> None:
        self._add(node, anchor, line)
        self._open.append(node)
        self._keys.append(None)
        if len(self._open) > MAX_DEPTH:
            raise invalid(self._name, line, f"it is nested more than {MAX_DEPTH} levels deep")

    def _add(self, node: Node, anchor: str | None, line: int) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            raise invalid(self._name, line, f"it holds more than {MAX_NODES} values")
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self._root = node
            return
        holder = self._open[-1]
        if isinstance(holder, Sequence):
            holder.items.append(node)
            return
        key = self._keys[-1]
        if key is None:
            self._keys[-1] = node
        else:
            holder.pairs.append((key, node))
            self._keys[-1] = None

    def _aliased(self, anchor: str, line: int) -> Node:
        if anchor not in self._anchors:
            raise invalid(self._name, line, f"`*{anchor}` stands for nothing")
        return self._anchors[anchor]
