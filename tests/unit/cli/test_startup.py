"""What a command imports: nothing heavy for `version`, no network for local verbs.

Nothing is timed here, as machines are slow and fast; these lists are what time is spent on.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from tests.support.certificates import Authority
from tests.support.scripted import scripted

# What `version` must do without: each of these takes longer than its answer.
HEAVY = {"aiohttp", "rich", "pydantic", "typer", "click", "asyncio", "dataclasses", "inspect"}
HEAVY |= {"typing", "logging", "pathlib", "kitfast.cli.app", "kitfast.modelkit"}
NETWORK_AND_BARS = {"aiohttp", "rich", "pydantic"}
# What a local kit is unpacked without: YAML is written from JSON, and no marker is asked for.
ASKED_FOR = {"yaml", "decimal", "kitfast.kitfile.tree", "kitfast.modelkit.marker"}
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
        assert words[0] != "unpack" or not loaded & ASKED_FOR


async def test_a_pull_asks_the_registry_before_it_imports_what_it_does_with_the_answer() -> None:
    async def nothing(request: web.Request) -> web.Response:
        return web.Response(status=404)

    async with scripted(nothing) as server:
        words = ("pull", f"{server.host}/team/model:v1", "--plain-http")
        loaded, _ = await asyncio.to_thread(imported, *words, status=1)
    assert server.asked("GET /v2/team/model/manifests/v1")
    assert not loaded & LATER


@pytest.mark.parametrize("alone", [True, False])
def test_only_where_it_is_alone_aiohttp_is_imported_without_authorities(
    alone: bool, tmp_path: Path
) -> None:
    trusted = str(Authority(tmp_path).pair.cert)
    program = (
        "import gc, os, ssl\n"
        "from kitfast import tenancy\n"
        f"tenancy.alone = {alone}\n"
        "import kitfast.registry\n"
        "made = [one for one in gc.get_objects() if isinstance(one, ssl.SSLContext)]\n"
        "print(any(one.cert_store_stats()['x509'] for one in made), os.environ['SSL_CERT_FILE'])\n"
        "print(ssl.create_default_context().cert_store_stats()['x509'])\n"
        "print('SSL_CERT_DIR' in os.environ)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "SSL_CERT_FILE": trusted},
    )
    # What is read later, as for HTTPS, is what the environment says.
    assert ended.stdout.split() == [str(not alone), trusted, "1", "False"], ended.stderr


def test_the_program_is_alone_in_its_process() -> None:
    program = (
        "import sys\n"
        "from kitfast import tenancy\n"
        "from kitfast.cli import main, program\n"
        "main(['version'])\n"
        "before = tenancy.alone\n"
        "sys.argv = ['kitfast', 'version']\n"
        "program()\n"
        "print(before, tenancy.alone)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout.splitlines()[-1] == "False True", ended.stderr


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
