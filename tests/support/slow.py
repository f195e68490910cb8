"""A way to a registry that is only so fast, so that kills find a transfer busy."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

PIECE = 64 << 10


class _Meter:
    """Lets so many bytes a second pass, all connections together."""

    def __init__(self, bytes_a_second: float) -> None:
        self._rate = bytes_a_second
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def pass_through(self, count: int) -> None:
        """Waits until `count` more bytes may pass."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + count / self._rate
            wait = self._free_at - time.monotonic()
        if wait > 0:
            time.sleep(wait)


@contextlib.contextmanager
def slowed(host: str, bytes_a_second: float) -> Iterator[str]:
    """Yields a host:port behind which `host` answers, no faster than that."""
    name, _, port = host.rpartition(":")
    meter = _Meter(bytes_a_second)
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(
            target=_accept, args=(server, (name, int(port)), meter), daemon=True
        )
        accepting.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        # Closing alone would not wake a thread that waits in accept.
        server.shutdown(socket.SHUT_RDWR)
        accepting.join()


def _accept(server: socket.socket, target: tuple[str, int], meter: _Meter) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        upstream = socket.create_connection(target)
        for source, sink, limit in ((client, upstream, None), (upstream, client, meter)):
            threading.Thread(target=_pump, args=(source, sink, limit), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, meter: _Meter | None) -> None:
    # Either side may vanish at any time: that is what these tests are about.
    with contextlib.suppress(OSError):
        while data := source.recv(PIECE):
            if meter is not None:
                meter.pass_through(len(data))
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
