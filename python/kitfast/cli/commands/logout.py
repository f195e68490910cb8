"""`kitfast logout`: forgets the user and password kept for a registry."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def logout(
    session: Session,
    registry: Annotated[str, Argument(metavar="REGISTRY", help="The registry's host name.")],
) -> None:
    """Forget the user and password for a registry."""
    from kitfast import aio

    logged_out = session.run(lambda _: aio.logout(registry, home=session.home))
    session.show(logged_out, human.logged_out)


VERBS = (verb(logout, "kitfast logout registry.example", network=True),)
