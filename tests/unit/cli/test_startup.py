"""What a command imports: nothing heavy for `version`, no network for help."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "rich", "pydantic", "typer", "click", "asyncio", "dataclasses", "inspect")


def imported(*words: str) -> tuple[set[str], str]:
    """The heavy modules a command imports, and what it writes."""
    program = (
        "import sys\n"
        "from kitfast.cli import main\n"
        f"status = main({list(words)!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.stderr.write(' '.join(loaded))\n"
        "sys.exit(status)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(ended.stderr.split()), ended.stdout


@pytest.mark.parametrize("words", [("version",), ("--version",)])
def test_version_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    loaded, out = imported(*words)
    assert loaded == set()
    assert out.startswith("Version: ")


def test_version_after_other_flags_says_the_same() -> None:
    assert imported("-v", "--version")[1] == imported("--version")[1]


@pytest.mark.parametrize("words", [("--help",), ("completion", "--help")])
def test_help_imports_neither_network_nor_bars(words: tuple[str, ...]) -> None:
    loaded, _ = imported(*words)
    assert not loaded & {"aiohttp", "rich", "pydantic"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_prints_the_shells_script(shell: str) -> None:
    _, out = imported("completion", shell)
    assert "kitfast" in out
    assert "_KITFAST_COMPLETE" in out
