"""Reads a Kitfile from YAML as kit does, and says which line is wrong."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from kitfast.kitfile import scalars, tree
from kitfast.kitfile.model import FIELDS, Field, Kitfile
from kitfast.kitfile.tree import Mapping, Node, Scalar, Sequence, invalid
from kitfast.kitfile.validate import Lines, validate

_CORE = "tag:yaml.org,2002:"
_FIX = {
    "map": "write it as `key: value` pairs, indented, without a leading `-`",
    "list": "write every item on a line of its own, after `- `",
    "text": "write one word or one quoted text",
}


def parse(data: bytes, name: str = "Kitfile") -> Kitfile:
    """Reads and checks a Kitfile; `name` is the file's name in errors.

    Raises `InvalidKitfile` with file, line, fault and hint: for broken YAML, unknown or
    repeated fields, values of the wrong kind, and everything `validate` refuses.
    """
    root = tree.read(data, name)
    reader = _Reader(name)
    kitfile = reader.map(Kitfile, root, "the Kitfile", ())
    assert isinstance(kitfile, Kitfile)
    validate(kitfile, name, reader.lines)
    return kitfile


class _Reader:
    """Turns nodes into values; one instance reads one file.

    It counts what it visits: aliases make a small file stand for a huge one.
    """

    def __init__(self, name: str) -> None:
        self.lines: Lines = {}
        self._name = name
        self._visited = 0

    def map(self, kind: type, node: Node, where: str, at: tuple[str | int, ...]) -> Any:
        """Reads a map of known fields as a `kind`."""
        self.lines[at] = node.line
        if _is_null(node):
            return kind()
        if not isinstance(node, Mapping):
            raise self._wrong(node, where, "map")
        fields = {field.key: field for field in FIELDS[kind]}
        values: dict[str, Any] = {}
        for key, value in self._pairs(node, where).items():
            known = fields.get(key.text)
            if known is None:
                raise invalid(
                    self._name,
                    key.line,
                    f"{where} has no field `{key.text[:80]}`",
                    hint=f"fields of {where} are: {', '.join(fields)}",
                )
            values[known.attribute] = self._field(known, value, (*at, key.text))
        return kind(**{name: value for name, value in values.items() if value is not None})

    def _field(self, field: Field, node: Node, at: tuple[str | int, ...]) -> Any:
        self.lines[at] = node.line
        where = f"`{field.key}`"
        if _is_null(node):
            return None
        if field.holds == "value":
            return self._value(node, where, 1)
        if field.holds == "text":
            return self._text(node, where)
        if isinstance(field.holds, type) and not field.many:
            return self.map(field.holds, node, where, at)
        if not isinstance(node, Sequence):
            raise self._wrong(node, where, "list")
        self._enter(node, 1)
        # As in kit, an item with nothing in it is no item.
        items = [item for item in node.items if not _is_null(item)]
        if not isinstance(field.holds, type):
            return tuple(self._text(item, where) for item in items)
        inner = f"an item of {where}"
        return tuple(
            self.map(field.holds, item, inner, (*at, index)) for index, item in enumerate(items)
        )

    def _text(self, node: Node, where: str) -> str:
        if not isinstance(node, Scalar):
            raise self._wrong(node, where, "text")
        if _is_null(node):
            return ""
        return self._binary(node) if node.tag == f"{_CORE}binary" else node.text

    def _binary(self, node: Scalar) -> str:
        try:
            return base64.b64decode("".join(node.text.split()), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            raise invalid(self._name, node.line, "this `!!binary` holds no UTF-8 text") from None

    def _pairs(self, node: Mapping, where: str, depth: int = 1) -> dict[Scalar, Node]:
        """Returns the pairs of a map, merge keys (`<<`) resolved, in the order they stand."""
        self._enter(node, depth)
        found: dict[str, tuple[Scalar, Node]] = {}
        merged: list[Node] = []
        for key, value in node.pairs:
            if not isinstance(key, Scalar):
                raise invalid(self._name, key.line, f"a key in {where} is not a word")
            if key.plain and key.text == "<<":
                self._enter(value, depth)
                merged.extend(value.items if isinstance(value, Sequence) else [value])
            elif key.text in found:
                raise invalid(self._name, key.line, f"`{key.text[:80]}` stands twice in {where}")
            else:
                found[key.text] = (key, value)
        for other in merged:
            if not isinstance(other, Mapping):
                raise invalid(self._name, other.line, "`<<` takes a map or a list of maps")
            for key, value in self._pairs(other, where, depth + 1).items():
                found.setdefault(key.text, (key, value))
        return dict(found.values())

    def _value(self, node: Node, where: str, depth: int) -> Any:
        """Reads a free value: what JSON can hold, with maps sorted as Go writes them."""
        if isinstance(node, Scalar):
            return self._scalar(node, where)
        if isinstance(node, Sequence):
            self._enter(node, depth)
            return [self._value(item, where, depth + 1) for item in node.items]
        pairs = self._pairs(node, where, depth)
        for key in pairs:
            if not isinstance(self._scalar(key, where), str):
                raise invalid(
                    self._name,
                    key.line,
                    f"the key `{key.text[:80]}` in {where} is not text",
                    hint="quote it: keys of a config are text",
                )
        by_key = {key.text: value for key, value in pairs.items()}
        return {key: self._value(by_key[key], where, depth + 1) for key in sorted(by_key)}

    def _scalar(self, node: Scalar, where: str) -> Any:
        self._enter(node, 1)
        if node.tag == f"{_CORE}binary":
            return self._binary(node)
        if node.tag == f"{_CORE}str" or not (node.plain or node.tag):
            return node.text
        found = scalars.resolve(node.text)
        if node.tag == f"{_CORE}float" and type(found) is int:
            found = float(found)
        if isinstance(found, float) and (found != found or abs(found) == float("inf")):
            raise invalid(
                self._name, node.line, f"{node.text} in {where} is no number JSON can hold"
            )
        return found

    def _enter(self, node: Node, depth: int) -> None:
        self._visited += 1
        if isinstance(node, Mapping):
            self._visited += len(node.pairs)
        elif isinstance(node, Sequence):
            self._visited += len(node.items)
        if self._visited > tree.MAX_NODES or depth > tree.MAX_DEPTH:
            raise invalid(self._name, node.line, "aliases make it larger than a Kitfile may be")

    def _wrong(self, node: Node, where: str, wanted: str) -> Exception:
        found = {Scalar: "text", Mapping: "a map", Sequence: "a list"}[type(node)]
        what = f"{where} is {found}, not {wanted if wanted == 'text' else f'a {wanted}'}"
        return invalid(self._name, node.line, what, hint=_FIX[wanted])


def _is_null(node: Node) -> bool:
    if not isinstance(node, Scalar) or not node.plain:
        return False
    return node.tag in (None, "", f"{_CORE}null") and scalars.resolve(node.text) is None
