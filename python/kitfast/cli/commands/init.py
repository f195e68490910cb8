"""`kitfast init`: writes a Kitfile for a folder."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def init(
    session: Session,
    path: Annotated[str, Argument(metavar="PATH", help="The folder.")],
    name: Annotated[
        str | None, Option("--name", metavar="NAME", help="The kit's name; asked for if not given.")
    ] = None,
    description: Annotated[
        str | None, Option("--desc", metavar="TEXT", help="What the kit is.")
    ] = None,
    author: Annotated[str | None, Option("--author", metavar="NAME", help="Who made it.")] = None,
    force: Annotated[bool, Option("--force", "-f", help="Replace a Kitfile.")] = False,
) -> None:
    """Write a Kitfile for a folder, from what is in it."""
    from kitfast import aio

    about = {
        "name": _asked(name, "Name of the kit: "),
        "description": _asked(description, "What it is, in a few words: "),
        "author": _asked(author, "Author: "),
    }
    initialized = session.run(lambda _: aio.init(path, **about, force=force))
    session.show(initialized, human.initialized)


def _asked(given: str | None, prompt: str) -> str:
    """What was given, else what is typed; on no terminal nothing, as kit does."""
    if given is not None or not sys.stdin.isatty():
        return given or ""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


VERBS = (
    verb(
        init,
        """
kitfast init .
kitfast init my-model --name my-model --desc "What it does" --author me
""",
    ),
)
