"""Registries that refuse ranges, or give less of them than was asked for."""

from __future__ import annotations

import pytest
from tests.support.faults import Fault, FaultyRegistry, Script, Seen, nth
from tests.support.memory import MemoryLanding
from tests.support.pulls import BLOB, PART, pull, small_parts

from kitfast.errors import ConnectionFailed, ProtocolError, RangeRefused
from kitfast.transfer.limits import Limits, forget_hosts


def refusing(status: int, whole: Fault | None = None) -> Script:
    """Refuses every range with this status, and gives the whole blob, or its own fault."""

    def script(seen: Seen) -> Fault | None:
        if seen.kind != "blob":
            return None
        return Fault(status=status) if seen.ranged else whole

    return script


def clamped(seen: Seen) -> Fault | None:
    """Gives the first 1,000 bytes of every range, and says so."""
    if seen.kind != "blob" or not seen.ranged:
        return None
    length = seen.end - seen.start
    said = f"bytes {seen.start}-{seen.start + 999}/{BLOB.size}"
    return Fault(shorten=length - 1000, content_range=said)


@pytest.mark.parametrize("script", [*map(refusing, (400, 416, 501)), clamped])
async def test_a_blob_comes_in_one_stream_where_ranges_are_refused(script: Script) -> None:
    forget_hosts()
    with FaultyRegistry(BLOB, script=script) as source:
        done = await pull(source)
        assert done.is_right() and done.limits is not None
        assert [seen.ranged for seen in source.of("blob")] == [True, False]
        assert not done.limits.has_ranges(source.host), "the next blob asks in vain"
    forget_hosts()


@pytest.mark.parametrize("limits", [small_parts, lambda: Limits(connections=1)])
async def test_what_is_down_is_kept_where_the_rest_cannot_be_asked_for(limits: object) -> None:
    forget_hosts()
    assert callable(limits)
    landing = MemoryLanding(BLOB.size)
    landing.write(0, BLOB.data[: 3 * PART])
    with FaultyRegistry(BLOB, script=refusing(416)) as source:
        done = await pull(source, into=landing, limits=limits())
    assert landing.holds(BLOB) and sum(done.counts) == BLOB.size - 3 * PART
    forget_hosts()


async def test_a_stream_that_is_cut_begins_again_and_a_hopeless_one_ends() -> None:
    forget_hosts()
    once = nth("blob", {1: Fault(cut_at=3 * PART)})
    refuse = refusing(416)
    with FaultyRegistry(BLOB, script=lambda seen: refuse(seen) or once(seen)) as source:
        done = await pull(source)
    assert done.is_right() and sum(done.counts) == BLOB.size
    # Always at the same place: what comes a second time is no progress.
    always = refusing(416, Fault(cut_at=6 * PART))
    with (
        FaultyRegistry(BLOB, script=always) as source,
        pytest.raises(ConnectionFailed, match="gave up"),
    ):
        await pull(source)
    forget_hosts()


async def test_a_refusal_after_ranges_had_worked_names_the_way_out() -> None:
    with (
        FaultyRegistry(BLOB, script=nth("blob", {2: Fault(status=416)})) as source,
        pytest.raises(RangeRefused) as caught,
    ):
        await pull(source)
    assert caught.value.hint == "--connections 1 asks for no ranges"


async def test_a_range_from_another_place_is_no_refusal() -> None:
    lie = Fault(content_range=f"bytes 1000-{PART + 999}/{BLOB.size}")
    with (
        FaultyRegistry(BLOB, script=nth("blob", {0: lie})) as source,
        pytest.raises(ProtocolError) as caught,
    ):
        await pull(source)
    assert not isinstance(caught.value, RangeRefused)
