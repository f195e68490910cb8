"""`locate`: the digest a reference stands for now, as a reference by that digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kitfast import settings
from kitfast.modelkit.kit import fetch, need_local
from kitfast.modelkit.remote import connected
from kitfast.oci import reference as references
from kitfast.oci.reference import Reference
from kitfast.settings import Network
from kitfast.store.home import opened


@dataclass(frozen=True)
class Located:
    """A kit by its digest: `reference` means the same kit for ever."""

    reference: str
    digest: str


async def locate(
    reference: str, *, home: Path | None = None, network: Network | None = None
) -> Located:
    """Asks the registry, or the store for kits of its own, what a reference names.

    Args:
        reference: the kit; one with a digest comes back as it is.

    Raises:
        NotFound, NotInRegistry: there is no such kit.
    """
    parsed = references.parse(reference)
    if parsed.digest is not None:
        return Located(reference, parsed.digest)
    folder = home or settings.home()
    if parsed.is_local:
        async with opened(folder) as store:
            digest = need_local(store, parsed).digest
        return Located(digest, digest)
    async with connected(parsed, folder, network) as registry:
        digest = (await fetch(registry, parsed)).digest
    return Located(str(Reference(parsed.registry, parsed.repository, digest=digest)), digest)
