"""What a borrowed connection's end is told as: the disk's fault or the network's."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest
from tests.support.memory import MemoryLanding

from kitfast import _core
from kitfast.errors import ConnectionFailed, FileError, KitfastError
from kitfast.transfer.fetch import Fetch, Placer
from kitfast.transfer.plan import Part


class Broken:
    """A borrowed connection on which only one thing happens."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def carry(self, *_: object, **__: object) -> int:
        """Fails."""
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (ConnectionFailed("the connection: Connection reset by peer"), ConnectionFailed),
        (FileError("/models/w: Input/output error"), FileError),
    ],
)
async def test_only_the_network_is_tried_again(
    failure: Exception, told: type[KitfastError]
) -> None:
    fetch = Fetch(Part(0, 10), 10, may_be_whole=True)
    with pytest.raises(told) as caught:
        await Placer(MemoryLanding(10)).carry(Broken(failure), fetch, lambda count: None)  # type: ignore[arg-type]
    assert isinstance(caught.value, ConnectionFailed) == (told is ConnectionFailed)


def test_the_core_tells_a_connection_that_was_reset(tmp_path: Path) -> None:
    landing = _core.Landing.into_store(
        _core.Store(str(tmp_path)), "sha256:" + "0" * 64, 10, "whole"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    with near, pytest.raises(ConnectionFailed, match="the connection: ") as caught:
        landing.receive(near.fileno(), 0, 10)
    assert caught.value.transient
    landing.discard()
