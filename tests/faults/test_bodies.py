"""Bodies that are cut, short, long, compressed or not the range asked for."""

from __future__ import annotations

import pytest
from tests.support.faults import Fault, FaultyRegistry, always, nth
from tests.support.memory import MemoryLanding
from tests.support.pulls import BLOB, PART, pull, small_parts

from kitfast.errors import ConnectionFailed, ProtocolError


async def test_a_healthy_registry_is_read_in_ranges() -> None:
    with FaultyRegistry(BLOB) as source:
        done = await pull(source)
    assert done.is_right() and len(source.of("blob")) == 8


async def test_a_cut_body_is_asked_for_again_from_where_it_broke() -> None:
    with FaultyRegistry(BLOB, script=nth("blob", {3: Fault(cut_at=100_000)})) as source:
        done = await pull(source)
    assert done.is_right()
    broken, again = source.of("blob")[3], source.of("blob")[-1]
    assert broken.start < again.start <= broken.start + 100_000 and again.end == broken.end


async def test_every_body_cut_once_still_arrives() -> None:
    cuts = {number: Fault(cut_at=70_000) for number in range(0, 16, 2)}
    with FaultyRegistry(BLOB, script=nth("blob", cuts)) as source:
        assert (await pull(source)).is_right()


async def test_a_server_that_always_cuts_is_given_up_and_what_came_is_kept() -> None:
    landing = MemoryLanding(BLOB.size)
    with FaultyRegistry(BLOB, script=always(Fault(cut_at=1000))) as source:
        with pytest.raises(ConnectionFailed, match="gave up") as caught:
            await pull(source, into=landing)
        kept = landing.received
        source.script = lambda seen: None
        done = await pull(source, into=landing)
    assert source.host in str(caught.value)
    assert caught.value.hint is not None and "goes on from there" in caught.value.hint
    assert kept > 0 and landing.holds(BLOB) and sum(done.counts) == BLOB.size - kept


@pytest.mark.parametrize(
    "lie",
    [
        f"bytes 0-{PART - 1}/{BLOB.size}",
        f"bytes {2 * PART}-{3 * PART - 1}/{BLOB.size + 1}",
        f"bytes {2 * PART + 1}-{3 * PART}/{BLOB.size}",
        f"bytes {2 * PART}-{3 * PART - 2}/{BLOB.size}",
        "nonsense",
    ],
)
async def test_a_wrong_content_range_is_refused_and_nothing_of_it_written(lie: str) -> None:
    landing = MemoryLanding(BLOB.size)
    with (
        FaultyRegistry(BLOB, script=nth("blob", {2: Fault(content_range=lie)})) as source,
        pytest.raises(ProtocolError),
    ):
        await pull(source, into=landing, limits=small_parts(connections=1, most_connections=1))
    assert all(end <= 2 * PART for _, end in landing.writes)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(lengthen=1),
        Fault(lengthen=500_000, headers={"Transfer-Encoding": "chunked"}),
        Fault(shorten=1),
    ],
    ids=["long", "long and chunked", "short"],
)
async def test_a_body_of_another_length_than_its_range_is_refused(fault: Fault) -> None:
    landing = MemoryLanding(BLOB.size)
    with (
        FaultyRegistry(BLOB, script=nth("blob", {2: fault})) as source,
        pytest.raises(ProtocolError),
    ):
        await pull(source, into=landing, limits=small_parts(connections=1, most_connections=1))
    assert all(end <= 3 * PART for _, end in landing.writes)


async def test_a_chunked_body_that_ends_early_is_asked_for_again() -> None:
    fault = Fault(shorten=1000, headers={"Transfer-Encoding": "chunked"})
    with FaultyRegistry(BLOB, script=nth("blob", {2: fault})) as source:
        assert (await pull(source)).is_right()
    assert source.of("blob")[-1].end - source.of("blob")[-1].start == 1000


async def test_compression_nobody_asked_for_is_refused() -> None:
    with (
        FaultyRegistry(BLOB, script=nth("blob", {0: Fault(gzip=True)})) as source,
        pytest.raises(ProtocolError, match="encoded"),
    ):
        await pull(source)
    assert source.of("blob")[0].headers["Accept-Encoding"] == "identity"


async def test_everything_instead_of_the_first_range_becomes_one_stream() -> None:
    with FaultyRegistry(BLOB, script=always(Fault(ignore_range=True))) as source:
        done = await pull(source)
    assert done.is_right() and len(source.of("blob")) == 1


async def test_one_stream_that_breaks_goes_on_with_a_range_where_that_works() -> None:
    # A pull-through cache: cold at first, warm after the break.
    fault = Fault(ignore_range=True, cut_at=500_000)
    with FaultyRegistry(BLOB, script=nth("blob", {0: fault})) as source:
        done = await pull(source)
    assert done.is_right() and source.of("blob")[1].start > 0


async def test_everything_instead_of_a_later_range_leaves_the_rest_to_one_stream() -> None:
    script = nth("blob", {number: Fault(ignore_range=True) for number in range(3, 100)})
    with FaultyRegistry(BLOB, script=script) as source:
        done = await pull(source, limits=small_parts(connections=2, most_connections=2))
    # Those that were on their way when the first whole answer came, and the one stream.
    assert done.is_right() and len(source.of("blob")) <= 3 + 2 + 1
