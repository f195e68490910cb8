"""`kitfast inspect`: shows a kit's manifest and Kitfile as JSON."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from kitfast.cli.options import verb
from kitfast.cli.render import kits
from kitfast.cli.render.output import put
from kitfast.cli.session import Session


def inspect(
    session: Session,
    reference: Annotated[str, Argument(metavar="REFERENCE", help="The kit.")],
    remote: Annotated[
        bool, Option("--remote", "-r", help="Ask the registry, not the local store.")
    ] = False,
) -> None:
    """Show a kit's manifest and Kitfile, as JSON."""
    from kitfast import aio

    found = session.run(
        lambda _: aio.inspect(reference, remote=remote, home=session.home, network=session.network)
    )
    put(kits.inspection(found))


VERBS = (
    verb(
        inspect,
        """
kitfast inspect model:v1
kitfast inspect registry.example/team/model:v1 --remote | jq .manifest.layers
""",
        network=True,
    ),
)
