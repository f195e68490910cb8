"""`pack`: makes a kit of a folder and its Kitfile, in the store."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kitfast import _core, offload, settings
from kitfast.errors import InvalidArgument, InvalidKitfile, NotFound
from kitfast.kitfile import parser
from kitfast.kitfile.artifact import BuiltLayer, build_modelkit, build_modelpack
from kitfast.kitfile.model import KITFILE_NAMES, EntryKind, Kitfile
from kitfast.modelkit import layers
from kitfast.modelkit.kit import Kit, fetch, find_local
from kitfast.modelkit.layers import Member, PlannedLayer
from kitfast.modelkit.parents import chain
from kitfast.modelkit.remote import connected
from kitfast.oci import reference as references
from kitfast.oci.reference import LOCAL_REGISTRY, NO_REPOSITORY, Reference
from kitfast.progress import Callback, Reporter
from kitfast.settings import Network
from kitfast.store.files import SMALL_FILE_LIMIT, read_bounded
from kitfast.store.home import Home, opened

COMPRESSIONS = ("none", "gzip", "gzip-fastest", "zstd")
LAYER_FORMATS = ("tar", "raw")


@dataclass(frozen=True)
class PackedLayer:
    """One layer of a packed kit; `size` in bytes, `reused` when it needed no hashing."""

    kind: str
    digest: str
    diff_id: str
    size: int
    path: str
    reused: bool


@dataclass(frozen=True)
class Packed:
    """What `pack` made; `size` is the bytes of all layers."""

    digest: str
    references: tuple[str, ...]
    layers: tuple[PackedLayer, ...]
    size: int
    warnings: tuple[str, ...] = ()


async def pack(
    directory: str | Path,
    *,
    kitfile: str | Path | None = None,
    tags: Sequence[str] = (),
    compression: str = "none",
    layer_format: str = "tar",
    use_model_pack: bool = False,
    follow_links: bool = False,
    allow_empty: bool = False,
    cache: bool = True,
    home: Path | None = None,
    network: Network | None = None,
    progress: Callback | None = None,
) -> Packed:
    """Makes a kit of a folder; the same files give the same digests, whenever and wherever.

    Args:
        directory: the folder that the Kitfile's paths are relative to.
        kitfile: the Kitfile, or `-` for standard input; without it, the folder's own.
        tags: references for the kit, each `[registry/]repository[:tag,tag…]`.
        compression: none, gzip, gzip-fastest or zstd.
        layer_format: tar (every kit reads it) or raw (one file a layer, newer kit only).
        use_model_pack: write a CNCF ModelPack artifact instead of a ModelKit.
        follow_links: pack what symbolic links point to.
        allow_empty: allow entries whose layer would hold no file, as kit does.
        cache: believe digests of files that have not changed since the last pack.

    Raises:
        InvalidKitfile: there is none, or it cannot be used; the message says where and why.
        NotFound: a path of the Kitfile is not there.
        SourceChanged: a file changed while it was packed.
    """
    _check_choices(compression, layer_format, use_model_pack)
    targets = _targets(tags)
    context = Path(directory)
    if not context.is_dir():
        raise NotFound(f"{directory}: no such folder", what=str(directory))
    described = load_kitfile(context, kitfile)
    async with opened(home or settings.home()) as store:
        planned = await offload.run(
            layers.plan,
            context,
            described,
            follow_links=follow_links,
            allow_empty=allow_empty,
            hidden=await _parents_paths(store, described, network),
        )
        pieces = _pieces(planned, use_model_pack, layer_format)
        packed = await _pack_layers(store, pieces, compression, cache, progress)
        built = [
            BuiltLayer(
                piece.kind,
                piece.path,
                done.digest,
                done.diff_id,
                done.size,
                "tar" if piece.mode is None else "raw",
                compression if piece.mode is None else "none",
                piece.mode,
            )
            for piece, done in zip(pieces, packed, strict=True)
        ]
        build = build_modelpack if use_model_pack else build_modelkit
        made = build(described, built, version=_core.__version__, created=_created())
        store.manifests.put(made.config)
        digest = store.manifests.put(made.manifest)
        for target in targets or [Reference(LOCAL_REGISTRY, NO_REPOSITORY)]:
            store.references.add(target.registry, target.repository, digest, *target.tags)
    return Packed(
        digest,
        tuple(str(target) for target in targets),
        tuple(
            PackedLayer(layer.kind, done.digest, done.diff_id, done.size, layer.path, done.reused)
            for layer, done in zip(built, packed, strict=True)
        ),
        sum(layer.size for layer in packed),
        tuple(f"{skip.name}: {skip.reason}" for plan in planned for skip in plan.skipped),
    )


@dataclass(frozen=True)
class _Piece:
    """What becomes one layer: a tar of `members`, or one raw file when `mode` is set."""

    kind: EntryKind
    path: str
    members: list[Member]
    mode: int | None = None


def _pieces(planned: list[PlannedLayer], use_model_pack: bool, layer_format: str) -> list[_Piece]:
    """Cuts planned layers as the format wants them.

    A ModelPack has a layer for each file. A raw ModelKit has one for each entry as ever:
    an entry that is a folder stays a tar.
    """
    pieces: list[_Piece] = []
    for plan in planned:
        single = plan.single_file
        if use_model_pack:
            pieces += [
                _Piece(plan.kind, name, [member], member[2])
                for member in plan.files
                for name in [member[0]]
            ]
        elif layer_format == "raw" and single is not None:
            pieces.append(_Piece(plan.kind, plan.path, [single], single[2]))
        else:
            pieces.append(_Piece(plan.kind, plan.entry.path, plan.members))
    return pieces


def _created() -> int | None:
    """The build time that reproducible builds fix (reproducible-builds.org, 1.1), if any."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidArgument(f"SOURCE_DATE_EPOCH is {text!r}: must be seconds since 1970")
    return int(text)


def _targets(tags: Sequence[str]) -> list[Reference]:
    found = [one for text in tags for one in references.parse(text).each()]
    for one in found:
        if one.digest is not None:
            raise InvalidArgument(f"{one}: a kit is tagged with names, not with a digest")
    return found


async def _pack_layers(
    store: Home, pieces: list[_Piece], compression: str, cache: bool, progress: Callback | None
) -> list[_core.PackedLayer]:
    sources = [
        _core.LayerSource(piece.members, compression)
        if piece.mode is None
        else _core.LayerSource(piece.members, raw=True)
        for piece in pieces
    ]
    meter = _core.Meter()
    reporter = Reporter(progress, "pack", "layers")
    packed = await offload.run(
        store.blobs.pack,
        sources,
        cache=cache,
        meter=meter,
        tick=lambda: reporter.at(meter.done, meter.total or None),
    )
    reporter.finish()
    return packed


async def _parents_paths(store: Home, kitfile: Kitfile, network: Network | None) -> tuple[str, ...]:
    """The paths that belong to the kits the model comes from, and so not to this kit."""
    if kitfile.model is None or kitfile.model.parent is None:
        return ()

    async def resolve(reference: Reference) -> Kit:
        kit = find_local(store, reference)
        if kit is not None:
            return kit
        async with connected(reference, store.folder, network) as registry:
            return await fetch(registry, reference)

    parent = references.parse(kitfile.model.parent)
    kits = [kit async for kit in chain(parent, resolve)]
    return tuple(entry.path for kit in kits for _, entry in kit.kitfile.entries())


def load_kitfile(context: Path, named: str | Path | None) -> Kitfile:
    """Reads and checks the Kitfile of a folder, or the one that is named.

    Raises:
        InvalidKitfile: it is not there, too large, or not valid.
    """
    if str(named) == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise InvalidKitfile(
                "no Kitfile on standard input", hint="pipe one in, or leave out `--file -`"
            )
        data = sys.stdin.buffer.read(SMALL_FILE_LIMIT + 1)
        return parser.parse(data, "standard input")
    if named is not None:
        path = Path(named)
    else:
        candidates = (context / name for name in KITFILE_NAMES)
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            raise InvalidKitfile(
                f"{context}: has no Kitfile",
                hint=f"write one with `kitfast init {context}`, or name one with --file",
            )
        path = found
    content = read_bounded(path)
    if content is None:
        raise InvalidKitfile(f"{path}: no such file", hint="name a Kitfile that exists")
    return parser.parse(content, str(path))


def _check_choices(compression: str, layer_format: str, use_model_pack: bool) -> None:
    for value, known, what in (
        (compression, COMPRESSIONS, "compression"),
        (layer_format, LAYER_FORMATS, "layer format"),
    ):
        if value not in known:
            raise InvalidArgument(
                f"{value!r} is no {what}", hint=f"choose one of: {', '.join(known)}"
            )
    if compression != "none" and (use_model_pack or layer_format == "raw"):
        raise InvalidArgument(
            "raw layers are not compressed", hint="leave out --compression, or use tar layers"
        )
