"""Reads JSON from strangers: bounded in size, depth and count, and unambiguous."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from kitfast.errors import Corrupt

# Distribution refuses larger manifests; a Kitfile near this size is a mistake or an attack.
MAX_BYTES = 4 * 1024 * 1024
# A manifest is 5 levels deep; parameters of a Kitfile are the only free-form part.
MAX_DEPTH = 64
# Python objects take some 30 times the bytes of short JSON values: a bound on memory.
MAX_VALUES = 250_000


def load(data: bytes, what: str) -> Any:
    """Parses `data` as JSON; `what` names it in errors.

    Raises `Corrupt` for anything but one well-formed value within the bounds: a key
    twice in one object is refused too, since two readers may pick different ones.
    """
    if len(data) > MAX_BYTES:
        raise Corrupt(f"{what} is larger than {MAX_BYTES // 2**20} MiB", what=what)
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unambiguous, parse_constant=_no_constant
        )
    except RecursionError:
        raise Corrupt(f"{what} is nested too deeply", what=what) from None
    except ValueError as error:
        raise Corrupt(f"{what} is not valid JSON: {error}", what=what) from None
    _check_bounds(value, what)
    return value


def load_object(data: bytes, what: str) -> dict[str, Any]:
    """Parses `data` as a JSON object; raises `Corrupt` as `load` does."""
    value = load(data, what)
    if not isinstance(value, dict):
        raise Corrupt(f"{what} is not a JSON object", what=what)
    return value


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the key {name[:80]!r} stands twice in one object")
            seen.add(name)
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_bounds(value: Any, what: str) -> None:
    """Walks without recursion, so that depth is a plain count."""
    count = 0
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise Corrupt(f"{what} is nested more than {MAX_DEPTH} levels deep", what=what)
        if count > MAX_VALUES:
            raise Corrupt(f"{what} holds more than {MAX_VALUES} values", what=what)
        if isinstance(item, str):
            _check_text(item, what)
        elif isinstance(item, (int, float)):
            _check_number(item, what)
        elif isinstance(item, list):
            waiting.extend((child, depth + 1) for child in item)
        elif isinstance(item, dict):
            for key, child in item.items():
                _check_text(key, what)
                waiting.append((child, depth + 1))


def _check_number(number: float, what: str) -> None:
    """Python reads numbers of any length; every other reader of JSON stops at doubles."""
    try:
        is_double = abs(float(number)) != float("inf")
    except OverflowError:
        is_double = False
    if not is_double:
        raise Corrupt(f"{what} holds a number that is too large", what=what)


def _check_text(text: str, what: str) -> None:
    """JSON can spell half of a surrogate pair, which no file name or YAML can hold."""
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Corrupt(f"{what} holds a string that is not Unicode text", what=what) from None


def optional(value: dict[str, Any], key: str, kind: type, where: str) -> Any:
    """Returns `value[key]` when it is a `kind`, None when absent or null, else raises."""
    found = value.get(key)
    # By exact type: bool is a kind of int in Python, never in JSON.
    if found is None or type(found) is kind:
        return found
    raise Corrupt(f"{where}.{key} is {_named(found)}, not {_names[kind]}", what=where)


_names: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def _named(value: Any) -> str:
    return _names[type(value)]


def optional_text(value: dict[str, Any], key: str, where: str) -> str:
    """Returns the string under `key`, or an empty one."""
    return optional(value, key, str, where) or ""


def texts(value: dict[str, Any], key: str, where: str) -> dict[str, str]:
    """Returns the string-to-string object under `key` (annotations), or an empty one."""
    found = optional(value, key, dict, where) or {}
    for name, text in found.items():
        if not isinstance(text, str):
            raise Corrupt(f"{where}.{key}[{name[:80]!r}] is not a string", what=where)
    return dict(found)


def objects(value: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    """Returns the list of objects under `key`, or an empty one."""
    found = optional(value, key, list, where) or []
    for index, item in enumerate(found):
        if not isinstance(item, dict):
            raise Corrupt(f"{where}.{key}[{index}] is {_named(item)}, not an object", what=where)
    return list(found)
