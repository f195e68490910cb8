"""Takes uploads: in one piece, in chunks, resumed, mounted, cancelled."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import aiofiles
from aiohttp import web

from kitfast.errors import DigestMismatch
from kitfast.registry.serve.refusals import checked_digest, checked_name, refusal, repository_of
from kitfast.registry.serve.shelf import Shelf

# Bytes are gathered to this much and written on a thread.
GATHER = 1024 * 1024

# An upload that nobody touched for this long was given up by its client.
IDLE_SECONDS = 24 * 3600.0

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,19})-(\d{1,19})(?:/(?:\d{1,19}|\*))?")


@dataclass
class _Upload:
    """One upload: whose it is, where its bytes are, and whether somebody sends right now."""

    repository: str
    path: Path
    size: int = 0
    busy: bool = False
    touched: float = 0.0


class Uploads:
    """The handlers for uploads into one shelf; their bytes wait in a folder."""

    def __init__(self, shelf: Shelf, folder: Path) -> None:
        """Keeps uploads in `folder`, which should be on the store's own disk."""
        self._shelf = shelf
        self._folder = folder
        self._open: dict[str, _Upload] = {}

    async def post(self, request: web.Request) -> web.Response:
        """Opens an upload, mounts a blob, or takes a whole one (end-4a, 4b, 11)."""
        repository = repository_of(request)
        self._drop_idle()
        mount, source = request.query.get("mount"), request.query.get("from")
        if mount is not None and await self._mounted(repository, mount, source):
            return _created(repository, mount)
        digest = request.query.get("digest")
        if digest is not None:
            checked_digest(digest)
        name = secrets.token_urlsafe(24)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"upload-{name}"
        self._open[name] = _Upload(repository, path, touched=monotonic())
        path.touch(0o600)
        if digest is not None:
            return await self._fill_and_close(request, name, digest)
        return self._progress(name, 202)

    async def patch(self, request: web.Request) -> web.Response:
        """Takes the next chunk (end-5); chunks go in order."""
        name, upload = self._find(request)
        with _held(upload):
            _check_order(request, upload)
            await _append(request, upload)
        return self._progress(name, 202)

    async def put(self, request: web.Request) -> web.Response:
        """Takes the last bytes, if any, and closes the upload (end-6)."""
        name, upload = self._find(request)
        digest = checked_digest(request.query.get("digest", ""))
        if request.headers.get("Content-Range"):
            _check_order(request, upload)
        return await self._fill_and_close(request, name, digest)

    async def get(self, request: web.Request) -> web.Response:
        """Says how many bytes are there (end-13)."""
        name, _ = self._find(request)
        return self._progress(name, 204)

    async def delete(self, request: web.Request) -> web.Response:
        """Gives an upload up (end-14)."""
        name, upload = self._find(request)
        with _held(upload):
            self._drop(name)
        return web.Response(status=204)

    def close(self) -> None:
        """Drops every upload that is open."""
        for name in list(self._open):
            self._drop(name)

    async def _mounted(self, repository: str, digest: str, source: str | None) -> bool:
        checked_digest(digest)
        if source is not None:
            checked_name(source)
        return await asyncio.to_thread(self._shelf.mount_blob, repository, digest, source)

    async def _fill_and_close(self, request: web.Request, name: str, digest: str) -> web.Response:
        upload = self._open[name]
        with _held(upload):
            await _append(request, upload)
            try:
                await asyncio.to_thread(
                    self._shelf.take_blob, upload.repository, digest, upload.path
                )
            except DigestMismatch as error:
                self._drop(name)
                raise refusal(400, "DIGEST_INVALID", str(error)) from error
            self._drop(name)
        return _created(upload.repository, digest)

    def _find(self, request: web.Request) -> tuple[str, _Upload]:
        name, repository = request.match_info["upload"], repository_of(request)
        upload = self._open.get(name)
        if upload is None or upload.repository != repository:
            raise refusal(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown")
        upload.touched = monotonic()
        return name, upload

    def _progress(self, name: str, status: int) -> web.Response:
        upload = self._open[name]
        return web.Response(
            status=status,
            headers={
                "Location": f"/v2/{upload.repository}/blobs/uploads/{name}",
                "Range": f"0-{max(upload.size - 1, 0)}",
                "Docker-Upload-UUID": name,
            },
        )

    def _drop_idle(self) -> None:
        now = monotonic()
        for name, upload in list(self._open.items()):
            if not upload.busy and now - upload.touched > IDLE_SECONDS:
                self._drop(name)

    def _drop(self, name: str) -> None:
        self._open.pop(name).path.unlink(missing_ok=True)


@contextmanager
def _held(upload: _Upload) -> Iterator[None]:
    """Lets one request at a time at an upload: two would mix their bytes."""
    if upload.busy:
        raise refusal(416, "BLOB_UPLOAD_INVALID", "another request sends to this upload")
    upload.busy = True
    try:
        yield
    finally:
        upload.busy = False
        upload.touched = monotonic()


def _check_order(request: web.Request, upload: _Upload) -> None:
    value = request.headers.get("Content-Range")
    if value is None:
        return
    match = _CONTENT_RANGE.fullmatch(value.strip())
    if match is None:
        raise refusal(400, "BLOB_UPLOAD_INVALID", "Content-Range is not start-end")
    start, last = int(match[1]), int(match[2])
    length = request.content_length
    if start != upload.size or (length is not None and length != last - start + 1):
        held = {"Range": f"0-{max(upload.size - 1, 0)}"}
        raise refusal(416, "BLOB_UPLOAD_INVALID", f"the upload is at byte {upload.size}", held)


async def _append(request: web.Request, upload: _Upload) -> None:
    """Writes a request's body behind what is there; what came of a broken one stays."""
    gathered = bytearray()
    async with aiofiles.open(upload.path, "r+b", buffering=GATHER) as file:
        await file.seek(upload.size)
        try:
            async for chunk in request.content.iter_any():
                gathered += chunk
                if len(gathered) >= GATHER:
                    upload.size += await file.write(bytes(gathered))
                    gathered.clear()
        except ConnectionError as error:
            raise refusal(400, "BLOB_UPLOAD_INVALID", "the connection broke") from error
        finally:
            upload.size += await file.write(bytes(gathered))


def _created(repository: str, digest: str) -> web.Response:
    return web.Response(
        status=201,
        headers={
            "Location": f"/v2/{repository}/blobs/{digest}",
            "Docker-Content-Digest": digest,
        },
    )
