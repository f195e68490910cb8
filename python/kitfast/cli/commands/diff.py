"""`kitfast diff`: compares two kits."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def diff(
    session: Session,
    first: Annotated[
        str, Argument(metavar="FIRST", help="A kit; local:// or remote:// says where to look.")
    ],
    second: Annotated[str, Argument(metavar="SECOND", help="The other kit.")],
) -> None:
    """Compare two kits by their layers.

    Without local:// or remote:// a kit is looked for in the local store, and then in its
    registry. No layer is fetched.
    """
    from kitfast import aio

    difference = session.run(
        lambda _: aio.diff(first, second, home=session.home, network=session.network)
    )
    session.show(difference, lambda found: human.difference(found, first, second))


VERBS = (
    verb(
        diff,
        """
kitfast diff model:v1 model:v2
kitfast diff local://registry.example/team/model:v1 remote://registry.example/team/model:v1
""",
        network=True,
    ),
)
