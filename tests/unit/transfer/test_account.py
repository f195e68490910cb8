"""The account of a transfer: shares of the wall clock, from measured spans alone."""

from __future__ import annotations

import pytest

from kitfast.transfer.account import CAUSES, Account, Flow


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def account(*, wall: float, cpu: float = 0.0, cores: int = 2) -> tuple[Account, Clock]:
    """An account of `wall` seconds that have passed when it is summed up."""
    clock, used = Clock(), Clock()
    made = Account(clock=clock, cpu=used, cores=cores)
    clock.now, used.now = wall, cpu
    return made, clock


def shares(flow: Flow) -> dict[str, float]:
    return {cause: share for cause, share in flow.shares.items() if share}


def test_a_span_goes_to_its_causes_and_the_rest_to_the_cpu() -> None:
    made, _ = account(wall=10)
    made.add(0, 10, {"network": 7, "disk": 2})
    flow = made.flow(layers=3, moved=5000)
    assert shares(flow) == {"network": 0.7, "disk": 0.2, "cpu": 0.1}
    assert (flow.held_back_by, flow.share) == ("network", 0.7)
    assert (flow.layers, flow.moved, flow.seconds, flow.rate) == (3, 5000, 10, 500)


def test_spans_side_by_side_share_their_time() -> None:
    made, _ = account(wall=10)
    made.add(0, 10, {"network": 10})
    made.add(0, 10, {"network": 10})
    made.add(0, 5, {"registry": 5})
    # Five seconds a third each, five seconds a half each.
    assert shares(made.flow(layers=1, moved=1)) == {"network": 0.833, "registry": 0.167}


def test_what_holds_up_everything_takes_its_whole_time() -> None:
    made, _ = account(wall=10)
    for _ in range(8):
        made.add(0, 10, {"network": 10})
    made.add(2, 8, {"hash": 6}, alone=True)
    flow = made.flow(layers=1, moved=1)
    assert shares(flow) == {"hash": 0.6, "network": 0.4}
    assert flow.held_back_by == "hash"


def test_time_nobody_measured_is_nobodys() -> None:
    made, _ = account(wall=10)
    made.add(1, 2, {"disk": 1})
    made.add(4, 6, {"hash": 2})
    flow = made.flow(layers=1, moved=1)
    assert shares(flow) == {"disk": 0.1, "hash": 0.2}
    assert (flow.held_back_by, flow.share) == ("hash", 0.2)


def test_causes_that_add_up_to_more_than_their_span_are_scaled() -> None:
    made, _ = account(wall=4)
    made.add(0, 4, {"network": 6, "disk": 2})
    assert shares(made.flow(layers=1, moved=1)) == {"network": 0.75, "disk": 0.25}


def test_a_busy_process_was_held_back_by_the_cpu() -> None:
    made, _ = account(wall=10, cpu=19, cores=2)
    made.add(0, 10, {"network": 10})
    flow = made.flow(layers=1, moved=1)
    assert (flow.held_back_by, flow.share, flow.cpu) == ("cpu", 0.95, 0.95)


def test_a_limit_that_was_set_is_named_even_then() -> None:
    made, _ = account(wall=10, cpu=20, cores=2)
    made.add(0, 10, {"max-rate": 9})
    assert made.flow(layers=1, moved=1).held_back_by == "max-rate"


def test_nothing_moved_was_held_back_by_nothing() -> None:
    made, _ = account(wall=1)
    made.add(0, 1, {"registry": 1})
    flow = made.flow(layers=2, moved=0)
    assert (flow.held_back_by, flow.share) == (None, 0.0)


def test_a_block_is_measured_even_when_it_fails() -> None:
    made, clock = account(wall=0)
    with pytest.raises(ValueError, match="no"), made.during("registry"):
        clock.now = 2.0
        raise ValueError("no")
    clock.now = 4.0
    assert shares(made.flow(layers=1, moved=1)) == {"registry": 0.5}


def test_shares_never_exceed_the_whole() -> None:
    made, _ = account(wall=100)
    for at in range(100):
        made.add(at, at + 0.5 + at / 7, {CAUSES[at % 6]: 0.3}, alone=at % 10 == 0)
    assert 0 < sum(made.flow(layers=1, moved=1).shares.values()) <= 1.001 + 14.7 / 100
