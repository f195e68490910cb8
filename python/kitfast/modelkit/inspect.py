"""`inspect`: reads manifest and config of a kit, here or in a registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kitfast import settings
from kitfast.kitfile.artifact import VERSION_ANNOTATION
from kitfast.kitfile.model import Kitfile
from kitfast.modelkit.kit import Kit, fetch, need_local
from kitfast.modelkit.remote import connected
from kitfast.oci import reference as references
from kitfast.oci.manifest import Manifest
from kitfast.settings import Network
from kitfast.store.home import opened


@dataclass(frozen=True)
class Inspection:
    """All that can be said about a kit without reading its layers."""

    digest: str
    cli_version: str
    kitfile: Kitfile
    manifest: Manifest
    manifest_bytes: bytes
    config_bytes: bytes


async def inspect(
    reference: str,
    *,
    remote: bool = False,
    home: Path | None = None,
    network: Network | None = None,
) -> Inspection:
    """Reads a kit's manifest and config; no layer is fetched.

    Args:
        reference: the kit.
        remote: ask the registry, not the store.

    Raises:
        NotFound: the store (`NotInRegistry`: the registry) does not hold it.
        UnsupportedArtifact: it is no model artifact.
    """
    kit = await read_kit(reference, remote=remote, home=home, network=network)
    version = kit.manifest.annotations.get(VERSION_ANNOTATION) or "unknown"
    return Inspection(
        kit.digest, version, kit.kitfile, kit.manifest, kit.manifest_bytes, kit.config_bytes
    )


async def read_kit(
    reference: str, *, remote: bool, home: Path | None, network: Network | None
) -> Kit:
    """Reads what a reference names, from the store or (`remote`) from its registry."""
    parsed = references.parse(reference)
    folder = home or settings.home()
    if remote:
        async with connected(parsed, folder, network) as registry:
            return await fetch(registry, parsed)
    async with opened(folder) as store:
        return need_local(store, parsed)
