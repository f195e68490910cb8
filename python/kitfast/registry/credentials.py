"""Finds the credentials for a registry, and keeps the ones of `kitfast login`."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import settings
from ..errors import Corrupt, FileError
from . import credential_files, credential_helpers
from .credential_files import CredentialFile, Login, entry_for, from_pair

__all__ = ["Credentials", "Login"]

FILE_NAME = "credentials.json"


class Credentials:
    """Where logins are found: given ones first, then the files of this and other tools.

    The order: what is given; `KITFAST_REGISTRY`, `KITFAST_USERNAME`, `KITFAST_PASSWORD`;
    kitfast's own file; kit's; Docker's configuration with its helpers; Podman's
    `auth.json`; `REGISTRY_AUTH_FILE`. Only our own file is ever written.

    Args:
        home: kitfast's home folder; without it there is no file of our own.
        given: Logins by host.
        environ: The environment, to be read now and in tests.

    Attributes:
        trouble: What could not be read on the way, for the hint of an error.
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        given: Mapping[str, Login] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.trouble: list[str] = []
        self._home = home
        self._given = dict(given or {})
        self._alone = False
        self._environ = dict(os.environ if environ is None else environ)

    def only(self, host: str, username: str, password: str) -> Credentials:
        """Returns credentials that hold this one login and look nowhere else.

        Args:
            host: The registry.
            username: The account; when empty, `password` is a refresh token.
            password: Its password or token.
        """
        login = from_pair(username, password, "")
        made = Credentials(given={host: login}, environ={})
        made._alone = True
        return made

    async def lookup(self, host: str, repository: str | None = None) -> Login | None:
        """Returns the login for a repository of `host`, or None when there is none.

        Files that cannot be read are passed over and named in `trouble`, all but our own.

        Raises:
            Corrupt: kitfast's own file cannot be read.
        """
        if host in self._given:
            return self._given[host]
        if self._alone:
            return None
        named = settings.login(host, self._environ)
        if named is not None:
            return from_pair(*named, settings.PASSWORD)
        for path in self.paths():
            login = await self._look(path, host, repository)
            if login is not None:
                return login
        return None

    def save(self, host: str, username: str, password: str) -> None:
        """Keeps a login in our own file, readable by its owner alone, in one step.

        Raises:
            FileError: The file cannot be written.
            Corrupt: The file there is not one of credentials.
        """
        entry = entry_for(from_pair(username, password, ""))
        with self._changing() as auths:
            auths[host] = entry

    def erase(self, host: str) -> bool:
        """Forgets the login our own file holds for a host.

        Returns:
            Whether there was one.

        Raises:
            FileError: The file cannot be written.
            Corrupt: The file there is not one of credentials.
        """
        own = self._own()
        if not own.exists():
            return False
        with self._changing() as auths:
            return auths.pop(host, None) is not None

    def paths(self) -> list[Path]:
        """Returns the files that are asked, in their order."""
        environ = self._environ
        user = Path(environ.get("HOME") or "/")
        data = Path(environ.get("XDG_DATA_HOME") or user / ".local" / "share")
        config = Path(environ.get("XDG_CONFIG_HOME") or user / ".config")
        run = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
        found = [self._home / FILE_NAME] if self._home is not None else []
        found += [
            Path(environ.get("KITOPS_HOME") or data / "kitops") / FILE_NAME,
            Path(environ.get("DOCKER_CONFIG") or user / ".docker") / "config.json",
            run / "containers" / "auth.json",
            config / "containers" / "auth.json",
        ]
        if environ.get("REGISTRY_AUTH_FILE"):
            found.append(Path(environ["REGISTRY_AUTH_FILE"]))
        return found

    async def _look(self, path: Path, host: str, repository: str | None) -> Login | None:
        own = self._home is not None and path == self._own()
        try:
            file = await asyncio.to_thread(credential_files.read, path)
            if file is None:
                return None
            return await self._ask_helper(file, host) or file.login(host, repository)
        except Corrupt as error:
            if own:
                raise
            self.trouble.append(str(error))
            return None

    async def _ask_helper(self, file: CredentialFile, host: str) -> Login | None:
        helper = file.helper(host)
        if helper is None:
            return None
        try:
            return await credential_helpers.ask(*helper)
        except credential_helpers.HelperFailed as error:
            self.trouble.append(f"{error} (named in {file.path})")
            return None

    def _own(self) -> Path:
        if self._home is None:
            raise ValueError("credentials without a home have no file")
        return self._home / FILE_NAME

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """Hands out the `auths` of our file and writes them back, one process at a time."""
        own = self._own()
        try:
            own.parent.mkdir(parents=True, exist_ok=True)
            with own.with_suffix(".lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                file = credential_files.read(own)
                auths = dict(file.auths) if file is not None else {}
                yield auths
                _write(own, {"auths": auths})
        except OSError as error:
            raise FileError(f"{own}: {error.strerror}", path=own) from error


def _write(path: Path, document: Any) -> None:
    """Replaces a file in one step; its owner alone may read it from the first byte on."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
