"""`kitfast serve`: offers the kits of the store to others, as a registry."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def serve(
    session: Session,
    host: Annotated[
        str, Option("--host", metavar="ADDRESS", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, Option("--port", metavar="PORT", help="The port; 5050 if not given, 0 for a free one.")
    ] = 5050,
) -> None:
    """Offer the kits of the local store as a registry.

    It speaks plain HTTP and lets everybody in. It runs until it is stopped with Ctrl-C.
    """
    from kitfast import aio

    session.run(
        lambda _: aio.serve(
            host=host,
            port=port,
            home=session.home,
            ready=lambda serving: session.show(serving, human.serving),
        )
    )


VERBS = (
    verb(
        serve,
        """
kitfast serve
kitfast serve --host 0.0.0.0 --port 5000
kitfast pull 127.0.0.1:5050/model:v1 --plain-http
""",
    ),
)
