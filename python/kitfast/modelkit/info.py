"""`info`: reads the Kitfile of a kit, from the store or a registry."""

from __future__ import annotations

from pathlib import Path

from kitfast.kitfile.model import Kitfile
from kitfast.modelkit.inspect import read_kit
from kitfast.settings import Network


async def info(
    reference: str,
    *,
    remote: bool = False,
    home: Path | None = None,
    network: Network | None = None,
) -> Kitfile:
    """Reads a kit's Kitfile; no layer is fetched.

    Args:
        reference: the kit.
        remote: ask the registry, not the store.

    Raises:
        NotFound: the store (`NotInRegistry`: the registry) does not hold it.
        UnsupportedArtifact: it is no model artifact.
    """
    return (await read_kit(reference, remote=remote, home=home, network=network)).kitfile
