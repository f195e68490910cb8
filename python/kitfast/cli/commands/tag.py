"""`kitfast tag`: gives a kit of the store another name."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def tag(
    session: Session,
    source: Annotated[str, Argument(metavar="SOURCE", help="The kit in the local store.")],
    destination: Annotated[str, Argument(metavar="DESTINATION", help="Its further name.")],
) -> None:
    """Give a kit of the local store another name."""
    from kitfast import aio

    tagged = session.run(lambda _: aio.tag(source, destination, home=session.home))
    session.show(tagged, human.tagged)


VERBS = (verb(tag, "kitfast tag model:v1 registry.example/team/model:stable"),)
