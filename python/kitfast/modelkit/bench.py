"""`bench`: says what this machine can do, and what the link to a registry can."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kitfast import _core, offload, settings
from kitfast.errors import FileError, InvalidArgument
from kitfast.modelkit import ceilings, link
from kitfast.modelkit.ceilings import MIB, Rate
from kitfast.modelkit.kit import fetch
from kitfast.modelkit.link import Link
from kitfast.modelkit.remote import connected
from kitfast.modelkit.space import require_space
from kitfast.oci import reference as references
from kitfast.progress import Callback, Reporter
from kitfast.settings import Network

SIZE = 256 * MIB
SECONDS = 5.0


@dataclass(frozen=True)
class Benchmarked:
    """What was measured: the machine, in `folder`, and the link where one was asked for."""

    folder: str
    cores: int
    machine: tuple[Rate, ...]
    link: Link | None


async def bench(
    reference: str | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    size: int = SIZE,
    seconds: float = SECONDS,
    home: Path | None = None,
    network: Network | None = None,
    progress: Callback | None = None,
) -> Benchmarked:
    """Measures hashing, the disk and sockets here, and given a kit, the link to its registry.

    Args:
        reference: a kit in a registry, whose largest layer is read and thrown away.
        folder: the disk to measure; the home where none is given.
        size: bytes to write there; never more are on the disk, and none afterwards.
        seconds: how long each of the two readings over the link may take.

    Raises:
        InvalidArgument: a size or time that measures nothing.
        NoSpace, FileError: the disk does not take the bytes.
        NotInRegistry, ConnectionFailed: the kit is not to be had.
    """
    if size < MIB or seconds <= 0:
        raise InvalidArgument("a measure needs a size of 1 MiB or more, and some time")
    measured = Path(folder) if folder is not None else home or settings.home()
    over_link = await _link(reference, home, network, seconds, progress) if reference else None
    machine = await _machine(measured, size, progress)
    return Benchmarked(str(measured), os.cpu_count() or 1, machine, over_link)


async def _machine(folder: Path, size: int, progress: Callback | None) -> tuple[Rate, ...]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"cannot make {folder}: {error.strerror}"
        raise FileError(text, path=str(folder), errno=error.errno) from error
    require_space(folder, size)
    meter = _core.Meter()
    reporter = Reporter(progress, "measure", str(folder))
    rates = await offload.run(
        ceilings.measure,
        folder,
        size,
        meter=meter,
        tick=lambda: reporter.at(meter.done, meter.total),
    )
    reporter.finish()
    return rates


async def _link(
    reference: str,
    home: Path | None,
    network: Network | None,
    seconds: float,
    progress: Callback | None,
) -> Link:
    parsed = references.parse(reference)
    reporter = Reporter(progress, "measure", reference)
    async with connected(parsed, home or settings.home(), network) as registry:
        kit = await fetch(registry, parsed)
        if not kit.manifest.layers:
            raise InvalidArgument(f"{reference}: has no layer to read")
        largest = max(kit.manifest.layers, key=lambda layer: layer.size)
        layer = link.Layer(registry, parsed.repository, largest)
        found = await link.measure(layer, reference, seconds, reporter)
    reporter.finish()
    return found
