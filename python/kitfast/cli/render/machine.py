"""Results as JSON for programs: the returned dataclass, field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from kitfast.oci import canonical


def dumps(value: Any) -> str:
    """The value as indented JSON with Go's escapes, ending in a newline."""
    return canonical.dumps(plain(value), indent=2) + "\n"


def plain(value: Any) -> Any:
    """What JSON can hold of a value: a dataclass becomes an object of its fields.

    Fields of bytes are left out: they are exact copies of what other fields say.
    """
    if hasattr(value, "to_json"):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: plain(item) for name, item in found if not isinstance(item, bytes)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value
