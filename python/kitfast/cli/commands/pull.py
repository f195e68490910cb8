"""`kitfast pull`: brings a kit from a registry into the store."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def pull(
    session: Session,
    reference: Annotated[
        str, Argument(metavar="REFERENCE", help="The kit: registry/repository[:tag|@digest].")
    ],
) -> None:
    """Bring a kit from a registry into the local store.

    Every byte is verified. A pull that was stopped goes on from where it was, and so does
    one that broke.
    """
    from kitfast import aio

    pulled = session.run(
        lambda progress: aio.pull(
            reference, home=session.home, network=session.network, progress=progress
        ),
        resumable=True,
    )
    session.show(pulled, human.pulled)


VERBS = (
    verb(
        pull,
        """
kitfast pull registry.example/team/model:v1
kitfast pull registry.example/team/model:v1 --connections 32
""",
        network=True,
    ),
)
