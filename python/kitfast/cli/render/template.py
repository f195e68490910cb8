"""Go templates for `list --format`: the part of text/template that lists need.

Fields and `.`, `if`/`else`, `range`, `with`, `len`, `index`, `join`, quoted text and
whole numbers, comments, and `{{-`/`-}}`. A list prints as Go prints a slice, `[a b]`.
What is outside that part is an error before anything is asked, and so is a field that
kit's lists do not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from kitfast.errors import InvalidArgument

FIELDS = ("Repo", "Digest", "Tags", "ModelName", "Size", "Author")

_ACTION = re.compile(r"(\s+)?\{\{(- )?(?:\s*)(.*?)\s*( -)?\}\}(\s+)?", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\S+')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}

Scope = Any
Node = Callable[[Scope], str]


class Template:
    """A template that has been read; `fill` applies it to one kit."""

    def __init__(self, text: str) -> None:
        """Reads a template.

        Raises:
            InvalidArgument: it is broken, or uses what kitfast does not know.
        """
        self._pieces = _split(text)
        self._line_end = "" if text.endswith("\n") else "\n"
        self._nodes, closer = self._block(ends=())
        assert closer == ""  # `_block` ends without a closing word only at the text's end

    def fill(self, fields: Mapping[str, Any]) -> str:
        """The text for one kit, always ending its line."""
        return _join(self._nodes, fields) + self._line_end

    def _block(self, ends: tuple[str, ...]) -> tuple[list[Node], str]:
        """Reads nodes up to one of the closing words, which is returned too."""
        nodes: list[Node] = []
        while self._pieces:
            is_action, text = self._pieces.pop(0)
            if not is_action:
                nodes.append(_literal(text))
                continue
            words = _WORD.findall(text)
            if text.startswith("/*") and text.endswith("*/"):
                continue
            if len(words) == 1 and words[0] in ends:
                return nodes, words[0]
            nodes.append(self._action(words))
        if ends:
            raise _error("{{ end }} is missing")
        return nodes, ""

    def _action(self, words: list[str]) -> Node:
        if not words:
            raise _error("an action is empty")
        if words[0] in ("if", "range", "with"):
            return self._branch(words[0], _value(words[1:]))
        value = _value(words)
        return lambda scope: _printed(value(scope))

    def _branch(self, kind: str, value: Callable[[Scope], Any]) -> Node:
        then, closer = self._block(ends=("else", "end"))
        otherwise: list[Node] = []
        if closer == "else":
            otherwise, _ = self._block(ends=("end",))

        def run(scope: Scope) -> str:
            found = value(scope)
            if not found:
                return _join(otherwise, scope)
            if kind == "range":
                if not isinstance(found, (list, tuple)):
                    raise _error("range needs a list, such as .Tags")
                return "".join(_join(then, item) for item in found)
            return _join(then, found if kind == "with" else scope)

        return run


def _split(text: str) -> list[tuple[bool, str]]:
    """Cuts a template into (is an action, text); `{{-` and `-}}` eat the space beside them."""
    pieces: list[tuple[bool, str]] = []
    at = 0
    for match in _ACTION.finditer(text):
        before, trim_left, action, trim_right, after = match.groups()
        pieces.append((False, text[at : match.start()] + ("" if trim_left else before or "")))
        pieces.append((True, action))
        at = match.end() if trim_right else match.end() - len(after or "")
    rest = text[at:]
    if "{{" in rest:
        raise _error("{{ is not closed")
    return [*pieces, (False, rest)]


def _value(words: list[str]) -> Callable[[Scope], Any]:
    """Reads a field, a word, or a function with its arguments."""
    if not words:
        raise _error("a value is missing")
    if words[0] in _FUNCTIONS:
        arguments = [_operand(word) for word in words[1:]]
        count, function = _FUNCTIONS[words[0]]
        if len(arguments) != count:
            raise _error(f"{words[0]} takes {count} values")
        return lambda scope: function(*(argument(scope) for argument in arguments))
    if len(words) > 1:
        raise _error(f"{' '.join(words)!r} is not understood")
    return _operand(words[0])


def _operand(word: str) -> Callable[[Scope], Any]:
    if word == ".":
        return lambda scope: scope
    if word.startswith("."):
        return _field(word[1:])
    if word[0] in '"`':
        text = _unquoted(word)
        return lambda _: text
    if word.isascii() and word.isdigit():
        return lambda _: int(word)
    raise _error(f"{word!r} is not understood")


def _field(name: str) -> Callable[[Scope], Any]:
    if name not in FIELDS:
        raise _error(f".{name} is no field; there are .{', .'.join(FIELDS)}")

    def get(scope: Scope) -> Any:
        if not isinstance(scope, Mapping):
            raise _error(f".{name} stands where . is no kit")
        return scope[name]

    return get


def _unquoted(word: str) -> str:
    if word[0] == "`":
        return word[1:-1]
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), word[1:-1])


def _printed(value: Any) -> str:
    return f"[{' '.join(value)}]" if isinstance(value, (list, tuple)) else str(value)


def _index(value: Any, at: Any) -> Any:
    if not isinstance(value, (list, tuple)) or not isinstance(at, int):
        raise _error("index needs a list and a number")
    if at >= len(value):
        raise _error(f"index {at} is out of range: there are {len(value)}")
    return value[at]


def _length(value: Any) -> int:
    if not isinstance(value, (list, tuple, str)):
        raise _error("len needs a list or a text")
    return len(value)


def _joined(value: Any, between: Any) -> str:
    if not isinstance(value, (list, tuple)) or not isinstance(between, str):
        raise _error("join needs a list and a text")
    return between.join(value)


_FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "len": (1, _length),
    "index": (2, _index),
    "join": (2, _joined),
}


def _literal(text: str) -> Node:
    return lambda _: text


def _join(nodes: list[Node], scope: Scope) -> str:
    return "".join(node(scope) for node in nodes)


def _error(what: str) -> InvalidArgument:
    return InvalidArgument(
        f"--format: {what}", hint="use table, json, or a template such as '{{ .Repo }}'"
    )
