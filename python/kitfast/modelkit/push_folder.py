"""Pushes a folder as a kit straight from its files, with no copy on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import _core, offload, settings
from kitfast.errors import InvalidArgument
from kitfast.modelkit.build import Choices, Piece, existing_folder, load_kitfile, plan
from kitfast.modelkit.push import Pushed, publish, send
from kitfast.modelkit.remote import connected, limits_for
from kitfast.oci import reference as references
from kitfast.oci.descriptor import Descriptor
from kitfast.oci.manifest import parse_manifest
from kitfast.oci.mediatypes import OCI_MANIFEST
from kitfast.oci.reference import Reference
from kitfast.progress import Callback, Reporter
from kitfast.settings import Network
from kitfast.together import together
from kitfast.transfer.account import Account

if TYPE_CHECKING:
    from kitfast.registry.client import Registry
    from kitfast.transfer.limits import Limits


async def push_folder(
    directory: Path,
    destination: str,
    kitfile: str | Path | None,
    choices: Choices,
    cache: bool,
    home: Path | None,
    network: Network | None,
    progress: Callback | None,
) -> Pushed:
    """Sends a folder's layers while they are hashed: each byte is read once, none is written.

    A layer whose files are as they were when it was packed or pushed before has a digest
    already, and is asked for first. Every file must stay as it was when the push began until
    it is sent: the core compares sizes and times at each read, and the registry the digest.

    Raises:
        As `push`.
    """
    if choices.compression != "none":
        raise InvalidArgument(
            f"a folder is pushed as it is, not with {choices.compression}",
            hint="compress with `kitfast pack --compression`, then push the kit",
        )
    context, target = existing_folder(directory), references.parse(destination)
    if target.digest is not None:
        raise InvalidArgument(f"{destination}: a kit is tagged with names, not with a digest")
    described = load_kitfile(context, kitfile)
    folder, network = home or settings.home(), network or settings.network()
    planned = await plan(context, described, choices, folder, network)
    async with connected(target, folder, network) as registry:
        job = _Push(registry, target, limits_for(network), progress, folder, cache)
        done = await together([job.layer(piece) for piece in planned.pieces])
        made = planned.build(done)
        manifest = parse_manifest(made.manifest)
        await publish(
            registry,
            target,
            job.limits,
            manifest.config,
            made.config,
            manifest.media_type or OCI_MANIFEST,
            made.manifest,
            job.account,
        )
    return Pushed(
        made.descriptor.digest,
        tuple(str(one) for one in target.each()),
        len(done),
        sum(layer.size for layer in done),
        job.sent,
        job.reused,
        planned.warnings,
        job.account.flow(layers=len(done), moved=job.sent),
    )


class _Push:
    """One push: what it may use, and what it has sent."""

    def __init__(
        self,
        registry: Registry,
        target: Reference,
        limits: Limits,
        progress: Callback | None,
        home: Path,
        cache: bool,
    ) -> None:
        self.registry, self.target, self.limits = registry, target, limits
        self.progress = progress
        self.sent = self.reused = 0
        self.account = Account()
        self._home, self._cache = home, cache
        self._known: set[str] = set()

    async def layer(self, piece: Piece) -> _core.PackedLayer:
        """Sends a layer, unless the registry has it or an equal one is on its way."""
        layer = await offload.run(_core.Departure, piece.source())
        if self._cache and await offload.run(layer.recall, self._home):
            packed = layer.packed()
            if packed.digest not in self._known:
                self._known.add(packed.digest)
                await self._send_named(layer, packed)
            return packed
        await self._send_unnamed(layer, piece.path or ".")
        packed = layer.packed()
        self._known.add(packed.digest)
        if self._cache:
            await offload.run(layer.remember, self._home)
        return packed

    async def _send_named(self, layer: _core.Departure, packed: _core.PackedLayer) -> None:
        """Sends a layer whose digest an earlier run has found, where it is not there."""
        sent, reused = await send(
            layer,
            Descriptor("application/octet-stream", packed.digest, packed.size),
            self.registry,
            self.target,
            self.limits,
            None,
            self.progress,
            self.account,
        )
        self.sent += sent
        self.reused += reused

    async def _send_unnamed(self, layer: _core.Departure, name: str) -> None:
        """Sends a layer, and finds its digest out meanwhile."""
        from kitfast.transfer.upload import upload_unnamed

        reporter = Reporter(self.progress, "upload", name, layer.size)
        uploaded = await upload_unnamed(
            self.registry,
            self.target.repository,
            layer,
            label=name,
            limits=self.limits,
            on_bytes=reporter.add,
            account=self.account,
        )
        self.sent += uploaded.sent
        if uploaded.how != "sent":
            self.reused += layer.size
            reporter.reuse(layer.size)
        reporter.finish()
