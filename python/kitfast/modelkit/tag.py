"""`tag`: gives a kit of the store another name; nothing is copied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kitfast import settings
from kitfast.errors import InvalidReference
from kitfast.modelkit.kit import need_local
from kitfast.oci import reference as references
from kitfast.store.home import opened


@dataclass(frozen=True)
class Tagged:
    """What `tag` did: the kit's digest and the reference that now names it."""

    digest: str
    reference: str


async def tag(source: str, destination: str, *, home: Path | None = None) -> Tagged:
    """Makes `destination` name the kit that `source` names; both are local.

    Raises:
        InvalidReference: either is no reference, or the destination is a digest.
        NotFound: the store does not hold `source`.
    """
    origin, target = references.parse(source), references.parse(destination)
    if target.digest is not None:
        raise InvalidReference(
            f"{destination}: a kit can be tagged with names only, not with a digest",
            hint="write the destination as [registry/]repository:tag",
        )
    async with opened(home or settings.home()) as store:
        kit = need_local(store, origin)
        store.references.add(target.registry, target.repository, kit.digest, *target.tags)
    return Tagged(kit.digest, str(target))
