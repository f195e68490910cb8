"""Builds the TLS contexts: whom to trust, and who we say we are."""

from __future__ import annotations

import ssl
from pathlib import Path

from ..errors import FileError, InvalidArgument
from ..settings import Network


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
    for path in network.tls_cert:
        _trust(made, path)
    if with_identity and network.cert:
        _identify(made, network.cert, network.key)
    return made


def _trust(made: ssl.SSLContext, path: str) -> None:
    try:
        folder = Path(path).is_dir()
        made.load_verify_locations(*((None, path) if folder else (path, None)))
    except ssl.SSLError as error:
        raise InvalidArgument(f"--tls-cert {path}: no certificate in PEM format") from error
    except OSError as error:
        raise FileError(f"--tls-cert {path}: {error.strerror}", path=path) from error


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
        raise FileError(f"--cert {cert}, --key {key}: {error.strerror}", path=cert) from error
