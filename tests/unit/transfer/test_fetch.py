"""What a borrowed connection's end is told as: the disk's fault or the network's."""

from __future__ import annotations

import pytest
from tests.support.memory import MemoryLanding

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
        (FileError("the connection: Connection reset by peer"), ConnectionFailed),
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
