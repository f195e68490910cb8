"""`pack`: makes a kit of a folder and its Kitfile, in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kitfast import _core, offload, settings
from kitfast.errors import InvalidArgument
from kitfast.modelkit.build import Choices, Piece, existing_folder, load_kitfile, plan
from kitfast.oci import reference as references
from kitfast.oci.reference import LOCAL_REGISTRY, NO_REPOSITORY, Reference
from kitfast.progress import Callback, Reporter
from kitfast.settings import Network
from kitfast.store.home import Home, opened


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
    choices = Choices(compression, layer_format, use_model_pack, follow_links, allow_empty)
    targets = _targets(tags)
    context = existing_folder(directory)
    described = load_kitfile(context, kitfile)
    async with opened(home or settings.home()) as store:
        planned = await plan(context, described, choices, store.folder, network)
        packed = await _pack_layers(store, planned.pieces, compression, cache, progress)
        made = planned.build(packed)
        store.manifests.put(made.config)
        digest = store.manifests.put(made.manifest)
        for target in targets or [Reference(LOCAL_REGISTRY, NO_REPOSITORY)]:
            store.references.add(target.registry, target.repository, digest, *target.tags)
    return Packed(
        digest,
        tuple(str(target) for target in targets),
        tuple(
            PackedLayer(piece.kind, one.digest, one.diff_id, one.size, piece.path, one.reused)
            for piece, one in zip(planned.pieces, packed, strict=True)
        ),
        sum(layer.size for layer in packed),
        planned.warnings,
    )


def _targets(tags: Sequence[str]) -> list[Reference]:
    found = [one for text in tags for one in references.parse(text).each()]
    for one in found:
        if one.digest is not None:
            raise InvalidArgument(
                f"{one}: a kit is tagged with names, not with a digest",
                hint="write the tag as [registry/]repository:tag",
            )
    return found


async def _pack_layers(
    store: Home, pieces: Sequence[Piece], compression: str, cache: bool, progress: Callback | None
) -> list[_core.PackedLayer]:
    sources = [piece.source(compression) for piece in pieces]
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
