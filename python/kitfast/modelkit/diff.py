"""`diff`: compares two kits by what their manifests say; no layer is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kitfast.errors import NotFound
from kitfast.modelkit.inspect import read_kit
from kitfast.modelkit.kit import Kit
from kitfast.oci import reference as references
from kitfast.oci.descriptor import Descriptor
from kitfast.settings import Network
from kitfast.together import together

LOCAL = "local://"
REMOTE = "remote://"


@dataclass(frozen=True)
class Difference:
    """What two kits share and what only one of them has.

    Layers are the same when their digests are. `identical` is the manifests' digests.
    """

    first: str
    second: str
    identical: bool
    same_config: bool
    same_annotations: bool
    shared: tuple[Descriptor, ...]
    only_first: tuple[Descriptor, ...]
    only_second: tuple[Descriptor, ...]


async def diff(
    first: str,
    second: str,
    *,
    home: Path | None = None,
    network: Network | None = None,
) -> Difference:
    """Compares two kits.

    Args:
        first, second: references; `local://` and `remote://` in front say where to look.
            Without, it is the store, and then the registry.

    Raises:
        NotFound: one of them is in neither (`NotInRegistry`: not in its registry).
        UnsupportedArtifact: one of them is no model artifact.
    """
    one, other = await together([_find(name, home, network) for name in (first, second)])
    ours = {layer.digest for layer in one.manifest.layers}
    theirs = {layer.digest for layer in other.manifest.layers}
    return Difference(
        one.digest,
        other.digest,
        one.digest == other.digest,
        one.manifest.config.digest == other.manifest.config.digest,
        dict(one.manifest.annotations) == dict(other.manifest.annotations),
        tuple(layer for layer in one.manifest.layers if layer.digest in theirs),
        tuple(layer for layer in one.manifest.layers if layer.digest not in theirs),
        tuple(layer for layer in other.manifest.layers if layer.digest not in ours),
    )


async def _find(name: str, home: Path | None, network: Network | None) -> Kit:
    if name.startswith(REMOTE):
        return await read_kit(name.removeprefix(REMOTE), remote=True, home=home, network=network)
    reference = name.removeprefix(LOCAL)
    try:
        return await read_kit(reference, remote=False, home=home, network=network)
    except NotFound:
        if name.startswith(LOCAL) or references.parse(reference).is_local:
            raise
    return await read_kit(reference, remote=True, home=home, network=network)
