"""Starts registries behind links: loopback, TLS, capped, far, 1 Gbit/s.

Everything listens on 127.0.0.1 or inside a network namespace made here, on a port picked
here, and is stopped by its own pid. A link that this machine cannot make is `Unavailable`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent

#: Bytes a second and connection of the capped storage, and its wait before the first byte.
STORAGE_RATE = "100m"
STORAGE_WAIT = 0.030
#: One way; a round trip is twice as long.
DELAY_SECONDS = 0.010


class Unavailable(Exception):
    """This machine lacks what a link needs; the text says what."""


@dataclass
class Link:
    """A registry to bench against: its host and port, and how it is reached."""

    name: str
    host: str
    plain_http: bool = True
    authority: Path | None = None
    notes: dict[str, str] = field(default_factory=dict)


def need(program: str) -> str:
    """The path of a program.

    Raises:
        Unavailable: it is not on PATH.
    """
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        raise Unavailable(f"{program} is not installed")
    return found


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: Sequence[str], address: tuple[str, int] | None) -> Iterator[int]:
    """A server for the length of the block; yields its pid once it answers on `address`."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if address is not None:
            _wait_for(address, child)
        yield child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_for(address: tuple[str, int], child: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if child.poll() is not None:
            raise Unavailable(f"{child.args!r} ended with {child.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(address, 1):
            return
        time.sleep(0.05)
    raise Unavailable(f"nothing answers on {address}")


def _config(folder: Path, address: str, *, tls: str = "", redirect: str = "") -> Path:
    storage = f"""version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder / "registry"}}}
  cache: {{blobdescriptor: inmemory}}
  delete: {{enabled: true}}
  redirect: {{disable: {"false" if redirect else "true"}}}
http:
  addr: "{address}"
  relativeurls: true
{tls}{redirect}"""
    path = folder / f"config-{address.replace(':', '-')}.yml"
    path.write_text(storage)
    return path


@contextlib.contextmanager
def loopback(folder: Path) -> Iterator[Link]:
    """Distribution 2.8 on 127.0.0.1, plain HTTP."""
    port = free_port()
    config = _config(folder, f"127.0.0.1:{port}")
    with running([need("docker-registry"), "serve", str(config)], ("127.0.0.1", port)):
        yield Link("loopback", f"127.0.0.1:{port}")


@contextlib.contextmanager
def tls(folder: Path) -> Iterator[Link]:
    """Distribution 2.8 on 127.0.0.1 with a certificate of its own authority."""
    port = free_port()
    certificate, key = folder / "server.pem", folder / "server.key"
    subprocess.run(
        [
            *[need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"],
            *["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"],
            *["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        ],
        check=True,
        capture_output=True,
    )
    section = f"  tls: {{certificate: {certificate}, key: {key}, minimumtls: tls1.2}}\n"
    config = _config(folder, f"127.0.0.1:{port}", tls=section)
    with running([need("docker-registry"), "serve", str(config)], ("127.0.0.1", port)):
        yield Link("tls", f"127.0.0.1:{port}", plain_http=False, authority=certificate)


_NGINX = """{user}worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
daemon off;
{modules}
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      root {folder}/registry;
      limit_rate {rate};
      access_by_lua_block {{ ngx.sleep({wait}) }}
    }}
  }}
}}
"""


@contextlib.contextmanager
def capped(folder: Path) -> Iterator[Link]:
    """A registry that sends blob requests to storage capped at 100 MiB/s a connection."""
    nginx = need("nginx")
    modules = Path("/usr/lib/nginx/modules")
    wanted = [modules / "ndk_http_module.so", modules / "ngx_http_lua_module.so"]
    if not all(path.exists() for path in wanted):
        raise Unavailable("nginx has no lua module (Debian's libnginx-mod-http-lua)")
    port, storage = free_port(), free_port()
    (folder / "nginx.conf").write_text(
        _NGINX.format(
            # Its workers must read a scratch folder that is only ours.
            user="user root;\n" if os.geteuid() == 0 else "",
            folder=folder,
            port=storage,
            rate=STORAGE_RATE,
            wait=STORAGE_WAIT,
            modules="\n".join(f"load_module {path};" for path in wanted),
        )
    )
    redirect = (
        "middleware:\n  storage:\n    - name: redirect\n"
        f"      options: {{baseurl: 'http://127.0.0.1:{storage}/'}}\n"
    )
    config = _config(folder, f"127.0.0.1:{port}", redirect=redirect)
    serve = [need("docker-registry"), "serve", str(config)]
    front = [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    with running(front, ("127.0.0.1", storage)), running(serve, ("127.0.0.1", port)):
        yield Link("capped", f"127.0.0.1:{port}")


@contextlib.contextmanager
def _namespace() -> Iterator[str]:
    ip = need("ip")
    if os.geteuid() != 0:
        raise Unavailable("network namespaces need root")
    name = f"kitfast-{os.getpid()}"
    if subprocess.run([ip, "netns", "add", name], capture_output=True).returncode != 0:
        raise Unavailable("this kernel allows no network namespaces here")
    try:
        subprocess.run([ip, "-n", name, "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run([ip, "netns", "delete", name], check=True)


@contextlib.contextmanager
def _inside(folder: Path, name: str, namespace: str, address: str) -> Iterator[Link]:
    config = _config(folder, f"{address}:5000")
    serve = [need("docker-registry"), "serve", str(config)]
    command = [need("ip"), "netns", "exec", namespace, *serve]
    with running(command, (address, 5000)):
        yield Link(name, f"{address}:5000")


@contextlib.contextmanager
def gigabit(folder: Path) -> Iterator[Link]:
    """A registry behind 1 Gbit/s: a veth pair with a token bucket."""
    ip, tc = need("ip"), need("tc")
    with _namespace() as namespace:
        here, there = f"kfa{os.getpid() % 100000}", f"kfb{os.getpid() % 100000}"
        for words in (
            [ip, "link", "add", here, "type", "veth", "peer", "name", there, "netns", namespace],
            [ip, "addr", "add", "10.213.7.1/30", "dev", here],
            [ip, "link", "set", here, "up"],
            [ip, "-n", namespace, "addr", "add", "10.213.7.2/30", "dev", there],
            [ip, "-n", namespace, "link", "set", there, "up"],
            [
                *[ip, "netns", "exec", namespace, tc, "qdisc", "add", "dev", there, "root"],
                *["tbf", "rate", "1gbit", "burst", "512kb", "latency", "50ms"],
            ],
        ):
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode != 0:
                raise Unavailable(f"{' '.join(words[:3])}: {done.stderr.strip()}")
        with _inside(folder, "gigabit", namespace, "10.213.7.2") as link:
            yield link


@contextlib.contextmanager
def distant(folder: Path) -> Iterator[Link]:
    """A registry 20 ms away: two TUN devices joined by a delay line."""
    need("ip")
    with _namespace() as namespace:
        line = [sys.executable, str(HERE / "delay.py"), namespace, str(DELAY_SECONDS)]
        with running(line, None):
            time.sleep(1.0)
            with _inside(folder, "distant", namespace, "10.213.8.2") as link:
                yield link


@contextlib.contextmanager
def sink(folder: Path) -> Iterator[Link]:
    """A server that hashes what it is given and keeps nothing: only to be pushed to."""
    port = free_port()
    command = [sys.executable, str(HERE / "sink.py"), str(port)]
    with running(command, ("127.0.0.1", port)):
        yield Link("sink", f"127.0.0.1:{port}")


#: Where can be pushed to, when it is pushing that is measured.
PUSH_LINKS = {"sink": sink, "loopback": loopback}
LINKS = {
    "loopback": loopback,
    "tls": tls,
    "capped": capped,
    "distant": distant,
    "gigabit": gigabit,
}
