"""Bytes as kit writes them, and times as people read them."""

from __future__ import annotations

import pytest

from kitfast.cli.render.units import duration, rate, seconds, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (14848, "14.5 KiB"),
        (1024 * 1024 - 1, "1023.9 KiB"),
        (5 * 1024**3 + 1024**3 // 2, "5.5 GiB"),
        (1024**4, "1.0 TiB"),
        (1500 * 1024**5, "1500.0 PiB"),
    ],
)
def test_sizes_are_rounded_down_as_kit_does(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rates() -> None:
    assert rate(2048, 2) == "1.0 KiB/s"
    assert rate(2048, 0) == ""


@pytest.mark.parametrize(("time", "text"), [(0.04, "0.0 s"), (3.14, "3.1 s"), (61, "1 min 1 s")])
def test_seconds(time: float, text: str) -> None:
    assert seconds(time) == text
