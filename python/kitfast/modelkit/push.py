"""`push`: sends a kit of the store to a registry, blobs first, tags last."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import settings
from kitfast.errors import InvalidReference
from kitfast.modelkit.kit import Kit, need_local
from kitfast.modelkit.memory import MemoryBlob
from kitfast.modelkit.remote import connected, limits_for
from kitfast.oci import reference as references
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.mediatypes import OCI_MANIFEST
from kitfast.oci.reference import Reference
from kitfast.progress import Callback, Reporter
from kitfast.settings import Network
from kitfast.store.home import Home, opened
from kitfast.together import together

if TYPE_CHECKING:
    from kitfast.registry.client import Registry
    from kitfast.transfer.limits import Limits


@dataclass(frozen=True)
class Pushed:
    """What `push` did; sizes in bytes.

    `sent` crossed the network; `reused` the registry had, or took from another repository.
    """

    digest: str
    references: tuple[str, ...]
    layers: int
    size: int
    sent: int
    reused: int


async def push(
    source: str,
    destination: str | None = None,
    *,
    home: Path | None = None,
    network: Network | None = None,
    progress: Callback | None = None,
) -> Pushed:
    """Sends a kit of the store to a registry.

    Args:
        source: the kit in the store.
        destination: where to; without it, where `source` says.

    Raises:
        NotFound: the store does not hold `source`.
        InvalidReference: the destination names no registry.
        AuthenticationFailed: the registry wants other credentials.
    """
    origin = references.parse(source)
    target = references.parse(destination) if destination is not None else origin
    if len(origin.each()) > 1 and destination is not None:
        raise InvalidReference(f"{source}: name one tag of the kit to push")
    network = network or settings.network()
    async with opened(home or settings.home()) as store:
        kit = need_local(store, origin)
        if target.digest not in (None, kit.digest):
            raise InvalidReference(
                f"{destination}: the kit's digest is {kit.digest}",
                hint="push to a tag, or to the kit's own digest",
            )
        async with connected(target, store.folder, network) as registry:
            sent, reused = await _push(store, kit, registry, target, network, progress)
    return Pushed(
        kit.digest,
        tuple(str(one) for one in target.each()),
        len(kit.manifest.layers),
        kit.size,
        sent,
        reused,
    )


async def _push(
    store: Home,
    kit: Kit,
    registry: Registry,
    target: Reference,
    network: Network,
    progress: Callback | None,
) -> tuple[int, int]:
    from kitfast.transfer.upload import upload

    limits = limits_for(network)
    unique = {layer.digest: layer for layer in kit.manifest.layers}
    sibling = _sibling(store, kit, target)

    async def one(layer: Descriptor) -> tuple[int, int]:
        return await send(store, layer, registry, target, limits, sibling, progress)

    counts = await together(
        [one(layer) for layer in unique.values()], at_once=max(1, network.concurrency)
    )
    await upload(
        registry,
        target.repository,
        kit.manifest.config,
        MemoryBlob(kit.config_bytes),
        limits=limits,
    )
    # kit up to 1.10 writes no media type into its manifests; they are OCI's all the same.
    media_type = kit.manifest.media_type or OCI_MANIFEST
    for reference in target.each():
        await registry.put_manifest(
            target.repository, reference.target, kit.manifest_bytes, media_type
        )
    return sum(sent for sent, _ in counts), sum(reused for _, reused in counts)


def _sibling(store: Home, kit: Kit, target: Reference) -> str | None:
    """Another repository of the same registry that may hold this kit: blobs can be mounted."""
    for held in store.references.held():
        here = (held.registry, held.repository)
        if (
            held.digest == kit.digest
            and here[0] == target.registry
            and here[1] != target.repository
        ):
            return held.repository
    return None


async def send(
    store: Home,
    layer: Descriptor,
    registry: Registry,
    target: Reference,
    limits: Limits,
    sibling: str | None,
    progress: Callback | None,
) -> tuple[int, int]:
    """Brings one blob of the store to a registry; returns the bytes sent and the bytes spared."""
    from kitfast.transfer.upload import upload

    blob = store.blobs.blob(layer.digest)
    reporter = Reporter(progress, "upload", layer.digest, layer.size)
    uploaded = await upload(
        registry,
        target.repository,
        layer,
        blob,
        limits=limits,
        on_bytes=reporter.add,
        mount_from=sibling,
    )
    reporter.finish()
    return uploaded.sent, layer.size if uploaded.how != "sent" else 0
