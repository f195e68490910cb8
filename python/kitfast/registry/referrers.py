"""Reads and writes what refers to a manifest: the referrers API, or a tag instead."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from yarl import URL

from ..errors import Corrupt, NotInRegistry, RegistryError
from ..oci import canonical
from ..oci.descriptor import Descriptor
from ..oci.document import load_object, objects
from ..oci.mediatypes import ACCEPT, OCI_INDEX
from .auth import scope_for
from .errcodes import Ask
from .session import Session

if TYPE_CHECKING:
    from .client import Registry

# Distribution specification 1.1, "Pushing Manifests": registries take 4 MiB at least.
INDEX_LIMIT = 4 * 1024 * 1024
# What registries answer that know nothing of the API: most 404, some take it for another one.
UNKNOWN = (400, 404, 405, 501)


def fallback_tag(digest: str) -> str:
    """The tag whose index lists what refers to a digest (specification, "Referrers Tag Schema")."""
    return digest.replace(":", "-")


async def referring(
    session: Session, repository: str, digest: str, artifact_type: str
) -> list[Descriptor]:
    """Lists the manifests of one kind whose subject is `digest` (end-12a), else by the tag.

    Only the first page is read: registries filter by kind.

    Args:
        session: The registry.
        repository: Where the subject is.
        digest: The subject's digest.
        artifact_type: The kind.

    Raises:
        RegistryError: The registry refused.
        Corrupt: What it sent is no such list.
    """
    ask = Ask(session.host, f"list what refers to {digest[:19]}", repository)
    url = session.addresses.referrers(repository, digest)
    query = urlencode({"artifactType": artifact_type})
    try:
        document = await _index(session, repository, URL(f"{url}?{query}", encoded=True), ask)
    except RegistryError as error:
        if error.status not in UNKNOWN:
            raise
        document = await _tagged(session, repository, digest, ask)
    entries = [
        Descriptor.from_json(entry, f"manifests[{number}]")
        for number, entry in enumerate(objects(document, "manifests", "the list of referrers"))
    ]
    return [entry for entry in entries if entry.artifact_type == artifact_type]


async def note_by_tag(
    registry: Registry, session: Session, repository: str, subject: str, entry: Descriptor
) -> None:
    """Adds a manifest to the index under the tag, for registries without the API.

    What others have listed there stays as it is. Two writers at the same moment may lose
    one entry, as the specification says.

    Raises:
        Corrupt: Something that is no index has the tag.
        RegistryError: The registry refused.
    """
    ask = Ask(session.host, f"list what refers to {subject[:19]}", repository)
    document = await _tagged(session, repository, subject, ask)
    listed = objects(document, "manifests", "the list of referrers")
    if any(one.get("digest") == entry.digest for one in listed):
        return
    document["manifests"] = [*listed, entry.to_json()]
    data = canonical.dump_bytes(document)
    await registry.put_manifest(repository, fallback_tag(subject), data, OCI_INDEX)


async def unlist(
    registry: Registry, repository: str, subject: str, digests: Collection[str]
) -> None:
    """Takes manifests out of the index under the tag, which goes with the last of them.

    What others have listed there stays as it is.

    Raises:
        Corrupt: Something that is no index has the tag.
        RegistryError: The registry refused.
    """
    tag = fallback_tag(subject)
    try:
        fetched = await registry.manifest(repository, tag)
    except NotInRegistry:
        return
    document = load_object(fetched.data, "the list of referrers")
    listed = objects(document, "manifests", "the list of referrers")
    left = [one for one in listed if one.get("digest") not in digests]
    if left == listed:
        return
    if not left:
        # By digest, as few registries delete a tag alone; no other tag names this index.
        await registry.delete_manifest(repository, fetched.digest)
    else:
        document["manifests"] = left
        data = canonical.dump_bytes(document)
        await registry.put_manifest(repository, tag, data, OCI_INDEX)


async def _tagged(session: Session, repository: str, subject: str, ask: Ask) -> dict[str, Any]:
    url = session.addresses.manifest(repository, fallback_tag(subject))
    try:
        return await _index(session, repository, url, ask)
    except NotInRegistry:
        return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


async def _index(session: Session, repository: str, url: URL, ask: Ask) -> dict[str, Any]:
    answer = await session.fetch(
        "GET",
        url,
        ask=ask,
        scope=scope_for(repository, "pull"),
        expect=(200,),
        headers={"Accept": ", ".join(ACCEPT)},
        limit=INDEX_LIMIT,
    )
    document = load_object(answer.body, "the list of referrers")
    if document.get("mediaType", OCI_INDEX) != OCI_INDEX or "manifests" not in document:
        raise Corrupt(f"{ask}: what the registry sent is no list of manifests")
    return document
