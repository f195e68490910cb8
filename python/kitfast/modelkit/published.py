"""Publishes the list of a kit's files beside it, finds it, and takes it away.

The list is an artifact of its own whose subject is the kit's manifest (image-spec 1.1,
manifest, "subject"), so the kit's own bytes and digest stay what they are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from kitfast import _core, offload, settings
from kitfast.errors import Corrupt, KitfastError, NotInRegistry, UnsafeMember
from kitfast.modelkit.filelist import (
    FILES,
    GROUPS,
    ListedLayer,
    dump,
    listed,
    parse,
    place_values,
)
from kitfast.modelkit.kit import Kit
from kitfast.modelkit.memory import MemoryBlob
from kitfast.oci import digest as digests
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.document import MAX_BYTES
from kitfast.oci.manifest import Manifest, parse_manifest
from kitfast.oci.mediatypes import OCI_MANIFEST
from kitfast.oci.reference import Reference
from kitfast.store.home import Home
from kitfast.together import together

if TYPE_CHECKING:
    from kitfast.registry.client import Registry
    from kitfast.transfer.limits import Limits

# Image-spec 1.1, manifest, "Guidance for an Empty Descriptor".
EMPTY = b"{}"
EMPTY_CONFIG = Descriptor("application/vnd.oci.empty.v1+json", digests.of(EMPTY), len(EMPTY))
#: Lists that are looked at of one kit: one is the rule, the others are of other versions.
MOST_LISTS = 4


async def publish_stored(
    registry: Registry, repository: str, limits: Limits, store: Home, kit: Kit
) -> str | None:
    """Publishes the list of a kit of the store, once the registry has the kit; as `publish`."""
    try:
        items = kit.unpackables()
        tars = {it.descriptor.digest: it.descriptor for it in items if it.core_shape == "tar"}
        layers = [await list_files(one, store.blobs.blob(one.digest)) for one in tars.values()]
    except KitfastError as error:
        # Odd kits are pushed as they are.
        return unpublished(error)
    subject = Descriptor(
        kit.manifest.media_type or OCI_MANIFEST, kit.digest, len(kit.manifest_bytes)
    )
    return await publish(registry, repository, limits, subject, [one for one in layers if one])


async def list_files(layer: Descriptor, blob: _core.Blob) -> ListedLayer | None:
    """Lists the files of an uncompressed tar layer; None where that is of no use.

    Files that the store keeps as contents of their own are not read again.
    """
    try:
        members = await offload.run(blob.members, meter=_core.Meter())
    except (Corrupt, UnsafeMember):
        # Whoever unpacks it is told; pushing it is no reason to look closer.
        return None
    return listed(layer, members)


async def is_published(registry: Registry, repository: str, kit: str) -> bool:
    """Whether there is a list for a kit; False also where the registry does not say."""
    try:
        return bool(await registry.referrers(repository, kit, FILES))
    except KitfastError:
        return False


async def publish(
    registry: Registry,
    repository: str,
    limits: Limits,
    kit: Descriptor,
    layers: Sequence[ListedLayer],
) -> str | None:
    """Publishes the list of a kit that the registry has; again is as good as once.

    Returns:
        What went wrong, in words for a warning: the kit itself is in the registry.
    """
    from kitfast.transfer.upload import upload

    made = dump(kit.digest, layers)
    if made is None:
        return None
    # A kit without large files needs no chaining values.
    blobs = {
        Descriptor(kind, digests.of(data), len(data)): data
        for kind, data in zip((FILES, GROUPS), made, strict=True)
        if data
    }
    manifest = Manifest(EMPTY_CONFIG, tuple(blobs), artifact_type=FILES, subject=kit).to_bytes()
    entry = Descriptor(OCI_MANIFEST, digests.of(manifest), len(manifest), artifact_type=FILES)
    try:
        found = await registry.referrers(repository, kit.digest, FILES)
        if any(one.digest == entry.digest for one in found):
            return None
        await together(
            [
                upload(registry, repository, blob, MemoryBlob(data), limits=limits)
                for blob, data in ((EMPTY_CONFIG, EMPTY), *blobs.items())
            ]
        )
        await registry.put_referrer(repository, manifest, entry, kit.digest)
    except KitfastError as error:
        return unpublished(error)
    return None


async def find(
    registry: Registry, repository: str, kit: str, layers: Sequence[Descriptor]
) -> tuple[dict[str, ListedLayer], list[str]]:
    """Finds the lists that were published for a kit.

    Returns:
        The layers they tell of by digest, and warnings about what could not be used:
        without a list, a layer is fetched whole.
    """
    found: dict[str, ListedLayer] = {}
    warnings: list[str] = []
    try:
        entries = await registry.referrers(repository, kit, FILES)
    except KitfastError as error:
        return found, [_unusable(error)]
    for entry in entries[:MOST_LISTS]:
        try:
            known = await _read(registry, repository, kit, layers, entry)
        except KitfastError as error:
            warnings.append(_unusable(error))
        else:
            found = {**known, **found}
    return found, warnings


def takes_lists(reference: Reference, file_digests: bool | None) -> bool:
    """Whether a call on this reference is to use lists: for a tag, unless it says otherwise.

    Raises:
        InvalidArgument: the variable for it is neither yes nor no.
    """
    return settings.file_digests(file_digests, otherwise=reference.digest is None)


async def lists_of(registry: Registry, repository: str, kit: str) -> tuple[list[str], list[str]]:
    """Names the lists that go when the kit goes: to be asked for while the kit is there.

    What lists referrers may be anybody's, and may name any manifest of the repository: only
    what says itself that it is the list of this kit counts, and what is not there any more.

    Returns:
        Their digests, and warnings about lists that could not be looked at.
    """
    ours: list[str] = []
    try:
        entries = await registry.referrers(repository, kit, FILES)
    except KitfastError as error:
        return ours, [_left_behind(error)]
    warnings: list[str] = []
    for entry in entries[:MOST_LISTS]:
        try:
            await _manifest(registry, repository, kit, entry)
        except NotInRegistry:
            pass
        except Corrupt:
            continue
        except KitfastError as error:
            warnings.append(_left_behind(error))
            continue
        ours.append(entry.digest)
    return ours, warnings


async def withdraw(
    registry: Registry, repository: str, kit: str, lists: Collection[str]
) -> list[str]:
    """Deletes lists of a kit that is gone, also from the index under the tag.

    Returns:
        Warnings about what is still there.
    """
    from kitfast.registry.referrers import unlist

    if not lists:
        return []
    try:
        # First out of the index: some registries keep what an index names.
        await unlist(registry, repository, kit, lists)
        for digest in lists:
            # Some registries delete what refers to a manifest together with it.
            with contextlib.suppress(NotInRegistry):
                await registry.delete_manifest(repository, digest)
    except KitfastError as error:
        return [_left_behind(error)]
    return []


async def _manifest(registry: Registry, repository: str, kit: str, entry: Descriptor) -> Manifest:
    """Reads the manifest of a list, which must be one and that of the kit."""
    fetched = await registry.manifest(repository, entry.digest)
    manifest = parse_manifest(fetched.data, fetched.media_type)
    subject = manifest.subject
    if manifest.artifact_type != FILES or subject is None or subject.digest != kit:
        raise Corrupt("the list of files is that of another kit")
    return manifest


async def _read(
    registry: Registry,
    repository: str,
    kit: str,
    layers: Sequence[Descriptor],
    entry: Descriptor,
) -> dict[str, ListedLayer]:
    manifest = await _manifest(registry, repository, kit, entry)
    blobs = [layer for layer in manifest.layers if layer.media_type == FILES]
    if len(blobs) != 1 or blobs[0].size > MAX_BYTES:
        raise Corrupt("the list of files is no single, small document")
    values = [layer for layer in manifest.layers if layer.media_type == GROUPS]
    if len(values) > 1:
        raise Corrupt("the list of files has more than one blob of chaining values")
    data = await registry.blob_bytes(repository, blobs[0].digest, blobs[0].size)
    known = await offload.run(parse, data, kit, layers)
    return place_values(known, values[0]) if values else known


def unpublished(error: KitfastError) -> str:
    """Says that a list is not there, and what that means; for warnings."""
    return (
        f"the digests of single files were not published: {error}; whoever wants single "
        "files of this kit fetches their whole layers"
    )


def _left_behind(error: KitfastError) -> str:
    return f"the published digests of single files may still be in the registry: {error}"


def _unusable(error: KitfastError) -> str:
    return f"the published digests of single files are not used: {error}"
