"""Decides for each layer whether all of it, a part, or nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence

from kitfast import _core
from kitfast.errors import Corrupt, UnsafeMember
from kitfast.kitfile.match import Unpackable
from kitfast.modelkit.fetch import Source
from kitfast.modelkit.filelist import SMALLEST_LAYER, ListedLayer, Member, listed
from kitfast.modelkit.kit import Kit
from kitfast.modelkit.members import WINDOW
from kitfast.modelkit.parts import MOST_REQUESTS, Part, is_worth_it
from kitfast.modelkit.patterns import Chooser
from kitfast.modelkit.published import find
from kitfast.modelkit.ranges import RangesRefused, read_range, registry_of
from kitfast.oci.descriptor import Descriptor


async def choose(
    source: Source,
    kit: Kit,
    wanted: Sequence[tuple[Unpackable, Chooser]],
    *,
    file_digests: bool,
    unverified: bool,
) -> list[Part | None]:
    """Decides for each layer whether a part of it is fetched; None means the whole.

    Args:
        source: where the layers come from.
        kit: the kit they are of.
        wanted: the layers, each with the patterns that say what is wanted of it.
        file_digests: whether published lists are used.
        unverified: whether layers without a list are read by their headers.
    """
    open_ones = [
        item.core_shape == "tar" and item.descriptor.size >= SMALLEST_LAYER for item, _ in wanted
    ]
    lists: dict[str, ListedLayer] = {}
    if file_digests and any(open_ones):
        with source.arrivals.account.during("registry"):
            lists, warnings = await find(
                registry_of(source), source.repository, kit.digest, kit.manifest.layers
            )
        source.arrivals.warnings += warnings
    parts: list[Part | None] = []
    for (item, chooser), is_open in zip(wanted, open_ones, strict=True):
        layer = item.descriptor
        known = lists.get(layer.digest) if is_open else None
        verified = known is not None
        if known is None and is_open and unverified:
            known = await _hop(source, layer)
        part = None
        try:
            part = _part(known, layer, chooser, verified) if known is not None else None
        except UnsafeMember as error:
            source.arrivals.warnings.append(f"{layer.digest}: is fetched whole: {error}")
        parts.append(part if part is not None and _is_worthwhile(part) else None)
    return parts


def _part(known: ListedLayer, layer: Descriptor, chooser: Chooser, verified: bool) -> Part | None:
    if any(chooser.wants(name) for name in known.names):
        return None
    files = tuple(file for file in known.files if chooser.wants(file.name))
    folders = tuple(folder for folder in known.folders if chooser.wants(folder.name))
    # Those of a whole layer are looked at when it comes.
    chooser.check_names([one.name for one in files], [one.name for one in folders])
    return Part(layer, files, folders, verified)


def _is_worthwhile(part: Part) -> bool:
    return is_worth_it(part.layer, part.size) and part.requests <= MOST_REQUESTS


async def _hop(source: Source, layer: Descriptor) -> ListedLayer | None:
    """Lists the files of a layer by reading its headers; None where that is no use."""
    walk = _core.TarWalk(layer.size)
    members: list[Member] = []
    at, window, requests = 0, b"", 0
    while True:
        try:
            kind, name, offset, length, mode = walk.step(at, window)
        except (Corrupt, UnsafeMember):
            # The whole layer says it better: then its digest is known to be right.
            return None
        if kind == "end":
            return listed(layer, members)
        if kind == "need":
            requests += 1
            if requests > MOST_REQUESTS:
                return None
            at, length = offset, min(max(length, WINDOW), layer.size - offset)
            try:
                window = await read_range(registry_of(source), source.repository, layer, at, length)
            except RangesRefused:
                return None
            source.arrivals.fetched += length
        else:
            known = _name_of(layer, offset, length) if kind == "member" else None
            members.append((name, offset, length, mode, known, b""))


def _name_of(layer: Descriptor, offset: int, size: int) -> str:
    """What a file is called that has no digest: the same for the same bytes of the layer."""
    told = _core.blake3(f"{layer.digest} {offset} {size}".encode())
    return f"unverified:{told.removeprefix('blake3:')}"
