"""`kitfast pack`: makes a kit of a folder and its Kitfile."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from typer import Argument, Option

from kitfast.cli.options import verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


class Compression(str, Enum):
    """How layers are compressed."""

    none = "none"
    gzip = "gzip"
    gzip_fastest = "gzip-fastest"
    zstd = "zstd"


class LayerFormat(str, Enum):
    """What a layer is."""

    tar = "tar"
    raw = "raw"


def pack(
    session: Session,
    directory: Annotated[
        str, Argument(metavar="DIRECTORY", help="The folder the Kitfile's paths start from.")
    ],
    file: Annotated[
        str | None,
        Option("--file", "-f", metavar="PATH", help="The Kitfile; - reads standard input."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        Option("--tag", "-t", metavar="REF", help="Name for the kit: [registry/]repo:tag1,tag2."),
    ] = None,
    compression: Annotated[
        Compression,
        Option(
            "--compression",
            metavar="none|gzip|gzip-fastest|zstd",
            help="Compress layers; weights barely shrink. zstd needs kit 1.15 to read.",
        ),
    ] = Compression.none,
    layer_format: Annotated[
        LayerFormat,
        Option("--layer-format", metavar="tar|raw", help="raw needs kit 1.15 to read."),
    ] = LayerFormat.tar,
    use_model_pack: Annotated[
        bool, Option("--use-model-pack", help="Write a CNCF ModelPack artifact.")
    ] = False,
    follow_links: Annotated[
        bool, Option("--follow-links", help="Pack what symbolic links point to.")
    ] = False,
    no_cache: Annotated[
        bool, Option("--no-cache", help="Hash files again that look unchanged.")
    ] = False,
    allow_empty: Annotated[
        bool, Option("--allow-empty", help="Allow entries without a file, as kit does.")
    ] = False,
) -> None:
    """Make a kit of a folder, in the local store.

    The same files always give the same layers, byte for byte, and the same as kit's.
    """
    from kitfast import aio

    packed = session.run(
        lambda progress: aio.pack(
            directory,
            kitfile=file,
            tags=tag or (),
            compression=compression.value,
            layer_format=layer_format.value,
            use_model_pack=use_model_pack,
            follow_links=follow_links,
            allow_empty=allow_empty,
            cache=not no_cache,
            home=session.home,
            network=session.network,
            progress=progress,
        ),
        resumable=True,
    )
    session.show(packed, human.packed)


VERBS = (
    verb(
        pack,
        """
kitfast pack . -t registry.example/team/model:v1
kitfast pack my-model -t model:v1,latest --follow-links
kitfast pack my-model -f other/Kitfile --use-model-pack
""",
        network=True,
    ),
)
