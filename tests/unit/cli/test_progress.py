"""Progress on standard error: few plain lines, bars on a terminal, or nothing."""

from __future__ import annotations

import io
import re
import sys
import time

import pytest
from rich.console import Console

from kitfast.cli.render.heartbeat import Heartbeat
from kitfast.cli.render.lines import Lines
from kitfast.cli.render.live import MOST_BARS, Live
from kitfast.cli.render.progress import display, short
from kitfast.progress import Progress, Whole

MIB = 1 << 20
DIGEST = "sha256:" + "ab" * 32


class Clock:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


def test_a_line_each_tenth_and_one_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines()
    for step in range(101):
        lines(Progress("download", DIGEST, step * MIB, 100 * MIB))
        clock.now += 0.5
    lines(Progress("download", DIGEST, 100 * MIB, 100 * MIB, finished=True))
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 11
    assert said[0] == "download abababababab: 10.0 MiB of 100.0 MiB (10 %), 2.0 MiB/s, 45 s left"
    assert said[-1] == "downloaded abababababab: 100.0 MiB, 1.9 MiB/s"


def test_a_slow_piece_says_so_every_ten_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines()
    for _ in range(31):
        lines(Progress("upload", "slow", 5, None))
        clock.now += 1
    assert capsys.readouterr().err.splitlines() == ["upload slow: 5 B, 0 B/s"] * 3


def test_a_quick_piece_is_one_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for step in range(10):
        lines(Progress("pack", "model\x1b[31m", step, 10, reused=2))
        clock.now += 0.001
    lines(Progress("pack", "model\x1b[31m", 10, 10, reused=2, finished=True))
    assert capsys.readouterr().err == "packed model\\x1b[31m: 10 B, 2 B of it were there\n"


def test_bars_show_each_piece_and_forget_the_oldest_finished() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with Live(console) as live:
        for index in range(MOST_BARS + 5):
            name = f"layer-{index}[bold]"
            live(Progress("download", name, 512, 1024, reused=512))
            live(Progress("download", name, 1024, 1024, reused=512, finished=True))
        live(Progress("upload", "unknown size", 10, None))
        shown = live.descriptions()
    assert len(shown) == MOST_BARS
    assert shown[-2:] == [f"download layer-{MOST_BARS + 4}\\[bold]", "upload unknown size"]
    assert isinstance(console.file, io.StringIO)
    assert "layer-0[bold]" in console.file.getvalue()


def test_bars_speak_of_binary_units_alone() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with Live(console) as live:
        live(Progress("download", "layer", 0, 1000 * MIB))
        live(Progress("download", "layer", 280 * MIB, 1000 * MIB))
        time.sleep(0.01)
        live(Progress("download", "layer", 281 * MIB, 1000 * MIB))
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert "281.0 MiB of 1000.0 MiB" in drawn
    assert re.search(r"[\d.]+ [KMGT]iB/s", drawn)
    assert not re.search(r"[kMG]B", drawn)


def test_what_is_there_already_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Lines()(Progress("upload", "a", 2 * MIB, 2 * MIB, reused=2 * MIB, finished=True))
    assert capsys.readouterr().err == "upload a: already there, 2.0 MiB\n"
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with Live(console) as live:
        live(Progress("upload", "a", 2 * MIB, 2 * MIB, reused=2 * MIB, finished=True))
    assert isinstance(console.file, io.StringIO)
    assert "already there" in console.file.getvalue()


def test_the_style_and_the_terminal_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    with display("none") as callback:
        assert callback is None
    for style in ("plain", "fancy", None):
        with display(style) as callback:
            assert isinstance(callback, Lines)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    with display(None) as callback:
        assert isinstance(callback, Lines)
    monkeypatch.setenv("TERM", "xterm")
    for style in ("fancy", None):
        with display(style) as callback:
            assert isinstance(callback, Live)
    with display("plain") as callback:
        assert isinstance(callback, Lines)


def test_names_that_are_digests_are_shortened() -> None:
    assert short(DIGEST) == "abababababab"
    assert short("model.safetensors") == "model.safetensors"
    assert short("registry:5000/a") == "registry:5000/a"


def test_a_heartbeat_adds_everything_up(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    beat = Heartbeat()
    with beat:
        beat(Progress("download", "a", 60 * MIB, 100 * MIB, reused=20 * MIB))
        beat(Progress("download", "b", 100 * MIB, 100 * MIB, finished=True))
        clock.now += 20
        assert beat.line() == (
            "download: 160.0 MiB of 200.0 MiB (80 %), 7.0 MiB/s, 1 of 2 files and layers done"
        )
        beat(Progress("unpack", "c", 0, None))
        assert beat.line().startswith("download and unpack: 160.0 MiB, 7.0 MiB/s, 1 of 3")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_heartbeat_counts_what_has_not_begun(clock: Clock) -> None:
    beat, whole = Heartbeat(), Whole(400 * MIB, 4)
    beat(Progress("download", "a", 100 * MIB, 100 * MIB, finished=True, whole=whole))
    beat(Progress("download", "b", 50 * MIB, 100 * MIB, whole=whole))
    clock.now += 10
    assert beat.line() == (
        "download: 150.0 MiB of 400.0 MiB (37 %), 15.0 MiB/s, 1 of 4 files and layers done"
    )


def test_a_heart_beats_while_nothing_moves(capsys: pytest.CaptureFixture[str]) -> None:
    with Heartbeat(seconds=0.01):
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert set(lines) == {"waiting for the registry"}
