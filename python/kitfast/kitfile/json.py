"""The Kitfile as JSON: a config blob, byte for byte as kit writes it."""

from __future__ import annotations

from typing import Any

from kitfast.errors import Corrupt
from kitfast.kitfile.model import ENTRY_TYPES, FIELDS, LAYER_FIELDS, Field, Kitfile, Package
from kitfast.oci import canonical
from kitfast.oci.document import load_object, objects, optional, optional_text


def to_value(kitfile: Kitfile) -> dict[str, Any]:
    """Returns the Kitfile as JSON-ready values, digests included, in kit's order."""
    return _object(kitfile)


def to_bytes(kitfile: Kitfile) -> bytes:
    """Returns the config blob; equal Kitfiles have equal bytes and so equal digests."""
    return canonical.dump_bytes(_object(kitfile))


def from_bytes(data: bytes, what: str = "the kit's config") -> Kitfile:
    """Reads a config blob.

    Fields it does not know are left out, as every kit does, so that newer kits can be
    read. Raises `Corrupt` for anything broken or of the wrong kind.
    """
    return from_value(load_object(data, what), what)


def from_value(value: dict[str, Any], what: str = "the kit's config") -> Kitfile:
    """Reads a Kitfile from parsed JSON; raises `Corrupt` as `from_bytes` does."""
    kitfile = _read(Kitfile, value, what)
    assert isinstance(kitfile, Kitfile)
    return kitfile


def _object(holder: Any) -> dict[str, Any]:
    fields = FIELDS[type(holder)]
    if isinstance(holder, ENTRY_TYPES):
        fields += LAYER_FIELDS
    members = ((field, getattr(holder, field.attribute)) for field in fields)
    return {
        field.key: _written(field, found)
        for field, found in members
        # A Go struct is never "empty": package is written even with nothing in it.
        if field.always or isinstance(found, Package) or not _is_empty(field, found)
    }


def _is_empty(field: Field, found: Any) -> bool:
    """What Go's `omitempty` leaves out: a map or a value only when it is not there at all."""
    if field.holds == "value" or (isinstance(field.holds, type) and not field.many):
        return found is None
    return not found


def _written(field: Field, found: Any) -> Any:
    if isinstance(field.holds, type):
        return [_object(item) for item in found] if field.many else _object(found)
    return list(found) if field.holds == "texts" else found


def _read(kind: type, value: dict[str, Any], where: str) -> Any:
    fields = FIELDS[kind]
    if kind in ENTRY_TYPES:
        fields += LAYER_FIELDS
    found = ((field.attribute, _read_field(field, value, where)) for field in fields)
    return kind(**{attribute: item for attribute, item in found if item is not None})


def _read_field(field: Field, value: dict[str, Any], where: str) -> Any:
    if isinstance(field.holds, type):
        inner = f"{where}.{field.key}"
        if not field.many:
            found = optional(value, field.key, dict, where)
            return None if found is None else _read(field.holds, found, inner)
        return tuple(
            _read(field.holds, item, f"{inner}[{index}]")
            for index, item in enumerate(objects(value, field.key, where))
        )
    if field.holds == "text":
        return optional_text(value, field.key, where)
    if field.holds == "value":
        return _sorted(value.get(field.key))
    found = optional(value, field.key, list, where) or []
    if not all(isinstance(item, str) for item in found):
        raise Corrupt(f"{where}.{field.key} is not a list of strings", what=where)
    return tuple(found)


def _sorted(value: Any) -> Any:
    """Go's maps have no order and are written sorted."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
