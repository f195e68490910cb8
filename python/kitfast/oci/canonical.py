"""Writes JSON byte for byte as Go's encoding/json does, so that digests agree.

Maps keep the order they are given in: struct order is the caller's, and a map that Go
would sort must come sorted.
"""

from __future__ import annotations

import re
from typing import Any

from kitfast.errors import InvalidArgument

_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Go also escapes what could end a script element or a line of JavaScript.
_ESCAPED = re.compile('["\\\\\x00-\x1f<>&\u2028\u2029]')


def dumps(value: Any, indent: int | None = None) -> str:
    """Returns `value` (dicts, lists, text, numbers, booleans, None) as Go spells it.

    With `indent`, spaces a level, as `MarshalIndent` writes for people.
    Raises `InvalidArgument` for a number JSON has no word for.
    """
    parts: list[str] = []
    _write(value, parts, "\n" if indent is not None else "", " " * (indent or 0))
    return "".join(parts)


def dump_bytes(value: Any) -> bytes:
    """Returns `dumps(value)` in UTF-8: the form that is stored and hashed.

    Raises `InvalidArgument` also for text that is not Unicode, as file names may be.
    """
    text = dumps(value)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 40) : error.end + 40]
        raise InvalidArgument(
            f"JSON cannot hold {around!r}",
            hint="rename the file: its name is not text in UTF-8",
        ) from None


def _write(value: Any, parts: list[str], newline: str, step: str) -> None:
    if isinstance(value, dict):
        colon = ": " if newline else ":"
        members = [(quoted(name) + colon, child) for name, child in value.items()]
        _write_all(members, "{}", parts, newline, step)
    elif isinstance(value, (list, tuple)):
        _write_all([("", child) for child in value], "[]", parts, newline, step)
    else:
        parts.append(_scalar(value))


def _write_all(
    members: list[tuple[str, Any]], brackets: str, parts: list[str], newline: str, step: str
) -> None:
    if not members:
        parts.append(brackets)
        return
    inner = newline + step if newline else ""
    parts.append(brackets[0])
    for index, (label, child) in enumerate(members):
        parts.append(("," if index else "") + inner + label)
        _write(child, parts, inner, step)
    parts.append(newline + brackets[1])


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    raise InvalidArgument(f"a {type(value).__name__} cannot be written as JSON")


def quoted(text: str) -> str:
    """Returns `text` as a JSON string with Go's escapes."""
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    return _SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}"


def number(value: float) -> str:
    """Returns a float in the fewest digits that read back as itself, as Go lays them out."""
    if value != value or value in (float("inf"), float("-inf")):
        raise InvalidArgument(f"{value} cannot be written as JSON")
    # Imported here: Kitfiles with fractions are few.
    from decimal import Decimal

    digits = Decimal(repr(value)).normalize()
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return format(digits, "f")
    mantissa, exponent = format(digits, "e").split("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0')}"
