"""`kitfast unpack`: puts the files of a kit into a folder."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from kitfast.cli.options import FileDigests, verb
from kitfast.cli.render import human
from kitfast.cli.session import Session


def unpack(
    session: Session,
    reference: Annotated[
        str, Argument(metavar="REFERENCE", help="The kit: [registry/]repository[:tag|@digest].")
    ],
    directory: Annotated[
        str, Option("--dir", "-d", metavar="DIR", help="Where to; made if it is not there.")
    ] = ".",
    overwrite: Annotated[
        bool, Option("--overwrite", "-o", help="Replace files that are there.")
    ] = False,
    ignore_existing: Annotated[
        bool, Option("--ignore-existing", "-i", help="Keep files that are there.")
    ] = False,
    filters: Annotated[
        list[str] | None,
        Option(
            "--filter",
            "-f",
            metavar="TYPES[:NAMES]",
            help="What to unpack: kitfile, model, datasets, code, docs, prompts (repeatable).",
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        Option(
            "--include",
            metavar="PATTERN",
            help="Only files that fit, also inside of tars: *.json, weights/** (repeatable).",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        Option("--exclude", metavar="PATTERN", help="No files that fit (repeatable)."),
    ] = None,
    link: Annotated[
        bool, Option("--link", help="Hard-link files of the store instead of copying.")
    ] = False,
    remote: Annotated[
        bool, Option("--remote", "-r", help="Read from the registry, whatever the store has.")
    ] = False,
    file_digests: FileDigests = None,
    unverified: Annotated[
        bool,
        Option(
            "--unverified",
            help="Fetch single files also where nothing says what their bytes should be.",
        ),
    ] = False,
    marker: Annotated[
        str | None,
        Option(
            "--marker",
            metavar="FILE",
            help="Write FILE last, when all is there and verified; if it says so, do nothing.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Only say what would be fetched; write nothing.")
    ] = False,
    # kit's older spellings of --filter.
    kitfile: Annotated[bool, Option("--kitfile", hidden=True)] = False,
    model: Annotated[bool, Option("--model", hidden=True)] = False,
    code: Annotated[bool, Option("--code", hidden=True)] = False,
    datasets: Annotated[bool, Option("--datasets", hidden=True)] = False,
    docs: Annotated[bool, Option("--docs", hidden=True)] = False,
) -> None:
    """Put the files of a kit into a folder.

    The kit is read from the local store, or else from its registry. Each layer is verified
    before its files appear. Files that are there are an error, unless --overwrite or
    --ignore-existing says what to do with them.

    With --marker, FILE is there only while DIR holds all that was asked for: it goes before
    anything is written and comes when everything is verified and safely on the disk. It
    holds the kit's digest, and the same command again is done at once.
    """
    from kitfast import aio

    older = {"kitfile": kitfile, "model": model, "code": code, "datasets": datasets, "docs": docs}
    wanted = filters or [name for name, given in older.items() if given]
    if dry_run:
        planned = session.run(
            lambda progress: aio.preview(
                reference,
                unpack=True,
                directory=directory,
                filters=wanted,
                include=include or (),
                exclude=exclude or (),
                remote=True if remote else None,
                file_digests=file_digests,
                unverified=unverified,
                marker=marker,
                home=session.home,
                network=session.network,
            )
        )
        session.show(planned, human.preview)
        return
    unpacked = session.run(
        lambda progress: aio.unpack(
            reference,
            directory,
            overwrite=overwrite,
            ignore_existing=ignore_existing,
            filters=wanted,
            include=include or (),
            exclude=exclude or (),
            link=link,
            remote=True if remote else None,
            file_digests=file_digests,
            unverified=unverified,
            marker=marker,
            home=session.home,
            network=session.network,
            progress=progress,
        ),
        resumable=True,
    )
    session.show(unpacked, human.unpacked)


VERBS = (
    verb(
        unpack,
        """
kitfast unpack registry.example/team/model:v1 -d model
kitfast unpack model:v1 --filter model --filter datasets:train
kitfast unpack model:v1 -d model --overwrite
kitfast unpack registry.example/team/model:v1 -d /model --marker /model/.complete
kitfast unpack model:v1 -d model --include "*.json" --exclude "*/checkpoints/*"
""",
        network=True,
    ),
)
