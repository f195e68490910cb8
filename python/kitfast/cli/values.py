"""Turns words into values without pydantic, which newer typer imports to do it.

That import, and a schema for each of twenty flags, would take longer than most verbs.
Older typer has no such step, and then nothing here is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

import typer


def lighten(parameters: Iterable[Any]) -> None:
    """Gives typer's parameters a lighter way to read the kinds of value kitfast has."""
    for parameter in parameters:
        descriptor = getattr(parameter, "type_descriptor", None)
        annotation = getattr(descriptor, "annotation", None)
        if annotation in (str, bool, int, list[str]) or _is_enum(annotation):
            reader = _Reader(annotation)
            parameter.get_runtime_param = lambda reader=reader: reader


class _Reader:
    """What typer asks to read a value; the same contract as its own RuntimeParam."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if self._annotation == list[str] else None
        if self._annotation is int:
            return _whole(value, param, ctx)
        if _is_enum(self._annotation):
            return _choice(self._annotation, value, param, ctx)
        return value


def _is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def _whole(value: Any, param: Any, ctx: Any) -> int:
    try:
        return int(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is no whole number", ctx, param) from None


def _choice(kind: type[Enum], value: Any, param: Any, ctx: Any) -> Enum:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(member.value) for member in kind)
        raise typer.BadParameter(f"{value!r} is not one of {known}", ctx, param) from None
