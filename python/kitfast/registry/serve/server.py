"""The server: routes of the distribution API 1.1 over one shelf."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from kitfast.errors import InvalidArgument, KitfastError
from kitfast.registry.serve.blobs import Blobs
from kitfast.registry.serve.manifests import Manifests
from kitfast.registry.serve.refusals import Refused, refusal
from kitfast.registry.serve.shelf import Shelf
from kitfast.registry.serve.uploads import Uploads

LOG = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NAME = "/v2/{name:.+}"


class Server:
    """An OCI registry over a shelf; an async context manager.

    It asks nobody who they are and speaks plain HTTP, so it listens on 127.0.0.1
    unless told otherwise.
    """

    def __init__(
        self, shelf: Shelf, uploads: Path, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Prepares to serve.

        Args:
            shelf: what is served.
            uploads: a folder for the bytes of uploads, best on the store's own disk.
            host: the address to listen on.
            port: the port; 0 takes a free one.
        """
        self._shelf, self._uploads = shelf, Uploads(shelf, uploads)
        self._listen, self._wanted = host, port
        self._runner: web.AppRunner | None = None
        self.port = port

    @property
    def host(self) -> str:
        """Where it listens, as the first part of a reference."""
        shown = f"[{self._listen}]" if ":" in self._listen else self._listen
        return f"{shown}:{self.port}"

    async def __aenter__(self) -> Server:
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, self._listen, self._wanted)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            raise InvalidArgument(
                f"cannot listen on {self._listen}:{self._wanted}: {error}",
                hint="choose another address or port; --port 0 takes a free one",
            ) from error
        self._runner = runner
        self.port = runner.addresses[0][1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._uploads.close()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[_answer_errors])
        manifests, blobs, uploads = Manifests(self._shelf), Blobs(self._shelf), self._uploads
        add = app.router.add_route
        for path in ("/v2/", "/v2"):
            app.router.add_get(path, _ping)
        app.router.add_get("/v2/_catalog", manifests.catalog)
        app.router.add_get(f"{NAME}/tags/list", manifests.tags)
        app.router.add_get(f"{NAME}/referrers/{{digest}}", manifests.referrers)
        for path in (f"{NAME}/blobs/uploads/", f"{NAME}/blobs/uploads"):
            add("POST", path, uploads.post)
        upload = f"{NAME}/blobs/uploads/{{upload}}"
        for method, handler in (
            ("PATCH", uploads.patch),
            ("PUT", uploads.put),
            ("GET", uploads.get),
            ("DELETE", uploads.delete),
        ):
            add(method, upload, handler)
        app.router.add_get(f"{NAME}/manifests/{{reference}}", manifests.get)
        add("PUT", f"{NAME}/manifests/{{reference}}", manifests.put)
        add("DELETE", f"{NAME}/manifests/{{reference}}", manifests.delete)
        app.router.add_get(f"{NAME}/blobs/{{digest}}", blobs.get)
        add("DELETE", f"{NAME}/blobs/{{digest}}", blobs.delete)
        return app


async def _ping(request: web.Request) -> web.Response:
    """Says that the distribution API is spoken here (end-1)."""
    return web.json_response({})


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers what goes wrong in the words of the specification."""
    try:
        response = await handler(request)
    except Refused as error:
        response = error.response()
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
        response = refusal(error.status, "UNSUPPORTED", error.reason).response()
    except KitfastError as error:
        LOG.error("%s %s: %s", request.method, request.path, error)
        response = refusal(500, "UNKNOWN", "the store failed").response()
    if not response.prepared:
        response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
    return response
