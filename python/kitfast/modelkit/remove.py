"""`remove`: takes kits out of the store, or a kit out of a registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kitfast import offload, settings
from kitfast.errors import InvalidArgument, KitfastError, NotFound
from kitfast.modelkit.kit import local_digest
from kitfast.modelkit.published import lists_of, withdraw
from kitfast.modelkit.remote import connected
from kitfast.oci import reference as references
from kitfast.oci.reference import Reference
from kitfast.settings import Network
from kitfast.store.home import Home, opened
from kitfast.store.references import Held


@dataclass(frozen=True)
class Removed:
    """What `remove` did.

    `freed` is the number of bytes that are free again, or None when another process
    was using the store: then the next `remove` frees them. `warnings` are about digests of
    single files that may still be in the registry, though their kit is not.
    """

    references: tuple[str, ...]
    digests: tuple[str, ...]
    failures: tuple[str, ...] = ()
    freed: int | None = 0
    warnings: tuple[str, ...] = ()


async def remove(
    reference: str | None = None,
    *,
    force: bool = False,
    all: bool = False,
    remote: bool = False,
    home: Path | None = None,
    network: Network | None = None,
) -> Removed:
    """Removes a kit's tags, and the kit with its last one.

    Args:
        reference: the kit; further tags (`repository:a,b`) are removed as well.
        force: remove the kit with all its tags.
        all: remove every kit without a tag; with `force`, every kit.
        remote: delete the manifest in the registry, and with it the digests of single files
            that a push published beside it; nothing in the store.

    Raises:
        NotFound: there is no such kit (`NotInRegistry` in a registry).
        InvalidArgument: no reference and not `all`, or both.
    """
    if all == (reference is not None):
        raise InvalidArgument(
            "remove takes either a reference or --all",
            hint="`kitfast list` shows the references in the store",
        )
    folder = home or settings.home()
    if remote:
        return await _remove_remote(reference, folder, network)
    async with opened(folder) as store:
        if reference is None:
            kits = [held for held in store.references.held() if force or not held.tags]
            outcome = _drop(store, kits)
        else:
            outcome = _remove_tags(store, references.parse(reference), force)
    freed = await offload.run(Home(folder).try_prune)
    return Removed(outcome.references, outcome.digests, outcome.failures, freed)


def _drop(store: Home, kits: Sequence[Held]) -> Removed:
    names: list[str] = []
    for held in kits:
        store.references.drop(held.registry, held.repository, held.digest)
        here = Reference(held.registry, held.repository, held.tags, None)
        names.append(str(here) if held.tags else f"{here.name}@{held.digest}".lstrip("@"))
    return Removed(tuple(names), tuple(dict.fromkeys(held.digest for held in kits)))


def _remove_tags(store: Home, reference: Reference, force: bool) -> Removed:
    """Removes the first tag or fails; of further tags, tells which could not be removed."""
    names: list[str] = []
    digests: list[str] = []
    failures: list[str] = []
    for index, one in enumerate(reference.each()):
        digest = local_digest(store, one)
        if digest is None:
            error = NotFound(
                f"{one}: not in the local store",
                what=str(one),
                hint="`kitfast list` shows the references in the store",
            )
            if index == 0:
                raise error
            failures.append(str(error))
            continue
        _remove_one(store, one, digest, force)
        names.append(str(one))
        digests.append(digest)
    return Removed(tuple(names), tuple(dict.fromkeys(digests)), tuple(failures))


def _remove_one(store: Home, reference: Reference, digest: str, force: bool) -> None:
    registry, repository = reference.registry, reference.repository
    if reference.is_bare_digest:
        for held in store.references.held():
            if held.digest == digest:
                store.references.drop(held.registry, held.repository, digest)
        return
    others = set(store.references.tags(registry, repository, digest)) - set(reference.tags)
    if force or reference.tag is None or not others:
        store.references.drop(registry, repository, digest)
    else:
        store.references.untag(registry, repository, reference.tag)


async def _remove_remote(reference: str | None, folder: Path, network: Network | None) -> Removed:
    if reference is None:
        raise InvalidArgument("--all and --remote do not go together", hint="name one reference")
    parsed = references.parse(reference)
    digests: list[str] = []
    failures: list[str] = []
    warnings: list[str] = []
    async with connected(parsed, folder, network) as registry:
        for index, one in enumerate(parsed.each()):
            try:
                fetched = await registry.manifest(one.repository, one.target)
                lists, unsure = await lists_of(registry, one.repository, fetched.digest)
                await registry.delete_manifest(one.repository, fetched.digest)
            except KitfastError as error:
                if index == 0:
                    raise
                failures.append(str(error))
            else:
                digests.append(fetched.digest)
                warnings += unsure
                warnings += await withdraw(registry, one.repository, fetched.digest, lists)
    return Removed(
        (str(parsed),), tuple(dict.fromkeys(digests)), tuple(failures), warnings=tuple(warnings)
    )
