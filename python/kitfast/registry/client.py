"""Speaks the distribution API with one registry: manifests, blobs, uploads."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from urllib.parse import urlencode

from yarl import URL

from ..errors import DigestMismatch, NotInRegistry, ProtocolError, RegistryError
from ..oci import digest as digests
from ..oci.descriptor import Descriptor
from ..oci.mediatypes import ACCEPT
from ..settings import Network
from .auth import scope_for
from .blobs import Blobs, BlobStream
from .credentials import Credentials
from .errcodes import Ask, clean
from .listing import all_tags
from .referrers import note_by_tag, referring
from .session import Answer, Session
from .uploads import Upload, opened

HEADERS = {"Accept": ", ".join(ACCEPT)}
# Distribution specification 1.1, "Pushing Manifests": registries take 4 MiB at least.
MANIFEST_LIMIT = 4 * 1024 * 1024

_SIZE = re.compile(r"bytes 0-0/(\d{1,19})")


@dataclass(frozen=True)
class Fetched:
    """A manifest as it came: its media type, its verified digest, its exact bytes."""

    media_type: str
    digest: str
    data: bytes


class Registry:
    """One registry; an async context manager, one per host, shared by all transfers.

    Small requests are tried again when that is safe. Blob streams and uploads are not:
    the transfer knows what it already has.

    Args:
        host: Host and port, as references name it.
        network: How to reach it.
        credentials: Where logins are found.

    Raises:
        InvalidReference: The host is no host.
    """

    def __init__(self, host: str, network: Network, credentials: Credentials) -> None:
        self.host = host
        self.network = network
        self._session = Session(host, network, credentials)
        self._addresses = self._session.addresses
        self._blobs = Blobs(self._session)

    async def __aenter__(self) -> Registry:
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._session.__aexit__(*exception)

    async def ping(self) -> None:
        """Checks that an OCI registry is there and lets us in (specification, end-1).

        Raises:
            AuthenticationFailed: The credentials are refused.
            NotInRegistry: There is a server, but no registry.
        """
        ask = Ask(self.host, "log in")
        await self._session.fetch(
            "GET", self._addresses.root, ask=ask, scope=(), expect=(200,), limit=1 << 20
        )

    async def manifest(self, repository: str, reference: str) -> Fetched:
        """Reads a manifest by tag or digest (specification, end-3).

        Raises:
            NotInRegistry: It is not there.
            DigestMismatch: Its bytes do not have the digest asked for or announced.
        """
        ask = Ask(self.host, f"read the manifest {reference}", repository)
        answer = await self._manifest("GET", repository, reference, ask)
        digest = _verified(answer.body, _announced(answer), ask)
        _verified(answer.body, reference if ":" in reference else "", ask)
        return Fetched(_media_type(answer), digest, answer.body)

    async def head_manifest(self, repository: str, reference: str) -> Descriptor | None:
        """Asks what a tag or digest names, without reading it (specification, end-3).

        Returns:
            What the registry announces, unverified; None where nothing is there.

        Raises:
            RegistryError: The registry refused.
        """
        ask = Ask(self.host, f"look for the manifest {reference}", repository)
        try:
            answer = await self._manifest("HEAD", repository, reference, ask)
        except NotInRegistry:
            return None
        size, digest, kind = _length(answer), _announced(answer), _media_type(answer)
        if size is None or not kind or not digests.is_digest(digest):
            # Not every registry announces all of it: the manifest itself tells.
            fetched = await self.manifest(repository, reference)
            size, digest, kind = len(fetched.data), fetched.digest, fetched.media_type
        return Descriptor(kind, digest, size)

    async def put_manifest(
        self, repository: str, reference: str, data: bytes, media_type: str
    ) -> str:
        """Writes a manifest under a tag or its digest (specification, end-7).

        Returns:
            Its digest.

        Raises:
            DigestMismatch: The registry reports another digest.
            RegistryError: The registry refused it.
        """
        answer = await self._put(repository, reference, data, media_type)
        ask = Ask(self.host, f"write the manifest {reference}", repository)
        return _verified(data, _announced(answer), ask)

    async def put_referrer(
        self, repository: str, data: bytes, entry: Descriptor, subject: str
    ) -> None:
        """Writes a manifest that refers to another, and lists it where it can be found.

        Args:
            repository: Where both are.
            data: The manifest.
            entry: What lists say of it.
            subject: The digest it refers to.

        Raises:
            RegistryError: The registry refused.
            Corrupt: The list that is there is none.
        """
        answer = await self._put(repository, entry.digest, data, entry.media_type)
        # Specification, "Pushing Manifests with Subject": without it nobody lists it but us.
        if "OCI-Subject" not in answer.headers:
            await note_by_tag(self, self._session, repository, subject, entry)

    async def referrers(self, repository: str, digest: str, artifact_type: str) -> list[Descriptor]:
        """Lists the manifests of one kind that refer to a digest; never asks a mirror.

        Raises:
            RegistryError: The registry refused.
            Corrupt: What it sent is no list.
        """
        return await referring(self._session, repository, digest, artifact_type)

    async def _put(self, repository: str, reference: str, data: bytes, media_type: str) -> Answer:
        ask = Ask(self.host, f"write the manifest {reference}", repository)
        _verified(data, reference if ":" in reference else "", ask)
        return await self._session.fetch(
            "PUT",
            self._addresses.manifest(repository, reference),
            ask=ask,
            scope=scope_for(repository, "pull", "push"),
            expect=(201, 200, 202),
            headers={"Content-Type": media_type},
            body=data,
        )

    async def delete_manifest(self, repository: str, reference: str) -> None:
        """Deletes a manifest by digest, or a tag where the registry can (end-9).

        Raises:
            NotInRegistry: It is not there.
            RegistryError: The registry does not allow deleting.
        """
        ask = Ask(self.host, f"delete {reference}", repository)
        try:
            await self._session.fetch(
                "DELETE",
                self._addresses.manifest(repository, reference),
                ask=ask,
                scope=scope_for(repository, "delete", "pull", "push"),
                expect=(202, 200, 204),
            )
        except RegistryError as error:
            if error.status in (400, 405) and not digests.is_digest(reference):
                # Distribution 2 takes a tag for a damaged digest, and says so.
                raise RegistryError(
                    f"{ask}: this registry cannot delete a tag alone (HTTP {error.status})",
                    hint=f"delete what it names, with all its tags: {ask.place}@sha256:…",
                    status=error.status,
                    code=error.code,
                ) from error
            raise

    async def tags(self, repository: str) -> list[str]:
        """Lists the tags of a repository, all pages (specification, end-8).

        Raises:
            NotInRegistry: The repository is not there.
            ProtocolError: The pages go in a circle or never end.
        """
        return await all_tags(self._session, repository)

    async def blob_size(self, repository: str, digest: str) -> int | None:
        """Returns the size of a blob, or None where it is not there (end-10).

        Raises:
            RegistryError: The registry refused.
        """
        ask = Ask(self.host, f"look for the blob {digest[:19]}", repository)
        try:
            answer = await self._blob_answer("HEAD", repository, digest, ask, {}, (200,))
            size = _length(answer)
            if size is not None:
                return size
        except NotInRegistry:
            return None
        except RegistryError as error:
            # Some storage signs its addresses for GET alone.
            if error.status not in (400, 403, 405):
                raise
        return await self._size_by_range(repository, digest, ask)

    async def blob_bytes(self, repository: str, digest: str, size: int) -> bytes:
        """Reads a small blob whole, such as a config, and verifies it.

        Args:
            repository: Where it is.
            digest: Its digest.
            size: Its size, as the manifest says; no more is read.

        Raises:
            DigestMismatch: Its bytes are not the ones named.
            ProtocolError: It is longer or shorter.
        """
        ask = Ask(self.host, f"read the blob {digest[:19]}", repository)
        url = self._addresses.blob(repository, digest)
        answer = await self._session.fetch(
            "GET", url, ask=ask, scope=scope_for(repository, "pull"), expect=(200,), limit=size
        )
        _verified(answer.body, digest, ask)
        return answer.body

    def get_blob(
        self,
        repository: str,
        digest: str,
        *,
        start: int | None = None,
        end: int | None = None,
        size: int,
    ) -> AbstractAsyncContextManager[BlobStream]:
        """Opens a blob, or the bytes from `start` to before `end`, as a stream (end-2).

        Where the blob is stored is found by its first read and remembered; an address that
        has expired is renewed once a read. Nothing else is tried again.

        Args:
            repository: Where it is.
            digest: Its digest; the stream is not verified.
            start: First byte; with `end`, asks for a range.
            end: Offset behind the last byte; the blob's end when only `start` is given.
            size: The whole blob's size.

        Returns:
            A context manager with the stream, open as long as it is entered.

        Raises:
            NotInRegistry: The blob is not there.
            ProtocolError: What is sent is not exactly what was asked for.
            ConnectionFailed: No answer came.
        """
        return self._blobs.get(repository, digest, start=start, end=end, size=size)

    def distrust_mirrors(self, digest: str) -> tuple[str, ...]:
        """Reads a blob from no mirror any more; returns those that sent bytes of it."""
        return ()

    async def start_upload(
        self, repository: str, *, mount: str | None = None, source: str | None = None
    ) -> Upload | None:
        """Opens an upload, or mounts a blob from another repository (end-4a, end-11).

        Args:
            repository: Where the blob goes.
            mount: Digest of a blob that `source` may hold.
            source: Repository of the same registry.

        Returns:
            The upload, or None when the blob was mounted and nothing need be sent.

        Raises:
            RegistryError: The registry refused.
        """
        if mount is not None and source is not None:
            try:
                return await self._start(repository, mount, source)
            except RegistryError as error:
                # No right to read the source is no reason not to upload.
                if error.transient:
                    raise
        return await self._start(repository, None, None)

    async def _start(self, repository: str, mount: str | None, source: str | None) -> Upload | None:
        ask = Ask(self.host, "start an upload", repository)
        url = self._addresses.uploads(repository)
        scope = scope_for(repository, "pull", "push")
        opening = scope
        if mount is not None and source is not None:
            url = URL(f"{url}?{urlencode({'mount': mount, 'from': source})}", encoded=True)
            opening = tuple(sorted({*scope, *scope_for(source, "pull")}))
        answer = await self._session.fetch(
            "POST",
            url,
            ask=ask,
            scope=opening,
            expect=(202, 201) if mount else (202,),
            headers={"Content-Length": "0"},
        )
        if answer.status == 201:
            return None
        return opened(self._session, repository, scope, answer.url, answer.headers, ask)

    async def _manifest(self, method: str, repository: str, reference: str, ask: Ask) -> Answer:
        return await self._session.fetch(
            method,
            self._addresses.manifest(repository, reference),
            ask=ask,
            scope=scope_for(repository, "pull"),
            expect=(200,),
            headers=HEADERS,
            limit=MANIFEST_LIMIT,
        )

    async def _blob_answer(
        self,
        method: str,
        repository: str,
        digest: str,
        ask: Ask,
        headers: dict[str, str],
        expect: tuple[int, ...],
    ) -> Answer:
        return await self._session.fetch(
            method,
            self._addresses.blob(repository, digest),
            ask=ask,
            scope=scope_for(repository, "pull"),
            expect=expect,
            headers=headers,
        )

    async def _size_by_range(self, repository: str, digest: str, ask: Ask) -> int | None:
        try:
            answer = await self._blob_answer(
                "GET", repository, digest, ask, {"Range": "bytes=0-0"}, (206,)
            )
        except NotInRegistry:
            return None
        match = _SIZE.fullmatch(answer.headers.get("Content-Range", ""))
        if match is None:
            raise ProtocolError(f"{ask}: the registry does not say how long it is")
        return int(match[1])


def _verified(data: bytes, digest: str, ask: Ask) -> str:
    """Holds bytes to a digest and returns it; returns theirs when there is none."""
    found = digests.of(data)
    if digest and found != digest:
        raise DigestMismatch(
            f"{ask}: its bytes are {found} instead of {clean(digest, 160)}",
            expected=clean(digest, 160),
            actual=found,
        )
    return found


def _media_type(answer: Answer) -> str:
    return clean(answer.headers.get("Content-Type", "").partition(";")[0].strip(), 128)


def _length(answer: Answer) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _announced(answer: Answer) -> str:
    """The digest an answer announces, where it is of the one kind that can be checked."""
    text = answer.headers.get("Docker-Content-Digest", "").strip()
    return text if text.startswith("sha256:") else ""
