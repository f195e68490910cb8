"""The number of connections grows while that helps and shrinks when it hurts."""

from __future__ import annotations

from collections.abc import Callable

from kitfast.transfer.pace import CALM_SECONDS, GLANCE_SECONDS, WINDOW_SECONDS, Pace

MB = 1_000_000
CORES = 4


def drive(
    pace: Pace, rate: Callable[[int], float], seconds: float, begin: float = 0.0, full: bool = True
) -> float:
    """Feeds the pace with what a link that gives `rate(width)` bytes a second would bring."""
    now = begin
    while now < begin + seconds:
        now += WINDOW_SECONDS / 10
        pace.received(int(rate(pace.width) * WINDOW_SECONDS / 10), now, full=full)
    return now


def on_a_slow_link(pace: Pace) -> Pace:
    """The pace once it has found that two connections are too few."""
    pace.begin(0.0)
    pace.received(1, GLANCE_SECONDS, full=True)
    assert pace.width == pace.start
    return pace


def test_it_grows_while_each_connection_brings_its_share() -> None:
    pace = Pace(8, 32, CORES)
    drive(pace, lambda width: width * 100 * MB, 10)
    assert pace.width == 32


def test_it_stays_where_more_bring_nothing() -> None:
    pace = Pace(8, 32, CORES)
    drive(pace, lambda width: 250 * MB, 1.1)
    widths = set()
    now = 1.1
    for _ in range(100):
        now = drive(pace, lambda width: 250 * MB, WINDOW_SECONDS, now)
        widths.add(pace.width)
    assert widths == {8, 12}
    assert pace.width == 8


def test_two_are_enough_for_a_link_that_outruns_the_machine() -> None:
    pace = Pace(8, 32, CORES)
    assert pace.width == 2
    now = 0.0
    widths = set()
    for _ in range(100):
        now = drive(pace, lambda width: 900 * MB, WINDOW_SECONDS, now)
        widths.add(pace.width)
    assert widths == {2, 3}
    # The link has lost its first vigour: token buckets do.
    drive(pace, lambda width: width * 100 * MB, WINDOW_SECONDS, now)
    assert pace.width >= 8


def test_a_slow_link_is_known_as_soon_as_it_has_answered() -> None:
    pace = Pace(8, 32, CORES)
    pace.begin(10.0)
    assert pace.received(6 * MB, 10.04, full=True) == 2
    assert pace.received(3 * MB, 10.06, full=True) == 8


def test_many_cores_begin_with_what_was_asked_for() -> None:
    assert Pace(8, 32, 16).width == 8
    assert Pace(8, 32, 2).width == Pace(8, 32, 1).width == 1


def test_the_rate_of_a_lone_connection_is_known_while_it_is_alone() -> None:
    pace = Pace(8, 32, 2)
    pace.begin(0.0)
    pace.received(40 * MB, 0.04, full=True)
    assert pace.few_rate == 0, "too early to say"
    pace.received(50 * MB, 0.1, full=True)
    assert pace.few_rate == 900 * MB
    assert drive(pace, lambda width: 900 * MB, 1.9, 0.1) and pace.width == 1
    assert 890 * MB < pace.few_rate < 910 * MB
    drive(pace, lambda width: 900 * MB, 1.5, 2.0)
    assert pace.width == 2 and pace.few_rate == 0
    assert on_a_slow_link(Pace(8, 32, 2)).few_rate == 0


def test_a_few_blobs_have_a_connection_each_where_one_outruns_the_machine() -> None:
    pace = Pace(8, 32, 2)
    pace.begin(0.0)
    assert pace.received(60 * MB, 0.06, full=True, blobs=3) == 3
    # The new connections are not answered yet: that says nothing of the link.
    assert pace.received(0, 0.15, full=True, blobs=3) == 3
    now = 0.15
    for blobs, width in ((3, 3), (5, 4), (2, 2), (1, 1)):
        for _ in range(15):
            now += 0.05
            pace.received(45 * MB, now, full=True, blobs=blobs)
        assert pace.width == width
        assert 700 * MB < pace.few_rate < 1000 * MB
    # Slow as it is now it deserves the usual number.
    for _ in range(24):
        now += 0.05
        pace.received(5 * MB, now, full=True, blobs=4)
    assert (pace.width, pace.few_rate) == (8, 0)


def test_a_slow_link_gets_the_usual_number_however_many_blobs_there_are() -> None:
    pace = Pace(8, 32, 2)
    pace.begin(0.0)
    assert pace.received(6 * MB, 0.06, full=True, blobs=4) == 8
    drive(pace, lambda width: width * 100 * MB, 1, 0.06)
    assert pace.width >= 8


def test_a_registry_that_refuses_a_few_gets_no_more_because_of_blobs() -> None:
    pace = Pace(8, 32, 2)
    pace.begin(0.0)
    assert pace.received(60 * MB, 0.06, full=True, blobs=4) == 4
    pace.refused(0.1)
    for step in range(20):
        assert pace.received(60 * MB, 0.1 + step / 10, full=True, blobs=4) == 2


def test_a_link_that_was_not_made_use_of_is_not_judged() -> None:
    pace = Pace(8, 32, CORES)
    pace.begin(0.0)
    assert pace.received(1, 60.0, full=False) == 2
    assert pace.received(40 * MB, 60.06, full=True) == 2
    assert pace.received(10 * MB, 60.2, full=True) == 8


def test_a_registry_that_refuses_two_does_not_get_eight() -> None:
    pace = Pace(8, 32, CORES)
    pace.refused(0.0)
    drive(pace, lambda width: width * 100 * MB, CALM_SECONDS - 1)
    assert pace.width == 1


def test_a_connection_that_breaks_early_is_one_less_to_start_with() -> None:
    pace = Pace(8, 32, CORES)
    assert pace.failed(0.0) == 2
    drive(pace, lambda width: width * 100 * MB, 1)
    assert pace.width == 7


def test_it_stops_at_the_width_of_the_link() -> None:
    pace = Pace(8, 32, CORES)
    drive(pace, lambda width: min(width, 18) * 100 * MB, 60)
    assert pace.width == 18


def test_it_does_not_grow_when_nobody_waits_for_a_connection() -> None:
    pace = on_a_slow_link(Pace(8, 32, CORES))
    drive(pace, lambda width: width * 100 * MB, 10, full=False)
    assert pace.width == 8


def test_one_wave_of_refusals_halves_once() -> None:
    pace = on_a_slow_link(Pace(16, 32, CORES))
    for _ in range(10):
        pace.refused(100.0)
    assert pace.width == 8
    pace.refused(102.0)
    assert pace.width == 4


def test_it_rests_after_a_refusal_and_then_grows_again() -> None:
    pace = on_a_slow_link(Pace(16, 32, CORES))
    pace.refused(100.0)
    now = drive(pace, lambda width: width * 100 * MB, CALM_SECONDS - 1, 100.0)
    assert pace.width == 8
    drive(pace, lambda width: width * 100 * MB, 10, now)
    assert pace.width > 8


def test_failures_take_one_each_and_never_the_last() -> None:
    pace = Pace(3, 32, CORES)
    assert [pace.failed(0.0) for _ in range(4)] == [2, 1, 1, 1]


def test_a_registry_that_hangs_gets_no_more_to_do() -> None:
    pace = on_a_slow_link(Pace(8, 32, CORES))
    now = drive(pace, lambda width: 80 * MB, WINDOW_SECONDS)
    drive(pace, lambda width: 0, 30, now)
    assert pace.width <= 12


def test_a_link_that_slows_down_during_a_try_keeps_its_connections() -> None:
    pace = Pace(8, 32, CORES)
    now = 0.0
    while pace.width == 2:
        now = drive(pace, lambda width: 900 * MB, WINDOW_SECONDS / 10, now)
    widths = []
    for _ in range(60):
        now = drive(pace, lambda width: 90 * MB, WINDOW_SECONDS / 10, now)
        widths.append(pace.width)
    assert widths[-1] >= 8 and min(widths[widths.index(8) :]) == 8


def test_a_slow_disk_takes_connections_away_and_leaves_two() -> None:
    pace = on_a_slow_link(Pace(8, 32, CORES))
    assert [pace.disk_is_behind(1.0) for _ in range(8)] == [7, 6, 5, 4, 3, 2, 2, 2]
    # For a while no more are tried, nor is the link taken for one that is too slow for two.
    drive(pace, lambda width: 60 * MB, CALM_SECONDS / 3 - 1, 1.0)
    assert pace.width == 2
    drive(pace, lambda width: width * 100 * MB, 10, 10.0)
    assert pace.width > 4
