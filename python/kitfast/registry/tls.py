"""Builds the TLS contexts: whom to trust, and who we say we are."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import ssl
from collections.abc import Iterable
from pathlib import Path

from ..errors import ConnectionFailed, FileError, InvalidArgument
from ..settings import Network
from .unreachable import CERTIFICATE

NONE = "no certificate in PEM format"
FROM_DER = "`openssl x509 -inform der -in FILE -out FILE.pem` converts a certificate in DER"
# The only names OpenSSL itself finds in a folder; `openssl rehash` makes them.
_HASHED = re.compile(r"[0-9a-f]{8}\.\d{1,3}")
MOST_NAMED = 3

log = logging.getLogger("kitfast")


def context(network: Network, *, with_identity: bool) -> ssl.SSLContext:
    """Builds a TLS context. Reads files: not for the event loop's thread.

    The system's authorities are trusted (or those of `SSL_CERT_FILE`), and the ones of
    `network.tls_cert` as well. Only HTTP/1.1 is offered: the flow control of one HTTP/2
    connection halves the speed of large blobs.

    Args:
        network: The options.
        with_identity: Whether our own certificate may be shown; only the registry and
            its token server get to see it.

    Returns:
        The context.

    Raises:
        FileError: A certificate file cannot be read.
        InvalidArgument: A file holds no usable certificate or key.
    """
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    if not network.tls_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    _take_named(made, network, with_identity)
    return made


async def check(network: Network) -> None:
    """Reads the files that were named, so that a bad one is told of before anything else.

    Also where only plain HTTP is spoken, and nobody would miss them.

    Raises:
        FileError, InvalidArgument: As `context`.
    """
    if network.tls_cert or network.cert:
        await asyncio.to_thread(_check, network)


async def explain(error: ConnectionFailed) -> None:
    """Adds to the hint of a failed verification what the environment failed to bring.

    OpenSSL says nothing of it, and other programs may live with it: it is no error by itself.
    """
    if error.hint == CERTIFICATE:
        error.hint = "; ".join([*await asyncio.to_thread(_empty_places), CERTIFICATE])


def _check(network: Network) -> None:
    named = [*network.tls_cert, network.cert, network.key]
    # What a shell hands over through a pipe can be read once only: by the context.
    if not any(path and Path(path).is_fifo() for path in named):
        _take_named(_nobody(), network, with_identity=True)


def _take_named(made: ssl.SSLContext, network: Network, with_identity: bool) -> None:
    for path in network.tls_cert:
        if path and Path(path).is_dir():
            _trust_folder(made, path)
        else:
            _trust(made, path)
    if with_identity and network.cert:
        _identify(made, network.cert, network.key)


def _trust(made: ssl.SSLContext, path: str) -> None:
    reason = _load(made, path)
    if reason == NONE:
        raise InvalidArgument(f"--tls-cert {path}: {reason}", hint=FROM_DER)
    if reason is not None:
        raise FileError(f"--tls-cert {path}: {reason}", path=path)


def _trust_folder(made: ssl.SSLContext, folder: str) -> None:
    """Trusts all *.pem and *.crt of a folder, and what OpenSSL finds there by itself."""
    try:
        entries = _files(folder)
        made.load_verify_locations(capath=folder)
    except OSError as error:
        raise FileError(f"--tls-cert {folder}: {error.strerror}", path=folder) from error
    plain = [entry for entry in entries if entry.suffix.lower() in (".pem", ".crt")]
    # A key may lie beside its certificate, and is not always ours to read.
    reasons = {entry.name: _load(made, str(entry)) for entry in plain}
    passed = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
    for told in passed:
        log.debug("--tls-cert %s: passed over %s", folder, told)
    if len(passed) == len(plain) and not _has_hashed(entries):
        raise InvalidArgument(
            f"--tls-cert {folder}: no certificate in the folder",
            hint="; ".join(["*.pem and *.crt are taken, in PEM format", *passed[:MOST_NAMED]]),
        )


def _files(folder: str) -> list[Path]:
    return sorted(entry for entry in Path(folder).iterdir() if entry.is_file())


def _has_hashed(entries: Iterable[Path]) -> bool:
    hashed = [entry for entry in entries if _HASHED.fullmatch(entry.name)]
    return any(_load(_nobody(), str(entry)) is None for entry in hashed)


def _load(made: ssl.SSLContext, path: str) -> str | None:
    """Trusts the certificates of a file; returns why there are none, where there are none."""
    before = made.cert_store_stats()["x509"]
    try:
        made.load_verify_locations(cafile=path)
        if made.cert_store_stats()["x509"] > before:
            return None
        # What is trusted already is not counted again; nor are lists of what is revoked.
        alone = _nobody()
        alone.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return NONE
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if alone.cert_store_stats()["x509"] else NONE


def _nobody() -> ssl.SSLContext:
    """A context that trusts nobody yet."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _empty_places() -> list[str]:
    """Which of the variables that name authorities name none, and why."""
    found = []
    file, folders = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file is not None and (reason := _load(_nobody(), file)):
        found.append(f"SSL_CERT_FILE={file}: {reason}")
    if folders is not None:
        reasons = [_unfound(folder) for folder in folders.split(os.pathsep) if folder]
        if all(reasons):
            found.append(f"SSL_CERT_DIR={folders}: {(reasons or ['no folder'])[0]}")
    return found


def _unfound(folder: str) -> str | None:
    """Why OpenSSL finds no certificate in a folder, or None where it finds one."""
    try:
        if _has_hashed(_files(folder)):
            return None
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "no certificate under the name of its hash, as `openssl rehash` makes them"


def _identify(made: ssl.SSLContext, cert: str, key: str | None) -> None:
    try:
        # Without a password of its own, OpenSSL would stop and ask at the terminal.
        made.load_cert_chain(cert, key, password=lambda: b"")
    except ssl.SSLError as error:
        raise InvalidArgument(
            f"--cert {cert}: not a certificate with its key, in PEM format, unencrypted",
            hint="the key may be in the same file or in --key FILE",
        ) from error
    except OSError as error:
        named = f"--cert {cert}, --key {key}" if key else f"--cert {cert}"
        raise FileError(f"{named}: {error.strerror}", path=cert) from error
