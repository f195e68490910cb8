"""Serves blobs whole and by range, streaming, in constant memory."""

from __future__ import annotations

import asyncio
import logging
import re

from aiohttp import web

from kitfast.errors import KitfastError
from kitfast.registry.serve.refusals import checked_digest, refusal, repository_of
from kitfast.registry.serve.shelf import Shelf, StoredBlob

LOG = logging.getLogger(__name__)

# Two of these per answer are in memory: one on its way out, the next being read.
SLICE = 1024 * 1024

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


class Blobs:
    """The handlers for blobs of one shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def get(self, request: web.Request) -> web.StreamResponse:
        """GET and HEAD of a blob or one range of it (end-2)."""
        repository = repository_of(request)
        digest = checked_digest(request.match_info["digest"])
        blob = await asyncio.to_thread(self._shelf.blob, repository, digest)
        if blob is None:
            raise refusal(404, "BLOB_UNKNOWN", "blob unknown")
        start, end, status = _asked_range(request.headers.get("Range"), blob.size)
        response = web.StreamResponse(
            status=status,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Length": str(end - start),
                "Docker-Content-Digest": digest,
                "Accept-Ranges": "bytes",
                "ETag": f'"{digest}"',
            },
        )
        if status == 206:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
        await response.prepare(request)
        if request.method != "HEAD":
            try:
                await _send(response, blob, start, end)
            except (KitfastError, OSError, EOFError) as error:
                # The headers are out: all that can still be said is an early end.
                LOG.warning("%s: sending %s broke off: %s", request.remote, digest, error)
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE of a blob: refused, as other kits may need it; `prune` removes it."""
        repository_of(request)
        checked_digest(request.match_info["digest"])
        raise refusal(405, "UNSUPPORTED", "blobs go when no manifest needs them")


async def _send(response: web.StreamResponse, blob: StoredBlob, start: int, end: int) -> None:
    """Writes a range of a blob, reading the next slice while one is sent."""
    reading = asyncio.ensure_future(asyncio.to_thread(blob.read, start, min(SLICE, end - start)))
    try:
        while start < end:
            data = await reading
            if not data:
                raise EOFError("the blob is shorter than the store said")
            start += len(data)
            if start < end:
                length = min(SLICE, end - start)
                reading = asyncio.ensure_future(asyncio.to_thread(blob.read, start, length))
            await response.write(data)
        await response.write_eof()
    finally:
        if not reading.done():
            await asyncio.wait({reading})


def _asked_range(value: str | None, size: int) -> tuple[int, int, int]:
    """Reads a `Range` (RFC 9110 §14.2): start, end and the status to answer with.

    Several ranges, or something else than bytes, are answered with everything, as
    the RFC allows.

    Raises:
        Refused: the range lies outside the blob.
    """
    match = _RANGE.fullmatch(value.strip()) if value is not None else None
    if match is None or match[0] == "bytes=-":
        return 0, size, 200
    first, last = match[1], match[2]
    if first:
        start = int(first)
        end = min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return 0, size, 200
    else:
        start, end = max(size - int(last), 0), size
    if start >= size or start >= end:
        outside = {"Content-Range": f"bytes */{size}"}
        raise refusal(416, "RANGE_INVALID", "the range is outside the blob", outside)
    return start, end, 206
