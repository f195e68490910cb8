"""Where credentials are looked for, in which order, and what is ever written."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kitfast.errors import Corrupt
from kitfast.registry import Credentials, Login

HOST = "registry.test:5000"


def auth(username: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment of its own; its folders do not exist yet."""
    names = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME")
    return {name: str(tmp_path / name) for name in names}


async def found(
    environ: Mapping[str, str], host: str = HOST, repository: str | None = None
) -> tuple[str, str] | None:
    login = await Credentials(Path(environ["HOME"]) / "own", environ=environ).lookup(
        host, repository
    )
    return None if login is None else (login.username, login.password or login.identity_token)


async def test_the_order(environ: dict[str, str], tmp_path: Path) -> None:
    """Each place wins over those after it: they are filled from the last to the first."""
    assert await found(environ) is None
    places = [
        tmp_path / "named.json",
        tmp_path / "XDG_CONFIG_HOME/containers/auth.json",
        tmp_path / "XDG_RUNTIME_DIR/containers/auth.json",
        tmp_path / "HOME/.docker/config.json",
        tmp_path / "XDG_DATA_HOME/kitops/credentials.json",
        tmp_path / "HOME/own/credentials.json",
    ]
    environ["REGISTRY_AUTH_FILE"] = str(places[0])
    for number, place in enumerate(places):
        write(place, {"auths": {HOST: auth(f"user {number}", "word")}})
        assert await found(environ) == (f"user {number}", "word")
    environ |= {"KITFAST_REGISTRY": HOST, "KITFAST_USERNAME": "env", "KITFAST_PASSWORD": "word"}
    assert await found(environ) == ("env", "word")
    given = Credentials(given={HOST: Login("given", "word")}, environ=environ)
    login = await given.lookup(HOST)
    assert login is not None and login.username == "given"


async def test_folders_named_by_the_environment(environ: dict[str, str], tmp_path: Path) -> None:
    environ |= {"DOCKER_CONFIG": str(tmp_path / "docker"), "KITOPS_HOME": str(tmp_path / "kit")}
    write(tmp_path / "docker/config.json", {"auths": {HOST: auth("docker", "a")}})
    assert await found(environ) == ("docker", "a")
    write(tmp_path / "kit/credentials.json", {"auths": {HOST: auth("kit", "b")}})
    assert await found(environ) == ("kit", "b")


async def test_a_login_of_the_environment_goes_to_its_registry_alone(
    environ: dict[str, str],
) -> None:
    environ |= {"KITFAST_REGISTRY": HOST, "KITFAST_PASSWORD": "a token"}
    assert await found(environ) == ("", "a token")
    assert await found(environ, "evil.test") is None
    del environ["KITFAST_REGISTRY"]
    assert await found(environ) is None


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        (auth("user", "word:with:colons"), Login("user", "word:with:colons")),
        ({"auth": base64.b64encode(b"user:word\0\0").decode()}, Login("user", "word")),
        ({"username": "user", "password": "wörd"}, Login("user", "wörd")),
        ({"identitytoken": "t"}, Login(identity_token="t")),
        (auth("<token>", "") | {"identitytoken": "t"}, Login("<token>", "", "t")),
        (auth("<token>", "t"), Login(identity_token="t")),
        ({"registrytoken": "t"}, Login(registry_token="t")),
        (auth("", "t"), Login(identity_token="t")),
        ({}, None),
    ],
)
async def test_entries(entry: Any, login: Login | None, environ: dict[str, str]) -> None:
    path = write(Path(environ["HOME"]) / ".docker/config.json", {"auths": {HOST: entry}})
    got = await Credentials(environ=environ).lookup(HOST)
    if login is None:
        assert got is None
        return
    assert got is not None and got.source == str(path)
    assert (got.username, got.password) == (login.username, login.password)
    assert (got.identity_token, got.registry_token) == (login.identity_token, login.registry_token)


@pytest.mark.parametrize(
    ("key", "host", "repository", "matches"),
    [
        ("https://registry.test/v1/", "registry.test", None, True),
        ("http://registry.test", "registry.test", None, True),
        ("registry.test/v2/", "registry.test", None, True),
        ("registry.test/", "registry.test", None, True),
        ("registry.test", "registry.test:5000", None, False),
        ("registry.test:5000", "registry.test", None, False),
        ("sub.registry.test", "registry.test", None, False),
        ("registry.test/team", "registry.test", "team/model", True),
        ("registry.test/team", "registry.test", "teammate/model", False),
        ("registry.test/team", "registry.test", None, False),
        ("https://index.docker.io/v1/", "docker.io", "team/model", True),
        ("docker.io", "registry-1.docker.io", None, True),
    ],
)
async def test_names_of_registries(
    key: str, host: str, repository: str | None, matches: bool, environ: dict[str, str]
) -> None:
    write(Path(environ["HOME"]) / ".docker/config.json", {"auths": {key: auth("user", "word")}})
    assert (await found(environ, host, repository) is not None) is matches


async def test_the_closest_part_of_a_registry_wins(environ: dict[str, str]) -> None:
    auths = {"a.test": auth("all", ""), "a.test/b": auth("b", ""), "a.test/b/c": auth("c", "")}
    write(Path(environ["HOME"]) / ".docker/config.json", {"auths": auths})
    assert await found(environ, "a.test", "b/c/d") == ("c", "")
    assert await found(environ, "a.test", "b/x") == ("b", "")
    assert await found(environ, "a.test", "x/b") == ("all", "")


BROKEN = [
    "{",
    "[]",
    "null",
    "[" * 100_000,
    '{"auths": {"registry.test:5000": {"auth": "?"}}}',
    '{"auths": {"registry.test:5000": 5}}',
    '{"auths": {"registry.test:5000": {"auth": "YQ=="}}}',
]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
async def test_broken_files(text: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Those of others are passed over and named; our own is an error."""
    write(tmp_path / "HOME/.docker/config.json", text)
    write(tmp_path / "XDG_RUNTIME_DIR/containers/auth.json", {"auths": {HOST: auth("u", "w")}})
    credentials = Credentials(tmp_path / "home", environ=environ)
    login = await credentials.lookup(HOST)
    assert login is not None and login.username == "u"
    assert "config.json" in credentials.trouble[0]
    write(tmp_path / "home/credentials.json", text)
    with pytest.raises(Corrupt):
        await credentials.lookup(HOST)


async def test_odd_files_hold_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "HOME/.docker/config.json"
    for text in ("", "{}", '{"auths": null}', '{"auths": [], "credHelpers": 3, "credsStore": []}'):
        write(config, text)
        assert await found(environ) is None
    config.unlink()
    config.mkdir()
    assert await found(environ) is None


def helper(folder: Path, name: str, script: str) -> None:
    program = folder / f"docker-credential-{name}"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


ECHO = 'read server; printf \'{"Username":"%s","Secret":"for %s"}\' "$1" "$server"'


async def test_helpers(environ: dict[str, str], tmp_path: Path, programs: Path) -> None:
    helper(programs, "all", ECHO)
    helper(programs, "one", 'read server; echo \'{"Username":"<token>","Secret":"a token"}\'')
    config = {"credsStore": "all", "credHelpers": {"one.test": "one"}, "auths": {HOST: {}}}
    write(tmp_path / "HOME/.docker/config.json", config)
    assert await found(environ) == ("get", f"for {HOST}")
    assert await found(environ, "docker.io") == ("get", "for https://index.docker.io/v1/")
    assert await found(environ, "one.test") == ("", "a token")


@pytest.mark.parametrize(
    ("script", "trouble"),
    [
        ("echo 'credentials not found in native keychain'; exit 1", None),
        ("echo secret; exit 1", "failed with status 1"),
        ("echo nonsense", "did not answer in JSON"),
        ("echo '[]'", "did not answer with a login"),
        ("echo '{\"Username\": 5}'", "did not answer with a login"),
        (None, "is not installed"),
    ],
)
async def test_helpers_without_an_answer(
    script: str | None,
    trouble: str | None,
    environ: dict[str, str],
    tmp_path: Path,
    programs: Path,
) -> None:
    """The file's own entry is taken instead, and what went wrong is kept for the hint."""
    if script is not None:
        helper(programs, "test", script)
    config = {"credsStore": "test", "auths": {HOST: auth("file", "word")}}
    write(tmp_path / "HOME/.docker/config.json", config)
    credentials = Credentials(environ=environ)
    login = await credentials.lookup(HOST)
    assert login is not None and login.username == "file"
    assert len(credentials.trouble) == (trouble is not None)
    assert trouble is None or trouble in credentials.trouble[0]
    assert not any("secret" in text for text in credentials.trouble)


async def test_a_helper_is_a_name_and_no_path(environ: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "HOME/.docker/config.json", {"credsStore": "../../bin/sh"})
    credentials = Credentials(environ=environ)
    assert await credentials.lookup(HOST) is None
    assert "not the name" in credentials.trouble[0]


async def test_a_helper_does_not_block_the_loop(
    environ: dict[str, str], tmp_path: Path, programs: Path
) -> None:
    helper(programs, "slow", f"sleep 1; {ECHO}")
    write(tmp_path / "HOME/.docker/config.json", {"credsStore": "slow"})
    looking = asyncio.create_task(found(environ))
    longest, last = 0.0, time.monotonic()
    while not looking.done():
        await asyncio.sleep(0.01)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    assert await looking == ("get", f"for {HOST}")
    assert longest < 0.7


async def test_a_helper_that_hangs_is_ended(
    environ: dict[str, str], tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kitfast.registry.credential_helpers.HELPER_SECONDS", 0.5)
    helper(programs, "hangs", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    write(tmp_path / "HOME/.docker/config.json", {"credsStore": "hangs"})
    credentials = Credentials(environ=environ)
    assert await credentials.lookup(HOST) is None
    assert "did not answer" in credentials.trouble[0]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_only_looks_nowhere_else(environ: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "HOME/.docker/config.json", {"auths": {"other.test": auth("u", "w")}})
    only = Credentials(environ=environ).only(HOST, "user", "word")
    login = await only.lookup(HOST)
    assert login is not None and login.username == "user"
    assert await only.lookup("other.test") is None


def test_secrets_are_not_shown() -> None:
    login = Login("user", "s3cret", "s3cret", "s3cret", "a file")
    assert "s3cret" not in repr(login)
