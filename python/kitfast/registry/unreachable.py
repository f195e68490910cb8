"""Turns a connection that failed into one exception: where, what, what to do."""

from __future__ import annotations

import asyncio
import socket
import ssl

import aiohttp

from ..errors import AuthenticationFailed, ConnectionFailed, KitfastError, ProtocolError
from .errcodes import Ask, clean

CERTIFICATE = (
    "name its authority with --tls-cert FILE (or SSL_CERT_FILE); "
    "--tls-verify=false turns the check off"
)
PLAIN = "the server speaks plain HTTP: add --plain-http if you trust the network"
NOT_THERE = "check the address, the port and that the registry is running"
KEPT = "what has been moved so far is kept: run the same command again"


def connection_error(
    error: BaseException,
    ask: Ask,
    peer: str,
    *,
    plain_http: bool,
    reached: bool = True,
    given_up: bool = False,
) -> KitfastError:
    """Makes the exception for a request that got no answer, or half of one.

    Args:
        error: What aiohttp or the operating system raised.
        ask: What was asked.
        peer: The host that was connected to: the registry, its storage, or a realm.
        plain_http: Whether plain HTTP was spoken to it.
        reached: Whether it answered before; a host that never did is more likely
            misspelt than in trouble, so another attempt is not worth its time.
        given_up: Whether it has taken no first connection for so long that it will not.

    Returns:
        ConnectionFailed; ProtocolError when the peer does not speak HTTP as it must;
        AuthenticationFailed when a proxy wants credentials.
    """
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy_refused(error, ask)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        # `peer` was never tried; the text of this class names the proxy's address alone.
        reason = f"the proxy {error.host}:{error.port} cannot be reached"
        return ConnectionFailed(
            f"{ask}: {reason}",
            hint="check --proxy, HTTPS_PROXY and NO_PROXY",
            transient=reached,
        )
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
        hint = "leave out --plain-http: the server may speak HTTPS" if plain_http else None
        return ProtocolError(f"{ask}: {peer} does not answer in HTTP", hint=hint)
    reason, hint, again = _why(error, plain_http, reached, given_up)
    where = "" if peer == ask.host else f"{peer}: "
    return ConnectionFailed(f"{ask}: {where}{reason}", hint=hint, transient=again, host=ask.host)


def turned_away(error: BaseException) -> bool:
    """Whether a host, or the proxy before it, was there but let nobody connect."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    return isinstance(inner, ConnectionRefusedError)


def _proxy_refused(error: aiohttp.ClientHttpProxyError, ask: Ask) -> KitfastError:
    if error.status == 407:
        return AuthenticationFailed(
            f"{ask}: the proxy wants credentials (HTTP 407)",
            hint="give them as --proxy http://USER:PASSWORD@HOST:PORT",
            status=407,
        )
    said = clean(error.message, 100)
    return ConnectionFailed(
        f"{ask}: the proxy refused the connection (HTTP {error.status} {said})",
        hint="check --proxy, HTTPS_PROXY and NO_PROXY",
        transient=error.status >= 500,
    )


def _why(
    error: BaseException, plain_http: bool, reached: bool, given_up: bool
) -> tuple[str, str | None, bool]:
    """What broke, what to do, and whether another attempt may help."""
    cause = _tls_cause(error)
    if cause is not None:
        return _tls(cause)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        temporary = getattr(error.os_error, "errno", None) == socket.EAI_AGAIN
        return "its name cannot be resolved", "check the name and the DNS", temporary
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "no connection in time", NOT_THERE, not given_up
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time", KEPT, True
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = "connection refused" if turned_away(error) else _os_text(error)
        return reason, NOT_THERE, reached
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        hint = "leave out --plain-http if the server speaks HTTPS" if plain_http else KEPT
        return "the connection broke", hint, True
    return f"the connection broke ({_os_text(error)})", KEPT, True


def _tls_cause(error: BaseException) -> ssl.SSLError | None:
    """The TLS failure behind an error of aiohttp, which wraps it in several ways."""
    at: BaseException | None = error
    for _ in range(6):
        if isinstance(at, aiohttp.ClientConnectorCertificateError):
            at = at.certificate_error
        elif isinstance(at, aiohttp.ClientConnectorError):
            at = at.os_error
        if at is None or isinstance(at, ssl.SSLError):
            return at
        at = at.__cause__ or at.__context__
    return None


def _tls(cause: ssl.SSLError) -> tuple[str, str | None, bool]:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({clean(cause.verify_message)})", CERTIFICATE, False
    reason = cause.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "it answers HTTPS with plain HTTP", PLAIN, False
    if "CERTIFICATE" in reason or "HANDSHAKE_FAILURE" in reason:
        return f"TLS failed ({reason})", "it may want a client certificate: --cert, --key", False
    return f"TLS failed ({clean(reason or str(cause), 100)})", None, False


def _os_text(error: BaseException) -> str:
    inner = getattr(error, "os_error", error)
    return clean(getattr(inner, "strerror", None) or str(inner) or type(inner).__name__, 120)
