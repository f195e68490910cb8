"""`kitfast resolve`: prints the folder that holds a kit's files, fetched once."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def resolve(
    session: Session,
    reference: Annotated[
        str, Argument(metavar="REFERENCE", help="The kit; oci:// or kit:// may stand in front.")
    ],
    filters: Annotated[
        list[str] | None,
        Option(
            "--filter",
            "-f",
            metavar="TYPES[:NAMES]",
            help="What is wanted: kitfile, model, datasets, code, docs, prompts (repeatable).",
        ),
    ] = None,
    forget: Annotated[
        bool, Option("--forget", help="Remove the folders made for the kit instead.")
    ] = False,
) -> None:
    """Print the folder that holds a kit's files, after fetching them if need be.

    The folder is made once for each digest, is shared by all processes, and is there only
    when it is whole and verified: read it, do not write to it. Without the registry, a tag
    stands for what it stood for last.
    """
    from kitfast import aio

    if forget:
        forgotten = session.run(
            lambda _: aio.forget(reference, home=session.home, network=session.network)
        )
        session.show(forgotten, human.forgotten)
        return
    resolved = session.run(
        lambda progress: aio.resolve(
            reference,
            filters=filters or (),
            home=session.home,
            network=session.network,
            progress=progress,
        ),
        resumable=True,
    )
    session.show(resolved, human.resolved)


VERBS = (
    verb(
        resolve,
        """
kitfast resolve registry.example/team/model:v1
ls "$(kitfast resolve oci://registry.example/team/model:v1 --filter model)"
kitfast resolve --forget registry.example/team/model:v1
""",
        network=True,
    ),
)
