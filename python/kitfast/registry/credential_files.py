"""Reads the credential files of Docker, Podman and kit, all of one format."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import Corrupt

# Hundreds of registries fit; more is no credential file.
FILE_LIMIT = 4 * 1024 * 1024
# What Docker Hub is called in references, in its API, and in files of `docker login`.
HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
HUB_KEY = "https://index.docker.io/v1/"
# A helper that returns this name returns a refresh token instead of a password.
TOKEN_NAME = "<token>"


@dataclass(frozen=True)
class Login:
    """What a registry is shown: a name and password, or a token instead.

    Attributes:
        username: The account's name.
        password: Its password.
        identity_token: An OAuth2 refresh token, traded for access tokens.
        registry_token: An access token, shown as it is.
        source: Where it was found, for errors; never a secret.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = ""

    def basic(self) -> str:
        """Returns the value of a Basic `Authorization` header (RFC 7617)."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"

    @property
    def usable(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.username or self.identity_token or self.registry_token)


@dataclass(frozen=True)
class CredentialFile:
    """One file: logins by registry, and the helper programs that hold others."""

    path: Path
    auths: Mapping[str, Any] = field(default_factory=dict, repr=False)
    helpers: Mapping[str, Any] = field(default_factory=dict)
    store: str = ""

    def login(self, host: str, repository: str | None = None) -> Login | None:
        """Returns the login for a registry; one for a part of its repositories goes first.

        Raises:
            Corrupt: The entry is there, but cannot be read.
        """
        for key in _candidates(self.auths, host, repository):
            login = _login(self.auths[key], f"{self.path}")
            if login is None:
                raise Corrupt(f"{self.path}: the entry {key!r} cannot be read", path=self.path)
            if login.usable:
                return login
        return None

    def helper(self, host: str) -> tuple[str, str] | None:
        """Returns the helper that holds a registry's login, and the name to ask it for."""
        for key in _candidates(self.helpers, host, None):
            if isinstance(self.helpers[key], str) and self.helpers[key]:
                return self.helpers[key], HUB_KEY if host in HUB else key
        if self.store:
            return self.store, HUB_KEY if host in HUB else host
        return None


def read(path: Path) -> CredentialFile | None:
    """Reads a credential file.

    Returns:
        Its contents, or None where there is none.

    Raises:
        Corrupt: It is there, but cannot be read or is of another format.
    """
    try:
        with path.open("rb") as file:
            text = file.read(FILE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Corrupt(f"{path}: {error.strerror}", path=path) from error
    if not text.strip():
        return CredentialFile(path)
    try:
        document: Any = json.loads(text) if len(text) <= FILE_LIMIT else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Corrupt(f"{path}: not a file of credentials in JSON", path=path)
    store = document.get("credsStore")
    return CredentialFile(
        path,
        _table(document.get("auths")),
        _table(document.get("credHelpers")),
        store if isinstance(store, str) else "",
    )


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _candidates(table: Mapping[str, Any], host: str, repository: str | None) -> Iterator[str]:
    """Yields the keys that mean this registry: the closest first."""
    names = HUB if host in HUB else (host,)
    parts = repository.split("/") if repository else []
    for length in range(len(parts), -1, -1):
        for name in names:
            key = "/".join([name, *parts[:length]])
            if key in table:
                yield key
    for key in table:
        if key not in names and _plain_host(key) in names:
            yield key


def _plain_host(key: str) -> str | None:
    """The host of a key that is an address (`https://host/v1/`), as Docker once wrote them."""
    scheme, separator, rest = key.partition("://")
    if not separator and not key.rstrip("/").endswith(("/v1", "/v2")):
        return key.rstrip("/") if "/" not in key.rstrip("/") else None
    return (rest if separator else scheme).partition("/")[0]


def _login(entry: Any, source: str) -> Login | None:
    if not isinstance(entry, dict):
        return None
    values = {key: value for key, value in entry.items() if isinstance(value, str)}
    username, password = values.get("username", ""), values.get("password", "")
    if values.get("auth"):
        try:
            pair = base64.b64decode(values["auth"], validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return None
        # Docker once padded the pair with NUL bytes.
        username, colon, password = pair.rstrip("\0").partition(":")
        if not colon:
            return None
    return from_pair(
        username,
        password,
        source,
        identity_token=values.get("identitytoken", ""),
        registry_token=values.get("registrytoken", ""),
    )


def from_pair(
    username: str,
    password: str,
    source: str,
    *,
    identity_token: str = "",
    registry_token: str = "",
) -> Login:
    """Makes a login of a name and a secret; without a real name the secret is a token."""
    if username in ("", TOKEN_NAME) and password and not identity_token:
        return Login(identity_token=password, source=source)
    return Login(username, password, identity_token, registry_token, source)


def entry_for(login: Login) -> dict[str, str]:
    """Returns the `auths` entry Docker and kit would write for a login."""
    if login.identity_token:
        return {"identitytoken": login.identity_token}
    pair = f"{login.username}:{login.password}".encode()
    return {"auth": base64.b64encode(pair).decode("ascii")}
