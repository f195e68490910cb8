"""`push`: sends a kit of the store, or a folder, to a registry; tags last."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import settings
from kitfast.errors import InvalidArgument, InvalidReference
from kitfast.modelkit.build import Choices, existing_folder
from kitfast.modelkit.kit import Kit, need_local
from kitfast.modelkit.memory import MemoryBlob
from kitfast.modelkit.published import publish_stored
from kitfast.modelkit.remote import connected, limits_for
from kitfast.oci import reference as references
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.mediatypes import OCI_MANIFEST
from kitfast.oci.reference import Reference
from kitfast.progress import Callback, Reporter
from kitfast.settings import Network
from kitfast.store.home import Home, opened
from kitfast.store.references import References
from kitfast.together import together
from kitfast.transfer.account import Account, Flow

if TYPE_CHECKING:
    from kitfast.registry.client import Registry
    from kitfast.transfer.ends import Content
    from kitfast.transfer.limits import Limits


@dataclass(frozen=True)
class Pushed:
    """What `push` did; sizes in bytes.

    `sent` crossed the network; `reused` the registry had, or took from another repository.
    `flow` says how fast it went and what held it back.
    """

    digest: str
    references: tuple[str, ...]
    layers: int
    size: int
    sent: int
    reused: int
    warnings: tuple[str, ...] = ()
    flow: Flow | None = None


async def push(
    source: str | Path,
    destination: str | None = None,
    *,
    kitfile: str | Path | None = None,
    compression: str = "none",
    layer_format: str = "tar",
    use_model_pack: bool = False,
    follow_links: bool = False,
    allow_empty: bool = False,
    file_digests: bool | None = None,
    cache: bool = True,
    home: Path | None = None,
    network: Network | None = None,
    progress: Callback | None = None,
) -> Pushed:
    """Sends a kit of the store to a registry, or packs a folder straight into one.

    A folder's files are sent from where they are and hashed on the way: each byte is read
    once, nothing of them is stored, and every digest is the one that `pack` and then `push`
    would give.

    Args:
        source: the kit in the store, or a folder: a `Path`, a text that begins with `.` or
            `/` or ends in `/`, any text with `kitfile`, or the name of a folder that is not
            also a kit of the store.
        destination: where to; without it, where `source` says. A folder needs it.
        kitfile, compression, layer_format, use_model_pack, follow_links, allow_empty: as in
            `pack`, for folders only. A registry that takes no chunks takes a layer that is
            compressed on its way only where that makes no more than 16 MiB of it.
        cache: believe digests of a folder's files that have not changed since they were last
            packed or pushed: what the registry has of them is not even read.
        file_digests: publish the digests of the files in tar layers beside the kit, so
            that single ones can be fetched verified; None asks the environment.

    Raises:
        NotFound: the store does not hold `source`, and there is no such folder.
        InvalidReference: the destination names no registry.
        InvalidArgument: a folder without destination, or options that go with folders only.
        AuthenticationFailed: the registry wants other credentials.
        SourceChanged: a file changed before it was sent to its end.
    """
    choices = Choices(compression, layer_format, use_model_pack, follow_links, allow_empty)
    given = kitfile is not None or choices != Choices()
    folder = _folder(source, given, home or settings.home())
    if folder is not None:
        from kitfast.modelkit.push_folder import push_folder

        if destination is None:
            existing_folder(folder)
            raise InvalidArgument(
                f"{source}: is a folder, and nothing says where to push it",
                hint="add where to: kitfast push DIRECTORY registry.example/team/model:v1",
            )
        return await push_folder(
            folder, destination, kitfile, choices, cache, file_digests, home, network, progress
        )
    source = str(source)
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
            account = Account()
            sent, reused = await _push(store, kit, registry, target, network, progress, account)
            warning = None
            if settings.file_digests(file_digests):
                limits = limits_for(network)
                with account.during("registry"):
                    warning = await publish_stored(registry, target.repository, limits, store, kit)
    return Pushed(
        kit.digest,
        tuple(str(one) for one in target.each()),
        len(kit.manifest.layers),
        kit.size,
        sent,
        reused,
        (warning,) if warning else (),
        flow=account.flow(layers=len(kit.manifest.layers), moved=sent),
    )


async def _push(
    store: Home,
    kit: Kit,
    registry: Registry,
    target: Reference,
    network: Network,
    progress: Callback | None,
    account: Account,
) -> tuple[int, int]:
    limits = limits_for(network)
    unique = {layer.digest: layer for layer in kit.manifest.layers}
    sibling = _sibling(store, kit, target)

    async def one(layer: Descriptor) -> tuple[int, int]:
        blob = store.blobs.blob(layer.digest)
        return await send(blob, layer, registry, target, limits, sibling, progress, account)

    counts = await together(
        [one(layer) for layer in unique.values()], at_once=max(1, network.concurrency)
    )
    # kit up to 1.10 writes no media type into its manifests; they are OCI's all the same.
    media_type = kit.manifest.media_type or OCI_MANIFEST
    await publish(
        registry,
        target,
        limits,
        kit.manifest.config,
        kit.config_bytes,
        media_type,
        kit.manifest_bytes,
        account,
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


def _folder(source: str | Path, given: bool, home: Path) -> Path | None:
    """The folder that `source` names, or None when it is a kit's name.

    `given` says that there are options that only folders have.
    """
    text = str(source)
    if not text:
        return None  # an unset variable, not the folder one happens to be in
    if isinstance(source, Path) or given or text.startswith((".", "/")) or text.endswith("/"):
        return Path(source)
    # A bare name may be both. What the store holds has always been pushed under it.
    if not Path(text).is_dir():
        return None
    try:
        reference = references.parse(text)
    except InvalidReference:
        return Path(text)
    known = References(home).resolve(reference.registry, reference.repository, reference.target)
    return None if known is not None else Path(text)


async def publish(
    registry: Registry,
    target: Reference,
    limits: Limits,
    config: Descriptor,
    config_bytes: bytes,
    media_type: str,
    manifest: bytes,
    account: Account,
) -> None:
    """Sends config and manifest once the layers are there, and tags the manifest."""
    from kitfast.transfer.upload import upload

    await upload(registry, target.repository, config, MemoryBlob(config_bytes), limits=limits)
    with account.during("registry"):
        for reference in target.each():
            await registry.put_manifest(target.repository, reference.target, manifest, media_type)


async def send(
    blob: Content,
    layer: Descriptor,
    registry: Registry,
    target: Reference,
    limits: Limits,
    sibling: str | None,
    progress: Callback | None,
    account: Account,
) -> tuple[int, int]:
    """Brings one blob to a registry; returns the bytes sent and the bytes spared."""
    from kitfast.transfer.upload import upload

    reporter = Reporter(progress, "upload", layer.digest, layer.size)
    uploaded = await upload(
        registry,
        target.repository,
        layer,
        blob,
        limits=limits,
        on_bytes=reporter.add,
        mount_from=sibling,
        account=account,
    )
    reused = layer.size if uploaded.how != "sent" else 0
    if reused:
        reporter.reuse(reused)
    reporter.finish()
    return uploaded.sent, reused
