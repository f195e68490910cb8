"""`unpack`: puts the files of a kit into a folder, from the store or a registry."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import offload, settings
from kitfast.errors import AlreadyExists, FileError, InvalidArgument
from kitfast.kitfile.filter import parse_filters
from kitfast.modelkit.patterns import refuse_empty
from kitfast.modelkit.unpacking import Job, Unpacked, unchanged
from kitfast.oci import reference as references
from kitfast.oci.reference import Reference
from kitfast.progress import Callback
from kitfast.settings import Network
from kitfast.store.home import opened, opened_if_there

if TYPE_CHECKING:
    from kitfast.modelkit.marker import Marked, Marker

__all__ = ["Unpacked", "unpack"]


async def unpack(
    reference: str,
    directory: str | Path = ".",
    *,
    overwrite: bool = False,
    ignore_existing: bool = False,
    filters: Sequence[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    link: bool = False,
    remote: bool | None = None,
    file_digests: bool | None = None,
    unverified: bool = False,
    marker: str | Path | None = None,
    home: Path | None = None,
    network: Network | None = None,
    progress: Callback | None = None,
) -> Unpacked:
    """Puts the files of a kit into a folder; each layer is verified before its files appear.

    Args:
        reference: the kit.
        directory: the folder, made if it is not there.
        overwrite: replace files that are there.
        ignore_existing: keep files that are there.
        filters: what to unpack, `types[:names-or-paths]`; several are alternatives.
        include: patterns of the files to write, also inside of tars; none means all. `*` and
            `?` stop at `/`, `**` does not; a pattern without `/` is held against every part
            of a name, and one that fits a folder fits everything in it.
        exclude: patterns of files not to write, even if they are included.
        link: hard-link files of the store where that can be, instead of copying.
        remote: True asks the registry, False the store; None the store, then the registry.
        file_digests: fetch single files out of layers where their digests were published
            beside the kit, and hold them against those; False fetches whole layers. None
            asks the environment, which says yes for a tag, and no for a digest: what is
            published beside a kit is not covered by it.
        unverified: fetch single files also where no digest of them is known, and hold them
            against nothing.
        marker: a file that is there only while the folder holds all that was asked for.
            It is removed before anything is written, and written when everything is
            verified and on the disk. Where it vouches for the same kit already, nothing is
            done; for a reference by digest, no registry is asked either. What was held
            against published digests counts only where `file_digests` would use these.

    Raises:
        NotFound: neither the store nor the registry holds the kit.
        FileError: `directory`, or what should hold it, is no folder; or no marker can be
            written where it should be.
        AlreadyExists: a file is there, and neither option says what to do with it. Where
            the kit's manifest tells, nothing has been fetched or written by then. Or files
            were kept, and no marker can vouch for them.
        DigestMismatch: a layer is not what the manifest says; none of its files is left.
    """
    if overwrite and ignore_existing:
        raise InvalidArgument(
            "--overwrite and --ignore-existing exclude each other", hint="leave one out"
        )
    parsed = references.parse(reference)
    if len(parsed.each()) > 1:
        raise InvalidArgument(f"{reference}: unpack takes one tag", hint="name one tag only")
    wanted = parse_filters(filters)
    _require_folder(Path(directory))
    existing = "overwrite" if overwrite else "keep" if ignore_existing else "refuse"
    refuse_empty((*include, *exclude))
    vouching: Marker | None = None
    if marker is not None:
        from kitfast.modelkit.marker import Choice, Marker

        choice = Choice(tuple(filters), tuple(include), tuple(exclude))
        vouching = Marker(Path(marker), Path(directory), choice)
    said = await already(vouching, parsed, file_digests, unverified)
    if said is not None and said.digest == parsed.digest:
        return await unchanged(said, Path(directory))
    folder = home or settings.home()
    # Only the store can hold a local kit; others can do without one.
    store_of = opened if parsed.is_local or remote is False else opened_if_there
    async with store_of(folder) as store:
        job = Job(
            store, folder, Path(directory), existing, link, network or settings.network(), progress
        )
        job.include, job.exclude = list(include), list(exclude)
        job.file_digests, job.unverified = file_digests, unverified
        if vouching is not None:
            from kitfast.modelkit.voucher import Voucher

            job.voucher = Voucher(vouching, said, job.targets)
        try:
            return await job.run(parsed, wanted, remote)
        except AlreadyExists as error:
            if existing != "refuse" and error.hint == AlreadyExists.default_hint:
                # The rule for files that are there was given, and does not help.
                error.hint = "a folder is where the kit has a file, or a file where it has a folder"
            raise


async def already(
    marker: Marker | None, reference: Reference, file_digests: bool | None, unverified: bool
) -> Marked | None:
    """What a marker vouches for already, as far as it is good enough for this call.

    Raises:
        InvalidArgument, FileError, AlreadyExists: there can be no such marker.
    """
    if marker is None:
        return None
    if unverified:
        raise InvalidArgument(
            "a marker vouches for verified files: not with unverified ones",
            hint="leave out --unverified or --marker",
        )
    from kitfast.modelkit.published import takes_lists

    await offload.run(marker.require_place)
    said = await offload.run(marker.read)
    if said is not None and said.verified != "layer" and not takes_lists(reference, file_digests):
        # It vouches for files that were held against less than is asked for now.
        return None
    return said


def _require_folder(directory: Path) -> None:
    """Refuses a path that is a file, or lies in one, before anything is fetched for it."""
    there = next((path for path in (directory, *directory.parents) if os.path.lexists(path)), None)
    if there is not None and not os.path.isdir(there):  # noqa: PTH112 (never raises)
        raise FileError(
            f"{there}: is not a folder",
            path=str(there),
            errno=errno.ENOTDIR,
            hint="name a folder to unpack into, or one to be made",
        )
