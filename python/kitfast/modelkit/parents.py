"""Follows `model.path` where it names another kit, whose model is then the model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from kitfast.errors import InvalidKitfile
from kitfast.modelkit.kit import Kit
from kitfast.oci import reference as references
from kitfast.oci.reference import Reference

#: As in kit; a longer chain is a mistake or an attack.
LONGEST_CHAIN = 10


def parent_of(kit: Kit) -> Reference | None:
    """The kit that this kit's model comes from, or None."""
    model = kit.kitfile.model
    if model is None or model.parent is None:
        return None
    return references.parse(model.parent)


async def chain(
    reference: Reference, resolve: Callable[[Reference], Awaitable[Kit]]
) -> AsyncIterator[Kit]:
    """Yields the kit of `reference`, then the kit its model comes from, and so on.

    Raises:
        InvalidKitfile: the references form a cycle or a chain of more than ten.
    """
    seen: list[str] = []
    following: Reference | None = reference
    while following is not None:
        name = str(following)
        path = " => ".join([*seen, name])
        if name in seen:
            raise InvalidKitfile(f"the kits' model references form a cycle: {path}")
        if len(seen) > LONGEST_CHAIN:
            raise InvalidKitfile(f"more than {LONGEST_CHAIN} model references in a row: {path}")
        seen.append(name)
        kit = await resolve(following)
        yield kit
        following = parent_of(kit)
