"""Gets and renews what lets a request in: Basic credentials and Bearer tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from .. import settings
from ..errors import AuthenticationFailed, KitfastError
from ..settings import Network
from .challenges import Challenge, parse
from .credentials import Credentials, Login
from .errcodes import HINTS, Ask, clean
from .tokens import Scope, Token, TokenServer, merge
from .transport import Transport

__all__ = ["Authorizer", "Scope", "scope_for"]


class Authorizer:
    """What one registry wants to see, learnt from its challenges.

    Tokens are kept by realm, service and scope. However many requests find one missing or
    expired, it is fetched once, and all of them wait for that one fetch.
    """

    def __init__(
        self, host: str, network: Network, credentials: Credentials, transport: Transport
    ) -> None:
        self._host = host
        self._network = network
        self._credentials = credentials
        self._transport = transport
        self._challenge: Challenge | None = None
        self._wider: dict[Scope, Scope] = {}
        self._tokens: dict[tuple[TokenServer, Scope], Token] = {}
        self._fetching: dict[tuple[TokenServer, Scope], asyncio.Task[Token]] = {}
        self._logins: dict[str | None, asyncio.Task[Login | None]] = {}

    async def close(self) -> None:
        """Ends what is still being fetched."""
        tasks = [*self._fetching.values(), *self._logins.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def header(self, scope: Scope, ask: Ask) -> str | None:
        """Returns the `Authorization` for a request, or None while nobody has asked for one.

        A token that is about to expire is renewed first, so that a long upload does not
        begin with its last second.

        Raises:
            AuthenticationFailed: The token server refuses.
            ConnectionFailed: It cannot be reached.
        """
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            login = await self._login(ask)
            return login.basic() if login is not None and login.username else None
        token = await self._token(self._server(challenge, ask), self._wider.get(scope, scope), ask)
        return f"Bearer {token.value}"

    async def answer(
        self, headers: Iterable[str], scope: Scope, shown: str | None, ask: Ask
    ) -> str | None:
        """Answers a 401: takes its challenge and returns the `Authorization` to try next.

        Args:
            headers: The `WWW-Authenticate` headers.
            scope: What the request needs.
            shown: The `Authorization` it was refused with.
            ask: What was asked, for errors.

        Returns:
            The header to try next, or None when nothing better than `shown` can be shown.

        Raises:
            AuthenticationFailed: There are no credentials, or they were refused.
        """
        challenge = self._choose(parse(headers), ask)
        if challenge is None:
            return None
        self._challenge = challenge
        if challenge.scheme == "basic":
            return self._basic_or_refused(await self._login(ask), shown, ask)
        wider = merge(scope, challenge.parameters.get("scope", ""))
        self._wider[scope] = wider
        server = self._server(challenge, ask)
        held = self._tokens.get((server, wider))
        if held is not None and shown == f"Bearer {held.value}":
            # Revoked, or expired by the registry's clock: only this very token is dropped,
            # never the one another waiter has just renewed.
            del self._tokens[(server, wider)]
        token = await self._token(server, wider, ask)
        renewed = f"Bearer {token.value}"
        return None if renewed == shown else renewed

    async def refusal(self, said: KitfastError, ask: Ask) -> KitfastError:
        """Makes the error for a request refused with the best that can be shown.

        Args:
            said: What the registry answered.
            ask: What was asked.
        """
        login = await self._login(ask)
        if login is None:
            said.hint = self._where_to_log_in()
            return said
        if self._challenge is not None and self._challenge.scheme == "basic":
            return self._refused(ask, self._host, login)
        # The token server knows the account: it is the account that may not do this.
        said.hint = HINTS["DENIED"]
        return said

    def interrupted(self, ask: Ask) -> AuthenticationFailed:
        """Makes the error for an upload refused halfway, now that a new token is there."""
        return AuthenticationFailed(
            f"{ask}: the registry wanted a new token in the middle of an upload",
            hint="try again; what has been moved so far is kept",
            status=401,
            transient=True,
            host=self._host,
        )

    def _choose(self, challenges: list[Challenge], ask: Ask) -> Challenge | None:
        for scheme in ("bearer", "basic"):
            for challenge in challenges:
                if challenge.scheme == scheme:
                    return challenge
        if challenges:
            offered = ", ".join(clean(challenge.scheme, 30) for challenge in challenges)
            raise AuthenticationFailed(
                f"{ask}: the registry only knows ways to log in that kitfast does not: {offered}",
                hint="kitfast knows Basic and Bearer",
                status=401,
                host=self._host,
            )
        return None

    def _basic_or_refused(self, login: Login | None, shown: str | None, ask: Ask) -> str:
        if login is None or not login.username:
            raise AuthenticationFailed(
                f"{ask}: {self._host} wants credentials, and there are none for it",
                hint=self._where_to_log_in(),
                status=401,
                host=self._host,
            )
        header = login.basic()
        if header == shown:
            raise self._refused(ask, self._host, login)
        return header

    def _where_to_log_in(self) -> str:
        """What to do without credentials, and which of them could not be read."""
        hint = f"log in with {self._login_command()}"
        return "; ".join([hint, *(f"passed over: {text}" for text in self._credentials.trouble)])

    def _login_command(self) -> str:
        return f"`kitfast login {self._host}{self._network.as_flags()}`"

    def _refused(self, ask: Ask, host: str, login: Login) -> AuthenticationFailed:
        """The error for credentials that were shown and not accepted, by where they are from."""
        source = f" from {login.source}" if login.source else ""
        hint = f"log in again with {self._login_command()}"
        if not login.source:
            hint = "check the user name and the password, then try again"
        elif login.source == settings.PASSWORD:
            hint = f"set {settings.USERNAME} and {settings.PASSWORD} anew, or unset them"
        return AuthenticationFailed(
            f"{ask}: {host} refused the credentials{source}",
            hint=hint,
            status=401,
            host=ask.host,
        )

    def _server(self, challenge: Challenge, ask: Ask) -> TokenServer:
        realm = challenge.parameters.get("realm", "")
        service = challenge.parameters.get("service", "")
        return TokenServer.named(realm, service, ask, plain_http=self._network.plain_http)

    async def _token(self, server: TokenServer, scope: Scope, ask: Ask) -> Token:
        key = (server, scope)
        held = self._tokens.get(key)
        if held is not None and held.fresh():
            return held
        task = self._fetching.get(key)
        if task is None:
            task = asyncio.create_task(self._fetch(server, scope, ask))
            self._fetching[key] = task
            task.add_done_callback(lambda done: self._fetched(key, done))
        # Shielded: the others still wait for it when this request is cancelled.
        return await asyncio.shield(task)

    def _fetched(self, key: tuple[TokenServer, Scope], done: asyncio.Task[Token]) -> None:
        self._fetching.pop(key, None)
        if not done.cancelled() and done.exception() is None:
            self._tokens[key] = done.result()

    async def _fetch(self, server: TokenServer, scope: Scope, ask: Ask) -> Token:
        login = await self._login(ask)
        try:
            return await server.fetch(self._transport, scope, login, ask)
        except AuthenticationFailed as error:
            if login is None:
                error.hint = self._where_to_log_in()
                raise
            raise self._refused(ask, server.realm_host, login) from error

    async def _login(self, ask: Ask) -> Login | None:
        """The login for the request's repository; looked up once."""
        task = self._logins.get(ask.repository)
        if task is None:
            task = asyncio.create_task(self._credentials.lookup(self._host, ask.repository))
            self._logins[ask.repository] = task
        return await asyncio.shield(task)


def scope_for(repository: str, *actions: str) -> Scope:
    """Returns the scope of `actions` on one repository."""
    return (f"repository:{repository}:{','.join(sorted(actions))}",)
