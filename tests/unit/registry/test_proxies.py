"""Which addresses go through a proxy, by flag and by environment."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import pytest
from aiohttp import web
from tests.support.certificates import Authority
from tests.support.scripted import scripted
from yarl import URL

from kitfast.errors import InvalidArgument
from kitfast.registry import proxies
from kitfast.registry.errcodes import Ask
from kitfast.registry.proxies import Proxies
from kitfast.registry.transport import Transport
from kitfast.settings import Network


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP", "HTTPS", "ALL", "NO"):
        monkeypatch.delenv(f"{name}_PROXY", raising=False)
        monkeypatch.delenv(f"{name.lower()}_proxy", raising=False)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)


def chosen(address: str, explicit: str | None = None) -> str | None:
    proxy = Proxies(explicit).for_url(URL(address))
    return None if proxy is None else str(proxy)


def test_none() -> None:
    assert chosen("https://registry.test/v2/") is None


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:word@proxy.test:3128")
    monkeypatch.setenv("http_proxy", "plain.test:81")
    assert chosen("https://registry.test/v2/") == "http://user:word@proxy.test:3128"
    assert chosen("http://registry.test/v2/") == "http://plain.test:81"
    assert chosen("https://registry.test/", "http://flag.test:1") == "http://flag.test:1"


def test_all_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test:3128")
    assert chosen("https://registry.test/v2/") == "http://proxy.test:3128"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "LOCALHOST"])
def test_this_machine_is_reached_directly(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:3128")
    assert chosen(f"http://{host}:5000/v2/") is None
    assert chosen(f"http://{host}:5000/v2/", "http://flag.test:1") == "http://flag.test:1"


@pytest.mark.parametrize(
    ("entry", "address", "covered"),
    [
        ("*", "https://registry.test/", True),
        ("registry.test", "https://registry.test/", True),
        ("registry.test", "https://sub.registry.test/", True),
        ("registry.test", "https://otherregistry.test/", False),
        (".registry.test", "https://sub.registry.test/", True),
        (".registry.test", "https://registry.test/", False),
        ("*.registry.test", "https://sub.registry.test/", True),
        ("REGISTRY.test", "https://registry.TEST/", True),
        ("registry.test:443", "https://registry.test/", True),
        ("registry.test:444", "https://registry.test/", False),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.0/8", "https://ten.test/", False),
        ("10.1.2.3", "https://10.1.2.3:5000/", True),
        ("10.1.2.3:5000", "https://10.1.2.3:5000/", True),
        ("10.1.2", "https://10.1.2.3/", False),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("fd00::1", "https://[fd00::1]/", True),
        ("[fd00::1]:443", "https://[fd00::1]/", True),
        ("nonsense/99", "https://registry.test/", False),
        (" , registry.test ,", "https://registry.test/", True),
        (".", "https://registry.test/", False),
    ],
)
def test_no_proxy(entry: str, address: str, covered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", entry)
    assert (chosen(address) is None) is covered


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("socks5://user:word@p.test:1080", "socks5://p.test:1080"),
        ("socks5://user:w://word@p.test", "socks5://p.test"),
        ("user:word@word@[", "["),
        ("http://", "http://"),
        ("ftp://p", "ftp://p"),
    ],
)
def test_addresses_that_are_none(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Proxies(text)
    assert f"--proxy (or KITFAST_PROXY): the proxy's address {shown} cannot" in str(caught.value)
    assert "word" not in f"{caught.value}", "a proxy's password is a secret"
    monkeypatch.setenv("https_proxy", text)
    with pytest.raises(InvalidArgument) as caught:
        chosen("https://registry.test/")
    assert f"https_proxy: the proxy's address {shown} cannot" in str(caught.value)
    assert "word" not in f"{caught.value}", "a proxy's password is a secret"


def test_an_address_that_is_not_needed_is_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://p.test:1080")
    assert chosen("http://registry.test/") is None, "nothing names a proxy for plain HTTP"
    assert chosen("https://127.0.0.1:5000/") is None
    assert chosen("https://registry.test/", "http://flag.test:1") == "http://flag.test:1"
    monkeypatch.setenv("NO_PROXY", "*")
    assert chosen("https://registry.test/") is None


@pytest.mark.parametrize("scheme", ["socks4", "socks5", "SOCKS5h"])
def test_socks_for_all_is_for_other_programs(
    scheme: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    proxies._pass_over.cache_clear()
    monkeypatch.setenv("all_proxy", f"{scheme}://user:word@p.test:1080")
    with caplog.at_level(logging.WARNING, "kitfast"):
        assert chosen("https://127.0.0.1:5000/") is None
        assert not caplog.records, "nothing was passed over"
        for scheme_of_registry in ("https", "http", "https"):
            assert chosen(f"{scheme_of_registry}://registry.test/") is None
    assert [record.getMessage() for record in caplog.records] == [
        f"all_proxy={scheme}://p.test:1080 is ignored: SOCKS proxies cannot be used here"
    ]


def test_all_that_is_no_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "ftp://p.test")
    with pytest.raises(InvalidArgument, match="ALL_PROXY"):
        chosen("https://registry.test/")


async def test_a_proxy_spoken_to_over_tls_is_held_to_the_trusted_authorities(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    pair = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="here")

    async with scripted(answer, tls=context) as proxy:
        network = Network(proxy=f"https://{proxy.host}", tls_cert=(str(authority.pair.cert),))
        async with Transport(network) as transport:
            url, ask = URL("http://registry.test/v2/"), Ask("registry.test", "ask")
            response = await transport.exchange("GET", url, ask=ask, headers={})
            assert await response.text() == "here"
    assert proxy.asked() == ["GET http://registry.test/v2/"]
