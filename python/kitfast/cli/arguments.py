"""Rewrites flags as Go programs spell them into the spelling typer reads.

kit's users write `--tls-verify=false`, `-o=true` and `-f=Kitfile`; typer knows none of
these. Values stay untouched: what follows a flag that takes a value is never rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kitfast.settings import boolean


@dataclass(frozen=True)
class Flags:
    """The flags of one command, by what may follow them.

    `switches` maps a spelling to the words that turn it on and off; no word for off
    means that leaving the flag out does. `valued` take a value.
    """

    switches: dict[str, tuple[str, str | None]]
    valued: frozenset[str]

    @classmethod
    def of(cls, parameters: Iterable[Any]) -> Flags:
        """Reads typer's parameter objects."""
        switches: dict[str, tuple[str, str | None]] = {}
        valued: set[str] = set()
        for parameter in parameters:
            if parameter.param_type_name != "option" or getattr(parameter, "count", False):
                continue
            if not parameter.is_flag:
                valued.update(parameter.opts)
                continue
            off = parameter.secondary_opts[0] if parameter.secondary_opts else None
            for spelling in parameter.opts:
                switches[spelling] = (parameter.opts[0], off)
            for spelling in parameter.secondary_opts:
                switches[spelling] = (spelling, parameter.opts[0])
        return cls(switches, frozenset(valued))


def rewrite(words: Sequence[str], flags: Flags, *, until_first_argument: bool = False) -> list[str]:
    """Returns the words in typer's spelling.

    Args:
        until_first_argument: leave the rest alone from the first word that is no flag,
            as the words after a verb belong to the verb.

    Raises:
        InvalidArgument: a switch was given a value that is neither true nor false.
    """
    done: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--" or (until_first_argument and not word.startswith("-")):
            return [*done, word, *rest]
        rewritten, takes_next = _rewrite_word(word, flags)
        done += rewritten
        if takes_next and rest:
            done.append(rest.pop(0))
    return done


def _rewrite_word(word: str, flags: Flags) -> tuple[list[str], bool]:
    """One word, and whether the next one is its value."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        if equals and name in flags.switches:
            return _switched(name, value, flags), False
        return [word], not equals and name in flags.valued
    if word.startswith("-") and len(word) > 1:
        return _rewrite_cluster(word, flags)
    return [word], False


def _rewrite_cluster(word: str, flags: Flags) -> tuple[list[str], bool]:
    """Short flags written together, such as `-of=model` or `-rf`."""
    before: list[str] = []
    for index, letter in enumerate(word[1:], start=1):
        name, rest = f"-{letter}", word[index + 1 :]
        if name in flags.valued:
            value = rest.removeprefix("=")
            return [*before, name, *([value] if rest else [])], not rest
        if name in flags.switches and rest.startswith("="):
            return [*before, *_switched(name, rest[1:], flags)], False
        before.append(name)
    return [word], False


def _switched(name: str, value: str, flags: Flags) -> list[str]:
    on, off = flags.switches[name]
    if boolean(value, name):
        return [on]
    return [off] if off is not None else []
