"""What `.kitignore` leaves out of a pack: the rules of `.dockerignore`.

A pattern is a path from the folder's root; `*` and `?` stop at `/`, `**` does not, `!`
takes back, and what matches a folder matches everything in it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kitfast.kitfile.model import KITFILE_NAMES
from kitfast.kitfile.tree import invalid

IGNORE_NAME = ".kitignore"
# Nobody writes more by hand; a list of a million files belongs into the Kitfile's paths.
_MAX_BYTES = 1024 * 1024
_MAX_PATTERN = 4096
# Transitions kept for a pattern: they are a cache, so it may be emptied at any time.
_MAX_MOVES = 20_000
_BOM = b"\xef\xbb\xbf"


class BadPattern(ValueError):
    """A pattern that cannot be read; becomes an `InvalidKitfile` with its line."""


class Ignore:
    """Decides which paths a pack leaves out. The Kitfile itself always is."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """Reads the patterns in order; raises `BadPattern`."""
        own = (*KITFILE_NAMES, IGNORE_NAME)
        self._patterns = [_Pattern(text) for text in (*patterns, *own)]

    @property
    def has_exceptions(self) -> bool:
        """Whether something is taken back, so that ignored folders must be looked into."""
        return any(pattern.excepts for pattern in self._patterns)

    def matches(self, path: str) -> bool:
        """Tells whether `path`, relative and with `/`, is left out, itself or by a parent."""
        ignored = False
        for pattern in self._patterns:
            # The last word counts, so a pattern that cannot change it need not be tried.
            if pattern.excepts == ignored and pattern.matches(path):
                ignored = not pattern.excepts
        return ignored


def parse(data: bytes, name: str = IGNORE_NAME) -> Ignore:
    """Reads a `.kitignore`; raises `InvalidKitfile` naming the line of a bad pattern."""
    if len(data) > _MAX_BYTES:
        raise invalid(name, None, f"it is larger than {_MAX_BYTES // 2**20} MiB")
    patterns: list[str] = []
    for number, pattern in _lines(data):
        try:
            _Pattern(pattern)
        except BadPattern as error:
            hint = "correct the pattern there: the rules are those of .dockerignore"
            raise invalid(name, number, str(error), hint=hint) from None
        patterns.append(pattern)
    return Ignore(patterns)


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Yields each pattern with its line, cleaned as a path from the root."""
    text = data.removeprefix(_BOM).decode("utf-8", "surrogateescape")
    for number, line in enumerate(text.split("\n"), start=1):
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        excepts = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip()
        if pattern:
            pattern = posixpath.normpath(pattern)
            pattern = pattern.lstrip("/") or "/"
        yield number, ("!" if excepts else "") + pattern


@dataclass(frozen=True)
class _Step:
    """One place in a pattern, and what leads on from it.

    A character within `ranges` (outside them when `negated`) leads to the next place.
    `stays` tells what else may be taken here: "any" character, or any but a "name" border.
    `free` counts how far ahead the places are that are reached without a character.
    """

    ranges: tuple[tuple[str, str], ...] = ()
    negated: bool = False
    stays: str = ""
    free: tuple[int, ...] = ()

    def may_go(self, character: str) -> bool:
        if not self.ranges:
            return False
        return any(low <= character <= high for low, high in self.ranges) != self.negated

    def may_stay(self, character: str) -> bool:
        return self.stays == "any" or (self.stays == "name" and character != "/")


class _Pattern:
    """One pattern, as a machine that reads a path once, whatever its wildcards.

    A set of places is one integer. Backtracking over several `*` would take a time that
    grows with their number's power; this never does.
    """

    def __init__(self, text: str) -> None:
        self.excepts = text.startswith("!")
        text = text.removeprefix("!")
        if not text:
            raise BadPattern("`!` takes nothing back")
        if len(text) > _MAX_PATTERN:
            raise BadPattern(f"a pattern is longer than {_MAX_PATTERN} characters")
        self._steps = _compile(text)
        self._end = 1 << len(self._steps)
        self._start = self._reach(1)
        self._moves: dict[tuple[int, str], int] = {}

    def matches(self, path: str) -> bool:
        """Tells whether the path or one of its parents is matched."""
        places = self._start
        for character in path:
            if character == "/" and places & self._end:
                return True
            places = self._move(places, character)
            if not places:
                return False
        return bool(places & self._end)

    def _move(self, places: int, character: str) -> int:
        known = self._moves.get((places, character))
        if known is not None:
            return known
        reached = 0
        for index, step in enumerate(self._steps):
            if places >> index & 1:
                if step.may_stay(character):
                    reached |= 1 << index
                if step.may_go(character):
                    reached |= 1 << (index + 1)
        reached = self._reach(reached)
        if len(self._moves) >= _MAX_MOVES:
            self._moves.clear()
        self._moves[places, character] = reached
        return reached

    def _reach(self, places: int) -> int:
        # Free moves only lead forward, so one pass in order finds them all.
        for index, step in enumerate(self._steps):
            if places >> index & 1:
                for ahead in step.free:
                    places |= 1 << (index + ahead)
        return places


def _compile(text: str) -> list[_Step]:
    # moby compares ends where nothing but `**` stands before plain text: `**x` is `*…x`.
    if text.startswith("**") and not text.startswith("**/") and not set(text[2:]) & set("*?\\[]"):
        return [_Step(stays="any", free=(1,)), *(_literal(character) for character in text[2:])]
    steps: list[_Step] = []
    at = 0
    while at < len(text):
        made, at = _next(text, at)
        steps.extend(made)
    return steps


def _next(text: str, at: int) -> tuple[list[_Step], int]:
    character = text[at]
    if text.startswith("**", at):
        at += 3 if text.startswith("**/", at) else 2
        if at >= len(text):
            return [_Step(stays="any", free=(1,))], at
        # Nothing, or anything that ends in a slash: the first step chooses.
        return [_Step(free=(1, 2)), _Step(ranges=(("/", "/"),), stays="any")], at
    if character == "*":
        return [_Step(stays="name", free=(1,))], at + 1
    if character == "?":
        return [_Step(ranges=(("/", "/"),), negated=True)], at + 1
    if character == "[":
        return _class(text, at + 1)
    if character == "\\":
        if at + 1 == len(text):
            raise BadPattern("a pattern ends in `\\`")
        return [_literal(text[at + 1])], at + 2
    return [_literal(character)], at + 1


def _literal(character: str) -> _Step:
    return _Step(ranges=((character, character),))


def _class(text: str, at: int) -> tuple[list[_Step], int]:
    """Reads `[a-z]`, with `^` to negate and `\\` to escape (Go's `filepath.Match`)."""
    negated = text.startswith("^", at)
    at += negated
    ranges: list[tuple[str, str]] = []
    while not (text.startswith("]", at) and ranges):
        low, at = _member(text, at)
        high = low
        if text.startswith("-", at):
            high, at = _member(text, at + 1)
        ranges.append((low, high))
    return [_Step(ranges=tuple(ranges), negated=negated)], at + 1


def _member(text: str, at: int) -> tuple[str, int]:
    escaped = text.startswith("\\", at)
    at += escaped
    if at >= len(text) or (not escaped and text[at] in "-]"):
        raise BadPattern("a pattern has `[` without a proper `]`")
    return text[at], at + 1
