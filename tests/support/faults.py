"""A registry that misbehaves as told: cut bodies, stalls, lies, lost uploads."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.support.memory import MemoryBlob

FOREVER = 3600.0
SLICE = 64 * 1024


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer; positions count bytes of its body."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    """Seconds before the headers."""
    stall_at: int | None = None
    stall: float = FOREVER
    cut_at: int | None = None
    ignore_range: bool = False
    content_range: str | None = None
    shorten: int = 0
    lengthen: int = 0
    flip_at: int | None = None
    gzip: bool = False
    keep: int = 0
    """Of an upload's body, how many bytes are kept before the connection is cut."""


@dataclass(frozen=True)
class Seen:
    """A request that came in; `number` counts those of its kind from 0."""

    number: int
    kind: str
    start: int
    end: int
    ranged: bool
    headers: dict[str, str]


Script = Callable[[Seen], Fault | None]


@dataclass
class _Session:
    held: bytearray = field(default_factory=bytearray)


class FaultyRegistry:
    """Serves given blobs over real HTTP from a thread of its own; keeps no store.

    Attributes:
        host: where it listens.
        seen: every request, in order.
        blobs: what it holds, by digest; uploads are added.
        manifests: what was put, by tag and digest: its media type and bytes.
        sent: bytes of blobs that were sent, by digest.
        storage: whether blob reads are redirected to signed addresses on another port.
        token_seconds: how long a token lives; None asks for none.
    """

    def __init__(
        self,
        *blobs: MemoryBlob,
        script: Script | None = None,
        storage: bool = False,
        redirect: Callable[[FaultyRegistry, str], str] | None = None,
        token_seconds: float | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.blobs = {blob.digest: blob.data for blob in blobs}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.sent: Counter[str] = Counter()
        self.script = script or (lambda seen: None)
        self.storage, self.redirect, self.token_seconds = storage, redirect, token_seconds
        self.seen: list[Seen] = []
        self.tokens: dict[str, float] = {}
        self.signatures: set[str] = set()
        self.sessions: dict[str, _Session] = {}
        self.port = self.storage_port = 0
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def storage_host(self) -> str:
        return f"127.0.0.1:{self.storage_port}"

    def __enter__(self) -> FaultyRegistry:
        self._thread.start()
        self._do(self._begin())
        return self

    def __exit__(self, *error: object) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def of(self, kind: str) -> list[Seen]:
        """The requests of one kind: blob, head, token, post, patch, put, status."""
        return [seen for seen in self.seen if seen.kind == kind]

    def refuse_connections(self, seconds: float) -> None:
        """Stops listening, breaks what is open, and listens again after a while."""
        self._do(self._stop())

        async def later() -> None:
            await asyncio.sleep(seconds)
            await self._begin()

        asyncio.run_coroutine_threadsafe(later(), self._loop)

    def expire_signatures(self) -> None:
        """Makes every storage address that was given out invalid."""
        self.signatures.clear()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _begin(self) -> None:
        self._stopping = asyncio.Event()
        app = web.Application(client_max_size=1 << 30)
        add, name = app.router.add_route, "/v2/{name:.+}"
        manifest = f"{name}/manifests/{{reference}}"
        add("GET", "/v2/", self._guarded("ping", self._ping))
        add("GET", "/token", self._token)
        add("GET", manifest, self._guarded("manifest", self._manifest))
        add("PUT", manifest, self._guarded("put manifest", self._put_manifest))
        add("GET", "/storage/{digest}", self._stored)
        add("GET", f"{name}/blobs/{{digest}}", self._guarded("blob", self._blob), name="blob")
        add("HEAD", f"{name}/blobs/{{digest}}", self._guarded("head", self._head))
        add("POST", f"{name}/blobs/uploads/", self._guarded("post", self._post))
        upload = f"{name}/blobs/uploads/{{upload}}"
        add("PATCH", upload, self._guarded("patch", self._patch))
        add("PUT", upload, self._guarded("put", self._put))
        add("GET", upload, self._guarded("status", self._status))
        add("DELETE", upload, self._guarded("delete", self._delete))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
        await self._runner.setup()
        for port, context in ((self.port, self._tls), (self.storage_port, None)):
            site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context)
            await site.start()
        self.port, self.storage_port = (address[1] for address in self._runner.addresses)

    async def _stop(self) -> None:
        self._stopping.set()
        if self._runner is not None:
            # asyncio loses a connection that is accepted while its server closes.
            await asyncio.sleep(0.02)
            for transport in list(self._loop._transports.values()):  # type: ignore[attr-defined]
                transport.abort()
            await self._runner.cleanup()

    async def _sleep(self, seconds: float) -> None:
        """Sleeps, but not beyond the end of the server, which would wait for it."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
            raise ConnectionResetError("the server ends")

    def _note(self, request: web.Request, kind: str, size: int = 0) -> Seen:
        asked = request.headers.get("Range", "")
        start, end = 0, size
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), int(last) + 1
        headers = {**request.headers, ":path": request.path}
        seen = Seen(len(self.of(kind)), kind, start, end, bool(asked), headers)
        self.seen.append(seen)
        return seen

    def _guarded(self, kind: str, handler: Any) -> Any:
        """Lets only requests with a live token through, when tokens are asked for."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if self.token_seconds is not None:
                shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
                if time.monotonic() >= self.tokens.get(shown, 0.0):
                    return self._challenge()
            response: web.StreamResponse = await handler(request, kind)
            return response

        return guarded

    def _challenge(self) -> web.Response:
        realm = f'Bearer realm="http://{self.host}/token",service="faulty"'
        return web.Response(status=401, headers={"WWW-Authenticate": realm})

    async def _token(self, request: web.Request) -> web.Response:
        self._note(request, "token")
        assert self.token_seconds is not None
        token = f"token-{len(self.of('token'))}"
        self.tokens[token] = time.monotonic() + self.token_seconds
        return web.json_response({"token": token, "expires_in": int(self.token_seconds)})

    async def _ping(self, request: web.Request, kind: str) -> web.Response:
        self._note(request, kind)
        return web.json_response({})

    async def _manifest(self, request: web.Request, kind: str) -> web.Response:
        fault = self.script(self._note(request, kind)) or Fault()
        held = self.manifests.get(request.match_info["reference"])
        if held is None or fault.status is not None:
            return _error(fault.status or 404, "MANIFEST_UNKNOWN")
        return web.Response(body=held[1], headers={"Content-Type": held[0]})

    async def _put_manifest(self, request: web.Request, kind: str) -> web.Response:
        self._note(request, kind)
        data = await request.read()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        held = (request.content_type, data)
        self.manifests |= {request.match_info["reference"]: held, digest: held}
        return web.Response(status=201, headers={"Docker-Content-Digest": digest})

    async def _head(self, request: web.Request, kind: str) -> web.Response:
        self._note(request, kind)
        data = self.blobs.get(request.match_info["digest"])
        if data is None:
            return web.Response(status=404)
        return web.Response(headers={"Content-Length": str(len(data))})

    async def _blob(self, request: web.Request, kind: str) -> web.StreamResponse:
        digest = request.match_info["digest"]
        if self.redirect is not None:
            self._note(request, "front")
            return web.Response(status=307, headers={"Location": self.redirect(self, digest)})
        if self.storage:
            self._note(request, "front")
            signature = f"s{len(self.of('front'))}%2Fx%3D"
            self.signatures.add(signature)
            where = f"http://{self.storage_host}/storage/{digest}?signed={signature}"
            return web.Response(status=307, headers={"Location": where})
        return await self._answer(request, kind, digest)

    async def _stored(self, request: web.Request) -> web.StreamResponse:
        # The address must come back exactly as it was signed, escapes and all.
        signature = request.raw_path.partition("?signed=")[2]
        if signature not in self.signatures:
            self._note(request, "expired")
            return web.Response(status=403, text="<Error>expired</Error>")
        return await self._answer(request, "blob", request.match_info["digest"])

    async def _answer(self, request: web.Request, kind: str, digest: str) -> web.StreamResponse:
        data = self.blobs.get(digest)
        if data is None:
            return _error(404, "BLOB_UNKNOWN")
        seen = self._note(request, kind, len(data))
        fault = self.script(seen) or Fault()
        if fault.wait:
            await self._sleep(fault.wait)
        if fault.status is not None:
            return web.Response(status=fault.status, headers=fault.headers)
        ranged = seen.ranged and not fault.ignore_range
        start, end = (seen.start, seen.end) if ranged else (0, len(data))
        body = bytearray(data[start:end])
        if fault.flip_at is not None:
            body[fault.flip_at] ^= 1
        body = body[: len(body) - fault.shorten] + b"x" * fault.lengthen
        headers = {"Content-Length": str(len(body)), **fault.headers}
        if fault.gzip:
            body = bytearray(gzip.compress(bytes(body), 1))
            headers = {"Content-Length": str(len(body)), "Content-Encoding": "gzip"}
        if ranged:
            exact = f"bytes {start}-{end - 1}/{len(data)}"
            headers["Content-Range"] = fault.content_range or exact
        response = web.StreamResponse(status=206 if ranged else 200, headers=headers)
        if "Transfer-Encoding" in fault.headers:
            del response.headers["Content-Length"], response.headers["Transfer-Encoding"]
            response.enable_chunked_encoding()
        await response.prepare(request)
        await self._send(request, response, bytes(body), fault, digest)
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        body: bytes,
        fault: Fault,
        digest: str,
    ) -> None:
        stops = [at for at in (fault.stall_at, fault.cut_at) if at is not None]
        until = min(stops, default=len(body))
        with contextlib.suppress(ConnectionError):
            for at in range(0, until, SLICE):
                await response.write(body[at : min(at + SLICE, until)])
                self.sent[digest] += min(at + SLICE, until) - at
            if fault.cut_at is not None:
                await self._hang_up(request)
                return
            if fault.stall_at is not None:
                await self._sleep(fault.stall)
            for at in range(until, len(body), SLICE):
                await response.write(body[at : at + SLICE])
                self.sent[digest] += len(body[at : at + SLICE])
            await response.write_eof()

    async def _hang_up(self, request: web.Request) -> None:
        if request.transport is not None:
            request.transport.close()

    async def _post(self, request: web.Request, kind: str) -> web.Response:
        self._note(request, kind)
        name = f"u{len(self.of('post'))}"
        self.sessions[name] = _Session()
        return self._moved(request, name, 202)

    async def _patch(self, request: web.Request, kind: str) -> web.Response:
        seen = self._note(request, kind)
        session = self.sessions.get(request.match_info["upload"])
        fault = self.script(seen) or Fault()
        if session is None or fault.status == 404:
            return self._lost(request)
        if fault.keep or fault.cut_at is not None:
            with contextlib.suppress(ConnectionError):
                session.held += await request.content.readexactly(fault.keep)
            await self._hang_up(request)
            return web.Response(status=500)
        body = await request.read()
        if fault.status is not None:
            return web.Response(status=fault.status, headers=fault.headers)
        session.held += body
        return self._moved(request, request.match_info["upload"], 202)

    async def _put(self, request: web.Request, kind: str) -> web.Response:
        seen = self._note(request, kind)
        session = self.sessions.get(request.match_info["upload"])
        fault = self.script(seen) or Fault()
        if session is None or fault.status == 404:
            return self._lost(request)
        if fault.cut_at is not None:
            await self._hang_up(request)
            return web.Response(status=500)
        session.held += await request.read()
        if fault.status is not None:
            return web.Response(status=fault.status, headers=fault.headers)
        digest = "sha256:" + hashlib.sha256(session.held).hexdigest()
        if digest != request.query["digest"]:
            return _error(400, "DIGEST_INVALID")
        self.blobs[digest] = bytes(session.held)
        return web.Response(status=201, headers={"Location": f"/v2/r/blobs/{digest}"})

    async def _delete(self, request: web.Request, kind: str) -> web.Response:
        self._note(request, kind)
        self.sessions.pop(request.match_info["upload"], None)
        return web.Response(status=204)

    async def _status(self, request: web.Request, kind: str) -> web.Response:
        name = request.match_info["upload"]
        fault = self.script(self._note(request, kind)) or Fault()
        if name not in self.sessions or fault.status == 404:
            return self._lost(request)
        return self._moved(request, name, 204)

    def _lost(self, request: web.Request) -> web.Response:
        self.sessions.pop(request.match_info["upload"], None)
        return _error(404, "BLOB_UPLOAD_UNKNOWN")

    def _moved(self, request: web.Request, name: str, status: int) -> web.Response:
        held = len(self.sessions[name].held)
        where = f"/v2/{request.match_info['name']}/blobs/uploads/{name}?state={len(self.seen)}"
        return web.Response(
            status=status, headers={"Location": where, "Range": f"0-{max(held - 1, 0)}"}
        )


def _error(status: int, code: str) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": code}]}, status=status)


def nth(kind: str, faults: dict[int, Fault]) -> Script:
    """A script that gives the n-th request of a kind its fault."""
    return lambda seen: faults.get(seen.number) if seen.kind == kind else None


def always(fault: Fault) -> Script:
    """A script that gives every read of a blob the same fault."""
    return lambda seen: fault if seen.kind == "blob" else None
