"""The plan hands out every missing byte once, in order, in sensible sizes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kitfast.transfer.plan import (
    LARGEST_PART,
    MIB,
    SIDE_BY_SIDE,
    SMALLEST_PART,
    Part,
    Plan,
    part_size,
)


def drain(plan: Plan, connections: int = 8) -> list[Part]:
    parts = []
    while (part := plan.take(connections)) is not None:
        parts.append(part)
    return parts


def test_a_small_blob_is_one_part() -> None:
    assert drain(Plan([(0, SMALLEST_PART + 5)])) == [Part(0, SMALLEST_PART + 5)]


def test_parts_shrink_towards_the_end() -> None:
    sizes = [part.length for part in drain(Plan([(0, 4096 * MIB)]))]
    assert sizes[0] == SIDE_BY_SIDE // 8
    assert sizes == sorted(sizes, reverse=True) or sizes[-1] < SMALLEST_PART + MIB
    assert sizes[-2] == SMALLEST_PART


def test_more_connections_make_smaller_parts_never_too_small() -> None:
    assert part_size(512 * MIB, 4) == 32 * MIB
    assert part_size(128 * MIB, 4) == 16 * MIB
    assert part_size(512 * MIB, 64) == SMALLEST_PART
    assert part_size(0, 0) == SMALLEST_PART


def test_a_blob_with_a_connection_of_its_own_has_nobody_to_share_with() -> None:
    assert part_size(512 * MIB, 4, 128 * MIB, 1) == 128 * MIB
    assert part_size(512 * MIB, 8, sharing=2) == SIDE_BY_SIDE // 8
    assert part_size(48 * MIB, 8, sharing=2) == 12 * MIB
    assert Plan([(0, 512 * MIB)]).take(4, most=128 * MIB, sharing=1) == Part(0, 128 * MIB)


def test_a_lone_connection_is_asked_for_as_much_as_may_be() -> None:
    assert part_size(512 * MIB, 1) == LARGEST_PART
    assert part_size(512 * MIB, 1, 300 * MIB) == 300 * MIB
    assert part_size(100 * MIB, 1, 300 * MIB) == 100 * MIB
    assert Plan([(0, 512 * MIB)]).take(1, most=400 * MIB) == Part(0, 400 * MIB)


def test_a_fixed_size_replaces_the_adaptive_one() -> None:
    sizes = [part.length for part in drain(Plan([(0, 10 * MIB)], fixed=4 * MIB))]
    assert sizes == [4 * MIB, 4 * MIB, 2 * MIB]


def test_a_wished_header_comes_first_and_only_once() -> None:
    plan = Plan([(0, 100 * MIB)])
    wish = (50 * MIB, 512)
    assert plan.take(8, wish) == Part(50 * MIB, 50 * MIB + 512)
    assert plan.take(8, wish) == Part(0, 8 * MIB)


def test_a_wish_is_cut_to_what_is_missing() -> None:
    plan = Plan([(100, 300)])
    assert plan.take(8, (250, 500)) == Part(250, 300)
    assert plan.take(8, (0, 50)) == Part(100, 250)
    assert plan.take(8, (0, 512)) is None


def test_what_is_put_back_comes_first() -> None:
    plan = Plan([(0, 64 * MIB)])
    first = plan.take(8)
    assert first is not None
    plan.put_back(Part(first.start + 5, first.end))
    assert plan.take(8) == Part(first.start + 5, first.end)


RANGES = st.lists(st.integers(0, 200 * MIB), min_size=2, max_size=20, unique=True).map(
    lambda borders: list(
        zip(sorted(borders)[: len(borders) // 2 * 2 : 2], sorted(borders)[1::2], strict=True)
    )
)
WISHES = st.lists(
    st.none() | st.tuples(st.integers(-10, 200 * MIB), st.integers(-10, 5 * MIB)), max_size=10
)


@given(ranges=RANGES, wishes=WISHES, connections=st.integers(0, 64))
def test_every_missing_byte_is_handed_out_exactly_once(
    ranges: list[tuple[int, int]], wishes: list[tuple[int, int] | None], connections: int
) -> None:
    plan = Plan(ranges)
    taken = [part for wish in wishes if (part := plan.take(connections, wish)) is not None]
    taken += drain(plan, connections)
    assert not plan and plan.remaining == 0
    taken.sort()
    merged: list[tuple[int, int]] = []
    for part in taken:
        assert part.length > 0
        assert not merged or merged[-1][1] <= part.start
        if merged and merged[-1][1] == part.start:
            merged[-1] = (merged[-1][0], part.end)
        else:
            merged.append((part.start, part.end))
    joined: list[tuple[int, int]] = []
    for start, end in ranges:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    assert merged == joined


@given(
    ranges=st.lists(
        st.tuples(st.integers(0, 3000 * MIB), st.integers(1, 2000 * MIB)), max_size=4
    ).map(lambda gaps: _side_by_side(gaps)),
    connections=st.integers(0, 16),
    fixed=st.none() | st.integers(MIB, 64 * MIB),
)
def test_parts_are_counted_as_they_would_be_taken(
    ranges: list[tuple[int, int]], connections: int, fixed: int | None
) -> None:
    taken = drain(Plan(ranges, fixed=fixed), connections)
    assert Plan(ranges, fixed=fixed).use_up(connections) == len(taken)


def _side_by_side(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    ranges, at = [], 0
    for gap, length in gaps:
        ranges.append((at + gap, at + gap + length))
        at += gap + length
    return ranges


def test_counting_takes_no_time_whatever_a_manifest_claims() -> None:
    assert Plan([(0, 2**63 - 1)]).use_up(8) > 2**63 // part_size(2**63, 8)
