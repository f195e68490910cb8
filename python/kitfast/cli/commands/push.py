"""`kitfast push`: sends a kit of the store to a registry."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def push(
    session: Session,
    source: Annotated[str, Argument(metavar="SOURCE", help="The kit in the local store.")],
    destination: Annotated[
        str | None,
        Argument(metavar="DESTINATION", help="Where to, if not where SOURCE says."),
    ] = None,
) -> None:
    """Send a kit of the local store to a registry.

    What the registry has is not sent again; a broken push goes on where it can.
    """
    from kitfast import aio

    pushed = session.run(
        lambda progress: aio.push(
            source,
            destination,
            home=session.home,
            network=session.network,
            progress=progress,
        ),
        resumable=True,
    )
    session.show(pushed, human.pushed)


VERBS = (
    verb(
        push,
        """
kitfast push registry.example/team/model:v1
kitfast push model:v1 registry.example/team/model:v1
""",
        network=True,
    ),
)
