"""Flags that verbs share: before and after the verb, spelled as in Go, refused."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import pytest
from typer import Argument, Option

from kitfast.cli import app
from kitfast.cli.options import verb
from kitfast.cli.session import TRACE, Session
from kitfast.settings import Network

from .conftest import Run

sessions: list[Session] = []


def look(
    session: Session,
    thing: Annotated[str, Argument(metavar="THING", help="What to look at.")],
    file: Annotated[str, Option("--file", "-f", metavar="PATH", help="A file.")] = "",
    force: Annotated[bool, Option("--force", help="Force it.")] = False,
) -> None:
    """Look at a thing.

    And tell what it is.
    """
    sessions.append(session)
    session.show({"thing": thing, "file": file, "force": force}, lambda found: f"{found}\n")


@pytest.fixture(autouse=True)
def one_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions.clear()
    only = (verb(look, "kitfast look x\nkitfast look y", network=True),)
    monkeypatch.setattr(app, "verbs", lambda first_word: only)


def seen() -> Session:
    (session,) = sessions
    return session


@pytest.mark.parametrize(
    "words",
    [
        "--config /k --progress none --log-level debug look x",
        "look x --config /k --progress none --log-level debug",
        "--config /no --progress=plain look --config=/k --log-level=debug x --progress=none",
    ],
)
def test_global_flags_work_before_and_after_the_verb(words: str, run: Run) -> None:
    assert run(*words.split()).status == 0
    assert seen().home == Path("/k")
    assert (seen().style, seen().level) == ("none", "debug")
    assert logging.getLogger("kitfast").level == logging.DEBUG


@pytest.mark.parametrize(
    ("words", "level", "style"),
    [
        ("look x", logging.INFO, None),
        ("-v look x", logging.DEBUG, None),
        ("look x --log-level error", logging.ERROR, None),
        ("-v look x -v", TRACE, None),
        ("look -vvv x --progress fancy", TRACE, "none"),
    ],
)
def test_v_repeats(words: str, level: int, style: str | None, run: Run) -> None:
    assert run(*words.split()).status == 0
    assert logging.getLogger("kitfast").level == level
    assert seen().style == style


def test_variables_stand_in_for_global_flags(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITFAST_PROGRESS", "plain")
    monkeypatch.setenv("KITFAST_LOG_LEVEL", "warn")
    assert run("look", "x").status == 0
    assert (seen().style, seen().level) == ("plain", "warn")
    monkeypatch.setenv("KITFAST_PROGRESS", "loud")
    assert run("look", "x").err == (
        "error: KITFAST_PROGRESS is 'loud'\n"
        "hint: set it to one of none, plain, fancy, heartbeat, or unset it\n"
    )


def test_every_network_flag(run: Run) -> None:
    words = (
        "look --plain-http --tls-verify=false --tls-cert a --tls-cert b --cert c --key=k x "
        "--concurrency 2 --connections 3 --part-size 1MiB --proxy http://p "
        "--max-rate 5M --workers 4 --mirror m --mirror r=n"
    )
    assert run(*words.split()).status == 0
    assert seen().network == Network(
        plain_http=True,
        tls_verify=False,
        tls_cert=("a", "b"),
        cert="c",
        key="k",
        concurrency=2,
        connections=3,
        part_size=1 << 20,
        max_rate=5 << 20,
        workers=4,
        mirror=("m", "r=n"),
        proxy="http://p",
    )


def test_a_flag_beats_its_variable(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITFAST_PLAIN_HTTP", "true")
    monkeypatch.setenv("KITFAST_CONCURRENCY", "7")
    assert run("look", "x", "--plain-http=false").status == 0
    network = seen().network
    assert network is not None
    assert (network.plain_http, network.concurrency) == (False, 7)


def test_flags_as_go_spells_them(run: Run) -> None:
    result = run("look", "-f=Kitfile", "--force=true", "x")
    assert result.out == "{'thing': 'x', 'file': 'Kitfile', 'force': True}\n"
    assert run("look", "--force=false", "--", "-x").out == (
        "{'thing': '-x', 'file': '', 'force': False}\n"
    )


def test_json_is_the_result_and_nothing_else(run: Run) -> None:
    assert run("look", "<x>", "--format", "json").out == (
        '{\n  "thing": "\\u003cx\\u003e",\n  "file": "",\n  "force": false\n}\n'
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("look x --nonsense", "no such option"),
        ("look", "missing argument"),
        ("look x y", "got unexpected extra argument"),
        ("nonsense", "no such command 'nonsense'"),
        ("--nonsense look x", "no such option"),
        ("look x --progress loud", "'loud'"),
        ("look x --concurrency many", "'--concurrency'"),
        ("look x --concurrency 0", "concurrency is 0: must be at least 1"),
        ("look x --part-size 8miles", "--part-size is '8miles'"),
        ("look x --max-rate 0", "nothing would ever come"),
        ("look x --max-rate fast", "--max-rate is 'fast'"),
        ("look x --tls-verify=maybe", "--tls-verify is 'maybe'"),
        ("look x --key k", "a client key needs its certificate"),
        ("look x --file", "requires an argument"),
    ],
)
def test_wrong_words_are_one_line_and_status_1(words: str, message: str, run: Run) -> None:
    result = run(*words.split())
    assert result.status == 1
    assert result.out == ""
    first, *rest = result.err.splitlines()
    assert first.startswith("error: ")
    assert message.lower() in first.lower()
    assert [line[:6] for line in rest] == ["hint: "]


@pytest.mark.parametrize("words", ["look --nonsense", "look x --file", "look"])
def test_wrong_words_point_to_the_verbs_help(words: str, run: Run) -> None:
    assert run(*words.split()).err.endswith("hint: see `kitfast look --help`\n")


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_help_of_the_program(words: tuple[str, ...], run: Run) -> None:
    result = run(*words)
    assert result.status == 0
    assert "look  Look at a thing." in result.out
    assert "[KITFAST_HOME]" in result.out


@pytest.mark.parametrize("words", [("look", "--help"), ("look", "-h"), ("help", "look")])
def test_help_of_a_verb(words: tuple[str, ...], run: Run) -> None:
    result = run(*words)
    assert result.status == 0
    assert result.out.startswith("Usage: kitfast look [OPTIONS] THING\n\n  Look at a thing.\n")
    assert "  Examples:\n    kitfast look x\n    kitfast look y\n" in result.out
    assert "  -f, --file PATH" in result.out
    assert "Network options:\n      --plain-http / --no-plain-http" in result.out
    assert "[KITFAST_CERT, KITOPS_CLIENT_CERT]" in " ".join(result.out.split())
    assert "Global options:\n      --config DIR" in result.out


def test_a_full_disk_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        encoding = "utf-8"

        def write(self, _: str) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("kitfast.cli.render.output._abandon", lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Full())
        result = run("look", "x")
    assert (result.status, result.err) == (
        1,
        "error: cannot write to standard output: No space left on device\n",
    )
