"""Results as text for people; tables as kit prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kitfast.cli.failures import printable
from kitfast.cli.render.kits import NONE
from kitfast.cli.render.units import seconds, size

if TYPE_CHECKING:
    from kitfast import aio

COLUMNS = ("REPOSITORY", "TAG", "MAINTAINER", "NAME", "SIZE", "DIGEST")
GAP = 3
HOLDERS = {
    "network": "the network",
    "registry": "the registry",
    "disk": "the disk",
    "hash": "the hash",
    "cpu": "the CPU",
    "max-rate": "--max-rate",
}


def packed(result: aio.Packed) -> str:
    """What `pack` made."""
    named = f" as {', '.join(result.references)}" if result.references else ""
    return f"Packed {result.digest}{named} ({_layers(len(result.layers), result.size)})\n"


def pushed(result: aio.Pushed) -> str:
    """What `push` sent."""
    return (
        f"Pushed {result.digest} to {', '.join(result.references)} "
        f"({_layers(result.layers, result.size)}; {_moved(result.sent, result.reused, 'sent')})\n"
    )


def pulled(result: aio.Pulled) -> str:
    """What `pull` fetched."""
    return (
        f"Pulled {result.digest} as {', '.join(result.references)} "
        f"({_layers(result.layers, result.size)}; "
        f"{_moved(result.fetched, result.reused, 'fetched')})\n"
    )


def unpacked(result: aio.Unpacked) -> str:
    """What `unpack` wrote."""
    if result.unchanged:
        what = _count(result.kept, "file")
        return f"{result.directory} holds {result.digest} already ({what}, by its marker)\n"
    notes = [f"{_count(result.files, 'file')}, {size(result.size)}"]
    if result.kept:
        notes.append(f"{_count(result.kept, 'file')} kept")
    if result.remote:
        notes.append(_moved(result.fetched, result.reused, "fetched"))
    if result.verified == "file":
        notes.append("single files verified by published digests")
    elif result.verified == "none":
        notes.append("NOT verified")
    return f"Unpacked {result.digest} to {result.directory} ({'; '.join(notes)})\n"


def resolved(result: aio.Resolved) -> str:
    """The folder alone, so that a shell can take it."""
    return f"{result.path}\n"


def forgotten(result: aio.Forgotten) -> str:
    """Which folders are gone, one a line."""
    return "".join(f"Removed {path}\n" for path in result.paths) or "Nothing to remove\n"


def signed(result: aio.Signed) -> str:
    """Whose signature is good."""
    return f"The signature of {result.reference} is good\n"


def preview(result: aio.Preview) -> str:
    """What a pull or an unpack would fetch, a layer a line."""
    rows = [("LAYER", "SIZE", "HERE", "PARTS", "DIGEST")]
    for layer in result.layers:
        about = (size(layer.size), size(layer.here), str(layer.parts))
        rows.append((_kind(layer.media_type), *about, layer.digest))
    few, most = result.connections, result.most_connections
    over = f"{few} connections" if few == most else f"{few} to {most} connections"
    fetched = f"{size(result.fetch)} ({result.fetch} bytes) to fetch"
    what = f"{printable(result.reference)} ({result.digest})"
    if not result.fetch:
        return f"{what}: nothing to fetch\n{table(rows)}"
    return f"{what}: {fetched}, in {_count(result.parts, 'part')} over {over}\n{table(rows)}"


def flow(result: aio.Flow) -> str:
    """The closing line of a transfer: how much, how fast, and what held it back."""
    words = f"{_layers(result.layers, result.moved)} in {seconds(result.seconds)}"
    if result.held_back_by is None:
        return f"{words}; nothing had to be moved"
    cause = HOLDERS.get(result.held_back_by, result.held_back_by)
    speed = f"{size(int(result.rate))}/s"
    return f"{words}, {speed}; held back by {cause} {result.share * 100:.0f} %"


def tagged(result: aio.Tagged) -> str:
    """Which reference names the kit now."""
    return f"Tagged {result.digest} as {result.reference}\n"


def removed(result: aio.Removed) -> str:
    """What `remove` took away, one reference a line."""
    if not result.references:
        return "Nothing to remove\n"
    lines = [f"Removed {reference}\n" for reference in result.references]
    if result.freed:
        lines.append(f"{size(result.freed)} free again\n")
    return "".join(lines)


def logged_in(result: aio.LoggedIn) -> str:
    """Where one is logged in now."""
    return f"Logged in to {result.registry} as {result.username}\n"


def logged_out(result: aio.LoggedOut) -> str:
    """Where one is logged out now."""
    if not result.was_logged_in:
        return f"Not logged in to {result.registry}\n"
    return f"Logged out of {result.registry}\n"


def serving(result: aio.Serving) -> str:
    """Where the store is served."""
    return f"Serving {result.home} at {result.address}; stop with Ctrl-C\n"


def initialized(result: aio.Initialized) -> str:
    """The Kitfile that was written."""
    return f"{result.text.rstrip()}\n\nWritten to {result.path}\n"


def cache_info(result: aio.CacheInfo) -> str:
    """What the home holds, a folder a line."""
    rows = [
        (f"  {folder.name}", _count(folder.files, "file"), size(folder.size))
        for folder in result.folders
    ]
    kits = _count(result.kits, "kit")
    return f"{printable(result.home)}: {kits}, {size(result.size)}\n{table(rows)}"


def freed(result: aio.Freed) -> str:
    """How much room there is again."""
    return f"{size(result.size)} free again\n"


def cache_verified(result: aio.CacheVerified) -> str:
    """What was checked, and each damaged blob with the kits it belongs to."""
    lines = [
        f"damaged: {one.digest} of {', '.join(one.kits) or 'no kit'}: {one.why}"
        for one in result.damaged
    ]
    checked = f"{_count(result.blobs, 'blob')}, {size(result.size)}"
    lines.append(f"Checked {checked}: {len(lines) or 'none'} damaged")
    return "".join(f"{printable(line)}\n" for line in lines)


def difference(result: aio.Difference, first: str, second: str) -> str:
    """What two kits share, and what only one of them has."""
    names = (printable(first), printable(second))
    if result.identical:
        return f"{names[0]} and {names[1]} are the same kit, {result.first}\n"
    lines = [
        f"first:   {names[0]} ({result.first})\n",
        f"second:  {names[1]} ({result.second})\n",
        f"Kitfile: {_same(result.same_config)}\n",
        f"annotations: {_same(result.same_annotations)}\n",
    ]
    for title, layers in (
        ("in both", result.shared),
        ("only in the first", result.only_first),
        ("only in the second", result.only_second),
    ):
        total = sum(layer.size for layer in layers)
        lines.append(f"\n{title}: {_layers(len(layers), total)}\n")
        rows = [
            (f"  {_kind(layer.media_type)}", size(layer.size), layer.digest) for layer in layers
        ]
        lines.append(table(rows))
    return "".join(lines)


def kit_table(kits: Sequence[aio.KitSummary]) -> str:
    """The table of `list`: kit's columns, one line a tag."""
    rows = [COLUMNS]
    for kit in kits:
        about = (kit.author or NONE, kit.name or NONE, size(kit.size), kit.digest)
        rows += [(kit.repository or NONE, tag, *about) for tag in kit.tags or (NONE,)]
    return table([[printable(cell) for cell in row] for row in rows])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell and a gap; the last one as wide as it likes."""
    widths = [max(len(cell) for cell in column) + GAP for column in zip(*rows, strict=True)]
    return "".join(
        "".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False))
        + row[-1]
        + "\n"
        for row in rows
    )


def _same(same: bool) -> str:
    return "the same" if same else "differs"


def _kind(media_type: str) -> str:
    """The telling end of a media type: `model.v1.tar`."""
    return printable(media_type.rpartition("vnd.")[2].partition("modelkit.")[2] or media_type)


def _layers(count: int, total: int) -> str:
    return f"{_count(count, 'layer')}, {size(total)}"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _moved(moved: int, reused: int, word: str) -> str:
    there = f", {size(reused)} were there" if reused else ""
    return f"{size(moved)} {word}{there}"
