"""`kitfast remove`: takes kits out of the store, or out of a registry."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session
from kitfast.errors import InvalidArgument


def remove(
    session: Session,
    reference: Annotated[
        str | None,
        Argument(metavar="REFERENCE", help="[registry/]repository[:tag1,tag2|@digest]."),
    ] = None,
    force: Annotated[
        bool, Option("--force", "-f", help="Remove the kit with all its tags.")
    ] = False,
    all: Annotated[
        bool, Option("--all", "-a", help="Every kit without a tag; with --force, every kit.")
    ] = False,
    remote: Annotated[
        bool, Option("--remote", "-r", help="Remove from the registry, not the local store.")
    ] = False,
) -> None:
    """Remove a tag, and with its last tag the kit.

    From the local store, or with --remote from a registry."""
    from kitfast import aio

    if remote and (all or force):
        raise InvalidArgument(
            "--remote does not go with --all or --force", hint="name one reference"
        )
    removed = session.run(
        lambda _: aio.remove(
            reference,
            force=force,
            all=all,
            remote=remote,
            home=session.home,
            network=session.network,
        )
    )
    session.show(removed, human.removed)


VERBS = (
    verb(
        remove,
        """
kitfast remove model:v1
kitfast remove model:v1,v2
kitfast remove registry.example/team/model:v1 --remote
kitfast remove --all --force
""",
        network=True,
    ),
)
