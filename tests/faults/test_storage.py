"""Storage behind the registry: addresses that expire, and where redirects lead."""

from __future__ import annotations

import pytest
from tests.support.faults import Fault, FaultyRegistry, Seen
from tests.support.memory import MemoryLanding
from tests.support.pulls import BLOB, pull

from kitfast.errors import AuthenticationFailed, ProtocolError


async def test_the_storage_is_found_once_and_serves_all_parts() -> None:
    with FaultyRegistry(BLOB, storage=True) as source:
        assert (await pull(source)).is_right()
    assert len(source.of("front")) == 1 and len(source.of("blob")) == 8


async def test_authorization_is_never_shown_to_the_storage() -> None:
    with FaultyRegistry(BLOB, storage=True, token_seconds=60) as source:
        assert (await pull(source)).is_right()
    assert all("Authorization" not in seen.headers for seen in source.of("blob"))


async def test_expired_addresses_are_renewed_and_the_parts_repeated() -> None:
    def script(seen: Seen) -> Fault | None:
        if seen.number in (2, 5):
            source.expire_signatures()
        return None

    with FaultyRegistry(BLOB, script=script, storage=True) as source:
        assert (await pull(source)).is_right()
        assert len(source.of("front")) >= 3 and source.of("expired")


async def test_storage_that_never_lets_in_is_given_up() -> None:
    def script(seen: Seen) -> Fault | None:
        return Fault(status=403) if seen.number >= 3 else None

    landing = MemoryLanding(BLOB.size)
    with (
        FaultyRegistry(BLOB, script=script, storage=True) as source,
        pytest.raises(AuthenticationFailed),
    ):
        await pull(source, into=landing)


async def test_a_redirect_in_a_circle_is_an_error() -> None:
    def circle(source: FaultyRegistry, digest: str) -> str:
        return f"/v2/r/blobs/{digest}"

    with (
        FaultyRegistry(BLOB, redirect=circle) as source,
        pytest.raises(ProtocolError, match="circle"),
    ):
        await pull(source)
    assert len(source.of("front")) <= 6


async def test_a_redirect_to_another_host_is_followed_without_credentials() -> None:
    with FaultyRegistry(BLOB) as other:

        def elsewhere(source: FaultyRegistry, digest: str) -> str:
            return f"http://{other.host}/v2/r/blobs/{digest}"

        with FaultyRegistry(BLOB, redirect=elsewhere, token_seconds=60) as source:
            assert (await pull(source)).is_right()
        assert len(other.of("blob")) == 8
        assert all("Authorization" not in seen.headers for seen in other.of("blob"))
