"""A token server for tests: signs what Distribution accepts, and counts who asks."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from tests.support.certificates import Authority

ISSUER = "a test issuer"
SERVICE = "a test registry"
# Distribution 2.8 lets a token live this much longer than it says.
LEEWAY = 60.0


@dataclass(frozen=True)
class Asked:
    """One request for a token: how, for what, and by whom."""

    method: str
    scopes: tuple[str, ...]
    username: str


class TokenServer:
    """Serves tokens on 127.0.0.1 until closed.

    Attributes:
        life: Seconds the registry accepts a token.
        announced: The `expires_in` clients are told; None tells nothing.
        anonymous: Whether those without credentials get a token, good for nothing.
        delay: Seconds a token takes.
        asked: Every request.
    """

    def __init__(self, folder: Path, username: str, password: str) -> None:
        self.authority = Authority(folder, ISSUER)
        self.username, self.password = username, password
        self.refresh_token = secrets.token_hex(16)
        self.reset()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def realm(self) -> str:
        """The address tokens are asked from."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/token?account=nobody"

    def reset(self) -> None:
        """Forgets who asked, and makes tokens that live long."""
        self.life: float = 300.0
        self.announced: float | None = 300.0
        self.anonymous = False
        self.delay = 0.0
        self.asked: list[Asked] = []

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def sign(self, scopes: tuple[str, ...], username: str) -> str:
        """Returns a token that allows the scopes, as a JWT with its certificate (RS256)."""
        lines = self.authority.pair.cert.read_text("ascii").splitlines()
        header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(lines[1:-1])]}
        now = time.time()
        claims = {
            "iss": ISSUER,
            "sub": username,
            "aud": SERVICE,
            "exp": int(now + self.life - LEEWAY),
            "nbf": int(now - 120),
            "iat": int(now - 120),
            "jti": secrets.token_hex(8),
            "access": [_access(scope) for scope in scopes] if username else [],
        }
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        signature = self.authority.private_key.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{_base64(signature)}"

    def answer(self, method: str, scopes: tuple[str, ...], username: str) -> dict[str, Any]:
        """Returns the answer to one request that may have a token."""
        self.asked.append(Asked(method, scopes, username))
        time.sleep(self.delay)
        found: dict[str, Any] = {"access_token": self.sign(scopes, username)}
        if method == "GET":
            found["token"] = found["access_token"]
        if self.announced is not None:
            found["expires_in"] = self.announced
        return found


def _handler(owner: TokenServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            # The realm's own query must come along untouched.
            right = query.get("account") == ["nobody"] and query.get("service") == [SERVICE]
            shown = self.headers.get("Authorization", "")
            pair = base64.b64decode(shown.partition(" ")[2]).decode()
            known = pair == f"{owner.username}:{owner.password}"
            if not right or not (known or (owner.anonymous and not pair)):
                self._send(401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]})
                return
            scopes = tuple(query.get("scope", []))
            self._send(200, owner.answer("GET", scopes, owner.username if known else ""))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            form = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
            right = form.get("grant_type") == "refresh_token" and form.get("service") == SERVICE
            if not right or form.get("refresh_token") != owner.refresh_token:
                self._send(401, {"error": "invalid_grant"})
                return
            scopes = tuple(form.get("scope", "").split())
            self._send(200, owner.answer("POST", scopes, "the owner of the refresh token"))

        def _send(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: a test that fails tells more."""

    return Handler


def _access(scope: str) -> dict[str, Any]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return {"type": kind, "name": name, "actions": actions.split(",")}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
