"""Lays out YAML as go-yaml v3 does: in blocks, with quotes where it quotes."""

from __future__ import annotations

import re
from typing import Any

from kitfast.kitfile.scalars import needs_quotes

INDENT = 2
# Longer keys stand on a line of their own, after `? `.
_MAX_SIMPLE_KEY = 128
# Line ends inside texts; others are escaped.
_BREAKS = "\n\u2028\u2029"
_ANY_BREAK = re.compile("[\n\r\x85\u2028\u2029]")
# What is not printed as it is; named by what it is, as `re` takes 4 ms to invert such a set.
_SPECIAL = re.compile("[\0-\b\v-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff\U00010000-\U0010ffff]")
_SHORT_ESCAPES = {
    "\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r",
    "\x1b": "e", '"': '"', "\\": "\\", "\x85": "N", "\u2028": "L", "\u2029": "P",
}  # fmt: skip
_FIRST_INDICATORS = frozenset("#,[]{}&*!|>'\"%@`")
_FLOW_INDICATORS = frozenset(",?[]{}")


class Flow(tuple[str, ...]):
    """A list that is written on one line, in brackets."""

    __slots__ = ()


class Plain(str):
    """A text that is written as it is: a number."""

    __slots__ = ()


def emit(value: Any) -> str:
    """Returns a document of dicts, lists, `Flow`s, texts, booleans and None."""
    emitter = _Emitter()
    emitter.item(value, 0)
    emitter.line(0)
    return emitter.text()


class _Emitter:
    """Collects the document; knows only whether it stands at the start of a line."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._at_start = True

    def text(self) -> str:
        return "".join(self._parts)

    def line(self, indent: int) -> None:
        """Goes to column `indent` of a line with nothing on it."""
        if not self._at_start:
            self._write("\n")
        if indent:
            self._write(" " * indent)

    def item(self, value: Any, indent: int) -> None:
        """Writes a value that begins where the pen stands, at column `indent`."""
        if isinstance(value, dict) and value:
            self._mapping(value, indent)
        elif isinstance(value, list) and value:
            self._sequence(value, indent)
        else:
            self._write(_scalar(value, indent))

    def _mapping(self, value: dict[str, Any], indent: int) -> None:
        for index, (key, child) in enumerate(value.items()):
            if index:
                self.line(indent)
            if len(key.encode()) > _MAX_SIMPLE_KEY or _ANY_BREAK.search(key):
                self._write("? ")
                self.item(key, indent + INDENT)
                self.line(indent)
                self._write(": ")
                self.item(child, indent + INDENT)
            else:
                self._write(_scalar(key, indent, is_key=True) + ":")
                self._after_key(child, indent + INDENT)

    def _after_key(self, child: Any, indent: int) -> None:
        if isinstance(child, (dict, list)) and child:
            self.line(indent)
        else:
            self._write(" ")
        self.item(child, indent)

    def _sequence(self, value: list[Any], indent: int) -> None:
        for index, child in enumerate(value):
            if index:
                self.line(indent)
            self._write("- ")
            self.item(child, indent + INDENT)

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self._at_start = text.endswith(tuple(_BREAKS))


def _scalar(value: Any, indent: int, is_key: bool = False) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Plain):
        return str(value)
    if isinstance(value, Flow):
        return "[" + ", ".join(_text(item, indent + INDENT, in_flow=True) for item in value) + "]"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    return _text(value, indent, in_flow=False, is_key=is_key)


def _text(text: str, indent: int, *, in_flow: bool, is_key: bool = False) -> str:
    if "\n" in text:
        if in_flow or is_key or not _may_be_literal(text):
            return _double_quoted(text)
        return _literal(text, indent)
    # go-yaml leaves this key bare, and then reads it as an order to merge.
    if needs_quotes(text) or (is_key and text == "<<"):
        return _double_quoted(text)
    if _may_be_plain(text, in_flow):
        return text
    if _may_be_single_quoted(text):
        return _single_quoted(text, indent)
    return _double_quoted(text)


def _may_be_literal(text: str) -> bool:
    # go-yaml loses the first of the line ends a text begins with: here kit is not followed.
    if text[0] in _BREAKS:
        return False
    return not (text.endswith(" ") or _has_space_before_break(text) or _SPECIAL.search(text))


def _may_be_single_quoted(text: str) -> bool:
    after_break = any(f"{mark} " in text for mark in _BREAKS)
    return not (
        after_break or _has_space_before_break(text) or "\t" in text or _SPECIAL.search(text)
    )


def _has_space_before_break(text: str) -> bool:
    return any(f" {mark}" in text for mark in _BREAKS)


def _may_be_plain(text: str, in_flow: bool) -> bool:
    if text[0] in " " + _BREAKS or text[-1] in " " + _BREAKS:
        return False
    if "\t" in text or _SPECIAL.search(text) or any(mark in text for mark in _BREAKS):
        return False
    if text.startswith(("---", "...")) or text[0] in _FIRST_INDICATORS:
        return False
    if text == "-" or text.startswith("- ") or " #" in text or ": " in text or text[-1] == ":":
        return False
    if text == "?" or text.startswith("? "):
        return False
    if not in_flow:
        return True
    return not (text[0] in "?:" or ":" in text or any(mark in text for mark in _FLOW_INDICATORS))


def _literal(text: str, indent: int) -> str:
    hint = str(INDENT) if text[0] == " " else ""
    if text[-1] not in _BREAKS:
        hint += "-"
    elif text[-2] in _BREAKS:
        hint += "+"
    return f"|{hint}\n" + _indented(text, indent, at_break=True)


def _single_quoted(text: str, indent: int) -> str:
    return "'" + _indented(text.replace("'", "''"), indent, at_break=False) + "'"


def _indented(text: str, indent: int, *, at_break: bool) -> str:
    """Puts the indent in front of what follows a line end, but not in front of another."""
    parts: list[str] = []
    for character in text:
        is_break = character in _BREAKS
        if at_break and not is_break:
            parts.append(" " * indent)
        parts.append(character)
        at_break = is_break
    return "".join(parts)


def _double_quoted(text: str) -> str:
    # go-yaml asks for the byte order mark at the text's start, and then escapes all of it.
    every = text.startswith("\ufeff")
    return '"' + "".join(_escaped(character, every) for character in text) + '"'


def _escaped(character: str, always: bool) -> str:
    if not always and character not in '"\\\t' + _BREAKS and not _SPECIAL.match(character):
        return character
    short = _SHORT_ESCAPES.get(character)
    if short is not None:
        return f"\\{short}"
    if character == "\u00a0":
        return "\\_"
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
