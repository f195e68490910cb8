"""Turns a folder into layers to be, and hashed layers into a manifest."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kitfast import _core, offload
from kitfast.errors import InvalidArgument, InvalidKitfile, NotFound
from kitfast.kitfile import parser
from kitfast.kitfile.artifact import BuiltArtifact, BuiltLayer, build_modelkit, build_modelpack
from kitfast.kitfile.model import KITFILE_NAMES, EntryKind, Kitfile
from kitfast.modelkit import layers
from kitfast.modelkit.kit import Kit, fetch, find_local
from kitfast.modelkit.layers import Member, PlannedLayer
from kitfast.modelkit.parents import chain
from kitfast.modelkit.remote import connected
from kitfast.oci import reference as references
from kitfast.oci.reference import Reference
from kitfast.settings import Network
from kitfast.store.files import SMALL_FILE_LIMIT, read_bounded
from kitfast.store.home import opened

COMPRESSIONS = ("none", "gzip", "gzip-fastest", "zstd")
LAYER_FORMATS = ("tar", "raw")


@dataclass(frozen=True)
class Choices:
    """How a folder becomes a kit; the fields are the arguments of `pack`.

    Raises:
        InvalidArgument: an unknown word, or words that exclude each other.
    """

    compression: str = "none"
    layer_format: str = "tar"
    use_model_pack: bool = False
    follow_links: bool = False
    allow_empty: bool = False

    def __post_init__(self) -> None:
        for value, known, what in (
            (self.compression, COMPRESSIONS, "compression"),
            (self.layer_format, LAYER_FORMATS, "layer format"),
        ):
            if value not in known:
                raise InvalidArgument(
                    f"{value!r} is no {what}", hint=f"choose one of: {', '.join(known)}"
                )
        if self.compression != "none" and (self.use_model_pack or self.layer_format == "raw"):
            raise InvalidArgument(
                "raw layers are not compressed", hint="leave out --compression, or use tar layers"
            )


@dataclass(frozen=True)
class Piece:
    """What becomes one layer: a tar of `members`, or one raw file when `mode` is set."""

    kind: EntryKind
    path: str
    members: list[Member]
    mode: int | None = None

    def source(self, compression: str = "none") -> _core.LayerSource:
        """What the core makes the layer of."""
        if self.mode is None:
            return _core.LayerSource(self.members, compression)
        return _core.LayerSource(self.members, raw=True)


@dataclass(frozen=True)
class Planned:
    """The layers of a kit that is to be made, in the order of its manifest."""

    kitfile: Kitfile
    choices: Choices
    pieces: tuple[Piece, ...]
    warnings: tuple[str, ...]

    def build(self, packed: Sequence[_core.PackedLayer]) -> BuiltArtifact:
        """Config and manifest, once the digest of every piece is known."""
        compression = self.choices.compression
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
            for piece, done in zip(self.pieces, packed, strict=True)
        ]
        build = build_modelpack if self.choices.use_model_pack else build_modelkit
        return build(self.kitfile, built, version=_core.__version__, created=_created())


async def plan(
    context: Path, described: Kitfile, choices: Choices, home: Path, network: Network | None
) -> Planned:
    """Walks a folder: which of its files become which layer.

    Raises:
        InvalidKitfile, NotFound: an entry that cannot be packed.
    """
    planned = await offload.run(
        layers.plan,
        context,
        described,
        follow_links=choices.follow_links,
        allow_empty=choices.allow_empty,
        hidden=await _parents_paths(home, described, network),
    )
    return Planned(
        described,
        choices,
        tuple(_pieces(planned, choices.use_model_pack, choices.layer_format)),
        tuple(f"{skip.name}: {skip.reason}" for one in planned for skip in one.skipped),
    )


def existing_folder(directory: str | Path) -> Path:
    """The folder to pack.

    Raises:
        NotFound: it is not there, or no folder.
    """
    context = Path(directory)
    if context.is_dir():
        return context
    if context.exists():
        raise NotFound(
            f"{directory}: is not a folder",
            hint="name the folder that the Kitfile's paths start from",
            what=str(directory),
        )
    raise NotFound(f"{directory}: no such folder", what=str(directory))


def _pieces(planned: list[PlannedLayer], use_model_pack: bool, layer_format: str) -> list[Piece]:
    """Cuts planned layers as the format wants them.

    A ModelPack has a layer for each file. A raw ModelKit has one for each entry as ever:
    an entry that is a folder stays a tar.
    """
    pieces: list[Piece] = []
    for plan in planned:
        single = plan.single_file
        if use_model_pack:
            pieces += [
                Piece(plan.kind, name, [member], member[2])
                for member in plan.files
                for name in [member[0]]
            ]
        elif layer_format == "raw" and single is not None:
            pieces.append(Piece(plan.kind, plan.path, [single], single[2]))
        else:
            pieces.append(Piece(plan.kind, plan.entry.path, plan.members))
    return pieces


def _created() -> int | None:
    """The build time that reproducible builds fix (reproducible-builds.org, 1.1), if any."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidArgument(f"SOURCE_DATE_EPOCH is {text!r}: must be seconds since 1970")
    return int(text)


async def _parents_paths(home: Path, kitfile: Kitfile, network: Network | None) -> tuple[str, ...]:
    """The paths that belong to the kits the model comes from, and so not to this kit."""
    if kitfile.model is None or kitfile.model.parent is None:
        return ()
    async with opened(home) as store:

        async def resolve(reference: Reference) -> Kit:
            kit = find_local(store, reference)
            if kit is not None:
                return kit
            async with connected(reference, home, network) as registry:
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
