"""Holds the way in to real registries: Basic credentials and Bearer tokens."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.support.registries import (
    PASSWORD,
    USERNAME,
    Running,
    WithTokens,
    _token_registry,
    htpasswd_registry,
    token_registry,
)

from kitfast import aio
from kitfast.errors import AuthenticationFailed, NotInRegistry
from kitfast.registry import Credentials, Login, Registry
from kitfast.settings import Network

__all__ = ["_token_registry", "htpasswd_registry", "token_registry"]

DATA = b"some bytes of a model"
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture
def repository() -> str:
    return f"test/{secrets.token_hex(8)}"


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


RIGHT = Login(USERNAME, PASSWORD)


def opened(running: Running, login: Login | None = RIGHT) -> AbstractAsyncContextManager[Registry]:
    given = {} if login is None else {running.host: login}
    return Registry(running.host, Network(plain_http=True), Credentials(given=given, environ={}))


async def push(registry: Registry, repository: str) -> None:
    upload = await registry.start_upload(repository)
    assert upload is not None
    await upload.patch(pieces(DATA), len(DATA))
    await upload.put(DIGEST)


async def test_basic_credentials(htpasswd_registry: Running, repository: str) -> None:
    async with opened(htpasswd_registry) as registry:
        await registry.ping()
        await push(registry, repository)
        assert await registry.blob_bytes(repository, DIGEST, len(DATA)) == DATA


async def test_basic_refused(htpasswd_registry: Running) -> None:
    async with opened(htpasswd_registry, Login(USERNAME, "wrong", source="a test")) as registry:
        with pytest.raises(AuthenticationFailed, match="refused the credentials from a test") as it:
            await registry.ping()
    again = f"`kitfast login {htpasswd_registry.host} --plain-http`"
    assert again in str(it.value.hint)
    assert "wrong" not in f"{it.value} {it.value.hint}"


async def test_what_was_typed_is_not_said_to_come_from_elsewhere(
    htpasswd_registry: Running, tmp_path: Path
) -> None:
    with pytest.raises(AuthenticationFailed, match=r"refused the credentials$") as it:
        await aio.login(
            htpasswd_registry.host,
            USERNAME,
            "wrong",
            home=tmp_path,
            network=Network(plain_http=True),
        )
    assert it.value.hint == "check the user name and the password, then try again"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["htpasswd_registry", "token_registry"])
async def test_no_credentials(kind: str, request: pytest.FixtureRequest, repository: str) -> None:
    running: Running = request.getfixturevalue(kind)
    async with opened(running, None) as registry:
        with pytest.raises(AuthenticationFailed) as caught:
            await registry.tags(repository)
    assert f"`kitfast login {running.host} --plain-http`" in str(caught.value.hint)


async def test_an_upload_that_nobody_let_in_first(htpasswd_registry: Running) -> None:
    """The first request of all is refused and answered; the body is only sent once."""
    async with opened(htpasswd_registry) as registry, opened(htpasswd_registry) as other:
        upload = await registry.start_upload("test/other")
        assert upload is not None
        upload._session = other._session
        with pytest.raises(AuthenticationFailed) as caught:
            await upload.patch(pieces(DATA), len(DATA))
        assert caught.value.transient
        await upload.status()
        await upload.patch(pieces(DATA), len(DATA))
        await upload.put(DIGEST)


async def test_tokens_are_for_one_repository(token_registry: WithTokens, repository: str) -> None:
    async with opened(token_registry) as registry:
        await push(registry, repository)
        assert await registry.blob_bytes(repository, DIGEST, len(DATA)) == DATA
        with pytest.raises(NotInRegistry):
            await registry.manifest(repository, "v1")
    scopes = [asked.scopes for asked in token_registry.tokens.asked]
    assert scopes == [(f"repository:{repository}:pull,push",), (f"repository:{repository}:pull",)]


async def test_one_token_for_all_who_wait(token_registry: WithTokens, repository: str) -> None:
    async with opened(token_registry) as registry:
        await push(registry, repository)
    token_registry.tokens.reset()
    token_registry.tokens.delay = 0.2
    async with opened(token_registry) as registry:
        reads = [registry.blob_bytes(repository, DIGEST, len(DATA)) for _ in range(20)]
        assert await asyncio.gather(*reads) == [DATA] * 20
    assert len(token_registry.tokens.asked) == 1


async def test_a_token_is_renewed_before_it_expires(
    token_registry: WithTokens, repository: str
) -> None:
    tokens = token_registry.tokens
    tokens.life, tokens.announced = 2.0, 2.0
    async with opened(token_registry) as registry:
        upload = await registry.start_upload(repository)
        assert upload is not None
        await upload.patch(pieces(DATA), len(DATA))
        await asyncio.sleep(2.5)
        # No 401 in between, or this body would have been refused.
        await upload.patch(pieces(DATA), len(DATA))
        await asyncio.sleep(2.5)
        await upload.put(f"sha256:{hashlib.sha256(DATA * 2).hexdigest()}")
        assert upload.offset == 2 * len(DATA)
    assert len(tokens.asked) == 3


async def test_a_token_that_expires_early_is_renewed_once(
    token_registry: WithTokens, repository: str
) -> None:
    tokens = token_registry.tokens
    async with opened(token_registry) as registry:
        await push(registry, repository)
        tokens.reset()
        tokens.life = 1.0
        assert await registry.blob_size(repository, DIGEST) == len(DATA)
        await asyncio.sleep(2.1)
        tokens.life, tokens.delay = 300.0, 0.2
        reads = [registry.blob_bytes(repository, DIGEST, len(DATA)) for _ in range(10)]
        assert await asyncio.gather(*reads) == [DATA] * 10
    assert len(tokens.asked) == 2


async def test_a_token_that_expires_during_an_upload(
    token_registry: WithTokens, repository: str
) -> None:
    tokens = token_registry.tokens
    tokens.life = 1.0
    async with opened(token_registry) as registry:
        upload = await registry.start_upload(repository)
        assert upload is not None
        await asyncio.sleep(2.1)
        tokens.life = 300.0
        with pytest.raises(AuthenticationFailed) as caught:
            await upload.patch(pieces(DATA), len(DATA))
        assert caught.value.transient, "the transfer may go on"
        await upload.status()
        await upload.patch(pieces(DATA), len(DATA))
        await upload.put(DIGEST)
        assert await registry.blob_size(repository, DIGEST) == len(DATA)


async def test_a_refresh_token_is_traded_by_post(
    token_registry: WithTokens, repository: str
) -> None:
    login = Login(identity_token=token_registry.tokens.refresh_token)
    async with opened(token_registry, login) as registry:
        await push(registry, repository)
    assert {asked.method for asked in token_registry.tokens.asked} == {"POST"}
    wrong = Login(identity_token="wrong", source="a test")
    async with opened(token_registry, wrong) as registry:
        with pytest.raises(AuthenticationFailed, match="refused the credentials from a test"):
            await registry.tags(repository)


async def test_a_token_of_ones_own(token_registry: WithTokens, repository: str) -> None:
    tokens = token_registry.tokens
    scopes = (f"repository:{repository}:pull,push",)
    login = Login(registry_token=tokens.sign(scopes, "somebody"))
    async with opened(token_registry, login) as registry:
        await push(registry, repository)
    assert tokens.asked == []


async def test_a_mount_asks_for_both_repositories(
    token_registry: WithTokens, repository: str
) -> None:
    async with opened(token_registry) as registry:
        await push(registry, repository)
        other = f"{repository}-other"
        assert await registry.start_upload(other, mount=DIGEST, source=repository) is None
    assert sorted(token_registry.tokens.asked[-1].scopes) == [
        f"repository:{other}:pull,push",
        f"repository:{repository}:pull",
    ]


async def test_wrong_password_at_the_token_server(
    token_registry: WithTokens, repository: str
) -> None:
    async with opened(token_registry, Login(USERNAME, "wrong")) as registry:
        with pytest.raises(AuthenticationFailed, match="refused the credentials"):
            await registry.tags(repository)


async def test_a_token_that_allows_nothing(token_registry: WithTokens, repository: str) -> None:
    token_registry.tokens.anonymous = True
    async with opened(token_registry, None) as registry:
        with pytest.raises(AuthenticationFailed) as caught:
            await registry.tags(repository)
    assert caught.value.status in (401, 403)
    assert not caught.value.transient
