"""Opens the registry a reference names, with the credentials that belong to it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from kitfast import settings
from kitfast.errors import InvalidReference
from kitfast.oci.reference import Reference
from kitfast.settings import Network

if TYPE_CHECKING:
    from kitfast.registry.client import Registry
    from kitfast.transfer.limits import Limits


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
        raise InvalidReference(
            f"{reference}: names no registry",
            hint="put the registry's host in front, as in registry.example/team/model:v1",
        )
    from kitfast.registry.client import Registry
    from kitfast.registry.credentials import Credentials

    network, credentials = network or settings.network(), Credentials(home)
    own = Registry(reference.registry, network, credentials)
    if mirrors:
        from kitfast.registry.mirrors import mirrored

        own = mirrored(own, home, credentials)
    async with own as registry:
        yield registry


def limits_for(network: Network) -> Limits:
    """The budget of connections and bytes that all verbs of this event loop share."""
    from kitfast.transfer.limits import shared

    return shared(
        connections=network.connections,
        blobs=network.concurrency,
        part_size=network.part_size,
        max_rate=network.max_rate,
    )
