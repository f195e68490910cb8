"""`kitfast pull`: brings a kit from a registry into the store."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def pull(
    session: Session,
    reference: Annotated[
        str, Argument(metavar="REFERENCE", help="The kit: registry/repository[:tag|@digest].")
    ],
    dry_run: Annotated[
        bool, Option("--dry-run", help="Only say what would be fetched; fetch no layer.")
    ] = False,
) -> None:
    """Bring a kit from a registry into the local store.

    Every byte is verified. A pull that was stopped goes on from where it was, and so does
    one that broke.
    """
    from kitfast import aio

    if dry_run:
        planned = session.run(
            lambda progress: aio.preview(reference, home=session.home, network=session.network)
        )
        session.show(planned, human.preview)
        return
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
kitfast pull registry.example/team/model:v1 --dry-run
""",
        network=True,
    ),
)
