"""Reporter: throttled events, and the last one always."""

from __future__ import annotations

import pytest

from kitfast.progress import Progress, Reporter


def test_many_small_steps_give_few_events_and_one_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("time.monotonic", lambda: next(clock) / 1000)
    seen: list[Progress] = []
    reporter = Reporter(seen.append, "download", "model", total=1000, reused=5)
    for _ in range(995):
        reporter.add(1)
    reporter.finish()
    reporter.finish()
    reporter.add(1)
    assert 9 <= len(seen) <= 12
    assert seen[0] == Progress("download", "model", 6, 1000, reused=5)
    assert seen[-1] == Progress("download", "model", 1000, 1000, reused=5, finished=True)
    assert [event.finished for event in seen[:-1]] == [False] * (len(seen) - 1)


def test_a_total_learned_late_and_bytes_taken_back() -> None:
    seen: list[Progress] = []
    reporter = Reporter(seen.append, "hash", "x")
    reporter.at(10, total=20)
    reporter.add(-4)
    reporter.finish()
    assert [(event.done, event.total) for event in seen] == [(10, 20), (6, 20)]


def test_without_a_callback_it_only_counts() -> None:
    reporter = Reporter(None, "hash", "x")
    reporter.add(3)
    reporter.finish()
    assert reporter.done == 3


def test_a_failing_callback_is_not_swallowed() -> None:
    def broken(_: Progress) -> None:
        raise RuntimeError("display")

    with pytest.raises(RuntimeError, match="display"):
        Reporter(broken, "hash", "x").add(1)


def test_bytes_that_were_there_are_reused() -> None:
    seen: list[Progress] = []
    reporter = Reporter(seen.append, "upload", "a", 10)
    reporter.reuse(10)
    reporter.finish()
    assert seen == [Progress("upload", "a", 10, 10, reused=10, finished=True)]
