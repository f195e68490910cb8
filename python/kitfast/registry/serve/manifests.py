"""Serves manifests, tags and referrers."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

from aiohttp import web

from kitfast.registry.serve.refusals import (
    checked_digest,
    checked_tag,
    is_digest,
    refusal,
    repository_of,
)
from kitfast.registry.serve.shelf import Shelf, StoredManifest

# Distribution specification 1.1, "Pushing Manifests": 4 MiB at least.
MANIFEST_LIMIT = 4 * 1024 * 1024
TAGS_PAGE = 1000

INDEX = "application/vnd.oci.image.index.v1+json"
LISTS = frozenset({INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"})


class Manifests:
    """The handlers for manifests, tags and referrers of one shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def get(self, request: web.Request) -> web.Response:
        """GET and HEAD of a manifest (end-3)."""
        repository, reference = repository_of(request), _reference_of(request)
        found = await asyncio.to_thread(self._shelf.manifest, repository, reference)
        if found is None:
            raise refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
        return web.Response(
            body=found.data,
            headers={
                "Content-Type": found.media_type,
                "Docker-Content-Digest": found.digest,
                "ETag": f'"{found.digest}"',
            },
        )

    async def put(self, request: web.Request) -> web.Response:
        """PUT of a manifest whose blobs are all there (end-7)."""
        repository, reference = repository_of(request), _reference_of(request)
        data = await _bounded(request)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if is_digest(reference) and reference != digest:
            raise refusal(400, "DIGEST_INVALID", f"the manifest's digest is {digest}")
        document = _document(data)
        media_type = _media_type(request, document)
        await asyncio.to_thread(self._check_blobs, repository, document, media_type)
        manifest = StoredManifest(media_type, digest, data)
        tag = None if is_digest(reference) else reference
        await asyncio.to_thread(self._shelf.put_manifest, repository, tag, manifest)
        headers = {
            "Location": f"/v2/{repository}/manifests/{digest}",
            "Docker-Content-Digest": digest,
        }
        subject = _digest_in(document.get("subject"))
        if subject is not None:
            headers["OCI-Subject"] = subject
        return web.Response(status=201, headers=headers)

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE of a tag or a manifest (end-9)."""
        repository, reference = repository_of(request), _reference_of(request)
        if not await asyncio.to_thread(self._shelf.remove_manifest, repository, reference):
            raise refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
        return web.Response(status=202)

    async def tags(self, request: web.Request) -> web.Response:
        """The tags of a repository in lexical order, in pages (end-8)."""
        repository = repository_of(request)
        tags = await asyncio.to_thread(self._shelf.tags, repository)
        if tags is None:
            raise refusal(404, "NAME_UNKNOWN", "repository unknown")
        page, headers = _page(request, sorted(tags))
        return web.json_response({"name": repository, "tags": page}, headers=headers)

    async def catalog(self, request: web.Request) -> web.Response:
        """The repositories in lexical order, in pages; what Distribution has beside the API."""
        repositories = await asyncio.to_thread(self._shelf.repositories)
        page, headers = _page(request, sorted(repositories))
        return web.json_response({"repositories": page}, headers=headers)

    async def referrers(self, request: web.Request) -> web.Response:
        """The manifests whose subject is a digest, as an index (end-12)."""
        repository = repository_of(request)
        subject = checked_digest(request.match_info["digest"])
        wanted = request.query.get("artifactType")
        found = await asyncio.to_thread(self._referring, repository, subject)
        if wanted is not None:
            found = [entry for entry in found if entry.get("artifactType") == wanted]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found}
        headers = {"OCI-Filters-Applied": "artifactType"} if wanted is not None else {}
        return web.Response(
            body=json.dumps(index).encode(), headers={"Content-Type": INDEX, **headers}
        )

    def _referring(self, repository: str, subject: str) -> list[dict[str, Any]]:
        found = []
        for manifest in self._shelf.manifests(repository):
            document = _document(manifest.data)
            if _digest_in(document.get("subject")) == subject:
                found.append(_descriptor(manifest, document))
        return found

    def _check_blobs(self, repository: str, document: dict[str, Any], media_type: str) -> None:
        """Holds a manifest to the blobs it names; an index may name what is elsewhere."""
        if media_type in LISTS:
            return
        layers = document.get("layers", [])
        if not isinstance(layers, list):
            raise refusal(400, "MANIFEST_INVALID", "layers is not a list")
        named = [document.get("config"), *layers]
        for entry in named:
            digest = _digest_in(entry)
            if digest is None:
                raise refusal(400, "MANIFEST_INVALID", "a descriptor has no digest")
            if entry.get("urls"):
                continue
            blob = self._shelf.blob(repository, checked_digest(digest))
            if blob is None or blob.size != entry.get("size"):
                raise refusal(404, "MANIFEST_BLOB_UNKNOWN", f"blob unknown: {digest}")


def _reference_of(request: web.Request) -> str:
    reference = request.match_info["reference"]
    return checked_digest(reference) if is_digest(reference) else checked_tag(reference)


async def _bounded(request: web.Request) -> bytes:
    """Reads a body of at most `MANIFEST_LIMIT` bytes."""
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > MANIFEST_LIMIT:
            raise refusal(413, "SIZE_INVALID", "the manifest is longer than 4 MiB")
    return bytes(data)


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise refusal(400, "MANIFEST_INVALID", "the manifest is not a JSON object")
    return document


def _media_type(request: web.Request, document: dict[str, Any]) -> str:
    """The manifest's media type, from the header or the document, which must not differ."""
    sent = request.headers.get("Content-Type", "").partition(";")[0].strip()
    inside = document.get("mediaType")
    if inside is not None and (not isinstance(inside, str) or (sent and inside != sent)):
        raise refusal(400, "MANIFEST_INVALID", "Content-Type and mediaType differ")
    if not (sent or inside):
        raise refusal(400, "MANIFEST_INVALID", "the manifest has no media type")
    return sent or str(inside)


def _digest_in(descriptor: Any) -> str | None:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    return digest if isinstance(digest, str) else None


def _descriptor(manifest: StoredManifest, document: dict[str, Any]) -> dict[str, Any]:
    """A manifest as an entry of a referrers index."""
    config = document.get("config")
    fallback = config.get("mediaType") if isinstance(config, dict) else None
    entry: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.data),
    }
    kind = document.get("artifactType") or fallback
    if kind:
        entry["artifactType"] = kind
    if document.get("annotations"):
        entry["annotations"] = document["annotations"]
    return entry


def _page(request: web.Request, names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Cuts the page asked for by `n` and `last` out of a list, with the link to the next."""
    asked = request.query.get("n", str(TAGS_PAGE))
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 10):
        raise refusal(400, "PAGINATION_NUMBER_INVALID", "n is not a number")
    last = request.query.get("last", "")
    rest = [name for name in names if name > last]
    page = rest[: int(asked)]
    if len(page) == len(rest) or not page:
        return page, {}
    following = request.rel_url.with_query({"n": asked, "last": page[-1]})
    return page, {"Link": f'<{following}>; rel="next"'}
