"""Fetches Bearer tokens from a token server, by GET or by OAuth2 refresh."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from yarl import URL

from ..errors import AuthenticationFailed, ProtocolError
from .addresses import location
from .credentials import Login
from .errcodes import Ask, error_for, refuse_encoded
from .retry import retrying
from .transport import Transport, read_bounded

# `type:name:action,action`, sorted; a tuple, so that it can be a key.
Scope = tuple[str, ...]

ANSWER_LIMIT = 256 * 1024
SCOPE_LIMIT = 2048
# Distribution token specification: without `expires_in` a token lives 60 seconds.
DEFAULT_LIFE = 60.0
LONGEST_LIFE = 24 * 3600.0
# A token is renewed when this share of its life is left, or this many seconds if fewer.
RENEW_SHARE = 0.25
RENEW_SECONDS = 30.0

_PRINTABLE = re.compile(r"[!-~]{1,16384}")


@dataclass(frozen=True)
class Token:
    """An access token, and until when it is worth showing, by the monotonic clock."""

    value: str = field(repr=False)
    good_until: float

    def fresh(self) -> bool:
        """Whether enough of its life is left to begin a request with it."""
        return time.monotonic() < self.good_until


def merge(scope: Scope, asked: str) -> Scope:
    """Joins the scope a request needs with the one its challenge names.

    Args:
        scope: What the request needs.
        asked: The challenge's `scope`: entries between spaces, hostile.

    Returns:
        One entry a resource, with the actions of both, sorted.
    """
    actions: dict[str, set[str]] = {}
    for entry in (*scope, *asked[:SCOPE_LIMIT].split()):
        resource, colon, verbs = entry.rpartition(":")
        if colon and resource:
            actions.setdefault(resource, set()).update(verb for verb in verbs.split(",") if verb)
    return tuple(f"{name}:{','.join(sorted(verbs))}" for name, verbs in sorted(actions.items()))


@dataclass(frozen=True)
class TokenServer:
    """A realm and the service tokens are asked for."""

    realm: str
    service: str

    @staticmethod
    def named(realm: str, service: str, ask: Ask, *, plain_http: bool) -> TokenServer:
        """Checks a challenge's realm.

        Raises:
            ProtocolError: It is no address, or is plain HTTP that nobody asked for:
                no credentials are sent there.
        """
        checked = location(URL(), realm, ask, plain_http=plain_http)
        return TokenServer(str(checked), service)

    @property
    def realm_host(self) -> str:
        """The realm's host, as errors name it."""
        return URL(self.realm, encoded=True).host or ""

    async def fetch(
        self, transport: Transport, scope: Scope, login: Login | None, ask: Ask
    ) -> Token:
        """Gets a token that allows `scope`.

        Args:
            transport: Carries the request.
            scope: What it must allow.
            login: Whose token; None asks for an anonymous one.
            ask: What it is for, in errors.

        Raises:
            AuthenticationFailed: The token server refuses.
            ProtocolError: It answers something else than a token.
            ConnectionFailed: It cannot be reached.
        """
        if login is not None and login.registry_token:
            return Token(_checked(login.registry_token, ask), time.monotonic() + LONGEST_LIFE)

        async def once() -> Token:
            if login is not None and login.identity_token:
                return await self._post(transport, scope, login, ask)
            return await self._get(transport, scope, login, ask)

        return await retrying(once)

    async def _get(
        self, transport: Transport, scope: Scope, login: Login | None, ask: Ask
    ) -> Token:
        asked = [("service", self.service)] if self.service else []
        asked += [("scope", entry) for entry in scope]
        headers = {}
        if login is not None and login.username:
            headers["Authorization"] = login.basic()
        realm = URL(self.realm, encoded=True)
        joined = "&".join(part for part in (realm.raw_query_string, urlencode(asked)) if part)
        url = URL(f"{self.realm.partition('?')[0]}?{joined}", encoded=True)
        return await self._ask(transport, "GET", url, headers, None, ask)

    async def _post(self, transport: Transport, scope: Scope, login: Login, ask: Ask) -> Token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": login.identity_token,
            "service": self.service,
            "client_id": "kitfast",
            "scope": " ".join(scope),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode("ascii")
        url = URL(self.realm, encoded=True)
        return await self._ask(transport, "POST", url, headers, body, ask)

    async def _ask(
        self,
        transport: Transport,
        method: str,
        url: URL,
        headers: dict[str, str],
        body: bytes | None,
        ask: Ask,
    ) -> Token:
        started = time.monotonic()
        purpose = Ask(ask.host, f"{ask.what}: no token from {self.realm_host}", ask.repository)
        response = await transport.exchange(
            method, url, ask=purpose, headers=headers, body=body, with_identity=True
        )
        try:
            answer = await read_bounded(response, ANSWER_LIMIT, purpose)
        finally:
            response.release()
        if 300 <= response.status < 400:
            # Credentials were in the request: where it leads next is not ours to trust.
            raise ProtocolError(f"{purpose}: it redirects, which is not followed")
        if response.status in (400, 401, 403):
            raise AuthenticationFailed(
                str(error_for(response.status, response.headers, answer, purpose)),
                status=response.status,
                host=ask.host,
            )
        if response.status != 200:
            raise error_for(response.status, response.headers, answer, purpose)
        refuse_encoded(response.headers, purpose, self.realm_host)
        return _parse(answer, started, purpose)


def _parse(answer: bytes, started: float, ask: Ask) -> Token:
    try:
        document: Any = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{ask}: the answer is not JSON") from error
    if not isinstance(document, dict):
        raise ProtocolError(f"{ask}: the answer is not a JSON object")
    value = document.get("token") or document.get("access_token")
    if not isinstance(value, str):
        raise ProtocolError(f"{ask}: the answer holds no token")
    return Token(_checked(value, ask), started + _life(document.get("expires_in")))


def _life(expires_in: Any) -> float:
    """Seconds a token is used: its life, less the margin it is renewed ahead of."""
    life = DEFAULT_LIFE
    if isinstance(expires_in, int | float) and not isinstance(expires_in, bool) and expires_in > 0:
        life = min(float(expires_in), LONGEST_LIFE)
    return life - min(life * RENEW_SHARE, RENEW_SECONDS)


def _checked(value: str, ask: Ask) -> str:
    if not _PRINTABLE.fullmatch(value):
        # The token itself is a secret, even a broken one: it is not shown.
        raise ProtocolError(f"{ask}: the token has characters that no header may hold")
    return value
