"""Settings: given beats variable beats default; what cannot be read is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitfast import settings
from kitfast.errors import InvalidArgument
from kitfast.settings import Network, network


def test_nothing_set_is_the_default() -> None:
    assert network({}) == Network()
    assert network({"KITFAST_PROXY": "", "KITFAST_TLS_VERIFY": ""}) == Network()


def test_every_field_has_a_variable() -> None:
    read = network(
        {
            "KITFAST_PLAIN_HTTP": "true",
            "KITFAST_TLS_VERIFY": "0",
            "KITFAST_TLS_CERT": "a.pem:b.pem",
            "KITFAST_CERT": "c.pem",
            "KITFAST_KEY": "k.pem",
            "KITFAST_PROXY": "http://p:1",
            "KITFAST_CONCURRENCY": "3",
            "KITFAST_CONNECTIONS": "16",
            "KITFAST_PART_SIZE": "8MiB",
            "KITFAST_MAX_RATE": "20M",
            "KITFAST_MIRRORS": "a:5000, b c.example=d",
        }
    )
    assert read == Network(
        plain_http=True,
        tls_verify=False,
        tls_cert=("a.pem", "b.pem"),
        cert="c.pem",
        key="k.pem",
        proxy="http://p:1",
        concurrency=3,
        connections=16,
        part_size=8 << 20,
        max_rate=20 << 20,
        mirror=("a:5000", "b", "c.example=d"),
    )


def test_kits_own_variables_work_and_ours_come_first() -> None:
    theirs = {"KITOPS_CLIENT_CERT": "theirs.pem", "KITOPS_CLIENT_KEY": "theirs.key"}
    assert (network(theirs).cert, network(theirs).key) == ("theirs.pem", "theirs.key")
    assert network(theirs | {"KITFAST_CERT": "ours.pem"}).cert == "ours.pem"


def test_given_beats_the_environment_even_when_false() -> None:
    environ = {"KITFAST_PLAIN_HTTP": "1", "KITFAST_CONCURRENCY": "x"}
    read = network(environ, plain_http=False, concurrency=2, proxy=None)
    assert (read.plain_http, read.concurrency, read.proxy) == (False, 2, None)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("KITFAST_PLAIN_HTTP", "maybe"),
        ("KITFAST_CONCURRENCY", "-1"),
        ("KITFAST_CONCURRENCY", "five"),
        ("KITFAST_CONNECTIONS", "²"),
        ("KITFAST_PART_SIZE", "8 miles"),
        ("KITFAST_MAX_RATE", "fast"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(variable: str, text: str) -> None:
    with pytest.raises(InvalidArgument, match=variable):
        network({variable: text})


@pytest.mark.parametrize(
    "bad",
    [{"concurrency": 0}, {"connections": -1}, {"part_size": 1}, {"max_rate": 0}, {"key": "k"}],
)
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        network({}, **bad)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="plain_https"):
        network({}, plain_https=True)


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("64k", 65536), ("2KiB", 2048), ("8 MB", 8 << 20), ("1g", 1 << 30)],
)
def test_byte_counts(text: str, count: int) -> None:
    assert settings.byte_count(text, "x") == count


def test_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("KITOPS_HOME", "/kit")
    monkeypatch.delenv("KITFAST_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert settings.home() == Path("/home/someone/.local/share/kitfast")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert settings.home() == Path("/data/kitfast")
    monkeypatch.setenv("KITFAST_HOME", "~/kits")
    assert settings.home() == Path("/home/someone/kits")
    monkeypatch.chdir(tmp_path)
    assert settings.home("here") == tmp_path / "here"


def test_the_flags_that_reach_the_same_registry() -> None:
    assert Network().as_flags() == ""
    network = Network(
        plain_http=True, tls_verify=False, tls_cert=("a b.pem",), cert="c", key="k", proxy="p"
    )
    assert network.as_flags() == (
        " --plain-http --tls-verify=false --tls-cert 'a b.pem' --cert c --key k"
    )
