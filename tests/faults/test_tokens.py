"""Tokens that die in the middle of a transfer."""

from __future__ import annotations

import pytest
from tests.support.faults import Fault, FaultyRegistry, Seen, always
from tests.support.pulls import BLOB, pull, push, small_parts


async def test_one_token_serves_every_part() -> None:
    with FaultyRegistry(BLOB, token_seconds=60) as source:
        assert (await pull(source)).is_right()
    assert len(source.of("token")) == 1


async def test_a_token_that_dies_early_is_renewed_for_the_parts_that_follow() -> None:
    def script(seen: Seen) -> Fault | None:
        if seen.number == 3:
            source.tokens.clear()
        return None

    with FaultyRegistry(BLOB, script=script, token_seconds=60) as source:
        done = await pull(source, limits=small_parts(connections=2, most_connections=2))
    assert done.is_right() and len(source.of("token")) == 2


async def test_tokens_of_one_second_carry_a_download_of_two() -> None:
    def script(seen: Seen) -> Fault | None:
        return Fault(stall_at=1000, stall=0.25) if seen.kind == "blob" else None

    one = small_parts(connections=1, most_connections=1)
    with FaultyRegistry(BLOB, script=script, token_seconds=1.0) as source:
        done = await pull(source, limits=one)
    assert done.is_right() and done.seconds >= 2.0 and len(source.of("token")) >= 2


async def test_tokens_of_three_seconds_carry_a_download_of_seven() -> None:
    # Each of eight parts takes 0.9 s: no token lives through more than four of them.
    slow = always(Fault(stall_at=1000, stall=0.9))
    one = small_parts(connections=1, most_connections=1)
    with FaultyRegistry(BLOB, script=slow, token_seconds=3.0) as source:
        done = await pull(source, limits=one)
    assert done.is_right() and done.seconds >= 7.0
    assert 3 <= len(source.of("token")) <= 9 and len(source.of("blob")) == 8


@pytest.mark.parametrize("last_good", [0, 4], ids=["then a chunk", "then the last put"])
async def test_a_token_that_dies_during_an_upload_is_renewed(last_good: int) -> None:
    def script(seen: Seen) -> Fault | None:
        if seen.kind == "patch" and seen.number == last_good:
            sink.tokens.clear()
        return None

    with FaultyRegistry(script=script, token_seconds=60) as sink:
        await push(sink)
        assert sink.blobs[BLOB.digest] == BLOB.data
    # One to look, one to push, and what replaces them.
    assert 3 <= len(sink.of("token")) <= 4
