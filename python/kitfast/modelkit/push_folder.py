"""Pushes a folder as a kit straight from its files, with no copy on this machine."""

from __future__ import annotations

import asyncio
import os
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

# Four layers at a time fill the hashing lanes of a core.
HASHED_PER_CORE = 4


async def push_folder(
    directory: Path,
    destination: str,
    kitfile: str | Path | None,
    choices: Choices,
    home: Path | None,
    network: Network | None,
    progress: Callback | None,
) -> Pushed:
    """Hashes a folder's layers and sends each as soon as its digest is known.

    Every file must stay as it was when the push began until it is sent: the core compares
    sizes and times at each read, and the registry the digest.

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
        job = _Push(registry, target, limits_for(network), progress)
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
        self, registry: Registry, target: Reference, limits: Limits, progress: Callback | None
    ) -> None:
        self.registry, self.target, self.limits = registry, target, limits
        self.progress = progress
        self.sent = self.reused = 0
        self.account = Account()
        self._known: set[str] = set()
        # A gate of its own, so that later layers are hashed while earlier ones are sent.
        self._hashing = asyncio.Semaphore((os.cpu_count() or 1) * HASHED_PER_CORE)

    async def layer(self, piece: Piece) -> _core.PackedLayer:
        """Hashes a layer and sends it, unless an equal one is on its way."""
        async with self._hashing:
            source = piece.source()
            # Opened first: it fails to read files that are no longer what was hashed.
            blob = await offload.run(_core.Blob.of_source, source)
            layer = await self._hash(piece, source)
        if layer.digest in self._known:
            return layer
        self._known.add(layer.digest)
        descriptor = Descriptor("application/octet-stream", layer.digest, layer.size)
        sent, reused = await send(
            blob,
            descriptor,
            self.registry,
            self.target,
            self.limits,
            None,
            self.progress,
            self.account,
        )
        self.sent += sent
        self.reused += reused
        return layer

    async def _hash(self, piece: Piece, source: _core.LayerSource) -> _core.PackedLayer:
        meter = _core.Meter()
        reporter = Reporter(self.progress, "hash", piece.path or ".")
        with self.account.during("hash"):
            (layer,) = await offload.run(
                _core.hash_layers,
                [source],
                meter=meter,
                tick=lambda: reporter.at(meter.done, meter.total or None),
            )
        reporter.finish()
        return layer
