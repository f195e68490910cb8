"""What a command imports: nothing heavy for `version`, no network for local verbs.

Nothing is timed here, as machines are slow and fast; these lists are what time is spent on.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from tests.support.scripted import scripted

# What `version` must do without: each of these takes longer than its answer.
HEAVY = {"aiohttp", "rich", "pydantic", "typer", "click", "asyncio", "dataclasses", "inspect"}
HEAVY |= {"typing", "logging", "pathlib", "kitfast.cli.app", "kitfast.modelkit"}
NETWORK_AND_BARS = {"aiohttp", "rich", "pydantic"}
# What a pull can do without until a registry has answered: most of it for good.
LATER = {"rich", "pydantic", "yaml", "aiofiles", "statistics", "decimal", "fractions"}
LATER |= {"kitfast.kitfile", "kitfast.blocking", "kitfast.transfer.download"}


def imported(*words: str, status: int = 0) -> tuple[set[str], str]:
    """The modules a command imports, and what it writes."""
    program = (
        "import sys\n"
        "from kitfast.cli import main\n"
        f"status = main({list(words)!r})\n"
        "sys.stderr.write('loaded: ' + ' '.join(sys.modules))\n"
        "sys.exit(status)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.returncode == status, ended.stderr
    return set(ended.stderr.rpartition("loaded: ")[2].split()), ended.stdout


@pytest.mark.parametrize("words", [("version",), ("--version",)])
def test_version_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    loaded, out = imported(*words)
    assert not loaded & HEAVY
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


async def test_a_pull_asks_the_registry_before_it_imports_what_it_does_with_the_answer() -> None:
    async def nothing(request: web.Request) -> web.Response:
        return web.Response(status=404)

    async with scripted(nothing) as server:
        words = ("pull", f"{server.host}/team/model:v1", "--plain-http")
        loaded, _ = await asyncio.to_thread(imported, *words, status=1)
    assert server.asked("GET /v2/team/model/manifests/v1")
    assert not loaded & LATER


def test_the_collector_rests_while_modules_are_imported_and_works_for_the_verb() -> None:
    program = (
        "import gc, sys\n"
        "from kitfast.cli import program, session\n"
        "during = []\n"
        "class Watched(session.Session):\n"
        "    def run(self, work, **options):\n"
        "        during.append(gc.isenabled())\n"
        "        return super().run(lambda progress: noted(work(progress)), **options)\n"
        "async def noted(work):\n"
        "    during.append(gc.isenabled())\n"
        "    return await work\n"
        "import kitfast.cli.process\n"
        "kitfast.cli.process.Session = Watched\n"
        "sys.argv = ['kitfast', 'list']\n"
        "status = program()\n"
        "print(during, status)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1] == "[False, True] 0", ended.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_prints_the_shells_script(shell: str) -> None:
    _, out = imported("completion", shell)
    assert "kitfast" in out
    assert "_KITFAST_COMPLETE" in out
