"""Refusals as the distribution specification 1.1 words them, "Error Codes"."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from aiohttp import web

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

LONGEST_NAME = 255


def refusal(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Refused:
    """Makes the exception that is answered with `status` and an OCI error body."""
    return Refused(status, code, message, headers or {})


class Refused(Exception):
    """A request that is answered with an error; the server turns it into a response."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers

    def response(self) -> web.Response:
        """The answer to send."""
        body = {"errors": [{"code": self.code, "message": self.message}]}
        return web.Response(
            status=self.status,
            body=json.dumps(body).encode(),
            content_type="application/json",
            headers=dict(self.headers),
        )


def repository_of(request: web.Request) -> str:
    """The repository a request names.

    Raises:
        Refused: it is no repository's name.
    """
    return checked_name(request.match_info["name"])


def checked_name(name: str) -> str:
    """Returns `name` when it may be a repository's.

    Raises:
        Refused: it may not.
    """
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise refusal(400, "NAME_INVALID", "invalid repository name")
    return name


def checked_digest(digest: str) -> str:
    """Returns `digest` when it is a SHA-256, the one algorithm blobs are kept by.

    Raises:
        Refused: it is something else.
    """
    if not _DIGEST.fullmatch(digest):
        raise refusal(400, "DIGEST_INVALID", "only sha256 digests are served")
    return digest


def is_digest(reference: str) -> bool:
    """Whether a reference is meant as a digest; tags cannot hold a colon."""
    return ":" in reference


def checked_tag(tag: str) -> str:
    """Returns `tag` when it may be one.

    Raises:
        Refused: it may not.
    """
    if not _TAG.fullmatch(tag):
        raise refusal(400, "TAG_INVALID", "invalid tag")
    return tag
