"""What a command imports: nothing heavy for `version`, no network for local verbs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("aiohttp", "rich", "pydantic", "typer", "click", "asyncio", "dataclasses", "inspect")
NETWORK_AND_BARS = {"aiohttp", "rich", "pydantic"}


def imported(*words: str) -> tuple[set[str], str]:
    """The heavy modules a command imports, and what it writes."""
    program = (
        "import sys\n"
        "from kitfast.cli import main\n"
        f"status = main({list(words)!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.stderr.write('loaded: ' + ' '.join(loaded))\n"
        "sys.exit(status)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return set(ended.stderr.rpartition("loaded: ")[2].split()), ended.stdout


@pytest.mark.parametrize("words", [("version",), ("--version",)])
def test_version_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    loaded, out = imported(*words)
    assert loaded == set()
    assert out.startswith("Version: ")


@pytest.mark.parametrize("words", [("-v", "version"), ("-v", "--version")])
def test_the_long_way_to_the_version_says_the_same(words: tuple[str, ...]) -> None:
    assert imported(*words)[1] == imported("version")[1]


def test_verbs_that_stay_here_import_neither_network_nor_bars(tmp_path: Path) -> None:
    (tmp_path / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel:\n  path: m\n")
    (tmp_path / "m").write_text("weights")
    for words in (
        ("--help",),
        ("pack", str(tmp_path), "-t", "a:v1"),
        ("list",),
        ("info", "a:v1"),
        ("inspect", "a:v1"),
        ("tag", "a:v1", "a:v2"),
        ("unpack", "a:v1", "-d", str(tmp_path / "out")),
        ("remove", "a:v1"),
        ("cache", "info"),
    ):
        loaded, _ = imported(*words)
        assert not loaded & NETWORK_AND_BARS, words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_prints_the_shells_script(shell: str) -> None:
    _, out = imported("completion", shell)
    assert "kitfast" in out
    assert "_KITFAST_COMPLETE" in out
