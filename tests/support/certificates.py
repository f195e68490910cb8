"""Makes certificates for tests: an authority of their own and what it signs."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as files in PEM."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority that lives in a folder."""

    def __init__(self, folder: Path, name: str = "kitfast test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._name = _named(name)
        builder = _builder(self._name, self._name, self._key)
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(constraint, critical=True)
        builder = builder.add_extension(_signs_certificates(), critical=True)
        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = builder.add_extension(own, critical=False)
        self._cert = builder.sign(self._key, hashes.SHA256())
        self.pair = self._write("ca", self._cert, self._key)

    @property
    def private_key(self) -> rsa.RSAPrivateKey:
        """The authority's own key, for signing tokens."""
        return self._key

    def server(self, host: str = "127.0.0.1") -> Pair:
        """Signs a certificate for a server at an IP address or a name."""
        try:
            name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        alternative = x509.SubjectAlternativeName([name])
        return self._sign(f"server-{host}", alternative, ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self) -> Pair:
        """Signs a certificate for a client."""
        return self._sign("client", None, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _sign(
        self, name: str, extension: x509.ExtensionType | None, usage: ObjectIdentifier
    ) -> Pair:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        builder = _builder(_named(name), self._name, key)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        # Python 3.13 wants to see by which key it was signed.
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(signer, critical=False)
        if extension is not None:
            builder = builder.add_extension(extension, critical=False)
        return self._write(name, builder.sign(self._key, hashes.SHA256()), key)

    def _write(self, name: str, cert: x509.Certificate, key: rsa.RSAPrivateKey) -> Pair:
        made = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        made.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        return made


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
