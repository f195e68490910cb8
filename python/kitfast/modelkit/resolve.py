"""`resolve`: turns a reference into a local folder, fetched once a node."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from kitfast import offload, settings
from kitfast.errors import ConnectionFailed
from kitfast.modelkit.kit import Kit, fetch, find_local
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

#: What addresses of kits may begin with; `kit://` is what KServe's storage containers take.
SCHEMES = ("oci://", "kit://", "modelkit://")


@dataclass(frozen=True)
class Resolved:
    """Where a kit's files are: `path` holds them all, verified, and stays as it is.

    `fetched` counts the bytes that crossed the network for it, 0 when it was here.
    """

    path: str
    digest: str
    fetched: int


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
    be reached, the digest it had last time stands.

    Args:
        reference: a reference, with or without `oci://` in front.
        filters: what is wanted, as in `unpack`; each choice is a folder of its own.

    Raises:
        NotInRegistry: there is no such kit.
        DigestMismatch: the registry's bytes are not what its manifest says.
    """
    text = reference
    for scheme in SCHEMES:
        text = text.removeprefix(scheme)
    parsed = references.parse(text)
    folder = home or settings.home()
    digest = await _digest(parsed, folder, network)
    name = digest.removeprefix("sha256:")
    if filters:
        name += "-" + sha256("\n".join(sorted(filters)).encode()).hexdigest()[:16]
    tree = folder / "trees" / name
    async with locks.exclusive(folder / "locks" / f"tree-{name}"):
        if tree.is_dir():
            return Resolved(str(tree), digest, 0)
        # Under another name until it is whole: that a tree is there means that it is complete.
        partial = folder / "trees" / f".{name}"
        exact = Reference(parsed.registry, parsed.repository, digest=digest)
        done = await unpack(
            str(exact) if not parsed.is_local else text,
            partial,
            overwrite=True,
            filters=filters,
            home=folder,
            network=network,
            progress=progress,
        )
        await offload.run(partial.rename, tree)
        return Resolved(str(tree), digest, done.fetched)


async def forget(reference: str, *, home: Path | None = None) -> int:
    """Removes the folders that `resolve` made for a kit's digest; returns how many there were."""
    folder = home or settings.home()
    digest = await _digest(references.parse(reference), folder, None)
    name = digest.removeprefix("sha256:")
    trees = [path for path in (folder / "trees").glob(f"{name}*") if path.is_dir()]
    for tree in trees:
        await offload.run(shutil.rmtree, tree)
    return len(trees)


async def _digest(reference: Reference, folder: Path, network: Network | None) -> str:
    """The digest a reference stands for now."""
    if reference.digest is not None:
        return reference.digest
    async with opened(folder) as store:
        if reference.is_local:
            kit = find_local(store, reference)
            if kit is not None:
                return kit.digest
    note = folder / "trees" / "names" / sha256(str(reference).encode()).hexdigest()
    try:
        found = await _ask(reference, folder, network)
    except ConnectionFailed:
        last = (read_bounded(note, 1024) or b"").decode("ascii", "replace").strip()
        if not digests.is_digest(last):
            raise
        return last
    write_atomically(note, found.digest.encode())
    return found.digest


async def _ask(reference: Reference, folder: Path, network: Network | None) -> Kit:
    async with connected(reference, folder, network) as registry:
        return await fetch(registry, reference)
