"""`kitfast bench`: measures what this machine and the link to a registry can do."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from kitfast import settings
from kitfast.cli.options import verb
from kitfast.cli.render import measures
from kitfast.cli.session import Session


def bench(
    session: Session,
    reference: Annotated[
        str | None,
        Argument(metavar="REFERENCE", help="A kit in a registry: measures the link to it."),
    ] = None,
    folder: Annotated[
        str | None,
        Option("--dir", "-d", metavar="DIR", help="The disk to measure; the home if not given."),
    ] = None,
    size: Annotated[
        str, Option("--size", metavar="SIZE", help="Bytes to write there, and to hash.")
    ] = "256MiB",
    seconds: Annotated[
        int,
        Option("--seconds", metavar="N", help="The time each reading over the link may take."),
    ] = 5,
) -> None:
    """Measure what this machine can do: hashing, disk, sockets.

    With a REFERENCE, also what the link to its registry can do: the kit's largest layer is
    read, as one stream and in ranges side by side, and thrown away. Nothing is left on the
    disk.
    """
    from kitfast import aio

    session.show(
        session.run(
            lambda progress: aio.bench(
                reference,
                folder=folder,
                size=settings.byte_count(size, "--size"),
                seconds=seconds,
                home=session.home,
                network=session.network,
                progress=progress,
            )
        ),
        measures.text,
    )


VERBS = (
    verb(
        bench,
        """
kitfast bench
kitfast bench --dir /mnt/models --size 1GiB --format json
kitfast bench registry.example/team/model:v1 --connections 16
""",
        network=True,
    ),
)
