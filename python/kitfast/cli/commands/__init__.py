"""The verbs, one file each, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kitfast.cli.options import Verb

# In the order in which people use them.
NAMES = (
    "init",
    "pack",
    "push",
    "pull",
    "unpack",
    "resolve",
    "cat",
    "list",
    "info",
    "inspect",
    "diff",
    "tag",
    "remove",
    "cache",
    "serve",
    "bench",
    "login",
    "logout",
    "completion",
    "version",
)

# Entry points of container images, in no list: the verb, and the module it is in.
HIDDEN = {"container-init": "container", "container-kserve": "container"}


def verbs(first_word: str) -> tuple[Verb, ...]:
    """The verb that `first_word` names, or all of them where it names none.

    Making all of them ready takes longer than most of them run.
    """
    if first_word in HIDDEN:
        names: tuple[str, ...] = (HIDDEN[first_word],)
    else:
        names = (first_word,) if first_word in NAMES else NAMES
    modules = (import_module(f"kitfast.cli.commands.{name}") for name in names)
    return tuple(verb for module in modules for verb in module.VERBS)
