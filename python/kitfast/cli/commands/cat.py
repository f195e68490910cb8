"""`kitfast cat`: writes one file of a kit to standard output."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from kitfast.cli.options import FileDigests, verb
from kitfast.cli.render.output import put_bytes
from kitfast.cli.session import Session


def cat(
    session: Session,
    reference: Annotated[
        str, Argument(metavar="REFERENCE", help="The kit; oci:// or kit:// may stand in front.")
    ],
    path: Annotated[str, Argument(metavar="PATH", help="The file's path in the kit.")],
    unverified: Annotated[
        bool,
        Option(
            "--unverified",
            help="Fetch only this file's bytes, which cannot be held against a digest.",
        ),
    ] = False,
    file_digests: FileDigests = None,
) -> None:
    """Write one file of a kit to standard output.

    It is read in the local store. Where it is not there, a large file is streamed and verified
    in groups of 4 MiB; a small one is fetched into the store. Where no digests of it were
    published beside the kit, its whole layer is fetched and verified.
    With --unverified, only the file's own bytes are fetched, and kept nowhere.
    """
    from kitfast import aio
    from kitfast.modelkit.file import BUFFER

    file = session.run(
        lambda progress: aio.open(
            reference,
            path,
            unverified=unverified,
            file_digests=file_digests,
            home=session.home,
            network=session.network,
            progress=progress,
        ),
        resumable=True,
    )
    with file:
        while piece := file.read(BUFFER):
            put_bytes(piece)


VERBS = (
    verb(
        cat,
        """
kitfast cat registry.example/team/model:v1 config.json
kitfast cat registry.example/team/model:v1 model.safetensors --unverified | head -c 1024
""",
        network=True,
        reports=False,
    ),
)
