"""`list`: tells which kits the store, or a repository of a registry, holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kitfast import settings
from kitfast.errors import Corrupt, UnsupportedArtifact
from kitfast.modelkit.filelist import FILES
from kitfast.modelkit.kit import Kit, fetch, find_local
from kitfast.modelkit.remote import connected
from kitfast.oci import digest as digests
from kitfast.oci import reference as references
from kitfast.oci.manifest import parse_manifest
from kitfast.oci.reference import Reference
from kitfast.settings import Network
from kitfast.store.home import Home, opened
from kitfast.store.references import Held
from kitfast.together import together


@dataclass(frozen=True)
class KitSummary:
    """One kit of a list; texts are empty where the kit says nothing.

    `size` is the bytes of all layers; `repository` is as kit shows it, empty for a kit
    packed without a tag.
    """

    repository: str
    digest: str
    tags: tuple[str, ...]
    name: str
    author: str
    size: int


async def list_kits(
    repository: str | None = None,
    *,
    home: Path | None = None,
    network: Network | None = None,
) -> list[KitSummary]:
    """Lists the kits of the store, or of a remote repository.

    Args:
        repository: `registry/repository[:tag]` to list what a registry holds.

    Raises:
        NotInRegistry: the registry has no such repository or tag.
    """
    folder = home or settings.home()
    if repository is not None:
        return await _list_remote(repository, folder, network)
    if not folder.exists():
        return []  # Looking makes no home.
    async with opened(folder) as store:
        every = store.references.held()
        kits = {held.digest for held in every}
        shown = [held for held in every if held.tags or not _is_beside(store, held, kits)]
        summaries = [_summary_of(store, held) for held in shown]
    return sorted(summaries, key=lambda s: (s.repository or "<none>", s.digest))


def _is_beside(store: Home, held: Held, kits: set[str]) -> bool:
    """Whether it is the list of files of a kit that is here, which a served store was sent."""
    data = store.manifests.get(held.digest)
    try:
        manifest = parse_manifest(data) if data is not None else None
    except (Corrupt, UnsupportedArtifact):
        return False
    if manifest is None or manifest.artifact_type != FILES or manifest.subject is None:
        return False
    return manifest.subject.digest in kits


def _summary_of(store: Home, held: Held) -> KitSummary:
    """A kit that cannot be read is listed without its particulars, so it can be removed."""
    where = Reference(held.registry, held.repository, (), held.digest)
    try:
        kit = find_local(store, where)
    except (Corrupt, UnsupportedArtifact):
        kit = None
    if kit is None:
        return KitSummary(where.name, held.digest, held.tags, "", "", 0)
    return _summary(kit, where.name, held.tags)


def _summary(kit: Kit, repository: str, tags: tuple[str, ...]) -> KitSummary:
    package = kit.kitfile.package
    author = package.authors[0] if package.authors else ""
    return KitSummary(repository, kit.digest, tags, package.name, author, kit.size)


async def _list_remote(repository: str, folder: Path, network: Network | None) -> list[KitSummary]:
    parsed = references.parse(repository)
    # kit fails here without a `latest` tag; a repository without a tag means all of them.
    named = repository.rpartition("/")[2]
    every = ":" not in named and "@" not in named
    async with connected(parsed, folder, network) as registry:
        if not every:
            wanted = list(parsed.each())
        else:
            tags = await registry.tags(parsed.repository)
            # A tag of this form stands for what refers to a manifest, and names no kit.
            tags = [tag for tag in tags if not digests.is_digest(tag.replace("-", ":", 1))]
            wanted = [parsed.with_tag(tag) for tag in sorted(tags)]

        async def one(reference: Reference) -> KitSummary | None:
            try:
                kit = await fetch(registry, reference)
            except UnsupportedArtifact:
                # Repositories hold signatures and images beside kits.
                if every:
                    return None
                raise
            return _summary(kit, reference.repository, reference.tags)

        found = await together([one(reference) for reference in wanted], at_once=8)
    return [summary for summary in found if summary is not None]
