"""Opens the registry a reference names, with the credentials that belong to it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import _core, settings
from kitfast.errors import InvalidReference
from kitfast.oci.reference import LOCAL_REGISTRY, Reference
from kitfast.settings import Network

if TYPE_CHECKING:
    from kitfast.registry.client import Registry
    from kitfast.transfer.limits import Limits

# An IPv4 address, or a name under a domain: `registry.example`, but not `llama-3.1`.
_HOST_LIKE = r"\d{1,3}(\.\d{1,3}){3}|[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}"


@contextlib.asynccontextmanager
async def connected(
    reference: Reference, home: Path, network: Network | None = None, *, mirrors: bool = False
) -> AsyncIterator[Registry]:
    """The registry of a reference, open for the length of the block.

    aiohttp is imported here and not before, so that verbs on local kits start fast.

    Args:
        mirrors: ask the mirrors of that registry first; for reading only.

    Raises:
        InvalidReference: the reference names no registry.
        InvalidArgument: the file of mirrors cannot be read.
    """
    if reference.is_local:
        raise _no_registry(reference)
    from kitfast.registry.client import Registry
    from kitfast.registry.credentials import Credentials

    network, credentials = network or settings.network(), Credentials(home)
    own = Registry(reference.registry, network, credentials)
    if mirrors:
        from kitfast.registry.mirrors import mirrored

        own = mirrored(own, home, credentials)
    async with own as registry:
        yield registry


def _no_registry(reference: Reference) -> InvalidReference:
    """The error for a name without a slash, which may have been meant as a registry's."""
    name, tag = reference.repository, reference.tag or ""
    port = tag if tag.isdigit() else ""
    if "/" not in name and port and (re.fullmatch(_HOST_LIKE, name) or name == LOCAL_REGISTRY):
        return InvalidReference(
            f"{name}:{port}: is a registry, and names no repository in it",
            hint=f"put the repository behind it, as in {name}:{port}/team/model:v1",
        )
    if "/" not in name and re.fullmatch(_HOST_LIKE, name):
        return InvalidReference(
            f"{reference}: a registry, or else a repository, is missing",
            hint=f"write both, as in {name}/team/model:v1 or registry.example/{name}:{tag}",
        )
    return InvalidReference(
        f"{reference}: names no registry",
        hint=f"put the registry's host in front, as in registry.example/{reference}",
    )


def limits_for(network: Network) -> Limits:
    """The budget of connections and bytes that all verbs of this event loop share."""
    from kitfast.transfer.limits import shared

    if network.workers is not None:
        _core.use_cores(network.workers)
    return shared(
        connections=network.connections,
        blobs=network.concurrency,
        part_size=network.part_size,
        max_rate=network.max_rate,
        cores=network.workers,
    )
