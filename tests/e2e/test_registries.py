"""A kit goes through a real registry of every kind, and every byte comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support import folders
from tests.support.commands import Kitfast, Outcome, refused
from tests.support.registries import PASSWORD, USERNAME, Running, WithTls

KINDS = ("plain", "htpasswd", "token", "tls")
LOGIN = ("htpasswd", "token")


@pytest.fixture
def registry(request: pytest.FixtureRequest, kind: str) -> Running:
    """Debian's registry of a kind: open, with a password, with tokens, over TLS."""
    found = request.getfixturevalue(f"{kind}_registry")
    assert isinstance(found, Running)
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The awkward folder: small, empty, long-named, odd-sized and sparse files."""
    return folders.awkward(tmp_path_factory.mktemp("awkward") / "source")


def flags(registry: Running) -> tuple[str, ...]:
    """The network flags a registry needs."""
    if isinstance(registry, WithTls):
        return ("--tls-cert", str(registry.authority.pair.cert))
    return ("--plain-http",)


def log_in(kitfast: Kitfast, registry: Running, password: str = PASSWORD) -> Outcome:
    """Logs in to a registry that asks for it, in the hope that it is accepted."""
    words = ("login", registry.host, "--username", USERNAME, "--password", password)
    return kitfast.run(*words, *flags(registry), status=None)


@pytest.mark.parametrize(
    ("kind", "compression"), [*((kind, "none") for kind in KINDS), ("plain", "gzip")]
)
def test_whole_way(
    kitfast: Kitfast,
    other: Kitfast,
    kind: str,
    registry: Running,
    source: Path,
    tmp_path: Path,
    compression: str,
) -> None:
    reference = f"{registry.host}/e2e/{compression}:v1"
    network = flags(registry)
    if kind in LOGIN:
        assert log_in(kitfast, registry).status == log_in(other, registry).status == 0
    kitfast.run("pack", source, "--tag", reference, "--compression", compression)
    kitfast.run("push", reference, *network)

    other.run("unpack", reference, *network, "--dir", tmp_path / "direct")
    assert folders.tree(tmp_path / "direct") == folders.tree(source)

    other.run("pull", reference, *network)
    other.run("unpack", reference, "--dir", tmp_path / "target")
    assert folders.tree(tmp_path / "target") == folders.tree(source)

    pushed, pulled = (json.loads(one.run("inspect", reference).stdout) for one in (kitfast, other))
    assert pushed == pulled
    remote = json.loads(other.run("inspect", reference, "--remote", *network).stdout)
    assert remote == pulled
    listed = other.run("list", f"{registry.host}/e2e/{compression}", *network).stdout
    assert pulled["digest"] in listed


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_demo_model(
    kitfast: Kitfast, other: Kitfast, kind: str, registry: Running, tmp_path: Path
) -> None:
    demo = pytest.importorskip("demo.model", reason="needs the packages of the demo")
    source = tmp_path / "source"
    source.mkdir()
    demo.make(source, 300)
    kitfast.run("init", source, "--name", "demo")
    reference = f"{registry.host}/e2e/demo:v1"
    network = flags(registry)
    if kind in LOGIN:
        assert log_in(kitfast, registry).status == log_in(other, registry).status == 0
    kitfast.run("pack", source, "--tag", reference)
    kitfast.run("push", reference, *network)
    other.run("unpack", reference, *network, "--dir", tmp_path / "direct")
    other.run("pull", reference, *network)
    other.run("unpack", reference, "--dir", tmp_path / "target")
    packed = folders.tree(source)
    assert folders.tree(tmp_path / "direct") == packed
    assert folders.tree(tmp_path / "target") == packed


@pytest.mark.parametrize("kind", LOGIN)
def test_login(kitfast: Kitfast, registry: Running, tmp_path: Path) -> None:
    source = folders.shards(tmp_path / "source", 1, 1000)
    reference = f"{registry.host}/e2e/login:v1"
    network = flags(registry)
    kitfast.run("pack", source, "--tag", reference)
    refused(kitfast.run("push", reference, *network, status=None), registry.host, "kitfast login")
    refused(log_in(kitfast, registry, password="wrong"), registry.host)
    assert log_in(kitfast, registry).status == 0
    kitfast.run("push", reference, *network)
    kitfast.run("logout", registry.host)
    refused(kitfast.run("pull", reference, *network, status=None), registry.host, "kitfast login")


def test_untrusted_certificate(kitfast: Kitfast, tls_registry: WithTls, tmp_path: Path) -> None:
    source = folders.shards(tmp_path / "source", 1, 1000)
    reference = f"{tls_registry.host}/e2e/tls:v1"
    kitfast.run("pack", source, "--tag", reference)
    refused(kitfast.run("push", reference, status=None), "certificate", "--tls-cert")
    kitfast.run("push", reference, "--tls-verify=false")


def test_missing_tag(kitfast: Kitfast, plain_registry: Running) -> None:
    for verb in ("pull", "unpack", "info", "inspect"):
        more = ("--remote",) if verb in ("info", "inspect") else ()
        missing = f"{plain_registry.host}/e2e/nothing:here"
        refused(kitfast.run(verb, missing, *more, "--plain-http", status=None), "e2e/nothing")


def test_push_again_sends_nothing(
    kitfast: Kitfast, plain_registry: Running, tmp_path: Path
) -> None:
    source = folders.shards(tmp_path / "source", 2, 8 << 20)
    reference = f"{plain_registry.host}/e2e/again:v1"
    kitfast.run("pack", source, "--tag", reference)
    kitfast.run("push", reference, "--plain-http")
    before = {path: path.stat().st_mtime_ns for path in plain_registry.root.rglob("data")}
    kitfast.run("push", reference, "--plain-http")
    after = {path: path.stat().st_mtime_ns for path in plain_registry.root.rglob("data")}
    assert after == before
