"""Writes a Kitfile as YAML, byte for byte as kit's `unpack`, `info` and `init` do."""

from __future__ import annotations

import functools
from typing import Any

from kitfast.errors import InvalidArgument
from kitfast.kitfile.emitter import Flow, Plain, emit
from kitfast.kitfile.model import FIELDS, Field, Kitfile, Package


def to_text(kitfile: Kitfile) -> str:
    """Returns the Kitfile as kit writes it: without digests, two spaces a level."""
    return emit(_ordered(kitfile))


def to_bytes(kitfile: Kitfile) -> bytes:
    """Returns `to_text` in UTF-8: the bytes of the file an unpack leaves."""
    return to_text(kitfile).encode("utf-8")


def node_text(kitfile: Kitfile, selector: str) -> str:
    """Returns one part of the Kitfile as YAML; `selector` is like `model.parts` or `.docs`.

    Raises `InvalidArgument` when the Kitfile has no such part.
    """
    found: Any = kitfile
    field: Field | None = None
    for key in selector.removeprefix(".").split("."):
        fields = {known.key.lower(): known for known in FIELDS.get(type(found), ())}
        field = fields.get(key.lower())
        if field is None:
            raise InvalidArgument(
                f"{selector!r} is no part of a Kitfile",
                hint=f"parts here are: {', '.join(item.key for item in fields.values())}"
                if fields
                else "leave out what follows the last list, text or number",
            )
        found = getattr(found, field.attribute)
    assert field is not None
    return emit(_written(field, found))


def _ordered(holder: Any) -> dict[str, Any]:
    members = ((field, getattr(holder, field.attribute)) for field in FIELDS[type(holder)])
    return {
        field.key: _written(field, found)
        for field, found in members
        if field.always or not _is_empty(field, found)
    }


def _is_empty(field: Field, found: Any) -> bool:
    if field.holds == "value" or (isinstance(field.holds, type) and not field.many):
        return found is None or found == Package()
    return not found


def _written(field: Field, found: Any) -> Any:
    if isinstance(field.holds, type):
        if field.many:
            return [_ordered(item) for item in found]
        return None if found is None else _ordered(found)
    if field.holds == "texts":
        return Flow(found)
    return _value(found) if field.holds == "value" else found


def _value(value: Any) -> Any:
    """Prepares a free value as it is once it has been through kit's config.

    Every number is a float by then, and keys are in the order go-yaml gives them.
    """
    if isinstance(value, dict):
        return {key: _value(value[key]) for key in sorted(value, key=_by_key)}
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Plain(_number(value))
    return value


def _number(value: float) -> str:
    """Returns Go's shortest `%g`: an exponent from a million on, and of two digits."""
    import decimal  # few kits have numbers

    try:
        digits = decimal.Decimal(repr(float(value))).normalize()
    except OverflowError:
        raise InvalidArgument(f"the number {str(value)[:40]}… is too large for YAML") from None
    exponent = digits.adjusted()
    if not digits or -4 <= exponent < 6:
        return format(digits, "f")
    mantissa = format(digits, "e").partition("e")[0]
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _compare(one: str, other: str) -> int:
    """Orders keys as go-yaml does: numbers inside texts by their value, letters last."""
    return -1 if _is_less(one, other) else int(_is_less(other, one))


def _is_less(one: str, other: str) -> bool:
    in_digits = False
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left == right:
            in_digits = _is_digit(left)
            continue
        if left.isalpha() and right.isalpha():
            return left < right
        if left.isalpha() or right.isalpha():
            return left.isalpha() if in_digits else right.isalpha()
        return _number_is_less(one, other, index)
    return len(one) < len(other)


def _number_is_less(one: str, other: str, index: int) -> bool:
    left, right = one[index], other[index]
    # Zeros in front of a number count for nothing, unless a digit stands before them.
    before = one[:index]
    head = before[len(before.rstrip("0123456789")) :].strip("0") if "0" in (left, right) else ""
    lead = "1" if head else ""
    ours, theirs = _digits(one, index), _digits(other, index)
    if int(lead + ours or "0") != int(lead + theirs or "0"):
        return int(lead + ours or "0") < int(lead + theirs or "0")
    if len(ours) != len(theirs):
        return len(ours) < len(theirs)
    return left < right


def _digits(text: str, index: int) -> str:
    end = index
    while end < len(text) and _is_digit(text[end]):
        end += 1
    return text[index:end]


def _is_digit(character: str) -> bool:
    return character.isdecimal()


_by_key = functools.cmp_to_key(_compare)
