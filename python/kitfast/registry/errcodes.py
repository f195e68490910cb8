"""Turns what a registry answers into one exception: where, what, what to do.

Error bodies follow the distribution specification 1.1, "Error Codes"; they come
from anybody, so they are read as text of bounded length without control bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ..errors import AuthenticationFailed, NotInRegistry, ProtocolError, RegistryError
from ..settings import Network
from .retry import TRANSIENT_STATUSES, retry_after

BODY_LIMIT = 16 * 1024
TEXT_LIMIT = 300
MAX_ERRORS = 3

PROXY = "the proxy wants credentials: http://USER:PASSWORD@HOST:PORT"
AGAIN_LATER = "try again later; what has been moved so far is kept"

HINTS = {
    "DENIED": "the account has no right to do this; ask the repository's owner",
    "DIGEST_INVALID": "the data was damaged on its way; try again",
    "MANIFEST_BLOB_UNKNOWN": "the registry lost a blob of this kit; push it again",
    "MANIFEST_INVALID": "the registry does not take this kind of artifact",
    "MANIFEST_UNKNOWN": "check the repository's name, then which tags it has: "
    "`kitfast list {place}{flags}`",
    "NAME_INVALID": "check the repository's name",
    "NAME_UNKNOWN": "check the repository's name; a private one may also ask for "
    "`kitfast login {host}{flags}`",
    "TOOMANYREQUESTS": "wait, log in for a larger quota, or lower --concurrency",
    "UNSUPPORTED": "the registry does not offer this; its owner can say whether it could",
}

# What a storage says is between it and the registry: no account of ours is known there.
STORAGE_REFUSED = (
    "the address the registry gave may have expired: check this machine's clock; "
    "otherwise ask whoever runs the registry's storage"
)
STORAGE_LOST = "the registry's storage does not hold it; ask whoever runs it"
STORAGE = "ask whoever runs the registry's storage"


@dataclass(frozen=True)
class Ask:
    """What is asked of which host, in the words an error uses.

    Attributes:
        host: The registry as the user named it.
        what: What is done, as in "read the manifest v1".
        repository: The repository it is done in, if any.
    """

    host: str
    what: str
    repository: str | None = None

    @property
    def place(self) -> str:
        """The registry and repository, as references begin."""
        return f"{self.host}/{self.repository}" if self.repository else self.host

    def __str__(self) -> str:
        return f"{self.place}: cannot {self.what}"


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Returns `text` on one line, without control characters, no longer than `limit`."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text[: limit * 4]).split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def refuse_encoded(headers: Mapping[str, str], ask: Ask, peer: str) -> None:
    """Refuses a body that was compressed on its way: its bytes are not the ones named.

    Args:
        headers: The answer's headers.
        ask: What was asked.
        peer: The host that answered.

    Raises:
        ProtocolError: It is encoded, although only `identity` was asked for.
    """
    if _is_encoded(headers):
        raise ProtocolError(
            f"{ask}: {peer} sends it encoded, which nobody asked for",
            hint="whoever runs the registry must switch off compression in it, "
            "or in the proxy before it",
        )


def _is_encoded(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Encoding", "").strip().lower() not in ("", "identity")


def error_for(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    ask: Ask,
    network: Network | None = None,
    *,
    plain_http: bool = False,
    storage: str | None = None,
) -> RegistryError:
    """Makes the exception for an answer that is not the one asked for.

    Args:
        status: HTTP status of the answer.
        headers: Its headers; `Retry-After` is taken from them.
        body: The start of its body.
        ask: What was asked.
        network: How the registry was reached, for commands in the hint.
        plain_http: Whether plain HTTP was spoken, for the hint.
        storage: The host that answered, where it is not the registry but one it led to.

    Returns:
        The exception to raise; `status`, `code`, `transient`, `retry_after` say more.
    """
    if _is_encoded(headers):
        # The status says enough; what is encoded would show as noise.
        body = b""
    code, said = _parse(body)
    kind = _class(status, code)
    reason = said or _words(status, body)
    if storage is not None:
        reason = f"the storage {storage} answers: {reason}"
    elif code == "NAME_UNKNOWN":
        # Each registry has words of its own for it, and not all name what is missing.
        reason = "the registry has no such repository"
    flags = network.as_flags() if network is not None else ""
    own = _hint(status, code, body, ask, plain_http, flags)
    return kind(
        f"{ask}: {reason} (HTTP {status})",
        hint=own if storage is None else _storage_hint(status),
        status=status,
        code=code,
        host=ask.host,
        repository=ask.repository,
        transient=status in TRANSIENT_STATUSES,
        retry_after=retry_after(headers.get("Retry-After")),
    )


def _class(status: int, code: str | None) -> type[RegistryError]:
    if status in (401, 403, 407) or code in ("UNAUTHORIZED", "DENIED"):
        return AuthenticationFailed
    if status in (404, 410):
        return NotInRegistry
    return RegistryError


def _hint(
    status: int, code: str | None, body: bytes, ask: Ask, plain_http: bool, flags: str
) -> str | None:
    if plain_http and status == 400 and b"HTTPS" in body[:BODY_LIMIT]:
        return "the registry speaks HTTPS: leave out --plain-http"
    if code in HINTS:
        return HINTS[code].format(place=ask.place, host=ask.host, flags=flags)
    if status == 401 or code == "UNAUTHORIZED":
        return f"log in with `kitfast login {ask.host}{flags}`"
    if status == 403:
        return HINTS["DENIED"]
    if status == 404:
        return "check the name; is this the address of an OCI registry?"
    if status == 405:
        return HINTS["UNSUPPORTED"]
    if status == 407:
        return PROXY
    if status == 413:
        return "a limit in the registry, or in the proxy before it, must be raised by its owner"
    if status == 429:
        return HINTS["TOOMANYREQUESTS"]
    if status == 507:
        return "the registry's disk is full"
    return AGAIN_LATER if status >= 500 else None


def _storage_hint(status: int) -> str:
    if status in (400, 401, 403):
        return STORAGE_REFUSED
    if status in (404, 410):
        return STORAGE_LOST
    if status == 407:
        return PROXY
    return AGAIN_LATER if status in TRANSIENT_STATUSES else STORAGE


def _parse(body: bytes) -> tuple[str | None, str | None]:
    """Reads an OCI error body: the first code, and what all of them say."""
    try:
        document: Any = json.loads(body[:BODY_LIMIT])
    except (ValueError, RecursionError):
        return None, None
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return None, None
    entries = [entry for entry in errors if isinstance(entry, dict)][:MAX_ERRORS]
    said = [text for text in map(_say, entries) if text]
    code = entries[0].get("code") if entries else None
    return (clean(code, 64) if isinstance(code, str) else None), "; ".join(said) or None


def _say(entry: dict[str, Any]) -> str:
    for key in ("message", "code"):
        value = entry.get(key)
        if isinstance(value, str) and value.strip():
            return clean(value)
    return ""


def _words(status: int, body: bytes) -> str:
    """What a bare status means, with the body when it is a short plain text."""
    try:
        words = HTTPStatus(status).phrase
    except ValueError:
        words = "an unknown status"
    text = clean(body[:BODY_LIMIT].decode("utf-8", "replace"), 120)
    plain = text and not text.startswith(("<", "{", "[")) and len(body) <= TEXT_LIMIT
    return f"{words}: {text}" if plain and text.lower() != words.lower() else words
