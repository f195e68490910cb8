"""`resolve`: turns a reference into a local folder, fetched once a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from kitfast import offload, settings
from kitfast.errors import ConnectionFailed, InvalidArgument, RegistryError
from kitfast.modelkit.kit import Kit, fetch, need_local
from kitfast.modelkit.remote import connected
from kitfast.modelkit.unpack import unpack
from kitfast.oci import digest as digests
from kitfast.oci import reference as references
from kitfast.oci.reference import Reference
from kitfast.progress import Callback
from kitfast.settings import Network
from kitfast.store import locks
from kitfast.store.files import read_bounded, write_atomically
from kitfast.store.home import opened
from kitfast.store.trees import Trees

#: What addresses of kits may begin with; `kit://` is what KServe's storage containers take.
SCHEMES = ("oci://", "kit://", "modelkit://")
#: What a gateway says of a registry that is down or too busy: as good as no answer.
UNREACHABLE = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Resolved:
    """Where a kit's files are: `path` holds them all, verified, and stays as it is.

    It goes wherever Python takes a path. `fetched` counts the bytes that crossed the
    network for it, 0 when it was here.
    """

    path: str
    digest: str
    fetched: int
    warnings: tuple[str, ...] = ()

    def __fspath__(self) -> str:
        return self.path


async def resolve(
    reference: str,
    *,
    filters: Sequence[str] = (),
    home: Path | None = None,
    network: Network | None = None,
    progress: Callback | None = None,
) -> Resolved:
    """Makes sure that a kit's files are on this machine, and says where.

    The folder belongs to the kit's digest and is shared by every process and every
    reference that names it, so nothing in it may be changed. Several processes that
    ask at once fetch it once. A tag is looked up each time; when its registry cannot
    be reached, the digest it had last time stands, with a warning.

    Args:
        reference: a reference, with or without `oci://` in front.
        filters: what is wanted, as in `unpack`; each choice is a folder of its own.

    Raises:
        NotFound, NotInRegistry: there is no such kit.
        DigestMismatch: the registry's bytes are not what its manifest says.
    """
    parsed = parse_address(reference)
    folder = home or settings.home()
    # All the while, so that nobody clears away a lock that is held.
    async with opened(folder):
        digest, warnings = await _digest(parsed, folder, network)
        trees, name = Trees(folder), _tree_name(digest, filters)
        tree, partial = trees.whole(name), trees.partial(name)
        async with locks.exclusive(trees.lock(name)):
            if tree.is_dir():
                return Resolved(str(tree), digest, 0, warnings)
            exact = Reference(parsed.registry, parsed.repository, digest=digest)
            done = await unpack(
                digest if parsed.is_local else str(exact),
                partial,
                overwrite=True,
                filters=filters,
                home=folder,
                network=network,
                progress=progress,
            )
            await offload.run(partial.rename, tree)
            return Resolved(str(tree), digest, done.fetched, (*warnings, *done.warnings))


@dataclass(frozen=True)
class Forgotten:
    """What `forget` removed: the folders that `resolve` had made."""

    digest: str
    paths: tuple[str, ...]


async def forget(
    reference: str, *, home: Path | None = None, network: Network | None = None
) -> Forgotten:
    """Removes the folders that `resolve` made for a kit, whatever their filters.

    Also what one that was killed left of a folder; one that is at work is left alone. A
    program that still reads a file of theirs keeps it until it closes it.

    Raises:
        NotInRegistry: there is no such kit.
        FileError: a folder cannot be removed.
    """
    parsed = parse_address(reference)
    folder = home or settings.home()
    removed: list[str] = []
    async with opened(folder):
        digest, _ = await _digest(parsed, folder, network)
        trees = Trees(folder)
        for name in trees.names(_tree_name(digest, ())):
            whole, partial = trees.whole(name), trees.partial(name)
            if whole.is_dir():
                async with locks.exclusive(trees.lock(name)):
                    removed += await _remove(trees, whole, partial)
            else:
                # Who holds it makes the folder now, which may take hours.
                with locks.alone(trees.lock(name)) as free:
                    removed += await _remove(trees, partial) if free else []
    return Forgotten(digest, tuple(removed))


async def _remove(trees: Trees, *paths: Path) -> list[str]:
    """Removes those that are there; somebody else may have been faster."""
    there = [path for path in paths if path.is_dir()]
    for path in there:
        await offload.run(trees.remove, path)
    return [str(path) for path in there]


def parse_address(text: str) -> Reference:
    """Reads a reference of one kit, with or without a scheme in front.

    Raises:
        InvalidReference: it is none.
        InvalidArgument: it has several tags.
    """
    for scheme in SCHEMES:
        if text.startswith(scheme):
            text = text.removeprefix(scheme)
            break
    parsed = references.parse(text)
    if len(parsed.each()) > 1:
        raise InvalidArgument(f"{text}: has several tags", hint="name one tag only")
    return parsed


def _tree_name(digest: str, filters: Sequence[str]) -> str:
    name = digest.removeprefix("sha256:")
    if not filters:
        return name
    return f"{name}-{sha256(chr(10).join(sorted(filters)).encode()).hexdigest()[:16]}"


async def _digest(
    reference: Reference, folder: Path, network: Network | None
) -> tuple[str, tuple[str, ...]]:
    """The digest a reference stands for now, or stood for last; with warnings."""
    if reference.digest is not None:
        return reference.digest, ()
    async with opened(folder) as store:
        if reference.is_local:
            return need_local(store, reference).digest, ()
    note = folder / "trees" / "names" / sha256(str(reference).encode()).hexdigest()
    try:
        found = await _ask(reference, folder, network)
    except (ConnectionFailed, RegistryError) as error:
        if isinstance(error, RegistryError) and error.status not in UNREACHABLE:
            raise
        last = (read_bounded(note, 1024) or b"").decode("ascii", "replace").strip()
        if not digests.is_digest(last):
            raise
        return last, (f"{error}; {reference} stands for what it stood for last, {last}",)
    write_atomically(note, found.digest.encode())
    return found.digest, ()


async def _ask(reference: Reference, folder: Path, network: Network | None) -> Kit:
    async with connected(reference, folder, network) as registry:
        return await fetch(registry, reference)
