"""`kitfast push`: sends a kit of the store, or a folder, to a registry."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from kitfast.cli.commands.pack import Compression, LayerFormat
from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def push(
    session: Session,
    source: Annotated[
        str, Argument(metavar="SOURCE", help="The kit in the local store, or a folder.")
    ],
    destination: Annotated[
        str | None,
        Argument(metavar="DESTINATION", help="Where to, if not where SOURCE says."),
    ] = None,
    file: Annotated[
        str | None,
        Option("--file", "-f", metavar="PATH", help="A folder's Kitfile; - reads standard input."),
    ] = None,
    compression: Annotated[
        Compression,
        Option(
            "--compression",
            metavar="none|gzip|gzip-fastest|zstd",
            help="Compress a folder's layers on their way, as pack does.",
        ),
    ] = Compression.none,
    layer_format: Annotated[
        LayerFormat,
        Option("--layer-format", metavar="tar|raw", help="Of a folder's layers, as in pack."),
    ] = LayerFormat.tar,
    use_model_pack: Annotated[
        bool, Option("--use-model-pack", help="Push a folder as a CNCF ModelPack artifact.")
    ] = False,
    follow_links: Annotated[
        bool, Option("--follow-links", help="Push what a folder's symbolic links point to.")
    ] = False,
    allow_empty: Annotated[
        bool, Option("--allow-empty", help="Allow entries without a file, as kit does.")
    ] = False,
    file_digests: Annotated[
        bool | None,
        Option(
            "--file-digests/--no-file-digests",
            help="Publish digests of single files beside the kit; yes if not given.",
        ),
    ] = None,
    no_cache: Annotated[
        bool, Option("--no-cache", help="Read a folder's files again that look unchanged.")
    ] = False,
) -> None:
    """Send a kit of the local store, or a folder, to a registry.

    What the registry has is not sent again; a broken push goes on where it can. A folder is
    sent from where it is, each byte read once and none written: it gets the same digests as
    pack and then push. Write ./NAME for a folder that is called like a kit of the store.
    """
    from kitfast import aio

    pushed = session.run(
        lambda progress: aio.push(
            source,
            destination,
            kitfile=file,
            compression=compression.value,
            layer_format=layer_format.value,
            use_model_pack=use_model_pack,
            follow_links=follow_links,
            allow_empty=allow_empty,
            file_digests=file_digests,
            cache=not no_cache,
            home=session.home,
            network=session.network,
            progress=progress,
        ),
        resumable=True,
    )
    session.show(pushed, human.pushed)


VERBS = (
    verb(
        push,
        """
kitfast push registry.example/team/model:v1
kitfast push model:v1 registry.example/team/model:v1
kitfast push ./my-model registry.example/team/model:v1
""",
        network=True,
    ),
)
